import type { IssueSession, Issued, Proof } from '../core/operations.ts'
import { principalOf } from '../core/principal.ts'
import type { Issuer, Json, JsonObject, Person, Policy, Role } from '../core/types.ts'
import { admits } from './admits.ts'
import { DIGEST, TOKEN_TYPE_ACCESS } from './grants.ts'
import { oauthError } from './oauth-error.ts'
import type { OAuthError } from './oauth-error.ts'
import { personOf, qualified } from './person.ts'
import type { SessionStore } from './session-store.ts'
import { newToken } from './token.ts'
import type { Random } from './token.ts'

/** Who is to hold a role, on what proof, and what they ask for. */
export interface IssueRequest {
  readonly subject: {
    readonly issuer: Issuer
    readonly subject: string
    readonly claims: JsonObject
    readonly jti: string | null
    /** `sha256:…` of the token. */
    readonly proof: string
  }
  /** The person acted for. */
  readonly actor: { readonly person: Person; readonly proof: Proof; readonly once: boolean } | null
  /** A second use of the subject's token is refused. */
  readonly once: boolean
  readonly role: string
  /** The session to renew. */
  readonly session: string | null
  readonly ttl_ms: number | null
  readonly prompt_digest: string | null
  /** The consent that it is for, and the program that asked for that. */
  readonly consent?: { readonly id: string; readonly client: string }
  /** What a proof that is not good (any more) is called: by RFC 6749, 7523 and 8693 alike, each its own way. */
  readonly unproven: 'invalid_request' | 'invalid_grant'
}

/** Body of an answer of the token endpoint (RFC 6749, section 5.1). */
export interface TokenBody {
  readonly access_token: string
  readonly issued_token_type: string
  readonly token_type: 'Bearer'
  /** Seconds. */
  readonly expires_in: number
  readonly scope: string
  readonly session: string
}

/** `reason` is for the entry, `error` for whoever asked. */
export type IssueAnswer =
  | { readonly ok: true; readonly body: TokenBody }
  | { readonly ok: false; readonly reason: string; readonly error: OAuthError }

export interface IssueParts {
  readonly store: SessionStore
  readonly policy: () => Policy
  readonly random: Random
  /** A fresh `ses_…`. */
  readonly newSessionId: () => string
}

/**
 * The one way to a session, for whoever has proven who they are. A role that does not exist and one that this subject may
 * not have are the same `invalid_scope` with the same words, so that roles cannot be listed from outside.
 *
 * @throws what the store throws when nothing can be written; then no session exists.
 */
export async function issueSession(asked: IssueRequest, parts: IssueParts): Promise<IssueAnswer> {
  const no = (reason: string, error: OAuthError): IssueAnswer => ({ ok: false, reason, error })
  const policy = parts.policy()
  const { actor, once, unproven } = asked
  const { issuer, claims, jti, proof } = asked.subject
  const subject = qualified(issuer, asked.subject.subject)
  const acting_for = actor?.person.id ?? null

  const role = policy.roles.get(asked.role)
  const attributes = role === undefined ? null : admits(policy, role, issuer, claims)
  const person = personOf(issuer, claims, policy.groups)
  if (role === undefined || attributes === null || (issuer.person !== null && person === null)) {
    const reason = role === undefined ? 'no such role' : attributes === null ? 'not eligible' : 'no person'
    return no(reason, oauthError('invalid_scope', 'This subject can have no session of that role.'))
  }
  const prompt = promptOf(role, claims, asked.prompt_digest)
  if (typeof prompt === 'object' && prompt !== null) return no('prompt', prompt)
  if (once && jti === null) {
    const text = 'Tokens of this issuer are good for one session only, so the subject token needs a jti.'
    return no('no jti', oauthError(unproven, text))
  }
  if (actor !== null && actor.once && actor.proof.jti === null) {
    const text = 'Tokens of the person’s issuer are good for one session only, so the actor token needs a jti.'
    return no('actor: no jti', oauthError('invalid_request', text))
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
      principal: principalOf(subject, acting_for),
      // Whom an approval must not come from is a person, wherever the proof came from.
      requester: person?.id ?? subject,
      acting_for,
      attributes,
      token_hash: hash,
      issuer: issuer.name,
      jti,
      proof,
      policy: policy.digest,
      prompt,
      ...(actor === null ? {} : { actor: actor.proof }),
      ...(asked.consent === undefined ? {} : { client: asked.consent.client }),
    },
    lifetime_ms: Math.min(role.lifetime_ms, lifetime_max_ms, asked.ttl_ms ?? Infinity),
    live_max: live_per_principal,
    once,
    ...(actor === null ? {} : { actor_once: actor.once }),
    ...(asked.session === null ? {} : { renews: { session: asked.session, lifetime_max_ms } }),
    ...(asked.consent === undefined ? {} : { consent: asked.consent.id }),
  }
  const issued = await parts.store.write(operation)
  if (issued.kind !== 'issued') return no(issued.kind, notIssued(issued.kind, operation, unproven))
  return {
    ok: true,
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
    case 'consent_over':
      return oauthError('invalid_grant', 'This code is not good any more: it was used, or its time is over.')
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
