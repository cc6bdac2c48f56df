import { createHash, timingSafeEqual } from 'node:crypto'
import { createServer, request as send, type IncomingMessage, type ServerResponse } from 'node:http'
import { request as sendSecurely } from 'node:https'
import { pipeline } from 'node:stream'
import { isLoopback } from '../config.ts'

/** A running address that adds the session's token. */
export interface Loopback {
  /** http://127.0.0.1:PORT, and the nonce behind it where that is a part of the path. */
  readonly url: string
  close(): Promise<void>
}

export interface LoopbackOptions {
  readonly gateway: string
  /** The session's token; asked for at each request where a renewal may put another in its place. */
  readonly token: string | (() => string)
  readonly port?: number
  /**
   * Lets in only whoever knows it: the first segment of the path, or the bearer token of clients that can say no path.
   * Whatever else such a client sends as Authorization is dropped, since many send something.
   */
  readonly nonce?: { readonly value: string; readonly in: 'path' | 'authorization' }
}

/**
 * A small proxy on loopback that adds a session's token to each request, so that `curl` and scripts need none and it
 * stands in no shell history and no environment. Without a nonce whoever can open a connection to this port on this
 * machine acts as the session; a web page in a browser here could too, so a request that says it comes from one (Origin,
 * Sec-Fetch-Site) or that names another host (DNS rebinding) is refused. Rejects with the listen error.
 */
export function startLoopback(options: LoopbackOptions): Promise<Loopback> {
  const server = createServer((incoming, response) => {
    const entered = enter(incoming, options.nonce)
    if ('refusal' in entered) return answer(response, 403, entered.refusal)
    forward(options, entered.path, incoming, response)
  })
  server.headersTimeout = 10_000
  const behind = options.nonce?.in === 'path' ? `/${options.nonce.value}` : ''
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port ?? 0, '127.0.0.1', () => {
      const address = server.address()
      resolve({
        url: `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}${behind}`,
        close: () =>
          new Promise((done) => {
            server.close(() => done())
            server.closeAllConnections()
          }),
      })
    })
  })
}

type Entered = { readonly path: string } | { readonly refusal: string }

/** @returns the path as the gateway is to see it, or why not. */
function enter({ headers, url = '' }: IncomingMessage, nonce: LoopbackOptions['nonce']): Entered {
  if (!isLoopback((headers.host ?? '').replace(/:\d+$/, '')))
    return { refusal: 'This address answers under 127.0.0.1 only.' }
  if (headers.origin !== undefined || (headers['sec-fetch-site'] ?? 'none') !== 'none')
    return { refusal: 'Requests of web pages are not accepted here.' }
  if (nonce === undefined && headers.authorization !== undefined)
    return { refusal: 'This address adds the token by itself; send no Authorization header.' }
  if (nonce?.in === 'authorization' && !same(headers.authorization ?? '', `Bearer ${nonce.value}`))
    return { refusal: 'The key is not that of this run.' }
  const [, first = '', rest = ''] = /^\/([^/?]*)(.*)$/s.exec(url) ?? []
  if (nonce?.in === 'path' && !same(first, nonce.value))
    return { refusal: 'The address is not that of this run: use KEYSTAY_URL as it stands.' }
  const path = nonce?.in === 'path' ? rest : url
  // The token of the session is for calls. What mints and revokes tokens is not reached through it, by a detour neither.
  const [bare = ''] = path.split('?')
  const climbs = /(^|\/)(\.|%2e){1,2}(\/|$)/i.test(bare)
  if (climbs || !PATHS.test(bare))
    return { refusal: 'Only /v1/…, /proxy/…, /openapi.json, /mcp, /livez and /readyz are here.' }
  return { path }
}

const PATHS = /^\/(v1\/.+|proxy\/.+|openapi\.json|mcp|livez|readyz)$/

/** In a time that says nothing about how much of it was right. */
function same(given: string, wanted: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given), digest(wanted))
}

function forward(options: LoopbackOptions, path: string, incoming: IncomingMessage, response: ServerResponse): void {
  const { gateway, token, nonce } = options
  const base = new URL(gateway)
  const outgoing = (base.protocol === 'https:' ? sendSecurely : send)(
    {
      hostname: base.hostname.replace(/^\[|\]$/g, ''),
      port: base.port || (base.protocol === 'https:' ? 443 : 80),
      method: incoming.method,
      // As it came: the gateway judges paths byte by byte.
      path,
      headers: {
        ...endToEnd(incoming),
        ...framing(incoming),
        host: base.host,
        authorization: `Bearer ${typeof token === 'string' ? token : token()}`,
      },
    },
    (answered) => {
      const headers = endToEnd(answered)
      // Where to look again (RFC 9110, section 10.2.2) is a path of the gateway's; here it stands behind the nonce.
      const { location } = answered.headers
      if (nonce?.in === 'path' && location?.startsWith('/') === true) headers['location'] = `/${nonce.value}${location}`
      response.writeHead(answered.statusCode ?? 502, headers)
      // An answer that is cut off there is cut off here, too.
      pipeline(answered, response, () => {})
    },
  )
  outgoing.on('error', () => {
    if (!response.headersSent) answer(response, 502, `No gateway answers at ${gateway}.`)
    else response.destroy()
  })
  response.on('close', () => outgoing.destroy())
  incoming.pipe(outgoing)
}

/**
 * How long the body is, as it came. Without it node frames none of a GET or DELETE, and its body would be the next request
 * on this connection (RFC 9112, section 6.3).
 */
function framing({ headers }: IncomingMessage): Record<string, string> {
  const { 'transfer-encoding': coding, 'content-length': length } = headers
  if (coding !== undefined) return { 'transfer-encoding': 'chunked' }
  return length === undefined ? {} : { 'content-length': length }
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
