import { Pool, buildConnector } from 'undici'
import type { BackendSpec, Json, Outcome } from '../gateway/core/types.ts'
import { SecretUnavailable } from './adapter.ts'
import type { Adapter, Attempt, SecretSource } from './adapter.ts'
import { checkedLookup, refusedLiteral } from './egress.ts'
import type { Lookup } from './egress.ts'
import { outcomeOf } from './http/answer.ts'
import { credentialOf } from './http/credential.ts'
import { exchange } from './http/exchange.ts'
import { Queue } from './http/queue.ts'
import { Unsendable, messageOf } from './http/request.ts'
import { backendSchema, requestSchema } from './http/schema.ts'

/** Speaks HTTP/1.1 to the one origin that backends.yaml names. Nothing in it retries, redirects or asks a proxy (R11). */
export const http: Adapter = httpOver({})

/** Requests at a time to one backend; the rest wait in the queue. */
const WIDTH = 64
/** A connection is not kept longer, so that a backend that moves is found at its new address. */
const CONNECTION_LIVES_MS = 300_000
const HEADERS_MAX = 16_384

/** The network as a test may bring it: its own names, its own certificate authority (PEM). */
export function httpOver(network: {
  readonly lookup?: Lookup
  readonly ca?: string
  readonly width?: number
}): Adapter {
  return {
    name: 'http',
    backend: backendSchema,
    request: requestSchema,
    connect(backend, secret) {
      const base = baseOf(backend)
      const connector = buildConnector({
        allowH2: false,
        timeout: backend.timeout_ms,
        // TLS is verified with the host's name, whatever address it has and whatever the environment says
        rejectUnauthorized: true,
        ca: network.ca,
        lookup: checkedLookup(backend.private, network.lookup),
      })
      const pool = new Pool(base.origin, {
        connections: network.width ?? WIDTH,
        pipelining: 1,
        clientTtl: CONNECTION_LIVES_MS,
        maxHeaderSize: HEADERS_MAX,
        connect: (options, callback) => {
          const refused = refusedLiteral(options.hostname, backend.private)
          if (refused) return callback(refused, null)
          connector(options, callback)
        },
      })
      const queue = new Queue(network.width ?? WIDTH)
      let closing: Promise<void> | undefined
      return {
        send: (request, attempt) => send({ backend, base, secret, pool, queue }, request, attempt),
        close: () => (closing ??= pool.close()),
      }
    },
  }
}

interface Line {
  readonly backend: BackendSpec
  readonly base: URL
  readonly secret: SecretSource
  readonly pool: Pool
  readonly queue: Queue
}

/** Wait for a place, ask for the secret, build, send once, judge the answer. */
async function send({ backend, base, secret, pool, queue }: Line, request: Json, attempt: Attempt): Promise<Outcome> {
  if (!(await queue.enter(attempt.id, attempt.notAfter, attempt.signal))) {
    return {
      kind: 'not_sent',
      reason: attempt.signal.aborted ? 'the attempt was stopped' : 'the time for this attempt is over',
    }
  }
  let outcome: Outcome = { kind: 'not_sent', reason: 'a fault before anything was sent' }
  try {
    const message = messageOf(backend, base, request, attempt)
    const shown = await inTime(credentialOf(backend.config['auth'], secret, message.headers), backend, attempt)
    // if anything below failed in a way nobody thought of, bytes may have left
    outcome = { kind: 'unknown', reason: 'a fault after the request was handed over', evidence: {} }
    const exchanged = await exchange(pool, message, message.headers.flat(), attempt, backend.timeout_ms)
    outcome = outcomeOf(backend, exchanged, shown.hidden)
    if (shown.shown !== null && exchanged.kind === 'answer' && exchanged.status === 401) attempt.denied?.(shown.shown)
  } catch (error) {
    if (error instanceof SecretUnavailable)
      outcome = { kind: 'not_sent', code: 'secret_unavailable', reason: error.message }
    else if (error instanceof Unsendable) outcome = { kind: 'not_sent', reason: error.message }
  } finally {
    queue.leave(attempt.id, outcome.kind === 'not_sent' && outcome.code === 'permit')
  }
  return outcome
}

/** A source of secrets that hangs must not hang the call. @throws SecretUnavailable when the time for the attempt is over */
export async function inTime<T>(credential: Promise<T>, backend: BackendSpec, attempt: Attempt): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    const tooLate = (): void =>
      reject(new SecretUnavailable(backend.secrets[0] ?? '', `the credential of ${backend.name} did not come in time`))
    timer = setTimeout(tooLate, Math.min(backend.timeout_ms, attempt.notAfter - performance.now()))
  })
  try {
    return await Promise.race([credential, late])
  } finally {
    clearTimeout(timer)
  }
}

/** @throws TypeError when the url is none, or names more than an origin and a path, or is not private and not https */
export function baseOf(backend: BackendSpec): URL {
  const text = backend.config['url']
  const url = typeof text === 'string' ? URL.parse(text) : null
  const bare = url !== null && url.username === '' && url.password === '' && url.search === '' && url.hash === ''
  if (!bare || !/^https?:$/.test(url.protocol)) {
    throw new TypeError(`backend ${backend.name}: url must be an http(s) origin with at most a path`)
  }
  if (url.protocol === 'http:' && !backend.private) {
    throw new TypeError(`backend ${backend.name}: http: needs private: true`)
  }
  return url
}
