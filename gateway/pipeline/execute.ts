import CircuitBreaker from 'opossum'
import type { Adapter, Connection, SecretSource } from '../../adapters/adapter.ts'
import type { BackendSpec, Json, Outcome, Policy } from '../core/types.ts'
import { generations } from './generations.ts'
import type { Generations } from './generations.ts'

/** The backends of the policy: one connection and one breaker each. */
export interface Backends {
  /** An open breaker answers before anything is written down. */
  isOpen(backend: string): boolean
  send(backend: string, request: Json, sending: Sending): Promise<Outcome>
  close(): Promise<void>
}

/** Backends that a new policy may change while calls run. */
export interface OpenBackends extends Backends {
  readonly change: Generations<unknown>['change']
}

export interface Sending {
  /** `call_…` */
  readonly call: string
  /** 0 for the gateway's own reads. */
  readonly attempt: number
  readonly permit: () => boolean
  readonly stamp: { readonly [name: string]: string }
  /** Digest of the policy that decided the call: it is sent by that policy's backend, also when another rules by now. */
  readonly policy?: string
}

/** No call waits longer than this for its turn at a backend; then nothing of it is sent. */
const QUEUE_MS = 30_000

/** A failure of the backend, for the breaker's eyes; the outcome itself is data. */
class Failed extends Error {
  readonly outcome: Outcome
  constructor(outcome: Outcome) {
    super(outcome.kind)
    this.outcome = outcome
  }
}

/**
 * The only place where a request leaves for a backend. Deadlines belong to each attempt; opossum admits or refuses and
 * does nothing else. Never rejects.
 */
export function openBackends(
  specs: ReadonlyMap<string, BackendSpec>,
  adapters: ReadonlyMap<string, Adapter>,
  secret: SecretSource,
): OpenBackends {
  const lines = generations(specs, (spec) => openLine(spec, adapters, secret), closeLine)
  return {
    isOpen: (name) => isLeftAlone(lines.find(name)?.breaker),
    change: lines.change,
    async send(name, request, sending) {
      const line = lines.find(name, sending.policy)
      // The policy changed since the call was written down: nothing can be sent there any more.
      if (line === undefined) return { kind: 'not_sent', reason: `there is no backend ${name} any more` }
      const { breaker } = line
      try {
        return await breaker.fire(request, sending)
      } catch (error) {
        if (error instanceof Failed) return error.outcome
        const refused = error instanceof Error && 'code' in error && error.code === 'EOPENBREAKER'
        return refused ? leftAlone(name) : { kind: 'unknown', reason: 'the adapter failed', evidence: {} }
      }
    },
    close: lines.close,
  }
}

async function closeLine({ breaker, connection }: Line): Promise<void> {
  breaker.shutdown()
  await connection.close?.()
}

function leftAlone(name: string): Outcome {
  const reason = `${name} failed too often and is left alone for a while`
  return { kind: 'not_sent', reason, code: 'backend_unavailable' }
}

/** Open; or half open while the one request that may look is under way. */
function isLeftAlone(breaker: Line['breaker'] | undefined): boolean {
  return breaker !== undefined && (breaker.opened || (breaker.halfOpen && !breaker.pendingClose))
}

interface Line {
  readonly connection: Connection
  readonly breaker: CircuitBreaker<[Json, Sending], Outcome>
}

function openLine(spec: BackendSpec, adapters: ReadonlyMap<string, Adapter>, secret: SecretSource): Line {
  const adapter = adapters.get(spec.adapter)
  if (adapter === undefined) throw new Error(`no adapter ${spec.adapter}`)
  const connection = adapter.connect(spec, secret)
  /** Requests of which no byte has left yet. */
  const waiting = new Set<AbortController>()
  const send = async (request: Json, sending: Sending): Promise<Outcome> => {
    const end = new AbortController()
    waiting.add(end)
    const outcome = await connection.send(request, {
      id: sending.call,
      number: sending.attempt,
      notAfter: performance.now() + spec.timeout_ms + QUEUE_MS,
      permit() {
        const stands = sending.permit()
        if (stands) waiting.delete(end)
        return stands
      },
      stamp: sending.stamp,
      signal: end.signal,
    })
    waiting.delete(end)
    if (outcome.kind === 'not_sent' && end.signal.aborted) throw new Failed(leftAlone(spec.name))
    if (isFailure(outcome)) throw new Failed(outcome)
    return outcome
  }
  const breaker = new CircuitBreaker(send, {
    timeout: false,
    errorThresholdPercentage: spec.breaker.percent,
    volumeThreshold: spec.breaker.of,
    resetTimeout: spec.breaker.for_ms,
  })
  // Of those that have ended: opossum's own share is of those that began, and a long queue would hide that all fail.
  breaker.on('failure', () => {
    const { failures, successes } = breaker.stats
    const ended = failures + successes
    if (ended >= spec.breaker.of && (100 * failures) / ended >= spec.breaker.percent) breaker.open()
  })
  // Else what queues would be sent, and hang, one after the other, long after it was plain that nobody answers.
  breaker.on('open', () => {
    for (const end of waiting) end.abort()
  })
  return { connection, breaker }
}

/** A refusal is the backend's word, and a stale permit or a missing secret is no fault of the backend's. */
function isFailure(outcome: Outcome): boolean {
  if (outcome.kind === 'unknown') return true
  return outcome.kind === 'not_sent' && (outcome.code === undefined || outcome.code === 'backend_unavailable')
}

/** What one attempt at this backend may take, its turn in the queue included. */
export function timeoutOf(policy: Policy, backend: string): number {
  return (policy.backends.get(backend)?.timeout_ms ?? 0) + QUEUE_MS
}
