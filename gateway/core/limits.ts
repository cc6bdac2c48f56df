import type { JsonObject, LimitState, Want } from './types.ts'
import { bucketOf } from './window.ts'
import type { Working } from './working.ts'

/** Takes what a call wants out of every limit: it counts in every window until the call settles (R13). */
export function reserve(working: Working, wants: readonly Want[]): void {
  for (const want of wants) state(working, want).held += want.amount
}

/** Gives all of it back. */
export function release(working: Working, wants: readonly Want[]): void {
  for (const want of wants) {
    const limit = state(working, want)
    // Less than nothing held is a reservation resolved twice (I19): a bug, and the batch keeps nothing of it.
    if (limit.held < want.amount) throw new Error(`${want.limit} would hold less than nothing`)
    limit.held -= want.amount
  }
}

/** What was held becomes used, in the bucket of the intent's date. A gauge only counts what is held. */
export function spend(working: Working, wants: readonly Want[], at: number): void {
  release(working, wants)
  for (const want of wants) {
    if (want.window.kind === 'gauge') continue
    use(working, want, at)
  }
}

/** Counts at once, without a reservation: refused attempts. */
export function use(working: Working, want: Want, at: number): void {
  const { buckets } = state(working, want)
  const bucket = bucketOf(want.window, at)
  buckets.set(bucket, (buckets.get(bucket) ?? 0) + want.amount)
}

/** A refused call moved no money, but it was a call: rates count it. */
export function settleRefused(working: Working, wants: readonly Want[], at: number): void {
  const { calls, others } = byKind(wants)
  spend(working, calls, at)
  release(working, others)
}

export function byKind(wants: readonly Want[]): { calls: Want[]; others: Want[] } {
  return { calls: wants.filter(({ kind }) => kind === 'rate'), others: wants.filter(({ kind }) => kind !== 'rate') }
}

/** How an entry names the limits that it moves: limit, amount and window (I13). */
export function moved(wants: readonly Want[]): JsonObject[] {
  return wants.map(({ limit, name, amount, unit, per }) => ({ limit, name, amount, unit, window: per }))
}

export function state(working: Working, want: Pick<Want, 'limit'>): LimitState {
  let limit = working.limits.get(want.limit)
  if (limit === undefined) {
    limit = { held: 0, buckets: new Map() }
    working.limits.set(want.limit, limit)
  }
  working.changed.limits.add(want.limit)
  return limit
}

/** Reads only. */
export function peek(working: Working, limit: string): LimitState {
  return working.limits.get(limit) ?? { held: 0, buckets: new Map() }
}
