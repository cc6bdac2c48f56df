/** So many at once, then one more every so often. */
export interface Allowance {
  readonly burst: number
  readonly refill_ms: number
}

/** Sources remembered; the bucket of all bounds what forgetting one gives. */
const SOURCES_MAX = 1_000

/**
 * What strangers may have of something that is ours, each source and all together.
 *
 * @param now ms, monotonic.
 * @returns takes one for this source, or says that there is none.
 */
export function allowance(each: Allowance, whole: Allowance, now: () => number): (source: string) => boolean {
  const all = bucket(whole, now)
  const sources = new Map<string, () => boolean>()
  return (source) => {
    const own = sources.get(source) ?? bucket(each, now)
    // The newest last: who is forgotten is who was silent for longest.
    sources.delete(source)
    sources.set(source, own)
    for (const oldest of sources.keys()) {
      if (sources.size <= SOURCES_MAX) break
      sources.delete(oldest)
    }
    return own() && all()
  }
}

function bucket({ burst, refill_ms }: Allowance, now: () => number) {
  // When the bucket is full again: one number instead of a level and its time.
  let full_at = -Infinity
  return (): boolean => {
    const begin = Math.max(full_at, now())
    if (begin + refill_ms > now() + burst * refill_ms) return false
    full_at = begin + refill_ms
    return true
  }
}
