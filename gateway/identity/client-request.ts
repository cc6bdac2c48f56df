import { ONE_ROLE, readTarget, roleOf } from './grants.ts'
import { oauthError } from './oauth-error.ts'
import type { OAuthError } from './oauth-error.ts'

/** What a program says of itself before a person is asked. It proves nothing: the person is shown it as its own words. */
export interface ClientRequest {
  readonly client: string
  readonly role: string
}

/** `client_id` is any name: there are no secrets of clients here, and so nothing to register. */
export function readClient(form: ReadonlyMap<string, string>, agentUrl: string): ClientRequest | OAuthError {
  const get = (name: string): string | null => form.get(name) || null
  const client = get('client_id')
  if (client === null || !CLIENT.test(client))
    return oauthError(
      'invalid_request',
      'client_id must be the name of the program: 1 to 200 visible ASCII characters.',
    )
  const target = readTarget(get('resource'), agentUrl)
  if (target !== null) return target
  const role = roleOf(get('scope'))
  return role === null ? oauthError('invalid_scope', ONE_ROLE) : { client, role }
}

const CLIENT = /^[\x21-\x7E]{1,200}$/
