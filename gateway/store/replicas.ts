import type { Db } from './db.ts'

/**
 * Who serves from a database that several processes share: each says so twice a second. Whoever was silent for longer
 * than this may be dead, or only paused: its calls are taken over either way, and fencing keeps both harmless.
 */
export const SILENT_MS = 5000

/** @param now the database's clock, ms. */
export async function beat(db: Db, replica: string, now: number): Promise<void> {
  await db.run(
    'INSERT INTO replicas (id, seen_at) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at',
    [replica, now],
  )
  await db.run('DELETE FROM replicas WHERE seen_at < $1', [now - 20 * SILENT_MS])
}

/** It ends, and says so. */
export async function leave(db: Db, replica: string): Promise<void> {
  await db.run('DELETE FROM replicas WHERE id = $1', [replica])
}

/** Those that were heard of within the last five seconds. */
export async function liveReplicas(db: Db, now: number): Promise<Set<string>> {
  const rows = await db.all<{ id: string }>('SELECT id FROM replicas WHERE seen_at > $1', [now - SILENT_MS])
  return new Set(rows.map(({ id }) => id))
}
