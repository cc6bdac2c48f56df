import assert from 'node:assert/strict'
import type { IncomingHttpHeaders } from 'node:http'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { http } from '../../adapters/http.ts'
import { messageOf } from '../../adapters/http/request.ts'
import { adapters } from '../../adapters/index.ts'
import type { Json, JsonObject } from '../../gateway/core/types.ts'
import { startLying } from '../backends/lying.ts'
import type { LyingBackend, Seen } from '../backends/lying.ts'
import { CANARY, attempt, backendSpec, canary } from '../suites/adapter.ts'

const config = (more: JsonObject = {}): JsonObject => ({ url: 'https://api.bench.test/base', ...more })

function targetOf(request: Json, url = 'https://api.bench.test/base'): string {
  return messageOf(backendSpec({ config: { url } }), new URL(url), request, attempt()).target
}

describe('an http request', () => {
  let backend: LyingBackend
  beforeEach(async () => {
    backend = await startLying()
  })
  afterEach(() => backend.close())

  async function sent(request: Json, more: JsonObject = {}, change: Parameters<typeof attempt>[0] = {}): Promise<Seen> {
    const connection = http.connect(backendSpec({ config: { url: backend.url, ...more } }), canary)
    const outcome = await connection.send(request, attempt(change))
    await connection.close?.()
    assert.equal(outcome.kind, 'done', JSON.stringify(outcome))
    return backend.seen.at(-1) ?? assert.fail('nothing arrived')
  }

  it('is a form with nested members, the stamp, the key and the credential', async () => {
    const request = {
      POST: '/v1/refunds',
      form: {
        charge: 'ch_1',
        amount: 3000,
        partial: true,
        reason: 'a b&c=d+é%',
        metadata: { keystay_call: 'call_1', deep: { er: 'x' } },
        items: ['a', { b: 1 }, []],
        none: {},
      },
    }
    const { method, url, headers, body } = await sent(request, {
      auth: { bearer: 'age://k' },
      headers: { 'Stripe-Version': '2026-01-01' },
    })
    assert.deepEqual([method, url], ['POST', '/v1/refunds'])
    assert.equal(
      body,
      'charge=ch_1&amount=3000&partial=true&reason=a%20b%26c%3Dd%2B%C3%A9%25&metadata[keystay_call]=call_1' +
        '&metadata[deep][er]=x&items[0]=a&items[1][b]=1',
    )
    assert.deepEqual(without(headers, 'host', 'connection', 'content-length'), {
      'user-agent': 'keystay',
      accept: 'application/json',
      'accept-encoding': 'identity',
      'content-type': 'application/x-www-form-urlencoded',
      'stripe-version': '2026-01-01',
      'keystay-call': attempt().id,
      'keystay-role': 'support-agent',
      'idempotency-key': attempt().id,
      authorization: `Bearer ${CANARY}`,
    })
  })

  it('is JSON, with a query and headers of its own', async () => {
    const request = {
      PATCH: '/v1/x?a=1',
      query: { 'b c': 'd/e', f: [1, 2] },
      json: { a: [1, null, 'é'] },
      headers: { 'X-Dry': true, 'X-N': 5 },
    }
    const { method, url, headers, body } = await sent(request)
    assert.deepEqual([method, url, body], ['PATCH', '/v1/x?a=1&b%20c=d%2Fe&f[0]=1&f[1]=2', '{"a":[1,null,"é"]}'])
    assert.deepEqual([headers['content-type'], headers['x-dry'], headers['x-n']], ['application/json', 'true', '5'])
  })

  it('has no idempotency key for the gateway’s own reads, nor where the backend knows none', async () => {
    const kinds: [Json, JsonObject, Parameters<typeof attempt>[0]][] = [
      [{ GET: '/v1/refunds' }, {}, { number: 0 }],
      [{ POST: '/v1/search', json: {} }, {}, { number: 0 }],
      [{ GET: '/v1/refunds' }, {}, { number: 1 }],
    ]
    for (const [request, more, change] of kinds) {
      assert.equal((await sent(request, more, change)).headers['idempotency-key'], undefined)
    }
  })

  it('may be of any method, an empty POST too', async () => {
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']) {
      assert.equal((await sent({ [method]: '/v1/x' }, {}, { id: `call_${method}` })).method, method)
    }
  })

  it('goes below the base path of the url', () => {
    assert.equal(targetOf({ GET: '/v1/x' }), '/base/v1/x')
    assert.equal(targetOf({ GET: '/v1/x' }, 'https://api.bench.test/base/'), '/base/v1/x')
    assert.equal(targetOf({ GET: '/v1/x?a=/../b&c=//d' }, 'https://api.bench.test'), '/v1/x?a=/../b&c=//d')
    assert.equal(targetOf({ GET: '/' }, 'https://api.bench.test'), '/')
    assert.equal(targetOf({ GET: '/v1/a%2Fb/100%25/%C3%A9' }), '/base/v1/a%2Fb/100%25/%C3%A9')
    assert.equal(targetOf({ GET: "/v1/x?name=O'Brien&created[gte]=1" }), "/base/v1/x?name=O'Brien&created[gte]=1")
  })

  const badPaths = [
    ['', 'v1/x', '//evil.test/x', '///evil.test', '/\\evil.test', '/v1\\..\\x', 'https://evil.test/x', '@evil.test'],
    ['/v1/../x', '/v1/..', '/..', '/./x', '/v1/.', '/v1//x', '/v1/x/', '/v1/%2e%2e/x', '/v1/%2E./x', '/v1/.%2e'],
    [
      '/v1/%252e%252e/x',
      '/v1/%25252e%25252e/x',
      '/v1/a%2F..%2Fb',
      '/v1/%2F',
      '/v1/..%2Fx',
      '/v1/%5C..%5Cx',
      '/v1/a%5Cb',
    ],
    [
      '/v1/x#y',
      '/v1/x?y#z',
      '/v1/%00',
      '/v1/a%0d%0ab',
      '/v1/%7f',
      '/v1/a%0Ab?c=d',
      '/v1/\r\nHost: evil.test',
      '/v1/x\u0000',
    ],
    [
      '/v1/x y',
      '/v1/é',
      '/v1/%',
      '/v1/%zz',
      '/v1/%4',
      '/v1/x?y=%',
      '/v1/x?y= z',
      '/v1/x HTTP/1.1\r\n\r\nGET /admin',
      '/v1/\u202e',
    ],
    ['/v1/{x}', '/v1/<x>', '/v1/"x"', '/v1/`x`', `/v1/${'a'.repeat(20_000)}`, '\t/v1', ' /v1'],
  ].flat()
  for (const path of badPaths) {
    it(`is not sent to ${JSON.stringify(path.slice(0, 40))}`, () => {
      for (const method of ['GET', 'POST']) {
        assert.throws(() => targetOf({ [method]: path }), { name: 'Unsendable' })
        assert.throws(() => targetOf({ [method]: path }, 'https://api.bench.test'), { name: 'Unsendable' })
      }
    })
  }

  const badRequests: readonly [string, Json, JsonObject?][] = [
    ['two methods', { GET: '/x', POST: '/x' }],
    ['no method', { form: {} }],
    ['an unknown method', { OPTIONS: '/x' }],
    ['a path that is no string', { GET: 5 }],
    ['a form and json', { POST: '/x', form: {}, json: {} }],
    ['a body with GET', { GET: '/x', json: {} }],
    ['a form that is a list', { POST: '/x', form: ['a'] }],
    ['null in a form', { POST: '/x', form: { a: null } }],
    ['a bracket in a member’s name', { POST: '/x', form: { 'metadata[call': 'x' } }],
    ['an empty member name', { POST: '/x', query: { '': 'x' } }],
    ['half a character', { POST: '/x', form: { a: '\uD83D' } }],
    ['a number beyond 2^53', { POST: '/x', form: { a: 2 ** 53 } }],
    ['a number with an exponent', { POST: '/x', form: { a: 1e-7 } }],
    ['an object as a header', { POST: '/x', headers: { 'X-A': {} } }],
    ...['a\r\nX-Injected: 1', 'a\nb', 'a\rb', 'a\u0000b', 'é', 'a\u0085b', '\u2028', '\u{1F511}', 'a\u007fb'].map(
      (value): [string, Json] => [
        `the header value ${JSON.stringify(value)}`,
        { POST: '/x', headers: { 'X-A': value } },
      ],
    ),
    ...['a b', 'a:', '', 'é', 'X\r\nY', 'a\u0000', 'x'.repeat(65)].map((name): [string, Json] => [
      `the header name ${JSON.stringify(name)}`,
      { POST: '/x', headers: { [name]: 'v' } },
    ]),
    ...['Host', 'authorization', 'Transfer-Encoding', 'CONTENT-LENGTH', 'connection', 'Cookie', 'accept-encoding'].map(
      (name): [string, Json] => [`the reserved header ${name}`, { POST: '/x', headers: { [name]: 'v' } }],
    ),
    ['its own idempotency key', { POST: '/x', headers: { 'idempotency-key': 'mine' } }],
    ['its own stamp', { POST: '/x', headers: { 'keystay-call': 'call_other' } }],
    ['a header that backends.yaml has too', { POST: '/x', headers: { 'x-a': 'v' } }, { headers: { 'X-A': 'w' } }],
    [
      'a header that carries the credential',
      { POST: '/x', headers: { 'x-api-key': 'v' } },
      { auth: { header: 'X-Api-Key', value: 'age://k' } },
    ],
  ]
  for (const [title, request, more] of badRequests) {
    it(`is not sent with ${title}`, async () => {
      const connection = http.connect(backendSpec({ config: { url: backend.url, ...more } }), canary)
      const outcome = await connection.send(request, attempt())
      await connection.close?.()
      assert.equal(outcome.kind, 'not_sent', JSON.stringify(outcome))
      assert.deepEqual([backend.seen.length, backend.connections()], [0, 0])
      assert.ok(!JSON.stringify(outcome).includes('Injected') && !JSON.stringify(outcome).includes(CANARY))
    })
  }
})

describe('the schemas of the http adapter', () => {
  const ajv = new Ajv2020({ strict: false })
  const adapter = adapters.get('http') ?? assert.fail()
  const backendValid = ajv.compile(adapter.backend)
  const requestValid = ajv.compile(adapter.request)

  const backends: readonly [boolean, JsonObject][] = [
    [true, config()],
    [true, { url: 'http://127.0.0.1:8080' }],
    [true, config({ auth: { bearer: 'vault://kv/stripe#restricted_key' } })],
    [true, config({ auth: { header: 'X-Api-Key', value: 'env://KEY' } })],
    [true, config({ auth: { basic: { user: 'broker', password: 'age://warehouse/broker' } } })],
    [true, config({ headers: { 'Stripe-Version': '2026-01-01' } })],
    [false, {}],
    [false, { url: 'ftp://x' }],
    [false, { url: 'https://user:pass@x' }],
    [false, { url: 'https://x/?a=1' }],
    [false, { url: 'https://x/#a' }],
    [false, { url: '//x' }],
    [false, config({ auth: { bearer: 'sk_test_written_here' } })],
    [false, config({ auth: { bearer: 'age://a', header: 'X', value: 'age://b' } })],
    [false, config({ auth: { basic: { user: 'a:b', password: 'age://x' } } })],
    [false, config({ auth: { header: 'Host', value: 'age://x' } })],
    [false, config({ headers: { Authorization: 'Bearer sk_test_x' } })],
    [false, config({ headers: { 'X-A': 'a\r\nb' } })],
    [false, config({ retries: 3 })],
  ]
  for (const [valid, value] of backends) {
    it(`${valid ? 'take' : 'refuse'} the backend ${JSON.stringify(value)}`, () =>
      assert.equal(backendValid(value), valid))
  }

  const requests: readonly [boolean, Json][] = [
    [true, { POST: '/v1/refunds', form: { metadata: { call: '${call.id}' } } }],
    [true, { GET: '/v1/charges/${input.charge}' }],
    [true, { DELETE: '/v1/x', query: { a: 'b' }, headers: { 'X-A': 'b' } }],
    [true, { PUT: '/v1/x', json: [] }],
    [false, {}],
    [false, { GET: '/a', POST: '/b' }],
    [false, { GET: 'a' }],
    [false, { GET: '/a', json: {} }],
    [false, { POST: '/a', json: {}, form: {} }],
    [false, { POST: '/a', body: 'x' }],
    [false, { POST: '/a', headers: { HOST: 'x' } }],
    [false, { POST: '/a', headers: { 'Transfer-Encoding': 'chunked' } }],
  ]
  for (const [valid, value] of requests) {
    it(`${valid ? 'take' : 'refuse'} the request ${JSON.stringify(value)}`, () =>
      assert.equal(requestValid(value), valid))
  }

  it('are not the only ones to look: a bad url is refused when the backend is connected', () => {
    const urls = ['', 'x', 'ftp://x', 'https://a@b', 'https://x?y', 'https://x#y', null, 5]
    for (const url of urls) assert.throws(() => http.connect(backendSpec({ config: { url } }), canary), TypeError)
    const open = backendSpec({ config: { url: 'http://api.bench.test' }, private: false })
    assert.throws(() => http.connect(open, canary), /http: needs private: true/)
  })
})

function without(headers: IncomingHttpHeaders, ...names: string[]): IncomingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !names.includes(name)))
}
