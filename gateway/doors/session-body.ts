import type { JsonObject, Session } from '../core/types.ts'

/** What an agent may know of its own session. @param now ms since the epoch. */
export function sessionBody(session: Session, now: number): JsonObject {
  return {
    session: session.id,
    role: session.role,
    scope: `role:${session.role}`,
    requester: session.requester,
    acting_for: session.acting_for,
    lineage: session.lineage,
    attributes: session.attributes,
    issued_at: new Date(session.issued_at).toISOString(),
    expires_at: new Date(session.expires_at).toISOString(),
    expires_in: Math.max(0, Math.floor((session.expires_at - now) / 1000)),
  }
}
