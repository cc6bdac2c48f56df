import { readClient } from './client-request.ts'
import { isLoopbackRedirect } from './redirect-uri.ts'

/** An authorization request that a person can be asked about (RFC 6749, section 4.1.1; RFC 7636). */
export interface AuthorizeRequest {
  readonly client: string
  readonly role: string
  readonly redirect_uri: string
  readonly state: string | null
  readonly challenge: string
}

/** `page`: nobody may be sent anywhere; the person is told. `back`: the program is told, at its redirect URI. */
export type ReadAuthorize =
  | { readonly kind: 'ask'; readonly request: AuthorizeRequest }
  | { readonly kind: 'page'; readonly text: string }
  | {
      readonly kind: 'back'
      readonly redirect_uri: string
      readonly state: string | null
      readonly error: string
      readonly error_description: string
    }

/** @param query each parameter once; null where one stands twice. */
export function readAuthorize(query: ReadonlyMap<string, string> | null, agentUrl: string): ReadAuthorize {
  if (query === null) return { kind: 'page', text: 'The request cannot be read: a parameter stands there twice.' }
  const get = (name: string): string | null => query.get(name) || null
  const redirect_uri = get('redirect_uri')
  if (redirect_uri === null || !isLoopbackRedirect(redirect_uri)) {
    const text = 'The program wants the answer sent to an address that is not on this machine (redirect_uri).'
    return { kind: 'page', text }
  }
  const state = get('state')
  const back = (error: string, error_description: string): ReadAuthorize => ({
    kind: 'back',
    redirect_uri,
    state,
    error,
    error_description,
  })
  if (state !== null && state.length > STATE_MAX)
    return { kind: 'page', text: `The program’s state is longer than ${STATE_MAX} characters.` }
  const asked = readClient(query, agentUrl)
  if ('error' in asked) return back(asked.error, asked.error_description)
  if (get('response_type') !== 'code') return back('unsupported_response_type', 'response_type must be code.')
  const challenge = get('code_challenge')
  if (get('code_challenge_method') !== 'S256' || challenge === null || !CHALLENGE.test(challenge))
    return back('invalid_request', 'PKCE is required: code_challenge, and code_challenge_method=S256.')
  return { kind: 'ask', request: { ...asked, redirect_uri, state, challenge } }
}

const STATE_MAX = 1024
const CHALLENGE = /^[A-Za-z0-9_-]{43}$/
