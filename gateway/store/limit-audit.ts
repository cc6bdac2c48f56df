import type { Window } from '../core/types.ts'
import { bucketOf, staleBefore } from '../core/window.ts'
import { select } from './db.ts'
import type { Db } from './db.ts'
import { readHead } from './ledger.ts'
import type { Progress } from './verify.ts'

/** A limit whose tables say something else than the entries that moved it (I13). Amounts are in its unit, minor ones of a currency. */
export interface Differing {
  readonly limit: string
  /** As entries name it; '' where none does. */
  readonly name: string
  readonly what: string
}

export interface LimitAudit {
  /** Limits that were compared. */
  readonly limits: number
  readonly differing: readonly Differing[]
}

/** More of them say nothing new. */
const DIFFERING_MAX = 20
const PAGE = 1000
/** No window is longer: 90 days rolling with its bucket, or a month of a calendar. What is dated before cannot count. */
const COUNTS_MS = 92 * 86_400_000

/** What the row of a limit says of its window; null where it says nothing, `none` where there is no row. */
type Known = Window | null | 'none'

/** What the entries make of one limit. */
interface Folded {
  readonly name: string
  held: number
  /** Bucket → amount; of windows that still count. */
  readonly uses: Map<number, number>
  /** A policy that made it new said what earlier calls took in all, and not when: at most so much more, until then. */
  seeded: { used: number; at: number }
}

/**
 * Every limit again, from the entries alone, against the tables that decide. It knows nothing of the fold that keeps them:
 * it adds up what the entries say that they move. Memory grows with the limits, not with the ledger.
 *
 * @param db one snapshot.
 */
export async function auditLimits(db: Db, progress: Progress = () => {}): Promise<LimitAudit> {
  const { at: now } = await readHead(db)
  const windows = new Map<string, Known>()
  const folded = await foldEntries(db, now, windows, progress)
  const differing: Differing[] = []
  let limits = 0
  let last = ''
  for (;;) {
    const rows = await db.all<LimitRow>(
      `SELECT id, held, definition FROM limits WHERE id > $1 ORDER BY id LIMIT ${PAGE}`,
      [last],
    )
    const uses = await usesOf(
      db,
      rows.map(({ id }) => id),
    )
    for (const { id, held, definition } of rows) {
      const what = wrongWith(held, uses.get(id) ?? [], windowIn(definition), folded.get(id), now)
      if (what !== null) differing.push({ limit: id, name: folded.get(id)?.name ?? '', what })
      folded.delete(id)
    }
    limits += rows.length
    last = rows.at(-1)?.id ?? ''
    if (rows.length < PAGE) break
  }
  // A limit keeps its row for ever: one that is gone would begin anew.
  for (const [limit, window] of windows) {
    if (window !== 'none') continue
    differing.push({ limit, name: folded.get(limit)?.name ?? '', what: 'entries move it, and it has no row' })
  }
  return { limits, differing: differing.slice(0, DIFFERING_MAX) }
}

async function foldEntries(
  db: Db,
  now: number,
  windows: Map<string, Known>,
  progress: Progress,
): Promise<Map<string, Folded>> {
  const folded = new Map<string, Folded>()
  let last = -1
  let count = 0
  for (;;) {
    const rows = await db.all<EntryRow>(
      `SELECT idx, kind, bytes FROM entries WHERE idx > $1 ORDER BY idx LIMIT ${PAGE}`,
      [last],
    )
    const moving = rows.flatMap(({ kind, bytes }) => (MOVING.has(kind) ? [JSON.parse(bytes) as Moving] : []))
    await learnWindows(db, moving, windows)
    for (const entry of moving) apply(folded, entry, windows, now)
    // What holds and counts nothing any more is as good as never seen.
    for (const entry of moving) for (const { limit } of movesIn(entry)) forgetIdle(folded, limit)
    count += rows.length
    progress(count)
    last = rows.at(-1)?.idx ?? last
    if (rows.length < PAGE) return folded
  }
}

/** `reserve` holds, `release` gives back, `spend` makes use of what was held. */
function apply(folded: Map<string, Folded>, entry: Moving, windows: ReadonlyMap<string, Known>, now: number): void {
  const { kind, reserve = [], release = [], spend = [], seeded = [] } = entry
  const use = ({ limit, name, amount }: Move, date: string): void => {
    const at = Date.parse(date)
    const window = windows.get(limit)
    if (window === undefined || window === null || window === 'none') return
    if (window.kind === 'gauge' || at < now - COUNTS_MS) return
    const bucket = bucketOf(window, at)
    if (bucket < staleBefore(window, now)) return
    const { uses } = stateOf(folded, limit, name)
    uses.set(bucket, (uses.get(bucket) ?? 0) + amount)
  }
  for (const { limit, name, held, used } of seeded) {
    const state = stateOf(folded, limit, name)
    state.held += held
    // It begins anew: what it counted under a policy of long ago was not the whole of its window.
    state.uses.clear()
    state.seeded = { used, at: Date.parse(entry.at) }
  }
  for (const { limit, name, amount } of reserve) stateOf(folded, limit, name).held += amount
  for (const { limit, name, amount } of release) stateOf(folded, limit, name).held -= amount
  for (const move of spend) {
    // A refused call is charged as an attempt at once; all else was held before.
    if (kind !== 'call.denied') stateOf(folded, move.limit, move.name).held -= move.amount
    use(move, kind === 'call.denied' ? entry.at : (entry.dated ?? entry.at))
  }
}

/** @returns what differs, in words, or null. */
function wrongWith(
  held: number,
  rows: readonly UseRow[],
  window: Window | null,
  folded: Folded | undefined,
  now: number,
): string | null {
  const wrong: string[] = []
  const expected = folded?.held ?? 0
  if (held !== expected) wrong.push(`held is ${held}, and the entries say ${expected}`)
  if (window === null || window.kind === 'gauge') return wrong.length > 0 ? wrong.join('; ') : null
  const edge = staleBefore(window, now)
  const uses = new Map(folded?.uses)
  const seeded = folded?.seeded ?? { used: 0, at: 0 }
  let more = seeded.used
  for (const { bucket, used } of rows) {
    if (bucket < edge) continue
    const said = uses.get(bucket) ?? 0
    uses.delete(bucket)
    const extra = used - said
    if (extra > 0 && extra <= more && bucket <= seeded.at) more -= extra
    else if (extra !== 0) wrong.push(`used since ${time(bucket)} is ${used}, and the entries say ${said}`)
  }
  for (const [bucket, said] of uses) {
    if (said !== 0) wrong.push(`used since ${time(bucket)} is 0, and the entries say ${said}`)
  }
  return wrong.length > 0 ? wrong.join('; ') : null
}

function stateOf(folded: Map<string, Folded>, limit: string, name: string): Folded {
  let state = folded.get(limit)
  if (state === undefined) {
    state = { name, held: 0, uses: new Map(), seeded: { used: 0, at: 0 } }
    folded.set(limit, state)
  }
  return state
}

function forgetIdle(folded: Map<string, Folded>, limit: string): void {
  const state = folded.get(limit)
  if (state?.held === 0 && state.uses.size === 0 && state.seeded.used === 0) folded.delete(limit)
}

/** An entry says how long a window is, its row also in which time zone. */
async function learnWindows(db: Db, moving: readonly Moving[], windows: Map<string, Known>): Promise<void> {
  const ids = new Set(moving.flatMap(movesIn).map(({ limit }) => limit))
  const unknown = [...ids].filter((id) => !windows.has(id))
  const rows = await select<LimitRow>(db, 'SELECT id, held, definition FROM limits WHERE id IN', unknown)
  for (const id of unknown) windows.set(id, 'none')
  for (const { id, definition } of rows) windows.set(id, windowIn(definition))
}

async function usesOf(db: Db, ids: readonly string[]): Promise<Map<string, UseRow[]>> {
  const rows = await select<UseRow>(db, 'SELECT limit_id, bucket, used FROM limit_uses WHERE limit_id IN', ids)
  return Map.groupBy(rows, ({ limit_id }) => limit_id)
}

function windowIn(definition: string | null): Window | null {
  return definition === null ? null : (JSON.parse(definition) as Window)
}

function movesIn({ reserve = [], release = [], spend = [], seeded = [] }: Moving): { limit: string }[] {
  return [...reserve, ...release, ...spend, ...seeded]
}

function time(at: number): string {
  return new Date(at).toISOString()
}

const MOVING = new Set([
  'call.started',
  'call.held',
  'call.approved',
  'call.denied',
  'call.settled',
  'call.reconciled',
  'call.not_sent',
  'call.cancelled',
  'call.expired',
  'call.rejected',
  'policy.loaded',
])

interface Move {
  readonly limit: string
  readonly name: string
  readonly amount: number
}
interface Moving {
  readonly at: string
  readonly kind: string
  /** Of what is spent. */
  readonly dated?: string
  readonly reserve?: readonly Move[]
  readonly release?: readonly Move[]
  readonly spend?: readonly Move[]
  readonly seeded?: readonly {
    readonly limit: string
    readonly name: string
    readonly held: number
    readonly used: number
  }[]
}
interface LimitRow {
  readonly id: string
  readonly held: number
  readonly definition: string | null
}
interface UseRow {
  readonly limit_id: string
  readonly bucket: number
  readonly used: number
}
interface EntryRow {
  readonly idx: number
  readonly kind: string
  readonly bytes: string
}
