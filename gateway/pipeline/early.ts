import { exceeds } from '../core/admit.ts'
import { frozenBy } from '../core/fold/open.ts'
import type { Switches } from '../core/operations.ts'
import type { Action, Grant, JsonObject, Want } from '../core/types.ts'
import { attemptsWant, standingWants } from '../core/weigh.ts'
import { resetsAt } from '../core/window.ts'
import type { Asked } from './asked.ts'
import { questionOf, weighingOf } from './consider.ts'
import type { House } from './house.ts'
import type { Refusal } from './refuse.ts'

/**
 * What can be refused before any fetch: switches, refused attempts, limits that are used up whatever the amount. It only
 * spares the backend; the deciding transaction asks the same again.
 */
export async function refusedEarly(
  house: House,
  asked: Asked,
  action: Action,
  grant: Grant,
  input: JsonObject,
): Promise<Refusal | null> {
  const { session } = asked
  const switches = await house.store.switches()
  const freeze = frozenBy(switches, session.role, action.name, action.effect)
  if (freeze !== null) {
    return { code: 'frozen', detail: freeze.reason, because: freeze.because.map(({ because }) => because) }
  }
  const { wants, attempts, limits } = standing(house, asked, action, grant, input, switches)
  const states = await house.store.limits(limits)
  const use = {
    now: house.clock.now(),
    limit: (id: string) => states.get(id) ?? { held: 0, buckets: new Map<number, number>() },
    approvals: [],
    own: [],
  }
  const used = [attempts, ...wants.filter((want) => !want.report && alone(want, wants))].filter((want) =>
    exceeds(want, use),
  )
  const [first] = used
  if (first === undefined) return null
  const resets = used
    .map((want) => resetsAt(want.window, use.limit(want.limit).buckets, use.now))
    .filter((at) => at !== null)
  return {
    code: used.every(({ kind }) => kind !== 'budget') ? 'rate_limited' : 'denied',
    detail: first.kind === 'attempts' ? 'Too many refused attempts in an hour.' : `${first.name} is used up.`,
    because: used.map(({ because }) => because),
    retry_at: resets.length === 0 ? null : Math.max(...resets),
  }
}

interface Standing {
  readonly wants: readonly Want[]
  readonly attempts: Want
  /** Ids of all of them. */
  readonly limits: readonly string[]
}

/** What stands for a session under a grant of one policy is the same at each of its calls: no line of it reads input or facts. */
function standing(
  house: House,
  { id, session, policy }: Asked,
  action: Action,
  grant: Grant,
  input: JsonObject,
  switches: Switches,
): Standing {
  const known = standings.get(house.store) ?? new Map<string, Standing>()
  standings.set(house.store, known)
  const name = `${policy.digest} ${session.id} ${action.name}`
  const before = known.get(name)
  if (before !== undefined) return before
  const question = questionOf(house, policy, switches, { id, session, action: action.name, input })
  const weighing = weighingOf(house, switches)
  const wants = standingWants(policy, question, weighing).map((want) => ({ ...want, amount: 1 }))
  const attempts = attemptsWant(grant, question, weighing)
  const made = { wants, attempts, limits: [...wants, attempts].map(({ limit }) => limit) }
  if (known.size >= STANDINGS_MAX) known.clear()
  known.set(name, made)
  return made
}

/** By the store, whose key names the limits. */
const standings = new WeakMap<House['store'], Map<string, Standing>>()
const STANDINGS_MAX = 10_000

/** A budget of several currencies is used up only for the one that the call turns out to cost. */
function alone(want: Want, wants: readonly Want[]): boolean {
  return want.kind === 'rate' || wants.filter(({ because }) => because === want.because).length === 1
}
