import { KeystayError } from './error.ts'
import { send } from './send.ts'
import { under } from './under.ts'

const LOOK_MS = 10_000

/**
 * The session that `keystay run` holds for its agent: its address adds the token, which nobody here ever has. It is renewed
 * there, and ends there.
 */
export class LentSession {
  readonly id: string
  readonly expires_at: string
  #closed = false

  /** @throws KeystayError `unreachable`; `identity` where that run is over; `usage` where its role is another. */
  static async open(url: URL, role: string): Promise<LentSession> {
    const headers = { accept: 'application/json' }
    const sent = { method: 'GET', headers, timeout_ms: LOOK_MS } as const
    const { status, body } = await send(under(url, '/v1/session'), sent).catch((error: Error) => {
      throw new KeystayError('unreachable', error.message)
    })
    const said = (body ?? {}) as { session?: string; role?: string; expires_at?: string; detail?: string }
    if (status !== 200 || said.session === undefined)
      throw new KeystayError('identity', said.detail ?? `The address of keystay run answered ${status}: is it over?`)
    if (said.role !== role)
      throw new KeystayError(
        'usage',
        `keystay run holds the role ${said.role}, not ${role}: start it with --role ${role}.`,
      )
    return new LentSession(said.session, said.expires_at ?? '')
  }

  private constructor(id: string, expires_at: string) {
    this.id = id
    this.expires_at = expires_at
  }

  /** No token goes along: the address refuses one. @throws KeystayError `closed`. */
  authorization(): null {
    if (this.#closed) throw new KeystayError('closed', 'This session was ended here. Connect again.')
    return null
  }

  /** Whoever holds it renews it. */
  async renewed(): Promise<false> {
    return false
  }

  /** It is the agent's for as long as that runs, and may be connected to again. */
  async end(): Promise<void> {
    this.#closed = true
  }
}
