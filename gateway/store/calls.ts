import { BODY_NAMES } from '../core/entry.ts'
import { joinName, takesJoins } from '../core/join.ts'
import { digitsOf } from '../core/money.ts'
import type { Unnamed } from '../core/join.ts'
import type { Bodies, Call } from '../core/types.ts'
import { keyName } from '../core/working.ts'
import type { Touches } from '../core/working.ts'
import { textOf } from './call-text.ts'
import { insert, select } from './db.ts'
import type { Db, Param } from './db.ts'
import type { CallFilter } from './store.ts'

/** Everything of a call stands in `data`; the columns beside it are what calls are found by. */
export interface CallRow {
  readonly data: string
}

/** How many holds one batch lets expire; the rest are due still, and the next one finds them. */
const DUE_MAX = 500

export async function callsByIds(db: Db, ids: readonly string[]): Promise<Call[]> {
  return (await select<CallRow>(db, 'SELECT data FROM calls WHERE id IN', ids)).map(parseCall)
}

type Key = NonNullable<Touches['keys']>[number]

/** The calls that these request keys name (R1). */
export async function callsByKeys(db: Db, keys: readonly Key[]): Promise<Call[]> {
  const names = new Set(keys.map(({ principal, role, action, key }) => keyName(principal, role, action, key)))
  return (await select<CallRow>(db, 'SELECT data FROM calls WHERE binds IN', [...names])).map(parseCall)
}

/** One key alone, asked on every request: the same statement each time. */
export async function callByKey(
  db: Db,
  principal: string,
  role: string,
  action: string,
  key: string,
): Promise<Call | null> {
  const [row] = await db.all<CallRow>('SELECT data FROM calls WHERE binds = $1', [
    keyName(principal, role, action, key),
  ])
  return row === undefined ? null : parseCall(row)
}

/** The calls that equal requests without a key of their own join (core/join.ts). */
export async function callsToJoin(db: Db, unnamed: readonly Unnamed[]): Promise<Call[]> {
  const names = new Set(unnamed.map(joinName))
  return (await select<CallRow>(db, 'SELECT data FROM calls WHERE joins IN', [...names])).map(parseCall)
}

/** What such requests have joined already, by their keys. What was not sent has left its keys free. */
export async function joinedCalls(db: Db, unnamed: readonly Unnamed[]): Promise<Map<string, Call>> {
  const names = unnamed.flatMap(({ principal, role, action, key }) =>
    key === null ? [] : [keyName(principal, role, action, key)],
  )
  const head = 'SELECT j.name AS name, c.data AS data FROM joined j JOIN calls c ON c.id = j.call WHERE j.name IN'
  const rows = await select<CallRow & { readonly name: string }>(db, head, [...new Set(names)])
  const found = rows.map((row) => [row.name, parseCall(row)] as const)
  return new Map(found.filter(([, { state }]) => state !== 'not_sent'))
}

export async function writeJoined(db: Db, joined: ReadonlyMap<string, string>): Promise<void> {
  const tail = 'ON CONFLICT (name) DO UPDATE SET call = excluded.call'
  await insert(db, 'INSERT INTO joined (name, call) VALUES', [...joined], tail)
}

/**
 * For a request without a key of its own: the call that its key names or has joined (`bound`), or one that it may join.
 */
export async function callUnnamed(
  db: Db,
  unnamed: Unnamed,
): Promise<{ readonly kind: 'bound' | 'joinable'; readonly call: Call } | null> {
  const { principal, role, action, key } = unnamed
  const named = key === null ? null : await callByKey(db, principal, role, action, key)
  const bound = named ?? [...(await joinedCalls(db, [unnamed])).values()][0]
  if (bound !== undefined) return { kind: 'bound', call: bound }
  const [call] = await callsToJoin(db, [unnamed])
  return call === undefined ? null : { kind: 'joinable', call }
}

/** Held, or not yet begun: what the end of a session cancels. */
export async function openCallsOfLineages(db: Db, sessions: readonly string[]): Promise<Call[]> {
  const found: CallRow[] = []
  for (const session of new Set(sessions)) {
    const lineage = 'SELECT id FROM sessions WHERE lineage = (SELECT lineage FROM sessions WHERE id = $1)'
    const text = `SELECT data FROM calls WHERE ${OPEN} AND state IN ('held', 'intent') AND ${ITS_SESSION} IN (${lineage})`
    found.push(...(await db.all<CallRow>(text, [session])))
  }
  return found.map(parseCall)
}

/** Held calls whose time is over at `now`, the longest waiting first, 500 at most. */
export async function dueCalls(db: Db, now: number): Promise<Call[]> {
  const rows = await db.all<CallRow>(
    `SELECT data FROM calls WHERE state = 'held' AND expires_at <= $1 ORDER BY expires_at LIMIT ${DUE_MAX}`,
    [now],
  )
  return rows.map(parseCall)
}

export const OPEN_STATES: ReadonlySet<Call['state']> = new Set([
  'held',
  'intent',
  'executing',
  'unknown',
  'needs_human',
])
/**
 * As the index of open calls says it. SQLite takes that index only where its very condition stands in the question, and
 * else reads every call that ever was: some of these are asked twice a second, on the thread that answers.
 */
export const OPEN = `state IN (${[...OPEN_STATES].map((state) => `'${state}'`).join(', ')})`

/**
 * The session of an open call, and of no other: by the index of sessions, all that a session ever asked for would be read,
 * on the thread that writes.
 */
export const ITS_SESSION = `(calls.session || '')`

/** Calls that a process which died may have left, and holds; needs_human waits for people, not for recovery. */
export async function unfinishedCalls(db: Db): Promise<Call[]> {
  const rows = await db.all<CallRow>(`SELECT data FROM calls WHERE ${OPEN} AND state <> 'needs_human' ORDER BY id`)
  return rows.map(parseCall)
}

/** Calls that somebody runs or resolves, or has left: those with an id below this one, or all. */
export async function openCallsBefore(db: Db, id: string | null): Promise<Call[]> {
  const rows = await db.all<CallRow>(
    `SELECT data FROM calls WHERE ${OPEN} AND state IN ('intent', 'executing', 'unknown') AND id < $1 ORDER BY id`,
    [id ?? 'call_~'],
  )
  return rows.map(parseCall)
}

/** Is there a hold whose time is over at `now`? */
export async function holdIsDue(db: Db, now: number): Promise<boolean> {
  const rows = await db.all(`SELECT id FROM calls WHERE state = 'held' AND expires_at <= $1 LIMIT 1`, [now])
  return rows.length > 0
}

/** Newest first, by keyset: `before` is the id of the last one seen. At most `limit`, 100 when it is not said. */
export async function filterCalls(db: Db, filter: CallFilter): Promise<Call[]> {
  const params: Param[] = []
  const where: string[] = []
  const place = (value: Param) => `$${params.push(value)}`
  for (const name of ['principal', 'role', 'action', 'session', 'key'] as const) {
    const value = filter[name]
    if (value !== undefined) where.push(`${name} = ${place(value)}`)
  }
  if (filter.states?.length === 0) return []
  if (filter.states !== undefined) {
    if (filter.states.every((state) => OPEN_STATES.has(state))) where.push(OPEN)
    where.push(`state IN (${filter.states.map(place).join(', ')})`)
  }
  if (filter.person !== undefined) {
    const person = `requester = ${place(filter.person)} OR acting_for = ${place(filter.person)}`
    where.push(`session IN (SELECT id FROM sessions WHERE ${person})`)
  }
  if (filter.since !== undefined) where.push(`created_at >= ${place(filter.since)}`)
  if (filter.until !== undefined) where.push(`created_at <= ${place(filter.until)}`)
  if (filter.before !== undefined) where.push(`id < ${place(filter.before)}`)
  const condition = where.length === 0 ? '' : `WHERE ${where.join(' AND ')}`
  const limit = place(Math.max(0, Math.min(filter.limit ?? 100, 10_000)))
  const rows = await db.all<CallRow>(`SELECT data FROM calls ${condition} ORDER BY id DESC LIMIT ${limit}`, params)
  return rows.map(parseCall)
}

/**
 * Writes calls back. Those that were loaded are updated first: one of them may give up the key that a new one binds.
 * A new call with an id that exists is an error, never an update of somebody else's call.
 */
export async function writeCalls(db: Db, changed: readonly Call[], isNew: (id: string) => boolean): Promise<void> {
  const old = changed.filter(({ id }) => !isNew(id))
  await insert(db, HEAD, old.map(columns), UPDATE)
  await insert(db, HEAD, changed.filter(({ id }) => isNew(id)).map(columns))
}

const HEAD = `INSERT INTO calls
  (id, state, action, role, principal, session, key, binds, joins, created_at, expires_at, amount, data) VALUES`
const UPDATE = `ON CONFLICT (id) DO UPDATE SET state = excluded.state, binds = excluded.binds, joins = excluded.joins,
  expires_at = excluded.expires_at, amount = excluded.amount, data = excluded.data`

/** The key that names this call, as it is looked up; null for one that leaves its key free. */
export function boundName({ bound, principal, role, action, key }: Call): string | null {
  return bound && key !== null ? keyName(principal, role, action, key) : null
}

/** What equal requests find this call by, while they join it; else null. */
export function joinedBy(call: Call): string | null {
  return takesJoins(call) ? joinName(call) : null
}

function columns(call: Call): Param[] {
  const { id, state, action, role, principal, session, key, created_at, expires_at } = call
  return [
    id,
    state,
    action,
    role,
    principal,
    session,
    key,
    boundName(call),
    joinedBy(call),
    created_at,
    expires_at,
    majorOf(call),
    textOf(call),
  ]
}

/** What a range of amounts is sought by, roughly: 120.5 of `120.50 USD`. What it finds is compared exactly. */
function majorOf({ cost }: Call): number | null {
  return cost === null ? null : cost.amount / 10 ** (digitsOf(cost.unit) ?? 0)
}

export function parseCall({ data }: CallRow): Call {
  return JSON.parse(data) as Call
}

export async function bodiesOf(db: Db, call: string): Promise<Bodies | null> {
  const [row] = await db.all<Bodies>(
    'SELECT call, salt, question, input, facts, request, output, earlier FROM bodies WHERE call = $1',
    [call],
  )
  return row === undefined ? null : { ...row }
}

export async function saltsOf(db: Db, calls: readonly string[]): Promise<Map<string, string>> {
  const rows = await select<{ call: string; salt: string }>(db, 'SELECT call, salt FROM bodies WHERE call IN', calls)
  return new Map(rows.map(({ call, salt }) => [call, salt]))
}

/**
 * Writes what lies beside the ledger, one row a call. A member that is not given keeps what it has.
 * @throws Error for a call without a salt: its digests could never be checked.
 */
export async function writeBodies(
  db: Db,
  bodies: readonly (Partial<Bodies> & { call: string })[],
  salts: ReadonlyMap<string, string>,
): Promise<void> {
  const rows = bodies.map((body) => {
    const { call, salt = salts.get(call) } = body
    if (salt === undefined) throw new Error(`the bodies of ${call} have no salt`)
    return [call, salt, ...BODY_NAMES.map((name) => body[name] ?? null)]
  })
  const kept = BODY_NAMES.map((name) => `${name} = COALESCE(excluded.${name}, bodies.${name})`)
  await insert(
    db,
    `INSERT INTO bodies (call, salt, ${BODY_NAMES.join(', ')}) VALUES`,
    rows,
    `ON CONFLICT (call) DO UPDATE SET ${kept.join(', ')}`,
  )
}
