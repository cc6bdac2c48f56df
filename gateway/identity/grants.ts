import { oauthError } from './oauth-error.ts'
import type { OAuthError } from './oauth-error.ts'

export const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'
export const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
export const TOKEN_TYPE_JWT = 'urn:ietf:params:oauth:token-type:jwt'
export const TOKEN_TYPE_ACCESS = 'urn:ietf:params:oauth:token-type:access_token'

/** What a request may say about its session, whichever grant it speaks. */
export interface Terms {
  /** The session to renew. */
  readonly session: string | null
  readonly ttl_ms: number | null
  readonly prompt_digest: string | null
}

/** What a request at the token endpoint asks for, with a proof of its own. */
export interface Asked extends Terms {
  readonly grant: typeof TOKEN_EXCHANGE | typeof JWT_BEARER
  /** The workload's proof: the subject token of RFC 8693, the assertion of RFC 7523. */
  readonly subject_token: string
  /** The proof of the person acted for. */
  readonly actor_token: string | null
  readonly role: string
}

/**
 * An empty parameter counts as absent (RFC 6749, section 3.2); ones that we do not know are ignored.
 *
 * @param agentUrl how agents reach us; without it no resource is ours.
 */
export function readGrant(form: ReadonlyMap<string, string>, agentUrl?: string): Asked | OAuthError {
  const get = (name: string): string | null => form.get(name) || null
  const bad = (text: string): OAuthError => oauthError('invalid_request', text)
  const grant = get('grant_type')
  if (grant === null) return bad(`grant_type is missing; it must be ${TOKEN_EXCHANGE} or ${JWT_BEARER}.`)
  if (grant !== TOKEN_EXCHANGE && grant !== JWT_BEARER)
    return oauthError('unsupported_grant_type', `grant_type must be ${TOKEN_EXCHANGE} or ${JWT_BEARER}.`)
  if (get('audience') !== null || (get('resource') !== null && agentUrl === undefined))
    return oauthError('invalid_target', 'Session tokens are for this gateway only: leave out resource and audience.')
  const target = readTarget(get('resource'), agentUrl ?? '')
  if (target !== null) return target
  const proofs = grant === JWT_BEARER ? readAssertion(get) : readTokens(get)
  if ('error' in proofs) return proofs
  const terms = readTerms(get)
  if ('error' in terms) return terms
  const role = roleOf(get('scope'))
  if (role === null) return oauthError('invalid_scope', ONE_ROLE)
  return { grant, ...proofs, ...terms, role }
}

/** RFC 8707: sessions are for this gateway, as a whole or by its MCP door. @returns what is wrong, or null. */
export function readTarget(resource: string | null, agentUrl: string): OAuthError | null {
  const base = agentUrl.replace(/\/+$/, '')
  if (resource === null || [base, `${base}/`, `${base}/mcp`].includes(resource)) return null
  return oauthError('invalid_target', `Sessions are for ${base} only.`)
}

export const ONE_ROLE = 'scope must be role:NAME, exactly one.'

/** @returns the role that a scope asks for; null unless it is exactly one. */
export function roleOf(scope: string | null): string | null {
  return ROLE_SCOPE.exec(scope ?? '')?.[1] ?? null
}

export function readTerms(get: Get): Terms | OAuthError {
  const bad = (text: string): OAuthError => oauthError('invalid_request', text)
  const ttl = get('requested_ttl')
  if (ttl !== null && !/^[1-9][0-9]{0,8}$/.test(ttl))
    return bad('requested_ttl must be a number of seconds, in digits.')
  const prompt_digest = get('prompt_digest')
  if (prompt_digest !== null && !DIGEST.test(prompt_digest))
    return bad('prompt_digest must be sha256: and 64 hex digits.')
  const session = get('session')
  if (session !== null && !SESSION.test(session))
    return bad('session must be the id of the session to renew, ses_ and 26 characters.')
  return { session, ttl_ms: ttl === null ? null : Number(ttl) * 1000, prompt_digest }
}

export const DIGEST = /^sha256:[0-9a-f]{64}$/
const SESSION = /^ses_[0-9A-Za-z]{1,40}$/
/** RFC 6749, section 3.3: a scope token has no blank; a second one would be a second role. */
const ROLE_SCOPE = /^role:([\x21\x23-\x5B\x5D-\x7E]{1,128})$/

type Proofs = Pick<Asked, 'subject_token' | 'actor_token'>
export type Get = (name: string) => string | null

/** RFC 8693, section 2.1. */
function readTokens(get: Get): Proofs | OAuthError {
  const bad = (text: string): OAuthError => oauthError('invalid_request', text)
  const subject_token = get('subject_token')
  if (subject_token === null) return bad('subject_token is missing: a JWT of an issuer that the policy names.')
  if (get('subject_token_type') !== TOKEN_TYPE_JWT) return bad(`subject_token_type must be ${TOKEN_TYPE_JWT}.`)
  const actor_token = get('actor_token')
  const actor_type = get('actor_token_type')
  if (actor_token === null && actor_type !== null) return bad('actor_token_type is there without an actor_token.')
  if (actor_token !== null && actor_type !== TOKEN_TYPE_JWT) return bad(`actor_token_type must be ${TOKEN_TYPE_JWT}.`)
  const wanted = get('requested_token_type')
  if (wanted !== null && wanted !== TOKEN_TYPE_ACCESS)
    return bad(`requested_token_type can only be ${TOKEN_TYPE_ACCESS}.`)
  return { subject_token, actor_token }
}

/** RFC 7523, section 2.1. */
function readAssertion(get: Get): Proofs | OAuthError {
  const bad = (text: string): OAuthError => oauthError('invalid_request', text)
  if (get('actor_token') !== null || get('subject_token') !== null)
    return bad(`subject_token and actor_token belong to ${TOKEN_EXCHANGE}; here it is assertion alone.`)
  const assertion = get('assertion')
  return assertion === null
    ? bad('assertion is missing: a JWT of an issuer that the policy names.')
    : { subject_token: assertion, actor_token: null }
}
