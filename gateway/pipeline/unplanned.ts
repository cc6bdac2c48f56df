import type { Action, Because, Plan } from '../core/types.ts'
import { attemptsWant } from '../core/weigh.ts'
import type { Asked } from './asked.ts'
import { questionOf, weighingOf } from './consider.ts'
import type { House } from './house.ts'

/** A plan for what could not be weighed: it wants nothing and is only the refusal's frame. */
export function unplanned(
  house: House,
  asked: Pick<Asked, 'id' | 'session' | 'policy'> & { readonly request: { readonly action: string } },
  action: Action | null,
  version: number,
  deny: readonly Because[] = [],
): Plan {
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
    deny,
    reported: [],
    attempts,
    holds: { ...attempts, kind: 'holds', amount: 0, max: null },
    next: grant?.next ?? [],
    barred: { persons: [], groups: [] },
  }
}
