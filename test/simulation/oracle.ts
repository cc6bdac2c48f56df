import type { Effect, Sent } from './backend.ts'
import { budgets } from './budgets.ts'
import type { GrantRules, Variant } from './company.ts'
import type { Database } from './database.ts'
import { arrow, told } from './entries.ts'
import type { EntryRow, Fields } from './entries.ts'
import type { Later, LaterParts } from './later.ts'
import { room } from './room.ts'
import { stops } from './stops.ts'
import { isOpen, isWithoutEffect, isWrite, newTrack } from './track.ts'
import type { Track, Violated } from './track.ts'
import { wire } from './wire.ts'
import type { Asked } from './wire.ts'
import { yes } from './yes.ts'

/** What the correctness rules forbid, and that happened. */
export interface Violation {
  /** `I3`, `liveness`. */
  readonly invariant: string
  readonly what: string
}

/** Reads every committed entry once, in order, and everything that the backends see. */
export interface Oracle {
  readonly violations: readonly Violation[]
  readonly calls: ReadonlyMap<string, Track>
  readonly violated: Violated
  /** After each commit; nobody was told of it yet. */
  committed(): void
  sent(sent: Sent): void
  happened(effect: Effect): void
  /** An agent asks for this. */
  asks(asked: Asked): void
  /** A person clicks yes under this card. */
  clicks(person: string, call: string, card: string): void
  /** The backend did not answer a lookup of this call, or not clearly. */
  couldNotTell(call: string): void
  /** The calls that are not over. */
  open(): Track[]
  isFrozen(name: string): boolean
  /** What the store keeps of the limits is what the entries come to. */
  checkLimits(): void
  readonly later: Later
  readonly entries: () => number
}

export interface OracleParts {
  readonly database: Pick<Database, 'rows'>
  /** True time. */
  readonly now: () => number
  readonly trace: (line: string) => void
  /** The policies that there are. */
  readonly variants: readonly Variant[]
  /** A hold ends by itself. */
  readonly expires: () => void
  readonly later: (parts: Pick<LaterParts, 'calls' | 'stops' | 'violated'>) => Later
}

export function openOracle({ database, now, trace, variants, expires, later }: OracleParts): Oracle {
  const violations: Violation[] = []
  const violated: Violated = (invariant, what) => {
    trace(`!!! ${invariant}: ${what}`)
    violations.push({ invariant, what })
  }
  const calls = new Map<string, Track>()
  const byDigest = new Map(variants.map((variant) => [variant.policy.digest, variant.rules.grants]))
  /** When it is over by its lifetime, in the ledger's time. */
  const sessions = new Map<string, number>()
  const unclear = new Set<string>()
  const seen = { at: 0, size: 0, policy: '' }

  const grantsOf = ({ policy }: Pick<Track, 'policy'>) => byDigest.get(policy === '' ? seen.policy : policy) ?? {}
  const grantOf = (track: Track): GrantRules | null => grantsOf(track)[track.role]?.[track.action] ?? null
  const limits = budgets(violated)
  const stopped = stops(now)
  const rooms = room(calls, database, violated)
  const said = yes(database, violated)
  const judged = later({ calls, violated, stops: stopped })
  const { joins: joined, leases: lent, notices: noticed } = judged
  const isReserved = (track: Track): boolean => limits.holds(track.id) || (grantOf(track)?.limits.length ?? 0) === 0
  const line = wire({ calls, database, stops: stopped, isReserved, violated })

  function committed(): void {
    const rows = database.rows<EntryRow>(
      'SELECT idx, id, at, kind, bytes FROM entries WHERE idx >= ? ORDER BY idx',
      seen.size,
    )
    if (rows.length === 0) return
    for (const row of rows) {
      const { id, idx, at, kind, bytes } = row
      if (idx !== seen.size) violated('I15', `entry ${id} has place ${idx}, not ${seen.size}`)
      if (at < seen.at) violated('I15', `entry ${id} is dated ${seen.at - at} ms before the one in front of it`)
      Object.assign(seen, { at: Math.max(seen.at, at), size: seen.size + 1 })
      const fields = JSON.parse(bytes) as Fields
      trace(`ledger: ${kind} ${told(fields)}`)
      if (kind.startsWith('call.')) followCall(row, fields)
      else followOther(row, fields)
    }
    lent?.committed()
    const [head] = database.rows<{ size: number }>('SELECT size FROM head')
    if (head?.size !== seen.size) violated('I15', `the head says ${head?.size}, and there are ${seen.size} entries`)
  }

  function followOther({ kind, at }: EntryRow, fields: Fields): void {
    const { session = '', reason, name, on = false, lifetime_s = 0 } = fields
    if (kind === 'session.issued') {
      sessions.set(session, at + lifetime_s * 1000)
      lent?.sessionBegins(session, lifetime_s * 1000)
    }
    if (kind === 'session.ended' && (reason === 'revoked' || reason === 'role_removed')) stopped.revoked(session)
    if (kind === 'session.ended') lent?.sessionEnds(session)
    if (kind === 'lease.issued') lent?.issued(fields)
    if (kind === 'lease.revoked') lent?.revoked(fields)
    if (kind === 'switch.set' && name !== undefined) stopped.switched(name, on)
    if (kind !== 'policy.loaded') return
    seen.policy = fields.policy ?? ''
    limits.seeded(fields.seeded ?? [], (limit) =>
      database.rows<{ bucket: number; used: number }>('SELECT bucket, used FROM limit_uses WHERE limit_id = ?', limit),
    )
  }

  function followCall(row: EntryRow, fields: Fields): void {
    const { kind } = row
    const { call: id = '', principal = '', role = '', action = '', session = '' } = fields
    const track = calls.get(id) ?? newTrack({ id, principal, role, action, session })
    const from = track.state
    const to = arrow(kind, from, fields)
    if (to === null) return violated('I17', `${kind} of ${id}, which is ${from}`)
    calls.set(id, track)
    if (fields.cost != null) track.amount = fields.cost.amount
    track.request = fields.digests?.['request'] ?? track.request
    if (kind === 'call.expired') expires()
    if (kind === 'call.denied') rooms.denied(track, row, fields, grantOf({ ...track, policy: fields.policy ?? '' }))
    if (kind === 'call.needs_human' && from === 'unknown') asksPeople(track)
    if (kind === 'call.held') said.held(track, row, fields)
    if (kind === 'call.approved') said.approved(track, row, fields)
    if (kind === 'call.started') started(track, row, fields)
    moveLimits(track, row, fields)
    track.state = to
    const enters = kind === 'call.held' || (kind === 'call.started' && track.attempt === 1)
    if (enters) rooms.fits(track, row.at, grantOf(track), Object.keys(grantsOf(track)))
    if (from === 'received') (to === 'denied' ? joined?.denied : joined?.opened)?.(track)
    noticed?.entry(track, row, fields)
    if (!isOpen(track)) ended(track)
  }

  /** Where the backend can be asked, people are asked only when it could not tell. */
  function asksPeople({ id, action }: Track): void {
    if (action !== 'shop.order' || unclear.has(id)) return
    violated('liveness', `${id} waits for people, and the backend can tell`)
  }

  function started(track: Track, { at }: EntryRow, { attempt = 0, policy }: Fields): void {
    const { id, state } = track
    if (attempt !== track.attempt + 1) violated('I17', `attempt ${attempt} of ${id} follows ${track.attempt}`)
    track.attempt = attempt
    if (attempt > 1) return
    track.intentAt = at
    track.policy = policy ?? track.policy
    if (state === 'held' && at >= track.expiresAt) violated('I11', `${id} began after its time was over`)
    const isOver = state === 'received' && at >= (sessions.get(track.session) ?? Infinity)
    if (isOver) violated('I18', `${id} began after its session was over`)
    const grant = grantOf(track)
    if (grant === null) return violated('I18', `${id} began without a grant`)
    if (track.amount > (grant.ceiling ?? Infinity))
      violated('I3', `${id} began with ${track.amount}, above the ceiling`)
    said.enough(track, grant)
  }

  function moveLimits(track: Track, { kind, at }: EntryRow, fields: Fields): void {
    const wasOpen = isOpen(track)
    const { release = [], reserve = [], spend = [], dated } = fields
    limits.release(track.id, release, wasOpen)
    if (kind === 'call.denied') limits.use(spend, at)
    else if (spend.length > 0) {
      if (dated !== undefined && Date.parse(dated) !== track.intentAt) {
        violated('I13', `${track.id} is dated ${dated}, and its intent is of another time`)
      }
      limits.spend(track.id, spend, track.intentAt ?? at, wasOpen)
    }
    const max = (name: string) => grantOf(track)?.limits.find((limit) => limit.name === name)?.max ?? null
    limits.reserve(track.id, reserve, at, max)
  }

  /** I12, I4: what has ended says what happened. */
  function ended(track: Track): void {
    const { id, state, effects } = track
    limits.over(id)
    if (state === 'done' && isWrite(track) && effects !== 1) {
      violated('I12', `${id} is done and happened ${effects} times`)
    }
    if (isWithoutEffect(track) && effects > 0) violated('I12', `${id} is ${state} and happened`)
  }

  return {
    violations,
    calls,
    violated,
    committed,
    ...line,
    clicks: said.clicks,
    couldNotTell: (call) => void unclear.add(call),
    open: () => [...calls.values()].filter(isOpen),
    isFrozen: stopped.isFrozen,
    checkLimits() {
      const rows = database.rows<{ id: string; held: number }>('SELECT id, held FROM limits')
      const uses = database.rows<{ limit_id: string; bucket: number; used: number }>('SELECT * FROM limit_uses')
      limits.compare(rows, uses, seen.at)
    },
    later: judged,
    entries: () => seen.size,
  }
}
