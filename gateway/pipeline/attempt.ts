import type { Attempt, Exchange } from '../../adapters/adapter.ts'
import { keep } from '../core/redact.ts'
import type { Call, Json, Outcome } from '../core/types.ts'
import { StoreUnavailable } from '../store/store.ts'
import { QUEUE_MS } from './execute.ts'
import { announce } from './house.ts'
import type { House } from './house.ts'
import { lent } from './leases.ts'
import { permitFrom, renewPermit } from './permit.ts'

/**
 * One attempt, from the durable intent to the durable outcome. Were we to crash anywhere in here, recovery finds the
 * call executing and treats it as in doubt.
 *
 * @returns the call as settled; in doubt it is `unknown`, and resolve.ts goes on.
 */
export async function attempt(
  house: House,
  call: Call,
  request: Json,
  begun: number,
  exchange?: Exchange,
): Promise<Call> {
  house.step('attempt.begins')
  const outcome = await sent(house, call, request, begun, exchange)
  house.step('attempt.answered')
  if (outcome === 'revoked' || outcome === 'frozen') return giveUp(house, call, outcome)
  const settled = await settle(house, call, certain(call, outcome))
  house.step('attempt.settled')
  return settled
}

async function sent(
  house: House,
  call: Call,
  request: Json,
  begun: number,
  exchange: Exchange | undefined,
): Promise<Outcome | 'revoked' | 'frozen'> {
  const stamp = { 'Keystay-Call': call.id, 'Keystay-Role': call.role, 'Keystay-Session': call.session }
  let from = begun
  // An old permit (a slow secret, a pause) is renewed; a connection that is up by then makes the second try quick.
  for (let tries = 0; tries < 5; tries++) {
    const permit = permitFrom(house, from)
    const outcome = await house.backends.send(call.backend, request, {
      call: call.id,
      attempt: call.attempt,
      permit,
      stamp,
      policy: call.policy,
      ...(exchange === undefined ? {} : { exchange }),
      ...(call.effect === 'lease' ? { note: (noted) => note(house, call, noted) } : {}),
    })
    if (outcome.kind !== 'not_sent' || outcome.code !== 'permit') return outcome
    from = house.clock.monotonic()
    const ended = from - begun > QUEUE_MS ? 'late' : await renewPermit(house, call).catch(whyNot)
    if (ended === 'revoked' || ended === 'frozen') return ended
    if (ended !== null) return { kind: 'not_sent', reason: NOT_SENT[ended], code: 'backend_unavailable' }
  }
  return { kind: 'not_sent', reason: 'the gateway was too busy to send it in time', code: 'backend_unavailable' }
}

/** @throws where it is not kept, or this attempt is over: then no vault may make anything. */
async function note(house: House, call: Call, noted: Parameters<NonNullable<Attempt['note']>>[0]): Promise<void> {
  const operation = { op: 'lease.note', call: call.id, attempt: call.attempt, ...noted } as const
  const { kind } = await house.store.write(operation)
  house.step('lease.noted')
  if (kind !== 'noted') throw new Error('another process has taken the call over')
}

const NOT_SENT = {
  // Whoever let it begin counted on that: by now the backend may have forgotten the key of an earlier attempt (R7).
  late: 'its time was over before its first byte',
  lost: 'another process has taken the call over',
  unasked: 'the ledger could not be asked whether it may still be sent',
}

function whyNot(error: unknown): 'unasked' {
  if (error instanceof StoreUnavailable) return 'unasked'
  throw error
}

/** A read that failed changed nothing: it is not in doubt. A stream never is: it settles as it ended. */
function certain(call: Call, outcome: Outcome): Outcome {
  if (call.streamed === true) return endOfStream(call, outcome)
  if (call.effect !== 'read' || outcome.kind !== 'unknown') return outcome
  return { kind: 'not_sent', reason: outcome.reason, code: 'backend_unavailable' }
}

function endOfStream(call: Call, outcome: Outcome): Outcome {
  if (outcome.kind === 'unknown') return { ...outcome, kind: 'broken', by: 'gateway', answered: false, output: null }
  const status = outcome.kind === 'broken' && outcome.answered ? outcome.evidence['status'] : undefined
  // A whole answer to a read is a no, whatever number it has: nothing changed.
  if (call.effect !== 'read' || outcome.kind !== 'broken' || typeof status !== 'number') return outcome
  return { kind: 'refused', status, message: outcome.reason, evidence: outcome.evidence, output: outcome.output }
}

/** No byte left: the session was revoked, or people froze it, before the first one. */
async function giveUp(house: House, call: Call, why: 'revoked' | 'frozen'): Promise<Call> {
  const reason = why === 'revoked' ? 'the session was revoked' : 'people have frozen this'
  // An earlier attempt may still land: this one only says that it sent nothing.
  if (call.doubt.length > 0 || why === 'frozen') return settle(house, call, { kind: 'not_sent', reason })
  const operation = { op: 'cancel', call: call.id, by: 'gateway', reason, attempt: call.attempt } as const
  const result = await persist(house, () => house.store.write(operation))
  return 'call' in result ? announce(house, result.call) : call
}

async function settle(house: House, call: Call, answered: Outcome): Promise<Call> {
  const action = house.policy().actions.get(call.action)
  const { outcome, login, lease } = lent(house, call, answered)
  const clean = scrubbed(house, outcome)
  // The action left the policy while it ran: what may be shown of the answer nobody says any more.
  const answer = 'output' in clean && clean.output !== undefined ? clean.output : null
  const kept = call.streamed === true ? answer : clean.kind === 'done' ? keep(answer, action?.keep ?? []) : null
  const output = lease === undefined && (clean.kind === 'done' || kept !== null) ? JSON.stringify(kept) : null
  const replay_ms = action?.replay_ms ?? 0
  const bare: Outcome = 'output' in clean ? { ...clean, output: null } : clean
  const settles = { op: 'settle', call: call.id, attempt: call.attempt, outcome: bare, output, replay_ms } as const
  const operation = lease === undefined ? settles : { ...settles, lease }
  const result = await persist(house, () => house.store.write(operation))
  // Whoever looks after logins looks from now on, whatever the policy says of leases by then.
  if (lease !== undefined) house.leases.standing = true
  // From here on it has an owner who sees to its end; only now anybody may have it.
  if (login !== null && result.kind === 'settled') {
    house.leases.give(call.id, { ...login, expires_at: result.call.evidence['expires_at'] ?? null })
  }
  return 'call' in result ? announce(house, result.call, result.kind === 'settled' ? output : null) : call
}

/** Nothing that a backend said goes further with a secret of ours in it. */
function scrubbed(house: House, outcome: Outcome): Outcome {
  return house.scrub(outcome) as unknown as Outcome
}

/**
 * What was sent must be written down: while the store cannot, the outcome waits here. Were we to crash meanwhile, the
 * call is executing on disk, which says no less than the truth.
 */
export async function persist<T>(house: House, write: () => Promise<T>): Promise<T> {
  for (let wait_ms = 50; ; wait_ms = Math.min(wait_ms * 2, 2000)) {
    try {
      return await write()
    } catch (error) {
      if (!(error instanceof StoreUnavailable) || house.stopping) throw error
      house.log('an outcome waits for the ledger', { reason: error.message })
      await house.clock.sleep(wait_ms)
    }
  }
}
