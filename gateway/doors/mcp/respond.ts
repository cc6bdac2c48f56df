import { once } from 'node:events'
import type { Request as Incoming, Response as Outgoing } from 'express'
import { SECURITY_HEADERS } from '../security-headers.ts'
import type { Scrub, Send } from '../send.ts'

/** Headers that the protocol speaks of. What carries the token is not for its library. */
const HEADERS = ['content-type', 'accept', 'mcp-protocol-version', 'mcp-method', 'mcp-name']

/**
 * The request as the protocol's library takes it, without its body.
 *
 * @param left becomes aborted when the client has gone.
 */
export function webRequest(incoming: Incoming, left: AbortSignal): Request {
  const headers = new Headers()
  for (const name of HEADERS) {
    const value = incoming.headers[name]
    if (typeof value === 'string') headers.set(name, value)
  }
  return new Request('http://gateway.invalid/mcp', { method: 'POST', headers, signal: left })
}

/** Sends what the library answers: an empty answer, JSON, or a stream of events, all of it scrubbed. */
export async function respond(
  incoming: Incoming,
  outgoing: Outgoing,
  web: Response,
  { send, scrub }: { readonly send: Send; readonly scrub: Scrub },
): Promise<void> {
  const type = web.headers.get('content-type') ?? ''
  if (web.body === null) return send(incoming, outgoing, { status: web.status, body: undefined })
  if (!type.startsWith('text/event-stream')) {
    return send(incoming, outgoing, { status: web.status, body: undefined, text: await web.text() })
  }
  outgoing.writeHead(web.status, [
    ...SECURITY_HEADERS,
    'Cache-Control',
    'no-store, no-transform',
    'Content-Type',
    'text/event-stream; charset=utf-8',
    // nginx would keep events back until its buffer is full.
    'X-Accel-Buffering',
    'no',
  ])
  const decoder = new TextDecoder()
  const events = web.body.getReader()
  for (;;) {
    // The library hands out whole events: no secret is cut in two.
    const { done, value } = await events.read()
    if (done || outgoing.destroyed) break
    if (!outgoing.write(scrub(decoder.decode(value, { stream: true })))) {
      await Promise.race([once(outgoing, 'drain'), once(outgoing, 'close')])
    }
  }
  outgoing.end()
}
