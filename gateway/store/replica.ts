import type { Signer } from '../core/checkpoint-note.ts'
import { fold, touches } from '../core/fold.ts'
import type { Operation, ResultOf } from '../core/operations.ts'
import type { Folding } from './batch.ts'
import type { Clock } from './clock.ts'
import { StoreFault } from './db.ts'
import type { Driver, Reader } from './db.ts'
import { startInline } from './inline.ts'
import { newOwner } from './open.ts'
import { randomSource } from './random.ts'
import { readingFrom } from './reading.ts'
import type { Batched, State } from './sequencer.ts'
import { StoreUnavailable } from './store.ts'
import type { OpenStore } from './store.ts'
import type { BatchEvents } from './thread.ts'
import { writerOn } from './writer.ts'
import type { Writer } from './writer.ts'

export interface ReplicaOptions {
  /** Writes; its transactions have one order over all processes. */
  readonly driver: Driver
  /** Reads what is committed. */
  readonly reader: Reader
  /** See SequencerParts. `given`: nobody waits for it any more. */
  readonly reopen: (given: () => boolean) => Promise<Reader>
  /** Calls that any process changed, as far as it is heard of. @returns what ends it. */
  readonly listen?: (told: (calls: readonly string[]) => void) => () => Promise<void>
  /** Every process signs with the same key. */
  readonly signer: Signer
  readonly origin?: string
  readonly strictClock: boolean
  readonly onLate: (operation: Operation, result: ResultOf<Operation>) => void
  readonly onBatch?: (operations: number, state: State) => void
  readonly log?: (line: string) => void
  readonly deadline_ms?: number
  readonly clock?: Clock
  readonly random?: (bytes: number) => Uint8Array
  readonly folding?: Folding
  readonly step?: (name: string) => void
}

/**
 * Opens a store that other processes serve from too. Batches run on this thread, since they wait for the database and
 * not for a disk. Nothing is remembered between a read and the next: another process may have written.
 *
 * @throws Error for the operator when the database is not there, not durable, or not ours; nothing is held then.
 */
export async function openReplica(options: ReplicaOptions): Promise<OpenStore> {
  const { driver, reader, strictClock, signer, log = () => {}, onLate, random = randomSource() } = options
  const clock = options.clock ?? { wall: Date.now, monotonic: () => performance.now() }
  const owner = newOwner(clock.wall(), random)
  let state: State | undefined
  let writer: Writer | undefined
  let lost: string | null = null
  let closing: Promise<void> | undefined

  const seen = (batched: Batched): void => {
    for (const line of batched.alarms) log(line)
    state = batched.state
    options.onBatch?.(batched.answers.length, batched.state)
  }
  const events: BatchEvents = {
    ticked: seen,
    lost(error) {
      lost = `the writer is gone: ${error.message}`
      log(lost)
      writer?.fail(error)
    },
  }

  const { batches, opened } = await startInline(
    {
      driver,
      reopen: () => options.reopen(() => closing !== undefined),
      owner,
      folding: options.folding ?? { fold, touches },
      clock,
      random,
      signer,
      origin: options.origin ?? signer.name,
      strictClock,
      step: options.step ?? (() => {}),
    },
    events,
  ).catch(async (error: unknown) => {
    await reader.close()
    throw error
  })
  seen(opened)
  const { deadline_ms } = options
  writer = writerOn(batches, {
    onBatch: seen,
    onLate,
    monotonic: clock.monotonic,
    ...(deadline_ms === undefined ? {} : { deadline_ms }),
  })
  const reading = answering(await readingFrom(reader))
  let told: (calls: readonly string[]) => void = () => {}
  const unlisten = options.listen?.((calls) => told(calls))

  const current = (): State => state as State
  const now = (): number => {
    const { at, looked } = current()
    return Math.max(at, Math.floor(looked.now + clock.monotonic() - looked.monotonic))
  }
  return {
    ...reading,
    owner,
    shared: driver.shared,
    write: writer.write,
    abandoned: () => reading.abandoned({ owner, now: now(), shared: driver.shared }),
    isClosed: () => reading.isClosed(now()),
    now,
    lastAt: () => current().at,
    onChanged: (listener) => void (told = listener),
    ready() {
      const { broken, stopped, unreachable, behind_ms } = current()
      const reason =
        (closing === undefined ? null : 'the store is closed') ??
        lost ??
        broken ??
        stopped ??
        (unreachable === null ? null : `the database cannot be reached: ${unreachable}`) ??
        (behind_ms === null ? null : `the clock is ${behind_ms} ms behind the ledger`) ??
        (writer.isOverdue() ? 'the ledger does not answer' : null)
      return reason === null ? { ok: true } : { ok: false, reason }
    },
    head: async () => ({ size: current().size, root: current().root }),
    close() {
      closing ??= (async () => {
        await writer.drain()
        await unlisten?.()
        await batches.close()
        await reader.close()
      })()
      return closing
    },
  }
}

/** A database that cannot be asked is a store that is not available: nothing that was asked may go on. */
function answering<T extends object>(reading: T): T {
  const calls = Object.entries(reading).map(([name, read]) => {
    if (typeof read === 'object' && read !== null) return [name, answering(read)]
    const ask = read as (...given: unknown[]) => unknown
    return [
      name,
      (...given: unknown[]) => {
        const answer = ask(...given)
        return answer instanceof Promise ? answer.catch(unavailable) : answer
      },
    ]
  })
  return Object.fromEntries(calls) as T
}

function unavailable(error: unknown): never {
  if (error instanceof StoreFault) throw new StoreUnavailable(`the database cannot be read: ${error.message}`)
  throw error
}
