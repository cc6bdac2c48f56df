import { Problem } from '../core/problem.ts'

export interface Slots {
  /**
   * Does the work in a slot of its own, which is free when the work ends, not when the client leaves: who hangs up does
   * not get another place.
   *
   * @throws Problem overloaded, before anything is looked at, when all are taken.
   */
  hold<Result>(work: () => Promise<Result>): Promise<Result>
}

/** Bounds how many requests wait at once, over all doors of a listener. */
export function slots(most = 4096): Slots {
  let taken = 0
  return {
    async hold(work) {
      if (taken >= most)
        throw new Problem('overloaded', 'Too many calls are waiting; nothing was looked at.', { retry_after: 1 })
      taken++
      try {
        return await work()
      } finally {
        taken--
      }
    },
  }
}
