/** More than this is no drift: somebody set the clock, or the machine slept (R14). */
const JUMP_MS = 5000

/** Where `now` comes from. Both in ms; `monotonic` on the scale of the main thread's performance.now(). */
export interface Clock {
  /** Integer, since the epoch. */
  wall(): number
  monotonic(): number
}

export interface Reading {
  /** The batch's time: the wall clock, never below the last committed `at`. */
  readonly now: number
  readonly monotonic: number
  /** How far the wall ran ahead of the monotonic clock since the last reading; null when it did not. */
  readonly jumped_ms: number | null
  /** How far the wall is behind the last committed `at`, when that is more than 5 s; null otherwise. */
  readonly behind_ms: number | null
}

/** The database's clock, and the monotonic time before it was asked. */
export interface Told {
  readonly wall: number
  readonly asked: number
}

/**
 * Reads both clocks at once and remembers them, so that slow drift never adds up to a jump and a jump is seen once. A
 * jump backwards is no entry: `now` stands still until the wall has caught up, so no window resets and no token revives.
 */
export function clockReader(clock: Clock): (lastAt: number, told?: Told) => Reading {
  let anchor: { wall: number; monotonic: number } | null = null
  return (lastAt, told) => {
    const wall = told?.wall ?? clock.wall()
    const monotonic = clock.monotonic()
    const gap = anchor === null ? 0 : wall - anchor.wall - (monotonic - anchor.monotonic)
    // A wall clock that another told was read between its question and now: what is uncertain never makes a jump.
    anchor = { wall, monotonic: told?.asked ?? monotonic }
    return {
      now: Math.max(wall, lastAt),
      monotonic,
      jumped_ms: gap > JUMP_MS ? Math.round(gap) : null,
      behind_ms: behindBy(wall, lastAt),
    }
  }
}

/** See Reading.behind_ms. */
export function behindBy(wall: number, lastAt: number): number | null {
  return lastAt - wall > JUMP_MS ? lastAt - wall : null
}
