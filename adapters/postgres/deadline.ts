/** The time for the attempt is over, or it was stopped. */
export class Late extends Error {
  override readonly name = 'Late'
}

/** One attempt's time. What is waited for is waited for in it. */
export class Deadline {
  readonly #over: Promise<never>
  readonly #end: () => void
  readonly #at: number
  #late: Late | null = null

  /** @param ms from now on */
  constructor(ms: number, signal: AbortSignal) {
    const { promise, reject } = Promise.withResolvers<never>()
    promise.catch(() => {})
    this.#over = promise
    this.#at = performance.now() + ms
    const end = (reason: string): void => {
      this.#late ??= new Late(reason)
      reject(this.#late)
    }
    const stop = (): void => end('the attempt was stopped')
    const timer = setTimeout(() => end('the backend did not answer in time'), ms)
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop)
    this.#end = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', stop)
    }
  }

  get left_ms(): number {
    return this.#at - performance.now()
  }

  /** Begins the step and waits for it. @throws Late, also before it has begun; then it does not begin */
  async wait<T>(step: () => Promise<T>): Promise<T> {
    if (this.#late !== null) throw this.#late
    const result = step()
    // when the time is over nobody looks at it any more
    result.catch(() => {})
    return Promise.race([result, this.#over])
  }

  /** Stops the clock; nothing is late afterwards. */
  end(): void {
    this.#end()
  }
}
