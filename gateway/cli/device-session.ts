import { setTimeout as sleep } from 'node:timers/promises'
import { ask, refusal } from './ask.ts'
import { EXIT, Failure } from './exit.ts'
import { screen } from './print.ts'
import type { OpenSession, SessionWish } from './sign-in.ts'
import { visible } from './visible.ts'

interface Asked {
  readonly device_code: string
  readonly user_code: string
  readonly verification_uri: string
  /** Seconds. */
  readonly expires_in: number
  readonly interval?: number
}

/**
 * A session that a person gives to this terminal, by the gateway's own device flow (RFC 8628): it prints where to go and
 * what to type, and waits until they have said yes.
 *
 * @throws Failure.
 */
export async function deviceSession(
  { url, role }: { readonly url: string; readonly role: string },
  wish: SessionWish,
): Promise<OpenSession> {
  const begun = await post(url, '/oauth/device_authorization', { client_id: CLIENT, scope: `role:${role}` })
  if (begun.status === 404)
    throw new Failure(EXIT.usage, `No person can sign in at ${url}: its identity.yaml has no issuer of people.`)
  if (begun.status !== 200) throw refusal(begun.status, begun.body)
  const { device_code, user_code, verification_uri, expires_in, interval = 5 } = begun.body as Asked
  screen.err(`To let this terminal hold the role ${visible(role)} as you: open ${visible(verification_uri)}\n`)
  screen.err(`and type ${visible(user_code)}   (within ${Math.round(expires_in / 60)} minutes)\n`)
  const grant = {
    grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
    device_code,
    client_id: CLIENT,
    ...(wish.session === undefined ? {} : { session: wish.session }),
    ...(wish.ttl_s === undefined ? {} : { requested_ttl: String(wish.ttl_s) }),
  }
  for (let wait_s = interval; ;) {
    await sleep(wait_s * 1000)
    const { status, body } = await post(url, '/oauth/token', grant)
    const { error, access_token, session, expires_in: lives_s } = body as { [member: string]: unknown }
    if (status === 200)
      return { token: String(access_token), session: String(session), role, expires_in: Number(lives_s), account: null }
    if (error === 'slow_down') wait_s += 5
    else if (error === 'access_denied') throw new Failure(EXIT.denied, 'The person said no.', { problem: body })
    else if (error !== 'authorization_pending' && status !== 503) throw refusal(status, body)
  }
}

const CLIENT = 'keystay-cli'

function post(url: string, path: string, form: { readonly [name: string]: string }) {
  return ask(url, path, { method: 'POST', body: new URLSearchParams(form) })
}
