import { Problem } from '../core/problem.ts'
import type { Approve } from '../core/operations.ts'
import type { Call, Json, JsonObject } from '../core/types.ts'
import { askedText, consider } from './consider.ts'
import { timeoutOf } from './execute.ts'
import type { House } from './house.ts'
import { unplanned } from './unplanned.ts'

/** What the policy says today, and what is kept of it beside the ledger. */
export async function askedAgain(
  house: House,
  call: Call,
): Promise<Pick<Approve, 'plan' | 'facts_until' | 'bodies' | 'timeout_ms'>> {
  const [session, bodies] = [await house.store.session(call.session), await house.store.bodies(call.id)]
  if (session === null || bodies === null || bodies.input === null) {
    throw new Error(`${call.id} is held without its session or input`)
  }
  const input = JSON.parse(bodies.input) as JsonObject
  const considered = await consider(house, call.id, session, call.action, input)
  if (considered.kind === 'unavailable') {
    throw new Problem(considered.code, `The facts cannot be had now: ${considered.detail}. The call is still held.`)
  }
  const before = { question: bodies.question, facts: bodies.facts, request: bodies.request }
  const earlier = JSON.stringify([...(JSON.parse(bodies.earlier ?? '[]') as Json[]), before])
  if (considered.kind === 'denied') {
    // The policy no longer grants it, or the backend's certain no: a deny, as any other line's.
    const deny = [{ because: considered.because, message: considered.detail }]
    const about = { id: call.id, session, policy: house.policy(), request: { action: call.action } }
    const plan = unplanned(house, about, null, considered.version, deny)
    return { plan, facts_until: null, timeout_ms: 0, bodies: { ...before, earlier: bodies.earlier } }
  }
  const { plan, question, until, policy } = considered
  const { facts } = question
  return {
    plan,
    facts_until: until,
    timeout_ms: timeoutOf(policy, plan.backend),
    bodies: {
      question: askedText(question),
      facts: JSON.stringify(facts),
      request: JSON.stringify(plan.request),
      earlier,
    },
  }
}
