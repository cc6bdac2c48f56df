import { Problem } from '../core/problem.ts'
import { overBy } from '../core/session-over.ts'
import type { Person, Policy, Session } from '../core/types.ts'
import { admits } from './admits.ts'
import { authenticate, bearer } from './authenticate.ts'
import { devAccounts, devClaims } from './dev-issuer.ts'
import type { DevIssuer } from './dev-issuer.ts'
import { exchange, KEYS_RETRY_S } from './exchange.ts'
import type { From, OAuthAnswer } from './exchange.ts'
import { keyRing } from './key-set.ts'
import { personOf } from './person.ts'
import type { SessionStore } from './session-store.ts'
import { tokenHash } from './token.ts'
import type { Random } from './token.ts'
import { unprovenEntries } from './unproven.ts'
import { REASONS, verifyToken } from './verify.ts'

/** Proof → principal → session, for the doors. */
export interface Identity {
  /** @throws Problem token_missing, token_invalid, session_expired, session_revoked. */
  authenticate(authorization: string | undefined): Promise<Session>
  /** @throws Problem token_missing, token_invalid, backend_unavailable (the issuer's keys cannot be fetched). */
  person(authorization: string | undefined): Promise<Person>
  /** RFC 8693 and RFC 7523. */
  exchange(form: ReadonlyMap<string, string>, from: From): Promise<OAuthAnswer>
  /** RFC 7009: whoever has the token may end the session. A token that is not known is no error (section 2.2). */
  revoke(token: string): Promise<void>
  /** RFC 7662: the live session of this token, or null. Asking is no use of it. */
  introspect(token: string): Promise<Session | null>
  /** The agent ends its own session; what it admitted lives on. */
  end(session: Session): Promise<void>
  /** Signs for an account of a dev issuer; null outside --dev. Answers null when there is no such account or role for one. */
  readonly devToken: ((ask: DevAsk) => Promise<DevToken | null>) | null
}
export type DevAsk = { readonly account: string } | { readonly role: string }
export interface DevToken {
  readonly subject_token: string
  readonly account: string
}

export interface IdentityParts {
  readonly store: SessionStore
  readonly policy: () => Policy
  /** ms since the epoch; never behind the newest entry (R14). */
  readonly now: () => number
  /** ms since any moment; how long keys are kept and floods are bounded goes by it. */
  readonly monotonic: () => number
  readonly random: Random
  readonly newSessionId: () => string
  /** null unless under --dev. */
  readonly dev: DevIssuer | null
  /** How agents reach us. */
  readonly agentUrl?: () => string
}

export function identity(parts: IdentityParts): Identity {
  const { store, policy, now, dev } = parts
  const keys = keyRing({ dev: dev?.jwks ?? null, monotonic: parts.monotonic })
  const unprovenEntry = unprovenEntries(parts.monotonic)
  const logout = async (session: Session): Promise<void> => {
    await store.write({ op: 'session.end', session: session.id, reason: 'logout', by: session.requester })
  }
  return {
    authenticate: (authorization) => authenticate(authorization, { store, now: now() }),
    exchange: (form, from) => exchange(form, from, { ...parts, keys, unprovenEntry }),
    end: logout,
    async person(authorization) {
      const { issuers, groups } = policy()
      const people = new Map([...issuers].filter(([, issuer]) => issuer.person !== null))
      const verified = await verifyToken(bearer(authorization), people, { now: now(), keys })
      if (!verified.ok && verified.reason === 'keys_unavailable') {
        const text = 'The keys of the issuer of this token cannot be fetched now.'
        throw new Problem('backend_unavailable', text, { retry_after: KEYS_RETRY_S })
      }
      if (!verified.ok) throw new Problem('token_invalid', `The token is refused: ${REASONS[verified.reason]}.`)
      const person = personOf(verified.issuer, verified.claims, groups)
      if (person === null) throw new Problem('token_invalid', 'The token is refused: it names no person.')
      return person
    },
    async revoke(token) {
      const hash = tokenHash(token)
      const session = hash === null ? null : await store.sessionByToken(hash)
      if (session !== null && session.ended_at === null) await logout(session)
    },
    async introspect(token) {
      const hash = tokenHash(token)
      const session = hash === null ? null : await store.sessionByToken(hash)
      return session === null || overBy(session, now()) !== null ? null : session
    },
    devToken: dev === null ? null : (ask) => devToken(ask, policy(), dev),
  }
}

/** For a role: the first account, in the order of identity.yaml, that the role's `issue_to` admits. */
async function devToken(ask: DevAsk, policy: Policy, dev: DevIssuer): Promise<DevToken | null> {
  const role = 'role' in ask ? policy.roles.get(ask.role) : undefined
  for (const issuer of policy.issuers.values()) {
    for (const account of devAccounts(issuer)) {
      const claims = devClaims(issuer, account) ?? {}
      const fits =
        'account' in ask ? ask.account === account : role !== undefined && admits(policy, role, issuer, claims)
      const subject_token = fits ? await dev.sign(issuer, account) : null
      if (subject_token !== null) return { subject_token, account }
    }
  }
  return null
}
