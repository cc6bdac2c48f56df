import type { BackendSpec, Policy } from '../core/types.ts'

/** What a new policy makes of the backends: opened, and not used yet. */
export interface Change {
  /** Names that are new or say something else. */
  readonly changed: readonly BackendSpec[]
  /** From now on the new ones are used. What only calls of the policy before still need is closed once these have ended. */
  commit(drained: Promise<unknown>): void
  discard(): Promise<void>
}

export interface Generations<Line> {
  /**
   * The line of the policy that decided, while calls of it run: a call must not be sent to, or looked up at, another
   * system than it was decided about. Else today's; else the last that there was, for who is still on the way.
   */
  find(name: string, policy?: string): Line | undefined
  /** @throws as `open` does; then nothing has changed. */
  change(from: string, to: Pick<Policy, 'digest' | 'backends'>): Change
  close(): Promise<void>
}

interface Generation<Line> {
  readonly policy: string
  readonly lines: ReadonlyMap<string, Line>
}

type Specs = ReadonlyMap<string, BackendSpec>

/** Lines to backends over changes of the policy: one per spec, kept as long as its spec does not change. */
export function generations<Line>(
  first: Specs,
  open: (spec: BackendSpec) => Line,
  close: (line: Line) => Promise<void>,
): Generations<Line> {
  const opened = new Map<string, Line>()
  /** Today's, those whose calls still run, and one that is being made. */
  const alive = new Set<Generation<Line>>()

  const make = (policy: string, specs: Specs): { made: Generation<Line>; changed: BackendSpec[] } => {
    const known = [...specs.values()].map((spec) => ({
      spec,
      text: JSON.stringify(spec),
      line: opened.get(JSON.stringify(spec)),
    }))
    const fresh: [string, Line][] = []
    const lines = new Map<string, Line>()
    try {
      for (const { spec, text, line } of known) {
        const one = line ?? open(spec)
        if (line === undefined) fresh.push([text, one])
        lines.set(spec.name, one)
      }
    } catch (error) {
      for (const [, line] of fresh) void close(line)
      throw error
    }
    for (const [text, line] of fresh) opened.set(text, line)
    const made = { policy, lines }
    alive.add(made)
    return { made, changed: known.filter(({ line }) => line === undefined).map(({ spec }) => spec) }
  }
  const end = async (generation: Generation<Line>): Promise<void> => {
    alive.delete(generation)
    const needed = new Set([...alive].flatMap(({ lines }) => [...lines.values()]))
    const over = [...opened].filter(([, line]) => !needed.has(line))
    for (const [text] of over) opened.delete(text)
    await Promise.all(over.map(([, line]) => close(line)))
  }

  let now = make('', first).made
  return {
    find(name, policy) {
      const older = [...alive].filter((generation) => generation !== now).toReversed()
      const deciding = policy === now.policy ? now : older.find((generation) => generation.policy === policy)
      return (
        deciding?.lines.get(name) ?? now.lines.get(name) ?? older.find(({ lines }) => lines.has(name))?.lines.get(name)
      )
    },
    change(from, to) {
      const { made, changed } = make(to.digest, to.backends)
      return {
        changed,
        commit(drained) {
          const before = { policy: from, lines: now.lines }
          alive.delete(now)
          alive.add(before)
          now = made
          void drained.catch(() => {}).then(() => end(before))
        },
        discard: () => end(made),
      }
    },
    async close() {
      const lines = [...opened.values()]
      opened.clear()
      await Promise.all(lines.map(close))
    },
  }
}
