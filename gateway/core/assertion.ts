import { createHash, createPublicKey, verify } from 'node:crypto'
import type { Assertion, Passkey } from './passkey.ts'

/**
 * What is kept beside the ledger of a yes that a passkey signed: all that it takes to check it again, without this gateway
 * and without its store. Base64url.
 */
interface Kept {
  readonly credential: string
  /** SubjectPublicKeyInfo. */
  readonly public_key: string
  readonly client_data: string
  readonly authenticator_data: string
  readonly signature: string
}

/** What the ledger says of it. */
export interface Claimed {
  /** Digest of the card. */
  readonly card: string
  /** `sha256:…` of the credential's id, and of the public key as it was registered. */
  readonly credential: string
  readonly key: string
  /** The name that the passkey is bound to. */
  readonly rp: string
}

const NAMES = ['credential', 'public_key', 'client_data', 'authenticator_data', 'signature'] as const

/** Its one spelling: the entry holds the SHA-256 of exactly this. */
export function assertionText(assertion: Assertion, { credential, public_key }: Passkey): string {
  const { client_data, authenticator_data, signature } = assertion
  return JSON.stringify({ credential, public_key, client_data, authenticator_data, signature } satisfies Kept)
}

/** The challenge that a card is (WebAuthn, section 13.4.3): its digest's bytes, base64url. */
export function challengeOf(card: string): string {
  return Buffer.from(card.slice(card.indexOf(':') + 1), 'hex').toString('base64url')
}

/** `sha256:` + hex of a text in UTF-8, or of bytes in base64url. */
export function sha256Of(value: string, encoding: 'utf8' | 'base64url'): string {
  return `sha256:${createHash('sha256').update(value, encoding).digest('hex')}`
}

/**
 * Checks a yes again (WebAuthn, section 7.2), with nothing but what was kept and what the ledger says of it.
 *
 * @returns what does not hold, or null.
 */
export function assertionProblem(text: string, claimed: Claimed): string | null {
  const kept = keptFrom(text)
  if (kept === null) return 'cannot be read'
  if (sha256Of(kept.credential, 'base64url') !== claimed.credential) return 'is of another passkey'
  if (sha256Of(kept.public_key, 'base64url') !== claimed.key) return 'names another public key than was registered'
  return signedProblem(kept, claimed)
}

function signedProblem(kept: Kept, { card, rp }: Claimed): string | null {
  const [client, authenticator] = [bytes(kept.client_data), bytes(kept.authenticator_data)]
  const said = clientDataOf(client)
  if (said === null) return 'holds no client data'
  if (said['type'] !== 'webauthn.get') return 'is no assertion'
  if (said['challenge'] !== challengeOf(card)) return 'was signed for another card'
  const origin = typeof said['origin'] === 'string' ? URL.parse(said['origin']) : null
  if (origin?.hostname !== rp || said['crossOrigin'] === true) return 'was signed on another page'
  const hash = createHash('sha256').update(rp, 'utf8').digest()
  if (authenticator.length < FLAGS_AT + 5 || !authenticator.subarray(0, FLAGS_AT).equals(hash)) {
    return 'was signed for another site'
  }
  if (((authenticator[FLAGS_AT] ?? 0) & PRESENT_AND_VERIFIED) !== PRESENT_AND_VERIFIED) {
    return 'was signed without verifying who held the passkey'
  }
  const signed = Buffer.concat([authenticator, createHash('sha256').update(client).digest()])
  return isSigned(signed, bytes(kept.signature), bytes(kept.public_key)) ? null : 'has a signature that does not verify'
}

/** 32 bytes of the site's hash, then the flags (section 6.1). */
const FLAGS_AT = 32
const PRESENT_AND_VERIFIED = 0b101

function isSigned(signed: Buffer, signature: Buffer, spki: Buffer): boolean {
  try {
    const key = createPublicKey({ key: spki, format: 'der', type: 'spki' })
    return verify(key.asymmetricKeyType === 'ed25519' ? null : 'sha256', signed, key, signature)
  } catch {
    return false
  }
}

/** Written again it must be the same text: nothing beside what is meant. */
function keptFrom(text: string): Kept | null {
  const read = objectFrom(text)
  if (read === null || NAMES.some((name) => typeof read[name] !== 'string')) return null
  const { credential, public_key, client_data, authenticator_data, signature } = read as unknown as Kept
  const kept = { credential, public_key, client_data, authenticator_data, signature }
  const isPlain = NAMES.every((name) => bytes(kept[name]).toString('base64url') === kept[name])
  return isPlain && JSON.stringify(kept) === text ? kept : null
}

/** What the browser says that it had signed (section 5.8.1). */
export function clientDataOf(json: Uint8Array): { readonly [member: string]: unknown } | null {
  try {
    return objectFrom(new TextDecoder('utf-8', { fatal: true }).decode(json))
  } catch {
    return null
  }
}

function objectFrom(text: string): { readonly [member: string]: unknown } | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as { readonly [member: string]: unknown })
      : null
  } catch {
    return null
  }
}

function bytes(base64url: string): Buffer {
  return Buffer.from(base64url, 'base64url')
}
