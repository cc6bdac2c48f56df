import type { LimitState, Want, Window } from '../core/types.ts'
import { staleBefore } from '../core/window.ts'
import { insert, select, together } from './db.ts'
import type { Db } from './db.ts'

/** A limit as a batch left it: id, what is held, its buckets. Plain data: it crosses a thread. */
export type LimitNow = readonly [id: string, held: number, buckets: readonly (readonly [number, number])[]]

/** Limits as they were when the batch began; what changed is the difference to it. */
export interface LoadedLimits {
  readonly states: Map<string, LimitState>
  readonly before: ReadonlyMap<string, LimitState>
  /** Buckets that no window counts any more, by limit. */
  readonly stale: ReadonlyMap<string, readonly number[]>
}

/**
 * Every limit of the list, at zero where it has no row yet. Ids are sorted: on a database that locks rows, two batches
 * that take the same ones in another order would wait for each other. `now` null: buckets that are over are read too.
 */
export async function loadLimits(db: Db, list: readonly string[], now: number | null): Promise<LoadedLimits> {
  const ids = [...new Set(list)].sort()
  const states = new Map<string, LimitState>(ids.map((id) => [id, { held: 0, buckets: new Map() }]))
  const edges = new Map<string, number>()
  const [limits, uses] = await together([
    select<LimitRow>(db, 'SELECT id, held, definition FROM limits WHERE id IN', ids),
    select<UseRow>(db, 'SELECT limit_id, bucket, used FROM limit_uses WHERE limit_id IN', ids),
  ])
  for (const { id, held, definition } of limits) {
    const limit = states.get(id)
    if (limit !== undefined) limit.held = held
    if (definition !== null && now !== null) edges.set(id, staleBefore(JSON.parse(definition) as Window, now))
  }
  const stale = new Map<string, number[]>()
  for (const { limit_id, bucket, used } of uses) {
    if (bucket < (edges.get(limit_id) ?? -Infinity)) stale.set(limit_id, [...(stale.get(limit_id) ?? []), bucket])
    else states.get(limit_id)?.buckets.set(bucket, used)
  }
  const before = new Map([...states].map(([id, { held, buckets }]) => [id, { held, buckets: new Map(buckets) }]))
  return { states, before, stale }
}

/** Limits as they are, for a reader: nothing is pruned, and what has no row is at zero. */
export async function readLimits(db: Db, ids: readonly string[]): Promise<Map<string, LimitState>> {
  return (await loadLimits(db, ids, null)).states
}

/**
 * Writes the changed limits back: one statement for what is held, one for the buckets that moved, one for those that no
 * window counts any more. The row of a limit appears with its first use, and says what window it has.
 */
export async function writeLimits(
  db: Db,
  loaded: LoadedLimits,
  changed: ReadonlySet<string>,
  wants: ReadonlyMap<string, Want>,
): Promise<void> {
  const ids = [...changed].sort()
  const rows: [string, number, string | null][] = []
  const uses: [string, number, number][] = []
  const gone: [string, number][] = []
  for (const id of ids) {
    const before = loaded.before.get(id)
    const after = loaded.states.get(id)
    // Written back from nothing, its use would be forgotten: a bug of `touches`, and nothing of the batch is kept.
    if (before === undefined || after === undefined) throw new Error(`the limit ${id} was changed and not loaded`)
    const window = wants.get(id)?.window
    rows.push([id, after.held, window === undefined ? null : JSON.stringify(window)])
    for (const [bucket, used] of after.buckets) {
      if (before.buckets.get(bucket) !== used) uses.push([id, bucket, used])
    }
    for (const bucket of before.buckets.keys()) if (!after.buckets.has(bucket)) gone.push([id, bucket])
    for (const bucket of loaded.stale.get(id) ?? []) gone.push([id, bucket])
  }
  await insert(
    db,
    'INSERT INTO limits (id, held, definition) VALUES',
    rows,
    `ON CONFLICT (id) DO UPDATE SET held = excluded.held, definition = COALESCE(excluded.definition, limits.definition)`,
  )
  await insert(
    db,
    'INSERT INTO limit_uses (limit_id, bucket, used) VALUES',
    uses,
    'ON CONFLICT (limit_id, bucket) DO UPDATE SET used = excluded.used',
  )
  for (const [id, buckets] of Map.groupBy(gone, ([id]) => id)) {
    for (const [, bucket] of buckets) {
      await db.run('DELETE FROM limit_uses WHERE limit_id = $1 AND bucket = $2', [id, bucket])
    }
  }
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
