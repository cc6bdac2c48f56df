import type { ProblemBody } from '../gateway/core/problem.ts'
import type { ActionTypes, ActionView, AnyActions, Asked, Asking, CallOptions, Name, Options } from './actions.ts'
import { KeystayError } from './error.ts'
import type { Outcome, WaitOptions } from './outcome.ts'
import { failed, outcomeOf, refused } from './read-outcome.ts'
import { pause, repeated, send, Unreachable } from './send.ts'
import type { Answer, Sent } from './send.ts'
import type { LentSession } from './lent-session.ts'
import type { Session } from './session.ts'
import { under } from './under.ts'

const WAIT_MAX_S = 25
/** The gateway may hold an answer back for so long without being asked to. */
const OWN_WAIT_S = 10
const SLACK_MS = 15_000

export class Gateway<Actions extends ActionTypes = AnyActions> implements AsyncDisposable {
  readonly url: string
  readonly role: string
  readonly #base: URL
  readonly #patience_ms: number
  readonly #session: Session | LentSession

  constructor(base: URL, role: string, patience_ms: number, session: Session | LentSession) {
    this.url = base.origin
    this.role = role
    this.#base = base
    this.#patience_ms = patience_ms
    this.#session = session
  }

  /** `ses_…`: which session this is now. */
  get session(): string {
    return this.#session.id
  }

  /** The same with the types of a role given here: `gw.call<Actions>('stripe.refund', …)`. */
  call<Given extends ActionTypes = never>(...asking: Asking<Given>): Promise<Asked<Given, Name<Given>>>
  /**
   * Asks for one action. What the gateway says is an outcome; nothing of it is thrown. Where it cannot be reached, the same
   * request is repeated under the same key, which never acts twice.
   *
   * @throws KeystayError `closed`, `usage`; the reason of `signal`.
   */
  call<A extends Name<Actions>>(
    action: A,
    input: Actions[A]['input'],
    ...options: Options<Actions[A]['effect']>
  ): Promise<Asked<Actions, A>>
  async call(action: string, input: object, options: CallOptions = {}): Promise<never> {
    return (await this.#call(action, input, options, {})) as never
  }

  /** The decision and the request that would be sent: `not_sent` with `dry_run`. The grant must allow it. */
  dryRun(action: Name<Actions>, input: object): Promise<Outcome> {
    return this.#call(action, input, {}, { 'keystay-dry-run': 'true' })
  }

  async #call(action: string, input: object, options: CallOptions, more: Sent['headers']): Promise<Outcome> {
    const { key = '', wait, signal } = options
    const path = `/v1/actions/${named(action, /^[A-Za-z0-9_][\w.-]{0,199}$/, 'an action')}`
    if (key !== '' && !/^[\x21-\x7E]{1,255}$/.test(key)) {
      throw new KeystayError('usage', 'A request key has 1 to 255 visible ASCII characters.')
    }
    const headers = {
      'content-type': 'application/json',
      ...(key === '' ? {} : { 'idempotency-key': key }),
      ...(wait === undefined ? {} : { prefer: `wait=${secondsOf(wait)}` }),
      ...more,
    }
    // Made once: a repeat is the same, byte for byte.
    const body = JSON.stringify(input)
    const timeout_ms = (wait ?? OWN_WAIT_S) * 1000 + SLACK_MS
    return this.#outcome(path, { method: 'POST', headers, body, timeout_ms, signal })
  }

  /** A call of this principal and role as it stands now: by whichever session, or run of this program, it was asked. */
  async find(call: string, { signal }: { readonly signal?: AbortSignal } = {}): Promise<Outcome> {
    return this.#look(call, 0, signal)
  }

  /** What the role can do, with schemas, and what is left of limits. @throws KeystayError with the gateway's code. */
  async actions(): Promise<readonly ActionView[]> {
    const { status, body } = await this.#ask('/v1/actions', { method: 'GET', headers: {}, timeout_ms: SLACK_MS }).catch(
      (error: unknown) => {
        throw error instanceof Unreachable ? new KeystayError('unreachable', error.message) : error
      },
    )
    const said = body as { readonly actions?: ActionView[]; readonly code?: string; readonly detail?: string } | null
    if (status === 200 && said?.actions !== undefined) return said.actions
    throw new KeystayError(said?.code ?? 'unreachable', said?.detail ?? `${this.url} answered ${status}.`)
  }

  /** Ends the session; calls that are held or running go on. */
  async close(): Promise<void> {
    await this.#session.end()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  toJSON(): object {
    return { url: this.url, role: this.role, session: this.session, expires_at: this.#session.expires_at }
  }

  /** What console.log shows, in Node and in Deno. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `Gateway ${JSON.stringify(this)}`
  }

  #look(call: string, wait_s: number, signal?: AbortSignal): Promise<Outcome> {
    const path = `/v1/calls/${idOf(call)}?wait=${wait_s}`
    return this.#outcome(path, { method: 'GET', headers: {}, timeout_ms: wait_s * 1000 + SLACK_MS, signal })
  }

  async #wait(call: string, from: string, { within_ms = Infinity, signal }: WaitOptions = {}): Promise<Outcome> {
    const until = performance.now() + within_ms
    for (;;) {
      const began = performance.now()
      const left_s = Math.floor((until - began) / 1000)
      const outcome = await this.#look(call, Math.max(0, Math.min(WAIT_MAX_S, left_s)), signal)
      if (!('wait' in outcome)) return outcome
      // Nothing more happens by itself: that is news for whoever does not know it yet.
      if (outcome.status === 'needs_human' && from !== 'needs_human') return outcome
      const now = performance.now()
      if (now >= until) return outcome
      // The gateway waits for us, but not always: it has a bounded number of places for that.
      const least_ms = outcome.status === 'needs_human' ? LOOK_AGAIN_MS * 10 : LOOK_AGAIN_MS
      await pause(Math.min(Math.max(0, least_ms - (now - began)), until - now), signal)
    }
  }

  async #cancel(call: string): Promise<Outcome> {
    const path = `/v1/calls/${idOf(call)}/cancel`
    return this.#outcome(path, { method: 'POST', headers: {}, timeout_ms: SLACK_MS })
  }

  async #outcome(path: string, sent: Sent): Promise<Outcome> {
    const answer = await this.#ask(path, sent).catch((error: unknown) => {
      if (error instanceof Unreachable) return error
      throw error
    })
    if (answer instanceof Unreachable) {
      return failed(
        'unreachable',
        `${answer.message} Whether it arrived is not known: ask again under the same key.`,
        {},
      )
    }
    const follow = {
      wait: (call: string, from: string, options?: WaitOptions) => this.#wait(call, from, options),
      cancel: (call: string) => this.#cancel(call),
    }
    const outcome = outcomeOf(answer, follow)
    if (outcome !== null) return outcome
    const { call } = answer.body as { readonly call: string }
    const looked = await this.#look(call, 0, sent.signal)
    if (looked.status === 'denied' || looked.status === 'not_sent') return { ...looked, replayed: answer.replayed }
    return refused('not_sent', answer.body as ProblemBody, answer.replayed)
  }

  /** With the token of the moment, and another one where it was refused. @throws Unreachable. */
  async #ask(path: string, sent: Sent): Promise<Answer> {
    const url = under(this.#base, path)
    const attempt = async (): Promise<Answer> => {
      const authorization = this.#session.authorization()
      const common = { accept: 'application/json, application/problem+json', ...sent.headers }
      const headers = { ...common, ...(authorization === null ? {} : { authorization }) }
      const answer = await send(url, { ...sent, headers })
      const { code = '' } = (answer.body ?? {}) as { readonly code?: string }
      if (answer.status !== 401 || authorization === null || !(await this.#session.renewed(authorization, code)))
        return answer
      return send(url, { ...sent, headers: { ...headers, authorization: this.#session.authorization() ?? '' } })
    }
    return repeated(attempt, { patience_ms: this.#patience_ms, signal: sent.signal })
  }
}

const LOOK_AGAIN_MS = 2_000

function secondsOf(wait: number): number {
  if (Number.isInteger(wait) && wait >= 0 && wait <= WAIT_MAX_S) return wait
  throw new KeystayError('usage', `wait is a whole number of seconds, at most ${WAIT_MAX_S}.`)
}

function idOf(call: string): string {
  return named(call, /^call_[0-9A-Za-z]{1,40}$/, 'a call')
}

/** It becomes part of a path. */
function named(text: string, shape: RegExp, what: string): string {
  if (typeof text === 'string' && shape.test(text)) return text
  throw new KeystayError('usage', `This is not the name of ${what}.`)
}
