import type { Router } from 'express'
import { AUTHORIZATION_CODE, DEVICE_CODE } from '../identity/consent-grants.ts'
import { JWT_BEARER, TOKEN_EXCHANGE } from '../identity/grants.ts'
import { newRouter } from './frame.ts'
import type { DoorParts, Route } from './frame.ts'
import { readQuery } from './query.ts'

const SERVER = '/.well-known/oauth-authorization-server'
const RESOURCE = '/.well-known/oauth-protected-resource'

/**
 * What a client may find out before it has a token: RFC 8414 and RFC 9728. What is not offered is absent; which roles there
 * are is nobody's business.
 *
 * @param agentUrl as agents reach this listener.
 */
export function metadataRoutes(
  agentUrl: () => string,
  { signIn, adminUrl }: Pick<DoorParts, 'signIn' | 'adminUrl'>,
  route: Route,
): Router {
  const router = newRouter()
  const tells = (path: string, document: (base: string) => object): void => {
    router.get(
      path,
      route(async (request) => {
        readQuery(request, [])
        return { status: 200, body: document(baseOf(agentUrl())) }
      }),
    )
  }
  const people = (base: string): object | null =>
    signIn?.offered() && adminUrl !== undefined ? forPeople(base, baseOf(adminUrl())) : null
  tells(SERVER, (base) => ({
    issuer: base,
    token_endpoint: `${base}/oauth/token`,
    token_endpoint_auth_methods_supported: ['none'],
    grant_types_supported: [TOKEN_EXCHANGE, JWT_BEARER],
    // RFC 8414 demands the member; there is no authorization endpoint that could answer with any.
    response_types_supported: [],
    revocation_endpoint: `${base}/oauth/revoke`,
    revocation_endpoint_auth_methods_supported: ['none'],
    introspection_endpoint: `${base}/oauth/introspect`,
    introspection_endpoint_auth_methods_supported: ['Bearer'],
    ...people(base),
  }))
  tells(RESOURCE, (base) => ({
    resource: base,
    resource_name: 'Keystay',
    authorization_servers: [base],
    bearer_methods_supported: ['header'],
  }))
  return router
}

/** What ends in a person's word. They say it where they are signed in: at their own listener. */
function forPeople(base: string, admin: string): object {
  return {
    grant_types_supported: [TOKEN_EXCHANGE, JWT_BEARER, AUTHORIZATION_CODE, DEVICE_CODE],
    device_authorization_endpoint: `${base}/oauth/device_authorization`,
    authorization_endpoint: `${admin}/oauth/authorize`,
    authorization_response_iss_parameter_supported: true,
    response_types_supported: ['code'],
    code_challenge_methods_supported: ['S256'],
  }
}

/** Where a refused client finds out how to get a token (RFC 9728, section 5.1). */
export function resourceMetadata(agentUrl: () => string): string {
  return `${baseOf(agentUrl())}${RESOURCE}`
}

function baseOf(url: string): string {
  return url.replace(/\/+$/, '')
}
