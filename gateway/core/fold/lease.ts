import { admit, reportedBy } from '../admit.ts'
import { isReady, leaseOver } from '../lease.ts'
import type { EndLease, LeaseRow, NoteLease, ResultOfLease, TakeLease, Taken } from '../lease.ts'
import { moved, release, reserve } from '../limits.ts'
import type { Settle } from '../operations.ts'
import { overBy } from '../session-over.ts'
import type { Call } from '../types.ts'
import { callFields, write } from '../working.ts'
import type { Working } from '../working.ts'
import { begin, frozenBy, hold, isStale, useOf } from './open.ts'
import { expire, expired, heldAfresh, recheckDenied } from './people.ts'

/**
 * The agent comes for a held lease that people have let go. It is the decision asked again with everybody's yes and
 * today's facts (R12), and the intent: what differs from the card is held afresh, as for any other call.
 */
export function takes(working: Working, operation: TakeLease): Taken {
  const before = working.calls.get(operation.call)
  if (before === undefined) return { kind: 'no_such_call' }
  const session = working.sessions.get(operation.session)
  const here = session !== undefined && session.lineage === before.lineage && overBy(session, working.now) === null
  if (!here || !isReady(before)) return { kind: 'not_ready', call: before }
  if (expired(before, working.now)) return { kind: 'not_ready', call: expire(working, before) }
  const { plan } = operation
  if (frozenBy(working.switches, plan.role, plan.action, plan.effect) !== null)
    return { kind: 'not_ready', call: before }
  if (isStale(working, operation)) return { kind: 'stale' }

  const usage = useOf(working, before.reserve, before.approvals)
  const decision = admit(plan, usage)
  const reported = reportedBy(plan, usage)
  working.bodies.set(before.id, { call: before.id, ...operation.bodies })
  if (decision.verdict === 'deny') {
    const denied = recheckDenied(working, before, plan, { policy: plan.policy }, decision, reported)
    return { kind: 'denied', call: denied }
  }
  const afresh = decision.verdict === 'hold' ? decision : heldAfresh(working, before, plan, decision)
  release(working, before.reserve)
  if (afresh !== null) {
    reserve(working, afresh.reserve)
    const again = { why: 'what was approved has changed', release: before.reserve }
    return { kind: 'held', call: hold(working, before, plan, afresh, reported, again) }
  }
  reserve(working, decision.reserve)
  const approved = { ...before, policy: plan.policy }
  const moves = { reserve: moved(decision.reserve), release: moved(before.reserve) }
  const started = begin(working, approved, decision.reserve, moves, operation.timeout_ms, reported)
  return { kind: 'started', call: started, begun: working.begun }
}

/** Only its own running attempt says so: whoever has lost the call must make nothing any more. */
export function leaseNoted(working: Working, operation: NoteLease): ResultOfLease<NoteLease> {
  const call = working.calls.get(operation.call)
  if (call === undefined || call.state !== 'executing' || call.owner !== working.owner) return { kind: 'fenced' }
  if (call.attempt !== operation.attempt) return { kind: 'fenced' }
  const { from, handle, place } = operation
  const expires_at = working.now
  put(working, { ...rowOf(call), login: '', place, from, handle, issued_at: null, expires_at })
  return { kind: 'noted' }
}

/** With the outcome, in one transaction: from here on somebody sees to its end. */
export function issueLease(working: Working, call: Call, issued: NonNullable<Settle['lease']>): void {
  const { login, place, from, lease_id, lifetime_ms } = issued
  const noted = working.leases.get(call.id)?.handle ?? null
  const handle = noted === null || lease_id === null ? noted : `${noted} ${lease_id}`
  const expires_at = working.now + lifetime_ms
  put(working, { ...rowOf(call), login, place, from, handle, issued_at: working.now, expires_at })
  write(
    working,
    'lease.issued',
    {
      ...callFields(call),
      backend: call.backend,
      login,
      place,
      ...(from === null ? {} : { from, lease_id }),
      lifetime_s: Math.floor(lifetime_ms / 1000),
      expires_at: new Date(expires_at).toISOString(),
    },
    { call: call.id, session: call.session },
  )
}

/** The login is gone, or shut for good: written once, whichever process was the one that saw to it. */
export function leaseEnds(working: Working, operation: EndLease): ResultOfLease<EndLease> {
  const row = working.leases.get(operation.call)
  if (row === undefined || row.ended_at !== null) return { kind: 'already' }
  const lineage = [...working.sessions.values()].filter((session) => session.lineage === row.lineage)
  const reason = operation.reason ?? leaseOver(row, lineage, working.now) ?? 'revoked'
  put(working, { ...row, ended_at: working.now, ended_reason: reason })
  const { call, session, role, principal, action, backend, login } = row
  const fields = { call, session, role, principal, action, effect: 'lease', backend, login, reason }
  const { left } = operation
  write(working, 'lease.revoked', left === undefined ? fields : { ...fields, left }, { call, session })
  return { kind: 'ended' }
}

/** What was noted for a call that ends without a login: nothing of it is left. */
export function forgetNote(working: Working, call: string): void {
  const row = working.leases.get(call)
  if (row === undefined || row.issued_at !== null || row.ended_at !== null) return
  put(working, { ...row, ended_at: working.now, ended_reason: 'never_given' })
}

function rowOf(call: Call): Omit<LeaseRow, 'login' | 'place' | 'from' | 'handle' | 'issued_at' | 'expires_at'> {
  const { id, session, lineage, role, principal, action, backend } = call
  return { call: id, session, lineage, role, principal, action, backend, ended_at: null, ended_reason: null }
}

function put(working: Working, row: LeaseRow): void {
  working.leases.set(row.call, row)
  working.changed.leases.add(row.call)
}
