import type { Response, Router } from 'express'
import type { Problem } from '../core/problem.ts'
import type { Json } from '../core/types.ts'
import { newRouter, sourceOf } from './frame.ts'
import type { DoorParts } from './frame.ts'
import { toldProblem } from './mcp/exchange.ts'
import { idOf, readMessage } from './mcp/message.ts'
import { respond, webRequest } from './mcp/respond.ts'
import type { mcpServer } from './mcp/server.ts'
import { mayAsk } from './origin.ts'
import { problemAnswer } from './problem.ts'
import { readQuery } from './query.ts'
import { BODY_LIMITS, readJsonBody } from './read-body.ts'
import { sender } from './send.ts'
import type { Answer } from './send.ts'
import type { Slots } from './slots.ts'

/**
 * `POST /mcp`: the role of a session as an MCP server, over Streamable HTTP. Origin, token, body and message are held to
 * what every door holds them to before the protocol's library sees anything. Every tool ends in `gateway.call`.
 *
 * @param metadata names the document that a challenge points at (RFC 9728, section 5.1).
 */
export function mcpRoutes(parts: DoorParts, slots: Slots, metadata?: () => string): Router {
  const { identity, scrub, body: limits = BODY_LIMITS } = parts
  const send = sender(scrub)
  // The library of the protocol is loaded with the first message: it is a sixth of what a start loads.
  let serve: ReturnType<typeof mcpServer> | undefined
  const router = newRouter()

  router.post('/mcp', async (request, response) => {
    let sent: Json = null
    try {
      await slots.hold(async () => {
        mayAsk(request, parts)
        const session = await identity.authenticate(request.headers.authorization)
        readQuery(request, [])
        const { value, notDigits } = await readJsonBody(request, limits)
        sent = value
        const asked = { session, message: readMessage(value), notDigits, source: sourceOf(request) }
        serve ??= (await import('./mcp/server.ts')).mcpServer(parts)
        const { response: answer, work } = await serve(webRequest(request, leaving(response)), asked)
        if (answer.status >= 400 && !response.destroyed) parts.gateway.refused('malformed', asked.source)
        await respond(request, response, answer, { send, scrub })
        // Its slot is taken as long as its work goes on.
        await work()
      })
    } catch (error) {
      await send(request, response, refusal(toldProblem(parts, sourceOf(request), error), sent, metadata))
    }
  })

  // The gateway begins no stream of its own, and keeps no session of the protocol's that could be deleted.
  router.all('/mcp', async (request, response) => {
    const error = { code: -32_000, message: 'Send POST: there is no stream and no session to ask for here.' }
    await send(request, response, {
      status: 405,
      body: { jsonrpc: '2.0', id: null, error },
      headers: { Allow: 'POST' },
    })
  })
  return router
}

/** What was refused before the protocol began, in its own form: JSON-RPC, with the problem as the error's data. */
function refusal(problem: Problem, sent: Json, metadata?: () => string): Answer {
  const body = problem.body()
  const { status, headers } = problemAnswer(body, {}, metadata)
  const code = problem.code === 'malformed' ? (sent === null ? -32_700 : -32_600) : -32_000
  const error = { code, message: body.detail, data: body }
  return { status, body: { jsonrpc: '2.0', id: idOf(sent), error }, ...(headers === undefined ? {} : { headers }) }
}

/** Aborted when the client has gone before its answer was out. */
function leaving(response: Response): AbortSignal {
  const controller = new AbortController()
  response.once('close', () => {
    if (!response.writableFinished) controller.abort()
  })
  return controller.signal
}
