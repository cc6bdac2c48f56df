import type { Operation, ResultOf, Switches } from '../core/operations.ts'
import type { Bodies, Call, LimitState } from '../core/types.ts'
import type { Answer, Batched } from './sequencer.ts'

/**
 * What reads on the request's thread are answered from without asking the database: what stands in the answers that the
 * writer gave. There is one writer. What a batch may change is forgotten when it begins, so that a read meanwhile asks
 * the database, and finds it committed though nobody was told yet: a permit that is renewed must see the freeze, and of
 * two reads the second is never the older one. Only limits are kept through a batch: what is shown of them, and refused
 * early for them, is as of the last answer, and the transaction that decides asks for itself.
 */
export interface Memory {
  /** Each batch, before the writer has it. */
  begin(operations: readonly Operation[]): void
  /** Each answered batch, before its answers are given. */
  update(operations: readonly Operation[], batched: Batched): void
  /** The writer is gone, or does not know what it left: from now on everything is read. */
  forget(): void
  /** Grows with every batch; ask before a read. */
  generation(): number
  call(id: string): Call | undefined
  /** Of calls that have their output: what its answer is made of. */
  bodies(call: string): Bodies | undefined
  limit(id: string): LimitState | undefined
  keepLimit(id: string, state: LimitState, generation: number): void
  switches(): Switches | undefined
}

/** Calls that were just written: what asks for one asks soon after. */
const CALLS_MAX = 2048
const LIMITS_MAX = 20_000
const ENDS_OTHERS: ReadonlySet<Operation['op']> = new Set(['session.end', 'expire'])

export function memory(calls_max = CALLS_MAX, limits_max = LIMITS_MAX): Memory {
  const calls = new Map<string, Call>()
  const bodies = new Map<string, Bodies>()
  /** The bodies of calls whose end is under way: it only adds the output. */
  const settling = new Map<string, Bodies>()
  const limits = new Map<string, LimitState>()
  let switches: Switches | undefined
  /** A switch is being set: until that is answered, only the database knows how they stand. */
  let switching = false
  let batches = 0

  function answered(operation: Operation, answer: Answer | undefined): void {
    if (answer?.ok !== true) return
    const { result } = answer
    if ('calls' in result) for (const call of result.calls) remember(calls, call.id, call, calls_max)
    if ('call' in result) remember(calls, result.call.id, result.call, calls_max)
    keepBodies(operation, result)
  }

  function keepBodies(operation: Operation, result: ResultOf<Operation>): void {
    if (!('kind' in result)) return
    if (operation.op === 'admit' && result.kind === 'started') {
      remember(bodies, operation.call, operation.bodies, calls_max)
    }
    if (operation.op !== 'settle') return
    const before = settling.get(operation.call)
    settling.delete(operation.call)
    const { output } = operation
    if (result.kind !== 'settled' || result.call.state !== 'done' || before === undefined || output === null) return
    remember(bodies, operation.call, { ...before, output }, calls_max)
  }

  function forgetWhatMayChange(operation: Operation): void {
    if (operation.op === 'switch') switching = true
    if (ENDS_OTHERS.has(operation.op)) return forgetCalls()
    if (!('call' in operation)) return
    const known = bodies.get(operation.call)
    if (operation.op === 'settle' && known !== undefined) settling.set(operation.call, known)
    else settling.delete(operation.call)
    calls.delete(operation.call)
    bodies.delete(operation.call)
  }

  function forget(): void {
    batches++
    forgetCalls()
    limits.clear()
    switches = undefined
  }

  function forgetCalls(): void {
    calls.clear()
    bodies.clear()
    settling.clear()
  }

  return {
    begin(operations) {
      for (const operation of operations) forgetWhatMayChange(operation)
    },
    update(operations, batched) {
      batches++
      // What became of a commit cannot be told: nothing here is known to be true any more.
      if (batched.answers.some((answer) => !answer.ok && answer.reason === 'in_doubt')) return forget()
      for (const [index, operation] of operations.entries()) answered(operation, batched.answers[index])
      for (const [id, held, buckets] of batched.limits) {
        remember(limits, id, { held, buckets: new Map(buckets) }, limits_max)
      }
      // These change calls that no result names.
      if (operations.some(({ op }) => ENDS_OTHERS.has(op))) forgetCalls()
      // A tick is no answer to what is under way.
      if (operations.length > 0) switching = false
      switches = batched.switches
    },
    forget,
    generation: () => batches,
    call: (id) => calls.get(id),
    bodies(call) {
      const known = bodies.get(call)
      return known?.output == null ? undefined : known
    },
    limit: (id) => limits.get(id),
    keepLimit(id, state, generation) {
      if (generation === batches) remember(limits, id, state, limits_max)
    },
    switches: () => (switching ? undefined : switches),
  }
}

/** The one that was written longest ago is forgotten first. */
function remember<Value>(map: Map<string, Value>, key: string, value: Value, max: number): void {
  map.delete(key)
  map.set(key, value)
  if (map.size <= max) return
  const oldest = map.keys().next().value
  if (oldest !== undefined) map.delete(oldest)
}
