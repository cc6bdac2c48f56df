import { setImmediate as turn } from 'node:timers/promises'
import type { Call } from '../core/types.ts'
import { parseCall } from './calls.ts'
import type { CallRow } from './calls.ts'
import type { Db } from './db.ts'
import { conditions, indexFor } from './look-conditions.ts'
import type { Condition } from './look-conditions.ts'
import { sessionsOf } from './look-sessions.ts'
import type { CallFilter, Glance, Sought } from './store.ts'

/** Calls parsed at a time, some 10 µs each. */
const AT_ONCE = 50
/**
 * Looks at the next `size` calls that one index has, newest first, and at no others: it takes the same time however many there
 * are. The index is the one that brings the fewest; the rest of the filter is asked of the calls that it brings.
 *
 * @returns those that match, `limit` at most, and the last one that was looked at; null where there is none older.
 */
export async function lookAtCalls(db: Db, filter: CallFilter & Sought, size: number): Promise<Glance> {
  const { calls, before } = await lookAtTexts(db, filter, size)
  return { calls: await parsedInTurns(calls), before }
}

/** Many are long to parse, and whoever serves agents meanwhile has its turn after each few. */
export async function parsedInTurns(texts: readonly string[]): Promise<Call[]> {
  const calls: Call[] = []
  for (const data of texts) {
    if (calls.length % AT_ONCE === AT_ONCE - 1) await turn()
    calls.push(parseCall({ data }))
  }
  return calls
}

/** The same, each call as the JSON that it is stored as. */
export async function lookAtTexts(
  db: Db,
  filter: CallFilter & Sought,
  size: number,
): Promise<{ readonly calls: readonly string[]; readonly before: string | null }> {
  if (filter.states?.length === 0) return { calls: [], before: null }
  const limit = Math.max(0, Math.min(filter.limit ?? 100, size))
  const theirs = filter.person === undefined ? null : await sessionsOf(db, filter.person)
  if (theirs?.count === 0) return { calls: [], before: null }
  const index = indexFor(filter, theirs)
  const { own, from, other } = conditions(index, filter, theirs)
  // Of few sessions the calls are picked and put in order; PostgreSQL would rather go through all calls in their order.
  const order = index === 'sessions' ? `(id || '')` : 'id'
  const picks = [...own, ...from]
  const among = `SELECT id FROM calls ${whereOf(picks)} ORDER BY ${order} DESC LIMIT ${size}`
  const [seen] = await db.all<{ last: string | null; count: number }>(
    numbered(`SELECT MIN(id) AS last, COUNT(*) AS count FROM (${among}) seen`),
    picks.flatMap(({ params }) => params),
  )
  if (seen === undefined || seen.last === null) return { calls: [], before: null }
  // All of a stretch is read as it lies, and has one lower bound: of two, SQLite takes the first, and reads down to that one.
  // What an index has picked is fetched one by one.
  const stretch =
    index === 'id'
      ? [...own, { text: 'id >= ?', params: [seen.last] }]
      : [{ text: `id IN (${among})`, params: picks.flatMap(({ params }) => params) }]
  const all = [...stretch, ...other]
  const rows = await db.all<CallRow & { readonly id: string }>(
    numbered(`SELECT id, data FROM calls ${whereOf(all)} ORDER BY id DESC LIMIT ${limit}`),
    all.flatMap(({ params }) => params),
  )
  const calls = rows.map(({ data }) => data)
  if (calls.length === limit) return { calls, before: rows.at(-1)?.id ?? seen.last }
  return { calls, before: Number(seen.count) < size ? null : seen.last }
}

function whereOf(conditions: readonly Condition[]): string {
  return conditions.length === 0 ? '' : `WHERE ${conditions.map(({ text }) => text).join(' AND ')}`
}

function numbered(text: string): string {
  let at = 0
  return text.replaceAll('?', () => `$${++at}`)
}
