import type { DenySession, EndSession, IssueSession, ResultOf, SessionRow } from '../../gateway/core/operations.ts'
import type { SessionStore } from '../../gateway/identity/session-store.ts'

type Written = IssueSession | DenySession | EndSession

export interface MemorySessions extends SessionStore {
  /** Every operation, in order, as it came. */
  readonly written: Written[]
  readonly rows: Map<string, SessionRow>
  /** Set: what every write and read is refused with. */
  fault: Error | null
}

/** Sessions in memory, with the store's promises about them and nothing else. */
export function memorySessions(now: () => number): MemorySessions {
  const rows = new Map<string, SessionRow>()
  const written: Written[] = []

  const fold = (operation: Written): ResultOf<Written> => {
    if (operation.op === 'session.deny') return { entry: 'ent_denied' }
    if (operation.op === 'session.end') {
      const session = rows.get(operation.session)
      if (session === undefined) return { kind: 'no_such_session' }
      if (session.ended_at !== null) return { kind: 'already', session }
      const ended: SessionRow = { ...session, ended_at: now(), ended_reason: operation.reason }
      rows.set(ended.id, ended)
      return { kind: 'ended', session: ended }
    }
    const { session: draft, lifetime_ms, live_max, once } = operation
    const all = [...rows.values()]
    if (once && all.some((row) => row.issuer === draft.issuer && row.jti === draft.jti)) return { kind: 'proof_used' }
    const live = all.filter(
      (row) => row.principal === draft.principal && row.ended_at === null && row.expires_at > now(),
    )
    if (live.length >= live_max) return { kind: 'too_many' }
    const times = { issued_at: now(), expires_at: now() + lifetime_ms, ended_at: null, ended_reason: null }
    const session: SessionRow = { ...draft, ...times }
    rows.set(session.id, session)
    return { kind: 'issued', session, entry: 'ent_issued' }
  }

  const store: MemorySessions = {
    rows,
    written,
    fault: null,
    async write(operation) {
      if (store.fault !== null) throw store.fault
      written.push(operation)
      return fold(operation) as ResultOf<typeof operation>
    },
    async sessionByToken(tokenHash) {
      if (store.fault !== null) throw store.fault
      return [...rows.values()].find((row) => row.token_hash === tokenHash) ?? null
    },
  }
  return store
}
