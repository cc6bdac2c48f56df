import type { Issuer, IssueRule, JsonObject, Policy, Role } from '../core/types.ts'
import { inGroup, isTrue } from './person.ts'

/**
 * Whether a role's `issue_to` admits these verified claims. The first rule that does decides what the session carries; a
 * rule whose condition or `carry` errors admits nobody.
 *
 * @returns the attributes to fix into the session, or null when no rule admits.
 */
export function admits(policy: Policy, role: Role, issuer: Issuer, claims: JsonObject): JsonObject | null {
  for (const rule of role.issue_to) {
    if (!ruleAdmits(policy, rule, issuer, claims)) continue
    const carried = carry(rule, claims)
    if (carried !== null) return carried
  }
  return null
}

/** An issuer's rule needs a `where`: whoever an issuer signs for is not yet an agent of ours. */
function ruleAdmits(policy: Policy, rule: IssueRule, issuer: Issuer, claims: JsonObject): boolean {
  const where = rule.where !== null && isTrue(rule.where, issuer, claims)
  if (rule.issuer !== null) return rule.issuer === issuer.name && where
  const group = rule.group === null ? undefined : policy.groups.get(rule.group)
  return group !== undefined && inGroup(group, issuer, claims) && (rule.where === null || where)
}

const CARRY_MAX = 4096

function carry(rule: IssueRule, claims: JsonObject): JsonObject | null {
  const attributes: { [attribute: string]: JsonObject[string] } = {}
  for (const [attribute, expression] of Object.entries(rule.carry)) {
    const evaluated = expression.evaluate({ claims })
    if (!evaluated.ok) return null
    attributes[attribute] = evaluated.value
  }
  return JSON.stringify(attributes).length <= CARRY_MAX ? attributes : null
}
