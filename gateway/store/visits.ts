import type { Consent, Visit } from '../core/visit.ts'
import { insert, select } from './db.ts'
import type { Db } from './db.ts'

/** Everything stands in `data`; the columns beside it are what rows are found and forgotten by. */
interface Row {
  readonly data: string
}

/**
 * A code that is brought a second time must still find what the first time brought: a day, longer than sessions live
 * unless they are renewed, and the renewal is of the same lineage.
 */
const TAKEN_KEPT_MS = 24 * 3_600_000

/** Cookies and codes are looked up by their SHA-256, never compared one by one. */
export async function visitsByIds(db: Db, ids: readonly string[]): Promise<Visit[]> {
  const rows = await select<Row>(db, 'SELECT data FROM visits WHERE id IN', [...new Set(ids)])
  return rows.map(({ data }) => JSON.parse(data) as Visit)
}

export async function consentsByIds(db: Db, ids: readonly string[]): Promise<Consent[]> {
  return (await select<Row>(db, 'SELECT data FROM consents WHERE id IN', [...new Set(ids)])).map(parse)
}

export async function consentsByUserCodes(db: Db, codes: readonly string[]): Promise<Consent[]> {
  return (await select<Row>(db, 'SELECT data FROM consents WHERE user_code IN', [...new Set(codes)])).map(parse)
}

/** Writes back those that are there, deletes those that are not, and forgets those whose time was over before. */
export async function writeVisits(
  db: Db,
  changed: ReadonlySet<string>,
  visits: ReadonlyMap<string, Visit>,
  now: number,
): Promise<void> {
  if (changed.size === 0) return
  await db.run('DELETE FROM visits WHERE gone_at <= $1', [now])
  const kept: Visit[] = []
  for (const id of changed) {
    const visit = visits.get(id)
    if (visit === undefined) await db.run('DELETE FROM visits WHERE id = $1', [id])
    else kept.push(visit)
  }
  await insert(
    db,
    'INSERT INTO visits (id, gone_at, data) VALUES',
    kept.map((visit) => [visit.id, visit.expires_at, JSON.stringify(visit)]),
    'ON CONFLICT (id) DO UPDATE SET gone_at = excluded.gone_at, data = excluded.data',
  )
}

export async function writeConsents(db: Db, changed: readonly Consent[], now: number): Promise<void> {
  if (changed.length === 0) return
  await db.run('DELETE FROM consents WHERE gone_at <= $1', [now])
  await insert(
    db,
    'INSERT INTO consents (id, user_code, gone_at, data) VALUES',
    changed.map((consent) => {
      const { id, user_code, state, bound, expires_at } = consent
      const gone_at = expires_at + (state === 'taken' && bound !== null ? TAKEN_KEPT_MS : 0)
      return [id, user_code, gone_at, JSON.stringify(consent)]
    }),
    'ON CONFLICT (id) DO UPDATE SET gone_at = excluded.gone_at, data = excluded.data',
  )
}

function parse({ data }: Row): Consent {
  return JSON.parse(data) as Consent
}
