import { Agent, request } from 'undici'
import type { Random } from './random.ts'

/** What came back; `status` 0: nothing did. */
export interface Answer {
  readonly status: number
  readonly body: Body
}

/** As far as an answer of the gateway is read here. */
export interface Body {
  readonly [member: string]: unknown
  readonly call?: string
  readonly status?: string | number
  readonly code?: string
  readonly output?: unknown
}

/** Where a gateway answers, for agents and for people. */
export interface Place {
  readonly agentUrl: string
  readonly adminUrl: string
}

/** A session that an agent holds. */
export interface Held {
  readonly token: string
  readonly session: string
}

/** HTTP to any of the replicas, by agents and people. Nothing is repeated here: that is the business of who asked. */
export interface Client {
  post(
    path: string,
    token: string,
    input: unknown,
    headers: { [name: string]: string },
    limit_ms?: number,
  ): Promise<Answer>
  get(path: string, token: string): Promise<Answer>
  /** The account's session; another one when it is not `not` any more. Undefined while nobody gives one. */
  session(account: string, not?: string): Promise<Held | undefined>
  /** What a person does, with a token of their own from the same replica. */
  person(account: string, method: 'GET' | 'POST' | 'PUT', path: string, body?: unknown): Promise<Answer>
  close(): Promise<void>
}

/** How long a client waits for an answer, ms; a paused gateway gives none. */
const PATIENCE_MS = 12_000

export function clientOf(places: readonly Place[], random: Random): Client {
  const agent = new Agent({ connections: 300, pipelining: 1, keepAliveTimeout: 5000 })
  const sessions = new Map<string, Promise<Held | undefined>>()

  async function ask(
    url: string,
    method: 'GET' | 'POST' | 'PUT',
    headers: { [name: string]: string },
    body?: string,
    limit_ms = PATIENCE_MS,
  ): Promise<Answer> {
    try {
      const signal = AbortSignal.timeout(limit_ms)
      const response = await request(url, { method, headers, body: body ?? null, dispatcher: agent, signal })
      const text = await response.body.text()
      return { status: response.statusCode, body: text.startsWith('{') ? (JSON.parse(text) as Body) : {} }
    } catch {
      return { status: 0, body: {} }
    }
  }

  const asJson = (body: unknown): { headers: { [name: string]: string }; text: string | undefined } => {
    if (body === undefined) return { headers: {}, text: undefined }
    return { headers: { 'content-type': 'application/json' }, text: JSON.stringify(body) }
  }

  async function subject(place: Place, account: string): Promise<string | undefined> {
    const { headers, text } = asJson({ account })
    const { body } = await ask(`${place.adminUrl}/dev/token`, 'POST', headers, text)
    return typeof body['subject_token'] === 'string' ? body['subject_token'] : undefined
  }

  async function issue(account: string): Promise<Held | undefined> {
    const place = random.pick(places)
    const proof = await subject(place, account)
    if (proof === undefined) return undefined
    const form = new URLSearchParams({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: proof,
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      scope: 'role:agent',
    }).toString()
    const type = { 'content-type': 'application/x-www-form-urlencoded' }
    const { body } = await ask(`${place.agentUrl}/oauth/token`, 'POST', type, form)
    const token = body['access_token']
    if (typeof token !== 'string') return undefined
    const named = await ask(`${place.agentUrl}/v1/session`, 'GET', { authorization: `Bearer ${token}` })
    const { session } = named.body
    return typeof session === 'string' ? { token, session } : undefined
  }

  return {
    post(path, token, input, headers, limit_ms) {
      const { headers: type, text } = asJson(input)
      const all = { ...type, authorization: `Bearer ${token}`, ...headers }
      return ask(`${random.pick(places).agentUrl}${path}`, 'POST', all, text, limit_ms)
    },
    get: (path, token) => ask(`${random.pick(places).agentUrl}${path}`, 'GET', { authorization: `Bearer ${token}` }),
    async session(account, not) {
      const before = await sessions.get(account)
      if (before !== undefined && before.token !== not) return before
      // All who find it gone at the same time share the next one.
      let now = sessions.get(account)
      if (now === undefined || (await now) === before) {
        now = issue(account)
        sessions.set(account, now)
      }
      return now
    },
    async person(account, method, path, body) {
      const place = random.pick(places)
      const token = await subject(place, account)
      if (token === undefined) return { status: 0, body: {} }
      const { headers, text } = asJson(body)
      return ask(`${place.adminUrl}${path}`, method, { ...headers, authorization: `Bearer ${token}` }, text)
    },
    close: () => agent.destroy(),
  }
}
