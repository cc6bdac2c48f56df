import type { ResultOfVisit, VisitOperation } from './visit.ts'
import type { Unnamed } from './join.ts'
import type { LeaseOperation, ResultOfLease } from './lease.ts'
import type { PasskeyOperation, PasskeyWord, ResultOfPasskey } from './passkey.ts'
import type { NoticeOperation, ResultOfNotice } from './notice.ts'
import type { Approval, Bodies, Call, Json, JsonObject, Outcome, Plan, PolicyText, Session, Want } from './types.ts'

/**
 * What can happen to the store's state: plain data, folded by fold.ts. Each operation is one legal arrow of a call's
 * state machine (or of a session's or switch's), or none.
 */

export interface SessionRow extends Session {
  readonly token_hash: string
  readonly issuer: string
  readonly jti: string | null
  readonly proof: string
  readonly policy: string
  readonly prompt: string | null
  /** What proved the person acted for. */
  readonly actor?: Proof
  /** The program that a person let hold the role as them, as it names itself. */
  readonly client?: string
  /** When its lineage was first issued, ms. */
  readonly began_at: number
  /** The session that this one renews, until this one's token is first used; null from then on, or if there is none. */
  readonly renews: string | null
  /** The session that renews this one, from its issue on. */
  readonly renewed_by: string | null
  readonly ended_at: number | null
  readonly ended_reason: 'logout' | 'revoked' | 'renewed' | 'expired' | 'role_removed' | null
}

/** A token that was brought, as it is kept: never itself. */
export interface Proof {
  readonly issuer: string
  readonly jti: string | null
  /** `sha256:…` of the token. */
  readonly proof: string
}

export interface Switches {
  /** Grows with every change; a plan weighed under another version goes back. */
  readonly version: number
  readonly positions: {
    readonly [name: string]: {
      readonly on: boolean
      readonly reason: string
      readonly person: string
      readonly at: number
    }
  }
}

/** Why a call is refused that no plan could be made for; the codes of the public contract. */
export type RefusalCode =
  | 'not_granted'
  | 'input_invalid'
  | 'key_reused'
  | 'frozen'
  | 'denied'
  | 'rate_limited'
  | 'backend_unavailable'
  | 'secret_unavailable'

/** Opens a call: denied, held or intent with attempt 1 started. */
export interface Admit {
  readonly op: 'admit'
  readonly call: string
  readonly session: string
  readonly principal: string
  readonly key: string | null
  readonly fingerprint: string
  /**
   * Set where requests may come without a key of the agent's own. `invented`: this one does, and joins an equal call;
   * `named`: such ones may join it.
   */
  readonly join?: 'invented' | 'named'
  readonly plan: Plan
  /** Monotonic ms (as Working.begun) until which the plan's facts are young enough; later they are fetched again. */
  readonly facts_until: number | null
  readonly bodies: Bodies
  /** A refusal that no plan could be made for: input_invalid, not_granted, frozen, a fact that failed. */
  readonly refuse?: {
    readonly code: RefusalCode
    readonly detail: string
    readonly because: readonly string[]
    readonly retry_at?: number | null
    /** What a dry run came to; it is charged as an attempt and changes nothing. */
    readonly dry_run?: 'allow' | 'hold' | 'deny'
  }
  readonly timeout_ms: number
}
export type Admitted =
  /** `handed`: what came of it was still to be told, and this answer is the telling. */
  | { readonly kind: 'bound'; readonly call: Call; readonly same: boolean; readonly handed?: true }
  /** What came of an equal call is on its way to another: whether it is heard decides what this one is. Ask again. */
  | { readonly kind: 'telling' }
  /** The plan's policy or switches are not the current ones, or its facts are too old: gather and weigh again. */
  | { readonly kind: 'stale' }
  | { readonly kind: 'session'; readonly code: 'session_expired' | 'session_revoked' }
  | { readonly kind: 'denied' | 'held'; readonly call: Call }
  | { readonly kind: 'started'; readonly call: Call; readonly begun: number }

/** A request without a key of its own, before it is weighed: it joins an equal call, or is work of its own. */
export interface Join extends Unnamed {
  readonly op: 'join'
  /** The request, unlike any other. */
  readonly by: string
}
export type Joined =
  | { readonly kind: 'joined'; readonly call: Call; readonly handed?: true }
  | { readonly kind: 'alone' }
  | { readonly kind: 'telling' }

/**
 * What came of a call is about to be told to somebody who asked without a key, and then how that went: `told`, or `back`,
 * for nobody heard it.
 */
export interface HandOut {
  readonly op: 'hand_out'
  readonly call: string
  /** The request that is told. */
  readonly by: string
  readonly went?: 'told' | 'back'
}
export type Handed = { readonly kind: 'marked' | 'as_it_was'; readonly call: Call } | { readonly kind: 'no_such_call' }

/** One more yes, with today's facts weighed again (R12). */
export interface Approve {
  readonly op: 'approve'
  readonly call: string
  readonly approval: Approval
  /** What signed the card, where a passkey did; `text` is kept beside the ledger, and the approval holds its digest. */
  readonly passkey?: PasskeyWord & { readonly text: string }
  readonly plan: Plan
  readonly facts_until: number | null
  readonly bodies: Pick<Bodies, 'question' | 'facts' | 'request' | 'earlier'>
  readonly timeout_ms: number
}
export type Approved =
  | { readonly kind: 'stale' | 'no_such_call' }
  | {
      readonly kind:
        | 'not_eligible'
        | 'own_call'
        | 'card_changed'
        | 'already_decided'
        | 'frozen'
        | 'expired'
        | 'cancelled'
      readonly call: Call
    }
  /** No passkey signed it, or none that counts any more: `why`. */
  | { readonly kind: 'passkey_required'; readonly call: Call; readonly why?: string }
  | { readonly kind: 'held' | 'denied'; readonly call: Call }
  | { readonly kind: 'started'; readonly call: Call; readonly begun: number }

export interface Reject {
  readonly op: 'reject'
  readonly call: string
  readonly person: { readonly id: string; readonly name: string; readonly groups: readonly string[] }
  readonly reason: string
}
export type Rejected =
  | { readonly kind: 'rejected' | 'not_eligible' | 'own_call' | 'already_decided' | 'expired'; readonly call: Call }
  | { readonly kind: 'no_such_call' }

/** While held, by the principal; a held or not yet started call also by the end of a session. */
export interface Cancel {
  readonly op: 'cancel'
  readonly call: string
  readonly by: string
  readonly reason: string
  /** Only by the owner of this running attempt, who knows that no byte of it left. */
  readonly attempt?: number
}
export type Cancelled =
  | { readonly kind: 'cancelled' | 'not_held'; readonly call: Call }
  | { readonly kind: 'no_such_call' }

/** Every hold whose time is over becomes expired, and every session ends whose time is. */
export interface Expire {
  readonly op: 'expire'
}
export type Expired = {
  readonly calls: readonly Call[]
  readonly next: number | null
  /** Sessions that ended. */
  readonly ended: number
}

/** A further attempt at a call in doubt (R7) or in intent. `attempt` is the number it expects to follow. */
export interface Start {
  readonly op: 'start'
  readonly call: string
  readonly attempt: number
  readonly timeout_ms: number
  /** Wall clock, ms: the backend's key lives no longer than this (R7). */
  readonly until: number
}
export type Started =
  | { readonly kind: 'started'; readonly call: Call; readonly begun: number }
  | {
      readonly kind: 'refused'
      readonly reason: 'fenced' | 'revoked' | 'frozen' | 'state' | 'too_late'
      readonly call: Call
    }

/** The end of an attempt (R4: fenced by its number). `output` is the filtered answer as JSON text. */
export interface Settle {
  readonly op: 'settle'
  readonly call: string
  readonly attempt: number
  readonly outcome: Outcome
  readonly output: string | null
  /** How long the kept output answers a repeated key. */
  readonly replay_ms: number
  /** The login that was made, where it is a lease that is done. Its password is not here. */
  readonly lease?: {
    readonly login: string
    readonly place: string
    readonly from: string | null
    /** As a vault names it, beside what was noted. */
    readonly lease_id: string | null
    readonly lifetime_ms: number
  }
}
/** What asking the backend found out about a call in doubt. */
export interface Reconcile {
  readonly op: 'reconcile'
  readonly call: string
  readonly attempt: number
  readonly found: 'done' | 'refused' | 'cannot_tell'
  readonly reason: string
  readonly evidence: JsonObject
  readonly output: string | null
  readonly replay_ms: number
  /** What was noted of a lease in doubt is settled with it. */
  readonly lease?: true
}
/** A person's word on a needs_human call; two different people with the same word settle it. */
export interface PersonSettles {
  readonly op: 'person_settles'
  readonly call: string
  readonly person: { readonly id: string; readonly name: string; readonly groups: readonly string[] }
  readonly outcome: 'done' | 'refused'
  readonly reason: string
}
export type Settled = { readonly kind: 'settled' | 'fenced'; readonly call: Call } | { readonly kind: 'no_such_call' }
export type PersonSettled =
  | { readonly kind: 'settled' | 'one_more' | 'same_person' | 'own_call' | 'not_open'; readonly call: Call }
  | { readonly kind: 'no_such_call' }

/** A call whose owner is gone, or has lost it: in doubt from now on, and owned by whoever asks. */
export interface TakeOver {
  readonly op: 'take_over'
  readonly call: string
  /** Its owner as it was found. */
  readonly from: string | null
}

export interface IssueSession {
  readonly op: 'session.issue'
  readonly session: Omit<SessionRow, Standing>
  readonly lifetime_ms: number
  readonly live_max: number
  /** The issuer says `once`: a second use of the jti is refused. */
  readonly once: boolean
  /** The same of the proof of the person acted for. */
  readonly actor_once?: boolean
  /** The session that goes on in this one; its lineage is this one's, and lives no longer than this from its first issue. */
  readonly renews?: { readonly session: string; readonly lifetime_max_ms: number }
  /** The consent that it takes, and that must still be good for one session. */
  readonly consent?: string
}
/** What the fold decides about a session. */
type Standing = 'issued_at' | 'expires_at' | 'began_at' | 'renews' | 'renewed_by' | 'ended_at' | 'ended_reason'
export type Issued =
  | { readonly kind: 'issued'; readonly session: SessionRow; readonly entry: string }
  | {
      /** `no_such_session`: none of this principal and role. `renewed`: its renewal is in use. */
      readonly kind:
        | 'too_many'
        | 'proof_used'
        | 'no_such_session'
        | 'ended'
        | 'renewed'
        | 'lineage_over'
        | 'consent_over'
    }

/** The token of a renewal is used for the first time: its predecessor ends. */
export interface UseSession {
  readonly op: 'session.use'
  readonly session: string
  /** As its row names it. */
  readonly renews: string
}
/** The session as it stands now, or null when there is none. */
export interface Used {
  /** Whether its predecessor ended for it. */
  readonly ended: number
  readonly used: SessionRow | null
}

export interface DenySession {
  readonly op: 'session.deny'
  /** As far as it is known: never unverified text longer than 200 characters. */
  readonly role: string | null
  readonly principal: string | null
  readonly issuer: string | null
  readonly reason: string
  /** The program that a person was asked for, as it names itself. */
  readonly client?: string
}
export interface EndSession {
  readonly op: 'session.end'
  readonly session: string
  readonly reason: 'logout' | 'revoked' | 'role_removed'
  readonly by: string
  /** What whoever ended it said about it. */
  readonly why?: string
}
export type Ended =
  /** With the calls that were cancelled. */
  | { readonly kind: 'ended'; readonly session: SessionRow; readonly cancelled: readonly Call[] }
  | { readonly kind: 'already'; readonly session: SessionRow }
  | { readonly kind: 'no_such_session' }

export interface SetSwitch {
  readonly op: 'switch'
  /** `all`, `role:R`, `action:A`, or a switch of the policy. */
  readonly name: string
  readonly on: boolean
  readonly reason: string
  readonly person: string
}
export interface LoadPolicy {
  readonly op: 'policy'
  readonly digest: string
  readonly texts: readonly PolicyText[]
  /** Every limit that the policy defines; of those that the one before did not, `seeds` says what calls took. */
  readonly definitions?: readonly string[]
  readonly seeds?: readonly Seed[]
  /** The definitions that the seeds are for; each other one must be known, or the policy changed meanwhile. */
  readonly fresh?: readonly string[]
  /** Since when this process has the policy closed: its seeds were read after it. Undefined: it has none. */
  readonly closed?: number
}
/** `again`: another process is loading a policy, or has; what the seeds stand on is not the last word any more. */
export type PolicyLoaded = { readonly kind: 'loaded'; readonly entry: string } | { readonly kind: 'again' }

/**
 * Where several processes admit calls: nothing is admitted from here until a policy is loaded by whoever asks, so that no
 * call is missed while earlier ones are counted for new limits. Whoever does not ask again within ten seconds is gone.
 */
export interface ClosePolicy {
  readonly op: 'policy.close'
}
/** `since`: ms; another one than before says that calls were admitted meanwhile. */
export type PolicyClosed = { readonly kind: 'closed'; readonly since: number } | { readonly kind: 'again' }

/** What one earlier call takes of the limits that a policy makes new. */
export interface Seed {
  readonly call: string
  readonly wants: readonly { readonly definition: string; readonly want: Want }[]
}
/** An entry that moves no state: gateway.started, credential.fetched, requests.refused, approval.refused … */
export interface Note {
  readonly op: 'note'
  readonly kind: string
  readonly fields: { readonly [name: string]: Json }
}

export type Operation =
  | Admit
  | Join
  | HandOut
  | Approve
  | Reject
  | Cancel
  | Expire
  | Start
  | Settle
  | Reconcile
  | PersonSettles
  | TakeOver
  | IssueSession
  | DenySession
  | EndSession
  | UseSession
  | SetSwitch
  | LoadPolicy
  | ClosePolicy
  | Note
  | VisitOperation
  | PasskeyOperation
  | LeaseOperation
  | NoticeOperation

export type ResultOf<O extends Operation> = O extends Admit
  ? Admitted
  : O extends Join
    ? Joined
    : O extends HandOut
      ? Handed
      : O extends Approve
        ? Approved
        : O extends Reject
          ? Rejected
          : O extends Cancel
            ? Cancelled
            : O extends Expire
              ? Expired
              : O extends Start
                ? Started
                : O extends Settle | Reconcile | TakeOver
                  ? Settled
                  : O extends PersonSettles
                    ? PersonSettled
                    : O extends IssueSession
                      ? Issued
                      : O extends EndSession
                        ? Ended
                        : O extends UseSession
                          ? Used
                          : O extends LoadPolicy
                            ? PolicyLoaded
                            : O extends ClosePolicy
                              ? PolicyClosed
                              : O extends VisitOperation
                                ? ResultOfVisit<O>
                                : O extends PasskeyOperation
                                  ? ResultOfPasskey<O>
                                  : O extends LeaseOperation
                                    ? ResultOfLease<O>
                                    : O extends NoticeOperation
                                      ? ResultOfNotice<O>
                                      : { readonly entry: string }
