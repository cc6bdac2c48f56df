import { timeOf } from '../core/id.ts'
import type { Db } from './db.ts'

/** Who has more sessions has calls among the newest of all. */
const SESSIONS_MAX = 200
/** So many calls of a person are picked by their sessions; more are found on the way through all. */
const CALLS_MAX = 5000
/** Sessions of a person, or of a workload: null in place of what is long to find out. */
export interface Theirs {
  readonly count: number | null
  readonly hasFewCalls: boolean
  /** No call of theirs is older or younger, ms. */
  readonly since: number | null
  readonly until: number | null
}

/** What is known of a person's calls before one of them is looked at. */
export async function sessionsOf(db: Db, person: string): Promise<Theirs> {
  const sessions = await db.all<{ id: string; expires_at: number }>(
    `SELECT id, expires_at FROM sessions WHERE requester = $1 OR acting_for = $2 LIMIT ${SESSIONS_MAX + 1}`,
    [person, person],
  )
  if (sessions.length > SESSIONS_MAX) return { count: null, hasFewCalls: false, since: null, until: null }
  const [calls] = await db.all<{ count: number }>(
    `SELECT COUNT(*) AS count FROM (SELECT session FROM calls
       WHERE session IN (SELECT id FROM sessions WHERE requester = $1 OR acting_for = $2) LIMIT ${CALLS_MAX + 1}) few`,
    [person, person],
  )
  const began = sessions.map(({ id }) => timeOf(id) ?? 0)
  return {
    count: sessions.length,
    hasFewCalls: Number(calls?.count) <= CALLS_MAX,
    since: Math.min(...began),
    until: Math.max(...sessions.map(({ expires_at }) => expires_at)),
  }
}
