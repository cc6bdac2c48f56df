export type Period = 'day' | 'week' | 'month'

/**
 * The local day, week (from Monday) or month that holds the instant `at`, as [start, end) in ms. A day begins with its
 * first instant, which is 01:00 where the clocks skip midnight. Throws RangeError for a zone that Intl does not know.
 */
export function periodOf(
  every: Period,
  at: number,
  timezone: string,
): { readonly start: number; readonly end: number } {
  const { year, month, day } = dateAt(at, timezone)
  if (every === 'month') {
    return {
      start: startOfDate(Date.UTC(year, month - 1, 1), timezone),
      end: startOfDate(Date.UTC(year, month, 1), timezone),
    }
  }
  const date = Date.UTC(year, month - 1, day)
  if (every === 'day') return { start: startOfDate(date, timezone), end: startOfDate(date + DAY_MS, timezone) }
  const sinceMonday = (new Date(date).getUTCDay() + 6) % 7
  const monday = date - sinceMonday * DAY_MS
  return { start: startOfDate(monday, timezone), end: startOfDate(monday + 7 * DAY_MS, timezone) }
}

export function isTimezone(text: string): boolean {
  try {
    formatterOf(text)
    return true
  } catch {
    return false
  }
}

const DAY_MS = 86_400_000

/** Start of each local date that was asked for, by `zone date`: the answer never changes, the search is not free. */
const starts = new Map<string, number>()
/** The last local day seen in each zone: most questions are about today. */
const today = new Map<string, { start: number; end: number; year: number; month: number; day: number }>()
const formatters = new Map<string, Intl.DateTimeFormat>()
const REMEMBERED = 4096

function dateAt(at: number, timezone: string): { year: number; month: number; day: number } {
  const known = today.get(timezone)
  if (known !== undefined && known.start <= at && at < known.end) return known
  const { year, month, day } = fieldsAt(at, timezone)
  const date = Date.UTC(year, month - 1, day)
  const seen = { start: startOfDate(date, timezone), end: startOfDate(date + DAY_MS, timezone), year, month, day }
  remember(today, timezone, seen)
  return seen
}

/**
 * The first instant of a local date, found by halving: offsets lie within 26 h of UTC midnight, and whatever the clocks
 * do at a change, the date itself does not run backwards.
 */
function startOfDate(date: number, timezone: string): number {
  const key = `${timezone} ${date}`
  const known = starts.get(key)
  if (known !== undefined) return known
  let before = date - 26 * 3_600_000
  let from = date + 26 * 3_600_000
  while (from - before > 1) {
    const middle = Math.floor((before + from) / 2)
    const { year, month, day } = fieldsAt(middle, timezone)
    if (Date.UTC(year, month - 1, day) >= date) from = middle
    else before = middle
  }
  remember(starts, key, from)
  return from
}

/** `month` is 1–12. */
function fieldsAt(at: number, timezone: string): { year: number; month: number; day: number } {
  const fields = { year: 0, month: 0, day: 0 }
  for (const part of formatterOf(timezone).formatToParts(at)) {
    if (part.type in fields) fields[part.type as keyof typeof fields] = Number(part.value)
  }
  return fields
}

function formatterOf(timezone: string): Intl.DateTimeFormat {
  const known = formatters.get(timezone)
  if (known !== undefined) return known
  const formatter = new Intl.DateTimeFormat('en-US', {
    timeZone: timezone,
    calendar: 'gregory',
    numberingSystem: 'latn',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
  })
  remember(formatters, timezone, formatter)
  return formatter
}

/** Bounded, because zones come from policies and dates go on for ever. */
function remember<Value>(cache: Map<string, Value>, key: string, value: Value): void {
  if (cache.size >= REMEMBERED) cache.clear()
  cache.set(key, value)
}
