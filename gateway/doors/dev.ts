import type { Request, Router } from 'express'
import { Problem } from '../core/problem.ts'
import type { Json } from '../core/types.ts'
import type { Identity } from '../identity/identity.ts'
import type { Gateway } from '../pipeline/gateway.ts'
import { name, readFields } from './fields.ts'
import { newRouter, sourceOf } from './frame.ts'
import type { Route } from './frame.ts'
import { readQuery } from './query.ts'
import { BODY_LIMITS, readJsonBody } from './read-body.ts'

/**
 * `POST /dev/token`, under --dev only: the demo's issuer signs for whoever can reach the loopback listener; `POST /dev/link`
 * makes a link that signs an account in with a browser, once. So no page in a browser may be that: a page cannot send JSON without a preflight, nor a POST without an Origin, and a rebound name
 * is not a loopback name.
 */
export function devRoutes(
  devToken: NonNullable<Identity['devToken']>,
  link: (account: string) => string | null,
  gateway: Gateway,
  route: Route,
): Router {
  const router = newRouter()
  const mustBeLocal = (request: Request): void => {
    readQuery(request, [])
    if (isLocal(request)) return
    gateway.refused('not_eligible', sourceOf(request))
    throw new Problem('not_eligible', 'Only programs on this machine may ask, by a loopback name.')
  }
  router.post(
    '/dev/link',
    route(async (request) => {
      mustBeLocal(request)
      const { account } = readFields(await readJsonBody(request, BODY_LIMITS), { account: name })
      const url = link(account)
      if (url !== null) return { status: 200, body: { url } }
      throw new Problem('input_invalid', 'There is no such person.', {
        errors: [{ path: 'account', got: 'another name', want: 'a demo account of a person' }],
      })
    }),
  )
  router.post(
    '/dev/token',
    route(async (request) => {
      mustBeLocal(request)
      const body = await readJsonBody(request, BODY_LIMITS)
      const ask = asksForRole(body) ? readFields(body, { role: name }) : readFields(body, { account: name })
      const token = await devToken(ask)
      if (token === null) {
        const [path, want] =
          'role' in ask ? ['role', 'a role that a demo account may have'] : ['account', 'a demo account']
        throw new Problem('input_invalid', `There is no such ${path}.`, {
          errors: [{ path, got: 'another name', want }],
        })
      }
      return { status: 200, body: token }
    }),
  )
  return router
}

function asksForRole({ value }: { readonly value: Json }): boolean {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, 'role')
}

function isLocal({ headers, socket }: Request): boolean {
  const host = (headers.host ?? '').toLowerCase().replace(/:\d{1,5}$/, '')
  const byName = ['localhost', '127.0.0.1', '[::1]'].includes(host)
  return byName && headers.origin === undefined && isLoopback(socket.remoteAddress) && isLoopback(socket.localAddress)
}

function isLoopback(address: string | undefined): boolean {
  return address !== undefined && /^(?:::ffff:)?127\.|^::1$/.test(address)
}
