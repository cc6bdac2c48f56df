import type { Router } from 'express'
import { Problem } from '../core/problem.ts'
import { newRouter, sourceOf } from './frame.ts'
import type { DoorParts, Route } from './frame.ts'
import { readQuery } from './query.ts'
import { personAt } from './who.ts'

/** Text that a scraper reads, made anew each time. */
export interface Exposition {
  /** Without the charset. */
  readonly type: string
  text(): Promise<string>
}

/**
 * `GET /metrics`, on the listener for people. `people.metrics` of identity.yaml says who: `token` (a bearer JWT of a person
 * with the right to view) or `open`.
 *
 * @throws Problem token_missing, token_invalid, not_eligible
 */
export function metricsRoute(parts: DoorParts, metrics: Exposition, route: Route): Router {
  const { gateway } = parts
  const router = newRouter()
  router.get(
    '/metrics',
    route(async (request) => {
      readQuery(request, [])
      const { metrics: who, view } = gateway.policy().people
      if (who !== 'open') {
        const person = await personAt(request, parts)
        if (!view.some((group) => person.groups.includes(group))) {
          gateway.refused('not_eligible', sourceOf(request))
          throw new Problem('not_eligible', `To read metrics one must be of: ${view.join(', ') || 'nobody'}.`)
        }
      }
      return { status: 200, type: metrics.type, body: undefined, text: await metrics.text() }
    }),
  )
  return router
}
