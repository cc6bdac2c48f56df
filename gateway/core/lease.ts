import { isRevoked } from './session-over.ts'
import type { SessionRow } from './operations.ts'
import type { Bodies, Call, Plan } from './types.ts'

/** A short-lived login that was given to a session. Its password is nowhere but with whoever got it. */
export interface LeaseRow {
  readonly call: string
  readonly session: string
  /** It lives as long as some session of this lineage does: a renewal carries it on. */
  readonly lineage: string
  readonly role: string
  readonly principal: string
  readonly action: string
  readonly backend: string
  /** The login's name at the server. '' while a vault is still to make it. */
  readonly login: string
  /** Where it stands, `host:port/database`: it is revoked there and nowhere else. */
  readonly place: string
  /** The ref in a vault that it comes from; null where the backend itself made it. */
  readonly from: string | null
  /** What a vault takes it back by. */
  readonly handle: string | null
  /** null: it is being made, and nobody has it. */
  readonly issued_at: number | null
  readonly expires_at: number
  readonly ended_at: number | null
  readonly ended_reason: LeaseEnd | null
}

/** `not_taken`: nobody was there to be given it. `never_given`: what became of making it was in doubt. */
export type LeaseEnd =
  | 'expired'
  | 'logout'
  | 'session_expired'
  | 'revoked'
  | 'role_removed'
  | 'not_taken'
  | 'never_given'

/** A vault has made what the login will hang on. Written down before the login is asked for, so that a crash leaves none. */
export interface NoteLease {
  readonly op: 'lease.note'
  readonly call: string
  readonly attempt: number
  readonly from: string
  readonly handle: string
  readonly place: string
}
/** It is certain that the login is gone, or that nobody can ever use it again. */
export interface EndLease {
  readonly op: 'lease.end'
  readonly call: string
  /** Where it is no end of its session or of its time. */
  readonly reason?: 'not_taken'
  /** It can log in no more and has no connection, but could not be dropped: what it owns where we cannot reach. */
  readonly left?: string
}
/** The agent is there for a held lease that people have let go: policy and facts are asked once more (R12), and it is made. */
export interface TakeLease {
  readonly op: 'take'
  readonly call: string
  /** Who takes it: a session of the lineage that asked. */
  readonly session: string
  readonly plan: Plan
  readonly facts_until: number | null
  readonly bodies: Pick<Bodies, 'question' | 'facts' | 'request' | 'earlier'>
  readonly timeout_ms: number
}
/** `not_ready`: it waits for people still or again, for a thaw, or for another session; or it has ended. */
export type Taken =
  | { readonly kind: 'stale' | 'no_such_call' }
  | { readonly kind: 'not_ready' | 'held' | 'denied'; readonly call: Call }
  | { readonly kind: 'started'; readonly call: Call; readonly begun: number }

export type LeaseOperation = NoteLease | EndLease | TakeLease
export type ResultOfLease<O extends LeaseOperation> = O extends TakeLease
  ? Taken
  : O extends NoteLease
    ? { readonly kind: 'noted' | 'fenced' }
    : { readonly kind: 'ended' | 'already' }

/** What `request` of a lease's call holds: nothing of it comes from the agent. */
export interface LeaseRequest {
  readonly lease: {
    readonly lifetime_s: number
    readonly roles?: readonly string[]
    readonly connections?: number
    readonly from?: string
  }
}

/**
 * Everybody who must has said yes to a held lease. It is made when the agent comes for it, by the process that the agent
 * asks: nothing else could give it to anybody, and nothing keeps it.
 */
export function isReady({ state, effect, need }: Pick<Call, 'state' | 'effect' | 'need'>): boolean {
  return state === 'held' && effect === 'lease' && need.every(({ have, count }) => have >= count)
}

/**
 * Why a login must be gone by now, or null.
 *
 * @param sessions of its lineage, all of them. @param now ms.
 */
export function leaseOver(
  { expires_at }: Pick<LeaseRow, 'expires_at'>,
  sessions: readonly SessionRow[],
  now: number,
): LeaseEnd | null {
  const revoked = sessions.find(isRevoked)
  if (revoked !== undefined) return revoked.ended_reason === 'role_removed' ? 'role_removed' : 'revoked'
  if (expires_at <= now) return 'expired'
  if (sessions.some((session) => session.ended_at === null && session.expires_at > now)) return null
  return sessions.some(({ ended_reason }) => ended_reason === 'logout') ? 'logout' : 'session_expired'
}
