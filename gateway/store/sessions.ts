import type { SessionRow } from '../core/operations.ts'
import { ITS_SESSION, OPEN } from './calls.ts'
import { insert, select } from './db.ts'
import type { Db, Param } from './db.ts'

/** Everything of a session stands in `data`; the columns beside it are what sessions are found by. */
interface Row {
  readonly data: string
}

/** Ends of one batch. */
const DUE_MAX = 500

/** Tokens are looked up by their SHA-256, never compared one by one. */
export async function sessionByTokenHash(db: Db, tokenHash: string): Promise<SessionRow | null> {
  const [row] = await db.all<Row>('SELECT data FROM sessions WHERE token_hash = $1', [tokenHash])
  return row === undefined ? null : parse(row)
}

export async function sessionsByIds(db: Db, ids: readonly string[]): Promise<SessionRow[]> {
  return (await select<Row>(db, 'SELECT data FROM sessions WHERE id IN', [...new Set(ids)])).map(parse)
}

/** Each of these sessions, and the one that renews it. */
export async function renewalsOf(db: Db, ids: readonly string[]): Promise<SessionRow[]> {
  const found: Row[] = []
  for (const id of new Set(ids)) {
    const text = 'SELECT data FROM sessions WHERE id = $1 OR id = (SELECT renewed_by FROM sessions WHERE id = $1)'
    found.push(...(await db.all<Row>(text, [id])))
  }
  return found.map(parse)
}

/**
 * Of the lineage of each of these sessions: those that have not ended, those with calls that may still act, and the one
 * that could be renewed.
 */
export async function sessionsOfLineages(db: Db, ids: readonly string[]): Promise<SessionRow[]> {
  const found: Row[] = []
  for (const id of new Set(ids)) {
    const lineage = '(SELECT lineage FROM sessions WHERE id = $1)'
    const open = `SELECT ${ITS_SESSION} FROM calls WHERE ${OPEN}`
    const last = `renewed_by IS NULL AND (id = lineage
                   OR id IN (SELECT renewed_by FROM sessions WHERE lineage = ${lineage}))`
    const text = `SELECT data FROM sessions WHERE lineage = ${lineage}
                   AND (ended_at IS NULL OR id IN (${open}) OR (${last}))`
    found.push(...(await db.all<Row>(text, [id])))
  }
  return found.map(parse)
}

/** Sessions that have not ended and whose time is over at `now`, the longest over first, 500 at most. */
export async function dueSessions(db: Db, now: number): Promise<SessionRow[]> {
  const text = `SELECT data FROM sessions WHERE ended_at IS NULL AND expires_at <= $1 ORDER BY expires_at LIMIT ${DUE_MAX}`
  return (await db.all<Row>(text, [now])).map(parse)
}

/** Is there one? */
export async function sessionIsDue(db: Db, now: number): Promise<boolean> {
  const text = 'SELECT id FROM sessions WHERE ended_at IS NULL AND expires_at <= $1 LIMIT 1'
  return (await db.all(text, [now])).length > 0
}

export interface SessionFilter {
  /** Neither ended nor expired at this time, ms. */
  readonly live_at?: number
  readonly role?: string
  /** The workload, or the person whom it acts for. */
  readonly person?: string
  /** The id of the last one seen. */
  readonly before?: string
  readonly limit?: number
}

/** Newest first, by keyset. At most `limit`, 100 when it is not said. */
export async function filterSessions(db: Db, filter: SessionFilter): Promise<SessionRow[]> {
  const params: Param[] = []
  const where: string[] = []
  const place = (value: Param) => `$${params.push(value)}`
  if (filter.live_at !== undefined) {
    // Those that live are few and those that ever were are many; left alone, SQLite reads them all in the order of ids.
    where.push(`id IN (SELECT id FROM sessions WHERE ended_at IS NULL AND expires_at > ${place(filter.live_at)})`)
  }
  // With it as a text that no index knows, the few are looked through instead of all that the role ever had.
  const role = filter.live_at === undefined ? 'role' : `(role || '')`
  if (filter.role !== undefined) where.push(`${role} = ${place(filter.role)}`)
  if (filter.person !== undefined) {
    const person = `requester = ${place(filter.person)} OR acting_for = ${place(filter.person)}`
    where.push(`id IN (SELECT id FROM sessions WHERE ${person})`)
  }
  if (filter.before !== undefined) where.push(`id < ${place(filter.before)}`)
  const condition = where.length === 0 ? '' : `WHERE ${where.join(' AND ')}`
  const limit = place(Math.max(0, Math.min(filter.limit ?? 100, 10_000)))
  const text = `SELECT data FROM sessions ${condition} ORDER BY id DESC LIMIT ${limit}`
  return (await db.all<Row>(text, params)).map(parse)
}

/** How many sessions of each principal live at `now`; one that was renewed counts as its renewal. */
export async function liveSessions(db: Db, principals: readonly string[], now: number): Promise<Map<string, number>> {
  const live = new Map<string, number>()
  for (const principal of new Set(principals)) {
    const [row] = await db.all<{ count: number }>(
      `SELECT COUNT(*) AS count FROM sessions
        WHERE principal = $1 AND ended_at IS NULL AND expires_at > $2 AND renewed_by IS NULL`,
      [principal, now],
    )
    live.set(principal, row?.count ?? 0)
  }
  return live
}

/** Which of these proofs brought a session before, as `issuer jti`. */
export async function usedProofs(
  db: Db,
  proofs: readonly { readonly issuer: string; readonly jti: string }[],
): Promise<Set<string>> {
  const used = new Set<string>()
  for (const { issuer, jti } of proofs) {
    for (const [whose, which] of [
      ['issuer', 'jti'],
      ['actor_issuer', 'actor_jti'],
    ]) {
      const text = `SELECT id FROM sessions WHERE ${whose} = $1 AND ${which} = $2 LIMIT 1`
      if ((await db.all(text, [issuer, jti])).length > 0) used.add(`${issuer} ${jti}`)
    }
  }
  return used
}

export async function writeSessions(db: Db, sessions: readonly SessionRow[]): Promise<void> {
  await insert(
    db,
    `INSERT INTO sessions
       (id, token_hash, role, lineage, renewed_by, principal, requester, acting_for, issuer, jti, actor_issuer,
        actor_jti, expires_at, ended_at, data) VALUES`,
    sessions.map((session) => {
      const { id, token_hash, role, lineage, renewed_by, principal, requester, acting_for } = session
      const { issuer, jti, actor, expires_at, ended_at } = session
      const whose = [role, lineage, renewed_by, principal, requester, acting_for]
      const proofs = [issuer, jti, actor?.issuer ?? null, actor?.jti ?? null]
      return [id, token_hash, ...whose, ...proofs, expires_at, ended_at, JSON.stringify(session)]
    }),
    `ON CONFLICT (id) DO UPDATE SET renewed_by = excluded.renewed_by, expires_at = excluded.expires_at,
       ended_at = excluded.ended_at, data = excluded.data`,
  )
}

function parse({ data }: Row): SessionRow {
  return JSON.parse(data) as SessionRow
}
