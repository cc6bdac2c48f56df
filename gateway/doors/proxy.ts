import type { Request, RequestHandler, Response } from 'express'
import { Problem } from '../core/problem.ts'
import type { Json, JsonObject, Route as PolicyRoute, Session } from '../core/types.ts'
import type { CallRequest, Reply } from '../pipeline/gateway.ts'
import { noSuchRoute } from './edge.ts'
import { mustBeReady, sourceOf } from './frame.ts'
import type { DoorParts, Route } from './frame.ts'
import { dryRun, preferredWait, requestKey } from './headers.ts'
import { passed } from './proxy/passed.ts'
import { isSameBody } from './proxy/same-body.ts'
import { replyAnswer, RUNNING_WAIT_S } from './rest.ts'
import { SECURITY_HEADERS } from './security-headers.ts'
import { oneLine } from './send.ts'
import type { Answer } from './send.ts'
import type { Slots } from './slots.ts'
import { takesItsTime } from './streaming.ts'

const BELOW = '/proxy/'

/**
 * `/proxy/ROUTE/…`: the agent's own client speaks to a backend, and the gateway puts the credential in. The request is a
 * call like any other (admitted, streamed, settled); method, path and query are its input, and the answer is the
 * backend's as it comes. What ends before that is answered here.
 */
export function proxyRoutes(parts: DoorParts, route: Route, slots: Slots): RequestHandler {
  const { gateway, identity } = parts
  const answer = route(async (request) => {
    const session = await identity.authenticate(request.headers.authorization)
    mustBeReady(gateway)
    const response = request.res
    if (response === undefined) throw new Error('a request without its response')
    const reply = await gateway.call(session, asked(parts, session, request, response))
    if (reply.replayed) return repeated(parts, session, request, reply)
    return replyAnswer(reply)
  })
  return (request, response, next) => {
    if (!request.originalUrl.startsWith(BELOW)) return next()
    return slots.hold(async () => answer(request, response, next))
  }
}

/** What the door itself finds wrong is said only of routes that the role has; of all others the pipeline says `not_granted`. */
function asked(parts: DoorParts, session: Session, request: Request, response: Response): CallRequest {
  const { action, path, query } = target(request)
  const route = routeOf(parts, session, action)
  const headers = route === undefined ? [] : passed(request, route)
  const length = Number(request.headers['content-length'] ?? Number.NaN)
  const input: JsonObject = {
    method: request.method,
    path,
    ...(query === '' ? {} : { query }),
    ...(Number.isNaN(length) ? {} : { length }),
  }
  const [key, dry_run] = [requestKey(request), dryRun(request)]
  if (route !== undefined && key === null && route.effect !== 'read' && !dry_run) {
    throw new Problem('key_required', 'Send an Idempotency-Key that names this one effect; repeat it on every retry.')
  }
  takesItsTime(request)
  const exchange = {
    request,
    response,
    headers,
    name: action,
    begin(call: string, status: number, lines: readonly (readonly [string, string])[]) {
      const own = [...SECURITY_HEADERS, 'Cache-Control', 'no-store', 'Keystay-Call', call]
      // a backend may repeat what it was shown in a name, too
      const clean = lines.filter(([name]) => parts.scrub(name) === name)
      const theirs = clean.flatMap(([name, value]) => [name, oneLine(parts.scrub(value))])
      response.writeHead(status, [...own, ...theirs])
      // An event stream may be silent for long: its head goes ahead.
      response.flushHeaders()
    },
  }
  const wait_ms = (preferredWait(request) ?? RUNNING_WAIT_S) * 1000
  return { action, input, key, dry_run, wait_ms, exchange }
}

/** The edge has let through one spelling of a path only, apart from the colon's. @throws Problem no_such_route. */
function target({ originalUrl }: Request): { action: string; path: string; query: string } {
  const mark = originalUrl.indexOf('?')
  const whole = (mark === -1 ? originalUrl : originalUrl.slice(0, mark)).slice(BELOW.length).replaceAll('%3A', ':')
  const slash = whole.indexOf('/')
  const action = slash === -1 ? whole : whole.slice(0, slash)
  if (action === '' || action.length > 200) throw noSuchRoute()
  const query = mark === -1 ? '' : originalUrl.slice(mark + 1)
  return { action, path: slash === -1 ? '/' : whole.slice(slash), query }
}

function routeOf(
  { gateway }: DoorParts,
  session: Session,
  name: string,
): (PolicyRoute & { effect: string }) | undefined {
  const policy = gateway.policy()
  const action = policy.actions.get(name)
  if (action?.route === undefined || policy.roles.get(session.role)?.grants.has(name) !== true) return undefined
  return { ...action.route, effect: action.effect }
}

/** A repeat is told how the call stands, how much went each way and the digests; nothing streams a second time. */
async function repeated(parts: DoorParts, session: Session, request: Request, reply: Reply): Promise<Answer> {
  const { envelope } = reply
  const max = routeOf(parts, session, envelope.action)?.request_max ?? 0
  const before = memberOf(envelope.output, 'request')
  if (!(await isSameBody(request, memberOf(before, 'digest'), max))) {
    parts.gateway.refused('key_reused', sourceOf(request))
    const detail = `This key names ${envelope.call}, whose body was another. A key names one effect: use a new one for another.`
    throw new Problem('key_reused', detail, { call: envelope.call, entry: envelope.entry })
  }
  const answer = replyAnswer(reply)
  if (reply.problem === null || envelope.output === undefined) return answer
  return { ...answer, body: { ...reply.problem, output: envelope.output } }
}

function memberOf(value: Json | undefined, name: string): Json | undefined {
  const object = typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : {}
  return Object.hasOwn(object, name) ? object[name] : undefined
}
