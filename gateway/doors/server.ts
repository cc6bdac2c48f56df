import { createServer } from 'node:http'
import type { IncomingMessage, RequestListener, Server, ServerOptions, ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { Server as SecureServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Code } from '../core/problem.ts'
import { rawProblem } from './problem.ts'
import { isStreaming } from './streaming.ts'

export interface ServerLimits {
  /** From the first byte of a request to the end of its headers. */
  readonly headers_ms: number
  /** To the end of its body; read-body.ts answers first where it can. */
  readonly request_ms: number
  /** How often the two are looked at. */
  readonly check_ms: number
  readonly idle_ms: number
  readonly connections_max: number
}

export const SERVER_LIMITS: ServerLimits = {
  headers_ms: 5_000,
  request_ms: 15_000,
  check_ms: 500,
  idle_ms: 10_000,
  connections_max: 8_192,
}

/** PEM. */
export interface KeyPair {
  readonly cert: string
  readonly key: string
}

export interface Listening {
  /** http(s)://HOST:PORT as bound. */
  readonly url: string
  /** New connections are served with it; those that are open go on with theirs. Nothing without TLS. */
  useKeyPair(pair: KeyPair): void
  /** No new connections or requests; running ones may end, at most so long (ms). */
  close(drain_ms: number): Promise<void>
}

/**
 * A node:http or node:https server around an app, with every bound set, and answers of ours where the parser refuses.
 *
 * @param port 0 takes any.
 * @param refused hears of what the parser refused: code and source address.
 * @param pair TLS with this certificate; without it plain HTTP.
 * @throws the bind error.
 */
export async function listen(
  app: RequestListener,
  { host, port }: { readonly host: string; readonly port: number },
  refused: (code: Code, source: string) => void,
  limits: ServerLimits = SERVER_LIMITS,
  pair?: KeyPair,
): Promise<Listening> {
  const options: ServerOptions = {
    maxHeaderSize: 16 * 1024,
    headersTimeout: limits.headers_ms,
    requestTimeout: limits.request_ms,
    connectionsCheckingInterval: limits.check_ms,
    keepAliveTimeout: limits.idle_ms,
    insecureHTTPParser: false,
    // The edge asks for exactly one Host, and answers with a problem instead of an empty 400.
    requireHostHeader: false,
  }
  const secure = pair === undefined ? null : secureServer(options, pair, limits)
  const server = (secure ?? createServer(options)) as Server
  server.maxConnections = limits.connections_max
  let closing = false
  const lines = new WeakMap<Socket, Line>()
  const lineOf = (socket: Socket): Line => {
    const line = lines.get(socket) ?? { answering: 0, last: null, refusal: null }
    lines.set(socket, line)
    return line
  }

  const onRequest = (request: IncomingMessage, response: ServerResponse) => {
    const line = lineOf(request.socket)
    line.answering++
    line.last = request
    response.once('close', () => {
      line.answering--
      hangUp(request.socket, line)
      if (closing) setImmediate(() => server.closeIdleConnections())
    })
    if (closing) response.setHeader('Connection', 'close')
    app(request, response)
  }
  server.on('request', onRequest)
  // An Expect that nobody knows would be a bare 417 of node's own; ignoring it is allowed (RFC 9110, section 10.1.1).
  server.on('checkExpectation', onRequest)
  server.on('connect', (request, socket) => {
    refused('no_such_route', request.socket.remoteAddress ?? 'unknown')
    // Node has let go of this socket: without a listener a reset would end the process.
    socket.on('error', () => socket.destroy())
    socket.end(rawProblem('no_such_route', 'This is no proxy.'))
    setTimeout(() => socket.destroy(), LINGER_MS).unref()
  })

  const shaken = new WeakSet<Socket>()
  secure?.on('secureConnection', (socket) => shaken.add(socket))
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    // Before the handshake there is nobody who could read an answer: other protocols, old versions, whoever says nothing.
    const early = secure !== null && !shaken.has(socket)
    if (early && error.code !== 'ECONNRESET') refused('malformed', socket.remoteAddress ?? 'unknown')
    if (early || error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy()
      return
    }
    const line = lineOf(socket)
    if (line.refusal !== null) return
    const late = error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
    if (late && isStreaming(line.last)) return
    const code: Code = late ? 'too_slow' : 'malformed'
    refused(code, socket.remoteAddress ?? 'unknown')
    line.refusal = rawProblem(
      code,
      late ? 'The request did not arrive in time.' : 'The request cannot be read as HTTP/1.1.',
    )
    hangUp(socket, line)
  })
  server.on('drop', (data) => refused('overloaded', data?.remoteAddress ?? 'unknown'))

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, host, () => {
      server.off('error', reject)
      resolve()
    })
  })
  return {
    url: urlOf(server.address() as AddressInfo, secure !== null),
    useKeyPair: (next) => secure?.setSecureContext({ ...TLS, ...next }),
    close: (drain_ms) => {
      closing = true
      return new Promise((resolve) => {
        const force = setTimeout(() => server.closeAllConnections(), drain_ms)
        server.close(() => {
          clearTimeout(force)
          resolve()
        })
        server.closeIdleConnections()
      })
    },
  }
}

/** What one connection is at. */
interface Line {
  /** Requests whose answers are not out yet. */
  answering: number
  last: IncomingMessage | null
  /** What the parser's refusal will be told as, once it is its turn. */
  refusal: string | null
}

/** How long a refused client may go on sending before the connection is cut: an answer is lost with unread bytes. */
const LINGER_MS = 500

/**
 * Clients tell answers apart by their order: a refusal waits for the answers of the requests before it, so that nobody
 * takes it for the answer to a call that went through. A request whose own body broke is answered by the refusal.
 */
function hangUp(socket: Socket, line: Line): void {
  const broken = line.last !== null && !line.last.complete ? 1 : 0
  if (line.refusal === null || line.answering > broken || socket.writableEnded) return
  socket.end(line.refusal)
  setTimeout(() => socket.destroy(), LINGER_MS).unref()
}

/** RFC 9325: nothing before TLS 1.2. What is offered of it is Node's choice of ciphers. */
const TLS = { minVersion: 'TLSv1.2' } as const

function secureServer(options: ServerOptions, pair: KeyPair, { headers_ms }: ServerLimits): SecureServer {
  return createSecureServer({ ...options, ...TLS, ...pair, handshakeTimeout: headers_ms })
}

function urlOf({ address, family, port }: AddressInfo, secure: boolean): string {
  return `${secure ? 'https' : 'http'}://${family === 'IPv6' ? `[${address}]` : address}:${port}`
}
