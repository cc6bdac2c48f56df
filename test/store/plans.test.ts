import { ok } from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import {
  callsToJoin,
  filterCalls,
  holdIsDue,
  openCallsBefore,
  openCallsOfLineages,
  unfinishedCalls,
} from '../../gateway/store/calls.ts'
import type { Db, Param } from '../../gateway/store/db.ts'
import { migrate } from '../../gateway/store/schema.ts'
import { standingLeases } from '../../gateway/store/leases.ts'
import { filterSessions, sessionsOfLineages } from '../../gateway/store/sessions.ts'
import { openSqlite } from '../../gateway/store/sqlite.ts'

const UNNAMED = { principal: 'demo:bot', role: 'agent', action: 'pay.refund', key: 'k', fingerprint: 'f' }

/** What is asked again and again while a gateway serves, whatever the number of calls that ever were. */
const ASKED: readonly [what: string, indexes: string, ask: (db: Db) => Promise<unknown>][] = [
  ['calls that somebody left', 'calls_open', (db) => openCallsBefore(db, null)],
  ['calls that somebody left a while ago', 'calls_open', (db) => openCallsBefore(db, 'call_01')],
  ['calls that have not settled', 'calls_open', (db) => unfinishedCalls(db)],
  ['calls that wait for people', 'calls_open', (db) => filterCalls(db, { states: ['needs_human'], limit: 10_000 })],
  ['calls that are held or run', 'calls_open', (db) => filterCalls(db, { states: ['held', 'intent', 'executing'] })],
  ['a hold whose time is over', 'calls_due', (db) => holdIsDue(db, 0)],
  ['calls that an equal request joins', 'calls_joins', (db) => callsToJoin(db, [UNNAMED])],
  ['calls of a principal', 'calls_principal', (db) => filterCalls(db, { principal: 'demo:bot' })],
  ['calls of a session', 'calls_session', (db) => filterCalls(db, { session: 'ses_1', states: ['cancelled'] })],
  ['sessions that live', 'sessions_due', (db) => filterSessions(db, { live_at: 1 })],
  ['sessions of a role that live', 'sessions_due', (db) => filterSessions(db, { live_at: 1, role: 'agent' })],
  ['logins that somebody may have', 'leases_standing', (db) => standingLeases(db)],
  ['sessions of a role', 'sessions_role', (db) => filterSessions(db, { role: 'agent' })],
  ['what the end of a session cancels', 'calls_open sessions_lineage', (db) => openCallsOfLineages(db, ['ses_1'])],
  ['which sessions end with it', 'calls_open sessions_lineage', (db) => sessionsOfLineages(db, ['ses_1'])],
]

describe('what is asked of the store all the time', () => {
  let dir: string
  let database: DatabaseSync

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'keystay-plans-'))
    const driver = openSqlite(join(dir, 'keystay.db'))
    await migrate(driver)
    await driver.close()
    database = new DatabaseSync(join(dir, 'keystay.db'), { readOnly: true })
  })
  after(async () => {
    database.close()
    await rm(dir, { recursive: true })
  })

  for (const [what, indexes, ask] of ASKED) {
    it(`reads no more than it needs: ${what}`, async () => {
      const plans: string[] = []
      const explain = async (sql: string, params: readonly Param[] = []) => {
        const text = `EXPLAIN QUERY PLAN ${sql.replaceAll(/\$(\d+)/g, '?$1')}`
        plans.push(
          ...database
            .prepare(text)
            .all(...params)
            .map(({ detail }) => String(detail)),
        )
        return []
      }
      await ask({ all: explain, run: () => Promise.reject(new Error('it only reads')) })
      const reads = plans.filter((plan) => /^(SCAN|SEARCH)/.test(plan))
      // What the index names is then fetched, each by its id.
      const fetches = /^SEARCH sessions USING INDEX sqlite_autoindex_sessions_1 \(id=\?\)$/
      const found = reads.filter((plan) => !fetches.test(plan))
      ok(
        found.length > 0 &&
          found.every((plan) =>
            indexes.split(' ').includes(/^SEARCH (?:calls|sessions|leases) USING INDEX (\w+) /.exec(plan)?.[1] ?? ''),
          ),
        reads.join('; '),
      )
    })
  }
})
