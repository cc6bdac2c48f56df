import type { Operation, ResultOf } from '../core/operations.ts'
import type { Answer, Batched } from './sequencer.ts'
import { StoreUnavailable } from './store.ts'
import type { Batches } from './thread.ts'

export interface WriterOptions {
  /** The state and the sessions that an answered batch leaves, before anybody is told its result. */
  readonly onBatch: (batched: Batched, operations: readonly Operation[]) => void
  /** What became of an operation whose deadline had passed: whoever asked was told no, and it may have to be undone. */
  readonly onLate: (operation: Operation, result: ResultOf<Operation>) => void
  /** ms. Used for deadlines only. */
  readonly monotonic: () => number
  readonly waiting_max?: number
  readonly batch_max?: number
  readonly deadline_ms?: number
}

/** The main thread's side: a bounded queue, and one batch under way. What queued meanwhile goes into the next one. */
export interface Writer {
  write<O extends Operation>(operation: O): Promise<ResultOf<O>>
  /** The batch that is under way is past its deadline: the disk hangs. */
  isOverdue(): boolean
  /** The one who runs the batches is gone; nothing is written any more. */
  fail(error: Error): void
  /** No new operations; resolves when what waits is answered. */
  drain(): Promise<void>
}

interface Waiting {
  readonly operation: Operation
  readonly deadline: number
  readonly resolve: (result: ResultOf<Operation>) => void
  readonly reject: (error: Error) => void
  /** It was told no at its deadline. */
  late: boolean
}

export function writerOn(batches: Batches, options: WriterOptions): Writer {
  const { onBatch, onLate, monotonic, waiting_max = 4096, batch_max = 64, deadline_ms = 5000 } = options
  const queue: Waiting[] = []
  let underway: readonly Waiting[] = []
  let pumping = false
  let refusal: string | null = null
  let timer: NodeJS.Timeout | undefined
  let drained: PromiseWithResolvers<void> | undefined

  function write(operation: Operation): Promise<ResultOf<Operation>> {
    if (refusal !== null) return Promise.reject(new StoreUnavailable(refusal))
    if (queue.length >= waiting_max) {
      return Promise.reject(new StoreUnavailable(`${waiting_max} operations wait already`, 'overloaded'))
    }
    return new Promise((resolve, reject) => {
      queue.push({ operation, deadline: monotonic() + deadline_ms, resolve, reject, late: false })
      watch()
      if (pumping || underway.length > 0) return
      pumping = true
      // A microtask later, so that whatever is asked for in one go is one batch.
      queueMicrotask(pump)
    })
  }

  function pump(): void {
    pumping = false
    if (underway.length > 0) return
    underway = queue.splice(0, batch_max)
    if (underway.length === 0) {
      drained?.resolve()
      return
    }
    batches.run(underway.map(({ operation }) => operation)).then(answered, lost)
  }

  function answered(batched: Batched): void {
    const asked = underway
    underway = []
    onBatch(
      batched,
      asked.map(({ operation }) => operation),
    )
    // The next batch is on its way before anybody looks at this one.
    pump()
    for (const [index, waiting] of asked.entries()) tell(waiting, batched.answers[index])
  }

  function tell(waiting: Waiting, answer: Answer | undefined): void {
    if (answer === undefined) waiting.reject(new Error('the writer gave no answer'))
    else if (answer.ok && waiting.late) onLate(waiting.operation, answer.result)
    else if (answer.ok) waiting.resolve(answer.result)
    else if (answer.reason === 'fold') waiting.reject(new Error(answer.message))
    else waiting.reject(new StoreUnavailable(answer.message, answer.reason))
  }

  function lost(error: Error): void {
    const asked = underway
    underway = []
    refusal ??= `nothing is written any more: ${error.message}`
    for (const { reject } of asked) reject(new StoreUnavailable(error.message, 'in_doubt'))
    for (const { reject } of queue.splice(0)) reject(new StoreUnavailable(error.message))
    drained?.resolve()
  }

  /** R10: a write that hangs has a deadline. One timer, for the operation that waits longest. */
  function watch(): void {
    if (timer !== undefined) return
    const oldest = underway.find(({ late }) => !late) ?? queue[0]
    if (oldest === undefined) return
    timer = setTimeout(expire, Math.max(1, oldest.deadline - monotonic()))
    timer.unref()
  }

  function expire(): void {
    timer = undefined
    const now = monotonic()
    for (const waiting of underway) {
      if (waiting.late || waiting.deadline > now) continue
      waiting.late = true
      waiting.reject(new StoreUnavailable(`the ledger did not answer within ${deadline_ms} ms`, 'deadline'))
    }
    // These never left the queue: nothing was kept, and nothing will be.
    const over = queue.findIndex(({ deadline }) => deadline > now)
    for (const { reject } of queue.splice(0, over < 0 ? queue.length : over)) {
      reject(new StoreUnavailable(`the ledger did not take it within ${deadline_ms} ms`))
    }
    watch()
  }

  return {
    write: write as Writer['write'],
    isOverdue: () => underway.some(({ late }) => late),
    fail: lost,
    async drain() {
      refusal ??= 'the store is closed'
      if (underway.length === 0 && queue.length === 0) return
      drained = Promise.withResolvers()
      await drained.promise
    },
  }
}
