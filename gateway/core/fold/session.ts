import type {
  DenySession,
  EndSession,
  Ended,
  IssueSession,
  Issued,
  SessionRow,
  SetSwitch,
  Used,
  UseSession,
} from '../operations.ts'
import { actingFields } from '../principal.ts'
import { isRevoked } from '../session-over.ts'
import type { JsonObject } from '../types.ts'
import { write } from '../working.ts'
import type { Working } from '../working.ts'
import { cancel } from './people.ts'
import { consentFor, consentIsTaken } from './visit.ts'

/** How long a renewed session lives beside its renewal, until the renewal's token is used. */
export const BOTH_LIVE_MS = 60_000

/** Shorter than this no session is worth its entry. */
const LIFE_MIN_MS = 1_000

/** A deliberate grant: who asked, for what role, on what proof, for how long, under which policy and prompt. */
export function issued(working: Working, operation: IssueSession): Issued {
  const { session: draft, lifetime_ms, live_max, renews } = operation
  const consent = operation.consent === undefined ? undefined : consentFor(working, operation.consent)
  if (consent === null) return { kind: 'consent_over' }
  const proofs = [
    { ...draft, once: operation.once },
    ...(draft.actor === undefined ? [] : [{ ...draft.actor, once: operation.actor_once === true }]),
  ]
  const used = proofs.some((proof) => proof.once && (proof.jti === null || working.proofs.has(nameOf(proof))))
  if (used) return { kind: 'proof_used' }
  const before = renews === undefined ? null : renewable(working, draft, renews.session)
  if (typeof before === 'string') return { kind: before }
  const { now } = working
  const over = before === null ? Infinity : before.began_at + (renews?.lifetime_max_ms ?? 0)
  if (over < now + LIFE_MIN_MS) return { kind: 'lineage_over' }
  // The renewal takes the place of what it renews: whoever has all the sessions they may have can still go on.
  const place = before !== null && [before, successorOf(working, before)].some((row) => row && counts(row, now)) ? 1 : 0
  const live = (working.live.get(draft.principal) ?? 0) - place
  if (live >= live_max) return { kind: 'too_many' }

  if (consent !== undefined) consentIsTaken(working, consent, draft.id)
  if (before !== null) makeWay(working, before, draft.id)
  const session: SessionRow = {
    ...draft,
    lineage: before?.lineage ?? draft.lineage,
    issued_at: now,
    expires_at: Math.min(now + lifetime_ms, over),
    began_at: before?.began_at ?? now,
    renews: before?.id ?? null,
    renewed_by: null,
    ended_at: null,
    ended_reason: null,
  }
  put(working, session)
  working.live.set(draft.principal, live + 1)
  for (const proof of proofs) if (proof.jti !== null) working.proofs.add(nameOf(proof))
  const entry = write(
    working,
    before === null ? 'session.issued' : 'session.renewed',
    {
      session: session.id,
      role: session.role,
      lineage: session.lineage,
      ...(before === null ? {} : { renews: before.id }),
      principal: session.principal,
      requester: session.requester,
      acting_for: session.acting_for,
      issuer: session.issuer,
      proof: session.proof,
      jti: session.jti,
      ...(session.actor === undefined ? {} : { actor: { ...session.actor } }),
      ...(session.client === undefined ? {} : { client: session.client }),
      prompt: session.prompt,
      policy: session.policy,
      lifetime_s: Math.floor((session.expires_at - now) / 1000),
    },
    { session: session.id },
  )
  return { kind: 'issued', session, entry }
}

/**
 * The session that may go on in a new one. An expired one may: its lineage has an end of its own. One that was renewed
 * already may too while nobody has used the renewal: its answer was lost on the way.
 */
function renewable(
  working: Working,
  draft: IssueSession['session'],
  id: string,
): SessionRow | 'no_such_session' | 'ended' | 'renewed' {
  const before = working.sessions.get(id)
  if (before === undefined || before.principal !== draft.principal || before.role !== draft.role)
    return 'no_such_session'
  const reason = before.ended_reason
  if (reason === 'logout' || reason === 'revoked' || reason === 'role_removed') return 'ended'
  const successor = successorOf(working, before)
  if (successor === null) return before
  if (successor.renews === null) return 'renewed'
  return successor.ended_reason === 'logout' ? 'ended' : before
}

function successorOf(working: Working, { renewed_by }: SessionRow): SessionRow | null {
  return renewed_by === null ? null : (working.sessions.get(renewed_by) ?? null)
}

/** What is renewed lives a little longer; a renewal whose token never reached anybody ends at once. */
function makeWay(working: Working, before: SessionRow, renewed_by: string): void {
  const lost = successorOf(working, before)
  if (lost !== null && lost.ended_at === null) end(working, lost, 'renewed', lost.principal)
  const expires_at = Math.min(before.expires_at, working.now + BOTH_LIVE_MS)
  put(working, { ...before, expires_at, renewed_by })
}

/** Whether it is one of those that `live_per_principal` bounds. */
function counts({ ended_at, expires_at, renewed_by }: SessionRow, now: number): boolean {
  return ended_at === null && expires_at > now && renewed_by === null
}

/** The renewal has arrived: what it renews is not needed any more. */
export function used(working: Working, operation: UseSession): Used {
  const session = working.sessions.get(operation.session)
  if (session === undefined || session.renews === null || session.ended_at !== null)
    return { used: session ?? null, ended: 0 }
  const before = working.sessions.get(session.renews)
  const ends = before !== undefined && before.ended_at === null
  if (ends) end(working, before, 'renewed', session.principal)
  return { used: put(working, { ...session, renews: null }), ended: ends ? 1 : 0 }
}

export function denied(working: Working, operation: DenySession): { entry: string } {
  const { role, principal, issuer, reason, client } = operation
  const requester = principal?.split('#', 1)[0] ?? null
  const acting = principal === null ? {} : actingFields(principal)
  const by: JsonObject = client === undefined ? {} : { client }
  return { entry: write(working, 'session.denied', { role, requester, ...acting, issuer, reason, ...by }) }
}

/**
 * Logout leaves held and running calls alone. Revoked by people, or the role gone: no session of the lineage goes on,
 * what has not begun is cancelled, and what runs meets the permit (R3). It still counts after any other end: calls that
 * were held must not run.
 */
export function ended(working: Working, operation: EndSession): Ended {
  const session = working.sessions.get(operation.session)
  if (session === undefined) return { kind: 'no_such_session' }
  const { reason, by } = operation
  if (reason === 'logout') {
    if (session.ended_at !== null) return { kind: 'already', session }
    return { kind: 'ended', session: end(working, session, reason, by), cancelled: [] }
  }
  const { lineage } = session
  const standing = [...working.sessions.values()].filter((one) => one.lineage === lineage && !isRevoked(one))
  if (standing.length === 0) return { kind: 'already', session }
  for (const one of standing) end(working, one, reason, by, operation.why)
  const waiting = [...working.calls.values()].filter((call) => {
    return call.lineage === lineage && (call.state === 'held' || call.state === 'intent')
  })
  const cancelled = waiting.map((call) => cancel(working, call, `the session was ended: ${reason}`, by))
  return { kind: 'ended', session: working.sessions.get(session.id) ?? session, cancelled }
}

/** Every session whose time is over. @returns how many. */
export function ends(working: Working): number {
  const due = [...working.sessions.values()].filter((one) => one.ended_at === null && one.expires_at <= working.now)
  for (const one of due) end(working, one, one.renewed_by === null ? 'expired' : 'renewed', 'gateway')
  return due.length
}

function end(
  working: Working,
  session: SessionRow,
  reason: NonNullable<SessionRow['ended_reason']>,
  by: string,
  why?: string,
) {
  const { id, role, principal } = session
  const said: JsonObject = why === undefined ? {} : { why }
  const fields = { session: id, role, principal, ...actingFields(principal), reason, by, ...said }
  write(working, 'session.ended', fields, { session: id })
  return put(working, { ...session, ended_at: working.now, ended_reason: reason })
}

function put(working: Working, session: SessionRow): SessionRow {
  working.sessions.set(session.id, session)
  working.changed.sessions.add(session.id)
  return session
}

function nameOf({ issuer, jti }: { readonly issuer: string; readonly jti: string | null }): string {
  return `${issuer} ${jti}`
}

export function switched(working: Working, operation: SetSwitch): { entry: string } {
  const { name, on, reason, person } = operation
  const positions = { ...working.switches.positions, [name]: { on, reason, person, at: working.now } }
  working.switches = { version: working.switches.version + 1, positions }
  working.changed.switches = true
  return { entry: write(working, 'switch.set', { name, on, reason, person }) }
}
