import { createHash, createPublicKey, sign, verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'

/**
 * The signed head of the ledger in the public formats: a C2SP tlog-checkpoint as a C2SP signed-note with Ed25519, and
 * its public key as a verifier key (`vkey`). https://c2sp.org/signed-note, https://c2sp.org/tlog-checkpoint
 */

export interface Checkpoint {
  /** Which log this is; by custom the name of its key. */
  readonly origin: string
  readonly size: number
  /** 32 bytes. */
  readonly root: Uint8Array
}

export interface Signer {
  /** No white space and no `+`. */
  readonly name: string
  /** Ed25519. */
  readonly privateKey: KeyObject
}

export type Opened =
  | { readonly ok: true; readonly checkpoint: Checkpoint }
  | { readonly ok: false; readonly error: string; readonly checkpoint: Checkpoint | null }

/** The note's text: checkpoint, empty line, one signature line. @throws TypeError for a name or key that cannot sign. */
export function signCheckpoint(checkpoint: Checkpoint, signer: Signer): string {
  const text = `${checkpoint.origin}\n${checkpoint.size}\n${base64(checkpoint.root)}\n`
  const signature = sign(null, Buffer.from(text), signer.privateKey)
  const id = keyId(signer.name, rawKey(createPublicKey(signer.privateKey)))
  return `${text}\n— ${signer.name} ${base64(Buffer.concat([id, signature]))}\n`
}

/** Reads a note and checks it under this key. Signatures of other keys are ignored, as the format asks. Never throws. */
export function openCheckpoint(note: string, vkey: string): Opened {
  const parts = splitNote(note)
  if (parts === null) return { ok: false, error: 'it is no signed note', checkpoint: null }
  const checkpoint = parseCheckpoint(parts.text)
  if (checkpoint === null) return { ok: false, error: 'its text is no checkpoint', checkpoint: null }
  const key = parseVkey(vkey)
  if (key === null) return { ok: false, error: 'the public key is no Ed25519 verifier key', checkpoint }
  const ours = parts.signatures.filter(({ name, bytes }) => name === key.name && bytes.subarray(0, 4).equals(key.id))
  if (ours.length === 0) return { ok: false, error: `it is not signed by ${key.name}`, checkpoint }
  const valid = ours.every(({ bytes }) => verify(null, Buffer.from(parts.text), key.publicKey, bytes.subarray(4)))
  return valid ? { ok: true, checkpoint } : { ok: false, error: `its signature by ${key.name} is wrong`, checkpoint }
}

/** `NAME+HEX(key id)+BASE64(0x01 || public key)`. @throws TypeError for a name or a key that the format cannot hold. */
export function vkeyOf(name: string, key: KeyObject): string {
  const raw = rawKey(key.type === 'private' ? createPublicKey(key) : key)
  return `${name}+${keyId(name, raw).toString('hex')}+${base64(Buffer.concat([ED25519, raw]))}`
}

/** null for text that is no verifier key, or whose key id does not belong to name and key. */
export function parseVkey(vkey: string): { name: string; id: Buffer; publicKey: KeyObject } | null {
  const match = /^([^+\s]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+=*)$/.exec(vkey.trim())
  if (match === null) return null
  const [, name = '', hex = '', encoded = ''] = match
  const bytes = fromBase64(encoded)
  if (bytes === null || bytes.length !== 33 || bytes[0] !== 1) return null
  const raw = bytes.subarray(1)
  const id = keyId(name, raw)
  if (id.toString('hex') !== hex) return null
  const x = raw.toString('base64url')
  return { name, id, publicKey: createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' }) }
}

const ED25519 = Buffer.from([1])

/** The first four bytes of SHA-256(name || 0x0A || 0x01 || public key). */
function keyId(name: string, raw: Uint8Array): Buffer {
  if (!/^[^+\s]+$/u.test(name)) throw new TypeError('the name of a ledger key has no white space and no +')
  return createHash('sha256').update(`${name}\n`).update(ED25519).update(raw).digest().subarray(0, 4)
}

function rawKey(key: KeyObject): Buffer {
  const { crv, x } = key.export({ format: 'jwk' })
  if (crv !== 'Ed25519' || x === undefined) throw new TypeError('the ledger is signed with an Ed25519 key')
  return Buffer.from(x, 'base64url')
}

function splitNote(note: string): { text: string; signatures: { name: string; bytes: Buffer }[] } | null {
  const end = note.lastIndexOf('\n\n')
  if (end < 0 || !note.endsWith('\n')) return null
  const lines = note.slice(end + 2, -1).split('\n')
  const signatures = []
  for (const line of lines) {
    const [, name, encoded] = /^— ([^+\s]+) (\S+)$/u.exec(line) ?? []
    const bytes = encoded === undefined ? null : fromBase64(encoded)
    if (name === undefined || bytes === null || bytes.length < 5) return null
    signatures.push({ name, bytes })
  }
  return { text: note.slice(0, end + 1), signatures }
}

/** Origin, size in decimal without leading zeros, root; further lines are extensions and pass. */
function parseCheckpoint(text: string): Checkpoint | null {
  const [origin, size, encoded] = text.split('\n')
  if (origin === undefined || origin === '' || size === undefined || encoded === undefined) return null
  const root = fromBase64(encoded)
  if (!/^(0|[1-9][0-9]{0,15})$/.test(size) || root === null || root.length !== 32) return null
  return { origin, size: Number(size), root }
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}

/** Node reads base64 leniently; two texts for the same bytes are a forgery that a strict reader would refuse. */
function fromBase64(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text ? bytes : null
}
