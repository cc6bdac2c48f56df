import { Problem } from '../core/problem.ts'
import type { SessionRow } from '../core/operations.ts'
import { overBy } from '../core/session-over.ts'
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
  mustLive(session, now)
  if (session.renews !== null) {
    // The renewal has arrived. Until that is written its predecessor lives: a request that cannot say so goes no further.
    const { used } = await store.write({ op: 'session.use', session: session.id, renews: session.renews })
    if (used !== null) mustLive(used, now)
  }
  // Only what a session is: the token's hash and the proof travel no further, least of all into a kept question.
  const { id, lineage, role, principal, requester, acting_for, attributes, issued_at, expires_at } = session
  return { id, lineage, role, principal, requester, acting_for, attributes, issued_at, expires_at }
}

/** @throws Problem session_expired, session_revoked. */
function mustLive(session: SessionRow, now: number): void {
  const over = overBy(session, now)
  if (over === 'session_expired') {
    const at = new Date(session.expires_at).toISOString()
    const text = `The session ${session.id} expired at ${at}. ${renewal(session.id)} ${LIVE_ON}`
    throw new Problem('session_expired', text)
  }
  if (over === 'session_revoked') {
    const why = ENDED[session.ended_reason ?? 'renewed']
    throw new Problem('session_revoked', `The session ${session.id} ${why}`)
  }
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
const LIVE_ON = 'Calls that it made live on: any session of the same subject and role reads and cancels them.'

function renewal(id: string): string {
  return `To renew it: POST /oauth/token with a fresh subject token, scope=role:NAME and session=${id}.`
}

const ENDED = {
  expired: `has expired. ${NEW_SESSION}`,
  logout: `was ended by its own agent. ${NEW_SESSION}`,
  renewed: 'was renewed; use the token of the renewal.',
  revoked: 'was revoked by people. Ask them before you ask for a new one.',
  role_removed: 'has ended: the policy no longer has its role.',
} as const
