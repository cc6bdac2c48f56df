/**
 * Whose calls and keys they are (R1): who asked, and the person acted for. `#` stands in neither: identity writes both
 * with it encoded.
 *
 * @param requester `issuer:subject`.
 * @param actingFor `issuer:person`, or null.
 */
export function principalOf(requester: string, actingFor: string | null): string {
  return actingFor === null ? requester : `${requester}#${actingFor}`
}

/** The person acted for, as the principal names them; null where nobody is. */
export function actingForOf(principal: string): string | null {
  const at = principal.indexOf('#')
  return at === -1 ? null : principal.slice(at + 1)
}

/** What entries say beside the principal: nothing where an agent acts for nobody. */
export function actingFields(principal: string): { readonly acting_for?: string } {
  const person = actingForOf(principal)
  return person === null ? {} : { acting_for: person }
}
