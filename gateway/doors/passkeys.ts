import type { Request, Router } from 'express'
import { Problem } from '../core/problem.ts'
import type { Person } from '../core/types.ts'
import type { Browsing } from '../pipeline/passkeys.ts'
import { name, readFields, reasonIfAny } from './fields.ts'
import type { Field } from './fields.ts'
import { mustBeReady, newRouter, pathValue } from './frame.ts'
import type { DoorParts, Route } from './frame.ts'
import { assertion, attestation, passkeyName } from './passkey-fields.ts'
import { readQuery } from './query.ts'
import { BODY_LIMITS, readJsonBody } from './read-body.ts'
import { personAt, visitorAt } from './who.ts'

/**
 * `/admin/v1/passkeys`: people register passkeys in the browser that they are signed in with, and sign approvals with them. A
 * bearer token may look; it never registers one. What is refused, and why, is the pipeline's.
 */
export function passkeyRoutes(parts: DoorParts, route: Route): Router {
  const { gateway, signIn, body: limits = BODY_LIMITS } = parts
  const { passkeys } = gateway
  const router = newRouter()
  const browsingAt = async (request: Request): Promise<Browsing | null> =>
    request.headers.authorization === undefined ? await visitorAt(request, parts) : null

  router.get(
    '/admin/v1/passkeys',
    route(async (request) => {
      const person = await personAt(request, parts)
      const { person: whose } = readQuery(request, ['person'])
      return { status: 200, body: await passkeys.list(person, await browsingAt(request), whose) }
    }),
  )
  const posts = <Fields extends { readonly [name: string]: Field<unknown> }>(
    path: string,
    fields: Fields,
    answer: (
      who: { readonly person: Person; readonly browsing: Browsing | null; readonly request: Request },
      values: ReturnType<typeof readFields<Fields>>,
    ) => Promise<object>,
  ) =>
    router.post(
      path,
      route(async (request) => {
        const person = await personAt(request, parts)
        readQuery(request, [])
        mustBeReady(gateway)
        const values = readFields(await readJsonBody(request, limits), fields)
        return { status: 200, body: await answer({ person, browsing: await browsingAt(request), request }, values) }
      }),
    )

  posts('/admin/v1/passkeys/options', {}, async ({ person, browsing }) => ({
    options: await passkeys.creation(person, browsing),
  }))
  posts('/admin/v1/passkeys', { name: passkeyName, response: attestation }, ({ person, browsing }, said) =>
    passkeys.register(person, browsing, said.name, said.response),
  )
  posts('/admin/v1/passkeys/confirm/options', {}, async ({ person, browsing }) => ({
    options: await passkeys.confirmation(person, browsing),
  }))
  posts('/admin/v1/passkeys/confirm', { response: assertion }, ({ person, browsing }, { response }) =>
    passkeys.confirm(person, browsing, response),
  )
  posts('/admin/v1/passkeys/:id/remove', { reason: reasonIfAny }, ({ person, browsing, request }, { reason }) =>
    passkeys.remove(person, browsing, pathValue(request, 'id'), reason === '' ? null : reason),
  )
  posts('/admin/v1/calls/:id/passkey', {}, ({ person, request }) =>
    passkeys.toApprove(person, pathValue(request, 'id')),
  )
  // Under --dev: the same sign-in at the name that passkeys can be bound to.
  posts('/admin/v1/passkeys/go', { next: name }, async ({ request }, { next }) => {
    const visitor = request.headers.authorization === undefined ? await visitorAt(request, parts) : null
    const at = visitor === null ? null : (signIn?.links?.carry(visitor, next) ?? null)
    if (at === null) throw new Problem('not_eligible', 'Only a browser that is signed in to a demo can be taken there.')
    return { url: at }
  })
  return router
}
