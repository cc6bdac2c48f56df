import { select } from './db.ts'
import type { Db } from './db.ts'

/** So many of a role's newest calls are looked at first: what is used at all mostly stands there. */
const NEWEST = 1000

/**
 * When this role's calls of each action were made last, ms; an action that it never asked for is not in it. What is not among
 * the newest is sought in the index of the role, and nowhere else.
 */
export async function lastUses(db: Db, role: string, actions: readonly string[]): Promise<Map<string, number>> {
  const newest = await db.all<{ action: string; id: string }>(
    `SELECT action, MAX(id) AS id FROM (SELECT action, id FROM calls WHERE role = $1 ORDER BY id DESC LIMIT ${NEWEST}) newest
      GROUP BY action`,
    [role],
  )
  const ids = new Map(newest.map(({ action, id }) => [action, id]))
  for (const action of actions) {
    if (ids.has(action)) continue
    // As a text that no other index knows: that of all calls of the action may be long, and has no roles in it.
    const text = `SELECT id FROM calls WHERE role = $1 AND (action || '') = $2 ORDER BY id DESC LIMIT 1`
    const [last] = await db.all<{ id: string }>(text, [role, action])
    if (last !== undefined) ids.set(action, last.id)
  }
  const rows = await select<{ action: string; created_at: number }>(
    db,
    'SELECT action, created_at FROM calls WHERE id IN',
    actions.flatMap((action) => ids.get(action) ?? []),
  )
  return new Map(rows.map(({ action, created_at }) => [action, created_at]))
}
