import type { Unnamed } from '../core/join.ts'
import type { LeaseRow } from '../core/lease.ts'
import type { Notice, Wait } from '../core/notice.ts'
import type { Operation, ResultOf, SessionRow, Switches } from '../core/operations.ts'
import type { CallProof } from '../core/proof.ts'
import type { Tile } from '../core/tile.ts'
import type { Bodies, Call, JsonObject, LimitState, PolicyText } from '../core/types.ts'
import type { Passkey } from '../core/passkey.ts'
import type { Consent, Visit } from '../core/visit.ts'
import type { Anchor } from './anchor.ts'
import type { SessionFilter } from './sessions.ts'

/**
 * What the store promises to the pipeline.
 *
 * `write` answers after the operation is durable (synced), or rejects with StoreUnavailable when it is certain that
 * nothing was kept. Operations are folded in arrival order, many to a transaction; each is one legal arrow of the state
 * machine or none. Reads see everything that was answered before.
 */
export interface Store {
  /** This process, as its calls name their owner: `rep_…`. */
  readonly owner: string
  /** Other processes may write to it: what was read a moment ago may have changed. */
  readonly shared: boolean
  write<O extends Operation>(operation: O): Promise<ResultOf<O>>
  call(id: string): Promise<Call | null>
  /** The call that a request key names, if it binds one (R1). */
  callByKey(principal: string, role: string, action: string, key: string): Promise<Call | null>
  /**
   * For a request without a key of its own: the call that its key names or has joined (`bound`), or an equal one that it
   * may join, which only a `join` or `admit` makes sure of.
   */
  callUnnamed(unnamed: Unnamed): Promise<{ readonly kind: 'bound' | 'joinable'; readonly call: Call } | null>
  bodies(call: string): Promise<Bodies | null>
  calls(filter: CallFilter): Promise<Call[]>
  /** A stretch of the log, however long that is: of `size` calls those that match. */
  look(filter: CallFilter & Sought, size: number): Promise<Glance>
  /** When this role asked for each of these actions last, ms; nothing of those that it never asked for. */
  lastUses(role: string, actions: readonly string[]): Promise<Map<string, number>>
  /** Entries of one call, oldest first, parsed. */
  story(call: string): Promise<JsonObject[]>
  /** That these entries are in the tree whose head was signed last; null before the first one was. */
  proof(call: string): Promise<CallProof | null>
  /** What a tile of the signed tree holds, base64; null where that does not reach so far. */
  tile(tile: Tile): Promise<string | null>
  sessionByToken(tokenHash: string): Promise<SessionRow | null>
  session(id: string): Promise<SessionRow | null>
  sessions(filter: SessionFilter): Promise<SessionRow[]>
  /** By the SHA-256 of its cookie. One whose time is over may be found too. */
  visit(id: string): Promise<Visit | null>
  /** By the SHA-256 of its code, or of what the person types. One whose time is over may be found too. */
  consent(by: { readonly id: string } | { readonly user_code: string }): Promise<Consent | null>
  /** Of this person, the eldest first. */
  passkeys(person: string): Promise<Passkey[]>
  /** By the SHA-256 of its credential's id. */
  passkey(id: string): Promise<Passkey | null>
  /** The login of this call, or what was noted before it is made. */
  lease(call: string): Promise<LeaseRow | null>
  /** Logins that somebody may have, oldest first; with `due_at`, those that must be gone by then, ms. */
  leases(filter: { due_at?: number }): Promise<LeaseRow[]>
  /** Who is told of calls that wait for people: what is read of it (notices.ts). */
  readonly told: Told
  limits(ids: readonly string[]): Promise<Map<string, LimitState>>
  switches(): Promise<Switches>
  /** As the database has them at this moment, whatever this process has heard of yet: what a permit stands on (R3). */
  switchesNow(): Promise<Switches>
  /** The limits that the current policy defines. */
  definitions(): Promise<Set<string>>
  /** Calls that started and never settled, and holds: what recovery and expiry look at. */
  unfinished(): Promise<Call[]>
  /** Calls that run or are in doubt and that nobody sees to: their owner is gone, or lost them ten seconds ago. */
  abandoned(): Promise<Call[]>
  /** Is there a hold, or a session that has not ended, whose time is over at `now`, ms? */
  due(now: number): Promise<boolean>
  /** Digest of the policy that decides now; '' before the first. */
  policy(): Promise<string>
  /** A process is loading a policy: nothing is admitted meanwhile. */
  isClosed(): Promise<boolean>
  /** The texts of a policy that ever decided, by digest. */
  policyTexts(digest: string): Promise<PolicyText[] | null>
  /** HMAC-SHA256 of the store's key, hex: request fingerprints cannot be guessed. */
  fingerprint(text: string): string
  /** The clock that decides, ms: the database's where it is shared, else this machine's; never below lastAt (R14). */
  now(): number
  /** Newest committed `at`, ms. */
  lastAt(): number
  /** Calls that another process may have changed; some may never be told. One listener. */
  onChanged(listener: (calls: readonly string[]) => void): void
  /** False while the clock is behind, or after a failed sync; says why. */
  ready(): { ok: boolean; reason?: string }
  head(): Promise<{ size: number; root: string }>
  close(): Promise<void>
}

/** What is kept of notices. A call waits for people while it is held or needs_human. */
export interface Told {
  /** Entries so far: the place from which `waitsSince` finds what comes. */
  place(): Promise<number>
  waitsSince(
    place: number,
  ): Promise<{ readonly found: readonly { readonly call: Call; readonly at: number }[]; readonly next: number }>
  /** Calls that wait now with an id after this one, oldest first, 500 at most. */
  waitingCalls(after: string): Promise<Call[]>
  /** Calls that wait no longer, whose wait is open. */
  waitsToEnd(): Promise<string[]>
  waits(calls: readonly string[]): Promise<Wait[]>
  due(channel: string, now: number, limit: number): Promise<Notice[]>
  /** What another process than this one tries, or tried when it died. */
  ofOthers(owner: string): Promise<Notice[]>
  notice(id: string): Promise<Notice | null>
  notices(filter: {
    readonly state?: Notice['state']
    readonly before?: string
    readonly limit: number
  }): Promise<Notice[]>
  /** Of those that wait to be sent and those that are dead. */
  counts(): Promise<readonly { readonly channel: string; readonly state: Notice['state']; readonly count: number }[]>
}

/** A store as it was opened, with what proves its ledger. */
export interface OpenStore extends Store {
  /** The newest signed head, a C2SP signed note. */
  checkpoint(): Promise<string | null>
  /** The same with its frontier, as an anchor holds it. */
  signedHead(): Promise<Anchor | null>
  /** The public key in the C2SP format. */
  vkey(): Promise<string>
}

export interface CallFilter {
  principal?: string
  role?: string
  action?: string
  states?: readonly Call['state'][]
  session?: string
  person?: string
  key?: string
  since?: number
  until?: number
  /** Keyset cursor: calls older than this id. */
  before?: string
  limit?: number
}

/** What no index knows, and what all that match have: more may come than does. */
export interface Sought {
  /** Of the cost, in its own unit, rounded outwards. */
  readonly amount_min?: number
  readonly amount_max?: number
  /** Each stands somewhere in the call, in letters of either case. */
  readonly texts?: readonly string[]
}

export interface Glance {
  readonly calls: Call[]
  /** Where to look on; null where there is no older call. */
  readonly before: string | null
}

/**
 * Why a write did not answer. `overloaded`: shed before it was queued. `unavailable`: disk full, no store. `clock`: R14
 * admits nothing.  Of these nothing was kept, for certain. `deadline`: it was under way, and what
 * comes of it is handed to onLate. `in_doubt`: an I/O fault, and it could not be read back.
 */
export type UnavailableReason = 'overloaded' | 'unavailable' | 'clock' | 'deadline' | 'in_doubt'

/** Nothing that was asked may go on; 503 ledger_unavailable (or overloaded) outside. */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable'
  readonly reason: UnavailableReason
  constructor(message: string, reason: UnavailableReason = 'unavailable') {
    super(message)
    this.reason = reason
  }
}
