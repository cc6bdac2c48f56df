import type { DenySession, EndSession, IssueSession, ResultOf, SessionRow, UseSession } from '../core/operations.ts'

/** What identity asks of the store, and no more. `write` answers when the operation and its entry are durable. */
export interface SessionStore {
  write<O extends IssueSession | DenySession | EndSession | UseSession>(operation: O): Promise<ResultOf<O>>
  /** @param tokenHash SHA-256, hex. Ended and expired sessions are found too. */
  sessionByToken(tokenHash: string): Promise<SessionRow | null>
}
