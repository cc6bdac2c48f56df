import { Worker } from 'node:worker_threads'
import type { Operation } from '../core/operations.ts'
import type { FromWorker, ToWorker, WorkerData } from './run-worker.ts'
import type { Batched } from './sequencer.ts'

/** Whoever runs batches one after the other: a worker thread, or this very thread in a simulation. */
export interface Batches {
  run(operations: readonly Operation[]): Promise<Batched>
  close(): Promise<void>
}

export interface BatchEvents {
  /** State and alarms without a batch: the clock jumped, a head was signed. */
  ticked(batched: Batched): void
  /** It ended without being asked to. What was under way is in doubt. */
  lost(error: Error): void
}

/**
 * Starts the thread that writes.
 * @returns what runs its batches, and the state it opened with.
 * @throws Error in the thread's own words when the store cannot be opened.
 */
export async function startThread(
  url: URL,
  data: WorkerData,
  events: BatchEvents,
): Promise<{ batches: Batches; opened: Batched }> {
  const worker = new Worker(url, { workerData: data, name: 'ledger' })
  const opening = Promise.withResolvers<Batched>()
  const closed = Promise.withResolvers<void>()
  let running: PromiseWithResolvers<Batched> | undefined
  let closing = false

  worker.on('message', (text: string) => {
    const message = JSON.parse(text) as FromWorker
    if (message.did === 'open') opening.resolve(message.batched)
    else if (message.did === 'fail') opening.reject(Object.assign(new Error(message.message), { name: message.name }))
    else if (message.did === 'tick') events.ticked(message.batched)
    else if (message.did === 'run') running?.resolve(message.batched)
  })
  worker.on('error', (error) => end(error instanceof Error ? error : new Error(String(error))))
  worker.on('exit', (code) => {
    closed.resolve()
    end(new Error(`the thread that writes ended with ${code}`))
  })

  function end(error: Error): void {
    opening.reject(error)
    running?.reject(error)
    if (!closing) events.lost(error)
    closing = true
  }

  // Text crosses cheaper than a tree of objects, which would be cloned member by member.
  const post = (message: ToWorker) => worker.postMessage(JSON.stringify(message), [])
  const opened = await opening.promise.catch(async (error: unknown) => {
    closing = true
    await closed.promise
    throw error
  })
  return {
    opened,
    batches: {
      run(operations) {
        running = Promise.withResolvers()
        post({ do: 'run', operations })
        return running.promise
      },
      async close() {
        closing = true
        post({ do: 'close' })
        await closed.promise
      },
    },
  }
}
