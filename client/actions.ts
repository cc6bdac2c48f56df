import type { Effect, Json, JsonObject, LimitView } from '../gateway/core/types.ts'
import type { Outcome } from './outcome.ts'

export interface CallOptions {
  /**
   * Names this one effect (`T-481/refund-1`): a repeat under the same key never acts twice. Every write needs one, and none
   * is made up here: only the agent knows which of its requests are the same.
   */
  readonly key?: string
  /** Seconds to wait for people and for the end of a running call, at most 25. Without: 10 for a running one only. */
  readonly wait?: number
  /** Ends the waiting, not the call. */
  readonly signal?: AbortSignal
}

/** `keystay types` writes one of these for a role. */
export type ActionTypes = { readonly [action: string]: ActionType }
export interface ActionType {
  readonly effect: Effect
  readonly input: object
  readonly output: unknown
}
export type AnyActions = { readonly [action: string]: { effect: Effect; input: object; output: Json } }

export type Name<Actions> = keyof Actions & string
export type Options<Kind extends Effect> = [Kind] extends ['read'] ? [CallOptions?] : Keyed<Kind>
/** Where it is not known whether an action writes, the gateway says when a key is missing. */
type Keyed<Kind extends Effect> = 'read' extends Kind ? [CallOptions?] : [CallOptions & { readonly key: string }]
export type Asking<Actions extends ActionTypes> = {
  [A in Name<Actions>]: [action: A, input: Actions[A]['input'], ...options: Options<Actions[A]['effect']>]
}[Name<Actions>]
/** The outcome of one action of a role. */
export type Asked<Actions extends ActionTypes, A extends Name<Actions>> =
  A extends Name<Actions> ? Outcome<Actions[A]['output'], A> : never

export interface ActionView {
  readonly name: string
  readonly description: string
  readonly effect: Effect
  /** JSON Schema 2020-12. */
  readonly input_schema: JsonObject
  readonly output_schema: JsonObject
  readonly example: JsonObject
  readonly limits: readonly LimitView[]
  readonly next?: readonly string[]
}
