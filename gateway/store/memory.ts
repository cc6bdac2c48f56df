import type { Operation, Switches } from '../core/operations.ts'
import type { LimitState } from '../core/types.ts'
import type { Batched } from './sequencer.ts'

/**
 * Limits and switches as the writer's answers left them: what every call reads on the request's thread, without asking
 * the database. There is one writer. Switches are forgotten when a batch that sets one begins, so that a read meanwhile
 * finds it committed though nobody was told yet, and of two reads the second is never the older one. Limits are kept:
 * what is shown of them, and refused early for them, is as of the last answer, and the transaction that decides asks for
 * itself.
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
  limit(id: string): LimitState | undefined
  keepLimit(id: string, state: LimitState, generation: number): void
  switches(): Switches | undefined
}

const LIMITS_MAX = 20_000

export function memory(limits_max = LIMITS_MAX): Memory {
  const limits = new Map<string, LimitState>()
  let switches: Switches | undefined
  /** A switch is being set: until that is answered, only the database knows how they stand. */
  let switching = false
  let batches = 0

  /** The one that was written longest ago is forgotten first. */
  function remember(id: string, state: LimitState): void {
    limits.delete(id)
    limits.set(id, state)
    if (limits.size <= limits_max) return
    const oldest = limits.keys().next().value
    if (oldest !== undefined) limits.delete(oldest)
  }

  function forget(): void {
    batches++
    limits.clear()
    switches = undefined
  }

  return {
    begin(operations) {
      if (operations.some(({ op }) => op === 'switch')) switching = true
    },
    update(operations, batched) {
      batches++
      // What became of a commit cannot be told: nothing here is known to be true any more.
      if (batched.answers.some((answer) => !answer.ok && answer.reason === 'in_doubt')) return forget()
      for (const [id, held, buckets] of batched.limits) remember(id, { held, buckets: new Map(buckets) })
      // A tick is no answer to what is under way.
      if (operations.length > 0) switching = false
      switches = batched.switches
    },
    forget,
    generation: () => batches,
    limit: (id) => limits.get(id),
    keepLimit(id, state, generation) {
      if (generation === batches) remember(id, state)
    },
    switches: () => (switching ? undefined : switches),
  }
}
