import { parseAmounts } from './money.ts'
import { isTimezone, periodOf } from './timezone.ts'
import type { Amounts, Window } from './types.ts'

type Refusal = { readonly ok: false; readonly message: string; readonly hint?: string }

/**
 * Use that still counts at `now`, in the unit of the limit. A rolling bucket counts whole until its last instant has
 * left the window, and a bucket of the future counts too (the clock may have been set back): never too little.
 */
export function usedAt(window: Window, buckets: ReadonlyMap<number, number>, now: number): number {
  if (window.kind === 'gauge') return 0
  const first = firstCounted(window, now)
  let used = 0
  for (const [start, amount] of buckets) if (start >= first) used += amount
  return used
}

/**
 * When something becomes free again, ms since the epoch: the next calendar window, or the instant at which the oldest
 * counted rolling bucket leaves. null where nothing will.
 */
export function resetsAt(window: Window, buckets: ReadonlyMap<number, number>, now: number): number | null {
  if (window.kind === 'gauge') return null
  if (window.kind === 'calendar') return periodOf(window.every, now, window.timezone).end
  const first = firstCounted(window, now)
  let oldest: number | null = null
  for (const [start, amount] of buckets) {
    if (start >= first && amount > 0 && (oldest === null || start < oldest)) oldest = start
  }
  return oldest === null ? null : oldest + bucketWidth(window.length_ms) - 1 + window.length_ms
}

/** Start of the bucket that a use at `at` is written to, ms since the epoch. */
export function bucketOf(window: Window, at: number): number {
  if (window.kind === 'gauge') return 0
  if (window.kind === 'calendar') return periodOf(window.every, at, window.timezone).start
  const width = bucketWidth(window.length_ms)
  return Math.floor(at / width) * width
}

/** Buckets that start before this count no more, now or later, and can be deleted. */
export function staleBefore(window: Window, now: number): number {
  return window.kind === 'gauge' ? 0 : firstCounted(window, now)
}

/** 95 whole buckets and the one that is being left: at most 96 count at any instant (R13). */
function bucketWidth(length_ms: number): number {
  return Math.ceil(length_ms / 95)
}

/** A bucket counts while its last instant, start + width − 1, is later than now − length. */
function firstCounted(window: Exclude<Window, { kind: 'gauge' }>, now: number): number {
  if (window.kind === 'calendar') return periodOf(window.every, now, window.timezone).start
  return now - window.length_ms - bucketWidth(window.length_ms) + 2
}

const UNIT_MS: { readonly [unit: string]: number } = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const HOUR_MS = 3_600_000
const DAY_MS = 86_400_000

/** `4h`, `30m`, `10s`, `7d`, `250ms` → ms; null for anything else (one number, one unit, no fractions). */
export function parseDuration(text: string): number | null {
  const match = /^(0|[1-9][0-9]{0,8})(ms|s|m|h|d)$/.exec(text)
  if (match === null) return null
  const length = Number(match[1]) * (UNIT_MS[match[2] ?? ''] ?? Number.NaN)
  return Number.isSafeInteger(length) ? length : null
}

/** `day`, `week`, `month` in the time zone, or `rolling 24h` (1h…90d). `per` is the text. */
export function parseWindow(
  text: string,
  timezone: string,
): { readonly ok: true; readonly window: Window; readonly per: string } | Refusal {
  if (text === 'day' || text === 'week' || text === 'month') {
    if (!isTimezone(timezone)) {
      return { ok: false, message: `"${timezone}" is not a time zone`, hint: 'write a name such as America/New_York' }
    }
    return { ok: true, window: { kind: 'calendar', every: text, timezone }, per: text }
  }
  const message = `"${text}" is not a window`
  if (!text.startsWith('rolling ')) {
    const length = parseDuration(text.replace(/^rolling\s*/, '')) ?? (text === 'hour' ? HOUR_MS : null)
    const hint =
      length === null || length < HOUR_MS
        ? 'write day, week, month, or rolling 24h'
        : `write rolling ${inHours(length)}`
    return { ok: false, message, hint }
  }
  const length_ms = parseDuration(text.slice('rolling '.length))
  if (length_ms === null) return { ok: false, message, hint: 'write rolling 24h, or rolling 30d' }
  if (length_ms < HOUR_MS || length_ms > 90 * DAY_MS) {
    return { ok: false, message, hint: 'a rolling window is 1h to 90d long' }
  }
  return { ok: true, window: { kind: 'rolling', length_ms }, per: text }
}

/** `500.00 USD or 450.00 EUR per rolling 30d`, `50 rows per rolling 1h`. */
export function parseLimit(
  text: string,
  timezone: string,
): { readonly ok: true; readonly max: Amounts; readonly window: Window; readonly per: string } | Refusal {
  const at = text.indexOf(' per ')
  if (at < 0) {
    return {
      ok: false,
      message: `"${text}" does not say over which time`,
      hint: `write 500.00 USD per day, or per rolling 24h`,
    }
  }
  const amounts = parseAmounts(text.slice(0, at))
  if (!amounts.ok) return amounts
  const window = parseWindow(text.slice(at + ' per '.length), timezone)
  if (!window.ok) return window
  return { ok: true, max: amounts.amounts, window: window.window, per: window.per }
}

/** `20 per hour`: a number of calls per minute, hour or day. A rate always slides. */
export function parseRate(
  text: string,
): { readonly ok: true; readonly max: number; readonly window: Window; readonly per: string } | Refusal {
  const match = /^([1-9][0-9]*) per (minute|hour|day)$/.exec(text)
  const max = Number(match?.[1])
  const per = match?.[2]
  if (per === undefined || !Number.isSafeInteger(max)) {
    return { ok: false, message: `"${text}" is not a rate`, hint: 'write 20 per hour (or per minute, per day)' }
  }
  const length_ms = per === 'minute' ? 60_000 : per === 'hour' ? HOUR_MS : DAY_MS
  return { ok: true, max, window: { kind: 'rolling', length_ms }, per }
}

function inHours(length_ms: number): string {
  return length_ms % HOUR_MS === 0 ? `${length_ms / HOUR_MS}h` : '24h'
}
