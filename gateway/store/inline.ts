import type { BatchEvents, Batches } from './thread.ts'
import { TICK_MS } from './run-worker.ts'
import { openSequencer } from './sequencer.ts'
import type { Batched, SequencerParts } from './sequencer.ts'

/**
 * The same batches on this thread: a clock or a random source that is handed in cannot cross to another one. For
 * simulations and tests; a sync then stops the whole process.
 */
export async function startInline(
  parts: SequencerParts,
  events: BatchEvents,
): Promise<{ batches: Batches; opened: Batched }> {
  const sequencer = await openSequencer(parts)
  const opened = await sequencer.tick()
  let last: Promise<unknown> = Promise.resolve()
  const inTurn = <T>(job: () => Promise<T>): Promise<T> => {
    const result = last.then(job)
    last = result.catch(() => {})
    return result
  }
  let ticking = false
  const timer = setInterval(() => {
    // A database that does not answer is asked once, not once for every tick that it missed.
    if (ticking) return
    ticking = true
    inTurn(() => sequencer.tick())
      .then(events.ticked, events.lost)
      .finally(() => (ticking = false))
  }, TICK_MS)
  return {
    opened,
    batches: {
      async run(operations) {
        const batched = await inTurn(() => sequencer.run(operations))
        parts.step('batch.answered')
        return batched
      },
      async close() {
        clearInterval(timer)
        await inTurn(() => sequencer.close())
      },
    },
  }
}
