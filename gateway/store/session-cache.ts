import type { SessionRow } from '../core/operations.ts'

/** Sessions kept in memory; the others are read again. Bounds what a flood of sessions can take. */
const SESSIONS_MAX = 20_000

/**
 * Sessions by the hash of their token, so that a request costs one lookup. Every write that is answered has gone through
 * `update` first: whoever was told that a session is revoked finds it revoked here.
 */
export interface SessionCache {
  get(tokenHash: string): SessionRow | undefined
  /** Grows with every write; ask before a read. */
  generation(): number
  /** After a read. Forgotten when something was written since: what was read may be older than that. */
  keep(session: SessionRow, generation: number): void
  /** After a write: replaces what is here, and adds nothing that nobody asked for. */
  update(sessions: readonly SessionRow[]): void
}

export function sessionCache(max = SESSIONS_MAX): SessionCache {
  const byHash = new Map<string, SessionRow>()
  let writes = 0
  return {
    generation: () => writes,
    get: (tokenHash) => byHash.get(tokenHash),
    keep(session, generation) {
      if (generation !== writes) return
      byHash.set(session.token_hash, session)
      if (byHash.size <= max) return
      const oldest = byHash.keys().next().value
      if (oldest !== undefined) byHash.delete(oldest)
    },
    update(sessions) {
      if (sessions.length > 0) writes++
      for (const session of sessions) if (byHash.has(session.token_hash)) byHash.set(session.token_hash, session)
    },
  }
}
