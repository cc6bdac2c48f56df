import { setImmediate as turn } from 'node:timers/promises'
import { idFrom, timeOf } from '../core/id.ts'
import type { Call } from '../core/types.ts'
import { OPEN, OPEN_STATES, parseCall } from './calls.ts'
import type { CallRow } from './calls.ts'
import type { Db, Param } from './db.ts'
import type { CallFilter, Glance, Sought } from './store.ts'

/** What ended without an effect: people look for these, and they are few beside what is done. As its index says it. */
const ENDED_STATES = new Set(['denied', 'refused', 'rejected', 'expired', 'cancelled', 'not_sent'] as const)
const ENDED = `state IN (${[...ENDED_STATES].map((state) => `'${state}'`).join(', ')})`

/** Who has more sessions has calls among the newest of all. */
const SESSIONS_MAX = 200
/** So many calls of a person are picked by their sessions; more are found on the way through all. */
const CALLS_MAX = 5000
/** Calls parsed at a time, some 10 µs each. */
const AT_ONCE = 50
/** An id is made before its call is written down, perhaps by the clock of another process. */
const APART_MS = 3_600_000

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
  const { own, other } = conditions(index, filter, theirs)
  // Of few sessions the calls are picked and put in order; PostgreSQL would rather go through all calls in their order.
  const order = index === 'sessions' ? `(id || '')` : 'id'
  const among = `SELECT id FROM calls ${whereOf(own)} ORDER BY ${order} DESC LIMIT ${size}`
  const [seen] = await db.all<{ last: string | null; count: number }>(
    numbered(`SELECT MIN(id) AS last, COUNT(*) AS count FROM (${among}) seen`),
    own.flatMap(({ params }) => params),
  )
  if (seen === undefined || seen.last === null) return { calls: [], before: null }
  // All of a stretch is read as it lies; what an index has picked is fetched one by one.
  const stretch =
    index === 'id'
      ? [...own, { text: 'id >= ?', params: [seen.last] }]
      : [{ text: `id IN (${among})`, params: own.flatMap(({ params }) => params) }]
  const all = [...stretch, ...other]
  const rows = await db.all<CallRow & { readonly id: string }>(
    numbered(`SELECT id, data FROM calls ${whereOf(all)} ORDER BY id DESC LIMIT ${limit}`),
    all.flatMap(({ params }) => params),
  )
  const calls = rows.map(({ data }) => data)
  if (calls.length === limit) return { calls, before: rows.at(-1)?.id ?? seen.last }
  return { calls, before: Number(seen.count) < size ? null : seen.last }
}

type Index = 'session' | 'sessions' | 'principal' | 'open' | 'ended' | 'role' | 'action' | 'id'

/** The one that brings the fewest calls, as far as the filter tells. */
function indexFor(filter: CallFilter, theirs: Theirs | null): Index {
  const { session, principal, states, role, action } = filter
  if (session !== undefined) return 'session'
  if (principal !== undefined) return 'principal'
  if (states?.every((state) => OPEN_STATES.has(state))) return 'open'
  if (theirs?.hasFewCalls === true) return 'sessions'
  const ended = states?.every((state) => (ENDED_STATES as ReadonlySet<string>).has(state)) === true
  // Denied is what many calls are; the others of these are rare.
  if (ended && !states?.includes('denied')) return 'ended'
  if (role !== undefined) return 'role'
  if (action !== undefined) return 'action'
  return ended ? 'ended' : 'id'
}

/** Sessions of a person, or of a workload: null in place of what is long to find out. */
interface Theirs {
  readonly count: number | null
  readonly hasFewCalls: boolean
  /** No call of theirs is older or younger, ms. */
  readonly since: number | null
  readonly until: number | null
}

async function sessionsOf(db: Db, person: string): Promise<Theirs> {
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

interface Condition {
  readonly text: string
  readonly params: readonly Param[]
}

/**
 * `own` is what the index itself tells. `other` is asked in a way that no index knows (a text and nothing): SQLite, which has
 * no figures about the table, would else take another one and read all that it has.
 */
function conditions(
  index: Index,
  filter: CallFilter & Sought,
  theirs: Theirs | null,
): { own: Condition[]; other: Condition[] } {
  const { role, action, session, principal, key, states, person, since, until, before } = filter
  const own: Condition[] = []
  const other: Condition[] = []
  const add = (isOwn: boolean, text: string, ...params: Param[]) => (isOwn ? own : other).push({ text, params })
  const equals = (name: string, isOwn: boolean, value: string | undefined) =>
    value === undefined ? 0 : add(isOwn, `${isOwn ? name : `(${name} || '')`} = ?`, value)

  equals('session', index === 'session', session)
  equals('principal', index === 'principal', principal)
  equals('role', index === 'role', role)
  // The index of roles has the action beside the id.
  equals('action', index === 'action' || (index === 'role' && role !== undefined), action)
  equals('key', false, key)
  if (index === 'open') add(true, OPEN)
  if (index === 'ended') add(true, ENDED)
  if (states !== undefined) {
    const isOwn = index === 'open' || index === 'ended'
    add(isOwn, `${isOwn ? 'state' : "(state || '')"} IN (${states.map(() => '?').join(', ')})`, ...states)
  }
  if (person !== undefined) {
    const whose = 'IN (SELECT id FROM sessions WHERE requester = ? OR acting_for = ?)'
    add(index === 'sessions', `${index === 'sessions' ? 'session' : "(session || '')"} ${whose}`, person, person)
  }
  if (before !== undefined) add(true, 'id < ?', before)
  if (since !== undefined) add(false, 'created_at >= ?', since)
  if (until !== undefined) add(false, 'created_at <= ?', until)
  const from = Math.max(since ?? 0, theirs?.since ?? 0)
  const to = Math.min(until ?? LATEST_MS, theirs?.until ?? LATEST_MS)
  if (from > 0) add(true, 'id >= ?', idAt(from - APART_MS))
  if (to < LATEST_MS) add(true, 'id < ?', idAt(to + APART_MS))
  soughtIn(filter, (text, ...params) => add(false, text, ...params))
  return { own, other }
}

/** Each lets through all that matches, and some that does not; whoever asked looks at them once more. */
function soughtIn({ amount_min, amount_max, texts }: Sought, add: (text: string, ...params: Param[]) => void): void {
  // Calls from before the column was there have none.
  if (amount_min !== undefined) add('(amount IS NULL OR amount >= ?)', amount_min)
  if (amount_max !== undefined) add('(amount IS NULL OR amount <= ?)', amount_max)
  for (const run of (texts ?? []).flatMap(runsOf))
    add(`lower(data) LIKE ? ESCAPE '!'`, `%${run.toLowerCase().replaceAll(/[!%_]/g, '!$&')}%`)
}

/**
 * What of a text can be sought in the JSON of a call: not what JSON writes otherwise than it is, nor letters beyond ASCII that
 * have another case, which the database's lower() leaves as they are.
 */
function runsOf(text: string): string[] {
  const runs = ['']
  for (const character of text) {
    const isPlain = /^[ !#-[\]-~]$/.test(character)
    const hasNoCase =
      /^[^\0-\u009f\ud800-\udfff]$/u.test(character) && character.toLowerCase() === character.toUpperCase()
    if (isPlain || hasNoCase) runs[runs.length - 1] += character
    else runs.push('')
  }
  return runs.filter((run) => run !== '')
}

/** @param ms kept within what an id can tell. */
function idAt(ms: number): string {
  return idFrom('call', Math.min(LATEST_MS, Math.max(0, ms)), new Uint8Array(10))
}

/** The end of 48 bits, which an id has for its time. */
const LATEST_MS = 2 ** 48 - 1

function whereOf(conditions: readonly Condition[]): string {
  return conditions.length === 0 ? '' : `WHERE ${conditions.map(({ text }) => text).join(' AND ')}`
}

function numbered(text: string): string {
  let at = 0
  return text.replaceAll('?', () => `$${++at}`)
}
