import assert from 'node:assert/strict'
import { createServer, request as ask } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { Secret } from '../../adapters/adapter.ts'
import type { Attempt } from '../../adapters/adapter.ts'
import type { Lookup } from '../../adapters/egress.ts'
import { proxy, proxyOver } from '../../adapters/proxy.ts'
import { answerHeaders } from '../../adapters/proxy/headers.ts'
import { StreamScrub } from '../../adapters/proxy/scrub.ts'
import type { BackendSpec, Outcome } from '../../gateway/core/types.ts'
import { FORMS, canary as madeUp, searcher } from '../canaries/canaries.ts'
import { certificateFor } from '../backends/certificate.ts'
import { streaming } from '../backends/streaming.ts'
import type { Streaming } from '../backends/streaming.ts'
import { attempt, backendSpec, canary, CANARY, codeOf } from '../suites/adapter.ts'

const SECRETS = Array.from({ length: 10 }, (_, middle) => madeUp('key', middle))
const READ = { method: 'GET', path: '/v1/x' }
const toLoopback: Lookup = (_name, _options, callback) => callback(null, [{ address: '127.0.0.1', family: 4 }])

describe('the adapter of routes', () => {
  let backend: Streaming
  let door: Server
  let handle: (request: IncomingMessage, response: ServerResponse) => void = () => {}
  before(async () => {
    backend = await streaming()
    door = createServer((request, response) => handle(request, response))
    await new Promise<void>((resolve) => door.listen(0, '127.0.0.1', resolve))
  })
  after(async () => {
    door.closeAllConnections()
    await new Promise((resolve) => door.close(resolve))
    await backend.close()
  })
  beforeEach(() => (backend.seen.length = 0))

  const spec = (config: object = {}, more: Partial<BackendSpec> = {}): BackendSpec =>
    backendSpec({
      adapter: 'proxy',
      config: { url: backend.url, auth: { bearer: 'age://bench/key' }, ...config },
      ...more,
    })
  /** One exchange through a real server: an attempt for each, until one is sent; and what the agent was answered. */
  async function exchanged(
    connection: ReturnType<typeof proxy.connect>,
    attempts: readonly Partial<Attempt>[] = [{}],
    request: unknown = READ,
  ): Promise<{ outcomes: Outcome[]; status: number; text: string }> {
    const outcomes: Outcome[] = []
    handle = async (incoming, response) => {
      const exchange = {
        request: incoming,
        response,
        headers: [],
        name: 'x',
        route: { request_max: 1000, record: { request: 'digest', response: 'digest' } as const },
        begin: (_call: string, status: number, headers: readonly (readonly [string, string])[]) =>
          void response.writeHead(status, headers.flat()),
      }
      for (const more of attempts)
        outcomes.push(await connection.send(request as never, attempt({ exchange, ...more })))
      if (!response.headersSent) response.writeHead(599).end()
    }
    const { port } = door.address() as AddressInfo
    return new Promise((resolve, reject) => {
      ask({ port, host: '127.0.0.1', agent: false }, (answer) => {
        let text = ''
        answer.on('data', (piece: Buffer) => (text += piece.toString('latin1')))
        answer.on('close', () => setImmediate(() => resolve({ outcomes, status: answer.statusCode ?? 0, text })))
      })
        .on('error', reject)
        .end()
    })
  }

  it('asks for the permit when the connection stands; one that was refused is kept for the next attempt', async () => {
    const connection = proxy.connect(spec(), canary)
    const before = backend.connections()
    let asked = 0
    const late = { permit: () => ++asked < 2 }
    const { outcomes, status } = await exchanged(connection, [late, {}])
    assert.deepEqual(
      [outcomes.map((one) => [one.kind, codeOf(one)]), status, asked, backend.seen.length],
      [
        [
          ['not_sent', 'permit'],
          ['done', undefined],
        ],
        200,
        2,
        1,
      ],
    )
    // The same connection carries the next exchange, too; there the permit is asked in the turn in which it is used.
    assert.equal((await exchanged(connection, [{ permit: () => false }])).status, 599)
    assert.equal((await exchanged(connection)).status, 200)
    assert.equal(backend.connections() - before, 1)
    await connection.close?.()
  })

  const refused: readonly [string, Partial<Attempt>, string | undefined][] = [
    ['without a permit', { permit: () => false }, 'permit'],
    [
      'when the permit cannot be asked',
      {
        permit() {
          throw new Error('the store is down')
        },
      },
      'permit',
    ],
    ['after the time for the attempt', { notAfter: performance.now() - 1 }, undefined],
    ['when the attempt was stopped before', { signal: AbortSignal.abort() }, undefined],
  ]
  for (const [when, more, code] of refused) {
    it(`sends nothing ${when}`, async () => {
      const { outcomes, status } = await exchanged(proxy.connect(spec(), canary), [more])
      assert.deepEqual([outcomes[0]?.kind, codeOf(outcomes[0] ?? assert.fail()), status], ['not_sent', code, 599])
      assert.deepEqual(backend.seen, [])
    })
  }

  it('sends nothing that is no stream, to no path, or with a credential that no header carries', async () => {
    const connection = proxy.connect(spec(), canary)
    assert.equal((await connection.send(READ, attempt())).kind, 'not_sent')
    for (const request of [
      null,
      [],
      {},
      { path: 1 },
      { path: 'x' },
      { path: '/../x' },
      { path: '/%2e%2e/x' },
      { path: '//x' },
      { path: '/x', query: 'a\r\nb' },
    ]) {
      const { outcomes } = await exchanged(connection, [{}], request)
      assert.equal(outcomes[0]?.kind, 'not_sent', JSON.stringify(request))
    }
    const broken = proxy.connect(spec(), (ref) => Promise.resolve(new Secret(ref, 'a\nb')))
    const { outcomes } = await exchanged(broken)
    assert.equal(codeOf(outcomes[0] ?? assert.fail()), 'secret_unavailable')
    await connection.close?.()
    assert.equal((await exchanged(connection)).outcomes[0]?.kind, 'not_sent')
    assert.deepEqual(backend.seen, [])
  })

  it('goes to no private address unless the policy says so, by number or by name, and to no metadata service at all', async () => {
    const port = new URL(backend.url).port
    const mixed: Lookup = (_name, _options, callback) =>
      callback(null, [
        { address: '1.1.1.1', family: 4 },
        { address: '127.0.0.1', family: 4 },
      ])
    const metadata: Lookup = (_name, _options, callback) => callback(null, [{ address: '169.254.169.254', family: 4 }])
    const ways: readonly [Lookup, string, boolean][] = [
      [toLoopback, `https://127.0.0.1:${port}`, false],
      [toLoopback, `https://[::1]:${port}`, false],
      [toLoopback, `https://name.example:${port}`, false],
      [mixed, `https://name.example:${port}`, false],
      [metadata, `http://name.example:${port}`, true],
    ]
    for (const [lookup, url, isPrivate] of ways) {
      const connection = proxyOver({ lookup }).connect(spec({ url }, { private: isPrivate }), canary)
      const [outcome] = (await exchanged(connection)).outcomes
      assert.ok(outcome?.kind === 'not_sent' && /may not be called/.test(outcome.reason), JSON.stringify(outcome))
    }
    assert.deepEqual(backend.seen, [])
  })

  it('holds the backend to its certificate, by name', async () => {
    const { cert, key } = certificateFor(['bench.test'])
    const secure = createSecureServer({ cert, key }, (_request, response) => response.end('secure'))
    await new Promise<void>((resolve) => secure.listen(0, '127.0.0.1', resolve))
    const { port } = secure.address() as AddressInfo
    const through = async (host: string, ca?: string) =>
      exchanged(proxyOver({ lookup: toLoopback, ca }).connect(spec({ url: `https://${host}:${port}` }), canary))
    assert.equal((await through('bench.test', cert)).text, 'secure')
    for (const [host, ca] of [
      ['other.test', cert],
      ['bench.test', undefined],
    ] as const) {
      const [outcome] = (await through(host, ca)).outcomes
      assert.ok(outcome?.kind === 'not_sent' && /TLS handshake/.test(outcome.reason), JSON.stringify(outcome))
    }
    secure.closeAllConnections()
    secure.close()
  })
})

describe('a credential in a stream', () => {
  it('is found wherever the stream is cut, and nothing else is changed or kept back', () => {
    const text = `before ${CANARY} between ${Buffer.from(CANARY).toString('base64url')} after sk_test_`
    const whole = Buffer.from(text)
    const once = new StreamScrub([CANARY])
    const wanted = Buffer.concat([once.push(whole), once.flush()])
    assert.ok(
      !wanted.includes(CANARY) && wanted.length === whole.length && wanted.subarray(-8).equals(Buffer.from('sk_test_')),
    )
    for (let at = 1; at < whole.length; at++) {
      const scrub = new StreamScrub([CANARY])
      const pieces = [scrub.push(whole.subarray(0, at)), scrub.push(whole.subarray(at)), scrub.flush()]
      assert.deepEqual(Buffer.concat(pieces), wanted, `cut at ${at}`)
    }
    const event = Buffer.from('data: sk_test\n\n')
    assert.equal(new StreamScrub([CANARY]).push(event), event)
  })

  for (const [form, write] of Object.entries(FORMS))
    it(`is found as it is written in ${form}, in two pieces`, () => {
      for (const { value } of SECRETS) {
        const whole = Buffer.from(`before ${write(value)} after`)
        const scrub = new StreamScrub([value])
        const at = Math.floor(whole.length / 2)
        const left = Buffer.concat([scrub.push(whole.subarray(0, at)), scrub.push(whole.subarray(at)), scrub.flush()])
        assert.deepEqual(searcher([{ name: form, value }])(form, left), [])
        assert.equal(left.length, whole.length)
      }
    })

  it('is taken out of a reference before that is read, which would write it anew', () => {
    const scrub = new StreamScrub(['one/../two/./three'])
    const below = new URL('http://backend.test/')
    const about = { below, asked: '/', route: 'r', clean: (text: string) => scrub.whole(text) }
    for (const name of ['location', 'content-location'])
      assert.deepEqual(answerHeaders({ [name]: '/one/../two/./three' }, about), [[name, '/proxy/r/[secret]**********']])
    assert.deepEqual(answerHeaders({ location: '/one\\two', link: '</one\\two>; rel=next' }, about), [])
  })

  it('is not looked for when it is too short to be told from chance', () => {
    const text = Buffer.from('short short')
    assert.equal(new StreamScrub(['short', '']).push(text), text)
  })
})
