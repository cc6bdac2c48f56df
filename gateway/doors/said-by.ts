import type { Request, RequestHandler } from 'express'
import type { Person } from '../core/types.ts'
import { readFields } from './fields.ts'
import type { Field } from './fields.ts'
import { mustBeReady } from './frame.ts'
import type { DoorParts, Route } from './frame.ts'
import { readQuery } from './query.ts'
import { BODY_LIMITS, readJsonBody } from './read-body.ts'
import { personAt } from './who.ts'

/** What somebody says who changes something. */
export interface SaidBy<Values> {
  readonly person: Person
  readonly request: Request
  readonly values: Values
}

/** Handlers of requests by which people change something: no query, a body of exactly these fields, an answer of 200. */
export function saidBy(parts: DoorParts, route: Route) {
  const { gateway, body: limits = BODY_LIMITS } = parts
  return <Fields extends { readonly [name: string]: Field<unknown> }>(
    fields: Fields,
    answer: (said: SaidBy<ReturnType<typeof readFields<Fields>>>) => Promise<object>,
  ): RequestHandler =>
    route(async (request) => {
      const person = await personAt(request, parts)
      readQuery(request, [])
      mustBeReady(gateway)
      const values = readFields(await readJsonBody(request, limits), fields)
      return { status: 200, body: await answer({ person, request, values }) }
    })
}
