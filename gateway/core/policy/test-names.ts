import type { Action, Grant, Policy } from '../types.ts'

/** Something that a table can say to be used or held. */
export interface Counter {
  readonly name: string
  readonly because: string
  readonly units: readonly string[]
}

/** What a table can say to be used or held: limits by their name, and the windows of approval lines. */
export function countersOf(grant: Grant, key: 'used' | 'held'): Counter[] {
  const prefix = `grants.${grant.action}.`
  const limits = grant.limits
    .filter(({ window }) => key === 'held' || window.kind !== 'gauge')
    .map(({ name, because, max }) => ({ name, because, units: Object.keys(max) }))
  const windows = grant.approval
    .filter(({ window }) => window !== null)
    .map(({ because, above }) => {
      return { name: because.slice(because.indexOf(prefix) + prefix.length), because, units: Object.keys(above ?? {}) }
    })
  const own =
    key === 'used'
      ? { name: 'attempts', because: `${prefix}attempts`, units: ['attempts'] }
      : { name: 'holds_max', because: `${prefix}holds_max`, units: ['holds'] }
  return [...limits, ...windows, own]
}

/** The switches of the gateway itself. */
export function frozenNames(policy: Policy): string[] {
  return ['all', ...[...policy.roles.keys()].map((name) => `role:${name}`), ...actionNames(policy)]
}
function actionNames(policy: Policy): string[] {
  return [...policy.actions.keys()].map((name) => `action:${name}`)
}

/** Whatever can say no to a call of this action, or ask people. */
export function linesOf(policy: Policy, action: Action, grant: Grant | null): string[] {
  const lines = [...(grant?.max ?? []), ...(grant?.limits ?? []), ...(grant?.require ?? []), ...(grant?.approval ?? [])]
  return [
    'error',
    'input_invalid',
    'not_granted',
    ...policy.guardrails.map(({ name }) => `guardrails.${name}`),
    ...frozenNames(policy).map((name) => `switches.${name}`),
    ...action.facts.map(({ name }) => `facts.${name}`),
    `actions.${action.name}.cost`,
    `actions.${action.name}.request`,
    ...lines.map(({ because }) => because),
    ...(grant === null ? [] : [`grants.${action.name}.attempts`, `grants.${action.name}.holds_max`]),
  ]
}
