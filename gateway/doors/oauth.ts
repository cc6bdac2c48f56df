import type { ErrorRequestHandler, Request, Router } from 'express'
import { Problem } from '../core/problem.ts'
import { newRouter, sourceOf } from './frame.ts'
import type { DoorParts } from './frame.ts'
import { isRefusedAtTheDoor, toProblem } from './problem.ts'
import { BODY_LIMITS, readForm } from './read-body.ts'
import { sender } from './send.ts'
import type { Answer } from './send.ts'

/** `POST /oauth/token` (RFC 8693) and `POST /oauth/revoke` (RFC 7009). Errors are RFC 6749's JSON, never problem+json. */
export function oauthRoutes({ gateway, identity, scrub, fault, body: limits = BODY_LIMITS }: DoorParts): Router {
  const send = sender(scrub)
  const router = newRouter()

  router.post('/oauth/token', async (request, response) => {
    const form = await formOf(request)
    const source = sourceOf(request)
    const answer = await identity.exchange(form, { source, refused: (code) => gateway.refused(code, source) })
    const { status, body, retry_after } = answer
    const retry = retry_after === undefined ? undefined : String(retry_after)
    await send(request, response, { status, body, headers: { ...NOT_CACHED, 'Retry-After': retry } })
  })

  router.post('/oauth/revoke', async (request, response) => {
    const form = await formOf(request)
    const token = form.get('token') || null
    if (token === null) throw new Problem('malformed', 'token is missing.')
    await identity.revoke(token)
    await send(request, response, { status: 200, body: undefined })
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
    await send(request, response, oauthAnswer(problem))
  }
  router.use(['/oauth/token', '/oauth/revoke'], last)
  return router
}

/** RFC 6749, section 5.1. */
const NOT_CACHED = { Pragma: 'no-cache' }

function oauthAnswer({ status, message, members }: Problem): Answer {
  const error = status >= 500 ? (status === 500 ? 'server_error' : 'temporarily_unavailable') : 'invalid_request'
  const retry = members.retry_after === undefined ? undefined : String(members.retry_after)
  return { status, body: { error, error_description: message }, headers: { ...NOT_CACHED, 'Retry-After': retry } }
}
