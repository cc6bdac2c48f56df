import type { Running } from '../../gateway/main.ts'

export interface Heard {
  readonly status: number
  // The body of an answer is read by tests as they like.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly body: any
  readonly headers: Headers
}

/** Whoever comes to both listeners with a proof of another issuer than the demo's. */
export function visitor({ agentUrl, adminUrl }: Running) {
  const exchange = (subject_token: string, role: string): Promise<Heard> =>
    ask(`${agentUrl}/oauth/token`, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
        subject_token,
        subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
        scope: `role:${role}`,
      }),
    })
  const admin = (bearer: string, method: string, path: string, body?: unknown): Promise<Heard> =>
    ask(`${adminUrl}${path}`, { method, ...sent(bearer, body) })
  return {
    exchange,
    admin,
    async session(subject_token: string, role: string): Promise<string> {
      const { status, body } = await exchange(subject_token, role)
      if (status !== 200) throw new Error(JSON.stringify(body))
      return body.access_token
    },
    about: (token: string) => ask(`${agentUrl}/v1/session`, sent(token)),
    call: (token: string, action: string, input: unknown, key: string) => {
      const { headers, body } = sent(token, input)
      const all = { ...headers, 'idempotency-key': key }
      return ask(`${agentUrl}/v1/actions/${action}`, { method: 'POST', headers: all, ...(body ? { body } : {}) })
    },
    async approve(bearer: string, call: string): Promise<Heard> {
      const { body } = await admin(bearer, 'GET', `/admin/v1/calls/${call}`)
      return admin(bearer, 'POST', `/admin/v1/calls/${call}/approve`, { card: body.card ?? `sha256:${'0'.repeat(64)}` })
    },
  }
}

function sent(bearer: string, body?: unknown): { headers: { [name: string]: string }; body?: string } {
  const headers = { authorization: `Bearer ${bearer}` }
  if (body === undefined) return { headers }
  return { headers: { ...headers, 'content-type': 'application/json' }, body: JSON.stringify(body) }
}

async function ask(url: string, init?: RequestInit): Promise<Heard> {
  const answer = await fetch(url, init)
  const text = await answer.text()
  return { status: answer.status, body: text === '' ? null : JSON.parse(text), headers: answer.headers }
}
