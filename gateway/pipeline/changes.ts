import type { Call } from '../core/types.ts'

/** Who waits for a call to change. */
export interface Changes {
  tell(call: Call): void
  /** @returns the first told state that is `enough`, or null when the time is over. */
  wait(id: string, ms: number, enough: (call: Call) => boolean): Promise<Call | null>
}

export function changes(): Changes {
  const waiting = new Map<string, Set<(call: Call) => void>>()
  return {
    tell(call) {
      for (const hear of waiting.get(call.id) ?? []) hear(call)
    },
    wait(id, ms, enough) {
      return new Promise((resolve) => {
        const hearers = waiting.get(id) ?? new Set()
        waiting.set(id, hearers)
        const end = (call: Call | null): void => {
          clearTimeout(timer)
          hearers.delete(hear)
          if (hearers.size === 0) waiting.delete(id)
          resolve(call)
        }
        const hear = (call: Call): void => {
          if (enough(call)) end(call)
        }
        const timer = setTimeout(() => end(null), ms)
        hearers.add(hear)
      })
    },
  }
}
