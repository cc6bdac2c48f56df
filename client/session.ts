import { KeystayError } from './error.ts'
import { exchange } from './exchange.ts'
import type { Issued, SignIn } from './exchange.ts'
import { pause, send } from './send.ts'

/** Renewed after two thirds of its life, less up to a tenth of that: many clients started at once do not renew at once. */
const RENEW_AT = 2 / 3
const JITTER = 0.1
/** Pauses between tries while renewal fails; the old token works on meanwhile. */
const AGAIN_MS = 5_000
/** Leaving must not take long: what was not ended by then ends by itself. */
const END_MS = 5_000
const TIMER_MAX_MS = 2 ** 31 - 1

/** The session of a role and its token, which leaves this object in Authorization headers only. */
export class Session {
  readonly #asked: SignIn
  #issued: Issued
  #expires_at: number
  #timer: ReturnType<typeof setTimeout> | undefined
  #renewing: Promise<boolean> | null = null
  #closed = false
  /** The last token that was known is ended, or was asked to be. */
  #left = false

  /** @throws KeystayError. */
  static async open(asked: SignIn): Promise<Session> {
    return new Session(asked, await exchange(asked, null))
  }

  private constructor(asked: SignIn, issued: Issued) {
    this.#asked = asked
    this.#issued = issued
    this.#expires_at = Date.now() + issued.life_ms
    this.#renewIn(dueIn(issued.life_ms))
  }

  /** `ses_…`; another one after each renewal, in one lineage. */
  get id(): string {
    return this.#issued.session
  }

  /** ISO 8601. */
  get expires_at(): string {
    return new Date(this.#expires_at).toISOString()
  }

  /** What a request is to carry. @throws KeystayError `closed`. */
  authorization(): string {
    if (this.#closed) throw new KeystayError('closed', 'This session was ended here. Connect again.')
    return `Bearer ${this.#issued.token}`
  }

  /**
   * What to do when the gateway refused a token: it may have been renewed meanwhile, may be renewed now, or, where its time
   * and its lineage's are over, a new session begins. What people revoked is not begun anew behind their backs.
   *
   * @param refused the header that was refused.
   * @returns whether there is another token now.
   */
  async renewed(refused: string, code: string): Promise<boolean> {
    if (this.#renewing !== null) await this.#renewing
    if (this.#closed) return false
    if (this.authorization() !== refused) return true
    return this.#renew(code !== 'session_revoked')
  }

  /** Ends it at the gateway. Quiet where nobody answers: then it ends when its time is over. */
  async end(): Promise<void> {
    if (this.#closed) return
    clearTimeout(this.#timer)
    this.#closed = true
    // A renewal that is on its way would leave a session behind; one that comes even later ends itself.
    if (this.#renewing !== null) {
      const late = new AbortController()
      await Promise.race([this.#renewing, pause(END_MS, late.signal).catch(() => {})])
      late.abort()
    }
    this.#left = true
    await endAt(this.#asked.url, this.#issued)
  }

  /** One at a time. */
  #renew(anew: boolean): Promise<boolean> {
    this.#renewing ??= this.#exchange(anew).finally(() => {
      this.#renewing = null
    })
    return this.#renewing
  }

  async #exchange(anew: boolean): Promise<boolean> {
    try {
      this.#take(await exchange(this.#asked, this.#issued.session))
      return true
    } catch (error) {
      // The gateway knows of no such session, or its lineage may not go on.
      const over = error instanceof KeystayError && error.code === 'invalid_grant'
      if (over && anew && !this.#closed) {
        const begun = await exchange(this.#asked, null).catch(() => null)
        if (begun !== null) this.#take(begun)
        return begun !== null
      }
      // Without a next token this one is used to its end, and then the answer says why.
      if (!over) this.#renewIn(AGAIN_MS * (1 + Math.random()))
      return false
    }
  }

  #take(issued: Issued): void {
    this.#issued = issued
    this.#expires_at = Date.now() + issued.life_ms
    this.#renewIn(dueIn(issued.life_ms))
    if (this.#left) void endAt(this.#asked.url, issued)
  }

  #renewIn(ms: number): void {
    clearTimeout(this.#timer)
    if (this.#closed) return
    this.#timer = setTimeout(() => void this.#renew(false), Math.min(ms, TIMER_MAX_MS))
    // A program that has nothing else to do may end.
    this.#timer.unref?.()
  }
}

async function endAt(base: URL, { token }: Issued): Promise<void> {
  const headers = { authorization: `Bearer ${token}` }
  await send(new URL('/v1/session', base), { method: 'DELETE', headers, timeout_ms: END_MS }).catch(() => null)
}

function dueIn(life_ms: number): number {
  return life_ms * RENEW_AT * (1 - Math.random() * JITTER)
}
