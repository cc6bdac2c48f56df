import express from 'express'
import type { ErrorRequestHandler, Express, Request, RequestHandler, Router } from 'express'
import { Problem } from '../core/problem.ts'
import type { Identity } from '../identity/identity.ts'
import type { SignIn } from '../identity/sign-in.ts'
import type { Gateway } from '../pipeline/gateway.ts'
import { edge, noSuchRoute } from './edge.ts'
import type { LedgerHead } from './ledger.ts'
import type { Exposition } from './metrics.ts'
import { isRefusedAtTheDoor, problemAnswer, toProblem } from './problem.ts'
import type { BodyLimits } from './read-body.ts'
import { sender } from './send.ts'
import type { Answer, Scrub } from './send.ts'

export interface DoorParts {
  readonly gateway: Gateway
  readonly identity: Identity
  /** Takes the values of secrets in memory out of every body and header that leaves. */
  readonly scrub: Scrub
  /** ms since the epoch; the one that identity has. */
  readonly now: () => number
  /** Hears of every fault of ours, for the operator's log; never for the answer. */
  readonly fault: (error: unknown) => void
  /** Above so many calls waiting at once, more are shed before anything is looked at. */
  readonly waiting_max?: number
  readonly body?: BodyLimits
  /** Of this program, for who asks what serves. */
  readonly version?: string
  /** How agents reach their listener; without it there are no documents that name it. */
  readonly agentUrl?: () => string
  /** How people reach theirs. */
  readonly adminUrl?: () => string
  /** The sign-in of people with a browser; without it there is none, and nothing that ends in their word is offered. */
  readonly signIn?: SignIn
  /** The signed head of the ledger; without it there are no routes of the ledger. */
  readonly ledger?: LedgerHead
  /** What `/metrics` tells on the listener for people; without it there is no such route. */
  readonly metrics?: Exposition
}

/** Makes an express handler of a function from a request to its answer. What it throws goes to the app's last handler. */
export type Route = (answer: (request: Request) => Promise<Answer>) => RequestHandler

/**
 * An express app with what both listeners share: the edge, exact paths, health, one way out, and the last-resort error
 * handler.
 *
 * @param metadata where whoever is refused for want of a token reads how to get one.
 * @param told how a refusal looks at this door; RFC 9457 unless said.
 */
export function frame(
  parts: DoorParts,
  routes: (route: Route) => readonly RequestHandler[],
  metadata?: () => string,
  told: (problem: Problem) => Answer = (problem) => problemAnswer(problem.body(), {}, metadata),
): Express {
  const send = sender(parts.scrub)
  const app = express()
  app.disable('x-powered-by').disable('etag').enable('case sensitive routing').enable('strict routing')
  app.set('query parser', false)
  const route: Route = (answer) => async (request, response) => send(request, response, await answer(request))
  app.use(edge, health(parts.gateway, route), ...routes(route))
  app.use(() => {
    throw noSuchRoute()
  })
  // express knows an error handler by its four parameters.
  const last: ErrorRequestHandler = async (error, request, response, _next) => {
    const problem = toProblem(error)
    if (problem.code === 'internal') parts.fault(error)
    // Where the connection is gone already, server.ts has counted what the parser refused.
    if (isRefusedAtTheDoor(problem.code) && !response.destroyed) parts.gateway.refused(problem.code, sourceOf(request))
    try {
      await send(request, response, told(problem))
    } catch (fault) {
      parts.fault(fault)
      response.destroy()
    }
  }
  app.use(last)
  return app
}

/** The address that the request came from, for `requests.refused`. */
export function sourceOf(request: Request): string {
  return request.socket.remoteAddress ?? 'unknown'
}

/** Routers match as the app does: by exact spelling. */
export function newRouter(): Router {
  return express.Router({ caseSensitive: true, strict: true })
}

/** A single value of the path. Longer than any name or id of ours is none. */
export function pathValue(request: Request, name: string): string {
  const value = request.params[name]
  if (typeof value !== 'string' || value.length > 200) throw noSuchRoute()
  return value
}

/** @throws Problem ledger_unavailable while nothing can be admitted: nothing was sent, the key is free. */
export function mustBeReady(gateway: Gateway): void {
  const reason = gateway.notReady()
  if (reason !== null) throw new Problem('ledger_unavailable', `Not ready: ${reason}`, { retry_after: 1 })
}

function health(gateway: Gateway, route: Route): RequestHandler {
  const router = newRouter()
  const live: Answer = { status: 200, body: { status: 'live' } }
  router.get(
    '/livez',
    route(async () => live),
  )
  router.get('/readyz', async (request, response, next) => {
    const reason = gateway.notReady()
    const problem = new Problem('ledger_unavailable', `Not ready: ${reason}`, { retry_after: 1 })
    // A probe that hears "not yet" is no refused request.
    const answer = reason === null ? { status: 200, body: { status: 'ready' } } : problemAnswer(problem.body())
    await route(async () => answer)(request, response, next)
  })
  return router
}
