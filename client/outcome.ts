import type { Code, ProblemBody } from '../gateway/core/problem.ts'
import type { Json, JsonObject, LimitView } from '../gateway/core/types.ts'

/**
 * What became of a call: every status of the contract, and `error` for what is no call. Take it apart by `status`; with
 * `default: outcome satisfies never` the compiler says which one was forgotten.
 */
export type Outcome<Output = Json, Action extends string = string> =
  | Done<Output, Action>
  | Held<Output, Action>
  | Running<Output, Action>
  | Unknown<Output, Action>
  | NeedsHuman<Output, Action>
  | Denied
  | Refused
  | Rejected
  | Expired
  | Cancelled
  | NotSent
  | Failed

interface Call<Status extends string, Action extends string> {
  readonly status: Status
  /** `call_…` */
  readonly call: string
  readonly action: Action
  /** What is left of the limits that it touches. */
  readonly limits: readonly LimitView[]
  /** The newest entry of the ledger about it. */
  readonly entry: string
  /** The request key named this call already; nothing new happened. */
  readonly replayed: boolean
}

/** It happened, once. */
export type Done<Output = Json, Action extends string = string> = Call<'done', Action> & {
  /** Ids in the backend's own log, and who approved. */
  readonly evidence: JsonObject
} & (
    | { readonly output: Output; readonly output_gone: false }
    /** The answer is not kept any more, or there never was one to keep. */
    | { readonly output: null; readonly output_gone: true }
  )

interface Open<Output, Action extends string> {
  /**
   * Waits for its end, or for people to be needed. The call goes on whatever becomes of this program.
   *
   * @returns how it stands after `within_ms` at the latest, if that is given.
   */
  wait(options?: WaitOptions): Promise<Outcome<Output, Action>>
}

export interface WaitOptions {
  readonly within_ms?: number
  readonly signal?: AbortSignal
}

/** People must approve it; once they have, it runs by itself. */
export interface Held<Output = Json, Action extends string = string>
  extends Call<'held', Action>, Open<Output, Action> {
  readonly need: readonly { readonly count: number; readonly of: string; readonly have: number }[]
  /** ISO 8601. */
  readonly expires_at: string
  /** Where people decide. */
  readonly approve_at: string
  /** Takes it back, so that nobody need decide about it. @returns how it stands: another outcome where it was too late. */
  cancel(): Promise<Outcome<Output, Action>>
}

/** It has begun. */
export type Running<Output = Json, Action extends string = string> = Call<'running', Action> & Open<Output, Action>

/** Nobody knows yet whether it happened; the gateway finds out. Not to be asked again under another key. */
export type Unknown<Output = Json, Action extends string = string> = Call<'unknown', Action> & Open<Output, Action>

/** Nobody knows whether it happened, and people must find out. Not to be asked again under another key. */
export type NeedsHuman<Output = Json, Action extends string = string> = Call<'needs_human', Action> &
  Open<Output, Action>

/** A problem (RFC 9457) as the gateway gave it, flat. */
interface No<Status extends string, Codes extends string> extends Pick<
  ProblemBody,
  'detail' | 'retry' | 'because' | 'errors' | 'next' | 'resets_at'
> {
  readonly status: Status
  readonly code: Codes
  /** Seconds after which asking again may help. */
  readonly retry_after?: number
}

interface NoCall<Status extends string, Codes extends string> extends No<Status, Codes> {
  readonly call: string
  readonly entry: string
  readonly replayed: boolean
}

/** Refused before anything was sent: not granted, an input that does not fit, the policy, a limit, a freeze. */
export type Denied = NoCall<'denied', Code>
/** The backend said no. */
export type Refused = NoCall<'refused', 'backend_refused'>
/** A person said no. */
export type Rejected = NoCall<'rejected', 'rejected'>
/** Nobody decided in time. */
export type Expired = NoCall<'expired', 'expired'>
/** It was taken back. */
export type Cancelled = NoCall<'cancelled', 'cancelled'>
/** The backend, or our credential for it, was not to be had: nothing was sent, and the key is free. */
export type NotSent = NoCall<'not_sent', Code> & {
  /** Only of `dryRun`. */
  readonly dry_run?: {
    readonly verdict: 'allow' | 'hold' | 'deny'
    readonly request: Json
    readonly because: readonly string[]
  }
}
/**
 * No call: a request that cannot be read, a session that is over, a gateway that is overloaded, or `unreachable`, when
 * nobody knows whether it arrived: then ask again under the same key.
 */
export type Failed = No<'error', Code | 'unreachable'>
