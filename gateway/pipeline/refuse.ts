import { exceeds } from '../core/admit.ts'
import { frozenBy } from '../core/fold/open.ts'
import type { Admit } from '../core/operations.ts'
import { Problem } from '../core/problem.ts'
import type { ProblemMembers } from '../core/problem.ts'
import type { Action, Grant, JsonObject, Plan, Want } from '../core/types.ts'
import { attemptsWant, standingWants } from '../core/weigh.ts'
import { resetsAt } from '../core/window.ts'
import { bodiesOf, questionOf, weighingOf } from './consider.ts'
import type { Asked } from './call.ts'
import type { Reply } from './gateway.ts'
import type { House } from './house.ts'
import { replyFor } from './reply.ts'

export type Refusal = NonNullable<Admit['refuse']>

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
  const { session, policy } = asked
  const switches = await house.store.switches()
  const freeze = frozenBy(switches, session.role, action.name, action.effect)
  if (freeze !== null) {
    return { code: 'frozen', detail: freeze.reason, because: freeze.because.map(({ because }) => because) }
  }
  const question = questionOf(house, policy, switches, { id: asked.id, session, action: action.name, input })
  const weighing = weighingOf(house, switches)
  const wants = standingWants(policy, question, weighing).map((want) => ({ ...want, amount: 1 }))
  const attempts = attemptsWant(grant, question, weighing)
  const states = await house.store.limits([...wants, attempts].map(({ limit }) => limit))
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

/** A budget of several currencies is used up only for the one that the call turns out to cost. */
function alone(want: Want, wants: readonly Want[]): boolean {
  return want.kind === 'rate' || wants.filter(({ because }) => because === want.because).length === 1
}

/** Writes a refusal down: every request of a live session has its entry (I14). The key stays as it was. */
export async function refuse(
  house: House,
  asked: Asked,
  refusal: Refusal,
  known: { readonly action?: Action; readonly input?: JsonObject; readonly members?: ProblemMembers } = {},
): Promise<Reply> {
  const { session, id } = asked
  const plan = unplanned(house, asked, known.action ?? null, (await house.store.switches()).version)
  const admitted = await house.store.write({
    op: 'admit',
    call: id,
    session: session.id,
    principal: session.principal,
    key: null,
    fingerprint: '',
    plan,
    facts_until: null,
    // What was never validated is not kept.
    bodies: bodiesOf(house, id, known.input ?? null, null, null),
    refuse: refusal,
    timeout_ms: 0,
  })
  if (admitted.kind === 'session') throw new Problem(admitted.code, 'The session ended meanwhile. Sign in again.')
  if (admitted.kind !== 'denied') throw new Error(`a refusal was answered ${admitted.kind}`)
  return replyFor(house, admitted.call, session, false, known.members)
}

/** A plan for what could not be weighed: it wants nothing and is only the refusal's frame. */
function unplanned(house: House, asked: Asked, action: Action | null, version: number): Plan {
  const { session, policy, request } = asked
  const grant = policy.roles.get(session.role)?.grants.get(request.action)
  const weighing = weighingOf(house, { version, positions: {} })
  const question = questionOf(
    house,
    policy,
    { version, positions: {} },
    { id: asked.id, session, action: request.action, input: {} },
  )
  const attempts = attemptsWant(grant ?? { action: '*', attempts: 300 }, question, weighing)
  return {
    policy: policy.digest,
    switches: version,
    action: /^[a-z0-9][a-z0-9._-]{0,99}$/i.test(request.action) ? request.action : '(unreadable)',
    role: session.role,
    effect: action?.effect ?? 'read',
    backend: action?.backend ?? '',
    cost: null,
    summary: action?.name ?? '',
    request: null,
    want: [],
    need: [],
    deny: [],
    reported: [],
    attempts,
    holds: { ...attempts, kind: 'holds', amount: 0, max: null },
    next: grant?.next ?? [],
    barred: { persons: [], groups: [] },
  }
}
