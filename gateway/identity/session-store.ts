import type { DenySession, EndSession, IssueSession, ResultOf, SessionRow, UseSession } from '../core/operations.ts'
import type { Consent, Visit, VisitOperation } from '../core/visit.ts'

/** What identity asks of the store, and no more. `write` answers when the operation and its entry are durable. */
export interface SessionStore {
  write<O extends IssueSession | DenySession | EndSession | UseSession>(operation: O): Promise<ResultOf<O>>
  /** @param tokenHash SHA-256, hex. Ended and expired sessions are found too. */
  sessionByToken(tokenHash: string): Promise<SessionRow | null>
}

/** What the sign-in of people asks beside. */
export interface SignInStore {
  write<O extends VisitOperation | IssueSession | DenySession | EndSession | UseSession>(
    operation: O,
  ): Promise<ResultOf<O>>
  sessionByToken(tokenHash: string): Promise<SessionRow | null>
  /** By the SHA-256 of its cookie, hex. One whose time is over may be found too. */
  visit(id: string): Promise<Visit | null>
  /** By the SHA-256 of its code, or of what the person types. One whose time is over may be found too. */
  consent(by: { readonly id: string } | { readonly user_code: string }): Promise<Consent | null>
}
