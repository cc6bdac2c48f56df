import type { Adapter, Attempt, Connection, Exchange, Lender, Secret, SecretSource } from '../../adapters/adapter.ts'
import type { BackendSpec, Json, Outcome, Policy } from '../core/types.ts'
import { openBreaker } from './breaker.ts'
import type { Breaker } from './breaker.ts'
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
  /** What streams, of a route's call. */
  readonly exchange?: Exchange
  /** What a vault makes is written down by it first. */
  readonly note?: Attempt['note']
  /** It goes also where the backend is left alone, and tells nothing about it: a login that must go does not wait. */
  readonly aside?: true
  /** Digest of the policy that decided the call: it is sent by that policy's backend, also when another rules by now. */
  readonly policy?: string
}

/** No call waits longer than this for its turn at a backend; then nothing of it is sent. */
export const QUEUE_MS = 30_000

/** A failure of the backend, for the breaker's eyes; the outcome itself is data. */
class Failed extends Error {
  readonly outcome: Outcome
  constructor(outcome: Outcome) {
    super(outcome.kind)
    this.outcome = outcome
  }
}

/** A backend refused this credential: it is fetched anew. Whether another is there now. */
type Renew = (refused: Secret) => Promise<boolean>

/**
 * The only place where a request leaves for a backend. Deadlines belong to each attempt; opossum admits or refuses and
 * does nothing else. Never rejects.
 */
export function openBackends(
  specs: ReadonlyMap<string, BackendSpec>,
  adapters: ReadonlyMap<string, Adapter>,
  secret: SecretSource,
  renew: Renew = () => Promise.resolve(false),
  lender?: Lender,
): OpenBackends {
  const open = (spec: BackendSpec): Line => openLine(spec, adapters, { secret, renew, lender })
  const lines = generations(specs, open, closeLine)
  return {
    isOpen: (name) => lines.find(name)?.breaker.isLeftAlone() === true,
    change: lines.change,
    async send(name, request, sending) {
      const line = lines.find(name, sending.policy)
      // The policy changed since the call was written down: nothing can be sent there any more.
      if (line === undefined) return { kind: 'not_sent', reason: `there is no backend ${name} any more` }
      const { breaker } = line
      if (sending.aside === true) return line.aside(request, sending)
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
  breaker.end()
  await connection.close?.()
}

function leftAlone(name: string): Outcome {
  const reason = `${name} failed too often and is left alone for a while`
  return { kind: 'not_sent', reason, code: 'backend_unavailable' }
}

interface Line {
  readonly connection: Connection
  readonly breaker: Breaker<[Json, Sending], Outcome>
  readonly aside: (request: Json, sending: Sending) => Promise<Outcome>
}

interface Credentials {
  readonly secret: SecretSource
  readonly renew: Renew
  readonly lender: Lender | undefined
}

function openLine(
  spec: BackendSpec,
  adapters: ReadonlyMap<string, Adapter>,
  { secret, renew, lender }: Credentials,
): Line {
  const adapter = adapters.get(spec.adapter)
  if (adapter === undefined) throw new Error(`no adapter ${spec.adapter}`)
  const connection = adapter.connect(spec, secret, lender)
  /** Requests of which no byte has left yet. */
  const waiting = new Set<AbortController>()
  const send = async (request: Json, sending: Sending): Promise<Outcome> => {
    const end = new AbortController()
    waiting.add(end)
    const denied: Secret[] = []
    const attempt: Attempt = {
      id: sending.call,
      number: sending.attempt,
      notAfter: performance.now() + spec.timeout_ms + QUEUE_MS,
      permit() {
        const stands = sending.permit()
        if (stands) waiting.delete(end)
        return stands
      },
      denied: (shown) => void denied.push(shown),
      stamp: sending.stamp,
      signal: end.signal,
      ...(sending.exchange === undefined ? {} : { exchange: sending.exchange }),
      ...(sending.note === undefined ? {} : { note: sending.note }),
    }
    let outcome = await connection.send(request, attempt)
    const [shown] = denied
    // The same request under the same key once more, with the same look at the permit before its first byte.
    if (shown !== undefined && (await renew(shown)) && mayGoAgain(outcome, sending)) {
      waiting.add(end)
      outcome = await connection.send(request, attempt)
    }
    waiting.delete(end)
    if (outcome.kind === 'not_sent' && end.signal.aborted) throw new Failed(leftAlone(spec.name))
    const failed = isFailure(outcome)
    breaker.tell(failed)
    if (failed === true) throw new Failed(outcome)
    return outcome
  }
  // Else what queues would be sent, and hang, one after the other, long after it was plain that nobody answers.
  const breaker = openBreaker(spec.breaker, send, () => {
    for (const end of waiting) end.abort()
  })
  const aside = (request: Json, { call, attempt, permit, stamp }: Sending): Promise<Outcome> => {
    const notAfter = performance.now() + spec.timeout_ms + QUEUE_MS
    const { signal } = new AbortController()
    return connection.send(request, { id: call, number: attempt, notAfter, permit, stamp, signal })
  }
  return { connection, breaker, aside }
}

/**
 * Whether a request whose credential was refused has certainly done nothing, in this and in any earlier attempt: what is
 * in doubt goes again by R7 alone. A read of our own changes nothing in any case.
 */
function mayGoAgain(outcome: Outcome, { attempt, exchange }: Sending): boolean {
  // A stream is there once.
  if (exchange !== undefined) return false
  return attempt === 0 || (attempt === 1 && (outcome.kind === 'refused' || outcome.kind === 'not_sent'))
}

/** A refusal is the backend's word. null: of a stale permit or a missing secret the backend knows nothing. */
function isFailure(outcome: Outcome): boolean | null {
  if (outcome.kind === 'broken') return outcome.by === 'backend' ? true : null
  if (outcome.kind !== 'not_sent') return outcome.kind === 'unknown'
  return outcome.code === undefined || outcome.code === 'backend_unavailable' ? true : null
}

/** What one attempt at this backend may take, its turn in the queue included. */
export function timeoutOf(policy: Policy, backend: string): number {
  return (policy.backends.get(backend)?.timeout_ms ?? 0) + QUEUE_MS
}
