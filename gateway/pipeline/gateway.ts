import type { Exchange } from '../../adapters/adapter.ts'
import type { Assertion } from '../core/passkey.ts'
import type { ProblemBody } from '../core/problem.ts'
import type { CallProof } from '../core/proof.ts'
import type {
  CallState,
  CallStatus,
  Effect,
  InputError,
  Json,
  JsonObject,
  JsonSchema,
  LimitView,
  Person,
  Policy,
  Session,
} from '../core/types.ts'

import type { PasskeyGateway } from './passkeys.ts'
import type { NoticesGateway } from './notices/people.ts'

/**
 * What a door may ask for. One path: every method that can lead to an effect goes through call.ts. Anything that is not
 * a call's own state is a Problem, thrown.
 */
export interface Gateway {
  policy(): Policy
  /** What the role of this session can do, with schemas and what is left of limits. Sorted by name. */
  actions(session: Session): Promise<ActionView[]>
  /** The routes of this role, sorted by name: what is asked for as a stream and not as an input. */
  routes(session: Session): Promise<RouteView[]>
  /**
   * Asks for one action. Answers when the call is settled, held, denied or in doubt, or after `wait_ms` while it still
   * runs; the execution goes on. Unknown and ungranted actions alike are a `not_granted` reply.
   */
  call(session: Session, request: CallRequest): Promise<Reply>
  /** The call if it is of the session's principal and role; waits up to `wait_ms` while it is held or running. */
  show(session: Session, id: string, wait_ms: number): Promise<Reply>
  list(
    session: Session,
    filter: { status?: CallStatus; key?: string; since?: number; limit?: number },
  ): Promise<Reply[]>
  cancel(session: Session, id: string): Promise<Reply>

  /** For people. Each checks the right that identity.yaml asks for; every refused click is an entry. */
  readonly people: PeopleGateway
  readonly passkeys: PasskeyGateway
  /** For people too: who was told that a call waits. */
  readonly notices?: NoticesGateway
  /** Why nothing can be admitted now, or null. */
  notReady(): string | null
  /** Counted and written as one `requests.refused` entry per second, code and source. */
  refused(code: string, source: string): void
}

export interface CallRequest {
  readonly action: string
  readonly input: unknown
  /** What the door found wrong with the input's text; it is refused as the schema's errors are. */
  readonly unreadable?: readonly InputError[]
  readonly key: string | null
  /**
   * Nobody chose the key (an SDK made it up for this one request), or there is none: an equal call that is open is joined,
   * and what comes of it is told once (docs/decisions/009).
   */
  readonly unnamed?: {
    /** Who asked has hung up: what came of it is still to be told. */
    readonly gone: () => boolean
    /** Once the answer has left, or whoever asked has: which of them it was. */
    readonly heard: () => Promise<boolean>
  }
  readonly dry_run?: boolean
  /** Of a route, and only of one: what streams. The reply comes when the stream is over. */
  readonly exchange?: Omit<Exchange, 'route'>
  /** How long to wait for a running call; for a held one only if `wait_held` is set. */
  readonly wait_ms: number
  readonly wait_held?: boolean
}

export interface Reply {
  /** `Idempotency-Replayed: true`. */
  readonly replayed: boolean
  readonly envelope: Envelope
  /** What a POST says instead of the envelope: denied, refused, rejected, expired, cancelled, not_sent. */
  readonly problem: ProblemBody | null
  /** What came of it is still to be told to somebody who asked without a key. */
  readonly owed?: { /** The request that it is written down to be told to. */ readonly to: string | null }
}

/** The one envelope of a call (the public contract). */
export interface Envelope {
  readonly call: string
  readonly action: string
  readonly status: CallStatus
  readonly output?: Json
  readonly evidence?: JsonObject
  readonly limits: readonly LimitView[]
  readonly session: { readonly expires_in: number }
  readonly entry: string
  readonly need?: readonly { readonly count: number; readonly of: string; readonly have: number }[]
  readonly expires_at?: string
  readonly approve_at?: string
  readonly output_gone?: true
  /** Only of a call in doubt: that it must not be asked again under another key. */
  readonly detail?: string
  readonly problem?: ProblemBody
  /** Only of a dry run. */
  readonly dry_run?: {
    readonly verdict: 'allow' | 'hold' | 'deny'
    readonly request: Json
    readonly because: readonly string[]
  }
}

export interface ActionView {
  readonly name: string
  readonly description: string
  readonly effect: Effect
  readonly input_schema: JsonSchema
  readonly output_schema: JsonSchema
  readonly example: JsonObject
  readonly limits: readonly LimitView[]
  readonly next?: readonly string[]
}

export interface RouteView {
  readonly name: string
  readonly description: string
  readonly effect: Effect
  /** Below it stands the path of the backend. */
  readonly at: string
  /** Method and path; `*` is one whole segment. */
  readonly allow: readonly string[]
  /** Request headers that pass beside the common ones. */
  readonly headers: readonly string[]
  /** Bytes. */
  readonly request_max: number
  readonly limits: readonly LimitView[]
  readonly next?: readonly string[]
}

export interface PeopleGateway {
  calls(person: Person, filter: PeopleFilter): Promise<{ calls: CallSummary[]; cursor: string | null }>
  /** The same calls for a file, a page at a time; needs the right to export. */
  exported(person: Person, filter: PeopleFilter): Promise<{ calls: CallExport[]; cursor: string | null }>
  story(person: Person, id: string): Promise<CallStory>
  /** That the call's entries are in the signed ledger. @throws Problem ledger_unavailable before its first head is signed. */
  proof(person: Person, id: string): Promise<CallProof>
  /** @param passkey what one of theirs signed the card with. */
  approve(person: Person, id: string, card: string, passkey?: Assertion): Promise<CallStory>
  reject(person: Person, id: string, reason: string): Promise<CallStory>
  settle(person: Person, id: string, outcome: 'done' | 'refused', reason: string): Promise<CallStory>
  /** Newest first, after `before`, 100 when `limit` is not said. `person`: the workload, or whom it acts for. */
  sessions(
    person: Person,
    filter: { role?: string; live?: boolean; person?: string; before?: string; limit?: number },
  ): Promise<SessionView[]>
  /** @param why what the entry keeps. */
  revoke(person: Person, id: string, why?: string): Promise<SessionView>
  limits(person: Person): Promise<JsonObject[]>
  /** What each role is granted, and when each was asked for last. */
  roles(person: Person): Promise<RoleUse[]>
  setSwitch(person: Person, name: string, on: boolean, reason: string): Promise<JsonObject>
  policy(person: Person): Promise<JsonObject>
  /** What `people:` lets this person do. */
  rights(person: Person): { readonly [right in 'view' | 'freeze' | 'settle' | 'export']: boolean }
  /** @throws Problem not_eligible for who may not export; the refused click is an entry. */
  mayReadEntries(person: Person): Promise<void>
  /** Whether the ledger was restored and waits for people. */
  restore(person: Person): Promise<JsonObject>
  acceptRestore(person: Person, reason: string): Promise<JsonObject>
}

export interface PeopleFilter {
  readonly role?: string
  readonly action?: string
  readonly status?: CallStatus
  readonly session?: string
  readonly person?: string
  /** ms since the epoch. */
  readonly since?: number
  readonly until?: number
  /** Decimals, in the unit of each call. */
  readonly min?: string
  readonly max?: string
  /** A line of the policy that said no, or that asks for people; as `because` and `need` name it. */
  readonly because?: string
  /** What the backend calls it: one of the values of the evidence, to the letter. */
  readonly evidence?: string
  /** Text, anywhere in what a list shows, the request key, and the evidence. */
  readonly q?: string
  readonly cursor?: string
  readonly limit?: number
}

/** One line of an export. The order of the members is that of the file's columns. */
export interface CallExport {
  readonly call: string
  readonly at: string
  readonly updated_at: string
  readonly action: string
  readonly role: string
  readonly requester: string
  readonly session: string
  readonly key: string | null
  readonly status: CallStatus
  readonly summary: string
  /** A decimal; `currency` is its ISO 4217 code, or what is counted. */
  readonly amount: string | null
  readonly currency: string | null
  readonly because: readonly string[]
  readonly approved_by: readonly string[]
  readonly detail: string | null
  readonly evidence: JsonObject
  readonly entry: string
  /** The person whom the agent acts for, or null. */
  readonly acting_for: string | null
}

export interface CallSummary {
  readonly call: string
  readonly at: string
  readonly action: string
  readonly role: string
  readonly session: string
  readonly requester: string
  /** The person whom the agent acts for, or null. */
  readonly acting_for: string | null
  readonly status: CallStatus
  readonly state: CallState
  readonly summary: string
  readonly cost: { readonly unit: string; readonly amount: number; readonly text: string } | null
  readonly because: readonly string[]
  readonly need: readonly {
    readonly line: string
    readonly count: number
    readonly of: string
    readonly have: number
    /** A yes counts only where a passkey signed it. */
    readonly passkey?: true
  }[]
  readonly expires_at: string | null
}

/** One call's whole story, for a person. `agent_says` is the agent's words and is never mixed with `facts`. */
export interface CallStory extends CallSummary {
  /** The digest to send with an approval; null when the call is not held. */
  readonly card: string | null
  readonly facts: JsonObject | null
  readonly agent_says: JsonObject | null
  /** Where the facts came from, and where it is sent. */
  readonly backend: string
  /** Since when the session is there that asked; null where it is not kept any more. */
  readonly session_since: string | null
  readonly will_send: Json | null
  readonly undo: string
  readonly output: Json | null
  readonly evidence: JsonObject
  readonly approvals: readonly {
    readonly person: string
    readonly name: string
    readonly at: string
    /** `sha256:…` of the credential that signed the card. */
    readonly passkey?: string
  }[]
  readonly detail: string | null
  readonly limits: readonly LimitView[]
  readonly entries: readonly JsonObject[]
}

/** A role of the policy that decides. `last_at`: when this role asked for it last, whatever came of it. */
export interface RoleUse {
  readonly role: string
  readonly grants: readonly { readonly action: string; readonly effect: Effect; readonly last_at: string | null }[]
}

export interface SessionView {
  readonly session: string
  readonly role: string
  readonly requester: string
  readonly acting_for: string | null
  readonly lineage: string
  readonly issued_at: string
  readonly expires_at: string
  readonly ended_at: string | null
  readonly ended_reason: string | null
}
