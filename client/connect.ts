import type { ActionTypes, AnyActions } from './actions.ts'
import { KeystayError } from './error.ts'
import { Gateway } from './gateway.ts'
import type { Identity } from './identity.ts'
import { LentSession } from './lent-session.ts'
import { Session } from './session.ts'
import { isLent } from './under.ts'

export interface ConnectOptions {
  /** The gateway's listener for agents: `https:`, or `http:` to this machine. Under `keystay run`, its KEYSTAY_URL. */
  readonly url: string | URL
  readonly role: string
  /** Proves what this program is. Under `keystay run` nothing is asked: that has signed in already. */
  readonly identity?: Identity
  /** Proves the person acted for. */
  readonly actor?: Identity
  /** `sha256:HEX`, where the role is tied to a prompt. */
  readonly prompt_digest?: string
  /** A shorter life than the role's for the session, which is renewed while it is used. */
  readonly ttl_s?: number
  /** How long requests are repeated that found nobody, or a gateway that took none. 0: never. */
  readonly patience_ms?: number
}

/**
 * Signs in and holds a session of the role until `close()`, or the end of an `await using`. Its token is renewed at two
 * thirds of its life; it is in no property, text, JSON or error.
 *
 * @throws KeystayError.
 */
export async function connect<Actions extends ActionTypes = AnyActions>(
  options: ConnectOptions,
): Promise<Gateway<Actions>> {
  const { patience_ms = PATIENCE_MS, role } = options
  const url = addressOf(options.url)
  return new Gateway<Actions>(url, role, patience_ms, await sessionOf({ ...options, url, patience_ms }))
}

const PATIENCE_MS = 30_000

async function sessionOf(options: ConnectOptions & { url: URL; patience_ms: number }): Promise<Session | LentSession> {
  const { url, role, identity } = options
  if (isLent(url)) return LentSession.open(url, role)
  if (identity === undefined)
    throw new KeystayError(
      'usage',
      'identity is missing: tokenFile(path), kubernetes(), … or a function that gives a JWT.',
    )
  return Session.open({ ...options, identity })
}

/** Tokens go along: a plain connection to another machine would show them to whoever listens. */
function addressOf(given: string | URL): URL {
  const text = String(given)
  if (!URL.canParse(text)) throw new KeystayError('usage', 'url is no URL. Write for example https://keystay.example.')
  const url = new URL(text)
  const here = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(url.hostname)
  if (url.username !== '' || url.password !== '') throw new KeystayError('usage', 'url holds a password; leave it out.')
  if (url.protocol === 'https:' || (url.protocol === 'http:' && here)) return url
  throw new KeystayError('usage', `${url.origin} is not https, and would show the session's token on the way.`)
}
