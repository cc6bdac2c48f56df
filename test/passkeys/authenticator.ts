import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'

/** An authenticator in software: P-256, attestation `none`. It signs whatever it is told, as no real one would. */
export interface SoftAuthenticator {
  readonly id: string
  counter: number
  /** `credential.toJSON()` of navigator.credentials.create(). */
  create(options: { readonly challenge: string }, lies?: Lies): Json
  /** The same of get(). */
  get(options: { readonly challenge: string }, lies?: Lies): Json
}
// Tests change what it answers as they like.
// oxlint-disable-next-line typescript/no-explicit-any
export type Json = { [member: string]: any }

/** What it says instead of the truth. */
export interface Lies {
  readonly origin?: string
  readonly rp?: string
  readonly type?: string
  readonly challenge?: string
  /** Members of the client data beside, or instead. */
  readonly client?: Json
  /** 1 present, 4 verified. */
  readonly flags?: number
  readonly counter?: number
  readonly handle?: string
}

/** @param origin of the page that it is used in. @param counts whether it has a counter; most passkeys have none. */
export function softAuthenticator(origin: string, counts = false): SoftAuthenticator {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const id = randomBytes(32)
  const clientData = (type: string, challenge: string, lies: Lies): Buffer =>
    Buffer.from(
      JSON.stringify({
        type: lies.type ?? type,
        challenge: lies.challenge ?? challenge,
        origin: lies.origin ?? origin,
        crossOrigin: false,
        ...lies.client,
      }),
    )
  const answer = (response: Json): Json => ({
    id: id.toString('base64url'),
    rawId: id.toString('base64url'),
    type: 'public-key',
    authenticatorAttachment: 'platform',
    clientExtensionResults: {},
    response,
  })
  const head = (lies: Lies, flags: number): Buffer => {
    if (counts) self.counter++
    const rp = createHash('sha256')
      .update(lies.rp ?? new URL(origin).hostname)
      .digest()
    const counter = Buffer.alloc(4)
    counter.writeUInt32BE(lies.counter ?? self.counter)
    return Buffer.concat([rp, Buffer.from([lies.flags ?? flags]), counter])
  }
  const self: SoftAuthenticator = {
    id: id.toString('base64url'),
    counter: 0,
    create({ challenge }, lies = {}) {
      const length = Buffer.alloc(2)
      length.writeUInt16BE(id.length)
      const credential = Buffer.concat([Buffer.alloc(16), length, id, coseOf(publicKey)])
      const authData = Buffer.concat([head(lies, 0b1000101), credential])
      const attestation = cborMap([
        [cborText('fmt'), cborText('none')],
        [cborText('attStmt'), cborMap([])],
        [cborText('authData'), cborBytes(authData)],
      ])
      return answer({
        clientDataJSON: clientData('webauthn.create', challenge, lies).toString('base64url'),
        attestationObject: attestation.toString('base64url'),
        transports: ['internal'],
      })
    },
    get({ challenge }, lies = {}) {
      const client = clientData('webauthn.get', challenge, lies)
      const authenticatorData = head(lies, 0b101)
      const signed = Buffer.concat([authenticatorData, createHash('sha256').update(client).digest()])
      return answer({
        clientDataJSON: client.toString('base64url'),
        authenticatorData: authenticatorData.toString('base64url'),
        signature: sign('sha256', signed, privateKey).toString('base64url'),
        ...(lies.handle === undefined ? {} : { userHandle: lies.handle }),
      })
    },
  }
  return self
}

/** COSE_Key of an ES256 key (RFC 9053, section 7.1). */
function coseOf(key: KeyObject): Buffer {
  const { x = '', y = '' } = key.export({ format: 'jwk' })
  return cborMap([
    [cborInteger(1), cborInteger(2)],
    [cborInteger(3), cborInteger(-7)],
    [cborInteger(-1), cborInteger(1)],
    [cborInteger(-2), cborBytes(Buffer.from(x, 'base64url'))],
    [cborInteger(-3), cborBytes(Buffer.from(y, 'base64url'))],
  ])
}

function cborHead(major: number, value: number): Buffer {
  if (value < 24) return Buffer.from([(major << 5) | value])
  if (value < 256) return Buffer.from([(major << 5) | 24, value])
  return Buffer.from([(major << 5) | 25, value >> 8, value & 255])
}
function cborInteger(value: number): Buffer {
  return value < 0 ? cborHead(1, -1 - value) : cborHead(0, value)
}
function cborBytes(bytes: Buffer): Buffer {
  return Buffer.concat([cborHead(2, bytes.length), bytes])
}
function cborText(text: string): Buffer {
  return Buffer.concat([cborHead(3, text.length), Buffer.from(text)])
}
function cborMap(pairs: readonly (readonly [Buffer, Buffer])[]): Buffer {
  return Buffer.concat([cborHead(5, pairs.length), ...pairs.flat()])
}
