import { idFrom } from '../core/id.ts'
import { OPEN, OPEN_STATES, parseCall } from './calls.ts'
import type { CallRow } from './calls.ts'
import type { Db, Param } from './db.ts'
import type { CallFilter, Glance, Sought } from './store.ts'

/** What ended without an effect: people look for these, and they are few beside what is done. As its index says it. */
const ENDED_STATES = new Set(['denied', 'refused', 'rejected', 'expired', 'cancelled', 'not_sent'] as const)
const ENDED = `state IN (${[...ENDED_STATES].map((state) => `'${state}'`).join(', ')})`

/** Who has more sessions has calls among the newest of all. */
const SESSIONS_MAX = 200
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
  return { calls: calls.map((data) => parseCall({ data })), before }
}

/** The same, each call as the JSON that it is stored as. */
export async function lookAtTexts(
  db: Db,
  filter: CallFilter & Sought,
  size: number,
): Promise<{ readonly calls: readonly string[]; readonly before: string | null }> {
  if (filter.states?.length === 0) return { calls: [], before: null }
  const limit = Math.max(0, Math.min(filter.limit ?? 100, size))
  const index = await indexFor(db, filter)
  const { own, other } = conditions(index, filter)
  const among = `SELECT id FROM calls ${whereOf(own)} ORDER BY id DESC LIMIT ${size}`
  const [seen] = await db.all<{ last: string | null; count: number }>(
    numbered(`SELECT MIN(id) AS last, COUNT(*) AS count FROM (${among}) seen`),
    own.flatMap(({ params }) => params),
  )
  if (seen === undefined || seen.last === null) return { calls: [], before: null }
  // All of a stretch is read as it lies; what an index has picked is fetched one by one.
  const theirs =
    index === 'id'
      ? [...own, { text: 'id >= ?', params: [seen.last] }]
      : [{ text: `id IN (${among})`, params: own.flatMap(({ params }) => params) }]
  const all = [...theirs, ...other]
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
async function indexFor(db: Db, filter: CallFilter): Promise<Index> {
  const { session, principal, states, role, action, person } = filter
  if (session !== undefined) return 'session'
  if (principal !== undefined) return 'principal'
  if (states?.every((state) => OPEN_STATES.has(state))) return 'open'
  if (person !== undefined && (await hasFewSessions(db, person))) return 'sessions'
  const ended = states?.every((state) => (ENDED_STATES as ReadonlySet<string>).has(state)) === true
  // Denied is what many calls are; the others of these are rare.
  if (ended && !states?.includes('denied')) return 'ended'
  if (role !== undefined) return 'role'
  if (action !== undefined) return 'action'
  return ended ? 'ended' : 'id'
}

async function hasFewSessions(db: Db, person: string): Promise<boolean> {
  const text = `SELECT id FROM sessions WHERE requester = $1 OR acting_for = $2 LIMIT ${SESSIONS_MAX + 1}`
  return (await db.all(text, [person, person])).length <= SESSIONS_MAX
}

interface Condition {
  readonly text: string
  readonly params: readonly Param[]
}

/**
 * `own` is what the index itself tells. `other` is asked in a way that no index knows (a text and nothing): SQLite, which has
 * no figures about the table, would else take another one and read all that it has.
 */
function conditions(index: Index, filter: CallFilter & Sought): { own: Condition[]; other: Condition[] } {
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
    const theirs = 'IN (SELECT id FROM sessions WHERE requester = ? OR acting_for = ?)'
    add(index === 'sessions', `${index === 'sessions' ? 'session' : "(session || '')"} ${theirs}`, person, person)
  }
  if (before !== undefined) add(true, 'id < ?', before)
  if (since !== undefined) {
    add(true, 'id >= ?', idFrom('call', Math.max(0, since - APART_MS), new Uint8Array(10)))
    add(false, 'created_at >= ?', since)
  }
  if (until !== undefined) {
    add(true, 'id < ?', idFrom('call', Math.min(LATEST_MS, Math.max(0, until + APART_MS)), new Uint8Array(10)))
    add(false, 'created_at <= ?', until)
  }
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

/** The end of 48 bits, which an id has for its time. */
const LATEST_MS = 2 ** 48 - 1

function whereOf(conditions: readonly Condition[]): string {
  return conditions.length === 0 ? '' : `WHERE ${conditions.map(({ text }) => text).join(' AND ')}`
}

function numbered(text: string): string {
  let at = 0
  return text.replaceAll('?', () => `$${++at}`)
}
