import { admit, isBarred, once, reportedBy } from '../admit.ts'
import { cardOf } from '../card.ts'
import { isReady } from '../lease.ts'
import { byKind, moved, release, reserve, settleRefused, spend } from '../limits.ts'
import type {
  Approve,
  Approved,
  Cancel,
  Cancelled,
  Expired,
  PersonSettled,
  PersonSettles,
  Reject,
  Rejected,
  Switches,
} from '../operations.ts'
import type { Approval, Call, Decision, JsonObject, Plan } from '../types.ts'
import { callFields, put, write } from '../working.ts'
import type { Working } from '../working.ts'
import { passkeyIsUsed, wordProblem } from './passkey.ts'
import { begin, detailOf, digestsOf, frozenBy, hold, isStale, saltOf, useOf } from './open.ts'

type Allowed = Extract<Decision, { verdict: 'allow' }>
type Held = Extract<Decision, { verdict: 'hold' }>

/**
 * One more yes: the same decision asked again, with one more name and today's facts (R12). A deny denies; another
 * request, cost or need voids what was said and holds the call afresh; otherwise it stays held or runs.
 */
export function approves(working: Working, operation: Approve): Approved {
  const before = working.calls.get(operation.call)
  if (before === undefined) return { kind: 'no_such_call' }
  if (before.state !== 'held') {
    return {
      kind: before.state === 'expired' || before.state === 'cancelled' ? before.state : 'already_decided',
      call: before,
    }
  }
  const { approval, plan } = operation
  if (expired(before, working.now)) return { kind: 'expired', call: expire(working, before) }
  if (isRevoked(working, before)) {
    return { kind: 'cancelled', call: cancel(working, before, 'the session was revoked') }
  }
  if (isBarred(approval.person, approval.groups, plan.barred)) return { kind: 'own_call', call: before }
  const refusal = notToApprove(before, approval, working.switches)
  if (refusal !== null) return { kind: refusal, call: before }
  const { passkey } = operation
  if ((approval.passkey === undefined) !== (passkey === undefined)) throw new Error('a yes without what signed it')
  const why = passkey === undefined ? null : wordProblem(working, passkey, approval.person)
  if (why !== null) return { kind: 'passkey_required', call: before, why }
  if (isStale(working, operation)) return { kind: 'stale' }
  // What it signed was seen: it is not seen a second time, whatever comes of this.
  if (passkey !== undefined) passkeyIsUsed(working, passkey)

  const approvals = [...before.approvals, { ...approval, at: working.now }]
  const usage = useOf(working, before.reserve, approvals)
  const decision = admit(plan, usage)
  const reported = reportedBy(plan, usage)
  working.bodies.set(before.id, { call: before.id, ...operation.bodies })
  if (decision.verdict === 'deny') {
    const denied = recheckDenied(working, before, plan, yesFields(operation), decision, reported)
    keepAssertion(working, operation, denied.entry)
    return { kind: 'denied', call: denied }
  }
  const afresh = heldAfresh(working, before, plan, decision)
  release(working, before.reserve)
  if (afresh !== null) {
    reserve(working, afresh.reserve)
    const again = { why: 'what would be approved has changed', release: before.reserve }
    return { kind: 'card_changed', call: hold(working, before, plan, afresh, reported, again) }
  }
  // A lease is made once its agent comes for it: until then it is an open hold.
  const waits = decision.verdict === 'hold' || before.effect === 'lease'
  const reserved = waits ? once([...decision.reserve, plan.holds]) : decision.reserve
  reserve(working, reserved)
  const entry = write(
    working,
    'call.approved',
    {
      ...callFields(before),
      ...yesFields(operation),
      have: decision.need.map(({ line, have }) => ({ line, have })),
      digests: digestsOf(working, before.id),
      release: moved(before.reserve),
      reserve: moved(reserved),
    },
    { call: before.id, session: before.session },
  )
  keepAssertion(working, operation, entry)
  const need = decision.verdict === 'hold' ? decision.need : before.need.map((line) => ({ ...line, have: line.count }))
  const { policy } = plan
  const approved: Call = {
    ...before,
    policy,
    reserve: reserved,
    need,
    approvals,
    entry,
    updated_at: working.now,
  }
  if (waits) return { kind: 'held', call: put(working, approved) }
  const started = begin(working, approved, decision.reserve, { reserve: [] }, operation.timeout_ms, reported)
  return { kind: 'started', call: started, begun: working.begun }
}

/** Why this yes does not count, as far as the call, the person and the switches say; null: facts and policy are asked. */
export function notToApprove(
  call: Call,
  approval: Pick<Approval, 'person' | 'groups' | 'card' | 'passkey'>,
  switches: Switches,
): 'own_call' | 'not_eligible' | 'already_decided' | 'card_changed' | 'frozen' | 'passkey_required' | null {
  const { person, groups, card, passkey } = approval
  if (isBarred(person, groups, call.barred)) return 'own_call'
  if (!call.need.some(({ of }) => groups.includes(of))) return 'not_eligible'
  if (call.approvals.some((yes) => yes.person === person) || isReady(call)) return 'already_decided'
  if (call.card !== card) return 'card_changed'
  if (frozenBy(switches, call.role, call.action, call.effect) !== null) return 'frozen'
  return passkey === undefined && asksPasskey(call, groups) ? 'passkey_required' : null
}

/** Whether a line that the yes of somebody of these groups would count for asks for a passkey. */
function asksPasskey({ need }: Call, groups: readonly string[]): boolean {
  return need.some((line) => line.passkey && groups.includes(line.of))
}

function keepAssertion(working: Working, { call, passkey }: Approve, entry: string): void {
  if (passkey !== undefined) working.assertions.push({ entry, call, text: passkey.text })
}

/** Who said yes to what, under which policy. */
function yesFields({ approval, plan }: Approve): JsonObject {
  const { person, groups, card, passkey } = approval
  return { person, groups, card, policy: plan.policy, ...(passkey === undefined ? {} : { passkey }) }
}

/** Another request, backend, cost or need: what was said counts no more, and people are asked again. null: the card stands. */
export function heldAfresh(working: Working, call: Call, plan: Plan, decision: Allowed | Held): Held | null {
  const expires_at = call.expires_at ?? 0
  const standing = { call: call.id, backend: plan.backend, request: plan.request, cost: plan.cost, expires_at }
  const salt = saltOf(working, call.id)
  const sameRequest = cardOf({ ...standing, need: call.need }, salt) === call.card
  const sameNeed = cardOf({ ...standing, need: decision.need }, salt) === call.card
  // The policy asks nobody any more, and it is the request that was shown: it runs.
  if (sameRequest && (sameNeed || decision.need.length === 0)) return null
  const again = admit(plan, useOf(working, call.reserve, []))
  if (again.verdict === 'hold') return again
  // The policy asks nobody about the new request; those who were asked about the old one still see it first.
  return {
    verdict: 'hold',
    reserve: [...decision.reserve, plan.holds],
    need: call.need,
    expires_ms: expires_at - working.now,
  }
}

export function recheckDenied(
  working: Working,
  call: Call,
  plan: Plan,
  yes: JsonObject,
  { because, code, retry_at }: Extract<Decision, { verdict: 'deny' }>,
  reported: readonly string[],
): Call {
  release(working, call.reserve)
  const lines = because.map((line) => line.because)
  const entry = write(
    working,
    'call.denied',
    {
      ...callFields(call),
      ...yes,
      code,
      because: lines,
      recheck: true,
      digests: digestsOf(working, call.id),
      release: moved(call.reserve),
      ...(reported.length > 0 ? { reported } : {}),
    },
    { call: call.id, session: call.session },
  )
  return put(working, {
    ...call,
    state: 'denied',
    policy: plan.policy,
    code,
    because: lines,
    detail: detailOf(because),
    retry_at,
    card: null,
    expires_at: null,
    entry,
    updated_at: working.now,
  })
}

/** One no ends it. */
export function rejects(working: Working, operation: Reject): Rejected {
  const call = working.calls.get(operation.call)
  if (call === undefined) return { kind: 'no_such_call' }
  if (call.state !== 'held') return { kind: call.state === 'expired' ? 'expired' : 'already_decided', call }
  if (expired(call, working.now)) return { kind: 'expired', call: expire(working, call) }
  const { id, groups } = operation.person
  if (isBarred(id, groups, call.barred)) return { kind: 'own_call', call }
  if (!call.need.some(({ of }) => groups.includes(of))) return { kind: 'not_eligible', call }
  const detail = `Rejected by ${operation.person.name}: ${operation.reason}`
  return {
    kind: 'rejected',
    call: end(working, call, 'rejected', 'call.rejected', detail, { person: id, reason: operation.reason }),
  }
}

/** The principal takes a held call back; the owner of an attempt gives up one of which no byte left. */
export function cancels(working: Working, operation: Cancel): Cancelled {
  const call = working.calls.get(operation.call)
  if (call === undefined) return { kind: 'no_such_call' }
  const running = call.state === 'executing' && operation.attempt === call.attempt && call.doubt.length === 0
  if (call.state !== 'held' && call.state !== 'intent' && !running) return { kind: 'not_held', call }
  if (call.state === 'held' && expired(call, working.now)) return { kind: 'not_held', call: expire(working, call) }
  return { kind: 'cancelled', call: cancel(working, call, operation.reason, operation.by) }
}

/** Every hold whose time is over; nobody's answer is a no. */
export function expires(working: Working): Omit<Expired, 'ended'> {
  const due = [...working.calls.values()].filter((call) => call.state === 'held' && expired(call, working.now))
  return { calls: due.map((call) => expire(working, call)), next: null }
}

/** Two different people with the same word settle what the gateway could not find out. */
export function settlesByPerson(working: Working, operation: PersonSettles): PersonSettled {
  const call = working.calls.get(operation.call)
  if (call === undefined) return { kind: 'no_such_call' }
  if (call.state !== 'needs_human') return { kind: 'not_open', call }
  const { person, outcome, reason } = operation
  if (isBarred(person.id, person.groups, call.barred)) return { kind: 'own_call', call }
  if (call.settles.some((word) => word.person === person.id && word.outcome === outcome))
    return { kind: 'same_person', call }
  const settles = [
    ...call.settles.filter((word) => word.person !== person.id),
    { person: person.id, outcome, reason, at: working.now },
  ]
  const agree = settles.filter((word) => word.outcome === outcome)
  const about = { call: call.id, session: call.session }
  if (agree.length < 2) {
    const entry = write(
      working,
      'call.needs_human',
      { ...callFields(call), person: person.id, says: outcome, reason },
      about,
    )
    return { kind: 'one_more', call: put(working, { ...call, settles, entry, updated_at: working.now }) }
  }
  const at = call.intent_at ?? working.now
  if (outcome === 'done') spend(working, call.reserve, at)
  else settleRefused(working, call.reserve, at)
  const persons = agree.map((word) => word.person)
  const { calls, others } = byKind(call.reserve)
  const moves: JsonObject =
    outcome === 'done' ? { spend: moved(call.reserve) } : { spend: moved(calls), release: moved(others) }
  const entry = write(
    working,
    'call.reconciled',
    {
      ...callFields(call),
      outcome,
      by: persons,
      reason,
      cost: call.cost === null ? null : { ...call.cost },
      ...moves,
      dated: new Date(at).toISOString(),
    },
    about,
  )
  const detail = outcome === 'done' ? 'Two people found that it happened.' : 'Two people found that it did not happen.'
  return {
    kind: 'settled',
    call: put(working, {
      ...call,
      state: outcome,
      code: outcome === 'done' ? null : 'backend_refused',
      settles,
      detail,
      doubt: [],
      entry,
      updated_at: working.now,
    }),
  }
}

export function cancel(working: Working, call: Call, reason: string, by = 'gateway'): Call {
  return end(working, call, 'cancelled', 'call.cancelled', reason, { by, reason })
}

export function expire(working: Working, call: Call): Call {
  return end(working, call, 'expired', 'call.expired', 'Nobody decided in time.', {})
}

function end(
  working: Working,
  call: Call,
  state: 'rejected' | 'expired' | 'cancelled',
  kind: string,
  detail: string,
  fields: { readonly [name: string]: string },
): Call {
  release(working, call.reserve)
  const entry = write(
    working,
    kind,
    { ...callFields(call), ...fields, release: moved(call.reserve) },
    { call: call.id, session: call.session },
  )
  return put(working, {
    ...call,
    state,
    code: state,
    detail,
    card: null,
    expires_at: null,
    entry,
    updated_at: working.now,
  })
}

export function expired(call: Call, now: number): boolean {
  return call.expires_at !== null && call.expires_at <= now
}

function isRevoked(working: Working, call: Call): boolean {
  const reason = working.sessions.get(call.session)?.ended_reason
  return reason === 'revoked' || reason === 'role_removed'
}
