/** Entries that refused proofs may fill: so many at once, then one more every so often. */
const EACH_SOURCE = { burst: 20, refill_ms: 1_000 }
const ALL_SOURCES = { burst: 100, refill_ms: 200 }
/** Sources remembered; the bucket of all bounds what forgetting one gives. */
const SOURCES_MAX = 1_000

/**
 * Whether a proof that does not hold may have a `session.denied` entry of its own. What anybody can send without any key
 * must not fill the ledger: beyond the bound it is only counted (`requests.refused`, one entry per second, code and
 * source). The answer to the sender is the same, and a subject that is proven is never counted here.
 *
 * @param now ms, monotonic.
 * @returns takes one place for this source address, or says that there is none.
 */
export function unprovenEntries(now: () => number): (source: string) => boolean {
  const all = bucket(ALL_SOURCES, now)
  const sources = new Map<string, () => boolean>()
  return (source) => {
    const own = sources.get(source) ?? bucket(EACH_SOURCE, now)
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

function bucket({ burst, refill_ms }: { readonly burst: number; readonly refill_ms: number }, now: () => number) {
  // When the bucket is full again: one number instead of a level and its time.
  let full_at = -Infinity
  return (): boolean => {
    const begin = Math.max(full_at, now())
    if (begin + refill_ms > now() + burst * refill_ms) return false
    full_at = begin + refill_ms
    return true
  }
}
