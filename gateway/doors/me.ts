import type { Router } from 'express'
import { newRouter } from './frame.ts'
import type { DoorParts, Route } from './frame.ts'
import { readQuery } from './query.ts'
import { personAt, visitorAt } from './who.ts'

/**
 * `GET /admin/v1/me`: who asks, what `people:` of identity.yaml lets them do, and for a browser that signed in the token that
 * it sends with each change (`Keystay-CSRF`).
 *
 * @throws Problem token_missing, token_invalid.
 */
export function meRoute(parts: DoorParts, route: Route): Router {
  const { gateway, identity } = parts
  const router = newRouter()
  router.get(
    '/admin/v1/me',
    route(async (request) => {
      readQuery(request, [])
      const person = await personAt(request, parts)
      const visitor = request.headers.authorization === undefined ? await visitorAt(request, parts) : null
      const why = gateway.notReady()
      const body = {
        person: { id: person.id, name: person.name, groups: person.groups },
        may: gateway.people.rights(person),
        environment: identity.devToken === null ? 'live' : 'dev',
        ledger: { ready: why === null, why },
        ...(visitor === null ? {} : { csrf: visitor.csrf }),
      }
      return { status: 200, body }
    }),
  )
  return router
}
