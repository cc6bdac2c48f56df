import { digestOf } from '../entry.ts'
import { byKind, moved, release, settleRefused, spend } from '../limits.ts'
import type { Reconcile, Settle, Settled, Start, Started, TakeOver } from '../operations.ts'
import type { Call, JsonObject, Outcome } from '../types.ts'
import { callFields, put, write } from '../working.ts'
import type { Working } from '../working.ts'
import { forgetNote, issueLease } from './lease.ts'
import { frozenBy, saltOf } from './open.ts'

/**
 * A further attempt under the same backend key (R7). It follows the attempt its owner knows of, or is fenced off (R4).
 * The call stays in doubt: the earlier attempt may still land.
 */
export function attemptStarts(working: Working, operation: Start): Started {
  const call = working.calls.get(operation.call)
  if (call === undefined) throw new Error(`${operation.call} was not loaded`)
  const mine = call.owner === working.owner && call.attempt === operation.attempt
  if (!mine) return { kind: 'refused', reason: 'fenced', call }
  if (call.state !== 'unknown') return { kind: 'refused', reason: 'state', call }
  if (working.now >= operation.until) return { kind: 'refused', reason: 'too_late', call }
  const ended = working.sessions.get(call.session)?.ended_reason
  if (ended === 'revoked' || ended === 'role_removed') return { kind: 'refused', reason: 'revoked', call }
  if (frozenBy(working.switches, call.role, call.action, call.effect) !== null)
    return { kind: 'refused', reason: 'frozen', call }
  const attempt = call.attempt + 1
  const about = { call: call.id, session: call.session }
  const entry = write(working, 'call.started', { ...callFields(call), attempt, reserve: [] }, about)
  const not_after = working.now + operation.timeout_ms
  // Whatever came of the attempt before, nobody settled the call by it: it may still land (R4).
  const doubt = [...new Set([...call.doubt, call.attempt])]
  const started = put(working, { ...call, attempt, doubt, not_after, entry, updated_at: working.now })
  return { kind: 'started', call: started, begun: working.begun }
}

/**
 * The end of an attempt. Who was fenced off changes nothing; who lost the call to another process may still say what
 * became of the last attempt, for nobody else knows it.
 */
export function attemptEnds(working: Working, operation: Settle): Settled {
  const call = working.calls.get(operation.call)
  if (call === undefined) return { kind: 'no_such_call' }
  const open = call.state === 'executing' || call.state === 'unknown'
  if (!open || call.attempt !== operation.attempt) return { kind: 'fenced', call }
  // Whoever took a lease over revokes its login, for nobody has it: so it is not given to anybody any more.
  if (operation.lease !== undefined && call.owner !== working.owner) return { kind: 'fenced', call }
  return { kind: 'settled', call: settled(working, call, operation) }
}

function settled(working: Working, call: Call, operation: Settle): Call {
  const { outcome, attempt } = operation
  // R4: a certain no of this attempt says nothing about an earlier one that is in doubt.
  const earlier = call.doubt.filter((number) => number !== attempt)
  switch (outcome.kind) {
    case 'done':
      return done(working, call, operation, outcome)
    case 'refused':
      return earlier.length > 0
        ? inDoubt(working, call, `attempt ${attempt} was refused (${outcome.status})`, outcome.evidence, earlier)
        : refused(working, call, outcome, operation.output)
    case 'not_sent':
      // Somebody took the call over meanwhile and has it in doubt: from there it is found out, or sent again.
      return earlier.length > 0 || call.state === 'unknown'
        ? inDoubt(working, call, `attempt ${attempt} was not sent: ${outcome.reason}`, {}, earlier)
        : notSent(working, call, outcome)
    case 'unknown':
      return inDoubt(working, call, outcome.reason, outcome.evidence, [...earlier, attempt])
    case 'broken':
      return broken(working, call, outcome, operation.output, operation.replay_ms)
  }
}

function done(
  working: Working,
  call: Call,
  operation: Pick<Settle, 'output' | 'replay_ms' | 'attempt' | 'lease'>,
  outcome: { evidence: JsonObject },
): Call {
  const at = call.intent_at ?? working.now
  spend(working, call.reserve, at)
  const { output, lease } = operation
  const until = lease === undefined ? null : new Date(working.now + lease.lifetime_ms).toISOString()
  const evidence: JsonObject = until === null ? outcome.evidence : { ...outcome.evidence, expires_at: until }
  if (output !== null) working.bodies.set(call.id, { ...working.bodies.get(call.id), call: call.id, output })
  const entry = write(
    working,
    'call.settled',
    {
      ...callFields(call),
      attempt: operation.attempt,
      outcome: 'done',
      cost: call.cost === null ? null : { ...call.cost },
      evidence,
      digests: output === null ? {} : { output: digestOf(saltOf(working, call.id), output) },
      spend: moved(call.reserve),
      dated: new Date(at).toISOString(),
    },
    { call: call.id, session: call.session },
  )
  if (lease !== undefined) issueLease(working, call, lease)
  const replay_until = working.now + operation.replay_ms
  return put(working, {
    ...call,
    state: 'done',
    doubt: [],
    evidence,
    detail: null,
    replay_until,
    entry,
    updated_at: working.now,
  })
}

/**
 * A stream that began and did not come to a whole answer is over: nobody can send it again, and nobody is asked. What it
 * reserved is spent, since some of it may have happened; that it broke stands in the entry, in the evidence, and in what
 * answers its key.
 */
function broken(
  working: Working,
  call: Call,
  outcome: { readonly reason: string; readonly by: string; readonly evidence: JsonObject },
  output: string | null,
  replay_ms: number,
): Call {
  const at = call.intent_at ?? working.now
  spend(working, call.reserve, at)
  if (output !== null) working.bodies.set(call.id, { ...working.bodies.get(call.id), call: call.id, output })
  const { reason, by } = outcome
  const entry = write(
    working,
    'call.settled',
    {
      ...callFields(call),
      attempt: call.attempt,
      outcome: 'broken',
      by,
      reason,
      cost: call.cost === null ? null : { ...call.cost },
      evidence: outcome.evidence,
      digests: output === null ? {} : { output: digestOf(saltOf(working, call.id), output) },
      spend: moved(call.reserve),
      dated: new Date(at).toISOString(),
    },
    { call: call.id, session: call.session },
  )
  return put(working, {
    ...call,
    state: 'done',
    doubt: [],
    evidence: { ...outcome.evidence, broken: reason },
    detail: reason,
    replay_until: working.now + replay_ms,
    entry,
    updated_at: working.now,
  })
}

function refused(
  working: Working,
  call: Call,
  outcome: Extract<Outcome, { kind: 'refused' }>,
  output: string | null,
): Call {
  const at = call.intent_at ?? working.now
  settleRefused(working, call.reserve, at)
  const { calls, others } = byKind(call.reserve)
  if (output !== null) working.bodies.set(call.id, { ...working.bodies.get(call.id), call: call.id, output })
  const entry = write(
    working,
    'call.settled',
    {
      ...callFields(call),
      attempt: call.attempt,
      outcome: 'refused',
      status: outcome.status,
      cost: call.cost === null ? null : { ...call.cost },
      evidence: outcome.evidence,
      ...(output === null ? {} : { digests: { output: digestOf(saltOf(working, call.id), output) } }),
      spend: moved(calls),
      release: moved(others),
      dated: new Date(at).toISOString(),
    },
    { call: call.id, session: call.session },
  )
  const retry_at = outcome.retry_after_s === undefined ? null : working.now + outcome.retry_after_s * 1000
  const evidence = { ...outcome.evidence, status: outcome.status }
  return put(working, {
    ...call,
    state: 'refused',
    doubt: [],
    code: 'backend_refused',
    detail: outcome.message,
    retry_at,
    evidence,
    entry,
    updated_at: working.now,
  })
}

/** Terminal: budget and key are free again. */
function notSent(working: Working, call: Call, outcome: Extract<Outcome, { kind: 'not_sent' }>): Call {
  release(working, call.reserve)
  const code = outcome.code === 'secret_unavailable' ? outcome.code : 'backend_unavailable'
  const entry = write(
    working,
    'call.not_sent',
    { ...callFields(call), attempt: call.attempt, reason: outcome.reason, code, release: moved(call.reserve) },
    { call: call.id, session: call.session },
  )
  return put(working, {
    ...call,
    state: 'not_sent',
    bound: false,
    doubt: [],
    code,
    detail: outcome.reason,
    entry,
    updated_at: working.now,
  })
}

/** It keeps its reservation (R6) and its key. */
function inDoubt(working: Working, call: Call, reason: string, evidence: JsonObject, doubt: readonly number[]): Call {
  const entry = write(
    working,
    'call.unknown',
    { ...callFields(call), attempt: call.attempt, reason, evidence },
    { call: call.id, session: call.session },
  )
  return put(working, { ...call, state: 'unknown', doubt, detail: reason, evidence, entry, updated_at: working.now })
}

/** What asking the backend found out. */
export function found(working: Working, operation: Reconcile): Settled {
  const call = working.calls.get(operation.call)
  if (call === undefined) return { kind: 'no_such_call' }
  const mine = call.owner === working.owner && call.attempt === operation.attempt
  if (call.state !== 'unknown' || !mine) return { kind: 'fenced', call }
  const about = { call: call.id, session: call.session }
  const { reason } = operation
  if (operation.found === 'cannot_tell') {
    const entry = write(working, 'call.needs_human', { ...callFields(call), reason }, about)
    return {
      kind: 'settled',
      call: put(working, { ...call, state: 'needs_human', detail: reason, entry, updated_at: working.now }),
    }
  }
  const at = call.intent_at ?? working.now
  const { output } = operation
  const happened = operation.found === 'done'
  const { calls, others } = byKind(call.reserve)
  forgetNote(working, call.id)
  if (happened) spend(working, call.reserve, at)
  else settleRefused(working, call.reserve, at)
  if (output !== null) working.bodies.set(call.id, { ...working.bodies.get(call.id), call: call.id, output })
  const evidence = { ...call.evidence, ...operation.evidence }
  const entry = write(
    working,
    'call.reconciled',
    {
      ...callFields(call),
      outcome: operation.found,
      by: 'recheck',
      reason,
      cost: call.cost === null ? null : { ...call.cost },
      evidence,
      digests: output === null ? {} : { output: digestOf(saltOf(working, call.id), output) },
      ...(happened ? { spend: moved(call.reserve) } : { spend: moved(calls), release: moved(others) }),
      dated: new Date(at).toISOString(),
    },
    about,
  )
  return {
    kind: 'settled',
    call: put(working, {
      ...call,
      state: happened ? 'done' : 'refused',
      code: happened ? null : 'backend_refused',
      detail: happened ? null : reason,
      doubt: [],
      evidence,
      replay_until: happened ? working.now + operation.replay_ms : null,
      entry,
      updated_at: working.now,
    }),
  }
}

/**
 * Another process owns the call from now on: whether the last attempt was sent, nobody knows. Of two that want it, the
 * second finds another owner than it looked for.
 */
export function takenOver(working: Working, operation: TakeOver): Settled {
  const call = working.calls.get(operation.call)
  if (call === undefined) return { kind: 'no_such_call' }
  const open = call.state === 'executing' || call.state === 'unknown'
  if (!open || call.owner !== operation.from) return { kind: 'fenced', call }
  const taken = { ...call, owner: working.owner }
  // No arrow, and so no entry: it is in doubt as before.
  if (call.state === 'unknown') return { kind: 'settled', call: put(working, taken) }
  const reason = 'the gateway stopped while the call ran'
  // What had come of the stream by then went to an agent that is gone.
  if (call.streamed === true) {
    return { kind: 'settled', call: broken(working, taken, { reason, by: 'gateway', evidence: {} }, null, 0) }
  }
  // A read changes nothing: it may simply be asked again.
  if (call.effect === 'read') return { kind: 'settled', call: notSent(working, taken, { kind: 'not_sent', reason }) }
  return { kind: 'settled', call: inDoubt(working, taken, reason, {}, [...call.doubt, call.attempt]) }
}
