import type { Expression, Group, Issuer, Json, JsonObject, Person } from '../core/types.ts'

/**
 * The person that verified claims of a people issuer name, with the groups of the policy that they are in.
 *
 * @returns null when the issuer is not one of people, or its `person:` yields no name.
 */
export function personOf(issuer: Issuer, claims: JsonObject, groups: ReadonlyMap<string, Group>): Person | null {
  if (issuer.person === null) return null
  const person = textOf(issuer.person, claims)
  if (person === null) return null
  const name = issuer.display === null ? null : textOf(issuer.display, claims)
  const mine = [...groups.values()].filter((group) => inGroup(group, issuer, claims)).map((group) => group.name)
  return { id: qualified(issuer, person), name: name ?? person, groups: mine.sort() }
}

/** Anything but a plain true keeps a person out, an expression's error too. */
export function inGroup(group: Group, issuer: Issuer, claims: JsonObject): boolean {
  return group.issuer === issuer.name && isTrue(group.where, issuer, claims)
}

export function isTrue(where: Expression, issuer: Issuer, claims: JsonObject): boolean {
  const evaluated = where.evaluate({ claims, groups: groupsOf(issuer, claims) })
  return evaluated.ok && evaluated.value === true
}

/**
 * `issuer:subject` in one spelling. The issuer's name has no colon; `#` is kept free to set off the person acted for, and
 * what cannot be seen (control, format and direction characters, blanks) or misleads a terminal is percent-encoded.
 */
export function qualified(issuer: Issuer, subject: string): string {
  return `${issuer.name}:${subject.toWellFormed().replaceAll(/[%#\p{C}\p{Z}]/gu, encodeURIComponent)}`
}

function groupsOf(issuer: Issuer, claims: JsonObject): Json | undefined {
  const evaluated = issuer.groups?.evaluate({ claims })
  return evaluated?.ok ? evaluated.value : undefined
}

function textOf(expression: Expression, claims: JsonObject): string | null {
  const evaluated = expression.evaluate({ claims })
  const text = evaluated.ok ? evaluated.value : null
  return typeof text === 'string' && text.trim() !== '' && text.length <= 256 ? text : null
}
