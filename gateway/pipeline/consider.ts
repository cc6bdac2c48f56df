import type { Switches } from '../core/operations.ts'
import type { Bodies, Json, JsonObject, Plan, Policy, Question, Session } from '../core/types.ts'
import { weigh } from '../core/weigh.ts'
import type { Weighing } from '../core/weigh.ts'
import type { Store } from '../store/store.ts'
import { gather } from './gather.ts'
import type { House } from './house.ts'
import { sessionOf } from './session.ts'

export type Considered =
  | {
      readonly kind: 'plan'
      readonly plan: Plan
      readonly question: Question
      /** Monotonic ms until which the facts are young enough. */
      readonly until: number | null
      readonly policy: Policy
    }
  | { readonly kind: 'denied'; readonly because: string; readonly detail: string; readonly version: number }
  | {
      readonly kind: 'unavailable'
      readonly code: 'backend_unavailable' | 'secret_unavailable'
      readonly detail: string
    }

/**
 * Facts and plan, from one snapshot of policy and switches. If either changes before the deciding transaction, that
 * transaction answers `stale` and all of this is done again.
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
  const { version } = switches
  if (role === undefined || action === undefined || !role.grants.has(name)) {
    const detail = 'The policy changed: this role no longer has the action.'
    return { kind: 'denied', because: `grants.${name}`, detail, version }
  }
  if (action.validate(input).length > 0) {
    const detail = 'The policy changed: the input does not fit the action any more.'
    return { kind: 'denied', because: `actions.${name}.input`, detail, version }
  }
  const asked = questionOf(house, policy, switches, { id, session, action: name, input })
  const gathered = await gather(house, action, asked, role.timezone)
  house.step('call.gathered')
  if (gathered.kind === 'unavailable') return gathered
  if (gathered.kind === 'denied') return { ...gathered, version }
  const question = { ...asked, facts: gathered.facts }
  return {
    kind: 'plan',
    plan: weigh(policy, question, weighingOf(house, switches)),
    question,
    until: gathered.until,
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
  return { switches_version: switches.version, identify: (identity) => limitId(house.store, identity) }
}

/** The name under which a limit is kept: its identity, unguessable. */
export function limitId(store: Pick<Store, 'fingerprint'>, identity: string): string {
  const known = names.get(store) ?? new Map<string, string>()
  names.set(store, known)
  let name = known.get(identity)
  if (name === undefined) {
    name = `lim_${store.fingerprint(identity).slice(0, 26)}`
    if (known.size >= NAMES_MAX) known.clear()
    known.set(identity, name)
  }
  return name
}

/** By the store's key: each call touches a handful of limits, mostly the ones of the call before. */
const names = new WeakMap<Pick<Store, 'fingerprint'>, Map<string, string>>()
const NAMES_MAX = 10_000

/** What is kept beside the ledger. What is not given is not there: it was never validated, or never came to be. */
export function bodiesOf(
  house: House,
  id: string,
  parts: { readonly input: JsonObject | null; readonly question?: Question; readonly request?: Json },
): Bodies {
  const { input, question, request } = parts
  return {
    call: id,
    salt: Buffer.from(house.random(32)).toString('hex'),
    question: question === undefined ? null : askedText(question),
    input: input === null ? null : JSON.stringify(input),
    facts: question === undefined ? null : JSON.stringify(question.facts),
    request: request === undefined ? null : JSON.stringify(request),
    output: null,
    earlier: null,
  }
}

/** What a decision is taken on beside session, input and facts, so that it can be taken again (I10). */
export function askedText({ at, switches }: Question): string {
  return JSON.stringify({ at, switches })
}
