import type { Router } from 'express'
import { SCOPE } from '../identity/relying-party.ts'
import type { SignIn } from '../identity/sign-in.ts'
import { newRouter } from './frame.ts'
import type { Route } from './frame.ts'
import { readQuery } from './query.ts'

/**
 * `GET /login/issuers`: where people of this gateway sign in, for programs at their terminals. It is what `/login` shows to
 * everybody, and holds no secret.
 */
export function issuersRoute({ party }: SignIn, route: Route): Router {
  const router = newRouter()
  router.get(
    '/login/issuers',
    route(async (request) => {
      readQuery(request, [])
      const issuers = party.issuers().map(({ name, issuer, client_id, client_secret, scope }) => ({
        name,
        issuer,
        client_id,
        scope: scope ?? SCOPE,
        // A client with a secret cannot be used by a program that has none.
        public: client_secret == null,
      }))
      return { status: 200, body: { issuers } }
    }),
  )
  return router
}
