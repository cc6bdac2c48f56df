import { startAuthentication, startRegistration, WebAuthnError } from '@simplewebauthn/browser'
import type {
  PublicKeyCredentialCreationOptionsJSON,
  PublicKeyCredentialRequestOptionsJSON,
} from '@simplewebauthn/browser'
import { queryOptions } from '@tanstack/react-query'
import type { PasskeyList } from '../../gateway/pipeline/passkeys.ts'
import { ask } from './ask.ts'

export type { PasskeyList, PasskeyView } from '../../gateway/pipeline/passkeys.ts'

const PATH = '/admin/v1/passkeys'

/** One's own, where they can be used, and until when one may be registered. */
export const passkeysQuery = queryOptions({
  queryKey: ['passkeys'],
  queryFn: () => ask<PasskeyList>(PATH),
  refetchInterval: 10_000,
})

/** A new passkey, made by whatever the person has. @throws Refused, NotSigned. */
export async function registerPasskey(name: string): Promise<void> {
  const { options } = await post<{ options: PublicKeyCredentialCreationOptionsJSON }>(`${PATH}/options`)
  const response = await startRegistration({ optionsJSON: options }).catch(notSigned)
  await post(PATH, { name, response })
}

/** Shows that it is still them: as good as another sign-in. @throws Refused, NotSigned. */
export async function confirmWithPasskey(): Promise<void> {
  const { options } = await post<{ options: PublicKeyCredentialRequestOptionsJSON }>(`${PATH}/confirm/options`)
  await post(`${PATH}/confirm`, { response: await signed(options) })
}

export async function removePasskey(id: string): Promise<void> {
  await post(`${PATH}/${id}/remove`)
}

/**
 * Signs the card that is on the screen, and no other.
 *
 * @returns the body of the yes. @throws Refused, NotSigned.
 */
export async function signCard(call: string, card: string | null): Promise<object> {
  const given = await post<{ card: string; options: PublicKeyCredentialRequestOptionsJSON }>(
    `/admin/v1/calls/${encodeURIComponent(call)}/passkey`,
  )
  if (given.card !== card)
    throw new NotSigned('What would be done has changed since you saw it. Look at the call again.')
  return { card, passkey: await signed(given.options) }
}

/** Goes to the same page at the name that passkeys are bound to; a demo's sign-in goes along. */
export async function goThere(at: string, demo: boolean): Promise<void> {
  const here = location.pathname + location.search
  const { url } = demo ? await post<{ url: string }>(`${PATH}/go`, { next: here }) : { url: `${at}${here}` }
  location.assign(url)
}

/** Nothing was signed, and nothing was sent. */
export class NotSigned extends Error {
  override readonly name = 'NotSigned'
}

async function signed(options: PublicKeyCredentialRequestOptionsJSON): Promise<object> {
  return startAuthentication({ optionsJSON: options }).catch(notSigned)
}

/** Browsers do not tell a page much of why. */
function notSigned(error: unknown): never {
  const isKnown = error instanceof WebAuthnError && error.code === 'ERROR_AUTHENTICATOR_PREVIOUSLY_REGISTERED'
  throw new NotSigned(
    isKnown
      ? 'This passkey is registered already.'
      : 'Nothing was signed: it was cancelled, took too long, or there is no such passkey here.',
  )
}

function post<Answer>(path: string, body: object = {}): Promise<Answer> {
  return ask<Answer>(path, { method: 'POST', body })
}
