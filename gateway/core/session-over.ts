import type { SessionRow } from './operations.ts'

/**
 * Whether a session is over, and in which of the two ways that its agent is told: expired by itself, or ended by somebody.
 *
 * @param now ms since the epoch.
 */
export function overBy(session: SessionRow, now: number): 'session_expired' | 'session_revoked' | null {
  if (session.ended_at !== null) return session.ended_reason === 'expired' ? 'session_expired' : 'session_revoked'
  if (session.expires_at > now) return null
  return session.renewed_by === null ? 'session_expired' : 'session_revoked'
}

/** By people, or with its role: nothing of it begins any more, an approval included. */
export function isRevoked({ ended_reason }: SessionRow): boolean {
  return ended_reason === 'revoked' || ended_reason === 'role_removed'
}
