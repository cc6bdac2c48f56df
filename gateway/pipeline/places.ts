import { Problem } from '../core/problem.ts'

/**
 * How much may wait for each of several things (a backend, or people), so that one that hangs does not fill the house.
 * Each may have a third of what is free: alone it gets a quarter of all, and however many hang, room is left for the
 * others. (Dynamic thresholds: Choudhury and Hahne, IEEE/ACM Transactions on Networking 6, 1998.)
 */
export interface Places {
  /** @returns what gives the place back, once; null where there is none. */
  take(name: string): (() => void) | null
  /** For what cannot be turned away any more: it is written down. It counts, and may exceed the bound. */
  claim(name: string): () => void
  isFull(name: string): boolean
  /** By name; what has none is left out. */
  taken(): ReadonlyMap<string, number>
}

/** Waiting at once, in all (the public contract). */
export const WAITING_MAX = 4096

export function places(most = WAITING_MAX): Places {
  const taken = new Map<string, number>()
  let all = 0

  function claim(name: string): () => void {
    taken.set(name, (taken.get(name) ?? 0) + 1)
    all++
    let given = false
    return () => {
      if (given) return
      given = true
      all--
      const left = (taken.get(name) ?? 1) - 1
      if (left === 0) taken.delete(name)
      else taken.set(name, left)
    }
  }
  const isFull = (name: string): boolean => (taken.get(name) ?? 0) >= Math.ceil((most - all) / 3)
  return { claim, isFull, take: (name) => (isFull(name) ? null : claim(name)), taken: () => taken }
}

/** @throws Problem overloaded when too many wait for this backend; `work` was not begun then. */
export async function inPlace<T>(at: Places, backend: string, work: () => Promise<T>): Promise<T> {
  const leave = at.take(backend)
  if (leave === null) throw new Shed(backend)
  try {
    return await work()
  } finally {
    leave()
  }
}

/** Turned away before anything was written. */
export class Shed extends Problem {
  readonly backend: string
  constructor(backend: string) {
    super('overloaded', `Too many calls wait for ${backend}. Nothing was kept or sent.`, { retry_after: 1 })
    this.backend = backend
  }
}
