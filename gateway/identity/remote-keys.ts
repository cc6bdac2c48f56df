import { createLocalJWKSet, errors } from 'jose'
import type { CompactVerifyGetKey, JSONWebKeySet } from 'jose'

/** All in ms, all monotonic. */
export const KEY_TIMES = {
  /** Keys as old as this are fetched anew beside the token that finds them so. */
  renew_ms: 5 * 60_000,
  /** Keys as old as this are used only where fetching failed just now: a key that was withdrawn is gone by then. */
  life_ms: 10 * 60_000,
  /** How much longer keys verify while their issuer cannot be reached. */
  grace_ms: 60 * 60_000,
  /** A key id that is not among the keys makes us fetch at most this often. */
  unknown_ms: 10_000,
  /** After a failure, how soon to try again. */
  retry_ms: 2_000,
  /** How long a failure counts as "cannot be reached": until then nobody waits to hear it again. */
  outage_ms: 30_000,
} as const

/**
 * Keys that live elsewhere, kept. One fetch at a time, whoever asks; none without a token that needs it.
 *
 * @param fetchKeys throws KeysUnavailable; bounded in size and time.
 * @returns a resolver that throws what fetchKeys threw where no keys that may be used are held, jose's errors otherwise.
 */
export function remoteKeys(fetchKeys: () => Promise<JSONWebKeySet>, now: () => number): CompactVerifyGetKey {
  let held: { readonly resolve: CompactVerifyGetKey; readonly at: number } | null = null
  let failed: { readonly error: unknown; readonly at: number } | null = null
  let fetching: Promise<void> | null = null
  let unknown_at = -Infinity

  const load = async (): Promise<void> => {
    // The moment of asking: what the issuer changes while it answers is not in the answer.
    const at = now()
    try {
      held = { resolve: createLocalJWKSet(await fetchKeys()), at }
      failed = null
    } catch (error) {
      failed = { error, at: now() }
    }
  }
  const fetchOnce = (): Promise<void> => (fetching ??= load().finally(() => (fetching = null)))
  const renew = async (): Promise<void> => {
    if (failed === null || now() - failed.at >= KEY_TIMES.retry_ms) await fetchOnce()
  }
  const heldNow = (): CompactVerifyGetKey => {
    if (held !== null && now() - held.at < KEY_TIMES.life_ms + KEY_TIMES.grace_ms) return held.resolve
    throw failed?.error
  }

  return async (header, token) => {
    const came = now()
    const before = held
    const age = held === null ? Infinity : came - held.at
    const unreachable = failed !== null && came - failed.at < KEY_TIMES.outage_ms
    const dead = age >= KEY_TIMES.life_ms + KEY_TIMES.grace_ms
    if (dead || (age >= KEY_TIMES.life_ms && !unreachable)) await renew()
    else if (age >= KEY_TIMES.renew_ms) void renew()
    try {
      return await heldNow()(header, token)
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error
      // Keys that came since the token did know best. Else the issuer may have a new key; but strangers invent ids too.
      if (held !== before) throw error
      if (fetching === null && came - unknown_at < KEY_TIMES.unknown_ms) throw failed?.error ?? error
      if (fetching === null) unknown_at = came
      await fetchOnce()
      if (failed !== null) throw failed.error
      return heldNow()(header, token)
    }
  }
}
