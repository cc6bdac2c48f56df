import type { Request, Router } from 'express'
import { Problem } from '../core/problem.ts'
import type { Session } from '../core/types.ts'
import type { Reply } from '../pipeline/gateway.ts'
import { mustBeReady, newRouter, pathValue } from './frame.ts'
import type { DoorParts, Route } from './frame.ts'
import { dryRun, isKey, KEY_PATH, preferredWait, requestKey, WAIT_MAX_S } from './headers.ts'
import { problemAnswer } from './problem.ts'
import { integerOf, readQuery, statusOf, timeOf } from './query.ts'
import { BODY_LIMITS, readJsonBody } from './read-body.ts'
import type { JsonBody } from './read-body.ts'
import type { Answer } from './send.ts'
import { sessionBody } from './session-body.ts'
import type { Slots } from './slots.ts'
import { allErrors, inputErrors, keyError, withErrors } from './input-errors.ts'

/** The agents' door: sessions, actions and calls over plain HTTP. Every call goes through `gateway.call`. */
export function restRoutes(parts: DoorParts, route: Route, slots: Slots): Router {
  const { gateway, identity, body: limits = BODY_LIMITS } = parts
  const router = newRouter()
  const waiting =
    (handler: ReturnType<Route>): ReturnType<Route> =>
    (request, response, next) =>
      slots.hold(async () => handler(request, response, next))
  /** Who asks, before anything that they sent is read. */
  const signedIn = (answer: (session: Session, request: Request) => Promise<Answer>) =>
    route(async (request) => answer(await identity.authenticate(request.headers.authorization), request))

  router.post(
    '/v1/actions/:name',
    waiting(
      signedIn(async (session, request) => {
        readQuery(request, [])
        mustBeReady(gateway)
        const body = await readJsonBody(request, limits)
        return replyAnswer(await gateway.call(session, ask(session, request, body)))
      }),
    ),
  )

  router.get(
    '/v1/calls/:id',
    waiting(
      signedIn(async (session, request) => {
        const { wait } = readQuery(request, ['wait'])
        const seconds = integerOf('wait', wait, WAIT_MAX_S) ?? 0
        return stateAnswer(await gateway.show(session, pathValue(request, 'id'), seconds * 1000))
      }),
    ),
  )

  router.get(
    '/v1/calls',
    signedIn(async (session, request) => {
      const { status, key, since } = readQuery(request, ['status', 'key', 'since'])
      if (key !== undefined && !isKey(key)) throw new Problem('malformed', 'The query member key cannot be read.')
      const replies = await gateway.list(session, { status: statusOf(status), key, since: timeOf('since', since) })
      return { status: 200, body: { calls: replies.map(stateOf) } }
    }),
  )

  router.post(
    '/v1/calls/:id/cancel',
    signedIn(async (session, request) => {
      readQuery(request, [])
      mustBeReady(gateway)
      return stateAnswer(await gateway.cancel(session, pathValue(request, 'id')))
    }),
  )

  router.get(
    '/v1/actions',
    signedIn(async (session, request) => {
      readQuery(request, [])
      const [actions, routes] = await Promise.all([gateway.actions(session), gateway.routes(session)])
      return { status: 200, body: { role: session.role, actions, ...(routes.length > 0 ? { routes } : {}) } }
    }),
  )

  router.get(
    '/v1/actions/:name',
    signedIn(async (session, request) => {
      readQuery(request, [])
      const name = pathValue(request, 'name')
      const view = (await gateway.actions(session)).find((action) => action.name === name)
      if (view === undefined)
        throw new Problem('not_granted', 'This role has no such action. GET /v1/actions lists its own.')
      return { status: 200, body: view }
    }),
  )

  router.get(
    '/v1/session',
    signedIn(async (session) => ({ status: 200, body: sessionBody(session, parts.now()) })),
  )

  router.delete(
    '/v1/session',
    signedIn(async (session) => {
      await identity.end(session)
      return { status: 204, body: undefined }
    }),
  )

  /**
   * What the door itself knows to be wrong is said only of actions that the role has: of all others the pipeline says
   * `not_granted`, whether they exist or not.
   */
  const ask = (session: Session, request: Request, body: JsonBody) => {
    const action = pathValue(request, 'name')
    const policy = gateway.policy()
    const granted = policy.roles.get(session.role)?.grants.has(action) === true
    const reads = policy.actions.get(action)?.effect === 'read'
    // What only the raw text shows (1e3, 1.0, -0) the pipeline refuses with the rest: the refusal has its entry.
    const errors = inputErrors(body)
    const input = errors.length > 0 ? null : body.value
    const others = () => (granted ? allErrors(policy.actions.get(action), body.value, errors) : [])
    const unreadable = granted && errors.length > 0 ? { unreadable: others() } : {}
    const [key, dry_run, wait_s] = withErrors(() => {
      const headers = [requestKey(request), dryRun(request), preferredWait(request)] as const
      if (granted && headers[0] === null && !reads && !headers[1]) throw keyRequired()
      return headers
    }, others)
    return {
      action,
      input,
      ...unreadable,
      key,
      dry_run,
      wait_ms: (wait_s ?? RUNNING_WAIT_S) * 1000,
      wait_held: wait_s !== null,
    }
  }
  return router
}

function keyRequired(): Problem {
  const detail = 'Send an Idempotency-Key that names this one effect; repeat it on every retry.'
  return new Problem('key_required', detail, { errors: [keyError(KEY_PATH, 'nothing')] })
}

/** Without a preference: so long for a running call, not at all for a held one. */
export const RUNNING_WAIT_S = 10
/** When it is worth looking again, in seconds. */
const LOOK_AGAIN_S = { held: 5, running: 1, unknown: 5, needs_human: 60 } as const

/** The answer to whoever asked for the call. */
export function replyAnswer({ replayed, envelope, problem }: Reply): Answer {
  const headers = { 'Idempotency-Replayed': replayed ? 'true' : undefined }
  if (problem !== null) return problemAnswer(problem, headers)
  if (envelope.status === 'done' || envelope.dry_run !== undefined) return { status: 200, body: envelope, headers }
  if (!Object.hasOwn(LOOK_AGAIN_S, envelope.status))
    throw new Error(`a ${envelope.status} call has no problem to answer with`)
  const again = String(LOOK_AGAIN_S[envelope.status as keyof typeof LOOK_AGAIN_S])
  return {
    status: 202,
    body: envelope,
    headers: { ...headers, Location: `/v1/calls/${envelope.call}`, 'Retry-After': again },
  }
}

/** The answer to whoever looks at a call: always 200, with what the POST would have said inside. */
function stateAnswer(reply: Reply): Answer {
  return { status: 200, body: stateOf(reply) }
}

function stateOf({ envelope, problem }: Reply): object {
  return problem === null ? envelope : { ...envelope, problem }
}
