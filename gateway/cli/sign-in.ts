import { readFile } from 'node:fs/promises'
import { ask, askFor, refusal } from './ask.ts'
import { deviceSession } from './device-session.ts'
import { EXIT, Failure } from './exit.ts'
import { keptToken } from './kept-token.ts'
import { isLent } from './lent.ts'
import { visible } from './visible.ts'

/** How a person says who they are: `--as ACCOUNT` (--dev), `--token-file F`, or KEYSTAY_PERSON_TOKEN. */
export interface PersonOptions {
  readonly adminUrl: string
  readonly as?: string
  readonly tokenFile?: string
}

/**
 * How a workload does: `--token-file F` with its JWT; in --dev the issuer `demo` signs for it (`--as ACCOUNT`). With
 * `--device` a person lets it hold the role as them.
 */
export interface WorkloadOptions extends PersonOptions {
  readonly device?: boolean
  readonly url: string
  readonly role: string
}

export interface OpenSession {
  readonly token: string
  readonly session: string
  readonly role: string
  /** Seconds. */
  readonly expires_in: number
  /** The account that the demo's issuer signed for; null where the caller brought a token. */
  readonly account: string | null
}

/**
 * @param kept whether a sign-in that `login` kept will do.
 * @returns the person's bearer JWT for the admin listener.
 */
export async function personToken(options: PersonOptions, kept = true): Promise<string> {
  if (options.as) return (await devToken(options.adminUrl, { account: options.as })).subject_token
  if (options.tokenFile) return readToken(options.tokenFile)
  const token = process.env['KEYSTAY_PERSON_TOKEN']
  if (token) return token
  const before = kept ? await keptToken(options.adminUrl) : null
  if (before !== null) return before
  throw new Failure(
    EXIT.usage,
    'Say who you are: keystay login, --token-file FILE or KEYSTAY_PERSON_TOKEN; with a gateway in --dev also --as ACCOUNT, for example --as dana.',
  )
}

/** What may be asked for beside a role. */
export interface SessionWish {
  /** The session to renew. */
  readonly session?: string
  /** Seconds, where less than the role's lifetime is wanted. */
  readonly ttl_s?: number
}

/** Exchanges the workload's proof for a session (RFC 8693, section 2.1), or asks a person for one (RFC 8628). */
export async function openSession(options: WorkloadOptions, wish: SessionWish = {}): Promise<OpenSession> {
  if (options.device) return deviceSession(options, wish)
  const dev = options.tokenFile
    ? null
    : await devToken(options.adminUrl, options.as ? { account: options.as } : { role: options.role })
  const subject_token = dev?.subject_token ?? (await readToken(options.tokenFile ?? ''))
  const issued = await askFor<{ access_token: string; session: string; expires_in: number }>(
    options.url,
    '/oauth/token',
    {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
        subject_token,
        subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
        scope: `role:${options.role}`,
        ...(wish.session === undefined ? {} : { session: wish.session }),
        ...(wish.ttl_s === undefined ? {} : { requested_ttl: String(wish.ttl_s) }),
      }),
    },
  )
  return {
    token: issued.access_token,
    session: issued.session,
    role: options.role,
    expires_in: issued.expires_in,
    account: dev?.account ?? null,
  }
}

/** A session for as long as a verb needs it. */
export interface VerbSession {
  /** Empty where the address adds the token. */
  readonly bearer: { readonly token?: string }
  end(): Promise<void>
}

/**
 * A session of one's own; under `keystay run`, whose KEYSTAY_URL has a nonce as its path, the one that is held there.
 * @throws Failure where that one is of another role.
 */
export async function heldSession(options: WorkloadOptions): Promise<VerbSession> {
  if (!isLent(options.url)) {
    const { token } = await openSession(options)
    return { bearer: { token }, end: () => endSession(options.url, token) }
  }
  const { role } = await askFor<{ role: string }>(options.url, '/v1/session')
  if (role === options.role) return { bearer: {}, end: async () => {} }
  throw new Failure(
    EXIT.usage,
    `keystay run holds the role ${visible(role)} here, not ${visible(options.role)}. Say --role ${visible(role)}, or start it with another.`,
  )
}

/** Ends the session of this token. Quiet where it has ended already, or the gateway has gone. */
export async function endSession(url: string, token: string): Promise<void> {
  await ask(url, '/v1/session', { method: 'DELETE', token }).catch(() => null)
}

async function devToken(
  adminUrl: string,
  who: { account: string } | { role: string },
): Promise<{ subject_token: string; account: string }> {
  const { status, body } = await ask(adminUrl, '/dev/token', { method: 'POST', body: who })
  if (status === 200) return body as { subject_token: string; account: string }
  if (status === 404 && (body as { code?: string } | null)?.code === 'no_such_route') {
    throw new Failure(
      EXIT.usage,
      `The gateway at ${adminUrl} is not in --dev, so it signs for nobody. Give --token-file FILE instead.`,
    )
  }
  if (status === 422)
    throw new Failure(
      EXIT.usage,
      `The demo’s issuer knows no such ${Object.keys(who).join()}: ${Object.values(who).join()}. See policies/identity.yaml.`,
    )
  throw refusal(status, body)
}

async function readToken(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new Failure(EXIT.usage, `The token file ${file} cannot be read (${error.code}).`)
  })
  const token = text.trim()
  if (!/^[\w-]+\.[\w-]+\.[\w-]+$/.test(token))
    throw new Failure(EXIT.usage, `The token file ${file} does not hold one JWT.`)
  return token
}
