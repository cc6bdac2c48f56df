import { deepEqual, ok } from 'node:assert/strict'
import { join } from 'node:path'
import type { Call } from '../../gateway/core/types.ts'
import { idFrom } from '../../gateway/core/id.ts'
import { writeCalls } from '../../gateway/store/calls.ts'
import type { Db, Driver, Param } from '../../gateway/store/db.ts'
import { lastUses } from '../../gateway/store/last-uses.ts'
import { lookAtCalls } from '../../gateway/store/look.ts'
import { openPostgres } from '../../gateway/store/postgres.ts'
import { migrate } from '../../gateway/store/schema.ts'
import { openSqlite } from '../../gateway/store/sqlite.ts'
import type { CallFilter, Sought } from '../../gateway/store/store.ts'
import { startPostgres } from '../backends/postgres.ts'
import type { Database } from '../backends/postgres.ts'
import { freshDirectory } from './operations.ts'

type Filter = CallFilter & Sought

const CALLS = 3000
const BEGAN = Date.parse('2026-01-01T00:00:00Z')
const STATES = ['done', 'done', 'done', 'denied', 'refused', 'held', 'unknown', 'expired'] as const
/** Everybody of one workload has few sessions, everybody of the other has many. */
const SESSIONS = Array.from({ length: 600 }, (_, at) => ({
  id: `ses_${String(at).padStart(4, '0')}`,
  requester: at % 2 === 0 ? 'ci:many' : `ci:few-${at % 40}`,
  acting_for: at % 7 === 0 ? 'demo:dana' : null,
}))

const calls = Array.from({ length: CALLS }, (_, at) => callOf(at)).toReversed()

/** Numbers that look like chance and are the same each time. */
function chance(at: number, of: number): number {
  return (Math.imul(at + 1, 2_654_435_761) >>> 8) % of
}

function callOf(at: number): Call {
  const created_at = BEGAN + at * 60_000
  const session = SESSIONS[chance(at, 600)] ?? SESSIONS[0]
  const amount = chance(at * 3, 100_000)
  const call = {
    id: idFrom('call', created_at - 5, new Uint8Array(10).fill(chance(at, 256))),
    state: STATES[chance(at * 7, STATES.length)],
    action: `a.${chance(at * 5, 12)}`,
    role: `role-${chance(at * 11, 9)}`,
    principal: session?.requester,
    requester: session?.requester,
    session: session?.id,
    key: null,
    cost: at % 3 === 0 ? null : { unit: at % 5 === 0 ? 'JPY' : 'USD', amount },
    summary: `Refund of "100%" _${at}_ for Zoë!`,
    created_at,
    expires_at: null,
  }
  return call as unknown as Call
}

const FILTERS: readonly Filter[] = [
  {},
  { role: 'role-1' },
  { action: 'a.3' },
  { role: 'role-2', action: 'a.4', states: ['denied'] },
  { states: ['held', 'unknown'] },
  { states: ['refused'], role: 'role-3' },
  { states: ['done'], action: 'a.7' },
  { states: ['done', 'held'] },
  { states: [] },
  { session: 'ses_0007', states: ['done'] },
  { principal: 'ci:few-3', action: 'a.1' },
  { person: 'ci:many', role: 'role-5' },
  { person: 'ci:few-9' },
  { person: 'demo:dana', states: ['denied', 'expired'] },
  { person: 'nobody' },
  { since: BEGAN + 1000 * 60_000, until: BEGAN + 1200 * 60_000 },
  { since: BEGAN + 2990 * 60_000, role: 'role-1' },
  { until: BEGAN, states: ['done'] },
  { since: 0, until: 2 ** 50 },
  { amount_min: 900 },
  { amount_max: 0.5, role: 'role-6' },
  { texts: ['_77_'] },
  { texts: ['100%'] },
  { texts: ['FOR zo', 'refund'] },
  { texts: ['found nowhere'] },
  { texts: ['for ZOË!'] },
  { texts: ['Zoë! nowhere'] },
  { texts: ['客'] },
  { states: ['expired'], person: 'ci:many', amount_min: 100, texts: ['refund'] },
]

/** What the filter means, read from all calls that there are; a text that the store cannot seek lets all through. */
function matches(filter: Filter, call: Call): boolean {
  const { role, action, session, principal, person, states, since, until, amount_min, amount_max, texts } = filter
  const { requester, acting_for } = SESSIONS.find(({ id }) => id === call.session) ?? {}
  const amount = call.cost === null ? null : call.cost.amount / (call.cost.unit === 'USD' ? 100 : 1)
  return (
    (role ?? call.role) === call.role &&
    (action ?? call.action) === call.action &&
    (session ?? call.session) === call.session &&
    (principal ?? call.principal) === call.principal &&
    (person === undefined || requester === person || acting_for === person) &&
    (states === undefined || states.includes(call.state)) &&
    call.created_at >= (since ?? 0) &&
    call.created_at <= (until ?? Infinity) &&
    (amount === null || (amount >= (amount_min ?? 0) && amount <= (amount_max ?? Infinity))) &&
    (texts ?? []).every((text) => call.summary.toLowerCase().includes(text.toLowerCase()))
  )
}

describe('a look at the log', function () {
  this.timeout(30_000)
  let server: Database
  const stores: { readonly [name: string]: () => Promise<Driver> } = {
    sqlite: async () => openSqlite(join(freshDirectory(), 'keystay.db')),
    postgres: async () => openPostgres({ url: await server.fresh() }),
  }
  before(async () => {
    server = await startPostgres(['log_statement=none'])
  })
  after(() => server?.stop())

  for (const [name, open] of Object.entries(stores)) {
    it(`finds exactly what each filter means, in stretches of any size: ${name}`, async () => {
      const driver = await open()
      await fill(driver)
      for (const filter of FILTERS) {
        const wanted = calls.filter((call) => matches(filter, call)).map(({ id }) => id)
        for (const [size, limit] of [
          [5000, 5000],
          [170, 20],
        ] as const) {
          const found = await driver.transaction((db) => all(db, { ...filter, limit }, size))
          deepEqual(found, wanted, JSON.stringify({ filter, size }))
        }
      }
      await driver.close()
    })
  }

  for (const [name, open] of Object.entries(stores)) {
    it(`knows when each role asked for an action last, also long ago, and for which it never did: ${name}`, async () => {
      const driver = await open()
      await fill(driver)
      const old = {
        ...callOf(0),
        id: idFrom('call', BEGAN - 1000, new Uint8Array(10)),
        action: 'a.old',
        created_at: BEGAN - 999,
      }
      await driver.transaction((db) => writeCalls(db, [old], () => true))
      const names = ['a.3', 'a.old', 'a.never', 'a.7']
      for (const role of ['role-1', old.role, 'role-nobody']) {
        const wanted = names.flatMap((action) => {
          const last = [...calls, old].find((call) => call.role === role && call.action === action)
          return last === undefined ? [] : [[action, last.created_at]]
        })
        const found = await driver.transaction((db) => lastUses(db, role, names))
        deepEqual([...found].sort(), wanted.sort())
      }
      await driver.close()
    })
  }

  it('seeks a use that is long ago in the index of its role alone: sqlite', async () => {
    const driver = openSqlite(join(freshDirectory(), 'keystay.db'))
    await fill(driver)
    await driver.transaction(async (db) => {
      const plans: string[] = []
      await lastUses(explained(db, plans), 'role-1', ['a.never'])
      ok(
        plans
          .filter((plan) => /(SCAN|SEARCH) calls/.test(plan))
          .every((plan) => plan.includes('calls_by_role (role=?)') || plan.includes('(id=?)')),
        plans.join('; '),
      )
    })
    await driver.close()
  })

  it('reads no more than its stretch, by the index that brings the fewest: sqlite', async () => {
    const driver = openSqlite(join(freshDirectory(), 'keystay.db'))
    await fill(driver)
    await driver.transaction(async (db) => {
      for (const filter of FILTERS) {
        const plans: string[] = []
        await lookAtCalls(explained(db, plans), filter, 170)
        const wrong = plans.filter((plan) => /SCAN calls/.test(plan) && !/USING (COVERING )?INDEX/.test(plan))
        // The calls that an index has picked are fetched by their ids; a stretch of all is read as it lies.
        const ways = new Set(plans.flatMap((plan) => /calls USING (?:COVERING )?INDEX (\w+)/.exec(plan)?.[1] ?? []))
        ways.delete('sqlite_autoindex_calls_1')
        deepEqual([wrong, [...ways]], [[], INDEXES.get(filter) ?? []], JSON.stringify({ filter, plans }))
      }
    })
    await driver.close()
  })

  it('goes through no more than a stretch where a time bounds the log as well: sqlite', async () => {
    const driver = openSqlite(join(freshDirectory(), 'keystay.db'))
    await fill(driver)
    await driver.transaction(async (db) => {
      const plans: string[] = []
      const time = { since: BEGAN, until: BEGAN + 2900 * 60_000, before: calls[1000]?.id ?? '' }
      await lookAtCalls(explained(db, plans), { ...time, texts: ['found nowhere'] }, 170)
      const ranges = plans.filter((plan) => plan.includes('calls USING'))
      ok(ranges.length > 1 && ranges.every((plan) => plan.endsWith('(id>? AND id<?)')), plans.join('; '))
      const bounds: string[] = []
      const noted: Db = { ...db, all: async (sql, params) => (bounds.push(sql), db.all(sql, params)) }
      await lookAtCalls(noted, { ...time, texts: ['found nowhere'] }, 170)
      for (const sql of bounds) deepEqual([sql.match(/ id >= /g)?.length, sql.match(/ id < /g)?.length], [1, 1], sql)
    })
    await driver.close()
  })

  it('knows an index for every filter that names one', () => {
    ok([...INDEXES.values()].flat().length > 10)
  })
})

/** Beside the ids: what each filter is to be looked up by. */
const INDEXES = new Map<Filter, string[]>(
  FILTERS.map((filter) => {
    const { role, action, session, principal, states, person } = filter
    if (states?.length === 0) return [filter, []]
    if (session !== undefined) return [filter, ['calls_session']]
    if (principal !== undefined) return [filter, ['calls_principal']]
    if (states?.includes('held') && !states.includes('done')) return [filter, ['calls_open']]
    if (person !== undefined && person !== 'ci:many') return [filter, ['calls_session']]
    if (states?.[0] === 'refused' || states?.[0] === 'expired') return [filter, ['calls_ended']]
    if (role !== undefined) return [filter, ['calls_by_role']]
    if (action !== undefined) return [filter, ['calls_by_action']]
    return [filter, []]
  }),
)

async function all(db: Db, filter: Filter, size: number): Promise<string[]> {
  const found: string[] = []
  for (let before: string | null | undefined; before !== null;) {
    const glance = await lookAtCalls(db, before === undefined ? filter : { ...filter, before }, size)
    found.push(...glance.calls.map(({ id }) => id))
    before = glance.before
  }
  return found
}

async function fill(driver: Driver): Promise<void> {
  await migrate(driver)
  await driver.transaction(async (db) => {
    await writeCalls(db, calls, () => true)
    for (const { id, requester, acting_for } of SESSIONS)
      await db.run(
        `INSERT INTO sessions (id, token_hash, role, lineage, principal, requester, acting_for, issuer, expires_at, data)
         VALUES ($1, $2, 'r', $3, 'p', $4, $5, 'i', $6, '{}')`,
        [id, `hash of ${id}`, id, requester, acting_for, BEGAN + CALLS * 60_000],
      )
  })
}

/** Answers as it would, and notes how SQLite goes about it. */
function explained(db: Db, plans: string[]): Db {
  return {
    ...db,
    async all<Row>(sql: string, params: readonly Param[] = []) {
      const steps = await db.all<{ detail: string }>(`EXPLAIN QUERY PLAN ${sql}`, params)
      plans.push(...steps.map(({ detail }) => detail))
      return db.all<Row>(sql, params)
    },
  }
}
