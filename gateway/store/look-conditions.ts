import { idFrom } from '../core/id.ts'
import { OPEN, OPEN_STATES } from './calls.ts'
import type { Param } from './db.ts'
import type { Theirs } from './look-sessions.ts'
import type { CallFilter, Sought } from './store.ts'

/** What ended without an effect: people look for these, and they are few beside what is done. As its index says it. */
const ENDED_STATES = new Set(['denied', 'refused', 'rejected', 'expired', 'cancelled', 'not_sent'] as const)
const ENDED = `state IN (${[...ENDED_STATES].map((state) => `'${state}'`).join(', ')})`

/** An id is made before its call is written down, perhaps by the clock of another process. */
const APART_MS = 3_600_000

export type Index = 'session' | 'sessions' | 'principal' | 'open' | 'ended' | 'role' | 'action' | 'id'

/** The one that brings the fewest calls, as far as the filter tells. */
export function indexFor(filter: CallFilter, theirs: Theirs | null): Index {
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

export interface Condition {
  readonly text: string
  readonly params: readonly Param[]
}

/**
 * `own` is what the index itself tells. `other` is asked in a way that no index knows (a text and nothing): SQLite, which has
 * no figures about the table, would else take another one and read all that it has.
 */
export function conditions(
  index: Index,
  filter: CallFilter & Sought,
  theirs: Theirs | null,
): { own: Condition[]; from: Condition[]; other: Condition[] } {
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
  if (since !== undefined) add(false, 'created_at >= ?', since)
  if (until !== undefined) add(false, 'created_at <= ?', until)
  const first = Math.max(since ?? 0, theirs?.since ?? 0)
  const last = Math.min(until ?? LATEST_MS, theirs?.until ?? LATEST_MS)
  // One upper bound, too.
  const bounds = [
    ...(before === undefined ? [] : [before]),
    ...(last < LATEST_MS ? [idAt(last + APART_MS)] : []),
  ].sort()
  if (bounds[0] !== undefined) add(true, 'id < ?', bounds[0])
  soughtIn(filter, (text, ...params) => add(false, text, ...params))
  return { own, from: first > 0 ? [{ text: 'id >= ?', params: [idAt(first - APART_MS)] }] : [], other }
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
