import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { promisify } from 'node:util'
import { connect } from '../../client/index.ts'
import type { ConnectOptions } from '../../client/index.ts'
import { startLying } from '../backends/lying.ts'
import { company } from '../house/company.ts'
import { house } from '../house/gateway.ts'

interface Asked {
  readonly line: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
  readonly at: number
}
/** What stands between the client and a gateway, or in its place. */
interface Between {
  readonly url: string
  readonly asked: Asked[]
  /** What meets the next requests for actions, in order; then all is well. */
  readonly next: ((response: ServerResponse, forward: () => Promise<void>) => unknown)[]
  /** Answers of the token endpoint. */
  readonly issued: { count: number; life_s: number; refuse: string | null; forgotten: string }
  close(): Promise<void>
}

/** @param gateway sent on to; without one an action is always done, and any session is issued. */
async function between(gateway?: string): Promise<Between> {
  const asked: Asked[] = []
  const next: Between['next'] = []
  const issued: Between['issued'] = { count: 0, life_s: 7200, refuse: null, forgotten: '' }
  const server = createServer((request, response) => void take(request, response))
  async function take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const pieces: Buffer[] = []
    for await (const piece of request) pieces.push(piece as Buffer)
    const body = Buffer.concat(pieces).toString()
    asked.push({ line: `${request.method} ${request.url}`, headers: request.headers, body, at: performance.now() })
    const forward = async () => {
      if (gateway === undefined) return answer(request, response)
      const { authorization = '', 'idempotency-key': key, 'content-type': type = 'text/plain' } = request.headers
      const headers = {
        authorization,
        'content-type': type,
        ...(key === undefined ? {} : { 'idempotency-key': String(key) }),
      }
      const sent = request.method === 'POST' ? { body } : {}
      const answered = await fetch(`${gateway}${request.url}`, { method: request.method ?? 'GET', headers, ...sent })
      const text = await answered.text()
      if (response.destroyed) return
      const replayed = answered.headers.get('idempotency-replayed')
      response.writeHead(answered.status, replayed === null ? {} : { 'idempotency-replayed': replayed }).end(text)
    }
    const lie = request.url?.startsWith('/v1/actions/') ? next.shift() : undefined
    await (lie === undefined ? forward() : lie(response, forward))
  }
  function answer(request: IncomingMessage, response: ServerResponse): void {
    const json = (status: number, body: object) => void response.writeHead(status).end(JSON.stringify(body))
    if (request.url === '/oauth/token') {
      if (issued.refuse !== null) return json(400, { error: issued.refuse, error_description: 'No.' })
      const session = `ses_${++issued.count}`
      return json(200, { access_token: `kst_${session}`, session, expires_in: issued.life_s })
    }
    if (issued.forgotten !== '' && request.headers.authorization === `Bearer ${issued.forgotten}`)
      return json(401, { code: 'token_invalid', detail: 'Unknown.', retry: 'never' })
    if (request.method === 'DELETE') return void response.writeHead(204).end()
    json(200, {
      call: 'call_1',
      action: 'a.b',
      status: 'done',
      output: { ok: true },
      evidence: {},
      limits: [],
      entry: 'ent_1',
    })
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    next,
    issued,
    close: () =>
      new Promise((done) => {
        server.close(() => done())
        server.closeAllConnections()
      }),
  }
}

const PROOF = 'e30.e30.x'
const run = promisify(execFile)
const problem =
  (status: number, body: object, headers: { [name: string]: string } = {}) =>
  (response: ServerResponse) =>
    response.writeHead(status, headers).end(JSON.stringify({ status, detail: 'Not now.', ...body }))
const overloaded = problem(503, { code: 'overloaded', retry: 'same_key' })
const cut = (response: ServerResponse) => void response.destroy()

describe('the client, on a bad network', function () {
  this.timeout(20_000)
  let wire: Between
  const open = (more: Partial<ConnectOptions> = {}) =>
    connect({ url: wire?.url ?? '', role: 'agent', identity: () => PROOF, ...more })
  const posts = () => wire.asked.filter(({ line }) => line === 'POST /v1/actions/a.b')
  /** Goes on beside the other tests. */
  let lived: Promise<Asked[]>
  async function live(): Promise<Asked[]> {
    const own = await between()
    own.issued.life_s = 1
    const gw = await open({ url: own.url, ttl_s: 60, patience_ms: 0 })
    own.issued.life_s = 600
    await new Promise((resolve) => setTimeout(resolve, 900))
    await gw.close()
    await own.close()
    return own.asked
  }
  before(() => {
    lived = live()
    lived.catch(() => {})
  })
  beforeEach(async () => {
    wire = await between()
  })
  afterEach(() => wire.close())

  it('acts once where the answer was cut off: it asks again under the same key', async () => {
    const pay = await startLying()
    const where = await company({ pay: pay.url, shop: pay.url, blind: pay.url })
    const gate = await house(where)
    const path = await between(gate.running.agentUrl)
    try {
      await using gw = await connect({ url: path.url, role: 'agent', identity: () => gate.person('bot') })
      path.next.push(async (response, forward) => {
        const heard = forward()
        setTimeout(() => response.destroy(), 0)
        await heard
      })
      path.next.push(cut)
      const outcome = await gw.call('blind.note', { text: 'once' }, { key: 'T-1/note' })
      assert.deepEqual([outcome.status, 'replayed' in outcome && outcome.replayed], ['done', true])
      assert.equal(pay.effects.length, 1)
      const sent = path.asked.filter(({ line }) => line.startsWith('POST /v1/actions'))
      assert.equal(sent.length, 3)
      assert.deepEqual(
        new Set(sent.map(({ headers, body }) => `${String(headers['idempotency-key'])} ${body}`)).size,
        1,
      )
    } finally {
      await path.close()
      await gate.stop()
      await pay.close()
      await where.remove()
    }
  })

  const PASSING = [
    ['nobody hears it', cut],
    ['the gateway sheds it', overloaded],
    ['the ledger cannot be written', problem(503, { code: 'ledger_unavailable', retry: 'same_key' })],
    ['a proxy says 502 in HTML', (response: ServerResponse) => response.writeHead(502).end('<html>')],
    ['a proxy says 429', (response: ServerResponse) => response.writeHead(429, { 'retry-after': '0' }).end()],
  ] as const
  it(`asks again, the same, byte for byte, where ${PASSING.map(([what]) => what).join(', ')}`, async () => {
    const again = PASSING.map(async ([what, lie]) => {
      const own = await between()
      await using gw = await open({ url: own.url })
      own.next.push(lie, lie)
      assert.equal((await gw.call('a.b', { b: 1, a: [1.5] }, { key: 'K' })).status, 'done', what)
      const posts = own.asked.filter(({ line }) => line === 'POST /v1/actions/a.b')
      const sent = posts.map(({ headers, body }) => [headers['idempotency-key'], body])
      assert.deepEqual(
        sent,
        Array.from({ length: 3 }, () => ['K', '{"b":1,"a":[1.5]}']),
        what,
      )
      return own
    })
    for (const own of await Promise.all(again)) await own.close()
  })

  it('waits as long as Retry-After says, and no longer than it may', async () => {
    await using gw = await open({ patience_ms: 3_000 })
    wire.next.push(problem(503, { code: 'overloaded', retry: 'same_key' }, { 'retry-after': '1' }))
    assert.equal((await gw.call('a.b', {}, { key: 'K' })).status, 'done')
    const [first, second] = posts()
    assert.ok((second?.at ?? 0) - (first?.at ?? 0) >= 990)
    wire.next.push(problem(503, { code: 'overloaded', retry: 'same_key' }, { 'retry-after': '60' }))
    const outcome = await gw.call('a.b', {}, { key: 'L' })
    assert.deepEqual(
      [outcome.status, 'code' in outcome && outcome.code, 'retry_after' in outcome && outcome.retry_after],
      ['error', 'overloaded', 60],
    )
    assert.equal(posts().length, 3)
  })

  it('gives up after a bounded number of tries and a bounded time, and says what is not known', async () => {
    await using gw = await open({ patience_ms: 700 })
    wire.next.push(...Array.from({ length: 50 }, () => cut))
    const began = performance.now()
    const outcome = await gw.call('a.b', {}, { key: 'K' })
    assert.partialDeepStrictEqual(outcome, { status: 'error', code: 'unreachable', retry: 'same_key' })
    assert.ok(performance.now() - began < 1_500 && posts().length <= 8 && posts().length >= 2, `${posts().length}`)
    await using once = await open({ patience_ms: 0 })
    const before = posts().length
    assert.equal((await once.call('a.b', {}, { key: 'K' })).status, 'error')
    assert.equal(posts().length, before + 1)
  })

  for (const [what, lie, wanted] of [
    [
      'a call that was not sent',
      problem(503, { code: 'backend_unavailable', retry: 'same_key', call: 'call_1', entry: 'ent_1' }),
      'not_sent',
    ],
    ['a rate', problem(429, { code: 'rate_limited', retry: 'after', retry_after: 5, call: 'call_1' }), 'denied'],
    ['a denial', problem(403, { code: 'denied', retry: 'never', call: 'call_1' }), 'denied'],
    ['a request that cannot be read', problem(400, { code: 'malformed', retry: 'fix_input' }), 'error'],
    [
      'a redirect',
      (response: ServerResponse) => response.writeHead(307, { location: 'http://127.0.0.1:9/' }).end(),
      'error',
    ],
    ['a page of another server', (response: ServerResponse) => response.writeHead(200).end('<html>'), 'error'],
  ] as const) {
    it(`asks once where the answer is ${what}`, async () => {
      await using gw = await open()
      wire.next.push(lie)
      assert.equal((await gw.call('a.b', {}, { key: 'K' })).status, wanted)
      assert.equal(posts().length, 1)
    })
  }

  it('makes up no key: what was asked without one goes without one, each time', async () => {
    await using gw = await open()
    wire.next.push(cut)
    await gw.call('a.b', {})
    await gw.call('a.b', {}, { wait: 3 })
    assert.deepEqual(
      posts().map(({ headers }) => [headers['idempotency-key'], headers.prefer]),
      [
        [undefined, undefined],
        [undefined, undefined],
        [undefined, 'wait=3'],
      ],
    )
  })

  it('stops when it is told to, between two tries too', async () => {
    await using gw = await open()
    wire.next.push(...Array.from({ length: 9 }, () => overloaded))
    const began = performance.now()
    await assert.rejects(gw.call('a.b', {}, { key: 'K', signal: AbortSignal.timeout(120) }), { name: 'TimeoutError' })
    assert.ok(performance.now() - began < 1_000)
    await assert.rejects(gw.call('a.b', {}, { key: 'K', signal: AbortSignal.abort() }), { name: 'AbortError' })
  })

  it('opens a new session where the gateway has forgotten the old one, once for all who ask at that moment', async () => {
    await using gw = await open()
    wire.issued.forgotten = 'kst_ses_1'
    const outcomes = await Promise.all(Array.from({ length: 5 }, (_, at) => gw.call('a.b', {}, { key: `K${at}` })))
    assert.deepEqual([...new Set(outcomes.map(({ status }) => status))], ['done'])
    const forms = wire.asked
      .filter(({ line }) => line === 'POST /oauth/token')
      .map(({ body }) => new URLSearchParams(body))
    assert.deepEqual(
      forms.map((form) => form.get('session')),
      [null, 'ses_1'],
    )
  })

  it('keeps no program alive: not one that leaves it open, and not one that has closed it', async () => {
    const program = (
      last: string,
    ) => `import { connect } from '${new URL('../../client/index.ts', import.meta.url).href}'
      const gw = await connect({ url: '${wire.url}', role: 'agent', identity: () => '${PROOF}' })
      await gw.call('a.b', {}, { key: 'K' })
      ${last}
      process.once('exit', () => console.log(performance.now() - now))
      const now = performance.now()`
    const ends = ['', 'await gw.close()'].map(async (last) => {
      const { stdout } = await run(process.execPath, ['--input-type=module-typescript', '-e', program(last)])
      assert.ok(Number(stdout) < 1_000, `${last}: ${stdout} ms`)
    })
    await Promise.all(ends)
  })

  it('renews once at a time, tries again where that fails, and ends what it holds', async () => {
    const asked = await lived
    const others = asked.map(({ line, headers }) => `${line} ${headers.authorization ?? ''}`.trim())
    assert.deepEqual(others, ['POST /oauth/token', 'POST /oauth/token', 'DELETE /v1/session Bearer kst_ses_2'])
    assert.deepEqual(
      asked.slice(0, 2).map(({ body }) => [...new URLSearchParams(body)].filter(([name]) => !name.endsWith('_type'))),
      [
        [
          ['subject_token', PROOF],
          ['scope', 'role:agent'],
          ['requested_ttl', '60'],
        ],
        [
          ['subject_token', PROOF],
          ['scope', 'role:agent'],
          ['requested_ttl', '60'],
          ['session', 'ses_1'],
        ],
      ],
    )
  })
})
