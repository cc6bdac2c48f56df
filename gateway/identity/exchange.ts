import type { Json, JsonObject, Policy, Role } from '../core/types.ts'
import { admits } from './admits.ts'
import type { KeyRing } from './key-set.ts'
import { personOf, qualified } from './person.ts'
import type { SessionStore } from './session-store.ts'
import { newToken } from './token.ts'
import type { Random } from './token.ts'
import { REASONS, verifyToken } from './verify.ts'

/** Status and JSON body of an answer of the token endpoint (RFC 6749, sections 5.1 and 5.2). */
export interface OAuthAnswer {
  readonly status: 200 | 400 | 503
  readonly body: TokenBody | OAuthError
  /** Seconds; with 503. */
  readonly retry_after?: number
}
export interface TokenBody {
  readonly access_token: string
  readonly issued_token_type: string
  readonly token_type: 'Bearer'
  /** Seconds. */
  readonly expires_in: number
  readonly scope: string
  readonly session: string
}
export interface OAuthError {
  readonly error:
    | 'invalid_request'
    | 'invalid_grant'
    | 'invalid_scope'
    | 'invalid_target'
    | 'unsupported_grant_type'
    | 'temporarily_unavailable'
  readonly error_description: string
}

export interface ExchangeParts {
  readonly store: SessionStore
  readonly policy: () => Policy
  /** ms since the epoch. */
  readonly now: () => number
  readonly random: Random
  /** A fresh `ses_…`. */
  readonly newSessionId: () => string
  readonly keys: KeyRing
  /** Whether a proof from this source that does not hold may have an entry of its own. */
  readonly unprovenEntry: (source: string) => boolean
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
export const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'
export const TOKEN_TYPE_JWT = 'urn:ietf:params:oauth:token-type:jwt'
const TOKEN_TYPE_ACCESS = 'urn:ietf:params:oauth:token-type:access_token'

/**
 * A role's session for a proof: RFC 8693 token exchange. A proof that does not hold is `invalid_request` (RFC 8693,
 * section 2.2.2, demands that code). A role that does not exist and one that this subject may not have are the same
 * `invalid_scope` with the same words, so that roles cannot be listed from outside. Whoever is eligible hears the rest.
 *
 * @param form parameters, each once (the door refuses repeats).
 * @throws what the store throws when nothing can be written; then no session exists.
 */
export async function exchange(
  form: ReadonlyMap<string, string>,
  from: From,
  parts: ExchangeParts,
): Promise<OAuthAnswer> {
  const asked = read(form)
  if ('error' in asked) {
    from.refused(asked.error)
    return { status: 400, body: asked }
  }
  const policy = parts.policy()
  const deny = async (reason: string, error: OAuthError, who: Who | Unproven): Promise<OAuthAnswer> => {
    await parts.store.write({ op: 'session.deny', role: asked.role, ...who, reason })
    return { status: 400, body: error }
  }

  const proof = await verifyToken(asked.subject_token, policy.issuers, { now: parts.now(), keys: parts.keys })
  if (!proof.ok) {
    const away = proof.reason === 'keys_unavailable'
    const text = `The subject token is refused: ${REASONS[proof.reason]}.`
    const error = oauthError(away ? 'temporarily_unavailable' : 'invalid_request', text)
    if (parts.unprovenEntry(from.source))
      await deny(`proof: ${proof.reason}`, error, { principal: null, issuer: proof.issuer })
    else from.refused(away ? 'backend_unavailable' : 'token_invalid')
    return away ? { status: 503, body: error, retry_after: KEYS_RETRY_S } : { status: 400, body: error }
  }
  const { issuer, claims } = proof
  const who: Who = { principal: qualified(issuer, proof.subject), issuer: issuer.name }

  const role = policy.roles.get(asked.role)
  const attributes = role === undefined ? null : admits(policy, role, issuer, claims)
  const person = personOf(issuer, claims, policy.groups)
  if (role === undefined || attributes === null || (issuer.person !== null && person === null)) {
    const reason = role === undefined ? 'no such role' : attributes === null ? 'not eligible' : 'no person'
    return deny(reason, oauthError('invalid_scope', 'This subject can have no session of that role.'), who)
  }
  const prompt = promptOf(role, claims, asked.prompt_digest)
  if (typeof prompt === 'object' && prompt !== null) return deny('prompt', prompt, who)
  if (issuer.once && proof.jti === null) {
    const text = 'Tokens of this issuer are good for one session only, so the subject token needs a jti.'
    return deny('no jti', oauthError('invalid_request', text), who)
  }

  const session = parts.newSessionId()
  const { token, hash } = newToken(parts.random)
  const lifetime_ms = Math.min(role.lifetime_ms, policy.sessions.lifetime_max_ms, asked.ttl_ms ?? Infinity)
  const issued = await parts.store.write({
    op: 'session.issue',
    session: {
      id: session,
      lineage: session,
      role: role.name,
      principal: who.principal,
      // Whom an approval must not come from is a person, wherever the proof came from.
      requester: person?.id ?? who.principal,
      acting_for: null,
      attributes,
      token_hash: hash,
      issuer: issuer.name,
      jti: proof.jti,
      proof: proof.proof,
      policy: policy.digest,
      prompt,
    },
    lifetime_ms,
    live_max: policy.sessions.live_per_principal,
    once: issuer.once,
  })
  if (issued.kind !== 'issued') {
    const live = policy.sessions.live_per_principal
    const many = `This subject has ${live} live sessions, which is the limit. End one, or wait.`
    const text = issued.kind === 'too_many' ? many : 'This subject token was used before.'
    return deny(issued.kind, oauthError('invalid_request', text), who)
  }
  return {
    status: 200,
    body: {
      access_token: token,
      issued_token_type: TOKEN_TYPE_ACCESS,
      token_type: 'Bearer',
      expires_in: Math.floor((issued.session.expires_at - issued.session.issued_at) / 1000),
      scope: `role:${role.name}`,
      session: issued.session.id,
    },
  }
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

interface Asked {
  readonly subject_token: string
  readonly role: string
  readonly ttl_ms: number | null
  readonly prompt_digest: string | null
}

/** An empty parameter counts as absent (RFC 6749, section 3.2); ones that we do not know are ignored. */
function read(form: ReadonlyMap<string, string>): Asked | OAuthError {
  const get = (name: string): string | null => form.get(name) || null
  const bad = (text: string): OAuthError => oauthError('invalid_request', text)
  const grant = get('grant_type')
  if (grant === null) return bad(`grant_type is missing; it must be ${TOKEN_EXCHANGE}.`)
  if (grant !== TOKEN_EXCHANGE) return oauthError('unsupported_grant_type', `grant_type must be ${TOKEN_EXCHANGE}.`)
  const later = ['actor_token', 'actor_token_type', 'session'].find((name) => get(name) !== null)
  if (later !== undefined) return bad(`${later} is not offered by this gateway.`)
  if (get('resource') !== null || get('audience') !== null) {
    return oauthError('invalid_target', 'Session tokens are for this gateway only: leave out resource and audience.')
  }
  const subject_token = get('subject_token')
  if (subject_token === null) return bad('subject_token is missing: a JWT of an issuer that the policy names.')
  if (get('subject_token_type') !== TOKEN_TYPE_JWT) return bad(`subject_token_type must be ${TOKEN_TYPE_JWT}.`)
  const wanted = get('requested_token_type')
  if (wanted !== null && wanted !== TOKEN_TYPE_ACCESS)
    return bad(`requested_token_type can only be ${TOKEN_TYPE_ACCESS}.`)
  const ttl = get('requested_ttl')
  if (ttl !== null && !/^[1-9][0-9]{0,8}$/.test(ttl))
    return bad('requested_ttl must be a number of seconds, in digits.')
  const prompt_digest = get('prompt_digest')
  if (prompt_digest !== null && !DIGEST.test(prompt_digest))
    return bad('prompt_digest must be sha256: and 64 hex digits.')
  const role = ROLE_SCOPE.exec(get('scope') ?? '')?.[1]
  if (role === undefined) return oauthError('invalid_scope', 'scope must be role:NAME, exactly one.')
  return { subject_token, role, ttl_ms: ttl === null ? null : Number(ttl) * 1000, prompt_digest }
}

const DIGEST = /^sha256:[0-9a-f]{64}$/
/** RFC 6749, section 3.3: a scope token has no blank; a second one would be a second role. */
const ROLE_SCOPE = /^role:([\x21\x23-\x5B\x5D-\x7E]{1,128})$/

/**
 * The prompt that the session will be recorded under. A stated digest that is not the role's is refused also where the
 * role does not require one: the record would say something that is not so.
 */
function promptOf(role: Role, claims: JsonObject, stated: string | null): string | OAuthError | null {
  const claimed: Json | undefined = claims['prompt_digest']
  const digests = [claimed, stated].filter((digest) => digest !== undefined && digest !== null)
  const expected = role.prompt?.digest ?? digests[0] ?? null
  if (digests.some((digest) => typeof digest !== 'string' || !DIGEST.test(digest) || digest !== expected)) {
    return oauthError('invalid_request', 'prompt_digest is not the digest of the prompt that this role is tied to.')
  }
  if (role.prompt?.required === true && digests.length === 0) {
    return oauthError('invalid_request', 'This role asks for the digest of the prompt: prompt_digest=sha256:HEX.')
  }
  return typeof expected === 'string' ? expected : null
}

function oauthError(error: OAuthError['error'], error_description: string): OAuthError {
  return { error, error_description }
}
