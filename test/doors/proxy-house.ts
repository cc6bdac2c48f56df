import { company } from '../house/company.ts'
import { house } from '../house/gateway.ts'
import type { Answer, House } from '../house/gateway.ts'
import { streaming } from '../backends/streaming.ts'
import type { Streaming } from '../backends/streaming.ts'
import type { ServeOptions } from '../../gateway/main.ts'

/** A gateway with routes to a backend that streams. */
export interface ProxyHouse {
  readonly home: House
  readonly backend: Streaming
  readonly policies: string
  /** A session's token. */
  readonly token: string
  /** Fetches below /proxy/ with the token. */
  ask(path: string, init?: RequestInit): Promise<Response>
  /** Waits until the newest call of the route has settled, and shows it as its agent sees it. */
  settled(route?: string): Promise<Answer['body']>
  /** The entries of a call, as people see them. */
  entries(call: string): Promise<readonly { readonly [name: string]: unknown }[]>
  close(): Promise<void>
}

/** An address where nobody listens. */
async function nobody(): Promise<string> {
  const server = await streaming()
  await server.close()
  return server.url
}

export const ROUTES = `route: llm.chat
describe: Chat completions, streamed.
effect: read
backend: llm
allow: [POST /v1/chat/completions, GET /v1/models, "GET /v1/models/*", GET /v1/next]
headers: [OpenAI-Beta]
---
route: files.put
describe: Uploads, once each.
backend: llm
allow: [POST /v1/files, PUT /v1/files/*, DELETE /v1/files/*, PATCH /v1/files/*]
request_max: 256MB
---
route: notes.put
describe: Small notes, kept word by word.
backend: llm
allow: [POST /v1/notes]
request_max: 64KB
record: { request: body, response: body }
cost: { count: "has(input.length) ? input.length : 65536", of: bytes }
---
route: small.put
describe: What is small.
backend: llm
allow: [POST /v1/small]
request_max: 1KB
record: { request: none, response: none }
---
route: down.put
describe: To a place where nobody listens.
backend: down
allow: [POST /v1/x]
---
route: ghosts.list
describe: Of a role that is not ours.
effect: read
backend: llm
allow: [GET /v1/ghosts]
`

export const ROLE = `role: streamer
describe: Streams.
issue_to: [{ issuer: demo, where: 'claims.sub == "bot"' }]
grants:
  llm.chat: { rate: 1000 per hour, dry_run: true }
  files.put:
    require: [{ that: 'input.path != "/v1/files/locked"', else: That file is locked. }]
  notes.put: { max: 60000 bytes, budget: 100000 bytes per day }
  small.put:
  down.put:
`

export async function proxyHouse(
  more: { readonly backend?: string; readonly files?: { readonly [path: string]: string } } = {},
  options: Partial<ServeOptions> = {},
): Promise<ProxyHouse> {
  const backend = await streaming()
  const { dir, policies, remove } = await company(
    { pay: backend.url, shop: backend.url, blind: backend.url },
    {
      'llm.yaml': `backends:
  llm:
    adapter: proxy
    url: ${backend.url}
    auth: { bearer: "env://KEYSTAY_TEST_KEY" }
    private: true
    request_id: X-Request-Id
    ${more.backend ?? 'timeout: 2s'}
  down: { adapter: proxy, url: "${await nobody()}", private: true, timeout: 2s }
`,
      'actions/routes.yaml': ROUTES,
      'roles/streamer.yaml': ROLE,
      ...more.files,
    },
  )
  const home = await house({ dir, policies }, options)
  const token = await home.token('bot', 'streamer')
  const bearer = { authorization: `Bearer ${token}` }
  const newest = async (route: string): Promise<Answer['body']> => {
    const { body } = await home.agent('/v1/calls', { headers: bearer })
    return body.calls.find((call: { action: string }) => call.action === route)
  }
  return {
    home,
    backend,
    policies,
    token,
    ask: (path, init = {}) =>
      fetch(`${home.running.agentUrl}/proxy/${path}`, { ...init, headers: { ...bearer, ...init.headers } }),
    async settled(route = 'llm.chat') {
      for (let tries = 0; tries < 300; tries++) {
        const call = await newest(route)
        if (call !== undefined && call.status !== 'running') return call
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
      throw new Error(`no call of ${route} settled`)
    },
    entries: async (call) => (await home.admin('dana', 'GET', `/admin/v1/calls/${call}`)).body.entries,
    async close() {
      await home.stop()
      await backend.close()
      await remove()
    },
  }
}
