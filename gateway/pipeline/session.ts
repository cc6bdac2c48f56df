import type { Session } from '../core/types.ts'

/** A stored row is more than a decision may depend on: its token's hash, its proof. */
export function sessionOf(session: Session): Session {
  const { id, lineage, role, principal, requester, acting_for, attributes, issued_at, expires_at } = session
  return { id, lineage, role, principal, requester, acting_for, attributes, issued_at, expires_at }
}
