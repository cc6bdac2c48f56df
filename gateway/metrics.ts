import { AsyncLocalStorage } from 'node:async_hooks'
import { Registry } from 'prom-client'
import type { Operation, ResultOf } from './core/operations.ts'
import type { Call } from './core/types.ts'
import { arrivals, eventOf } from './metrics/arrivals.ts'
import { reading } from './metrics/gauges.ts'
import { instruments, ofProcess } from './metrics/instruments.ts'
import type { Instruments } from './metrics/instruments.ts'
import type { Backends } from './pipeline/execute.ts'
import type { Gateway, Reply } from './pipeline/gateway.ts'
import type { House } from './pipeline/house.ts'
import { Shed } from './pipeline/places.ts'
import { statusOf } from './pipeline/reply.ts'
import { StoreUnavailable } from './store/store.ts'
import type { Store } from './store/store.ts'
import type { State } from './store/sequencer.ts'

/**
 * What is counted, and how it stands. Each part is watched from outside, by a wrapper that only listens; the corridor
 * knows nothing of it. Labels are names of the policy and closed lists of ours: no id, no address, no text of an agent's
 * or a backend's, so their number does not grow with use.
 */
export interface Metrics {
  store<S extends Store>(store: S): S
  backends(backends: Backends): Backends
  gateway(gateway: Gateway): Gateway
  /** A committed batch, or a tick without operations. */
  batch(operations: number, state: State): void
  /** There is an anchor, and this old is what it lacks, s. */
  anchor(age_s: () => number): void
  /** The Prometheus text format; gauges are read now. */
  readonly type: string
  text(): Promise<string>
  /** From now on gauges can be read. */
  open(house: House, version: string): Promise<void>
}

/** @param monotonic ms */
export function openMetrics(monotonic: () => number): Metrics {
  const registry = new Registry()
  const made = instruments(registry)
  /** Calls that are held: an operation on one of them ends the hold where its call comes back in another state. */
  const held = new Set<string>()
  /** What the backends take of the call whose asynchronous context this is. */
  const spans = new AsyncLocalStorage<Span>()
  let covered = { at: monotonic(), all: true }
  let gauges: (() => Promise<void>) | null = null
  let anchor_s = (): number => 0
  let waiting = 0

  return {
    store: (store) => ({
      ...store,
      write: async <O extends Operation>(operation: O): Promise<ResultOf<O>> => {
        const began = monotonic()
        made.waiting.set(++waiting)
        try {
          const result = await store.write(operation)
          for (const call of arrivals(operation, result, held)) count(made, held, call, operation)
          const kind = eventOf(operation, result)
          if (operation.op === 'notice.settle' && 'notice' in result && result.notice !== null) {
            const { channel, state } = result.notice
            made.notices.inc({ channel, outcome: state === 'waiting' ? 'failed' : state })
          }
          if (kind !== null) made.events.inc({ kind }, 'ended' in result ? result.ended : 1)
          return result
        } catch (error) {
          made.failures.inc({ reason: error instanceof StoreUnavailable ? error.reason : 'fault' })
          throw error
        } finally {
          made.waiting.set(--waiting)
          made.writes.observe((monotonic() - began) / 1000)
        }
      },
    }),
    backends: (backends) => ({
      ...backends,
      async send(backend, request, sending) {
        const began = monotonic()
        const span = spans.getStore()
        if (span !== undefined) enter(span, began)
        const outcome = await backends.send(backend, request, sending)
        const ended = monotonic()
        if (span !== undefined) leave(span, ended)
        const kind = sending.attempt === 0 ? 'read' : 'attempt'
        made.requests.inc({ backend, kind, outcome: outcome.kind })
        made.backend.observe({ backend, kind }, (ended - began) / 1000)
        return outcome
      },
    }),
    gateway: (gateway) => ({
      ...gateway,
      async call(session, request) {
        const began = monotonic()
        const span: Span = { active: 0, since: 0, busy_ms: 0 }
        const reply = await spans
          .run(span, () => gateway.call(session, request))
          .catch((error: unknown) => {
            if (error instanceof Shed) made.shed.inc({ backend: error.backend })
            throw error
          })
        // A held call that was waited for took as long as people took.
        if (isTimed(reply) && request.wait_held !== true) {
          const all_ms = monotonic() - began
          const { status } = reply.envelope
          made.calls_seconds.observe({ status }, all_ms / 1000)
          made.overhead.observe({ status }, Math.max(0, all_ms - span.busy_ms) / 1000)
        }
        return reply
      },
      refused(code, source) {
        made.refused.inc({ code })
        gateway.refused(code, source)
      },
    }),
    batch(operations, { size, signed }) {
      if (operations > 0) made.batches.observe(operations)
      made.entries.set(size)
      made.unsigned.set(Math.max(0, size - signed))
      if (signed >= size) covered = { at: monotonic(), all: true }
      else if (covered.all) covered = { at: monotonic(), all: false }
    },
    anchor: (age) => void (anchor_s = age),
    type: 'text/plain; version=0.0.4',
    async text() {
      made.head_age.set(covered.all ? 0 : (monotonic() - covered.at) / 1000)
      made.anchor_age.set(anchor_s())
      await gauges?.()
      return `${await registry.metrics()}\n${await ofProcess().metrics()}`
    },
    async open(house, version) {
      made.build.set({ version }, 1)
      for (const call of await house.store.unfinished()) if (call.state === 'held') held.add(call.id)
      gauges = reading(house, made)
    },
  }
}

/** Of a call's own time; reads of facts may overlap. */
interface Span {
  active: number
  since: number
  busy_ms: number
}

function enter(span: Span, at: number): void {
  if (span.active++ === 0) span.since = at
}

function leave(span: Span, at: number): void {
  if (--span.active === 0) span.busy_ms += at - span.since
}

function isTimed({ replayed, envelope: { status, dry_run } }: Reply): boolean {
  const ended = status === 'done' || status === 'refused' || status === 'denied' || status === 'not_sent'
  return ended && !replayed && dry_run === undefined
}

function count({ calls }: Instruments, held: Set<string>, call: Call, operation: Operation): void {
  if (call.state === 'held') held.add(call.id)
  else held.delete(call.id)
  const dry = operation.op === 'admit' && operation.refuse?.dry_run !== undefined
  const status = dry ? 'dry_run' : statusOf(call.state)
  // Whatever an agent asked for by a name that its role does not have is one label.
  const action = call.code === 'not_granted' ? '(not granted)' : call.action
  calls.inc({ action, role: call.role, status, code: call.code ?? '' })
}
