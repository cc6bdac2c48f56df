import { hash } from 'node:crypto'
import { principalOf } from '../core/principal.ts'
import type { Policy } from '../core/types.ts'
import type { Consent, Proven } from '../core/visit.ts'
import type { From, OAuthAnswer } from './exchange.ts'
import { readTarget, readTerms } from './grants.ts'
import type { Terms } from './grants.ts'
import { issueSession } from './issue.ts'
import type { IssueParts } from './issue.ts'
import { oauthError } from './oauth-error.ts'
import type { OAuthError } from './oauth-error.ts'
import { qualified } from './person.ts'
import type { SignInStore } from './session-store.ts'
import { sha256 } from './token.ts'

export interface ConsentParts extends IssueParts {
  readonly store: SignInStore
  /** ms since the epoch. */
  readonly now: () => number
  /** ms since any moment. */
  readonly monotonic: () => number
  readonly unprovenEntry: (source: string) => boolean
  readonly agentUrl: () => string
  readonly adminUrl: () => string
}

export const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code'
export const AUTHORIZATION_CODE = 'authorization_code'
export const POLL_MS = 5_000

/**
 * The token endpoint's two grants that end in a person's word: RFC 8628, section 3.4, and RFC 6749, section 4.1.3. The
 * operation that issues the session takes the consent with it, so that it brings one session whoever fetches it where.
 *
 * @throws what the store throws when nothing can be written; then no session exists.
 */
export async function consentGrant(
  form: ReadonlyMap<string, string>,
  from: From,
  parts: ConsentParts,
): Promise<OAuthAnswer> {
  const { store, now, policy } = parts
  const get = (name: string): string | null => form.get(name) || null
  const byCode = get('grant_type') === AUTHORIZATION_CODE
  const terms = readTerms(get)
  const target = readTarget(get('resource'), parts.agentUrl())
  const code = get(byCode ? 'code' : 'device_code')
  const client = get('client_id')
  const wrong =
    'error' in terms
      ? terms
      : (target ??
        (code === null || client === null
          ? oauthError('invalid_request', `${byCode ? 'code' : 'device_code'} and client_id are required.`)
          : null))
  if (wrong !== null || code === null || client === null || 'error' in terms) {
    const error = wrong ?? oauthError('invalid_request', 'The request cannot be read.')
    from.refused(error.error)
    return { status: 400, body: error }
  }
  const consent = await store.consent({ id: sha256(code) })
  if (consent === null || (consent.bound !== null) !== byCode || consent.client !== client) {
    const error = oauthError('invalid_grant', 'There is no such code for this client.')
    // A person's word stands behind an authorization code; a device code anybody gets for the asking.
    return consent === null || consent.bound === null
      ? unproven(consent === null ? 'no such code' : 'the code of another client', error, consent, from)
      : deny('the code of another client', error, consent)
  }
  return byCode ? byAuthorizationCode(consent, get, terms) : byDeviceCode(consent, terms, from)

  /** A code that nobody gave to this client: an entry while there are few of them, else counted. */
  async function unproven(
    reason: string,
    error: OAuthError,
    consent: Consent | null,
    from: From,
  ): Promise<OAuthAnswer> {
    if (!parts.unprovenEntry(from.source)) {
      from.refused(error.error)
      return { status: 400, body: error }
    }
    return deny(reason, error, consent)
  }

  async function deny(reason: string, error: OAuthError, consent: Consent | null): Promise<OAuthAnswer> {
    const by = consent?.given_by ?? null
    const principal = by === null ? null : principalFor(by, policy())
    const about = { role: consent?.role ?? null, principal, issuer: by?.issuer ?? null, reason }
    await store.write({ op: 'session.deny', ...about, ...(consent === null ? {} : { client: consent.client }) })
    return { status: 400, body: error }
  }

  /** RFC 8628, section 3.5. */
  async function byDeviceCode(consent: Consent, terms: Terms, from: From): Promise<OAuthAnswer> {
    const said = (error: OAuthError['error'], text: string): OAuthAnswer => ({
      status: 400,
      body: oauthError(error, text),
    })
    if (consent.state === 'refused') return said('access_denied', 'The person said no.')
    if (consent.state === 'taken') {
      const error = oauthError('invalid_grant', 'This device_code has brought its session.')
      return unproven('device code used twice', error, consent, from)
    }
    if (consent.expires_at <= now()) {
      return unproven(
        'nobody decided',
        oauthError('expired_token', 'Nobody decided in time. Begin anew.'),
        consent,
        from,
      )
    }
    if (consent.state === 'given') return issue(consent, terms)
    // Much too soon is not worth a write.
    const rushes = consent.polled_at !== null && now() < consent.polled_at + 1_000
    const polled = rushes
      ? 'slow_down'
      : (await store.write({ op: 'consent.poll', consent: consent.id, slower_ms: POLL_MS })).kind
    return polled === 'slow_down'
      ? said('slow_down', 'Wait 5 seconds longer between polls.')
      : said('authorization_pending', 'The person has not decided yet.')
  }

  /** RFC 6749, section 4.1.3; RFC 7636, section 4.6. */
  async function byAuthorizationCode(
    consent: Consent,
    get: (name: string) => string | null,
    terms: Terms,
  ): Promise<OAuthAnswer> {
    if (consent.state === 'taken') return usedTwice(consent)
    if (consent.expires_at <= now()) {
      return deny('code too late', oauthError('invalid_grant', 'This code is good for a minute.'), consent)
    }
    const verifier = get('code_verifier') ?? ''
    const fits = VERIFIER.test(verifier) && hash('sha256', verifier, 'base64url') === consent.bound?.challenge
    if (!fits)
      return deny('wrong code_verifier', oauthError('invalid_grant', 'The code_verifier is not the one.'), consent)
    if (get('redirect_uri') !== consent.bound?.redirect_uri) {
      const error = oauthError('invalid_grant', 'The redirect_uri is not the one that the code was sent to.')
      return deny('another redirect_uri', error, consent)
    }
    return issue(consent, terms)
  }

  async function issue(consent: Consent, terms: Terms): Promise<OAuthAnswer> {
    const by = consent.given_by
    const issuer = by === null ? undefined : policy().issuers.get(by.issuer)
    if (by === null || issuer === undefined || by.claims['iss'] !== issuer.issuer) {
      const error = oauthError('invalid_grant', 'Nobody who could say yes stands behind this code any more.')
      return deny('no person', error, consent)
    }
    const issued = await issueSession(
      {
        ...terms,
        // The token was for the sign-in, and may stand behind several sessions: what is good once is the consent.
        subject: { issuer, subject: by.subject, claims: by.claims, proof: by.proof, jti: null },
        actor: null,
        once: false,
        role: consent.role,
        consent: { id: consent.id, client: consent.client },
        unproven: 'invalid_grant',
      },
      parts,
    )
    if (issued.ok) return { status: 200, body: issued.body }
    const taken = issued.reason === 'consent_over' ? await store.consent({ id: consent.id }) : null
    return taken?.state === 'taken' && taken.bound !== null
      ? usedTwice(taken)
      : deny(issued.reason, issued.error, consent)
  }

  /** One of the two had no right to it, and nobody knows which: neither goes on (RFC 6749, section 4.1.2). */
  async function usedTwice(consent: Consent): Promise<OAuthAnswer> {
    const { session } = consent
    if (session !== null) await store.write({ op: 'session.end', session, reason: 'revoked', by: 'gateway' })
    const text = 'This code was used before. The session that it brought has been revoked.'
    return deny('code used twice', oauthError('invalid_grant', text), consent)
  }
}

const VERIFIER = /^[A-Za-z0-9\-._~]{43,128}$/

/** As session entries name whoever gave it. */
export function principalFor({ issuer: name, subject }: Proven, { issuers }: Policy): string {
  const issuer = issuers.get(name)
  return issuer === undefined ? `${name}:` : principalOf(qualified(issuer, subject), null)
}
