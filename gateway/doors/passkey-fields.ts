import type { Assertion, Attestation } from '../core/passkey.ts'
import type { Json, JsonObject } from '../core/types.ts'
import type { Field } from './fields.ts'

/**
 * What a browser answers for a passkey: `credential.toJSON()` (WebAuthn, section 5.1; RegistrationResponseJSON and
 * AuthenticationResponseJSON). Members that no browser sends are refused; those that are not looked at may be anything.
 */
export const assertion: Field<Assertion> = {
  want: 'what navigator.credentials.get() answered, as JSON',
  read(value) {
    const answer = answerOf(value, ['clientDataJSON', 'authenticatorData', 'signature', 'userHandle'])
    if (answer === null) return undefined
    const { id, response } = answer
    const { userHandle = null } = response
    const client_data = coded(response['clientDataJSON'], 4096)
    const authenticator_data = coded(response['authenticatorData'], 2048)
    const signature = coded(response['signature'], 2048)
    const user_handle = userHandle === null ? null : coded(userHandle, 64)
    if (client_data === null || authenticator_data === null || signature === null) return undefined
    if (userHandle !== null && user_handle === null) return undefined
    return { id, client_data, authenticator_data, signature, user_handle }
  },
}

export const assertionIfAny: Field<Assertion | null> = { ...assertion, absent: null }

export const attestation: Field<Attestation> = {
  want: 'what navigator.credentials.create() answered, as JSON',
  read(value) {
    const names = ['attestationObject', 'authenticatorData', 'publicKey', 'publicKeyAlgorithm', 'transports']
    const answer = answerOf(value, ['clientDataJSON', ...names])
    if (answer === null) return undefined
    const { id, response } = answer
    const client_data = coded(response['clientDataJSON'], 4096)
    const attestation_object = coded(response['attestationObject'], 16_384)
    const { transports = [] } = response
    if (client_data === null || attestation_object === null || !Array.isArray(transports)) return undefined
    // Ways to reach an authenticator: hints for the browser, and newer ones than we know.
    const known = (transports as readonly Json[]).filter((way) => typeof way === 'string' && /^[a-z-]{1,20}$/.test(way))
    return { id, client_data, attestation_object, transports: (known as string[]).slice(0, 10) }
  },
}

/** A name among people: something in it, and not a novel. */
export const passkeyName: Field<string> = {
  want: 'a text of 1 to 60 characters',
  read: (value) => (typeof value === 'string' && value.trim() !== '' && value.length <= 60 ? value.trim() : undefined),
}

const MEMBERS = new Set(['id', 'rawId', 'type', 'response', 'clientExtensionResults', 'authenticatorAttachment'])

function answerOf(
  value: Json,
  names: readonly string[],
): { readonly id: string; readonly response: JsonObject } | null {
  const answer = objectOf(value)
  const response = objectOf(answer?.['response'] ?? null)
  if (answer === null || response === null) return null
  if (Object.keys(answer).some((name) => !MEMBERS.has(name))) return null
  if (Object.keys(response).some((name) => !names.includes(name))) return null
  const id = coded(answer['id'], 1023)
  return id === null || answer['rawId'] !== id || answer['type'] !== 'public-key' ? null : { id, response }
}

function objectOf(value: Json): JsonObject | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : null
}

/** Base64url in its one spelling (RFC 4648, section 5, no padding), of 1 to `max` bytes. */
function coded(value: Json | undefined, max: number): string | null {
  if (typeof value !== 'string' || value.length > Math.ceil((max * 4) / 3) || value === '') return null
  return Buffer.from(value, 'base64url').toString('base64url') === value ? value : null
}
