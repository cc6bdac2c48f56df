import type { IncomingMessage } from 'node:http'
import type { BackendSpec, Json, Outcome } from '../gateway/core/types.ts'
import { SecretUnavailable } from './adapter.ts'
import type { Adapter, Attempt, Exchange, SecretSource } from './adapter.ts'
import type { Lookup } from './egress.ts'
import { baseOf, inTime } from './http.ts'
import { credentialOf } from './http/credential.ts'
import { Queue } from './http/queue.ts'
import { Headers, isObject, targetOf, Unsendable } from './http/request.ts'
import { RESERVED } from './http/schema.ts'
import { BackendAgent } from './proxy/agent.ts'
import type { HeaderLine } from './proxy/headers.ts'
import { overHttp } from './proxy/http-exchange.ts'
import { Passage } from './proxy/passage.ts'
import { backendSchema, requestSchema } from './proxy/schema.ts'

/**
 * Passes requests of routes on to the one origin that backends.yaml names, and the answers back, as they stream. One
 * exchange is one attempt: nothing in it retries, redirects or asks a proxy (R11).
 */
export const proxy: Adapter = proxyOver({})

/** Exchanges at a time with one backend; the rest wait in the queue. Streams are long: there are more than of requests. */
const WIDTH = 256

/** The network as a test may bring it: its own names, its own certificate authority (PEM). */
export function proxyOver(network: {
  readonly lookup?: Lookup
  readonly ca?: string
  readonly width?: number
}): Adapter {
  return {
    name: 'proxy',
    backend: backendSchema,
    request: requestSchema,
    connect(backend, secret) {
      const base = baseOf(backend)
      const where = { base, isPrivate: backend.private, timeout_ms: backend.timeout_ms, ...network }
      const agent = new BackendAgent(where)
      const queue = new Queue(network.width ?? WIDTH)
      const line: Line = { backend, base, secret, queue, agent }
      const running = new Set<Promise<Outcome>>()
      let closed = false
      return {
        send(request, attempt) {
          if (closed) return Promise.resolve({ kind: 'not_sent', reason: 'this backend is closed' })
          const sent = send(line, request, attempt)
          running.add(sent)
          void sent.finally(() => running.delete(sent))
          return sent
        },
        async close() {
          closed = true
          await Promise.allSettled(running)
          agent.destroy()
        },
      }
    },
  }
}

interface Line {
  readonly backend: BackendSpec
  readonly base: URL
  readonly secret: SecretSource
  readonly queue: Queue
  readonly agent: BackendAgent
}

/** Wait for a place, ask for the secret, let it stream, say how it ended. */
async function send({ backend, base, secret, queue, agent }: Line, request: Json, attempt: Attempt): Promise<Outcome> {
  if (attempt.exchange === undefined) return { kind: 'not_sent', reason: 'there is no stream to pass on' }
  const exchange = overHttp(attempt.exchange)
  if (!(await queue.enter(attempt.id, attempt.notAfter, attempt.signal))) {
    const reason = attempt.signal.aborted ? 'the attempt was stopped' : 'the time for this attempt is over'
    return { kind: 'not_sent', reason }
  }
  let outcome: Outcome = { kind: 'not_sent', reason: 'a fault before anything was sent' }
  try {
    const target = targetFor(base, request)
    const headers = headersFor(backend, request, attempt, exchange)
    const { hidden, shown } = await inTime(credentialOf(backend.config['auth'], secret, headers), backend, attempt)
    const lines = [...framing(exchange.request, base), ...pairs(headers.flat())]
    const denied = (): void => void (shown !== null && attempt.denied?.(shown))
    const leg = { backend, base, target, headers: lines, hidden, denied, ...boundsOf(backend) }
    // Loaded with the first stream; most gateways have none.
    const { pass } = await import('./proxy/pass.ts')
    const passage = new Passage(leg, attempt, exchange)
    pass(exchange, { passage, agent, origin: base.origin, target })
    outcome = await passage.outcome
  } catch (error) {
    if (error instanceof SecretUnavailable)
      outcome = { kind: 'not_sent', code: 'secret_unavailable', reason: error.message }
    else if (error instanceof Unsendable) outcome = { kind: 'not_sent', reason: error.message }
  } finally {
    queue.leave(attempt.id, outcome.kind === 'not_sent' && outcome.code === 'permit')
  }
  return outcome
}

function targetFor(base: URL, request: Json): string {
  if (!isObject(request)) throw new Unsendable('the request is not an object')
  const { path, query } = request
  if (typeof path !== 'string' || (query !== undefined && typeof query !== 'string')) {
    throw new Unsendable('a stream goes to a path, with a query or without')
  }
  return targetOf(base, query === undefined || query === '' ? path : `${path}?${query}`, undefined)
}

/** What the agent's request says that may pass, what the policy adds, and the chain of custody. */
function headersFor(backend: BackendSpec, request: Json, attempt: Attempt, exchange: Exchange): Headers {
  const headers = new Headers()
  headers.put('user-agent', 'keystay')
  // What is compressed cannot be looked through for the credential while it streams.
  headers.put('accept-encoding', 'identity')
  headers.putAll(backend.config['headers'], RESERVED)
  for (const [name, value] of Object.entries(attempt.stamp)) headers.put(name, value)
  const method = isObject(request) ? request['method'] : null
  // R2: named by the call, as for every other adapter; the agent's own key is between it and the gateway.
  if (backend.idempotency && method !== 'GET') headers.put(backend.idempotency.header, attempt.id)
  const taken = new Set(headers.flat().filter((_, index) => index % 2 === 0))
  for (const [name, value] of exchange.headers) if (!taken.has(name)) headers.put(name, value)
  return headers
}

/** The body is framed as it came: so many bytes, or in chunks until it ends. */
function framing({ headers }: IncomingMessage, base: URL): HeaderLine[] {
  const length = headers['content-length']
  const host: HeaderLine = ['host', base.host]
  if (headers['transfer-encoding'] !== undefined) return [host, ['transfer-encoding', 'chunked']]
  return length === undefined ? [host] : [host, ['content-length', length]]
}

function pairs(flat: readonly string[]): HeaderLine[] {
  return flat.flatMap((name, index): HeaderLine[] => (index % 2 === 0 ? [[name, flat[index + 1] ?? '']] : []))
}

function boundsOf({ config }: BackendSpec): { readonly idle_ms: number; readonly longest_ms: number } {
  return { idle_ms: durationOf(config['idle'], 60_000), longest_ms: durationOf(config['longest'], 900_000) }
}

const MS: { readonly [unit: string]: number } = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

function durationOf(text: Json | undefined, otherwise: number): number {
  const [, digits, unit] = typeof text === 'string' ? (/^([0-9]+)(ms|s|m|h)$/.exec(text) ?? []) : []
  return digits === undefined || unit === undefined ? otherwise : Number(digits) * (MS[unit] ?? 1)
}
