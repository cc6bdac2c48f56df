import { Problem } from '../core/problem.ts'
import type { Switches } from '../core/operations.ts'
import type { Action, Bodies, JsonObject, Plan, Policy, Question, Session } from '../core/types.ts'
import { weigh } from '../core/weigh.ts'
import type { Weighing } from '../core/weigh.ts'
import { gather } from './gather.ts'
import type { House } from './house.ts'
import { sessionOf } from './session.ts'

export type Considered =
  | {
      readonly kind: 'plan'
      readonly plan: Plan
      readonly facts: JsonObject
      readonly until: number | null
      readonly policy: Policy
    }
  | { readonly kind: 'denied'; readonly because: string; readonly detail: string }

/**
 * Facts and plan, from one snapshot of policy and switches. If either changes before the deciding transaction, that
 * transaction answers `stale` and all of this is done again.
 *
 * @throws Problem backend_unavailable or secret_unavailable when facts cannot be fetched.
 */
export async function consider(
  house: House,
  id: string,
  session: Session,
  name: string,
  input: JsonObject,
): Promise<Considered> {
  const policy = house.policy()
  const switches = await house.store.switches()
  const role = policy.roles.get(session.role)
  const action = policy.actions.get(name)
  if (role === undefined || action === undefined || !role.grants.has(name)) {
    return {
      kind: 'denied',
      because: `grants.${name}`,
      detail: 'The policy changed: this role no longer has the action.',
    }
  }
  const question = questionOf(house, policy, switches, { id, session, action: name, input })
  const gathered = await gather(house, action, question, role.timezone)
  house.step('call.gathered')
  if (gathered.kind === 'unavailable')
    throw new Problem(gathered.code, `${gathered.detail}. Nothing was sent and the key is free.`)
  if (gathered.kind === 'denied') return gathered
  const { facts, until } = gathered
  return {
    kind: 'plan',
    plan: weigh(policy, { ...question, facts }, weighingOf(house, switches)),
    facts,
    until,
    policy,
  }
}

export function questionOf(
  house: House,
  policy: Policy,
  switches: Switches,
  asked: { readonly id: string; readonly session: Session; readonly action: string; readonly input: JsonObject },
): Question {
  const positions: { [name: string]: boolean } = {}
  for (const [name, standard] of policy.switches) positions[name] = switches.positions[name]?.on ?? standard
  const { id, session, action, input } = asked
  return { at: house.clock.now(), call: id, session: sessionOf(session), action, input, facts: {}, switches: positions }
}

export function weighingOf(house: House, switches: Switches): Weighing {
  return { switches_version: switches.version, identify: (text) => `lim_${house.store.fingerprint(text).slice(0, 26)}` }
}

/** What is kept beside the ledger. */
export function bodiesOf(
  house: House,
  id: string,
  input: Action['example'] | null,
  facts: JsonObject | null,
  plan: Plan | null,
): Bodies {
  return {
    call: id,
    salt: Buffer.from(house.random(32)).toString('hex'),
    input: input === null ? null : JSON.stringify(input),
    facts: facts === null ? null : JSON.stringify(facts),
    request: plan === null ? null : JSON.stringify(plan.request),
    output: null,
  }
}
