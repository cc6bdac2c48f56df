/**
 * The nouns, as readonly plain data. Whatever crosses a thread or is stored is a type of this file
 * that survives structuredClone; what holds functions (a compiled Policy) never leaves the request's thread.
 */

import type { Notify } from './notice.ts'

export type Json = null | boolean | number | string | readonly Json[] | { readonly [member: string]: Json }
export type JsonObject = { readonly [member: string]: Json }
/** A JSON Schema 2020-12 document. */
export type JsonSchema = { readonly [keyword: string]: Json }

/** The printable name of a credential: `age://stripe/key`, `env://VAR`, `file:///PATH`. Never its value. */
export type SecretRef = string & { readonly __secret_ref?: never }

// ---------------------------------------------------------------- money, windows, limits

/** An amount of one unit: an ISO 4217 code in capitals with minor units, or a counted noun (`rows`, `calls`). */
export interface Amount {
  readonly unit: string
  /** Integer. Minor units for a currency. */
  readonly amount: number
}

export type Window =
  | { readonly kind: 'calendar'; readonly every: 'day' | 'week' | 'month'; readonly timezone: string }
  | { readonly kind: 'rolling'; readonly length_ms: number }
  /** No time: counts only what is reserved now (open holds, unsettled calls). */
  | { readonly kind: 'gauge' }

export type LimitKind = 'budget' | 'rate' | 'attempts' | 'holds' | 'serialize' | 'watch'

/** One limit that a call touches, and how much of it the call takes. */
export interface Want {
  /** Identity: owner, action, unit, window, time zone, `by` and its value. The maximum is no part of it. */
  readonly limit: string
  /** What `because` cites: `grants.stripe.refund.daily`. */
  readonly because: string
  /** What the envelope shows: `daily`. */
  readonly name: string
  readonly kind: LimitKind
  readonly unit: string
  readonly window: Window
  /** As the policy says it: `day`, `rolling 24h`. */
  readonly per: string
  /** `role`, `session`, `requester`, or the text of the fact. */
  readonly by: string
  readonly amount: number
  /** null: watched only (the window of an approval line). */
  readonly max: number | null
  /** A line in report mode is counted and recorded, and does not decide. */
  readonly report: boolean
}

export interface LimitState {
  /** Sum of what unsettled calls have reserved; counts in every window (R13). */
  held: number
  /** Settled use by bucket start, ms since the epoch. */
  buckets: Map<number, number>
}

export interface LimitView {
  readonly name: string
  readonly kind: LimitKind
  readonly unit: string
  readonly per: string
  readonly by: string
  readonly max: number
  readonly used: number
  readonly held: number
  readonly left: number
  readonly resets_at: string | null
}

// ---------------------------------------------------------------- policy, compiled

export interface Finding {
  readonly file: string
  /** 1-based. */
  readonly line: number
  readonly column: number
  /** The source line, and the caret line under it. */
  readonly excerpt: string
  readonly message: string
  readonly hint?: string
  readonly severity: 'error' | 'warning'
}

export interface PolicyText {
  /** Relative to the policy directory, with `/`. */
  readonly path: string
  readonly text: string
}

/** What an expression sees. Values are plain JSON; integers become CEL int inside. */
export type Scope = { readonly [name: string]: Json | undefined }

export interface Expression {
  readonly text: string
  /** Never throws: an error is data, and denies. */
  evaluate(scope: Scope): Evaluated
  /** Dotted paths read, e.g. `facts.charge.amount`; what a limit may be checked with before facts are there. */
  readonly reads: readonly string[]
}
export type Evaluated = { readonly ok: true; readonly value: Json } | { readonly ok: false; readonly error: string }

/** A tree with `${…}` in it. Rendering places values, typed; it never splices text into a structure. */
export interface Template {
  render(scope: Scope): Rendered
  readonly reads: readonly string[]
}
export type Rendered = { readonly ok: true; readonly value: Json } | { readonly ok: false; readonly error: string }

export type Effect = 'read' | 'write' | 'lease'

export interface BackendSpec {
  readonly name: string
  readonly adapter: string
  /** Adapter-specific and common keys as written, durations still text. Handed to Adapter.connect. */
  readonly config: JsonObject
  readonly timeout_ms: number
  /** How late after a timeout an effect may still appear. */
  readonly lands_within_ms: number
  readonly idempotency: { readonly header: string; readonly lives_ms: number } | null
  /** Response header that links into the backend's own log. */
  readonly request_id: string | null
  /** Statuses that are the backend's certain no (R5). */
  readonly final: readonly number[]
  readonly private: boolean
  readonly breaker: { readonly percent: number; readonly of: number; readonly for_ms: number }
  /** Every secret ref under `auth`. */
  readonly secrets: readonly SecretRef[]
}

export interface Fact {
  readonly name: string
  readonly backend: string
  readonly request: Template
  /** Members kept, by name, with the type each must have. null (or missing) stays null; another type is an error. */
  readonly keep: Keep
  /** Statuses that make the fact null. */
  readonly absent: readonly number[]
  readonly page: Page | null
  /** `complete: EXPR` over `output`; false: half a list is no fact. */
  readonly complete: Expression | null
}
/** Typed members of a fact: `string`, `integer`, `number`, `boolean`, `[…]` list of one of these or of objects, nested maps. */
export type Keep = { readonly [member: string]: KeepType }
export type KeepType =
  | 'string'
  | 'integer'
  | 'number'
  | 'boolean'
  | { readonly list: KeepType }
  | { readonly object: Keep }

export interface Page {
  /** Query member → expression over `last` (the last item) and `output`. */
  readonly next: { readonly [query: string]: Expression }
  /** True while there is another page; over `output`. */
  readonly while: Expression
  /** Where the items are: a list in `output` (`data` by default). */
  readonly items: string
}

export interface Lookup {
  readonly request: Template
  readonly page: Page | null
  /** Over `output`, `input`, `call`, `facts`. true on any page: it happened; an error: cannot tell. */
  readonly happened: Expression
}

export type CostSpec =
  | { readonly kind: 'minor'; readonly minor: Expression; readonly currency: Expression | string }
  | { readonly kind: 'decimal'; readonly decimal: Expression; readonly currency: Expression | string }
  | { readonly kind: 'count'; readonly count: Expression; readonly of: string }

export interface InputError {
  /** JSON pointer-like dotted path: `input.amount`. */
  readonly path: string
  readonly got: string
  readonly want: string
  readonly example?: Json
}

export interface Action {
  readonly name: string
  readonly describe: string
  readonly effect: Effect
  readonly input: JsonSchema
  /** Empty: valid. All errors at once. */
  readonly validate: (input: unknown) => readonly InputError[]
  /** Top-level input members marked sensitive. */
  readonly sensitive: readonly string[]
  /** A valid example input, made from the schema. */
  readonly example: JsonObject
  readonly backend: string
  readonly facts: readonly Fact[]
  readonly cost: CostSpec | null
  readonly summary: Template | null
  readonly request: Template
  readonly recheck: Lookup | null
  /** Paths as written in `output.keep`. */
  readonly keep: readonly string[]
  readonly undo: string
  readonly replay_ms: number
  /** Of `effect: lease`: what is made. */
  readonly lease?: LeaseSpec
  /** The doors of another API's shape that it stands at: shape → endpoints. */
  readonly compat?: { readonly [shape: string]: readonly Endpoint[] }
  /** Set: it is a route, whose input is what a streamed request is known by. */
  readonly route?: Route
}

/** A passthrough route: which requests it lets through, and what is kept of them. */
export interface Route {
  /** The closed list: method and path, `*` for one whole segment. */
  readonly allow: readonly { readonly method: string; readonly path: string }[]
  /** Request headers that pass beside the common ones, in small letters. */
  readonly headers: readonly string[]
  /** The largest body of a request, bytes. */
  readonly request_max: number
  readonly record: { readonly request: Recorded; readonly response: Recorded }
}
export type Recorded = 'digest' | 'body' | 'none'

/** A short-lived login: of the backend's own making with these roles, or of a vault's. */
export interface LeaseSpec {
  /** `vault://MOUNT/creds/ROLE`; null: the backend makes it. */
  readonly from: SecretRef | null
  readonly roles: readonly string[]
  readonly lifetime_ms: number
  /** null: as the vault gives it. */
  readonly connections: number | null
}

/** An endpoint of another API, and how a request there becomes this action's input, and its output the answer. */
export interface Endpoint {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** `/v1/charges/{charge}`. */
  readonly path: string
  /** Input member → where it comes from; a member that is not named takes the parameter of its own name. */
  readonly input: { readonly [member: string]: Source }
  /** Parameters, with all below them, that mean nothing here. */
  readonly ignore: readonly string[]
  /** Over `output`, `input`, `call`; null: the output as it is. */
  readonly answer: Template | null
  /** Members that the answer has beside. */
  readonly add: JsonObject
}
export type Source =
  | { readonly from: string; readonly otherwise?: Json }
  /** The same for everyone: the request cannot say another. */
  | { readonly always: Json }

/** Where a line came from and how it is cited. */
interface LineBase {
  /** `grants.stripe.refund.max`; with its `name:` where it has one. */
  readonly because: string
  /** The role that wrote it (a parent, for inherited lines); counters belong to it. */
  readonly owner: string
  readonly report: boolean
}
/** One amount per currency (or counted unit). */
export type Amounts = { readonly [unit: string]: number }

export interface MaxLine extends LineBase {
  readonly max: Amounts
}
export interface LimitLine extends LineBase {
  readonly kind: 'budget' | 'rate' | 'serialize'
  readonly name: string
  /** The shared budget's name where it is one; its identity is then the budget's, not the grant's. */
  readonly shared: string | null
  readonly max: Amounts
  readonly window: Window
  readonly per: string
  readonly by: By
}
export type By =
  | { readonly kind: 'role' | 'session' | 'requester' }
  | { readonly kind: 'fact'; readonly value: Expression }
export interface RequireLine extends LineBase {
  readonly that: Expression
  readonly else: string
}
export interface ApprovalLine extends LineBase {
  readonly above: Amounts | null
  /** Set: `above` is of this call plus what was done and held in the window. */
  readonly window: { readonly window: Window; readonly per: string; readonly by: By } | null
  readonly up_to: Amounts | null
  readonly when: Expression | null
  readonly count: number
  readonly of: string
  readonly expires_ms: number
  readonly passkey: boolean
  /** Channels that are told, where the line says so; else those of the group. */
  readonly notify?: readonly string[]
  /** Further ones at 80 % of the hold's life. */
  readonly escalate?: readonly string[]
}

export interface Grant {
  readonly action: string
  readonly max: readonly MaxLine[]
  readonly limits: readonly LimitLine[]
  readonly require: readonly RequireLine[]
  readonly approval: readonly ApprovalLine[]
  readonly next: readonly string[]
  readonly dry_run: boolean
  /** Policy refusals and dry runs per rolling hour and principal. */
  readonly attempts: number
  readonly holds_max: number
  /** Its lines as `because` cites them, in file order; those that are inherited after its own. */
  readonly order: readonly string[]
}

export interface IssueRule {
  /** One of the two. */
  readonly issuer: string | null
  readonly group: string | null
  /** Over `claims`. */
  readonly where: Expression | null
  /** session attribute → expression over `claims`. */
  readonly carry: { readonly [attribute: string]: Expression }
}

export interface Role {
  readonly name: string
  readonly describe: string
  readonly owners: readonly string[]
  readonly owners_approve: boolean
  readonly timezone: string
  readonly lifetime_ms: number
  readonly issue_to: readonly IssueRule[]
  readonly grants: ReadonlyMap<string, Grant>
  /** `required`: the subject token or the request must state the digest. */
  readonly prompt: { readonly file: string; readonly digest: string; readonly required: boolean } | null
}

export interface Guardrail {
  readonly name: string
  /** Globs over action names; null: all. */
  readonly actions: readonly string[] | null
  readonly deny: Expression
  readonly else: string
  readonly timezone: string
  readonly report: boolean
}

export interface Issuer {
  readonly name: string
  /** The `iss` claim. */
  readonly issuer: string
  readonly audience: string
  /** Where identity.yaml says `client_id` (it is the audience too): an `azp` claim must be it. */
  readonly client_id?: string | null
  /** Of that client, where it has one: people's sign-in proves with it that it is this gateway. */
  readonly client_secret?: SecretRef | null
  /** What people's sign-in asks for; `openid profile email` unless said. */
  readonly scope?: string | null
  readonly keys:
    | { readonly kind: 'jwks'; readonly keys: JsonObject }
    | { readonly kind: 'jwks_uri'; readonly uri: string }
    | { readonly kind: 'oidc'; readonly issuer: string }
    | { readonly kind: 'dev' }
  /** Whether a second use of one token is refused; null: of RFC 7523's assertions only. */
  readonly once: boolean | null
  /** Over `claims`; set: an issuer of people. */
  readonly person: Expression | null
  readonly display: Expression | null
  readonly groups: Expression | null
  /** Only of `dev: true`: the accounts that the demo's issuer signs for, with their claims. */
  readonly accounts: { readonly [account: string]: JsonObject }
}
export interface Group {
  readonly name: string
  readonly issuer: string
  readonly where: Expression
  /** Channels that are told of what waits for this group, and further ones at 80 % of a hold's life. */
  readonly notify?: readonly string[]
  readonly escalate?: readonly string[]
}

export interface Policy {
  /** `sha256:…` over paths and texts. */
  readonly digest: string
  readonly texts: readonly PolicyText[]
  readonly backends: ReadonlyMap<string, BackendSpec>
  readonly actions: ReadonlyMap<string, Action>
  readonly roles: ReadonlyMap<string, Role>
  readonly guardrails: readonly Guardrail[]
  /** Name → default position. */
  readonly switches: ReadonlyMap<string, boolean>
  readonly issuers: ReadonlyMap<string, Issuer>
  readonly groups: ReadonlyMap<string, Group>
  /** Right → groups. */
  readonly people: {
    readonly view: readonly string[]
    readonly freeze: readonly string[]
    readonly settle: readonly string[]
    readonly export: readonly string[]
    readonly metrics: 'token' | 'open'
    /** A passkey counts for approvals from so long after it was registered; at once unless said. */
    readonly passkeys_after_ms?: number
  }
  readonly sessions: { readonly lifetime_max_ms: number; readonly live_per_principal: number }
  /** Absent where there is no channel. */
  readonly notify?: Notify
}

// ---------------------------------------------------------------- who

export interface Session {
  readonly id: string
  /** The first session of a chain of renewals; budgets `by: session` count by it. */
  readonly lineage: string
  readonly role: string
  /** `issuer:subject`, and the person acted for: what keys and calls belong to (R1). */
  readonly principal: string
  /** `issuer:subject` of who asked. */
  readonly requester: string
  /** `issuer:person` of the person acted for. */
  readonly acting_for: string | null
  readonly attributes: JsonObject
  readonly issued_at: number
  readonly expires_at: number
}

export interface Person {
  /** `issuer:person`, from an immutable claim. */
  readonly id: string
  readonly name: string
  readonly groups: readonly string[]
}

// ---------------------------------------------------------------- question, plan, decision

/** Everything a decision may depend on. Kept with the call, so that any past decision can be taken again. */
export interface Question {
  /** ms since the epoch. */
  readonly at: number
  readonly call: string
  readonly session: Session
  readonly action: string
  readonly input: JsonObject
  readonly facts: JsonObject
  /** Switches of the policy with their positions now. */
  readonly switches: { readonly [name: string]: boolean }
}

/** A line that said no. */
export interface Because {
  readonly because: string
  readonly message: string
  /** An expression errored; an error denies. */
  readonly error?: true
  /** In a plan: lines that stand before this one in the file and that only use will decide. */
  readonly after?: readonly string[]
}

/** An approval line that applies, or applies if `when` holds once use is known. */
export interface Need {
  readonly line: string
  readonly count: number
  readonly of: string
  readonly expires_ms: number
  readonly passkey: boolean
  /** Applies when used + held + amount of this limit is above (and at or below `up_to`). */
  readonly when: { readonly limit: string; readonly above: number; readonly up_to: number | null } | null
  /** A line in report mode asks nobody; that it would have is recorded. */
  readonly report: boolean
}

/** What a call wants, weighed: plain data that may cross a thread. */
export interface Plan {
  /** Digest of the policy it was weighed under, and version of the switches; another one now: weigh again. */
  readonly policy: string
  readonly switches: number
  readonly action: string
  readonly role: string
  readonly effect: Effect
  readonly backend: string
  readonly cost: Amount | null
  readonly summary: string
  /** Concrete, in the shape of the action's `request`. */
  readonly request: Json
  readonly want: readonly Want[]
  readonly need: readonly Need[]
  /** What use cannot change: guardrails, ceilings, requirements, errors. */
  readonly deny: readonly Because[]
  /** What lines in report mode would have refused. */
  readonly reported: readonly string[]
  /** The refusals counter that a denial is charged to. */
  readonly attempts: Want
  readonly holds: Want
  readonly next: readonly string[]
  /** A route: request and answer stream, once. */
  readonly streamed?: true
  /** Persons of these groups, and these persons, may not approve. */
  readonly barred: { readonly persons: readonly string[]; readonly groups: readonly string[] }
}

export interface Approval {
  readonly person: string
  readonly name: string
  readonly groups: readonly string[]
  readonly at: number
  readonly card: string
  /** The passkey that signed the card; without one it counts in no line that asks for one. */
  readonly passkey?: {
    /** `sha256:…` of the credential's id. */
    readonly credential: string
    /** `sha256:…` of what is kept beside the ledger. */
    readonly digest: string
  }
}

export type Decision =
  | {
      readonly verdict: 'allow'
      readonly reserve: readonly Want[]
      /** The approval lines that applied, all met. */
      readonly need: readonly NeedState[]
    }
  | {
      readonly verdict: 'hold'
      readonly reserve: readonly Want[]
      readonly need: readonly NeedState[]
      readonly expires_ms: number
    }
  | {
      readonly verdict: 'deny'
      readonly code: 'denied' | 'rate_limited'
      readonly because: readonly Because[]
      readonly retry_at: number | null
    }

export interface NeedState {
  readonly line: string
  readonly count: number
  readonly of: string
  readonly have: number
  readonly passkey: boolean
}

// ---------------------------------------------------------------- outcome

export type Outcome =
  | { readonly kind: 'done'; readonly output: Json; readonly evidence: JsonObject }
  | {
      readonly kind: 'refused'
      readonly status: number
      readonly message: string
      readonly evidence: JsonObject
      readonly retry_after_s?: number
      /** Of a streamed exchange: what is kept of it. */
      readonly output?: Json
    }
  | { readonly kind: 'unknown'; readonly reason: string; readonly evidence: JsonObject }
  /**
   * Of a streamed exchange alone: its first byte left, and it did not come to a whole answer that settles anything. It is
   * over and counted, and nobody asks the backend what became of it.
   */
  | {
      readonly kind: 'broken'
      readonly reason: string
      /** Who ended it. */
      readonly by: 'agent' | 'backend' | 'gateway'
      /** The whole answer was passed on; it was no certain yes and no certain no. */
      readonly answered: boolean
      readonly output: Json
      readonly evidence: JsonObject
    }
  /** Certainly nothing was sent. */
  | {
      readonly kind: 'not_sent'
      readonly reason: string
      /** `left`: whoever asked is gone, which says nothing about the backend. */
      readonly code?: 'secret_unavailable' | 'permit' | 'backend_unavailable' | 'left'
    }

// ---------------------------------------------------------------- calls as stored

export type CallState =
  | 'held'
  | 'intent'
  | 'executing'
  | 'unknown'
  | 'needs_human'
  | 'done'
  | 'refused'
  | 'denied'
  | 'rejected'
  | 'expired'
  | 'cancelled'
  | 'not_sent'

/** What clients see: intent and executing are `running`. */
export type CallStatus = Exclude<CallState, 'intent' | 'executing'> | 'running'

export interface Call {
  readonly id: string
  readonly state: CallState
  readonly action: string
  readonly role: string
  readonly effect: Effect
  readonly backend: string
  readonly principal: string
  readonly requester: string
  readonly session: string
  readonly lineage: string
  readonly key: string | null
  /** The key names this call (R1); false for denied and not_sent ones, which leave it free. */
  readonly bound: boolean
  /** HMAC of the validated input by the store's key. */
  readonly fingerprint: string
  /**
   * Where equal requests may come without a key of their own. `open`: they join while it is open. `owed`: one of them has
   * asked, and what comes of it is to be told once. `telling`: that is on its way to one. `handed`: it was told. Absent:
   * none can come.
   */
  readonly join?: 'open' | 'owed' | 'telling' | 'handed'
  /** While it is on its way: to which request, and until when (ms) others wait to know whether it was heard. */
  readonly telling?: { readonly by: string; readonly until: number }
  readonly policy: string
  readonly summary: string
  readonly cost: Amount | null
  /** What the call holds while unsettled, or held; kept for the envelope's `limits` afterwards. */
  readonly reserve: readonly Want[]
  readonly need: readonly NeedState[]
  readonly approvals: readonly Approval[]
  /** Digest of the card that people say yes to; null when not held. */
  readonly card: string | null
  readonly expires_at: number | null
  /** Number of the current or last attempt; 0 before the first. */
  readonly attempt: number
  /** The process that runs or resolves it; null before the first attempt. */
  readonly owner: string | null
  /** Attempts whose outcome is in doubt (R4). */
  readonly doubt: readonly number[]
  /** Date of the intent: what windows count it under (R13). */
  readonly intent_at: number | null
  /** Wall clock by which the current attempt must have begun and ended. */
  readonly not_after: number | null
  readonly created_at: number
  readonly updated_at: number
  readonly code: string | null
  readonly detail: string | null
  readonly because: readonly string[]
  readonly next: readonly string[]
  readonly retry_at: number | null
  readonly evidence: JsonObject
  /** Two people settle a needs_human call. */
  readonly settles: readonly {
    readonly person: string
    readonly outcome: 'done' | 'refused'
    readonly reason: string
    readonly at: number
  }[]
  readonly barred: { readonly persons: readonly string[]; readonly groups: readonly string[] }
  /** Request and answer streamed: nothing of it can be sent a second time. */
  readonly streamed?: true
  readonly replay_until: number | null
  readonly entry: string
}

/** What lies beside the ledger: one row per call. An entry holds only HMAC-SHA256(salt, bytes). */
export interface Bodies {
  readonly call: string
  /** Hex, 32 bytes. */
  readonly salt: string
  /** JSON `{at, switches}`: what the decision was taken on beside input and facts (I10). */
  readonly question: string | null
  readonly input: string | null
  readonly facts: string | null
  readonly request: string | null
  readonly output: string | null
  /** JSON list of `{question, facts, request}` that earlier decisions about this call were taken on, oldest first. */
  readonly earlier: string | null
}
