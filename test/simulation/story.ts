/** What happened, line by line. */
export interface Story {
  tell(line: string): void
  /** Of all lines so far: the same seed has the same. */
  hash(): string
  readonly lines: readonly string[]
}

/** @param isKept the lines themselves, not only their hash. */
export function startStory(seed: number, now: () => number, isKept: boolean): Story {
  const lines: string[] = []
  let [high, low] = [seed | 0, 0x811c9dc5]
  return {
    lines,
    tell(line) {
      const text = `${now()} ${line}`
      for (let at = 0; at < text.length; at++) {
        const code = text.charCodeAt(at)
        low = Math.imul(low ^ code, 0x01000193)
        high = Math.imul(high + code, 0x85ebca6b) ^ (high >>> 13)
      }
      if (isKept) lines.push(`${String(now()).padStart(7)} ${line}`)
    },
    hash: () => [high, low].map((word) => (word >>> 0).toString(16).padStart(8, '0')).join(''),
  }
}
