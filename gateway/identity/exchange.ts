import type { Proof } from '../core/operations.ts'
import { principalOf } from '../core/principal.ts'
import type { Person, Policy } from '../core/types.ts'
import { JWT_BEARER, readGrant } from './grants.ts'
import { issueSession } from './issue.ts'
import type { IssueParts, TokenBody } from './issue.ts'
import type { KeyRing } from './key-set.ts'
import { oauthError } from './oauth-error.ts'
import type { OAuthError } from './oauth-error.ts'
import { personOf, qualified } from './person.ts'
import { REASONS, verifyToken } from './verify.ts'
import type { Verified } from './verify.ts'

/** Status and JSON body of an answer of an OAuth endpoint (RFC 6749, sections 5.1 and 5.2). */
export interface OAuthAnswer<Body = TokenBody> {
  readonly status: 200 | 400 | 503
  readonly body: Body | OAuthError
  /** Seconds; with 503. */
  readonly retry_after?: number
}
export interface ExchangeParts extends IssueParts {
  /** ms since the epoch. */
  readonly now: () => number
  readonly keys: KeyRing
  /** Whether a proof from this source that does not hold may have an entry of its own. */
  readonly unprovenEntry: (source: string) => boolean
  /** How agents reach us. */
  readonly agentUrl?: () => string
}

/** Where a request came from. */
export interface From {
  /** Its address. */
  readonly source: string
  /** Counts a request that is no entry of its own: not even a token exchange, or one proof too many that does not hold. */
  readonly refused: (code: RefusedCode) => void
}
export type RefusedCode = OAuthError['error'] | 'token_invalid' | 'backend_unavailable'

/** What a client is told to wait when an issuer's keys cannot be fetched. */
export const KEYS_RETRY_S = 5

/**
 * A role's session for a proof: RFC 8693 token exchange, or RFC 7523 with the proof as the assertion. A proof that does
 * not hold is `invalid_request` (RFC 8693, section 2.2.2, demands that code) or `invalid_grant` (RFC 7523, section 3.1).
 *
 * @param form parameters, each once (the door refuses repeats).
 * @throws what the store throws when nothing can be written; then no session exists.
 */
export async function exchange(
  form: ReadonlyMap<string, string>,
  from: From,
  parts: ExchangeParts,
): Promise<OAuthAnswer> {
  const asked = readGrant(form, parts.agentUrl?.())
  if ('error' in asked) {
    from.refused(asked.error)
    return { status: 400, body: asked }
  }
  const policy = parts.policy()
  const deny = async (reason: string, error: OAuthError, who: Who | Unproven): Promise<OAuthAnswer> => {
    await parts.store.write({ op: 'session.deny', role: asked.role, ...who, reason })
    return error.error === 'temporarily_unavailable'
      ? { status: 503, body: error, retry_after: KEYS_RETRY_S }
      : { status: 400, body: error }
  }
  const unproven = asked.grant === JWT_BEARER ? 'invalid_grant' : 'invalid_request'

  const proof = await verifyToken(asked.subject_token, policy.issuers, { now: parts.now(), keys: parts.keys })
  if (!proof.ok) {
    const away = proof.reason === 'keys_unavailable'
    const what = asked.grant === JWT_BEARER ? 'assertion' : 'subject token'
    const error = refusal(what, proof.reason, unproven)
    if (parts.unprovenEntry(from.source))
      return deny(`proof: ${proof.reason}`, error, { principal: null, issuer: proof.issuer })
    from.refused(away ? 'backend_unavailable' : 'token_invalid')
    return away ? { status: 503, body: error, retry_after: KEYS_RETRY_S } : { status: 400, body: error }
  }
  const { issuer, claims } = proof
  const subject = qualified(issuer, proof.subject)

  const actor = asked.actor_token === null ? null : await personActedFor(asked.actor_token, policy, parts)
  const acting_for = actor?.ok === true ? actor.person.id : null
  const who: Who = { principal: principalOf(subject, acting_for), issuer: issuer.name }
  if (actor?.ok === false) return deny(`actor: ${actor.reason}`, actor.error, who)

  const issued = await issueSession(
    {
      subject: { issuer, claims, subject: proof.subject, jti: proof.jti, proof: proof.proof },
      actor,
      // An assertion is made for one request; a token that a platform keeps in a file is read again and again.
      once: issuer.once ?? asked.grant === JWT_BEARER,
      role: asked.role,
      session: asked.session,
      ttl_ms: asked.ttl_ms,
      prompt_digest: asked.prompt_digest,
      unproven,
    },
    parts,
  )
  return issued.ok ? { status: 200, body: issued.body } : deny(issued.reason, issued.error, who)
}

interface Who {
  readonly principal: string
  readonly issuer: string
}
/** The issuer that an unproven token names, where it is one of ours. */
interface Unproven {
  readonly principal: null
  readonly issuer: string | null
}

type ActedFor =
  | { readonly ok: true; readonly person: Person; readonly proof: Proof; readonly once: boolean }
  | { readonly ok: false; readonly reason: string; readonly error: OAuthError }

/** Only an issuer of people says who a person is; a workload cannot be acted for. */
async function personActedFor(token: string, policy: Policy, { now, keys }: ExchangeParts): Promise<ActedFor> {
  const people = new Map([...policy.issuers].filter(([, issuer]) => issuer.person !== null))
  const verified = await verifyToken(token, people, { now: now(), keys })
  if (!verified.ok) {
    const { reason } = verified
    return { ok: false, reason, error: refusal('actor token', reason, 'invalid_request') }
  }
  const { issuer, claims, jti, proof } = verified
  const person = personOf(issuer, claims, policy.groups)
  if (person === null) {
    const error = oauthError('invalid_request', 'The actor token is refused: it names no person.')
    return { ok: false, reason: 'no person', error }
  }
  return { ok: true, person, proof: { issuer: issuer.name, jti, proof }, once: issuer.once === true }
}

function refusal(
  what: string,
  reason: Extract<Verified, { ok: false }>['reason'],
  code: OAuthError['error'],
): OAuthError {
  const text = `The ${what} is refused: ${REASONS[reason]}.`
  return oauthError(reason === 'keys_unavailable' ? 'temporarily_unavailable' : code, text)
}
