import { compactVerify, errors } from 'jose'
import { readJson } from '../core/strict-json.ts'
import type { Issuer, JsonObject } from '../core/types.ts'
import { KeysUnavailable } from './fetch-keys.ts'
import type { KeyRing } from './key-set.ts'
import { sha256 } from './token.ts'

export type Verified =
  | {
      readonly ok: true
      readonly issuer: Issuer
      readonly claims: JsonObject
      readonly subject: string
      readonly jti: string | null
      /** `sha256:…` of the token: what the ledger keeps of it. */
      readonly proof: string
    }
  | {
      readonly ok: false
      readonly reason: Reason
      /** The configured issuer that the token names, or null: nothing of the token is proven. */
      readonly issuer: string | null
    }

/** Why a token proves nothing, in words that may be told to whoever sent it. */
export const REASONS = {
  too_large: 'it is longer than 16 KB',
  malformed: 'it is not a signed JWT in three base64url parts of plain JSON objects',
  algorithm: 'its algorithm is not allowed',
  header: 'its header has a member that is not accepted (crit, jwk, jku, x5u, x5c, or an unknown typ)',
  issuer: 'its issuer (iss) is not known here',
  audience: 'it was made for another audience (aud)',
  authorized_party: 'it was given to another client (azp)',
  subject: 'it has no usable subject (sub)',
  claims: 'a claim has the wrong type (exp, iat and nbf are numbers, jti is a string)',
  expired: 'it has expired (exp)',
  too_long: 'it has no end (exp) within the next 24 hours',
  not_yet: 'it is not valid yet (iat or nbf is in the future)',
  key: 'no key of its issuer, or more than one, fits its header (kid, alg)',
  signature: 'its signature is wrong',
  keys_unavailable: 'the keys of its issuer cannot be fetched now',
} as const
export type Reason = keyof typeof REASONS

/**
 * The one verifier for every issuer: workloads, people and the dev issuer. The unverified `iss` only selects among
 * configured issuers, by exact equality; everything else is refused before, or proven after, the signature.
 * RFC 7519, RFC 8725; OpenID Connect Core 1.0, section 3.1.3.7, for `azp`.
 *
 * @param now ms since the epoch.
 */
export async function verifyToken(
  token: string,
  issuers: ReadonlyMap<string, Issuer>,
  { now, keys }: { readonly now: number; readonly keys: KeyRing },
): Promise<Verified> {
  if (token.length > TOKEN_MAX) return refuse('too_large')
  const parts = token.split('.')
  const [header, claims] = [readPart(parts[0]), readPart(parts[1])]
  if (parts.length !== 3 || header === null || claims === null || !isBase64url(parts[2])) return refuse('malformed')

  const { alg, kid, typ } = header
  if (typeof alg !== 'string' || !ALGORITHMS.includes(alg)) return refuse('algorithm')
  if (REFUSED_HEADERS.some((name) => Object.hasOwn(header, name))) return refuse('header')
  if (typ !== undefined && !(typeof typ === 'string' && TYPES.includes(typ.toLowerCase()))) return refuse('header')
  if (kid !== undefined && typeof kid !== 'string') return refuse('header')

  const { iss, aud, sub, exp, iat, nbf, jti, azp } = claims
  const ofIssuer = [...issuers.values()].filter(
    (issuer) => issuer.issuer === iss && (issuer.keys.kind !== 'dev' || keys.dev),
  )
  if (typeof iss !== 'string' || ofIssuer.length === 0) return refuse('issuer')
  const audiences = typeof aud === 'string' ? [aud] : Array.isArray(aud) ? aud : []
  const issuer = ofIssuer.find(({ audience }) => audience !== '' && audiences.includes(audience))
  const no = (reason: Reason): Verified => refuse(reason, (issuer ?? ofIssuer[0])?.name)
  if (issuer === undefined || !audiences.every((one) => typeof one === 'string')) return no('audience')
  if (!partyFits(issuer, azp, audiences.length)) return no('authorized_party')
  if (typeof sub !== 'string' || sub === '' || sub.length > SUBJECT_MAX) return no('subject')
  if (jti !== undefined && !isJti(jti)) return no('claims')
  if (![exp, iat ?? 0, nbf ?? 0].every((time) => typeof time === 'number')) return no('claims')
  const seconds = now / 1000
  if (Number(exp) <= seconds - TOLERANCE_S) return no('expired')
  if (Number(exp) > seconds + LIFE_MAX_S + TOLERANCE_S) return no('too_long')
  if (Math.max(Number(iat ?? 0), Number(nbf ?? 0)) > seconds + TOLERANCE_S) return no('not_yet')

  try {
    await compactVerify(token, keys.of(issuer.keys), { algorithms: [...ALGORITHMS] })
  } catch (error) {
    return no(reasonOf(error))
  }
  return { ok: true, issuer, claims, subject: sub, jti: jti ?? null, proof: `sha256:${sha256(token)}` }
}

const TOKEN_MAX = 16 * 1024
const SUBJECT_MAX = 2048
const JTI_MAX = 512
const TOLERANCE_S = 30
const LIFE_MAX_S = 24 * 60 * 60
/** Public-key signatures only; which of them fits a key is the key's type, curve and `alg` (RFC 8725, section 3.1). */
const ALGORITHMS: readonly string[] = 'RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519'.split(' ')
/** A token never brings its own key, and nothing that we do not know may be critical. */
const REFUSED_HEADERS = ['crit', 'jwk', 'jku', 'x5u', 'x5c']
/** Absent, or a plain or access-token JWT: not a logout token, a DPoP proof or a security event (RFC 8725, 3.11). */
const TYPES = ['jwt', 'jose', 'at+jwt', 'application/jwt', 'application/at+jwt']

/** Where identity.yaml says `client_id`, an `azp` must be it, and a token for several audiences must have one. */
function partyFits(issuer: Issuer, azp: unknown, audiences: number): boolean {
  if (issuer.client_id == null) return true
  return azp === undefined ? audiences === 1 : azp === issuer.client_id
}

function readPart(part: string | undefined): JsonObject | null {
  if (!isBase64url(part)) return null
  const read = readJson(Buffer.from(part, 'base64url'), { depth: 16, items: 1000 })
  if (!read.ok || typeof read.value !== 'object' || read.value === null || Array.isArray(read.value)) return null
  return read.value as JsonObject
}

/** Exactly one spelling per value: no padding, no stray bits at the end, no other characters. */
function isBase64url(part: string | undefined): part is string {
  if (part === undefined || !/^[A-Za-z0-9_-]+$/.test(part)) return false
  return Buffer.from(part, 'base64url').toString('base64url') === part
}

function reasonOf(error: unknown): Reason {
  if (error instanceof KeysUnavailable) return 'keys_unavailable'
  return error instanceof errors.JWSSignatureVerificationFailed ? 'signature' : 'key'
}

function refuse(reason: Reason, issuer?: string): Verified {
  return { ok: false, reason, issuer: issuer ?? null }
}

/** A database keeps no NUL. */
function isJti(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= JTI_MAX && !value.includes('\0')
}
