import { createPublicKey } from 'node:crypto'
import { assertionProblem, assertionText, clientDataOf, sha256Of } from '../core/assertion.ts'
import { COPIED, goesOn } from '../core/passkey.ts'
import type {
  Assertion,
  Attestation,
  Ceremonies,
  MadePasskey,
  Passkey,
  PasskeyPlace,
  Refused,
} from '../core/passkey.ts'
import type { Json } from '../core/types.ts'

/** A person has so long at their authenticator. */
const TIMEOUT_MS = 120_000
/** EdDSA, ES256, RS256 (COSE): what every authenticator of today has one of, and what anybody can verify. */
const ALGORITHMS = [-8, -7, -257]

type Library = typeof import('@simplewebauthn/server')

/**
 * WebAuthn as this gateway asks it of people: their own passkeys, bound to the name of the people's listener, always with the
 * person verified (a PIN, a finger), no attestation.
 *
 * @param place where people come; see passkeyPlace.
 */
export function webauthn(place: () => PasskeyPlace | null): Ceremonies {
  const here = (): PasskeyPlace => {
    const at = place()
    if (at === null) throw new Error('a passkey was asked for where there can be none')
    return at
  }
  return {
    place,
    async creation(person, handle, existing, challenge) {
      const { generateRegistrationOptions } = await library()
      const options = await generateRegistrationOptions({
        rpName: 'Keystay',
        rpID: here().rp,
        userName: person.id,
        userDisplayName: person.name,
        userID: bytes(handle),
        challenge: bytes(challenge),
        timeout: TIMEOUT_MS,
        attestationType: 'none',
        excludeCredentials: existing.map(descriptor),
        authenticatorSelection: { residentKey: 'preferred', userVerification: 'required' },
        supportedAlgorithmIDs: ALGORITHMS,
      })
      return options as unknown as Json
    },
    async request(passkeys, challenge) {
      const { generateAuthenticationOptions } = await library()
      const options = await generateAuthenticationOptions({
        rpID: here().rp,
        challenge: bytes(challenge),
        timeout: TIMEOUT_MS,
        userVerification: 'required',
        allowCredentials: passkeys.map(descriptor),
      })
      return options as unknown as Json
    },
    async register(attestation, challenge) {
      const { url, rp } = here()
      const { verifyRegistrationResponse } = await library()
      const isElsewhere = elsewhere(attestation.client_data)
      if (isElsewhere !== null) return isElsewhere
      try {
        const { verified, registrationInfo: made } = await verifyRegistrationResponse({
          response: registrationOf(attestation),
          expectedChallenge: challenge,
          expectedOrigin: url,
          expectedRPID: rp,
          requireUserVerification: true,
          supportedAlgorithmIDs: ALGORITHMS,
        })
        if (!verified) return refused('it cannot be verified')
        return made.credential.id === attestation.id
          ? { ok: true, made: await madeOf(made, rp) }
          : refused('it names another passkey than it holds')
      } catch (error) {
        return refused(whyOf(error))
      }
    },
    async check(assertion, passkey, challenge, handle) {
      const { url, rp } = here()
      const { verifyAuthenticationResponse } = await library()
      if (assertion.id !== passkey.credential || passkey.rp !== rp) return refused('it is of another passkey')
      if (assertion.user_handle !== null && assertion.user_handle !== handle) return refused('it is somebody else’s')
      const isElsewhere = elsewhere(assertion.client_data)
      if (isElsewhere !== null) return isElsewhere
      try {
        const { verified, authenticationInfo } = await verifyAuthenticationResponse({
          response: authenticationOf(assertion),
          expectedChallenge: challenge,
          expectedOrigin: url,
          expectedRPID: rp,
          requireUserVerification: true,
          // Whether it goes on from the last one is looked at below, and again where that is written.
          credential: { id: passkey.credential, publicKey: bytes(passkey.cose), counter: 0 },
        })
        const counter = authenticationInfo.newCounter
        if (!verified) return refused('its signature does not verify')
        const text = assertionText(assertion, passkey)
        const wrong = problemAt(text, passkey, challenge)
        if (wrong !== null) return refused(`it ${wrong}`)
        return goesOn(passkey.counter, counter) ? { ok: true, counter, text } : refused(COPIED)
      } catch (error) {
        return refused(whyOf(error))
      }
    },
  }
}

/**
 * WebAuthn binds passkeys to a name, never to an address: `https://NAME`, or `http://localhost`. A demo that is reached at
 * a loopback address is reached as localhost too.
 *
 * @param adminUrl how people reach their listener. @returns null where passkeys cannot be used there.
 */
export function passkeyPlace(adminUrl: string, dev: boolean): PasskeyPlace | null {
  const url = URL.parse(adminUrl)
  if (url === null) return null
  const { hostname, protocol, port, origin } = url
  if (protocol === 'http:' && dev && /^(?:127\.0\.0\.1|\[::1\])$/.test(hostname)) {
    return { url: `http://localhost${port === '' ? '' : `:${port}`}`, rp: 'localhost' }
  }
  const isAddress = hostname.startsWith('[') || /^[0-9.]+$/.test(hostname)
  const isSecure = protocol === 'https:' || (protocol === 'http:' && hostname === 'localhost')
  return isSecure && !isAddress ? { url: origin, rp: hostname } : null
}

/** The half of a second that it takes to load is for those who need it. */
let loaded: Promise<Library> | undefined
function library(): Promise<Library> {
  return (loaded ??= import('@simplewebauthn/server'))
}

/** A frame of ours in somebody's page is no page of ours; older browsers do not tell whose the page around it is. */
function elsewhere(client_data: string): Refused | null {
  const said = clientDataOf(bytes(client_data))
  if (said === null) return refused('it cannot be read')
  return said['crossOrigin'] === true || said['topOrigin'] !== undefined
    ? refused('it was made in a page of another site')
    : null
}

/**
 * What `ledger verify` would say of it. The library reads more spellings of a signature than others do (BER): what it lets in
 * and they do not, would be a yes whose ledger does not verify.
 */
function problemAt(text: string, { credential, public_key, rp }: Passkey, challenge: string): string | null {
  return assertionProblem(text, {
    card: `sha256:${Buffer.from(challenge, 'base64url').toString('hex')}`,
    credential: sha256Of(credential, 'base64url'),
    key: sha256Of(public_key, 'base64url'),
    rp,
  })
}

async function madeOf(
  made: {
    readonly aaguid: string
    readonly credentialBackedUp: boolean
    readonly credential: {
      readonly id: string
      readonly publicKey: Uint8Array<ArrayBuffer>
      readonly counter: number
      readonly transports?: readonly string[]
    }
  },
  rp: string,
): Promise<MadePasskey> {
  const { id, publicKey, counter, transports = [] } = made.credential
  return {
    id: sha256Of(id, 'base64url').slice('sha256:'.length),
    credential: id,
    public_key: await spkiOf(publicKey),
    cose: Buffer.from(publicKey).toString('base64url'),
    counter,
    transports,
    aaguid: made.aaguid,
    synced: made.credentialBackedUp,
    rp,
  }
}

/** COSE (RFC 9053) → SubjectPublicKeyInfo, base64url. @throws Error for a key that is none. */
async function spkiOf(cose: Uint8Array<ArrayBuffer>): Promise<string> {
  const { decodeCredentialPublicKey } = await import('@simplewebauthn/server/helpers')
  const members = decodeCredentialPublicKey(cose) as unknown as ReadonlyMap<number, unknown>
  const part = (label: number): string => {
    const value = members.get(label)
    if (!(value instanceof Uint8Array)) throw new Error('the public key lacks a part')
    return Buffer.from(value).toString('base64url')
  }
  const key = jwkOf(members.get(1), part)
  return createPublicKey({ key, format: 'jwk' }).export({ format: 'der', type: 'spki' }).toString('base64url')
}

function jwkOf(kind: unknown, part: (label: number) => string) {
  if (kind === 1) return { kty: 'OKP', crv: 'Ed25519', x: part(-2) }
  if (kind === 2) return { kty: 'EC', crv: 'P-256', x: part(-2), y: part(-3) }
  if (kind === 3) return { kty: 'RSA', n: part(-1), e: part(-2) }
  throw new Error('the public key is of no kind that was asked for')
}

function descriptor({ credential, transports }: Passkey) {
  return { id: credential, transports: [...transports] as AuthenticatorTransportFuture[] }
}
type AuthenticatorTransportFuture = 'ble' | 'cable' | 'hybrid' | 'internal' | 'nfc' | 'smart-card' | 'usb'

function registrationOf({ id, client_data, attestation_object, transports }: Attestation) {
  return {
    id,
    rawId: id,
    type: 'public-key' as const,
    clientExtensionResults: {},
    response: {
      clientDataJSON: client_data,
      attestationObject: attestation_object,
      transports: [...transports] as AuthenticatorTransportFuture[],
    },
  }
}

function authenticationOf({ id, client_data, authenticator_data, signature }: Assertion) {
  return {
    id,
    rawId: id,
    type: 'public-key' as const,
    clientExtensionResults: {},
    response: { clientDataJSON: client_data, authenticatorData: authenticator_data, signature },
  }
}

/** The library's words hold what the browser sent; the person hears ours. */
const WHY: readonly (readonly [RegExp, string])[] = [
  [/challenge/i, 'it was signed for something else'],
  [/origin/i, 'it was made on another page'],
  [/RP ID/i, 'it was made for another site'],
  [/verif(?:y|ied|ication)|not present/i, 'who held the passkey was not verified'],
  [/response type/i, 'it is of another kind'],
  [/alg/i, 'its key is of no kind that was asked for'],
]

function whyOf(error: unknown): string {
  const message = error instanceof Error ? error.message : ''
  return WHY.find(([pattern]) => pattern.test(message))?.[1] ?? 'it cannot be read'
}

function refused(why: string): Refused {
  return { ok: false, why }
}

function bytes(base64url: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(base64url, 'base64url'))
}
