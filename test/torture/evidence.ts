import { appendFileSync } from 'node:fs'
import { join } from 'node:path'

/** What is counted while it runs; every line is kept as evidence too. */
export interface Evidence {
  readonly dir: string
  readonly counts: { [name: string]: number }
  count(name: string, by?: number): void
  /** One line in DIR/FILE.jsonl, with its time. */
  note(file: 'answers' | 'faults' | 'people', line: object): void
  /** Writes what is still in memory; nothing is noted any more. */
  close(): void
}

export function evidenceIn(dir: string): Evidence {
  const counts: { [name: string]: number } = {}
  const waiting = new Map<string, string[]>()
  const flush = (): void => {
    for (const [file, lines] of waiting) appendFileSync(join(dir, `${file}.jsonl`), lines.join(''))
    waiting.clear()
  }
  process.on('exit', flush)
  const timer = setInterval(flush, 1000).unref()
  return {
    dir,
    counts,
    count(name, by = 1) {
      counts[name] = (counts[name] ?? 0) + by
    },
    note(file, line) {
      const lines = waiting.get(file) ?? []
      lines.push(`${JSON.stringify({ at: Date.now(), ...line })}\n`)
      waiting.set(file, lines)
    },
    close() {
      clearInterval(timer)
      process.off('exit', flush)
      flush()
    },
  }
}
