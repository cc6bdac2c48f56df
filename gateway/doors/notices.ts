import type { Router } from 'express'
import { Problem } from '../core/problem.ts'
import type { NoticesGateway } from '../pipeline/notices/people.ts'
import { readFields } from './fields.ts'
import { mustBeReady, newRouter, pathValue } from './frame.ts'
import type { DoorParts, Route } from './frame.ts'
import { integerOf, readQuery } from './query.ts'
import { BODY_LIMITS, readJsonBody } from './read-body.ts'
import { personAt } from './who.ts'

const STATES = ['waiting', 'delivered', 'dead', 'over'] as const

/** Who was told of what, dead letters first of all; a channel is tested, a dead letter sent again. */
export function noticeRoutes(parts: DoorParts, notices: NoticesGateway, route: Route): Router {
  const { gateway, body: limits = BODY_LIMITS } = parts
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
      const filter = {
        ...(state === undefined ? {} : { status: state }),
        ...(cursor === undefined ? {} : { cursor }),
        ...(most === undefined ? {} : { limit: most }),
      }
      return { status: 200, body: await notices.list(person, filter) }
    }),
  )
  const does = (path: string, answer: (...given: Parameters<NoticesGateway['retry']>) => Promise<object>) =>
    router.post(
      path,
      route(async (request) => {
        const person = await personAt(request, parts)
        readQuery(request, [])
        mustBeReady(gateway)
        readFields(await readJsonBody(request, limits), {})
        return { status: 200, body: await answer(person, pathValue(request, 'id')) }
      }),
    )
  does('/admin/v1/notices/:id/retry', (person, id) => notices.retry(person, id))
  does('/admin/v1/channels/:id/test', (person, id) => notices.test(person, id))
  return router
}
