import { ClientSecretBasic, ClientSecretPost, None } from 'openid-client'
import type { ClientAuth } from 'openid-client'
import type { SecretSource } from './adapter.ts'

/**
 * How this gateway proves to an issuer of people that it is the client of identity.yaml (OpenID Connect Core 1.0, section 9).
 * The secret is opened while the request is written.
 *
 * @param ref of the client's secret; null for a public client, whose sign-ins stand on PKCE alone.
 */
export async function clientAuth(ref: string | null, secret: SecretSource): Promise<ClientAuth> {
  if (ref === null) return None()
  const held = await secret(ref)
  return (issuer, client, body, headers) => {
    // What an issuer without the member takes (OpenID Connect Discovery 1.0, section 3).
    const methods = issuer.token_endpoint_auth_methods_supported ?? ['client_secret_basic']
    const way = methods.includes('client_secret_basic') ? ClientSecretBasic : ClientSecretPost
    way(held.open())(issuer, client, body, headers)
  }
}
