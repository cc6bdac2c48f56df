import { leaseOver } from '../core/lease.ts'
import type { LeaseRow } from '../core/lease.ts'
import type { SessionRow } from '../core/operations.ts'
import { insert, select } from './db.ts'
import type { Db } from './db.ts'

/** Everything of a lease stands in `data`; the columns beside it are what leases are found by. Never a password. */
interface Row {
  readonly data: string
}

/** Of these calls, those that have one. */
export async function leasesByCalls(db: Db, calls: readonly string[]): Promise<LeaseRow[]> {
  return (await select<Row>(db, 'SELECT data FROM leases WHERE call IN', [...new Set(calls)])).map(parse)
}

/** Logins that somebody may have now, oldest first; 10,000 at most. */
export async function standingLeases(db: Db): Promise<LeaseRow[]> {
  return (await db.all<Row>(`SELECT data FROM leases WHERE standing = 1 ORDER BY call LIMIT 10000`)).map(parse)
}

/** Of those, the ones that must be gone by `now`, ms: their time is over, or no session of their lineage lives. */
export async function dueLeases(db: Db, now: number): Promise<LeaseRow[]> {
  const standing = await standingLeases(db)
  const sessions = await sessionsOf(
    db,
    standing.map(({ lineage }) => lineage),
  )
  return standing.filter((lease) => leaseOver(lease, sessions.get(lease.lineage) ?? [], now) !== null)
}

/** All sessions of the lineages of these calls' leases. */
export async function sessionsOfLeases(db: Db, calls: readonly string[]): Promise<SessionRow[]> {
  const leases = await leasesByCalls(db, calls)
  const sessions = await sessionsOf(
    db,
    leases.map(({ lineage }) => lineage),
  )
  return [...sessions.values()].flat()
}

export async function writeLeases(db: Db, leases: readonly LeaseRow[]): Promise<void> {
  await insert(
    db,
    'INSERT INTO leases (call, standing, data) VALUES',
    leases.map((lease) => {
      const standing = lease.issued_at !== null && lease.ended_at === null
      return [lease.call, standing ? 1 : null, JSON.stringify(lease)]
    }),
    'ON CONFLICT (call) DO UPDATE SET standing = excluded.standing, data = excluded.data',
  )
}

async function sessionsOf(db: Db, lineages: readonly string[]): Promise<Map<string, SessionRow[]>> {
  const rows = await select<Row>(db, 'SELECT data FROM sessions WHERE lineage IN', [...new Set(lineages)])
  return Map.groupBy(
    rows.map(({ data }) => JSON.parse(data) as SessionRow),
    ({ lineage }) => lineage,
  )
}

function parse({ data }: Row): LeaseRow {
  return JSON.parse(data) as LeaseRow
}
