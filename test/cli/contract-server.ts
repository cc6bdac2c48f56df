import { createServer, type IncomingMessage } from 'node:http'
import type { CallStory } from '../../gateway/pipeline/gateway.ts'
import { problemBody, type Code } from '../../gateway/core/problem.ts'

/** What the server was asked, in order: `POST /admin/v1/calls/call_1/approve {"card":"…"} dana`. */
export interface ContractServer {
  readonly url: string
  readonly asked: string[]
  readonly stories: Map<string, CallStory>
  /** Answers of POST /v1/actions/NAME by name. */
  readonly actions: Map<string, { status: number; body: unknown }>
  close(): Promise<void>
}

/**
 * A gateway's two listeners on one port, as far as the command line speaks to them: real HTTP in the shapes of the
 * contract, and nothing behind. What a gateway decides is for the tests of the gateway.
 */
export async function startContractServer(dev = true): Promise<ContractServer> {
  const asked: string[] = []
  const stories = new Map<string, CallStory>()
  const actions = new Map<string, { status: number; body: unknown }>()
  const server = createServer((request, response) => {
    void readAll(request).then((text) => {
      const { status, body } = answer(request, text)
      response.writeHead(status, { 'content-type': status < 400 ? 'application/json' : 'application/problem+json' })
      response.end(body === null ? '' : JSON.stringify(body))
    })
  })

  function answer(request: IncomingMessage, text: string): { status: number; body: unknown } {
    const url = new URL(request.url ?? '/', 'http://gateway')
    const bearer = (request.headers.authorization ?? '').replace('Bearer ', '')
    const key = request.headers['idempotency-key']
    asked.push(
      [request.method, request.url, text, bearer, ...(key === undefined ? [] : [`key=${String(key)}`])]
        .filter(Boolean)
        .join(' '),
    )
    const route = `${request.method} ${url.pathname}`
    const id = url.pathname.split('/')[4] ?? ''
    if (route === 'POST /dev/token' && dev) {
      const who = JSON.parse(text) as { account?: string; role?: string }
      const account = who.account ?? 'support-bot'
      if (account === 'nobody') return problem('not_eligible', 'There is no account nobody.')
      return { status: 200, body: { subject_token: `a.${account}.b`, account } }
    }
    if (route === 'POST /oauth/token') {
      const scope = new URLSearchParams(text).get('scope')
      if (scope !== 'role:support-agent')
        return { status: 400, body: { error: 'invalid_scope', error_description: 'There is no such role for you.' } }
      return {
        status: 200,
        body: { access_token: 'kst_test', token_type: 'Bearer', expires_in: 7200, scope, session: 'ses_1' },
      }
    }
    if (route === 'DELETE /v1/session') return { status: 204, body: null }
    if (url.pathname.startsWith('/v1/')) {
      if (bearer !== 'kst_test') return problem('token_missing', 'Send a session token.')
      if (route === 'GET /v1/actions') return { status: 200, body: { actions: [] } }
      return (
        actions.get(url.pathname.slice('/v1/actions/'.length)) ??
        problem('not_granted', 'This role has no such action.')
      )
    }
    if (url.pathname.startsWith('/admin/') && !/^a\.\w+\.b$/.test(bearer))
      return problem('token_missing', 'Send a token of a person.')
    if (route === 'GET /admin/v1/calls')
      return page(
        [...stories.values()].filter((story) => (url.searchParams.get('status') ?? story.status) === story.status),
        url,
      )
    if (route === 'GET /admin/v1/sessions') return { status: 200, body: { sessions: [SESSION] } }
    if (route === 'POST /admin/v1/sessions/ses_1/revoke')
      return { status: 200, body: { ...SESSION, ended_at: '2026-11-23T15:30:00.000Z', ended_reason: 'revoked' } }
    if (url.pathname.startsWith('/admin/v1/switches/'))
      return bearer.includes('sam')
        ? { status: 200, body: { name: id, ...(JSON.parse(text) as object) } }
        : problem('not_eligible', 'Only security may freeze.')
    const story = stories.get(id)
    if (!story)
      return problem(
        url.pathname.startsWith('/admin/v1/calls/') ? 'no_such_call' : 'no_such_route',
        `There is no ${id}.`,
      )
    if (request.method === 'GET') return { status: 200, body: story }
    return decide(story, url.pathname.split('/')[5] ?? '', JSON.parse(text) as Record<string, string>)
  }

  function decide(story: CallStory, verb: string, body: Record<string, string>) {
    if (verb === 'approve' && body['card'] !== story.card) return problem('card_changed', 'The card has changed.')
    const enough = story.need.every((need) => need.count <= need.have + 1)
    const after = (
      verb === 'approve' && !enough
        ? { ...story, need: story.need.map((need) => ({ ...need, have: need.have + 1 })) }
        : { ...story, ...settled(verb === 'approve' ? 'done' : verb === 'reject' ? 'rejected' : story.state) }
    ) as CallStory
    stories.set(story.call, after)
    return { status: 200, body: after }
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return {
    url: `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`,
    asked,
    stories,
    actions,
    close: () =>
      new Promise((done) => {
        server.close(() => done())
        server.closeAllConnections()
      }),
  }
}

function settled(status: string) {
  return { status, state: status, card: null, expires_at: null }
}

export function problem(code: Code, detail: string) {
  const body = problemBody(code, detail)
  return { status: body.status, body }
}

/** Pages of one call, so that a client that forgets the cursor is found. */
function page(stories: CallStory[], url: URL) {
  const at = Number(url.searchParams.get('cursor') ?? 0)
  return {
    status: 200,
    body: { calls: stories.slice(at, at + 1), cursor: at + 1 < stories.length ? String(at + 1) : null },
  }
}

const SESSION = {
  session: 'ses_1',
  role: 'support-agent',
  requester: 'demo:support-bot',
  acting_for: null,
  lineage: 'ses_1',
  issued_at: '2026-11-23T15:00:00.000Z',
  expires_at: '2026-11-23T17:00:00.000Z',
  ended_at: null,
  ended_reason: null,
}

export function heldStory(call: string, more: Partial<CallStory> = {}): CallStory {
  return {
    call,
    at: '2026-11-23T15:00:00.000Z',
    action: 'stripe.refund',
    role: 'support-agent',
    session: 'ses_1',
    requester: 'demo:support-bot',
    acting_for: null,
    status: 'held',
    state: 'held',
    summary: 'Refund 120.00 USD on ch_Demo00000003',
    cost: { unit: 'USD', amount: 12000, text: '120.00 USD' },
    because: [],
    need: [{ line: 'grants.stripe.refund.approval[0]', count: 1, of: 'finance', have: 0 }],
    expires_at: '2026-11-23T19:00:00.000Z',
    card: 'sha256:c4rd',
    facts: { charge: { amount: 18000, amount_refunded: 0, customer: 'cus_Demo00000003' } },
    agent_says: { note: 'Customer says item arrived broken.' },
    backend: 'stripe',
    session_since: '2026-11-23T14:58:00.000Z',
    will_send: { POST: '/v1/refunds', form: { charge: 'ch_Demo00000003', amount: 12000 } },
    undo: 'none',
    output: null,
    evidence: {},
    approvals: [],
    detail: null,
    limits: [
      {
        name: 'daily',
        kind: 'budget',
        unit: 'USD',
        per: 'day',
        by: 'role',
        max: 50000,
        used: 3000,
        held: 12000,
        left: 35000,
        resets_at: null,
      },
    ],
    entries: [],
    ...more,
  }
}

async function readAll(stream: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}
