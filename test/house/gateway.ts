import { join } from 'node:path'
import { serve } from '../../gateway/main.ts'
import type { Running, ServeOptions } from '../../gateway/main.ts'
import { BACKEND_KEY } from './company.ts'

/** A real gateway on loopback, over a real SQLite file, with people and agents that speak HTTP to it. */
export interface House {
  readonly running: Running
  readonly log: string[]
  /** A session's token for an account of the demo's issuer. */
  token(account?: string, role?: string): Promise<string>
  person(account: string): Promise<string>
  call(
    token: string,
    action: string,
    input: unknown,
    key?: string,
    headers?: { [name: string]: string },
  ): Promise<Answer>
  show(token: string, id: string, wait?: number): Promise<Answer>
  agent(path: string, init?: RequestInit): Promise<Answer>
  admin(account: string, method: string, path: string, body?: unknown): Promise<Answer>
  /** The card as it stands now, approved by this account. */
  approve(account: string, id: string): Promise<Answer>
  stop(): Promise<void>
}

export interface Answer {
  readonly status: number
  // The body of an answer is read by tests as they like.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly body: any
  readonly headers: Headers
  readonly text: string
}

export async function house(
  where: { dir: string; policies: string },
  more: Partial<ServeOptions> = {},
): Promise<House> {
  process.env['KEYSTAY_TEST_KEY'] = BACKEND_KEY
  const log: string[] = []
  const running = await serve({
    policies: where.policies,
    store: `sqlite:${join(where.dir, 'keystay.db')}`,
    listen: '127.0.0.1:0',
    adminListen: '127.0.0.1:0',
    secrets: 'env:',
    dev: true,
    strictClock: false,
    log: (line) => log.push(line),
    ...more,
  })
  return { ...clientOf(running.agentUrl, running.adminUrl), running, log, stop: () => running.stop(2000) }
}

/** The clients alone, for a gateway that runs in another process. */
export function clientOf(agentUrl: string, adminUrl: string): Omit<House, 'running' | 'stop' | 'log'> {
  const subject = async (account: string): Promise<string> => {
    const answer = await ask(`${adminUrl}/dev/token`, json('POST', { account }))
    if (answer.status !== 200) throw new Error(`no token for ${account}: ${answer.text}`)
    return answer.body.subject_token
  }
  const admin = async (account: string, method: string, path: string, body?: unknown): Promise<Answer> => {
    const init = json(method, body)
    return ask(`${adminUrl}${path}`, {
      ...init,
      headers: { ...init.headers, authorization: `Bearer ${await subject(account)}` },
    })
  }
  return {
    person: subject,
    admin,
    async token(account = 'bot', role = 'agent') {
      const answer = await ask(`${agentUrl}/oauth/token`, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams({
          grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
          subject_token: await subject(account),
          subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
          scope: `role:${role}`,
        }).toString(),
      })
      if (answer.status !== 200) throw new Error(`no session: ${answer.text}`)
      return answer.body.access_token
    },
    call: (token, action, input, key, headers = {}) =>
      ask(`${agentUrl}/v1/actions/${action}`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          authorization: `Bearer ${token}`,
          ...(key === undefined ? {} : { 'idempotency-key': key }),
          ...headers,
        },
        body: JSON.stringify(input),
      }),
    show: (token, id, wait = 0) =>
      ask(`${agentUrl}/v1/calls/${id}?wait=${wait}`, { headers: { authorization: `Bearer ${token}` } }),
    agent: (path, init) => ask(`${agentUrl}${path}`, init),
    async approve(account, id) {
      const story = await admin(account, 'GET', `/admin/v1/calls/${id}`)
      return admin(account, 'POST', `/admin/v1/calls/${id}/approve`, { card: story.body.card })
    },
  }
}

function json(method: string, body?: unknown): { method: string; headers: { [name: string]: string }; body?: string } {
  if (body === undefined) return { method, headers: {} }
  return { method, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
}

async function ask(url: string, init?: RequestInit): Promise<Answer> {
  const response = await fetch(url, init)
  const text = await response.text()
  let body: unknown = null
  try {
    body = JSON.parse(text)
  } catch {
    body = null
  }
  return { status: response.status, body, headers: response.headers, text }
}
