import { once } from '../admit.ts'
import { state, use } from '../limits.ts'
import type {
  DenySession,
  EndSession,
  Ended,
  IssueSession,
  Issued,
  LoadPolicy,
  Seed,
  SessionRow,
  SetSwitch,
} from '../operations.ts'
import type { Call, JsonObject, Want } from '../types.ts'
import { put, write } from '../working.ts'
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

/**
 * Plans weighed under the one before go back to be weighed again. Limits that this policy makes new begin with what the
 * calls of their window took, in this very transaction: an edit is no way to a fresh budget.
 */
export function policyLoaded(working: Working, operation: LoadPolicy): { entry: string } {
  const { digest, texts, definitions, seeds = [] } = operation
  const before = working.policy
  working.policy = digest
  working.texts.push({ digest, texts })
  const seeded = seedLimits(working, seeds)
  if (definitions !== undefined) {
    working.definitions = new Set(definitions)
    working.changed.definitions = true
  }
  return {
    entry: write(working, 'policy.loaded', {
      policy: digest,
      before: before === '' ? null : before,
      files: texts.map(({ path }) => path),
      ...(seeded.length > 0 ? { seeded } : {}),
    }),
  }
}

function seedLimits(working: Working, seeds: readonly Seed[]): JsonObject[] {
  const known = working.definitions
  const begun = new Set<string>()
  const moves = new Map<string, { want: Want; held: number; used: number }>()
  for (const seed of seeds) {
    const call = working.calls.get(seed.call)
    if (call === undefined) continue
    const fresh = once(seed.wants.filter(({ definition }) => !known.has(definition)).map(({ want }) => want))
    const taken: Want[] = []
    for (const want of fresh) {
      const limit = state(working, want)
      // What it counted under a policy of long ago is not the whole of its window.
      if (!begun.has(want.limit)) for (const bucket of limit.buckets.keys()) limit.buckets.set(bucket, 0)
      begun.add(want.limit)
      const move = moves.get(want.limit) ?? { want, held: 0, used: 0 }
      moves.set(want.limit, move)
      if (isOpen(call) && !call.reserve.some((mine) => mine.limit === want.limit)) {
        limit.held += want.amount
        move.held += want.amount
        taken.push(want)
      } else if (isSpent(call, want)) {
        use(working, want, call.intent_at ?? call.created_at)
        move.used += want.amount
      }
    }
    if (taken.length > 0) put(working, { ...call, reserve: [...call.reserve, ...taken] })
  }
  return [...moves.values()].map(({ want, held, used }) => {
    return { limit: want.limit, name: want.name, unit: want.unit, window: want.per, held, used }
  })
}

function isOpen({ state: now }: Call): boolean {
  return now === 'held' || now === 'intent' || now === 'executing' || now === 'unknown' || now === 'needs_human'
}

function isSpent({ state: now }: Call, { kind, window }: Want): boolean {
  if (window.kind === 'gauge') return false
  return now === 'done' || (now === 'refused' && kind === 'rate')
}
