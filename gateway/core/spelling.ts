/**
 * The known name that was probably meant, or null. One slip is forgiven in short names, three in long ones; a swap of
 * two neighbours is one slip.
 */
export function nearest(name: string, known: Iterable<string>): string | null {
  const reach = name.length <= 3 ? 1 : name.length <= 7 ? 2 : 3
  let best: string | null = null
  let least = reach + 1
  for (const candidate of known) {
    const slips = distance(name.toLowerCase(), candidate.toLowerCase(), least)
    if (slips < least) {
      least = slips
      best = candidate
    }
  }
  return best
}

/** Optimal string alignment distance; stops counting at `enough`. */
function distance(a: string, b: string, enough: number): number {
  if (Math.abs(a.length - b.length) >= enough) return enough
  let before: number[] = []
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i]
    for (let j = 1; j <= b.length; j += 1) {
      const same = a[i - 1] === b[j - 1]
      let slips = Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + (same ? 0 : 1))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        slips = Math.min(slips, (before[j - 2] ?? 0) + 1)
      }
      next.push(slips)
    }
    before = row
    row = next
  }
  return row[b.length] ?? enough
}
