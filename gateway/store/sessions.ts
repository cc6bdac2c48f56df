import type { SessionRow } from '../core/operations.ts'
import { insert, select } from './db.ts'
import type { Db, Param } from './db.ts'

/** Everything of a session stands in `data`; the columns beside it are what sessions are found by. */
interface Row {
  readonly data: string
}

/** Tokens are looked up by their SHA-256, never compared one by one. */
export async function sessionByTokenHash(db: Db, tokenHash: string): Promise<SessionRow | null> {
  const [row] = await db.all<Row>('SELECT data FROM sessions WHERE token_hash = $1', [tokenHash])
  return row === undefined ? null : parse(row)
}

export async function sessionsByIds(db: Db, ids: readonly string[]): Promise<SessionRow[]> {
  return (await select<Row>(db, 'SELECT data FROM sessions WHERE id IN', [...new Set(ids)])).map(parse)
}

/** Newest first. `live_at`: neither ended nor expired at this time, ms. At most `limit`, 100 when it is not said. */
export async function filterSessions(
  db: Db,
  filter: { live_at?: number; role?: string; limit?: number },
): Promise<SessionRow[]> {
  const params: Param[] = []
  const where: string[] = []
  if (filter.role !== undefined) where.push(`role = $${params.push(filter.role)}`)
  if (filter.live_at !== undefined) where.push(`ended_at IS NULL AND expires_at > $${params.push(filter.live_at)}`)
  const condition = where.length === 0 ? '' : `WHERE ${where.join(' AND ')}`
  const limit = `$${params.push(Math.max(0, Math.min(filter.limit ?? 100, 10_000)))}`
  return (await db.all<Row>(`SELECT data FROM sessions ${condition} ORDER BY id DESC LIMIT ${limit}`, params)).map(
    parse,
  )
}

/** How many sessions of each principal live at `now`. */
export async function liveSessions(db: Db, principals: readonly string[], now: number): Promise<Map<string, number>> {
  const live = new Map<string, number>()
  for (const principal of new Set(principals)) {
    const [row] = await db.all<{ count: number }>(
      'SELECT COUNT(*) AS count FROM sessions WHERE principal = $1 AND ended_at IS NULL AND expires_at > $2',
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
    const rows = await db.all('SELECT id FROM sessions WHERE issuer = $1 AND jti = $2 LIMIT 1', [issuer, jti])
    if (rows.length > 0) used.add(`${issuer} ${jti}`)
  }
  return used
}

export async function writeSessions(db: Db, sessions: readonly SessionRow[]): Promise<void> {
  await insert(
    db,
    `INSERT INTO sessions
       (id, token_hash, role, principal, requester, acting_for, issuer, jti, expires_at, ended_at, data) VALUES`,
    sessions.map((session) => {
      const { id, token_hash, role, principal, requester, acting_for, issuer, jti, expires_at, ended_at } = session
      const data = JSON.stringify(session)
      return [id, token_hash, role, principal, requester, acting_for, issuer, jti, expires_at, ended_at, data]
    }),
    'ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at, ended_at = excluded.ended_at, data = excluded.data',
  )
}

function parse({ data }: Row): SessionRow {
  return JSON.parse(data) as SessionRow
}
