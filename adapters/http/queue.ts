/**
 * At most `width` requests at a time to one backend; the rest wait in the order they came. What waits costs the backend
 * nothing, and its time (`timeout`) has not begun.
 *
 * A request that is sent back at the head of the queue because its permit grew old while it waited keeps its place for a
 * moment: sent to the end of a long queue it would be too old again each time it came to the head.
 */
export class Queue {
  #free: number
  readonly #kept_ms: number
  readonly #waiting = new Set<() => void>()
  readonly #kept = new Map<string, NodeJS.Timeout>()

  constructor(width: number, kept_ms = 1000) {
    this.#free = width
    this.#kept_ms = kept_ms
  }

  /**
   * Waits for a place. @returns false when `notAfter` (performance.now()) passed or the signal aborted meanwhile; there
   * is then nothing to leave.
   */
  enter(id: string, notAfter: number, signal: AbortSignal): Promise<boolean> {
    if (signal.aborted || performance.now() >= notAfter) return Promise.resolve(false)
    const kept = this.#kept.get(id)
    if (kept) {
      clearTimeout(kept)
      this.#kept.delete(id)
      return Promise.resolve(true)
    }
    if (this.#free > 0) {
      this.#free -= 1
      return Promise.resolve(true)
    }
    return new Promise((resolve) => {
      const end = (entered: boolean): void => {
        this.#waiting.delete(enter)
        clearTimeout(timer)
        signal.removeEventListener('abort', leave)
        resolve(entered)
      }
      const enter = (): void => end(true)
      const leave = (): void => end(false)
      const timer = setTimeout(leave, notAfter - performance.now())
      signal.addEventListener('abort', leave)
      this.#waiting.add(enter)
    })
  }

  /** Gives the place to the next, or keeps it for `id` to come back. */
  leave(id: string, keep: boolean): void {
    if (!keep || this.#kept.has(id)) return this.#next()
    const timer = setTimeout(() => {
      this.#kept.delete(id)
      this.#next()
    }, this.#kept_ms)
    this.#kept.set(id, timer.unref())
  }

  #next(): void {
    const [enter] = this.#waiting
    if (enter) enter()
    else this.#free += 1
  }
}
