import type { ErrorRequestHandler, Request, Router } from 'express'
import { Problem } from '../core/problem.ts'
import type { Session } from '../core/types.ts'
import type { OAuthAnswer, RefusedCode } from '../identity/exchange.ts'
import { AUTHORIZATION_CODE, DEVICE_CODE } from '../identity/consent-grants.ts'
import { newRouter, sourceOf } from './frame.ts'
import type { DoorParts } from './frame.ts'
import { isRefusedAtTheDoor, problemAnswer, toProblem } from './problem.ts'
import { BODY_LIMITS, readForm } from './read-body.ts'
import { sender } from './send.ts'
import type { Answer } from './send.ts'

/**
 * `POST /oauth/token` (RFC 8693, RFC 7523; with the sign-in of people also RFC 8628 and authorization codes),
 * `/oauth/device_authorization` (RFC 8628), `/oauth/revoke` (RFC 7009) and `/oauth/introspect` (RFC 7662). Errors are
 * RFC 6749's JSON, never problem+json.
 */
export function oauthRoutes(
  { gateway, identity, signIn, scrub, fault, body: limits = BODY_LIMITS }: DoorParts,
  metadata?: () => string,
): Router {
  const send = sender(scrub)
  const router = newRouter()

  router.post('/oauth/token', async (request, response) => {
    const form = await formOf(request)
    const source = sourceOf(request)
    const from = { source, refused: (code: RefusedCode) => gateway.refused(code, source) }
    const consents = signIn?.offered() && CONSENTED.has(form.get('grant_type') ?? '') ? signIn.consents : null
    const answer = consents === null ? identity.exchange(form, from) : consents.token(form, from)
    await send(request, response, answered(await answer))
  })

  if (signIn !== undefined) {
    router.post('/oauth/device_authorization', async (request, response, next) => {
      // What nobody can decide is not there.
      if (!signIn.offered()) return next()
      const source = sourceOf(request)
      const from = { source, refused: (code: RefusedCode) => gateway.refused(code, source) }
      await send(request, response, answered(await signIn.consents.askDevice(await formOf(request), from)))
    })
  }

  router.post('/oauth/revoke', async (request, response) => {
    const form = await formOf(request)
    const token = form.get('token') || null
    if (token === null) throw new Problem('malformed', 'token is missing.')
    await identity.revoke(token)
    await send(request, response, { status: 200, body: undefined })
  })

  // Whoever has a session may ask about a token that it was shown: it could use that token as well.
  router.post('/oauth/introspect', async (request, response) => {
    await identity.authenticate(request.headers.authorization)
    const form = await formOf(request)
    const token = form.get('token') || null
    if (token === null) throw new Problem('malformed', 'token is missing.')
    const session = await identity.introspect(token)
    await send(request, response, { status: 200, body: introspected(session), headers: NOT_CACHED })
  })

  const formOf = async (request: Request): Promise<ReadonlyMap<string, string>> => {
    const form = await readForm(request, limits)
    if (form === null) {
      throw new Problem('malformed', 'Send application/x-www-form-urlencoded in UTF-8, each parameter once.')
    }
    return form
  }

  const last: ErrorRequestHandler = async (error, request, response, _next) => {
    const problem = toProblem(error)
    if (problem.code === 'internal') fault(error)
    if (isRefusedAtTheDoor(problem.code) && !response.destroyed) gateway.refused(problem.code, sourceOf(request))
    await send(request, response, oauthAnswer(problem, metadata))
  }
  router.use(['/oauth/token', '/oauth/device_authorization', '/oauth/revoke', '/oauth/introspect'], last)
  return router
}

const CONSENTED: ReadonlySet<string> = new Set([DEVICE_CODE, AUTHORIZATION_CODE])

function answered({ status, body, retry_after }: OAuthAnswer<object>): Answer {
  const retry = retry_after === undefined ? undefined : String(retry_after)
  return { status, body, headers: { ...NOT_CACHED, 'Retry-After': retry } }
}

/** RFC 6749, section 5.1. */
const NOT_CACHED = { Pragma: 'no-cache' }

function oauthAnswer(problem: Problem, metadata?: () => string): Answer {
  const { status, message } = problem
  const { headers } = problemAnswer(problem.body(), NOT_CACHED, metadata)
  return { status, body: { error: errorOf(status), error_description: message }, ...(headers ? { headers } : {}) }
}

/** RFC 6749, section 5.2; RFC 6750, section 3.1, for a caller without a session. */
function errorOf(status: number): string {
  if (status === 401) return 'invalid_token'
  if (status === 500) return 'server_error'
  return status > 500 ? 'temporarily_unavailable' : 'invalid_request'
}

/**
 * RFC 7662, section 2.2. A token that does not work says nothing about why. Whom an agent acts for is the subject, and the
 * agent the actor (RFC 8693, section 4.1).
 */
function introspected(session: Session | null): object {
  if (session === null) return { active: false }
  const { id, lineage, role, requester, acting_for, issued_at, expires_at } = session
  return {
    active: true,
    token_type: 'Bearer',
    scope: `role:${role}`,
    sub: acting_for ?? requester,
    ...(acting_for === null ? {} : { act: { sub: requester } }),
    iat: Math.floor(issued_at / 1000),
    exp: Math.floor(expires_at / 1000),
    session: id,
    lineage,
  }
}
