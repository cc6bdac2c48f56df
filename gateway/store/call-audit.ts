import type { Db } from './db.ts'
import { traceOf } from './audit.ts'
import { wrongWith } from './verify.ts'
import type { CallRow, Progress } from './verify.ts'

export interface CallAudit {
  readonly calls: number
  readonly differing: readonly { readonly call: string; readonly what: string }[]
}

const DIFFERING_MAX = 20
const PAGE = 500

/**
 * The row of every call against its last entry, in memory that does not grow with the ledger: what `verify` shows as well,
 * for a ledger that is too long to be read as a whole now.
 *
 * @param db one snapshot.
 */
export async function auditCallStates(db: Db, progress: Progress = () => {}): Promise<CallAudit> {
  const differing: { call: string; what: string }[] = []
  let calls = 0
  let last = ''
  for (;;) {
    const rows = await db.all<CallRow & { readonly last: string | null }>(
      `SELECT c.id, c.state, c.binds, c.joins, c.data, e.bytes AS last FROM calls c
         LEFT JOIN entries e ON e.idx = (SELECT MAX(idx) FROM entries WHERE call = c.id AND kind LIKE 'call.%')
        WHERE c.id > $1 ORDER BY c.id LIMIT ${PAGE}`,
      [last],
    )
    for (const row of rows) {
      const what = wrongWith(row, row.last === null ? undefined : traceOf(row.last))
      if (what !== null && differing.length < DIFFERING_MAX) differing.push({ call: row.id, what })
    }
    calls += rows.length
    progress(calls)
    last = rows.at(-1)?.id ?? ''
    if (rows.length < PAGE) return { calls, differing }
  }
}
