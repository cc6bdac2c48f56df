import type { Operation, ResultOf } from '../core/operations.ts'
import { persist } from './attempt.ts'
import { announce } from './house.ts'
import type { House } from './house.ts'

/**
 * The ledger answered after its operation was told that it did not. What it kept stands, and whoever waits is told. A
 * call that it started has nobody who runs it, and nothing of it was sent: it is settled as that, and its key is free.
 */
export function late(house: House, operation: Operation, result: ResultOf<Operation>): void {
  if ('calls' in result) for (const call of result.calls) announce(house, call)
  if (!('call' in result)) return
  const call = announce(house, result.call)
  house.log('the ledger answered too late', { operation: operation.op, call: call.id })
  // It was the telling of what came of the call, and nobody heard it. Where this comes too late, whoever waits for it to be
  // heard is told at last.
  const by = askerOf(operation)
  if (by !== null && call.join === 'telling' && call.telling?.by === by) {
    persist(house, () => house.store.write({ op: 'hand_out', call: call.id, by, went: 'back' })).catch(
      (error: unknown) =>
        house.log('that an answer was not heard is not written down', { call: call.id, error: String(error) }),
    )
  }
  // A further attempt is settled by resolve.ts, which goes on from what the ledger says.
  if (result.kind !== 'started' || operation.op === 'start') return
  const outcome = { kind: 'not_sent', reason: 'the ledger answered too late' } as const
  const settle = { op: 'settle', call: call.id, attempt: call.attempt, outcome, output: null, replay_ms: 0 } as const
  persist(house, () => house.store.write(settle))
    .then((settled) => 'call' in settled && announce(house, settled.call))
    .catch((error: unknown) =>
      house.log('a late call waits for the next start', { call: call.id, error: String(error) }),
    )
}

/** The request to which what came of a call would have been told. */
function askerOf(operation: Operation): string | null {
  if (operation.op === 'admit') return operation.call
  return operation.op === 'join' || operation.op === 'hand_out' ? operation.by : null
}
