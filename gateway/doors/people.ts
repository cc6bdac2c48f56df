import type { Request, Router } from 'express'
import { Problem } from '../core/problem.ts'
import type { Person } from '../core/types.ts'
import type { PeopleFilter } from '../pipeline/gateway.ts'
import { flag, name, outcome, reason, reasonIfAny } from './fields.ts'
import type { Field, readFields } from './fields.ts'
import { newRouter, pathValue } from './frame.ts'
import type { DoorParts, Route } from './frame.ts'
import { assertionIfAny } from './passkey-fields.ts'
import { cursorOf, decimalOf, integerOf, readQuery, statusOf, timeOf } from './query.ts'
import { saidBy } from './said-by.ts'
import { personAt } from './who.ts'

/** The people's door, by a bearer JWT of a people issuer or the cookie of a sign-in. Rights, and the entry of every refused click, are the pipeline's. */
export function peopleRoutes(parts: DoorParts, route: Route): Router {
  const { people } = parts.gateway
  const router = newRouter()

  const looks = (path: string, answer: (person: Person, request: Request) => Promise<object>) =>
    router.get(
      path,
      route(async (request) => {
        const person = await personAt(request, parts)
        return { status: 200, body: await answer(person, request) }
      }),
    )
  const said = saidBy(parts, route)
  const decides = <Fields extends { readonly [name: string]: Field<unknown> }>(
    method: 'post' | 'put',
    path: string,
    fields: Fields,
    answer: (person: Person, id: string, values: ReturnType<typeof readFields<Fields>>) => Promise<object>,
  ) =>
    router[method](
      path,
      said(fields, ({ person, request, values }) => answer(person, pathValue(request, 'id'), values)),
    )

  looks('/admin/v1/calls', (person, request) => people.calls(person, callFilter(request)))
  looks('/admin/v1/calls/:id', (person, request) => {
    readQuery(request, [])
    return people.story(person, pathValue(request, 'id'))
  })
  looks('/admin/v1/calls/:id/proof', (person, request) => {
    readQuery(request, [])
    return people.proof(person, pathValue(request, 'id'))
  })
  decides('post', '/admin/v1/calls/:id/approve', { card: name, passkey: assertionIfAny }, (person, id, said) =>
    said.passkey === null ? people.approve(person, id, said.card) : people.approve(person, id, said.card, said.passkey),
  )
  decides('post', '/admin/v1/calls/:id/reject', { reason }, (person, id, said) =>
    people.reject(person, id, said.reason),
  )
  decides('post', '/admin/v1/calls/:id/settle', { outcome, reason }, (person, id, said) =>
    people.settle(person, id, said.outcome, said.reason),
  )

  looks('/admin/v1/sessions', async (person, request) => {
    const { live, cursor, limit, ...rest } = readQuery(request, ['role', 'live', 'person', 'cursor', 'limit'])
    if (live !== undefined && live !== 'true' && live !== 'false')
      throw new Problem('malformed', 'live is true or false.')
    const most = integerOf('limit', limit, 500)
    const before = cursorOf('ses', cursor)
    const sessions = await people.sessions(person, {
      ...rest,
      ...(live === undefined ? {} : { live: live === 'true' }),
      ...(before === undefined ? {} : { before }),
      ...(most === undefined ? {} : { limit: most }),
    })
    // A page that is full may be the last one; the next is empty then.
    return { sessions, cursor: sessions.length === (most ?? 100) ? (sessions.at(-1)?.session ?? null) : null }
  })
  decides('post', '/admin/v1/sessions/:id/revoke', { reason: reasonIfAny }, (person, id, { reason }) =>
    reason === '' ? people.revoke(person, id) : people.revoke(person, id, reason),
  )

  looks('/admin/v1/limits', async (person, request) => {
    readQuery(request, [])
    return { limits: await people.limits(person) }
  })
  looks('/admin/v1/roles', async (person, request) => {
    readQuery(request, [])
    return { roles: await people.roles(person) }
  })
  decides('put', '/admin/v1/switches/:id', { on: flag, reason }, (person, id, { on, reason }) =>
    people.setSwitch(person, id, on, reason),
  )
  looks('/admin/v1/restore', (person, request) => {
    readQuery(request, [])
    return people.restore(person)
  })
  // No id in its path.
  router.post(
    '/admin/v1/restore',
    said({ reason }, ({ person, values }) => people.acceptRestore(person, values.reason)),
  )
  looks('/admin/v1/policy', (person, request) => {
    readQuery(request, [])
    return people.policy(person)
  })
  return router
}

/** @param paged whether the answer comes in pages; an export is always whole. */
export function callFilter(request: Request, paged = true): PeopleFilter {
  const texts = ['role', 'action', 'session', 'person', 'because', 'evidence', 'q'] as const
  const pages = paged ? (['cursor', 'limit'] as const) : []
  const { status, since, until, min, max, cursor, limit, ...rest } = readQuery(request, [
    ...texts,
    ...(['status', 'since', 'until', 'min', 'max'] as const),
    ...pages,
  ])
  const read = {
    ...rest,
    status: statusOf(status),
    since: timeOf('since', since),
    until: timeOf('until', until),
    min: decimalOf('min', min),
    max: decimalOf('max', max),
    cursor: cursorOf('call', cursor),
    limit: integerOf('limit', limit, 500),
  }
  return Object.fromEntries(Object.entries(read).filter(([, value]) => value !== undefined))
}
