import { createServer, request as send, type IncomingMessage, type ServerResponse } from 'node:http'
import { request as sendSecurely } from 'node:https'
import { isLoopback } from '../config.ts'

/** A running address that adds the session's token. */
export interface Loopback {
  /** http://127.0.0.1:PORT */
  readonly url: string
  close(): Promise<void>
}

/**
 * A small proxy on loopback that adds a session's token to each request, so that `curl` and scripts need none and it
 * stands in no shell history and no environment. Whoever can open a connection to this port on this machine acts as the
 * session; a web page in a browser here could too, so a request that says it comes from one (Origin, Sec-Fetch-Site) or
 * that names another host (DNS rebinding) is refused. Rejects with the listen error.
 */
export function startLoopback(options: { gateway: string; token: string; port?: number }): Promise<Loopback> {
  const server = createServer((incoming, response) => {
    const refusal = refuse(incoming)
    if (refusal) return answer(response, 403, refusal)
    forward(options, incoming, response)
  })
  server.headersTimeout = 10_000
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port ?? 0, '127.0.0.1', () => {
      const address = server.address()
      resolve({
        url: `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`,
        close: () =>
          new Promise((done) => {
            server.close(() => done())
            server.closeAllConnections()
          }),
      })
    })
  })
}

function refuse({ headers, url }: IncomingMessage): string | null {
  if (!isLoopback((headers.host ?? '').replace(/:\d+$/, ''))) return 'This address answers under 127.0.0.1 only.'
  if (headers.origin !== undefined) return 'Requests of web pages are not accepted here.'
  if (headers['sec-fetch-site'] !== undefined && headers['sec-fetch-site'] !== 'none')
    return 'Requests of web pages are not accepted here.'
  if (headers.authorization !== undefined) return 'This address adds the token by itself; send no Authorization header.'
  // The token of the session is for calls. What mints and revokes tokens is not reached through it, by a detour neither.
  const [path = ''] = (url ?? '').split('?')
  const climbs = /(^|\/)(\.|%2e){1,2}(\/|$)/i.test(path)
  if (climbs || !/^\/(v1\/.+|openapi\.json|mcp|livez|readyz)$/.test(path)) {
    return 'Only /v1/…, /openapi.json, /mcp, /livez and /readyz are here.'
  }
  return null
}

function forward(
  options: { gateway: string; token: string },
  incoming: IncomingMessage,
  response: ServerResponse,
): void {
  const base = new URL(options.gateway)
  const outgoing = (base.protocol === 'https:' ? sendSecurely : send)(
    {
      hostname: base.hostname.replace(/^\[|\]$/g, ''),
      port: base.port || (base.protocol === 'https:' ? 443 : 80),
      method: incoming.method,
      // As it came: the gateway judges paths byte by byte.
      path: incoming.url,
      headers: { ...endToEnd(incoming), host: base.host, authorization: `Bearer ${options.token}` },
    },
    (answered) => {
      response.writeHead(answered.statusCode ?? 502, endToEnd(answered))
      answered.pipe(response)
    },
  )
  outgoing.on('error', () => {
    if (!response.headersSent) answer(response, 502, `No gateway answers at ${options.gateway}.`)
    else response.destroy()
  })
  response.on('close', () => outgoing.destroy())
  incoming.pipe(outgoing)
}

/** Headers that are for the other end; those of one connection stay on it (RFC 9110, section 7.6.1). */
function endToEnd(message: IncomingMessage): Record<string, string | string[]> {
  const listed = (message.headers.connection ?? '').split(',').map((name) => name.trim().toLowerCase())
  const drop = new Set([
    ...listed,
    'connection',
    'keep-alive',
    'proxy-connection',
    'te',
    'trailer',
    'transfer-encoding',
    'upgrade',
  ])
  const kept: Record<string, string | string[]> = {}
  for (const [name, value] of Object.entries(message.headers))
    if (value !== undefined && !drop.has(name)) kept[name] = value
  return kept
}

function answer(response: ServerResponse, status: number, detail: string): void {
  const body = `${JSON.stringify({ title: 'Not forwarded', status, detail })}\n`
  response.writeHead(status, { 'content-type': 'application/problem+json', 'content-length': Buffer.byteLength(body) })
  response.end(body)
}
