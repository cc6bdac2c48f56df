import type { IssueSession, Issued, Proof } from '../core/operations.ts'
import { principalOf } from '../core/principal.ts'
import type { Json, JsonObject, Person, Policy, Role } from '../core/types.ts'
import { admits } from './admits.ts'
import { DIGEST, JWT_BEARER, readGrant, TOKEN_TYPE_ACCESS } from './grants.ts'
import type { KeyRing } from './key-set.ts'
import { oauthError } from './oauth-error.ts'
import type { OAuthError } from './oauth-error.ts'
import { personOf, qualified } from './person.ts'
import type { SessionStore } from './session-store.ts'
import { newToken } from './token.ts'
import type { Random } from './token.ts'
import { REASONS, verifyToken } from './verify.ts'
import type { Verified } from './verify.ts'

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

/**
 * A role's session for a proof: RFC 8693 token exchange, or RFC 7523 with the proof as the assertion. A proof that does
 * not hold is `invalid_request` (RFC 8693, section 2.2.2, demands that code) or `invalid_grant` (RFC 7523, section 3.1).
 * A role that does not exist and one that this subject may not have are the same `invalid_scope` with the same words, so
 * that roles cannot be listed from outside. Whoever is eligible hears the rest.
 *
 * @param form parameters, each once (the door refuses repeats).
 * @throws what the store throws when nothing can be written; then no session exists.
 */
export async function exchange(
  form: ReadonlyMap<string, string>,
  from: From,
  parts: ExchangeParts,
): Promise<OAuthAnswer> {
  const asked = readGrant(form)
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

  const role = policy.roles.get(asked.role)
  const attributes = role === undefined ? null : admits(policy, role, issuer, claims)
  const person = personOf(issuer, claims, policy.groups)
  if (role === undefined || attributes === null || (issuer.person !== null && person === null)) {
    const reason = role === undefined ? 'no such role' : attributes === null ? 'not eligible' : 'no person'
    return deny(reason, oauthError('invalid_scope', 'This subject can have no session of that role.'), who)
  }
  const prompt = promptOf(role, claims, asked.prompt_digest)
  if (typeof prompt === 'object' && prompt !== null) return deny('prompt', prompt, who)
  // An assertion is made for one request; a token that a platform keeps in a file is read again and again.
  const once = issuer.once ?? asked.grant === JWT_BEARER
  if (once && proof.jti === null) {
    const text = 'Tokens of this issuer are good for one session only, so the subject token needs a jti.'
    return deny('no jti', oauthError(unproven, text), who)
  }
  if (actor !== null && actor.once && actor.proof.jti === null) {
    const text = 'Tokens of the person’s issuer are good for one session only, so the actor token needs a jti.'
    return deny('actor: no jti', oauthError('invalid_request', text), who)
  }

  const session = parts.newSessionId()
  const { token, hash } = newToken(parts.random)
  const { lifetime_max_ms, live_per_principal } = policy.sessions
  const operation: IssueSession = {
    op: 'session.issue',
    session: {
      id: session,
      lineage: session,
      role: role.name,
      principal: who.principal,
      // Whom an approval must not come from is a person, wherever the proof came from.
      requester: person?.id ?? subject,
      acting_for,
      attributes,
      token_hash: hash,
      issuer: issuer.name,
      jti: proof.jti,
      proof: proof.proof,
      policy: policy.digest,
      prompt,
      ...(actor === null ? {} : { actor: actor.proof }),
    },
    lifetime_ms: Math.min(role.lifetime_ms, lifetime_max_ms, asked.ttl_ms ?? Infinity),
    live_max: live_per_principal,
    once,
    ...(actor === null ? {} : { actor_once: actor.once }),
    ...(asked.session === null ? {} : { renews: { session: asked.session, lifetime_max_ms } }),
  }
  const issued = await parts.store.write(operation)
  if (issued.kind !== 'issued') return deny(issued.kind, notIssued(issued.kind, operation, unproven), who)
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

/** Why the store issued nothing. Somebody else's session and none are told apart to nobody. */
function notIssued(
  kind: Exclude<Issued['kind'], 'issued'>,
  { session, live_max, renews }: IssueSession,
  unproven: OAuthError['error'],
): OAuthError {
  const id = renews?.session ?? ''
  switch (kind) {
    case 'too_many':
      return oauthError(
        'invalid_request',
        `This subject has ${live_max} live sessions, which is the limit. End one, or wait.`,
      )
    case 'proof_used':
      return session.actor === undefined
        ? oauthError(unproven, 'This subject token was used before.')
        : oauthError(unproven, 'The subject token or the actor token was used before.')
    case 'no_such_session':
      return oauthError('invalid_grant', `This subject has no such session of that role. ${WITHOUT}`)
    case 'ended':
      return oauthError('invalid_grant', `The session ${id} was ended, and what was ended is not renewed. ${WITHOUT}`)
    case 'renewed':
      return oauthError(
        'invalid_grant',
        `The session ${id} was renewed already, and its renewal is in use: renew that.`,
      )
    case 'lineage_over':
      return oauthError('invalid_grant', `The session ${id} was renewed for as long as a session may live. ${WITHOUT}`)
  }
}

const WITHOUT = 'Leave session out to open a new one.'

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
