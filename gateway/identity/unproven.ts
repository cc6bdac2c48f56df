import { allowance } from './allowance.ts'

/** Entries that refused proofs may fill. */
const EACH_SOURCE = { burst: 20, refill_ms: 1_000 }
const ALL_SOURCES = { burst: 100, refill_ms: 200 }

/**
 * Whether a proof that does not hold may have a `session.denied` entry of its own. What anybody can send without any key
 * must not fill the ledger: beyond the bound it is only counted (`requests.refused`, one entry per second, code and
 * source). The answer to the sender is the same, and a subject that is proven is never counted here.
 *
 * @param now ms, monotonic.
 * @returns takes one place for this source address, or says that there is none.
 */
export function unprovenEntries(now: () => number): (source: string) => boolean {
  return allowance(EACH_SOURCE, ALL_SOURCES, now)
}
