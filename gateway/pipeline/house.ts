import type { Ceremonies } from '../core/passkey.ts'
import type { Call, Json, JsonObject, Policy } from '../core/types.ts'
import type { Store } from '../store/store.ts'
import type { Changes } from './changes.ts'
import type { Backends } from './execute.ts'
import type { Leases } from './leases.ts'
import type { Places } from './places.ts'
import type { Quiet } from './quiet.ts'
import type { Restored } from './restore.ts'

/** Everything the corridor stands on. Clock and randomness are arguments, so that a simulation can own them. */
export interface House {
  readonly policy: () => Policy
  /** Why the policy directory as it stands was refused; null while the policy that decides is what stands there. */
  readonly invalidPolicy?: () => JsonObject | null
  /** Why the policy that another process loaded cannot be used here: nothing is admitted until it can; else null. */
  readonly unusablePolicy?: () => string | null
  readonly store: Store
  readonly backends: Backends
  readonly clock: Clock
  readonly random: (bytes: number) => Uint8Array
  /** Takes every secret value in memory out of what came from a backend. */
  readonly scrub: (value: Json) => Json
  readonly changes: Changes
  /** A policy is loaded while no call is being admitted. */
  readonly quiet: Quiet
  /** Calls on their way to each backend: fetching facts there, being admitted, or owned by this process. */
  readonly places: Places
  /** Requests that wait for a call to change, by its backend. */
  readonly waits: Places
  readonly leases: Leases
  /** Calls whose attempt or resolution this process owns, with the end of it; and what is still to be written of an answer. */
  readonly running: Map<string, Promise<unknown>>
  readonly adminUrl: () => string
  /** How people's passkeys are asked and checked. */
  readonly ceremonies: Ceremonies
  /** The named steps of a call, for a harness that kills at each. */
  readonly step: (name: string) => void
  readonly log: (line: string, fields?: { readonly [name: string]: Json }) => void
  /** Set while a restored ledger waits for people: no write is admitted. */
  restored?: Restored | null
  /** True from the moment the gateway is told to stop: nothing new starts. */
  stopping: boolean
}

export interface Clock {
  /** Wall clock, ms since the epoch. */
  now(): number
  /** Monotonic ms, the same on every thread of the process. */
  monotonic(): number
  sleep(ms: number): Promise<void>
}

/** A committed transition: whoever waits for the call is told. */
export function announce(house: House, call: Call, output: string | null = null): Call {
  house.changes.tell(call, output)
  return call
}
