import type { CallSummary } from '../api/types.ts'

/** Whose yes is missing. One yes counts in every line that it fits: of two lines that ask the same group, the larger. */
export function missingOf(need: CallSummary['need']): string[] {
  const missing = new Map<string, number>()
  for (const { of, count, have } of need)
    if (count > have) missing.set(of, Math.max(count - have, missing.get(of) ?? 0))
  return [...missing].map(([of, count]) => `${count} more of ${of}`)
}
