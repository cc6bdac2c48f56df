import type { Call } from '../core/types.ts'

/** Who waits for a call to change. */
export interface Changes {
  /** @param output the answer that was kept, JSON, where who tells has it at hand. */
  tell(call: Call, output?: string | null): void
  /** @returns the first told state that is `enough`, or null when the time is over. */
  wait(id: string, ms: number, enough: (call: Call) => boolean): Promise<Told | null>
  /** The calls that somebody waits for. */
  waiting(): string[]
}

export interface Told {
  readonly call: Call
  readonly output: string | null
}

export function changes(): Changes {
  const waiting = new Map<string, Set<(told: Told) => void>>()
  return {
    waiting: () => [...waiting.keys()],
    tell(call, output = null) {
      for (const hear of waiting.get(call.id) ?? []) hear({ call, output })
    },
    wait(id, ms, enough) {
      return new Promise((resolve) => {
        const hearers = waiting.get(id) ?? new Set()
        waiting.set(id, hearers)
        const end = (told: Told | null): void => {
          clearTimeout(timer)
          hearers.delete(hear)
          if (hearers.size === 0) waiting.delete(id)
          resolve(told)
        }
        const hear = (told: Told): void => {
          if (enough(told.call)) end(told)
        }
        const timer = setTimeout(() => end(null), ms)
        hearers.add(hear)
      })
    },
  }
}
