import assert from 'node:assert/strict'
import { compile } from '../../gateway/core/compile.ts'
import { testPolicy } from '../../gateway/core/policy-test.ts'
import { isListed, isPlainPath, parseAllowed } from '../../gateway/core/route.ts'
import { parseSize } from '../../gateway/core/size.ts'
import type { JsonObject, Scope } from '../../gateway/core/types.ts'
import { COMPANY, FILES, schemas } from './company.ts'

const ROUTES = `route: llm.chat
describe: Chat completions, streamed.
effect: read
backend: llm
allow: ["POST /v1/chat/completions", "GET /v1/models", "GET /v1/files/*"]
headers: [OpenAI-Beta]
request_max: 2MB
record: { request: digest, response: none }
---
route: llm.batch
describe: Batches.
backend: llm
allow: [POST /v1/batches]
cost: { count: "1", of: batches }
`
const ROLE = `role: writer
describe: Writes.
issue_to: [{ issuer: cluster, where: 'claims.sub == "w"' }]
grants:
  llm.chat:
    rate: 3 per hour
    require: [{ that: 'input.path != "/v1/files/secret"', else: Not that one. }]
  llm.batch: { max: 1 batches, budget: 2 batches per day }
`
const TESTS = `tests: writer
given: { now: 2026-11-23T15:00:00Z, call: llm.chat, input: { method: POST, path: /v1/chat/completions } }
cases:
  - { it: chats, expect: allow }
  - { it: lists with a query, input: { method: GET, path: /v1/models, query: "limit=1" }, expect: allow }
  - { it: takes no path beside the list, input: { path: /v1/other }, expect: deny, because: input_invalid }
  - { it: takes no method beside the list, input: { method: GET }, expect: deny, because: input_invalid }
  - { it: refuses what a line refuses, input: { method: GET, path: /v1/files/secret }, expect: deny }
  - { it: stops at its rate, used: { rate: 3 calls }, expect: deny }
  - { it: counts batches, call: llm.batch, input: { method: POST, path: /v1/batches }, used: { "budget[0]": 2 batches }, expect: deny }
`

function texts(change: { readonly from?: string; readonly to?: string } = {}, more: { [path: string]: string } = {}) {
  const files: { [path: string]: string } = {
    ...COMPANY,
    'llm.yaml':
      'backends:\n  llm: { adapter: proxy, url: "https://api.example.com", auth: { header: X-Api-Key, value: "age://llm" }, idle: 5m }\n',
    'routes.yaml': ROUTES,
    'writer.yaml': ROLE,
    ...more,
  }
  const { from = '', to = '' } = change
  return Object.entries({ ...files, ...FILES }).map(([path, text]) => ({ path, text: text.replace(from, to) }))
}

function compiled(...args: Parameters<typeof texts>) {
  const all = texts(...args)
  const files = new Map(all.filter(({ path }) => !path.endsWith('.yaml')).map(({ path, text }) => [path, text]))
  return compile(
    all.filter(({ path }) => path.endsWith('.yaml')),
    schemas,
    { files },
  )
}

describe('a route in a policy', () => {
  it('is an action whose input is what is asked for, with a closed list beside it', () => {
    const { route, effect, input, example } = policy().actions.get('llm.chat') ?? assert.fail()
    assert.deepEqual(route, {
      allow: [
        { method: 'POST', path: '/v1/chat/completions' },
        { method: 'GET', path: '/v1/models' },
        { method: 'GET', path: '/v1/files/*' },
      ],
      headers: ['openai-beta'],
      request_max: 2 * 1024 * 1024,
      record: { request: 'digest', response: 'none' },
    })
    assert.deepEqual([effect, policy().actions.get('llm.batch')?.effect], ['read', 'write'])
    assert.deepEqual(example, { method: 'POST', path: '/v1/chat/completions' })
    assert.deepEqual(Object.keys((input['properties'] ?? {}) as object), ['method', 'path', 'query', 'length'])
  })

  it('has the defaults of what it does not say, and keeps what came of it', () => {
    const {
      input: _input,
      request,
      summary,
      cost,
      validate,
      ...batch
    } = policy().actions.get('llm.batch') ?? assert.fail()
    assert.deepEqual(batch, {
      name: 'llm.batch',
      describe: 'Batches.',
      effect: 'write',
      sensitive: [],
      example: { method: 'POST', path: '/v1/batches' },
      backend: 'llm',
      facts: [],
      recheck: null,
      keep: ['outcome', 'status', 'request', 'response', 'reason'],
      undo: 'none',
      replay_ms: 604_800_000,
      route: {
        allow: [{ method: 'POST', path: '/v1/batches' }],
        headers: [],
        request_max: 1024 * 1024,
        record: { request: 'digest', response: 'digest' },
      },
    })
    assert.equal(cost?.kind, 'count')
    const asked = { input: { method: 'POST', path: '/v1/batches' } } as unknown as Scope
    assert.deepEqual(request.render(asked), { ok: true, value: { method: 'POST', path: '/v1/batches' } })
    assert.deepEqual(summary?.render(asked), { ok: true, value: 'POST /v1/batches' })
    const queried = { input: { method: 'POST', path: '/v1/batches', query: 'a=1' } } as unknown as Scope
    assert.deepEqual(request.render(queried), {
      ok: true,
      value: { method: 'POST', path: '/v1/batches', query: 'a=1' },
    })
    const wrong = (given: object) => validate(given as JsonObject).length > 0
    const path = '/v1/batches'
    assert.deepEqual(
      [
        { method: 'POST', path },
        { method: 'POST', path, query: 'q'.repeat(4000), length: 1024 * 1024 },
        { method: 'GET', path },
        { method: 'POST', path: '/v1/other' },
        { method: 'POST', path, query: 'q'.repeat(4001) },
        { method: 'POST', path, length: 1024 * 1024 + 1 },
        { method: 'POST', path, length: -1 },
        { method: 'POST', path, more: 1 },
      ].map(wrong),
      [false, false, true, true, true, true, true, true],
    )
    const { route, replay_ms } =
      policy({
        from: 'request: digest, response: none }',
        to: 'request: body, response: body }\nreplay: 2h',
      }).actions.get('llm.chat') ?? assert.fail()
    assert.deepEqual([route?.record, replay_ms], [{ request: 'body', response: 'body' }, 7_200_000])
  })

  it('says what to write instead', () => {
    const hints = (from: string, to: string) => {
      const result = compiled({ from, to })
      return result.ok ? [] : result.findings.map(({ hint }) => hint)
    }
    assert.deepEqual(hints('backend: llm\nallow: ["POST', 'backend: pay\nallow: ["POST'), [
      'name a backend with adapter: proxy',
    ])
    assert.deepEqual(hints('GET /v1/models"', 'GET /v1/files/*"'), ['keep one of the two'])
    assert.deepEqual(hints('2MB', '99GB'), ['write 16GB or less'])
    assert.deepEqual(hints('[OpenAI-Beta]', '[Authorization]'), ['take it out: it never passes'])
  })

  it('is tested in tables like an action', () => {
    const { cases, findings } = testPolicy(policy({}, { 'writer.test.yaml': TESTS }))
    assert.deepEqual(findings, [])
    assert.deepEqual(
      cases.filter(({ ok }) => !ok).map(({ it: sentence, differs }) => [sentence, differs]),
      [],
    )
    assert.equal(cases.length, 7)
  })

  const wrong: readonly (readonly [string, string, string])[] = [
    [
      '  llm.chat:\n    rate',
      '  llm.chat:\n    approval: [{ by: 1 of finance }]\n    rate',
      'llm.chat is a route: a stream cannot wait for people',
    ],
    [
      '  llm.chat:\n    rate',
      '  llm.chat:\n    max: 5.00 USD\n    rate',
      'llm.chat has no `cost:`, so nothing can be compared with `max`',
    ],
    [
      'backend: llm\nallow: ["POST',
      'backend: pay\nallow: ["POST',
      '`pay` has adapter `http`, which sends whole requests; a route passes them on as they come',
    ],
    ['backend: llm\nallow: ["POST', 'backend: lm\nallow: ["POST', 'there is no backend `lm`'],
    ['GET /v1/models"', 'GET /v1/../models"', 'this is not a path that has one spelling only'],
    ['GET /v1/models"', 'GET /v1//models"', 'this is not a path that has one spelling only'],
    ['GET /v1/models"', 'GET /v1/%6dodels"', 'this is not a path that has one spelling only'],
    ['GET /v1/models"', 'GET /v1/models?a=1"', 'this is not a path that has one spelling only'],
    ['GET /v1/models"', 'GET /v1/mod*"', 'this is not a path that has one spelling only'],
    ['GET /v1/models"', 'GET /v1/files/*"', 'this stands in the list already'],
    [
      'GET /v1/models"',
      'HEAD /v1/models"',
      '`allow` (an item of it) must be a method and a path, like `POST /v1/chat/completions` or `GET /v1/models/*`',
    ],
    ['[OpenAI-Beta]', '[Authorization]', '`authorization` is the gateway’s own, or says who asks for what'],
    ['[OpenAI-Beta]', '[X-API-KEY]', '`x-api-key` is the gateway’s own, or says who asks for what'],
    [
      '[OpenAI-Beta]',
      '[X-HTTP-Method-Override]',
      '`x-http-method-override` is the gateway’s own, or says who asks for what',
    ],
    ['2MB', '2 MB', '`request_max` must be a size like 64KB or 1MB'],
    ['2MB', '99GB', 'this size is too large'],
    ['effect: read\nbackend: llm', 'effect: lease\nbackend: llm', '`effect` must be one of: read, write'],
    ['route: llm.batch', 'route: llm.chat', '`llm.chat` is defined already, in routes.yaml'],
    ['route: llm.batch', 'route: pay.refund', '`pay.refund` is defined already, in actions.yaml'],
    ['count: "1"', 'count: input.length', '`input.length` may be absent'],
    ['backend: shop\n', 'backend: llm\n', '`llm` has adapter `proxy`, which is for routes alone'],
    [
      '    GET: /v1/charges/',
      '    backend: llm\n    GET: /v1/charges/',
      '`llm` has adapter `proxy`, which is for routes alone',
    ],
    ['idle: 5m', 'idle: long', '`idle` must be a duration like 30s or 10m'],
    ['idle: 5m', 'lands_within: 5m', 'unknown key `lands_within`'],
    ['request_max: 2MB', 'request_max: 2MB\ninput: {}', 'unknown key `input`'],
  ]
  for (const [from, to, message] of wrong) {
    it(`is refused: ${to.replaceAll('\n', ' ').slice(0, 60)}`, () => {
      assert.ok(
        texts().some(({ text }) => text.includes(from)),
        from,
      )
      const result = compiled({ from, to })
      const said = result.ok ? [] : result.findings.map((finding) => finding.message)
      assert.ok(said.includes(message), said.join('\n'))
    })
  }

  it('matches letter by letter, and one segment for a star', () => {
    const allow = ['GET /v1/files/*', 'GET /', 'POST /v1/*/x'].map((line) => parseAllowed(line) ?? assert.fail(line))
    const listed = (line: string): boolean => {
      const [method = '', path = ''] = line.split(' ')
      return isListed({ allow }, { method, path })
    }
    for (const line of ['GET /v1/files/a', 'GET /v1/files/a.b~c:d@e-f_G', 'GET /', 'POST /v1/a/x'])
      assert.ok(listed(line), line)
    const not =
      'GET /v1/files|GET /v1/files/|GET /v1/files/a/b|GET /V1/files/a|POST /v1/files/a|get /v1/files/a|GET /v1/files/..|GET /v1/files/.|GET /v1/files/%2e|GET //|POST /v1//x|GET '
    for (const line of not.split('|')) assert.ok(!listed(line), line)
    for (const input of [null, 1, {}, { method: 'GET' }, { method: 'GET', path: ['/'] }])
      assert.ok(!isListed({ allow }, input))
    assert.ok(isPlainPath('/a/b') && !isPlainPath('/a/../b') && !isPlainPath('a') && !isPlainPath(''))
  })

  it('reads sizes', () => {
    assert.deepEqual(['1B', '64KB', '1MB', '2GB'].map(parseSize), [1, 65_536, 1_048_576, 2_147_483_648])
    for (const text of ['0KB', '1', '1kb', '1.5MB', '-1MB', '1 MB', '', '17GB', '1e3B'])
      assert.equal(parseSize(text), null, text)
  })
})

function policy(...args: Parameters<typeof texts>) {
  const result = compiled(...args)
  if (!result.ok) assert.fail(result.findings.map(({ file, line, message }) => `${file}:${line} ${message}`).join('\n'))
  return result.policy
}
