import { actingFields } from './principal.ts'
import type { Unnamed } from './join.ts'
import type { LeaseRow } from './lease.ts'
import type { Notice, Wait } from './notice.ts'
import type { SessionRow, Switches } from './operations.ts'
import type { Passkey } from './passkey.ts'
import type { Consent, Visit } from './visit.ts'
import type { Bodies, Call, CallState, JsonObject, LimitState, PolicyText } from './types.ts'

/**
 * What a batch works on: the writer loads what its operations touch, folds them in arrival order, and writes back what
 * changed, in one transaction.
 */
export interface Working {
  /** The batch's clock, ms since the epoch (R14). */
  readonly now: number
  /** Monotonic ms at the transaction's begin: what permits count from (R3). */
  readonly begun: number
  /** The process whose batch this is, as calls name their owner. */
  readonly owner: string
  /** Digest of the current policy, '' before the first. */
  policy: string
  switches: Switches
  /** Who is about to load a policy, and since when; nothing is admitted meanwhile. */
  closed: Closed | null
  /** Limits that the current policy defines; loaded where a policy is. */
  definitions: ReadonlySet<string>
  readonly calls: Map<string, Call>
  /** keyName(…) → id of the call that binds it, or that a request with this key has joined. */
  readonly keys: Map<string, string>
  readonly limits: Map<string, LimitState>
  readonly sessions: Map<string, SessionRow>
  /** Principal → live sessions. */
  readonly live: Map<string, number>
  /** `issuer jti` that were used before. */
  readonly proofs: Set<string>
  readonly salts: Map<string, string>
  readonly visits: Map<string, Visit>
  readonly consents: Map<string, Consent>
  /** By id. */
  readonly passkeys: Map<string, Passkey>
  /** By call. */
  readonly leases: Map<string, LeaseRow>
  readonly waits: Map<string, Wait>
  readonly notices: Map<string, Notice>
  /** A fresh `ent_…`. */
  readonly id: () => string

  // what the writer writes back
  readonly entries: NewEntry[]
  /** keyName(…) → id of the call that a request with this key has joined. */
  readonly joined: Map<string, string>
  readonly bodies: Map<string, Partial<Bodies> & { call: string }>
  /** What passkeys signed, beside the entry that holds its digest. */
  readonly assertions: KeptAssertion[]
  readonly texts: { digest: string; texts: readonly PolicyText[] }[]
  readonly changed: {
    calls: Set<string>
    limits: Set<string>
    sessions: Set<string>
    /** One that is not there any more is deleted. */
    visits: Set<string>
    consents: Set<string>
    /** One that is not there any more is deleted. */
    passkeys: Set<string>
    leases: Set<string>
    waits: Set<string>
    notices: Set<string>
    switches: boolean
    definitions: boolean
  }
}

export interface KeptAssertion {
  readonly entry: string
  readonly call: string
  readonly text: string
}

export interface Closed {
  readonly owner: string
  /** When it was asked for first, without a gap until now. */
  readonly since: number
  /** When it was asked for last. */
  readonly at: number
}

/** An entry before it has a place in the tree. `fields` follow `id`, `at`, `kind` in the hashed bytes. */
export interface NewEntry {
  readonly id: string
  readonly at: number
  readonly kind: string
  readonly call: string | null
  readonly session: string | null
  readonly fields: JsonObject
}

/** What an operation needs loaded before it is folded. */
export interface Touches {
  readonly calls?: readonly string[]
  readonly keys?: readonly {
    readonly principal: string
    readonly role: string
    readonly action: string
    readonly key: string
  }[]
  /** Requests without a key of their own: the calls that their keys have joined, and those that they may join. */
  readonly unnamed?: readonly Unnamed[]
  /** Beside these, the writer loads the limits in `reserve` of every call it loads. */
  readonly limits?: readonly string[]
  readonly sessions?: readonly string[]
  /** This session's whole lineage: sessions that live or have open calls, and all calls that are held or in intent. */
  readonly lineageOf?: string
  /** This session, and the one that renews it. */
  readonly renewalOf?: string
  /** The limits that the current policy defines. */
  readonly definitions?: boolean
  /** All held calls and all sessions that have not ended with expires_at <= now. */
  readonly due?: boolean
  /** Counts of live sessions of this principal, at now. */
  readonly livePrincipal?: string
  readonly proofs?: readonly { readonly issuer: string; readonly jti: string }[]
  readonly visits?: readonly string[]
  readonly consents?: readonly string[]
  readonly passkeys?: readonly string[]
  /** All of this person's. */
  readonly passkeysOf?: string
  /** The consent that has this user code, by its hash. */
  readonly userCode?: string
  /** The leases of these calls. */
  readonly leases?: readonly string[]
  /** The lease of this call, and all sessions of its lineage. */
  readonly leaseEnd?: string
  /** The waits of these calls, with their notices. */
  readonly told?: readonly string[]
}

/** The arrows of 5-correctness; only these exist. `null`: a call that is not there yet. */
const ARROWS: { readonly [from in CallState | 'received']: readonly CallState[] } = {
  received: ['denied', 'held', 'intent', 'executing'],
  held: ['held', 'intent', 'executing', 'denied', 'rejected', 'expired', 'cancelled'],
  intent: ['intent', 'executing', 'cancelled', 'not_sent'],
  executing: ['executing', 'intent', 'not_sent', 'done', 'refused', 'unknown', 'cancelled'],
  unknown: ['unknown', 'done', 'refused', 'needs_human'],
  needs_human: ['needs_human', 'done', 'refused'],
  done: [],
  refused: [],
  denied: [],
  rejected: [],
  expired: [],
  cancelled: [],
  not_sent: [],
}

/** The only way a call changes. @throws Error for an arrow that does not exist: a bug, and the batch keeps nothing of it. */
export function put(working: Working, call: Call): Call {
  const before = working.calls.get(call.id)
  const from = before?.state ?? 'received'
  if (!ARROWS[from].includes(call.state)) throw new Error(`no arrow from ${from} to ${call.state} (${call.id})`)
  working.calls.set(call.id, call)
  working.changed.calls.add(call.id)
  if (call.key !== null) {
    const name = keyName(call.principal, call.role, call.action, call.key)
    if (call.bound) working.keys.set(name, call.id)
    else if (working.keys.get(name) === call.id) working.keys.delete(name)
  }
  return call
}

/** What is no arrow, and so no entry: who was told what came of a call. @throws Error for another state: a bug. */
export function mark(working: Working, call: Call): Call {
  const before = working.calls.get(call.id)
  if (before?.state !== call.state) throw new Error(`a mark would change the state of ${call.id}`)
  working.calls.set(call.id, call)
  working.changed.calls.add(call.id)
  return call
}

/** Appends an entry. @returns its id. */
export function write(
  working: Working,
  kind: string,
  fields: JsonObject,
  about: { readonly call?: string; readonly session?: string } = {},
): string {
  const id = working.id()
  const { call = null, session = null } = about
  working.entries.push({ id, at: working.now, kind, call, session, fields })
  return id
}

/** What a request key belongs to (R1), as one string. */
export function keyName(principal: string, role: string, action: string, key: string): string {
  return JSON.stringify([principal, role, action, key])
}

/** The call that a key names, or that a request with it has joined. What was not sent has left its keys free. */
export function namedCall(working: Working, name: string): Call | undefined {
  const call = working.calls.get(working.keys.get(name) ?? '')
  return call?.state === 'not_sent' ? undefined : call
}

/** What every entry about a call begins with. */
export function callFields(call: Call): JsonObject {
  const { id, session, role, principal, action, effect } = call
  return { call: id, session, role, principal, ...actingFields(principal), action, effect }
}
