import type { House } from '../house/gateway.ts'
import { softAuthenticator } from './authenticator.ts'
import type { Json, SoftAuthenticator } from './authenticator.ts'

/** A person in a browser of the demo: a cookie, the page's Origin and its token with each change. */
export interface Visiting {
  get(path: string): Promise<{ status: number; body: Json }>
  post(path: string, body?: Json): Promise<{ status: number; body: Json }>
  /** Where passkeys are used: the page's address. */
  readonly origin: string
  /** A new passkey, registered. */
  passkey(counts?: boolean): Promise<SoftAuthenticator>
  /** What the browser would sign the card with. */
  optionsFor(call: string): Promise<Json>
  /** Signs the card as it stands, and sends the yes. */
  approve(call: string, authenticator: SoftAuthenticator): Promise<{ status: number; body: Json }>
  signOut(): Promise<void>
}

/** With a one-time link of this moment. */
export async function visiting(gate: House, account: string): Promise<Visiting> {
  const { adminUrl } = gate.running
  const opened = await fetch(gate.running.signInLink(account) ?? '', { redirect: 'manual' })
  const cookie = opened.headers.getSetCookie().map((line) => line.split(';')[0])[0] ?? ''
  const ask = async (path: string, init: RequestInit = {}) => {
    const answer = await fetch(`${adminUrl}${path}`, { ...init, headers: { cookie, ...init.headers } })
    return { status: answer.status, body: (await answer.json().catch(() => null)) as Json }
  }
  const { csrf } = (await ask('/admin/v1/me')).body
  const post = (path: string, body: Json = {}) =>
    ask(path, {
      method: 'POST',
      headers: { origin: adminUrl, 'keystay-csrf': csrf, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  const origin = `http://localhost:${new URL(adminUrl).port}`
  const optionsFor = async (call: string): Promise<Json> => (await post(`/admin/v1/calls/${call}/passkey`)).body
  return {
    get: ask,
    post,
    origin,
    optionsFor,
    async passkey(counts = false) {
      const authenticator = softAuthenticator(origin, counts)
      const { options } = (await post('/admin/v1/passkeys/options')).body
      const { status, body } = await post('/admin/v1/passkeys', {
        name: 'Key of the test',
        response: authenticator.create(options),
      })
      if (status !== 200) throw new Error(JSON.stringify(body))
      return authenticator
    },
    async approve(call, authenticator) {
      const { card, options } = await optionsFor(call)
      return post(`/admin/v1/calls/${call}/approve`, { card, passkey: authenticator.get(options) })
    },
    async signOut() {
      await fetch(`${adminUrl}/logout`, {
        method: 'POST',
        headers: { cookie, origin: adminUrl, 'content-type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams({ csrf }).toString(),
      })
    },
  }
}
