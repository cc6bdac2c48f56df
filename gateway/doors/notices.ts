import type { Router } from 'express'
import { Problem } from '../core/problem.ts'
import type { NoticesGateway } from '../pipeline/notices/people.ts'
import { newRouter, pathValue } from './frame.ts'
import type { DoorParts, Route } from './frame.ts'
import { cursorOf, integerOf, readQuery } from './query.ts'
import { saidBy } from './said-by.ts'
import { personAt } from './who.ts'

const STATES = ['waiting', 'delivered', 'dead', 'over'] as const

/** Who was told of what, dead letters first of all; a channel is tested, a dead letter sent again. */
export function noticeRoutes(parts: DoorParts, notices: NoticesGateway, route: Route): Router {
  const router = newRouter()
  router.get(
    '/admin/v1/notices',
    route(async (request) => {
      const person = await personAt(request, parts)
      const { status, cursor, limit } = readQuery(request, ['status', 'cursor', 'limit'])
      const state = STATES.find((one) => one === status)
      if (status !== undefined && state === undefined)
        throw new Problem('malformed', `status is one of: ${STATES.join(', ')}.`)
      const most = integerOf('limit', limit, 500)
      cursorOf('msg', cursor)
      const filter = {
        ...(state === undefined ? {} : { status: state }),
        ...(cursor === undefined ? {} : { cursor }),
        ...(most === undefined ? {} : { limit: most }),
      }
      return { status: 200, body: await notices.list(person, filter) }
    }),
  )
  const said = saidBy(parts, route)
  router.post(
    '/admin/v1/notices/:id/retry',
    said({}, ({ person, request }) => notices.retry(person, pathValue(request, 'id'))),
  )
  router.post(
    '/admin/v1/channels/:id/test',
    said({}, ({ person, request }) => notices.test(person, pathValue(request, 'id'))),
  )
  return router
}
