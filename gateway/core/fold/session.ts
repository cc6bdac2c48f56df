import type { DenySession, EndSession, Ended, IssueSession, Issued, SessionRow, SetSwitch } from '../operations.ts'
import { write } from '../working.ts'
import type { Working } from '../working.ts'
import { cancel } from './people.ts'

/** A deliberate grant: who asked, for what role, on what proof, for how long, under which policy and prompt. */
export function issued(working: Working, operation: IssueSession): Issued {
  const { session: draft, lifetime_ms, live_max, once } = operation
  const proof = `${draft.issuer} ${draft.jti}`
  if (once && (draft.jti === null || working.proofs.has(proof))) return { kind: 'proof_used' }
  const live = working.live.get(draft.principal) ?? 0
  if (live >= live_max) return { kind: 'too_many' }
  const session: SessionRow = {
    ...draft,
    issued_at: working.now,
    expires_at: working.now + lifetime_ms,
    ended_at: null,
    ended_reason: null,
  }
  working.sessions.set(session.id, session)
  working.changed.sessions.add(session.id)
  working.live.set(draft.principal, live + 1)
  if (draft.jti !== null) working.proofs.add(proof)
  const entry = write(
    working,
    'session.issued',
    {
      session: session.id,
      role: session.role,
      lineage: session.lineage,
      principal: session.principal,
      requester: session.requester,
      acting_for: session.acting_for,
      issuer: session.issuer,
      proof: session.proof,
      jti: session.jti,
      prompt: session.prompt,
      policy: session.policy,
      lifetime_s: Math.floor(lifetime_ms / 1000),
    },
    { session: session.id },
  )
  return { kind: 'issued', session, entry }
}

export function denied(working: Working, operation: DenySession): { entry: string } {
  const { role, principal, issuer, reason } = operation
  return { entry: write(working, 'session.denied', { role, requester: principal, issuer, reason }) }
}

/**
 * Logout leaves held and running calls alone. Revoked by people, or the role gone: what has not begun is cancelled, and
 * what runs meets the permit (R3).
 */
export function ended(working: Working, operation: EndSession): Ended {
  const session = working.sessions.get(operation.session)
  if (session === undefined) return { kind: 'no_such_session' }
  // A revocation still counts after a logout: its held calls must not run.
  const again = session.ended_at !== null && (session.ended_reason !== 'logout' || operation.reason === 'logout')
  if (again) return { kind: 'already', session }
  const { reason, by } = operation
  const row: SessionRow = { ...session, ended_at: working.now, ended_reason: reason }
  working.sessions.set(row.id, row)
  working.changed.sessions.add(row.id)
  write(
    working,
    'session.ended',
    { session: row.id, role: row.role, principal: row.principal, reason, by },
    { session: row.id },
  )
  if (reason !== 'logout') {
    for (const call of working.calls.values()) {
      const waits = call.state === 'held' || call.state === 'intent'
      if (waits && call.session === row.id) cancel(working, call, `the session was ended: ${reason}`, by)
    }
  }
  return { kind: 'ended', session: row }
}

export function switched(working: Working, operation: SetSwitch): { entry: string } {
  const { name, on, reason, person } = operation
  const positions = { ...working.switches.positions, [name]: { on, reason, person, at: working.now } }
  working.switches = { version: working.switches.version + 1, positions }
  working.changed.switches = true
  return { entry: write(working, 'switch.set', { name, on, reason, person }) }
}
