import type { Notice, Wait } from '../core/notice.ts'
import type { Call } from '../core/types.ts'
import { callsByIds, OPEN, parseCall } from './calls.ts'
import { insert, select } from './db.ts'
import type { Db } from './db.ts'

/** Everything stands in `data`; the columns beside it are what waits and notices are found and forgotten by. */
interface Row {
  readonly data: string
}

/** What is over is kept so long: dead letters are looked at after a holiday. */
const KEPT_MS = 30 * 24 * 3_600_000
/** Of what began to wait, so much is looked at in one go. */
const LOOKED_AT_MAX = 500

/** All waits of these calls, with their notices. */
export async function toldOf(db: Db, calls: readonly string[]): Promise<{ waits: Wait[]; notices: Notice[] }> {
  const ids = [...new Set(calls)]
  const waits = await select<Row>(db, 'SELECT data FROM waits WHERE call IN', ids)
  const notices = await select<Row>(db, 'SELECT data FROM notices WHERE call IN', ids)
  return { waits: waits.map(waitIn), notices: notices.map(noticeIn) }
}

/**
 * Calls of which the ledger has, at this place or after it, that they began to wait for people, had a yes, or ended to
 * wait; each with the time of its last such entry. `next`: where to look on. The index `entries_waits` has only such
 * entries, and is taken only where its condition stands in the question as it stands there.
 */
export async function waitsSince(
  db: Db,
  from: number,
): Promise<{ readonly found: readonly { readonly call: Call; readonly at: number }[]; readonly next: number }> {
  const entries = await db.all<{ idx: number; call: string; at: number }>(
    `SELECT idx, call, at FROM entries WHERE (kind = 'call.held' OR kind = 'call.needs_human'
       OR kind = 'call.approved' OR kind = 'call.rejected' OR kind = 'call.expired' OR kind = 'call.cancelled'
       OR kind = 'call.reconciled') AND idx >= $1 ORDER BY idx LIMIT ${LOOKED_AT_MAX}`,
    [from],
  )
  const last = new Map(entries.map(({ call, at }) => [call, at]))
  const calls = await callsByIds(db, [...last.keys()])
  const found = calls.map((call) => ({ call, at: last.get(call.id) ?? call.updated_at }))
  return { found, next: (entries.at(-1)?.idx ?? from - 1) + 1 }
}

/** Calls that wait for people now, after this one, oldest first. */
export async function waitingCalls(db: Db, after: string): Promise<Call[]> {
  const rows = await db.all<Row>(
    `SELECT data FROM calls WHERE ${OPEN} AND state IN ('held', 'needs_human') AND id > $1 ORDER BY id LIMIT ${LOOKED_AT_MAX}`,
    [after],
  )
  return rows.map(parseCall)
}

/** Calls with an open wait that are in its state no longer. */
export async function waitsToEnd(db: Db): Promise<string[]> {
  const rows = await db.all<{ call: string }>(
    `SELECT call FROM waits w WHERE open = 1
      AND NOT EXISTS (SELECT 1 FROM calls c WHERE c.id = w.call AND c.state = w.state) LIMIT ${LOOKED_AT_MAX}`,
  )
  return rows.map(({ call }) => call)
}

/** What one channel is to be told now, what is due longest first. */
export async function dueNotices(db: Db, channel: string, now: number, limit: number): Promise<Notice[]> {
  const rows = await db.all<Row>(
    `SELECT data FROM notices WHERE state = 'waiting' AND channel = $1 AND due_at <= $2 ORDER BY due_at LIMIT ${limit}`,
    [channel, now],
  )
  return rows.map(noticeIn)
}

/** What another process than this one tries, or tried when it died. */
export async function noticesOfOthers(db: Db, owner: string): Promise<Notice[]> {
  const rows = await db.all<Row>(
    `SELECT data FROM notices WHERE owner IS NOT NULL AND owner <> $1 LIMIT ${LOOKED_AT_MAX}`,
    [owner],
  )
  return rows.map(noticeIn)
}

/** Newest first, after `before`. */
export async function filterNotices(
  db: Db,
  { state, before, limit }: { readonly state?: Notice['state']; readonly before?: string; readonly limit: number },
): Promise<Notice[]> {
  const after = before ?? 'msg_~'
  const rows =
    state === undefined
      ? await db.all<Row>(`SELECT data FROM notices WHERE id < $1 ORDER BY id DESC LIMIT ${limit}`, [after])
      : await db.all<Row>(`SELECT data FROM notices WHERE state = $1 AND id < $2 ORDER BY id DESC LIMIT ${limit}`, [
          state,
          after,
        ])
  return rows.map(noticeIn)
}

export async function noticeById(db: Db, id: string): Promise<Notice | null> {
  const [row] = await db.all<Row>('SELECT data FROM notices WHERE id = $1', [id])
  return row === undefined ? null : noticeIn(row)
}

/** By channel and state, of what is not over. */
export async function countNotices(
  db: Db,
): Promise<{ readonly channel: string; readonly state: Notice['state']; readonly count: number }[]> {
  const rows = await db.all<{ channel: string; state: Notice['state']; count: number }>(
    `SELECT channel, state, COUNT(*) AS count FROM notices WHERE state IN ('waiting', 'dead') GROUP BY channel, state`,
  )
  return rows.map((row) => ({ ...row, count: Number(row.count) }))
}

/** Writes back what changed, and forgets what has been over for a month, where something new begins. */
export async function writeTold(
  db: Db,
  waits: readonly Wait[],
  notices: readonly Notice[],
  now: number,
): Promise<void> {
  await insert(
    db,
    'INSERT INTO waits (id, call, state, open, over_at, data) VALUES',
    waits.map((wait) => {
      const { id, call, state, over } = wait
      return [id, call, state, over === null ? 1 : null, over?.at ?? null, JSON.stringify(wait)]
    }),
    'ON CONFLICT (id) DO UPDATE SET open = excluded.open, over_at = excluded.over_at, data = excluded.data',
  )
  await insert(
    db,
    'INSERT INTO notices (id, call, wait, channel, state, due_at, owner, data) VALUES',
    notices.map((notice) => {
      const { id, call, wait, channel, state, due_at, owner } = notice
      return [id, call, wait, channel, state, due_at, owner, JSON.stringify(notice)]
    }),
    `ON CONFLICT (id) DO UPDATE SET state = excluded.state, due_at = excluded.due_at, owner = excluded.owner,
      data = excluded.data`,
  )
  if (!waits.some(({ over }) => over === null)) return
  await db.run('DELETE FROM notices WHERE wait IN (SELECT id FROM waits WHERE over_at <= $1)', [now - KEPT_MS])
  await db.run('DELETE FROM waits WHERE over_at <= $1', [now - KEPT_MS])
}

function waitIn({ data }: Row): Wait {
  return JSON.parse(data) as Wait
}

function noticeIn({ data }: Row): Notice {
  return JSON.parse(data) as Notice
}
