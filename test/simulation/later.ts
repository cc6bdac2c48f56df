import type { Database } from './database.ts'
import type { Fault } from './faults.ts'
import { joins } from './joins.ts'
import type { Joins } from './joins.ts'
import { leases } from './leases.ts'
import type { Leases } from './leases.ts'
import { notices } from './notices.ts'
import type { Notices } from './notices.ts'
import type { Stops } from './stops.ts'
import type { Track, Violated } from './track.ts'
import type { World } from './world.ts'

/** What is judged in the later worlds alone; null in the others. */
export interface Later {
  readonly joins: Joins | null
  readonly leases: Leases | null
  readonly notices: Notices | null
  /** Whatever struck may excuse what is late, or twice. */
  struck(fault: Fault): void
  /** A transaction took so long, ms. */
  slow(ms: number): void
  /** States that a fault may strike, beside those of calls. */
  states(): readonly string[]
  /** A login stands, or somebody was told of what is over and not of its end. */
  isWaiting(): boolean
  /** All had its time. @param now_ms wall clock. */
  end(now_ms: number): void
}

export interface LaterParts {
  readonly world: World
  readonly database: Pick<Database, 'rows'>
  readonly now: () => number
  readonly calls: ReadonlyMap<string, Track>
  readonly stops: Stops
  readonly violated: Violated
}

/** What can lose who tells, or the ten seconds that a mark in the ledger counts. */
const CUTS: ReadonlySet<Fault> = new Set([
  'crash',
  'long pause',
  'store broken',
  'database gone',
  'clock forward',
  'clock behind',
  'stop',
])
/** What keeps the end of a login or a notice waiting. */
const KEEPS_WAITING: ReadonlySet<Fault> = new Set([
  ...CUTS,
  'pause',
  'commit failed',
  'commit lost',
  'store slow',
  'store full',
  'slow read',
  'slow line',
  'revoke down',
  'notice fails',
  'notice hangs',
  'notice slow',
  'answer lost',
])
/** A store that is slower than this, ms, may lose a mark too. */
const SLOW_MS = 3000

export function later({ world, database, now, calls, stops, violated }: LaterParts): Later {
  const joined = world === 'joins' ? joins(database, now, violated) : null
  const lent = world === 'leases' ? leases({ calls, stops, now, violated }) : null
  const told = world === 'calls' ? null : notices(database, now, violated)
  return {
    joins: joined,
    leases: lent,
    notices: told,
    struck(fault) {
      if (CUTS.has(fault)) joined?.cut()
      if (KEEPS_WAITING.has(fault)) {
        lent?.cut()
        told?.cut()
      }
      if (fault === 'clock forward') told?.skipped()
      if (fault.startsWith('clock')) lent?.skipped()
    },
    slow: (ms) => void (ms >= SLOW_MS && joined?.cut()),
    states: () => [joined, lent, told].flatMap((one) => one?.states() ?? []),
    isWaiting: () => (lent?.standing() ?? []).length > 0 || told?.isWaiting() === true,
    end(now_ms) {
      lent?.end()
      told?.end(now_ms)
    },
  }
}
