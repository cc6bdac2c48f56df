/** As an entry names what it moves. `window`: `day`, `rolling 1h`, `minute`, `at once`. */
export interface Move {
  readonly limit: string
  readonly name: string
  readonly amount: number
  readonly unit: string
  readonly window: string
}

/** What every limit comes to, added up from the entries alone (I13, I3, I19). */
export interface Budgets {
  reserve(call: string, moves: readonly Move[], at: number, max: (name: string) => number | null): void
  release(call: string, moves: readonly Move[], wasOpen: boolean): void
  spend(call: string, moves: readonly Move[], dated: number, wasOpen: boolean): void
  /** Counted at once, without a reservation. */
  use(moves: readonly Move[], at: number): void
  /** The call is over: nothing of it may still be reserved. */
  over(call: string): void
  holds(call: string): boolean
  /** A policy made these limits new; `uses` as the store begins them. */
  seeded(
    limits: readonly (Omit<Move, 'amount'> & { readonly held: number; readonly used: number })[],
    uses: (limit: string) => readonly { bucket: number; used: number }[],
  ): void
  compare(
    rows: readonly { id: string; held: number }[],
    uses: readonly { limit_id: string; bucket: number; used: number }[],
    now: number,
  ): void
}

interface Limit {
  readonly name: string
  readonly window: string
  held: number
  uses: { at: number; amount: number }[]
  /** Reserved by a seed, for calls that were open then; entries do not say for which. */
  pool: number
}

const DAY_MS = 86_400_000
const LENGTHS: { readonly [window: string]: number } = { 'rolling 1h': 3_600_000, minute: 60_000, hour: 3_600_000 }

export function budgets(violated: (invariant: string, what: string) => void): Budgets {
  const limits = new Map<string, Limit>()
  /** Call → limit → what it has reserved. */
  const reserved = new Map<string, Map<string, number>>()

  function limitOf({ limit, name, window }: Omit<Move, 'amount'>): Limit {
    const known = limits.get(limit) ?? { name, window, held: 0, uses: [], pool: 0 }
    limits.set(limit, known)
    return known
  }

  function give(call: string, move: Move, wasOpen: boolean): void {
    const limit = limitOf(move)
    const mine = reserved.get(call)
    if (mine?.get(move.limit) === move.amount) mine.delete(move.limit)
    else if (wasOpen && limit.pool >= move.amount) limit.pool -= move.amount
    else violated('I19', `${call} gives back ${move.amount} of ${move.name} and holds ${mine?.get(move.limit) ?? 0}`)
    limit.held -= move.amount
    if (limit.held < 0) violated('I19', `${move.name} holds less than nothing`)
  }

  return {
    reserve(call, moves, at, max) {
      for (const move of moves) {
        const limit = limitOf(move)
        const mine = reserved.get(call) ?? new Map<string, number>()
        reserved.set(call, mine)
        if (mine.has(move.limit)) violated('I19', `${call} reserves ${move.name} twice`)
        mine.set(move.limit, move.amount)
        limit.held += move.amount
        const most = max(move.name)
        const used = usedAt(limit, at)
        if (most !== null && used + limit.held > most) {
          violated('I3', `${move.name}: ${used} used and ${limit.held} reserved are more than ${most} (${call})`)
        }
      }
    },
    release(call, moves, wasOpen) {
      for (const move of moves) give(call, move, wasOpen)
    },
    spend(call, moves, dated, wasOpen) {
      for (const move of moves) {
        give(call, move, wasOpen)
        if (move.window !== 'at once') limitOf(move).uses.push({ at: dated, amount: move.amount })
      }
    },
    use(moves, at) {
      for (const move of moves) limitOf(move).uses.push({ at, amount: move.amount })
    },
    over(call) {
      const mine = reserved.get(call)
      if (mine !== undefined && mine.size > 0) violated('I19', `${call} is over and still holds something`)
      reserved.delete(call)
    },
    holds: (call) => (reserved.get(call)?.size ?? 0) > 0,
    seeded(list, uses) {
      for (const one of list) {
        const limit = limitOf(one)
        limit.held += one.held
        limit.pool += one.held
        const begun = uses(one.limit).filter(({ used }) => used > 0)
        const sum = begun.reduce((total, { used }) => total + used, 0)
        // What no window counts any more need not be there.
        if (sum > one.used) violated('I13', `${one.name} begins with ${sum}, and its entry says ${one.used}`)
        limit.uses = begun.map(({ bucket, used }) => ({ at: bucket, amount: used }))
      }
    },
    compare(rows, uses, now) {
      const held = new Map(rows.map((row) => [row.id, row.held]))
      for (const [id, limit] of limits) {
        if ((held.get(id) ?? 0) !== limit.held) {
          violated('I13', `${limit.name} holds ${held.get(id) ?? 0}, and its entries come to ${limit.held}`)
        }
        const kept = new Map(uses.filter((row) => row.limit_id === id).map(({ bucket, used }) => [bucket, used]))
        const sums = new Map<number, number>()
        for (const { at, amount } of limit.uses) {
          const bucket = bucketOf(limit.window, at)
          sums.set(bucket, (sums.get(bucket) ?? 0) + amount)
        }
        for (const [bucket, used] of kept) {
          if (isCounted(limit.window, bucket, now) && used !== (sums.get(bucket) ?? 0)) {
            violated(
              'I13',
              `${limit.name} of ${bucket} has used ${used}, and its entries come to ${sums.get(bucket) ?? 0}`,
            )
          }
        }
        for (const [bucket, sum] of sums) {
          if (isCounted(limit.window, bucket, now) && !kept.has(bucket) && sum > 0) {
            violated('I13', `${limit.name} of ${bucket} has forgotten ${sum}`)
          }
        }
      }
      for (const [id, one] of held) {
        if (one !== 0 && !limits.has(id)) violated('I13', `a limit holds ${one}, and no entry says so`)
      }
    },
  }
}

/** Use that certainly counts: of the same day, or not older than the window. */
function usedAt({ window, uses }: Limit, now: number): number {
  return uses.reduce((sum, { at, amount }) => (isWithin(window, at, now) ? sum + amount : sum), 0)
}

/** @returns whether something of that time certainly counts now, both ms since the epoch. */
export function isWithin(window: string, at: number, now: number): boolean {
  if (window === 'at once') return false
  if (window === 'day') return Math.floor(at / DAY_MS) >= Math.floor(now / DAY_MS)
  return at > now - (LENGTHS[window] ?? 0)
}

/** 95 buckets to a window that slides, one to a day. */
function bucketOf(window: string, at: number): number {
  if (window === 'day') return Math.floor(at / DAY_MS) * DAY_MS
  const width = Math.ceil((LENGTHS[window] ?? 3_600_000) / 95)
  return Math.floor(at / width) * width
}

function isCounted(window: string, bucket: number, now: number): boolean {
  if (window === 'day') return bucket >= Math.floor(now / DAY_MS) * DAY_MS
  return bucket > now - (LENGTHS[window] ?? 3_600_000)
}
