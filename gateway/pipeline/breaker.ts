import CircuitBreaker from 'opossum'
import type { BackendSpec } from '../core/types.ts'

/** Leaves a backend alone that fails too often, and lets one request find out whether it is back. */
export interface Breaker<Asked extends unknown[], Result> {
  /** Rejects as the request does, or with an error of code EOPENBREAKER where nothing was asked. */
  fire(...asked: Asked): Promise<Result>
  /** Open; or half open while the one request that may look is under way. */
  isLeftAlone(): boolean
  /** What a request came to, said before it settles. null: it tells nothing about the backend. */
  tell(failed: boolean | null): void
  end(): void
}

/** @param opened is told each time that the backend is left alone. */
export function openBreaker<Asked extends unknown[], Result>(
  { of, percent, for_ms }: BackendSpec['breaker'],
  request: (...asked: Asked) => Promise<Result>,
  opened: () => void,
): Breaker<Asked, Result> {
  const circuit = new CircuitBreaker<Asked, Result>(request, {
    timeout: false,
    resetTimeout: for_ms,
    // When to open is said below: opossum's share is of those that began, and a long queue would hide that all fail.
    volumeThreshold: Number.MAX_SAFE_INTEGER,
  })
  /** The last `of` that ended: did they fail? */
  let ended: boolean[] = []
  let failures = 0
  circuit.on('open', opened)
  circuit.on('close', () => {
    ended = []
    failures = 0
  })
  return {
    fire: (...asked) => circuit.fire(...asked),
    isLeftAlone: () => circuit.opened || (circuit.halfOpen && !circuit.pendingClose),
    tell(failed) {
      if (failed === null) {
        // It was to find out whether the backend is back, and nobody knows: opossum would take it for a yes.
        if (circuit.halfOpen) circuit.open()
        return
      }
      ended.push(failed)
      if (failed) failures++
      if (ended.length > of && ended.shift() === true) failures--
      if (ended.length === of && 100 * failures >= percent * of && circuit.closed) circuit.open()
    },
    end: () => circuit.shutdown(),
  }
}
