import type { Message } from '../gateway/core/notice.ts'
import type { BackendSpec, Json, JsonSchema, Outcome, Route } from '../gateway/core/types.ts'

/**
 * One attempt at a call. `id` is the same for every retry of a call, so that the backend can recognise repeats (R2).
 */
export interface Attempt {
  /** `call_…`; what the idempotency key derives from, and what is stamped into the backend's own log. */
  readonly id: string
  /** 1, 2, …; 0 for the gateway's own reads (facts, rechecks). */
  readonly number: number
  /** Monotonic milliseconds (performance.now()) after which no byte may be written and no answer is waited for. */
  readonly notAfter: number
  /**
   * Asked in the last hook before bytes are written. false: nothing may be sent; answer
   * `{ kind: 'not_sent', code: 'permit' }` and the pipeline renews the permit and sends again (R3).
   */
  readonly permit: () => boolean
  /** Told which credential the backend refused (401, a refused login): it may have been rotated. */
  readonly denied?: (secret: Secret) => void
  /** Chain of custody: names and values for the backend's own log (headers, application_name). */
  readonly stamp: { readonly [name: string]: string }
  readonly signal: AbortSignal
  /**
   * Of a lease that a vault makes: keeps what it can be taken back by, durably, before it is asked for. Rejects where it
   * could not be kept, or the call is another's by now: then nothing may be made.
   */
  readonly note?: (noted: { readonly from: string; readonly handle: string; readonly place: string }) => Promise<void>
  /** Of a route: what streams in, and where the answer streams to. */
  readonly exchange?: Exchange
}

/**
 * A request that is passed on while it comes in, and whose answer is passed back while it comes: there is one of it, so
 * there is one attempt. Until the first byte left for the backend nothing of the body was read, and the door can answer.
 */
export interface Exchange {
  /** Its body, an `http.IncomingMessage`; head and target are in what was decided about. */
  readonly request: object
  /** An `http.ServerResponse`. Neither is named as a type: the types of the package need none of Node. */
  readonly response: object
  /** The headers of the request that pass, each once, names in small letters. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  /** The name under which the agent asked: what a redirect of the backend points below. */
  readonly name: string
  readonly route: Pick<Route, 'request_max' | 'record'>
  /** Writes the head of the answer, once. The door adds what all its answers have. */
  begin(call: string, status: number, headers: readonly (readonly [name: string, value: string])[]): void
}

/** A live connection to one backend. Never retries, never follows a redirect (R11). */
export interface Connection {
  /**
   * Performs one rendered request. Never rejects: whatever happens is an Outcome. `done.output` is the parsed answer,
   * whole; the caller filters. Anything of which it is not certain is `unknown` (R5).
   */
  send(request: Json, attempt: Attempt): Promise<Outcome>
  close?(): Promise<void>
}

/**
 * Code that speaks to one kind of backend. One file, one line in adapters/index.ts, the shared suite of tests.
 *
 * The schemas hold the YAML of `backends.yaml` and of an action's `request`, `facts` and `recheck`. In the request
 * schema a member may say how a template in it is placed: `"x-template": "path"` (segments and query are encoded, `.`,
 * `..` and empty segments refused), `"value"` (typed; the default), or `"none"` (templates are an error: SQL text).
 * What else a schema may say of a member: `"x-effect"`: `"read"` changes nothing, so facts and rechecks may use it;
 * `"write"` changes something; `"either"` may. `"x-whole"`: a list that loses no item. `"x-not-for"`: the uses (`fact`,
 * `recheck`) that do not have it. Of a whole request: `"x-absent"`: refusals that make a fact null unless the fact says
 * `absent` itself. Of a whole backend: `"x-without"`: common keys that have no meaning for it; `"x-lease"`: it can make
 * logins that are given out (`effect: lease`), and its connections take the requests `{lease}` and `{revoke}`.
 */
export interface Adapter {
  readonly name: string
  readonly backend: JsonSchema
  readonly request: JsonSchema
  /** `secret` is asked at each attempt; its value is opened here and nowhere else. */
  connect(backend: BackendSpec, secret: SecretSource, lender?: Lender): Connection
}

/** A vault that makes logins for others than us. */
export interface Lender {
  /**
   * A login that lives so long, at most; or the outcome that there is none (`not_sent`, `refused`), or may be one
   * (`unknown`). `permit` is asked last before it is made; before that `note` has kept what takes it back. Never rejects.
   */
  lend(ref: string, asked: Lending): Promise<Lent | Exclude<Outcome, { kind: 'done' }>>
  /** Resolves once it is gone, with what else hangs on the handle. Rejects with an Error whose message holds no value. */
  takeBack(ref: string, handle: string): Promise<void>
}
export interface Lending {
  readonly call: string
  readonly lifetime_s: number
  readonly permit: () => boolean
  readonly note: (handle: string) => Promise<void>
}
export interface Lent {
  readonly user: Secret
  readonly password: Secret
  readonly lifetime_s: number
  /** As the vault names it, in its own log too. */
  readonly lease_id: string
  /** What takes it back from now on. */
  readonly handle: string
}

/** Opens the credential that backends.yaml binds to this backend, by the ref as written there. Rejects with SecretUnavailable. */
export type SecretSource = (ref: string) => Promise<Secret>

/** Brings notices to one channel of people. It never follows a redirect, and tries once. */
export interface Courier {
  /** Why the channel cannot be used as it stands, in words without a value, or null. No byte is sent. */
  check(): Promise<string | null>
  /** Never rejects. What came of it is in our words: a status, never what the receiver wrote. */
  bring(message: Message, signal: AbortSignal): Promise<Brought>
  close(): Promise<void>
}
export type Brought =
  | { readonly kind: 'delivered'; readonly said: string }
  | {
      readonly kind: 'failed'
      readonly said: string
      /** The same again will not be taken. */
      readonly final?: true
      /** The channel wants nothing more, ever (410). */
      readonly gone?: true
      /** How long it asked to be left alone. */
      readonly after_ms?: number
    }

/** `util.inspect.custom`. */
const INSPECT: unique symbol = Symbol.for('nodejs.util.inspect.custom')

/** A credential in memory. Refuses to be printed, serialised or inspected; `open()` is called under adapters/ only. */
export class Secret {
  readonly #value: string
  readonly ref: string

  constructor(ref: string, value: string) {
    this.ref = ref
    this.#value = value
  }
  open(): string {
    return this.#value
  }
  toString(): string {
    throw new TypeError(`the secret ${this.ref} cannot be made text`)
  }
  toJSON(): never {
    throw new TypeError(`the secret ${this.ref} cannot be serialised`)
  }
  [Symbol.toPrimitive](): never {
    throw new TypeError(`the secret ${this.ref} cannot be made text`)
  }
  [INSPECT](): string {
    return `Secret(${this.ref})`
  }
}

/** The secret source is down, or has no such name. The message names the ref and the cause, never a value. */
export class SecretUnavailable extends Error {
  override readonly name = 'SecretUnavailable'
  readonly ref: string
  constructor(ref: string, message: string) {
    super(message)
    this.ref = ref
  }
}
