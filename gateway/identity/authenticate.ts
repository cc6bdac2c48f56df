import { Problem } from '../core/problem.ts'
import type { Session } from '../core/types.ts'
import type { SessionStore } from './session-store.ts'
import { tokenHash } from './token.ts'

/**
 * The live session whose token this is (RFC 6750, section 2.1). The writer asks again in the transaction that starts an
 * effect: what is revoked between the two starts nothing.
 *
 * @param authorization the header's value.
 * @param now ms since the epoch.
 * @throws Problem token_missing, token_invalid, session_expired, session_revoked; what the store throws.
 */
export async function authenticate(
  authorization: string | undefined,
  { store, now }: { readonly store: SessionStore; readonly now: number },
): Promise<Session> {
  const hash = tokenHash(bearer(authorization))
  const session = hash === null ? null : await store.sessionByToken(hash)
  if (session === null) {
    throw new Problem('token_invalid', `This is no session token of this gateway. ${NEW_SESSION}`)
  }
  if (session.ended_at !== null) {
    throw new Problem('session_revoked', `The session ${session.id} ${ENDED[session.ended_reason ?? 'revoked']}`)
  }
  if (session.expires_at <= now) {
    const at = new Date(session.expires_at).toISOString()
    const lives = 'Calls that it made live on: a new session of the same subject and role can read them.'
    throw new Problem('session_expired', `The session ${session.id} expired at ${at}. ${NEW_SESSION} ${lives}`)
  }
  // Only what a session is: the token's hash and the proof travel no further, least of all into a kept question.
  const { id, lineage, role, principal, requester, acting_for, attributes, issued_at, expires_at } = session
  return { id, lineage, role, principal, requester, acting_for, attributes, issued_at, expires_at }
}

/**
 * @returns the credentials of a Bearer header; the scheme's name has no case (RFC 9110, section 11.1).
 * @throws Problem token_missing when there are none.
 */
export function bearer(authorization: string | undefined): string {
  const token = /^bearer +(.+)$/i.exec(authorization?.trim() ?? '')?.[1]
  if (token === undefined) {
    throw new Problem('token_missing', 'Send the token as "Authorization: Bearer TOKEN".')
  }
  return token
}

const NEW_SESSION = 'For a new one: POST /oauth/token with a fresh subject token and scope=role:NAME.'

const ENDED = {
  logout: `was ended by its own agent. ${NEW_SESSION}`,
  renewed: 'was renewed; use the token of the renewal.',
  revoked: 'was revoked by people. Ask them before you ask for a new one.',
  role_removed: 'has ended: the policy no longer has its role.',
} as const
