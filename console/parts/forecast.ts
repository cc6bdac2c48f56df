import type { LimitView } from '../api/types.ts'

const HOUR_MS = 3_600_000
/** The shortest that a window of this name is; of the others nothing is foretold. */
const WINDOWS_MS: { readonly [per: string]: number } = {
  hour: HOUR_MS,
  day: 24 * HOUR_MS,
  week: 7 * 24 * HOUR_MS,
  month: 28 * 24 * HOUR_MS,
}
/** A minute of a day tells nothing of the day. */
const SEEN_MIN = 0.02

/**
 * When a limit is used up, should it go on as since its window began; null where it lasts, or where nobody can tell (a
 * rolling window, or one that has just begun).
 *
 * @param now ms.
 */
export function usedUpAt({ used, held, max, per, resets_at }: LimitView, now: number): number | null {
  const window_ms = WINDOWS_MS[per]
  if (window_ms === undefined || resets_at === null) return null
  const end = Date.parse(resets_at)
  const passed_ms = now - (end - window_ms)
  const spent = used + held
  if (spent <= 0 || spent >= max || passed_ms < window_ms * SEEN_MIN) return null
  const at = now + ((max - spent) / spent) * passed_ms
  return at < end ? at : null
}
