import type { Request, Router } from 'express'
import { Problem } from '../core/problem.ts'
import type { Browsing } from '../pipeline/passkeys.ts'
import { name, reasonIfAny } from './fields.ts'
import { newRouter, pathValue } from './frame.ts'
import type { DoorParts, Route } from './frame.ts'
import { assertion, attestation, passkeyName } from './passkey-fields.ts'
import { readQuery } from './query.ts'
import { saidBy } from './said-by.ts'
import { personAt, visitorAt } from './who.ts'

/**
 * `/admin/v1/passkeys`: people register passkeys in the browser that they are signed in with, and sign approvals with them. A
 * bearer token may look; it never registers one. What is refused, and why, is the pipeline's.
 */
export function passkeyRoutes(parts: DoorParts, route: Route): Router {
  const { signIn } = parts
  const { passkeys } = parts.gateway
  const router = newRouter()
  const visitorIn = async (request: Request) =>
    request.headers.authorization === undefined ? visitorAt(request, parts) : null
  const browsingAt = (request: Request): Promise<Browsing | null> => visitorIn(request)

  router.get(
    '/admin/v1/passkeys',
    route(async (request) => {
      const person = await personAt(request, parts)
      const { person: whose } = readQuery(request, ['person'])
      return { status: 200, body: await passkeys.list(person, await browsingAt(request), whose) }
    }),
  )
  const said = saidBy(parts, route)

  router.post(
    '/admin/v1/passkeys/options',
    said({}, async ({ person, request }) => ({
      options: await passkeys.creation(person, await browsingAt(request)),
    })),
  )
  router.post(
    '/admin/v1/passkeys',
    said({ name: passkeyName, response: attestation }, async ({ person, request, values }) =>
      passkeys.register(person, await browsingAt(request), values.name, values.response),
    ),
  )
  router.post(
    '/admin/v1/passkeys/confirm/options',
    said({}, async ({ person, request }) => ({
      options: await passkeys.confirmation(person, await browsingAt(request)),
    })),
  )
  router.post(
    '/admin/v1/passkeys/confirm',
    said({ response: assertion }, async ({ person, request, values }) =>
      passkeys.confirm(person, await browsingAt(request), values.response),
    ),
  )
  router.post(
    '/admin/v1/passkeys/:id/remove',
    said({ reason: reasonIfAny }, async ({ person, request, values: { reason } }) =>
      passkeys.remove(person, await browsingAt(request), pathValue(request, 'id'), reason === '' ? null : reason),
    ),
  )
  router.post(
    '/admin/v1/calls/:id/passkey',
    said({}, ({ person, request }) => passkeys.toApprove(person, pathValue(request, 'id'))),
  )
  // Under --dev: the same sign-in at the name that passkeys can be bound to.
  router.post(
    '/admin/v1/passkeys/go',
    said({ next: name }, async ({ request, values }) => {
      const visitor = await visitorIn(request)
      const at = visitor === null ? null : (signIn?.links?.carry(visitor, values.next) ?? null)
      if (at === null)
        throw new Problem('not_eligible', 'Only a browser that is signed in to a demo can be taken there.')
      return { url: at }
    }),
  )
  return router
}
