import { fold } from '../../gateway/core/fold.ts'
import type {
  DenySession,
  EndSession,
  IssueSession,
  ResultOf,
  SessionRow,
  UseSession,
} from '../../gateway/core/operations.ts'
import type { NewEntry, Working } from '../../gateway/core/working.ts'
import type { SessionStore } from '../../gateway/identity/session-store.ts'

type Written = IssueSession | DenySession | EndSession | UseSession

export interface MemorySessions extends SessionStore {
  /** Every operation, in order, as it came. */
  readonly written: Written[]
  readonly entries: NewEntry[]
  readonly rows: Map<string, SessionRow>
  /** Set: what every write and read is refused with. */
  fault: Error | null
}

/** Sessions in memory, folded as the store folds them, and nothing else. */
export function memorySessions(now: () => number): MemorySessions {
  const rows = new Map<string, SessionRow>()
  const written: Written[] = []
  const entries: NewEntry[] = []

  const working = (): Working => {
    const all = [...rows.values()]
    const living = all.filter((row) => row.ended_at === null && row.expires_at > now() && row.renewed_by === null)
    const proofs = all.flatMap((row) => [row, ...(row.actor === undefined ? [] : [row.actor])])
    return {
      now: now(),
      begun: now(),
      owner: 'rep_1',
      policy: '',
      switches: { version: 0, positions: {} },
      closed: null,
      definitions: new Set(),
      calls: new Map(),
      keys: new Map(),
      limits: new Map(),
      sessions: rows,
      live: new Map(
        living.map(({ principal }) => [principal, living.filter((row) => row.principal === principal).length]),
      ),
      proofs: new Set(proofs.map(({ issuer, jti }) => `${issuer} ${jti}`)),
      salts: new Map(),
      visits: new Map(),
      consents: new Map(),
      passkeys: new Map(),
      assertions: [],
      leases: new Map(),
      waits: new Map(),
      notices: new Map(),
      id: () => `ent_${entries.length + 1}`,
      entries,
      joined: new Map(),
      bodies: new Map(),
      texts: [],
      changed: {
        calls: new Set(),
        limits: new Set(),
        sessions: new Set(),
        visits: new Set(),
        consents: new Set(),
        passkeys: new Set(),
        leases: new Set(),
        waits: new Set(),
        notices: new Set(),
        switches: false,
        definitions: false,
      },
    }
  }

  const store: MemorySessions = {
    rows,
    written,
    entries,
    fault: null,
    async write(operation) {
      if (store.fault !== null) throw store.fault
      written.push(operation)
      return fold(working(), operation) as ResultOf<typeof operation>
    },
    async sessionByToken(tokenHash) {
      if (store.fault !== null) throw store.fault
      return [...rows.values()].find((row) => row.token_hash === tokenHash) ?? null
    },
  }
  return store
}
