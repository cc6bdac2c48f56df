import { isClosed } from './policy.ts'
import { admit, exceeds, reportedBy } from '../admit.ts'
import type { Use } from '../admit.ts'
import { cardOf } from '../card.ts'
import { BODY_NAMES, digestOf } from '../entry.ts'
import type { Unnamed } from '../join.ts'
import { moved, peek, reserve, use } from '../limits.ts'
import type { Admit, Admitted, SessionRow, Switches } from '../operations.ts'
import type { Approval, Because, Call, Decision, Effect, JsonObject, NeedState, Plan, Want } from '../types.ts'
import { resetsAt } from '../window.ts'
import { overBy } from '../session-over.ts'
import { callFields, keyName, namedCall, put, write } from '../working.ts'
import { joins } from './join.ts'
import type { Working } from '../working.ts'

/**
 * A call enters: bound already, denied, held, or started. The intent and attempt 1 are one transaction (R1); were we to
 * crash after it, recovery finds a call that is executing and may or may not have been sent.
 */
export function opens(working: Working, operation: Admit): Admitted {
  const session = working.sessions.get(operation.session)
  const over = session === undefined ? 'session_revoked' : overBy(session, working.now)
  if (session === undefined || over !== null) return { kind: 'session', code: over ?? 'session_revoked' }

  const { plan, key, refuse } = operation
  const bound = key === null ? undefined : boundCall(working, operation.principal, plan, key)
  // The key is looked up first, whatever limits, switches and facts say by now: who asked before gets its answer.
  if (bound !== undefined) return { kind: 'bound', call: bound, same: bound.fingerprint === operation.fingerprint }

  const joined = operation.join === 'invented' ? joins(working, unnamedOf(operation), operation.call) : undefined
  if (joined?.kind === 'telling') return joined
  if (joined !== undefined) return { ...joined, kind: 'bound', same: true }

  const call = received(working, operation, session)
  working.salts.set(call.id, operation.bodies.salt)
  const usage = useOf(working, [], [])
  const charged = refuse === undefined || refuse.code === 'denied' || refuse.code === 'not_granted'
  // A guesser pays for each refusal. Who has paid too often is refused for that alone, and does not pay again.
  if (charged && exceeds(plan.attempts, usage)) {
    return deny(working, operation, call, { code: 'rate_limited', ...guessing(plan, usage) }, [])
  }
  if (refuse !== undefined) {
    // Where no line of the policy said no (the input, the key), the detail speaks for itself.
    const lines = refuse.because.length === 0 ? [''] : refuse.because
    const because = lines.map((line) => ({ because: line, message: refuse.detail }))
    const refusal = { code: refuse.code, because, retry_at: refuse.retry_at ?? null }
    return deny(working, operation, call, refusal, charged ? [plan.attempts] : [])
  }
  if (isStale(working, operation)) return { kind: 'stale' }

  const freeze = frozenBy(working.switches, plan.role, plan.action, plan.effect)
  if (freeze !== null) return deny(working, operation, call, { code: 'frozen', ...freeze, retry_at: null }, [])

  const decision = admit(plan, usage)
  const reported = reportedBy(plan, usage)
  if (decision.verdict === 'deny') return deny(working, operation, call, decision, [plan.attempts], reported)
  working.bodies.set(call.id, operation.bodies)
  reserve(working, decision.reserve)
  const opened: Call = { ...call, ...joinOf(operation) }
  if (decision.verdict === 'hold') return { kind: 'held', call: hold(working, opened, plan, decision, reported) }
  const started = begin(
    working,
    opened,
    decision.reserve,
    { reserve: moved(decision.reserve) },
    operation.timeout_ms,
    reported,
  )
  return { kind: 'started', call: started, begun: working.begun }
}

/**
 * The intent: from here on the call may have an effect. `moves` is what this entry moves: nothing where an approval has
 * moved it already.
 */
export function begin(
  working: Working,
  call: Call,
  reserved: readonly Want[],
  moves: { readonly reserve: readonly JsonObject[]; readonly release?: readonly JsonObject[] },
  timeout_ms: number,
  reported: readonly string[],
): Call {
  const { now } = working
  const entry = write(
    working,
    'call.started',
    {
      ...callFields(call),
      attempt: 1,
      policy: call.policy,
      cost: call.cost === null ? null : { ...call.cost },
      digests: digestsOf(working, call.id),
      ...moves,
      ...(reported.length > 0 ? { reported } : {}),
    },
    { call: call.id, session: call.session },
  )
  return put(working, {
    ...call,
    state: 'executing',
    bound: call.key !== null,
    reserve: reserved,
    card: null,
    expires_at: null,
    attempt: 1,
    owner: working.owner,
    intent_at: now,
    not_after: now + timeout_ms,
    updated_at: now,
    entry,
  })
}

/** People are asked. The card is bound to call, request, cost, needs and expiry (R12). */
export function hold(
  working: Working,
  call: Call,
  plan: Plan,
  decision: Extract<Decision, { verdict: 'hold' }>,
  reported: readonly string[],
  /** Set when it was held before: why again, and what it held until now. */
  again?: { readonly why: string; readonly release: readonly Want[] },
): Call {
  const { now } = working
  const expires_at = now + decision.expires_ms
  // The card is new: what was said to another card counts no more.
  const need: NeedState[] = decision.need.map((line) => ({ ...line, have: 0 }))
  const card = cardOf(
    { call: call.id, backend: plan.backend, request: plan.request, cost: plan.cost, need, expires_at },
    saltOf(working, call.id),
  )
  const entry = write(
    working,
    'call.held',
    {
      ...callFields(call),
      policy: plan.policy,
      cost: plan.cost === null ? null : { ...plan.cost },
      need: need.map(({ line, count, of, passkey }) => ({ line, count, of, ...(passkey ? { passkey } : {}) })),
      card,
      expires_at: new Date(expires_at).toISOString(),
      digests: digestsOf(working, call.id),
      reserve: moved(decision.reserve),
      ...(reported.length > 0 ? { reported } : {}),
      ...(again === undefined ? {} : { again: again.why, release: moved(again.release) }),
    },
    { call: call.id, session: call.session },
  )
  return put(working, {
    ...call,
    state: 'held',
    bound: call.key !== null,
    policy: plan.policy,
    backend: plan.backend,
    effect: plan.effect,
    summary: plan.summary,
    cost: plan.cost,
    reserve: decision.reserve,
    need,
    approvals: [],
    card,
    expires_at,
    updated_at: now,
    entry,
  })
}

function deny(
  working: Working,
  operation: Admit,
  call: Call,
  refusal: { code: string; because: readonly Because[]; retry_at: number | null },
  charges: readonly Want[],
  reported: readonly string[] = [],
): Admitted {
  const { plan, refuse } = operation
  working.bodies.set(call.id, operation.bodies)
  for (const want of charges) use(working, want, working.now)
  const because = refusal.because.map((line) => line.because).filter((line) => line !== '')
  const entry = write(
    working,
    'call.denied',
    {
      ...callFields(call),
      code: refusal.code,
      because,
      policy: plan.policy,
      digests: digestsOf(working, call.id),
      ...(charges.length > 0 ? { spend: moved(charges) } : {}),
      ...(refuse?.dry_run === undefined ? {} : { dry_run: refuse.dry_run }),
      ...(reported.length > 0 ? { reported } : {}),
    },
    { call: call.id, session: call.session },
  )
  const denied = put(working, {
    ...call,
    state: 'denied',
    code: refusal.code,
    because,
    detail: detailOf(refusal.because),
    retry_at: refusal.retry_at,
    reserve: plan.want,
    entry,
  })
  return { kind: 'denied', call: denied }
}

function guessing(plan: Plan, usage: Use): { because: Because[]; retry_at: number | null } {
  const { because, max, window, limit } = plan.attempts
  const message = `Too many refused attempts: ${max} per hour.`
  return { because: [{ because, message }], retry_at: resetsAt(window, usage.limit(limit).buckets, usage.now) }
}

/** Weighed under another policy or other switches, or on facts that are too old by now. */
export function isStale(working: Working, operation: { plan: Plan; facts_until: number | null }): boolean {
  const { plan, facts_until } = operation
  if (plan.policy !== working.policy || isClosed(working)) return true
  if (plan.switches !== working.switches.version) return true
  return facts_until !== null && working.begun > facts_until
}

/** `grants.stripe.refund.max: never more than …`: the first line that said no speaks. */
export function detailOf(because: readonly Because[]): string {
  const [first] = because
  if (first === undefined) return 'The policy refuses this call.'
  return first.because === '' ? first.message : `${first.because}: ${first.message}`
}

/** `freeze all`, `freeze role`, `freeze action` are built in; they stop everything that is not a read. */
export function frozenBy(
  switches: Switches,
  role: string,
  action: string,
  effect: Effect,
): { because: Because[]; reason: string } | null {
  if (effect === 'read') return null
  for (const name of ['all', `role:${role}`, `action:${action}`]) {
    const position = switches.positions[name]
    if (position?.on === true) {
      const message = `People have frozen ${name.replace(':', ' ')}: ${position.reason}`
      return { because: [{ because: `switches.${name}`, message }], reason: message }
    }
  }
  return null
}

export function useOf(working: Working, own: readonly Want[], approvals: readonly Approval[]): Use {
  return { now: working.now, limit: (id) => peek(working, id), own, approvals }
}

/** HMACs of what is kept beside the ledger, under the call's salt. */
export function digestsOf(working: Working, call: string): JsonObject {
  const kept = working.bodies.get(call)
  const salt = saltOf(working, call)
  const digests: { [name: string]: string } = {}
  for (const name of BODY_NAMES) {
    const text = kept?.[name]
    if (text !== undefined && text !== null) digests[name] = digestOf(salt, text)
  }
  return digests
}

export function saltOf(working: Working, call: string): string {
  const salt = working.salts.get(call)
  if (salt === undefined) throw new Error(`the salt of ${call} was not loaded`)
  return salt
}

function boundCall(working: Working, principal: string, plan: Plan, key: string): Call | undefined {
  return namedCall(working, keyName(principal, plan.role, plan.action, key))
}

function unnamedOf({ principal, key, fingerprint, plan: { role, action } }: Admit): Unnamed {
  return { principal, role, action, key, fingerprint }
}

function joinOf({ join }: Admit): Pick<Call, 'join'> {
  return join === undefined ? {} : { join: join === 'invented' ? 'owed' : 'open' }
}

function received(working: Working, operation: Admit, session: SessionRow): Call {
  const { plan } = operation
  return {
    id: operation.call,
    state: 'denied',
    action: plan.action,
    role: plan.role,
    effect: plan.effect,
    backend: plan.backend,
    principal: operation.principal,
    requester: session.requester,
    session: session.id,
    lineage: session.lineage,
    key: operation.key,
    bound: false,
    fingerprint: operation.fingerprint,
    policy: plan.policy,
    summary: plan.summary,
    cost: plan.cost,
    reserve: [],
    need: [],
    approvals: [],
    card: null,
    expires_at: null,
    attempt: 0,
    owner: null,
    doubt: [],
    intent_at: null,
    not_after: null,
    created_at: working.now,
    updated_at: working.now,
    code: null,
    detail: null,
    because: [],
    next: plan.next,
    retry_at: null,
    evidence: {},
    settles: [],
    ...(plan.streamed === undefined ? {} : { streamed: plan.streamed }),
    barred: plan.barred,
    replay_until: null,
    entry: '',
  }
}
