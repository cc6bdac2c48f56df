import assert from 'node:assert/strict'
import { gzipSync } from 'node:zlib'
import { house, raw } from './house.ts'
import type { House } from './house.ts'
import { modern, post } from './mcp.ts'
import type { McpAnswer } from './mcp.ts'

/** What the door of MCP refuses before anything of it reaches an action: JSON-RPC errors, with the problem as their data. */
let home: House
before(async () => {
  home = await house({ body: { body_max: 64 * 1024, body_ms: 300 } })
})
after(() => home.close())
beforeEach(() => {
  home.gateway.asked.length = 0
  home.gateway.refusals.length = 0
  home.clock.now = Date.UTC(2026, 10, 23, 15)
})

const MODERN = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/list' }
const bare = (body: string | Uint8Array<ArrayBuffer>, headers: { readonly [name: string]: string | undefined } = {}) =>
  post(home.agent.url, { authorization: home.bearer, accept: 'application/json, text/event-stream', ...headers }, body)
const rpc = (message: unknown) => bare(JSON.stringify(message))

function refused({ status, body }: McpAnswer): unknown[] {
  assert.equal(body.jsonrpc, '2.0')
  assert.deepEqual(home.gateway.asked, [])
  assert.equal(home.gateway.refusals.length, 1, home.gateway.refusals.join())
  return [status, body.error.code, body.error.data?.code ?? null]
}

describe('who may not ask over MCP', () => {
  const nobody: readonly (readonly [string, string | undefined, string])[] = [
    ['no token', undefined, 'token_missing'],
    ['another scheme', 'Basic a3N0Xzo=', 'token_missing'],
    ['a token that is none', 'Bearer kst_nobody', 'token_invalid'],
    ['a token of somebody else’s making', `Bearer kst_${'A'.repeat(50)}`, 'token_invalid'],
  ]
  for (const [name, authorization, code] of nobody) {
    it(`${name}: 401 with a challenge`, async () => {
      const answer = await bare('{"jsonrpc":"2.0","id":1,"method":"tools/list"}', { authorization })
      const [status, , said] = refused(answer)
      assert.deepEqual(
        [status, answer.headers.get('www-authenticate')?.startsWith('Bearer realm="keystay"')],
        [401, true],
      )
      if (code !== 'token_missing') assert.equal(said, code)
      assert.equal(answer.body.id, null)
    })
  }

  it('a session that has expired: 401, and says so in the challenge', async () => {
    home.clock.now += 7_200_000
    const answer = await modern(home.agent.url, home.bearer, 'tools/list')
    assert.deepEqual(refused(answer), [401, -32_000, 'session_expired'])
    assert.match(answer.headers.get('www-authenticate') ?? '', /error="invalid_token", error_description="The session/)
  })

  const origins: readonly (readonly [string, string, string, boolean])[] = [
    ['its own', '127.0.0.1:8787', 'http://127.0.0.1:8787', true],
    ['its own by name', 'localhost:8787', 'http://localhost:8787', true],
    ['its own, IPv6', '[::1]:8787', 'http://[::1]:8787', true],
    ['another port', 'localhost:8787', 'http://localhost:3000', false],
    ['another site', '127.0.0.1:8787', 'https://evil.example', false],
    ['a rebound name', 'evil.example:8787', 'http://evil.example:8787', false],
    ['a file', '127.0.0.1:8787', 'null', false],
    ['no URL', '127.0.0.1:8787', 'x', false],
    ['a name that begins as ours', 'localhost:8787', 'http://localhost:8787.evil.example', false],
    ['a user in front', 'localhost:8787', 'http://localhost:8787@evil.example', false],
  ]
  for (const [name, host, origin, fine] of origins) {
    it(`a page ${fine ? 'of' : 'not of'} this origin ${fine ? 'may' : 'may not'}: ${name}`, async () => {
      const body = '{"jsonrpc":"2.0","id":1,"method":"ping"}'
      const [answer] = await raw(
        home.agent.url,
        [
          `POST /mcp HTTP/1.1\r\nHost: ${host}\r\nOrigin: ${origin}\r\nAuthorization: ${home.bearer}\r\nConnection: close`,
          `Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\nMCP-Protocol-Version: 1999`,
          `Content-Length: ${body.length}\r\n\r\n${body}`,
        ].join('\r\n'),
      )
      // Where the origin is fine, the version that nobody speaks is what is refused.
      assert.deepEqual(
        [answer?.status, home.gateway.refusals],
        fine ? [400, ['malformed 127.0.0.1']] : [403, ['not_eligible 127.0.0.1']],
      )
    })
  }

  it('whoever would open a stream or end a session of the protocol: 405, and nothing is counted against them', async () => {
    for (const method of ['GET', 'DELETE', 'PUT']) {
      const response = await fetch(`${home.agent.url}/mcp`, { method, headers: { authorization: home.bearer } })
      assert.deepEqual([response.status, response.headers.get('allow')], [405, 'POST'])
      await response.text()
    }
    assert.deepEqual(home.gateway.refusals, [])
  })
})

describe('bodies that are not read', () => {
  const long = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list', params: { a: 'x'.repeat(70_000) } })
  const bad: readonly (readonly [string, () => Promise<McpAnswer>, readonly unknown[]])[] = [
    ['a huge body', () => bare(long), [413, -32_000, 'too_large']],
    ['no JSON', () => bare('{broken'), [400, -32_700, 'malformed']],
    [
      'a member twice',
      () => bare('{"jsonrpc":"2.0","id":1,"id":2,"method":"tools/list"}'),
      [400, -32_700, 'malformed'],
    ],
    [
      'the same member twice in the arguments',
      () =>
        bare(
          '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"refund","arguments":{"amount":1,"amount":1}}}',
        ),
      [400, -32_700, 'malformed'],
    ],
    ['a nest', () => bare(`{"a":${'['.repeat(40)}${']'.repeat(40)}}`), [400, -32_700, 'malformed']],
    [
      'a number that changes',
      () => bare('{"jsonrpc":"2.0","id":9007199254740993,"method":"ping"}'),
      [400, -32_700, 'malformed'],
    ],
    ['another encoding', () => bare(new Uint8Array([0x7b, 0xff, 0x7d])), [400, -32_700, 'malformed']],
    ['gzip', () => bare(new Uint8Array(gzipSync('{}')), { 'content-encoding': 'gzip' }), [415, -32_000, 'not_json']],
    ['a form', () => bare('a=b', { 'content-type': 'application/x-www-form-urlencoded' }), [415, -32_000, 'not_json']],
    ['plain text', () => bare('{}', { 'content-type': 'text/plain' }), [415, -32_000, 'not_json']],
    ['UTF-16', () => bare('{}', { 'content-type': 'application/json; charset=utf-16' }), [415, -32_000, 'not_json']],
  ]
  for (const [name, send, expected] of bad) {
    it(`${name}: ${expected.join(' ')}`, async () => assert.deepEqual(refused(await send()), expected))
  }

  it('a query beside the path: 400', async () => {
    const response = await fetch(`${home.agent.url}/mcp?token=x`, {
      method: 'POST',
      headers: { authorization: home.bearer },
      body: '{}',
    })
    assert.equal(response.status, 400)
    await response.text()
  })
})

describe('JSON-RPC that is none', () => {
  const good = { jsonrpc: '2.0', id: 1, method: 'tools/list' }
  const bad: readonly (readonly [string, unknown, string | number | null, readonly string[]])[] = [
    ['nothing', {}, null, ['jsonrpc', 'method']],
    ['null', null, null, ['']],
    ['a text', 'x', null, ['']],
    ['a number', 7, null, ['']],
    ['no version', { id: 1, method: 'tools/list' }, 1, ['jsonrpc']],
    ['version 1.0', { ...good, jsonrpc: '1.0' }, 1, ['jsonrpc']],
    ['a version that is a number', { ...good, jsonrpc: 2 }, 1, ['jsonrpc']],
    ['no method', { jsonrpc: '2.0', id: 1 }, null, ['method']],
    ['a method that is a number', { ...good, method: 7 }, null, ['method']],
    ['an empty method', { ...good, method: '' }, 1, ['method']],
    ['a long method', { ...good, method: 'x'.repeat(300) }, 1, ['method']],
    ['null for an id', { ...good, id: null }, null, ['id']],
    ['an object for an id', { ...good, id: {} }, null, ['id']],
    ['a fraction for an id', { ...good, id: 1.5 }, null, ['id']],
    ['a long id', { ...good, id: 'x'.repeat(201) }, null, ['id']],
    ['a list of params', { ...good, params: [1] }, 1, ['params']],
    ['a text for params', { ...good, params: 'x' }, 1, ['params']],
    ['null for params', { ...good, params: null }, 1, ['params']],
    ['a text for _meta', { ...good, params: { _meta: 'x' } }, 1, ['params._meta']],
    ['a member more', { ...good, auth: 'x' }, 1, ['auth']],
    ['no tool', { ...good, method: 'tools/call', params: {} }, 1, ['params.name']],
    ['a number for a tool', { ...good, method: 'tools/call', params: { name: 1 } }, 1, ['params.name']],
    [
      'everything at once',
      { jsonrpc: 2, id: [], method: 1, params: 1, x: 1 },
      null,
      ['jsonrpc', 'method', 'id', 'params', 'x'],
    ],
  ]
  for (const [name, message, id, paths] of bad) {
    it(`${name}: 400, with all that is wrong`, async () => {
      const answer = await rpc(message)
      assert.deepEqual(refused(answer), [400, message === null ? -32_700 : -32_600, 'malformed'])
      const { errors = [] } = answer.body.error.data as { errors?: { path: string }[] }
      assert.deepEqual([answer.body.id, errors.map(({ path }) => path)], [id, paths])
    })
  }

  for (const [name, message] of [
    ['a batch', [good, good]],
    ['an empty batch', []],
    ['a batch of one', [good]],
    ['an answer', { jsonrpc: '2.0', id: 1, result: {} }],
    ['an error', { jsonrpc: '2.0', id: 1, error: { code: 1, message: 'x' } }],
  ] as const) {
    it(`${name}: 400`, async () => {
      const answer = await rpc(message)
      assert.deepEqual(refused(answer), [400, -32_600, 'malformed'])
      assert.match(answer.body.error.message, /^(Send one JSON-RPC message a request|This is an answer)/)
    })
  }

  it('a method that nobody knows is answered as the revision says', async () => {
    const unknown = await modern(home.agent.url, home.bearer, 'admin/everything')
    assert.deepEqual([unknown.status, unknown.body.error.code], [404, -32_601])
    const old = await rpc({ ...good, method: 'resources/list' })
    assert.deepEqual([old.status, old.body.error.code], [200, -32_601])
  })

  it('a notification is taken and answered with nothing', async () => {
    const { status, text } = await rpc({ jsonrpc: '2.0', method: 'notifications/initialized' })
    assert.deepEqual([status, text], [202, ''])
  })
})

describe('headers of revision 2026-07-28', () => {
  const call = { name: 'refund', arguments: { request_key: 'a' } }
  const off: readonly (readonly [string, string, object, { readonly [name: string]: string | undefined }, number])[] = [
    ['no version', 'tools/list', {}, { 'mcp-protocol-version': undefined }, -32_020],
    ['another version than the body’s', 'tools/list', {}, { 'mcp-protocol-version': '2025-11-25' }, -32_020],
    ['no method', 'tools/list', {}, { 'mcp-method': undefined }, -32_020],
    ['another method', 'tools/list', {}, { 'mcp-method': 'tools/call' }, -32_020],
    ['the method in capitals', 'tools/list', {}, { 'mcp-method': 'TOOLS/LIST' }, -32_020],
    ['the method twice', 'tools/list', {}, { 'mcp-method': 'tools/list, tools/list' }, -32_020],
    ['no name', 'tools/call', call, { 'mcp-name': undefined }, -32_020],
    ['another name', 'tools/call', call, { 'mcp-name': 'charge_get' }, -32_020],
    ['a name in broken base64', 'tools/call', call, { 'mcp-name': '=?base64?%%?=' }, -32_020],
    ['another task', 'tasks/get', { taskId: 'call_1' }, { 'mcp-name': 'call_2' }, -32_020],
  ]
  for (const [name, method, params, headers, code] of off) {
    it(`${name}: 400 ${code}, and nothing is asked`, async () => {
      const answer = await modern(home.agent.url, home.bearer, method, { ...params }, { headers })
      assert.deepEqual([answer.status, answer.body.error.code, answer.body.id], [400, code, 1])
      assert.deepEqual([home.gateway.asked, home.gateway.refusals], [[], ['malformed 127.0.0.1']])
    })
  }

  it('without what each request must say of itself: 400 -32602; of a revision that is not spoken: -32022, with those that are', async () => {
    const none = await bare(JSON.stringify({ jsonrpc: '2.0', id: 7, method: 'tools/list', params: {} }), MODERN)
    assert.deepEqual([none.status, none.body.error.code, none.body.id], [400, -32_602, 7])
    const meta = { 'io.modelcontextprotocol/protocolVersion': '2031-01-01' }
    const later = await modern(
      home.agent.url,
      home.bearer,
      'tools/list',
      {},
      { meta, headers: { 'mcp-protocol-version': '2031-01-01' } },
    )
    assert.deepEqual(
      [later.status, later.body.error.code, later.body.error.data.supported],
      [400, -32_022, ['2026-07-28']],
    )
    assert.deepEqual(home.gateway.asked, [])
  })

  it('a name between spaces, or in base64, is the name', async () => {
    for (const name of ['  refund  ', '=?base64?cmVmdW5k?=']) {
      const { body } = await modern(home.agent.url, home.bearer, 'tools/call', call, { headers: { 'mcp-name': name } })
      assert.equal(body.result.structuredContent.status, 'done')
    }
  })

  it('server/discover says what there is: tools, tasks, and how to use them', async () => {
    const { result } = (await modern(home.agent.url, home.bearer, 'server/discover')).body
    assert.deepEqual(
      [result.supportedVersions, result.capabilities],
      [['2026-07-28'], { tools: {}, extensions: { 'io.modelcontextprotocol/tasks': {} } }],
    )
    assert.match(result.instructions, /request_key/)
  })

  it('subscriptions/listen ends at once: nothing is announced, and nobody holds a stream open', async () => {
    const begun = Date.now()
    const answer = await modern(home.agent.url, home.bearer, 'subscriptions/listen', {
      notifications: { toolsListChanged: true },
    })
    assert.deepEqual(
      [answer.before.map(({ method }) => method), answer.body.result.resultType],
      [['notifications/subscriptions/acknowledged'], 'complete'],
    )
    assert.ok(Date.now() - begun < 2000)
  })
})
