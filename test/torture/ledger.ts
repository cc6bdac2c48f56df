import type { Call, JsonObject } from '../../gateway/core/types.ts'
import { auditLimits } from '../../gateway/store/limit-audit.ts'
import { openReader } from '../../gateway/store/open-reader.ts'
import { verifyStore } from '../../gateway/store/verify.ts'
import type { Report } from '../../gateway/store/verify.ts'

/** What the ledger says at the end, read from the store itself once nobody writes any more. */
export interface Ledger {
  readonly report: Report
  /** Limits that are not what `doctor` makes of the entries. */
  readonly differing: readonly string[]
  /** Oldest first. */
  readonly entries: readonly JsonObject[]
  readonly calls: readonly Kept[]
  /** held, and used over all buckets that are kept. */
  readonly limits: ReadonlyMap<string, { readonly held: number; readonly used: number }>
}

/** A call with what its agent had asked for. */
export interface Kept {
  readonly call: Call
  readonly input: { readonly ref: string; readonly pot: string; readonly amount: number } | null
}

/** Rows of the store, whichever database keeps them. */
export type Rows = <Row>(sql: string) => Promise<readonly Row[]>

/** @param store as `verify` takes it. @param rows of the same store, however many they are. */
export async function readLedger(store: string, rows: Rows): Promise<Ledger> {
  const report = await verifyStore(store)
  const reader = openReader(store)
  const { differing } = await reader.snapshot((db) => auditLimits(db)).finally(() => reader.close())
  const entries = await rows<{ bytes: string }>('SELECT bytes FROM entries ORDER BY idx')
  const calls = await rows<{ data: string; input: string | null }>(
    'SELECT calls.data AS data, bodies.input AS input FROM calls LEFT JOIN bodies ON bodies.call = calls.id ORDER BY calls.id',
  )
  const limits = await rows<{ id: string; held: number | string; used: number | string | null }>(
    `SELECT id, held, (SELECT SUM(used) FROM limit_uses WHERE limit_id = limits.id) AS used FROM limits`,
  )
  return {
    report,
    differing: differing.map(({ limit, name, what }) => `the limit ${limit} (${name}): ${what}`),
    entries: entries.map(({ bytes }) => JSON.parse(bytes) as JsonObject),
    calls: calls.map(({ data, input }) => ({
      call: JSON.parse(data) as Call,
      input: input === null ? null : (JSON.parse(input) as Kept['input']),
    })),
    limits: new Map(limits.map(({ id, held, used }) => [id, { held: Number(held), used: Number(used ?? 0) }])),
  }
}
