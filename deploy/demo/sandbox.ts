import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { isIPv4 } from 'node:net'
import { takeFault, faultOf, type Fault } from './faults.ts'

/** A running sandbox backend. `close` cuts open connections: a demo that stops must not wait for a client. */
export interface Sandbox {
  /** http://HOST:PORT as bound. */
  readonly url: string
  close(): Promise<void>
}

export interface Request {
  readonly method: string
  /** Decoded segments after the first slash. */
  readonly path: readonly string[]
  readonly pathname: string
  readonly query: URLSearchParams
  readonly headers: IncomingMessage['headers']
  readonly body: string
  readonly id: string
  /** Waits as long as a `slow` fault asks; called where a real backend would be at work, before its effect. */
  readonly slow: () => Promise<void>
}

export interface Answer {
  readonly status: number
  readonly headers?: Record<string, string>
  readonly body: unknown
}

export interface SandboxOptions {
  readonly host: string
  readonly port: number
  /** Answers a request of the backend's own API, under `prefix` or not; null: there is no such route. */
  readonly api: (request: Request) => Promise<Answer | null>
  /** The unauthenticated paths under /sandbox/: what a test or the demo's agent arranges and reads. */
  readonly helper: (request: Request) => Answer | null
  readonly wrong: (status: number, message: string) => Answer
}

const BODY_MAX = 256 * 1024

/**
 * Serves one sandbox on loopback, with faults on demand (`POST /sandbox/faults`, faults.ts).
 * Rejects with the listen error (EADDRINUSE …), and with a plain Error where the host is not loopback: /sandbox/ asks
 * for no credential, so it must not be reachable from elsewhere.
 */
export function startSandbox(options: SandboxOptions): Promise<Sandbox> {
  if (!isLoopback(options.host))
    return Promise.reject(new Error(`a sandbox listens on loopback only, not on ${options.host}`))
  const faults: Fault[] = []
  const server = createServer((request, response) => {
    handle(options, faults, request, response).catch((error: unknown) => {
      process.stderr.write(`sandbox: ${error instanceof Error ? error.stack : String(error)}\n`)
      if (!response.headersSent) send(response, options.wrong(500, 'a fault of the sandbox itself'))
    })
  })
  return listen(server, options.host, options.port)
}

async function handle(options: SandboxOptions, faults: Fault[], incoming: IncomingMessage, response: ServerResponse) {
  const body = await readBody(incoming)
  if (body === null) return send(response, options.wrong(413, 'the body is too large'))
  const path = segments(incoming.url ?? '/')
  if (path === null) return send(response, options.wrong(400, 'the path is not valid'))
  const url = new URL(incoming.url ?? '/', 'http://sandbox')
  const request: Request = {
    method: incoming.method ?? 'GET',
    path,
    pathname: url.pathname,
    query: url.searchParams,
    headers: incoming.headers,
    body,
    id: `req_${randomBytes(7).toString('hex')}`,
    slow: () => Promise.resolve(),
  }
  if (path[0] === 'sandbox') return send(response, sandboxPath(options, faults, request))

  const fault = takeFault(faults, request.method, request.pathname)
  const instead = fault && beforeEffect(fault, request)
  if (instead) return send(response, { ...instead, headers: { 'Request-Id': request.id, ...instead.headers } })

  const slow = fault?.kind === 'slow' ? () => new Promise<void>((done) => setTimeout(done, fault.ms)) : request.slow
  const answer =
    (await options.api({ ...request, slow })) ??
    options.wrong(404, `Unrecognized request URL (${request.method}: ${request.pathname}).`)
  // The effect has happened (or was refused) by now; what is left is whether the caller gets to know.
  if (fault?.kind === 'lost_answer') return incoming.socket.resetAndDestroy()
  if (fault?.kind === '500_after_effect')
    return send(response, {
      ...options.wrong(500, 'an error in the sandbox, on demand'),
      headers: { 'Request-Id': request.id },
    })
  send(response, { ...answer, headers: { 'Request-Id': request.id, ...answer.headers } })
}

/** Faults that answer in the backend's place: nothing happens behind them. */
function beforeEffect(fault: Fault, request: Request): Answer | null {
  switch (fault.kind) {
    case '500_before_effect':
      return { status: 500, body: { error: { type: 'api_error', message: 'an error in the sandbox, on demand' } } }
    case 'html':
      return {
        status: 200,
        headers: { 'Content-Type': 'text/html' },
        body: '<!doctype html><title>Wi-Fi login</title><p>Please sign in.',
      }
    case 'redirect':
      return { status: 302, headers: { Location: '/sandbox/elsewhere' }, body: '' }
    case '401_echo':
      return {
        status: 401,
        body: { error: { type: 'invalid_request_error', message: `Not accepted: ${echo(request)}` } },
      }
    default:
      return null
  }
}

function echo({ headers }: Request): string {
  return `Authorization: ${headers.authorization ?? '-'}; X-Api-Key: ${String(headers['x-api-key'] ?? '-')}`
}

function sandboxPath(options: SandboxOptions, faults: Fault[], request: Request): Answer {
  // A web page must not drive the sandbox through a visitor's browser: pages send Origin, or a host name that is not ours.
  if (request.headers.origin !== undefined || !isLoopback(hostName(request.headers.host)))
    return options.wrong(403, 'not for browsers')
  if (request.path[1] === 'faults' && request.path.length === 2) {
    if (request.method === 'GET') return { status: 200, body: { faults } }
    if (request.method === 'DELETE') return { status: 200, body: { faults: faults.splice(0).length } }
    if (request.method === 'POST') {
      const fault = faultOf(parseJson(request.body))
      if (typeof fault === 'string') return options.wrong(400, fault)
      faults.push(fault)
      return { status: 201, body: fault }
    }
  }
  return options.helper(request) ?? options.wrong(404, 'There is nothing at this address of the sandbox.')
}

function send(response: ServerResponse, { status, headers, body }: Answer): void {
  const text = typeof body === 'string' ? body : `${JSON.stringify(body)}\n`
  response.writeHead(status, {
    'Content-Type': 'application/json',
    ...headers,
    'Content-Length': Buffer.byteLength(text),
  })
  response.end(text)
}

async function readBody(incoming: IncomingMessage): Promise<string | null> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size <= BODY_MAX) chunks.push(chunk)
  }
  return size > BODY_MAX ? null : Buffer.concat(chunks).toString('utf8')
}

function segments(url: string): string[] | null {
  try {
    return (url.split('?')[0] ?? '/').slice(1).split('/').map(decodeURIComponent)
  } catch {
    return null
  }
}

/** @returns undefined where the text is no JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function listen(server: Server, host: string, port: number): Promise<Sandbox> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      const address = server.address()
      const bound = typeof address === 'object' && address ? address.port : port
      resolve({
        url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}`,
        close: () =>
          new Promise((done) => {
            server.close(() => done())
            server.closeAllConnections()
          }),
      })
    })
  })
}

function hostName(host: string | undefined): string {
  return (host ?? '').replace(/:\d+$/, '').replace(/^\[|\]$/g, '')
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'))
}
