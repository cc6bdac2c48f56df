import { KeystayError } from './error.ts'
import { proofOf } from './identity.ts'
import type { Identity } from './identity.ts'
import { repeated, send, Unreachable } from './send.ts'

/** Who asks for what, and where. */
export interface SignIn {
  readonly url: URL
  readonly role: string
  readonly identity: Identity
  /** The person acted for. */
  readonly actor?: Identity
  readonly prompt_digest?: string
  readonly ttl_s?: number
  readonly patience_ms: number
}

export interface Issued {
  readonly token: string
  /** `ses_…` */
  readonly session: string
  readonly life_ms: number
}

const TIMEOUT_MS = 15_000
const JWT = 'urn:ietf:params:oauth:token-type:jwt'

/**
 * The proof for a session (RFC 8693, section 2.1).
 *
 * @param renews the session that is to go on.
 * @throws KeystayError with the error of RFC 6749, `identity` or `unreachable`.
 */
export async function exchange(asked: SignIn, renews: string | null): Promise<Issued> {
  const { url, role, identity, actor, prompt_digest, ttl_s, patience_ms } = asked
  const attempt = async () => {
    const form = new URLSearchParams({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      // Asked for anew at each try: one that is good once only would be used up.
      subject_token: await proofOf(identity),
      subject_token_type: JWT,
      scope: `role:${role}`,
      ...(actor === undefined ? {} : { actor_token: await proofOf(actor), actor_token_type: JWT }),
      ...(prompt_digest === undefined ? {} : { prompt_digest }),
      ...(ttl_s === undefined ? {} : { requested_ttl: String(Math.floor(ttl_s)) }),
      ...(renews === null ? {} : { session: renews }),
    })
    const headers = { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' }
    const body = form.toString()
    return send(new URL('/oauth/token', url), { method: 'POST', headers, body, timeout_ms: TIMEOUT_MS })
  }
  const { status, body } = await repeated(attempt, { patience_ms }).catch((error: unknown) => {
    if (error instanceof Unreachable) throw new KeystayError('unreachable', error.message)
    throw error
  })
  return issued(url, status, body)
}

function issued(url: URL, status: number, body: unknown): Issued {
  const said = (typeof body === 'object' && body !== null ? body : {}) as { readonly [member: string]: unknown }
  const { access_token: token, session, expires_in, error, error_description } = said
  if (status === 200 && typeof token === 'string' && typeof session === 'string' && typeof expires_in === 'number')
    return { token, session, life_ms: expires_in * 1000 }
  if (typeof error === 'string') throw new KeystayError(error, String(error_description ?? error))
  throw new KeystayError('unreachable', `What answers at ${url.origin} is no Keystay gateway (status ${status}).`)
}
