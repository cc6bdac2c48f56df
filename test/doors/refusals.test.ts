import assert from 'node:assert/strict'
import { gzipSync } from 'node:zlib'
import { PROBLEMS } from '../../gateway/core/problem.ts'
import type { Code } from '../../gateway/core/problem.ts'
import { house, raw } from './house.ts'
import type { House, RawAnswer } from './house.ts'

let home: House
before(async () => {
  home = await house({ body: { body_max: 64 * 1024, body_ms: 300 } })
})
after(() => home.close())

const JSON_TYPE = 'Content-Type: application/json'
const POST = 'POST /v1/actions/refund HTTP/1.1'

interface Sent {
  readonly first?: string
  /** Lines; `Host`, `Authorization`, `Idempotency-Key` and `Content-Length` are added unless given. Null leaves one out. */
  readonly headers?: readonly string[]
  readonly without?: readonly string[]
  readonly body?: string | Buffer
  readonly admin?: boolean
}

function bytesOf({ first = POST, headers = [], without = [], body = '', admin = false }: Sent): Buffer {
  const given = new Set([...headers.map((line) => line.split(':')[0]?.toLowerCase()), ...without])
  const usual: readonly (readonly [string, string])[] = [
    ['Host', 'gateway.test'],
    ['Authorization', admin ? home.dana : home.bearer],
    ['Idempotency-Key', 'T-1/refund-1'],
    ['Content-Length', String(Buffer.byteLength(body))],
    ['Connection', 'close'],
  ]
  const lines = usual.filter(([name]) => !given.has(name.toLowerCase())).map(([name, value]) => `${name}: ${value}`)
  const head = [first, ...lines, ...headers, '', ''].join('\r\n')
  return Buffer.concat([Buffer.from(head, 'latin1'), Buffer.isBuffer(body) ? body : Buffer.from(body, 'utf8')])
}

async function send(sent: Sent): Promise<RawAnswer> {
  const answers = await raw(sent.admin === true ? home.admin.url : home.agent.url, bytesOf(sent))
  assert.equal(answers.length, 1, JSON.stringify(answers))
  return answers[0] as RawAnswer
}

const json = (body: string | Buffer): Sent => ({ headers: [JSON_TYPE], body })
const get = (path: string): Sent => ({ first: `GET ${path} HTTP/1.1` })
const key = (value: string): Sent => ({ headers: [JSON_TYPE, `Idempotency-Key: ${value}`], body: '{}' })
const chunked = (body: string): Sent => ({
  headers: [JSON_TYPE, 'Transfer-Encoding: chunked'],
  without: ['content-length'],
  body,
})
const people = (verb: string, body: string, headers: readonly string[] = []): Sent => ({
  first: `POST /admin/v1/calls/call_1/${verb} HTTP/1.1`,
  headers: [JSON_TYPE, ...headers],
  body,
  admin: true,
})

const BAD: readonly (readonly [string, Code, Sent])[] = [
  // the body's form
  ['an empty JSON body', 'malformed', json('')],
  ['a word', 'malformed', json('hello')],
  ['an object that does not end', 'malformed', json('{"amount":1')],
  ['a comma too many', 'malformed', json('{"amount":1,}')],
  ['a comment', 'malformed', json('{"amount":1}//')],
  ['single quotes', 'malformed', json("{'amount':1}")],
  ['two documents', 'malformed', json('{}{}')],
  ['a control character in a string', 'malformed', json('{"note":"a\u0001b"}')],
  ['NaN', 'malformed', json('{"amount":NaN}')],
  ['Infinity', 'malformed', json('{"amount":Infinity}')],
  ['a plus sign', 'malformed', json('{"amount":+1}')],
  ['a leading zero', 'malformed', json('{"amount":01}')],
  ['hexadecimal', 'malformed', json('{"amount":0x10}')],
  ['a duplicate member', 'malformed', json('{"amount":1,"amount":2}')],
  ['an equal duplicate member', 'malformed', json('{"amount":1,"amount":1}')],
  ['a duplicate member, one escaped', 'malformed', json('{"amount":1,"\\u0061mount":1}')],
  ['a duplicate member deep inside', 'malformed', json('{"a":[{"b":1,"b":1}]}')],
  ['a duplicate __proto__', 'malformed', json('{"__proto__":{},"__proto__":{}}')],
  ['a byte-order mark', 'malformed', json('\uFEFF{}')],
  ['UTF-16', 'malformed', json(Buffer.from('{}', 'utf16le'))],
  ['a broken UTF-8 sequence', 'malformed', json(Buffer.from([0x7b, 0x22, 0xc3, 0x28, 0x22, 0x3a, 0x31, 0x7d]))],
  [
    'an overlong slash',
    'malformed',
    json(Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xc0, 0xaf]), Buffer.from('"}')])),
  ],
  [
    'a surrogate in UTF-8',
    'malformed',
    json(Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xed, 0xa0, 0x80]), Buffer.from('"}')])),
  ],
  ['half an escaped surrogate pair', 'malformed', json('{"a":"\\ud800"}')],
  ['2^53', 'malformed', json('{"amount":9007199254740992}')],
  ['2^53 + 1', 'malformed', json('{"amount":9007199254740993}')],
  ['−2^53', 'malformed', json('{"amount":-9007199254740992}')],
  ['more digits than a double keeps', 'malformed', json('{"amount":0.1000000000000000055}')],
  ['1e400', 'malformed', json('{"amount":1e400}')],
  ['1e-400', 'malformed', json('{"amount":1e-400}')],
  ['1e16', 'malformed', json('{"amount":1e16}')],
  ['a number of 60 KB', 'malformed', json(`{"amount":${'1'.repeat(60_000)}}`)],
  ['33 levels', 'malformed', json('{"a":'.repeat(33) + '1' + '}'.repeat(33))],
  ['20,000 open brackets', 'malformed', json('['.repeat(20_000))],
  ['5,000 items', 'malformed', json(`{"a":[${'1,'.repeat(5000)}1]}`)],
  ['5,000 members', 'malformed', json(`{${Array.from({ length: 5000 }, (_, at) => `"${at}":1`).join(',')}}`)],
  // what is an integer
  ['1e3', 'input_invalid', json('{"amount":1e3}')],
  ['1.0', 'input_invalid', json('{"amount":1.0}')],
  ['-0', 'input_invalid', json('{"amount":-0}')],
  ['0e0', 'input_invalid', json('{"amount":0e0}')],
  ['10E-1 in a list', 'input_invalid', json('{"amounts":[1,10E-1]}')],
  ['a list for a body', 'input_invalid', json('[]')],
  ['null for a body', 'input_invalid', json('null')],
  ['a text for a body', 'input_invalid', json('"{}"')],
  ['a number for a body', 'input_invalid', json('1')],
  // media, encoding, size
  ['no media type', 'not_json', { body: '{}' }],
  ['a form', 'not_json', { headers: ['Content-Type: application/x-www-form-urlencoded'], body: 'amount=1' }],
  ['text/plain', 'not_json', { headers: ['Content-Type: text/plain'], body: '{}' }],
  ['text/json', 'not_json', { headers: ['Content-Type: text/json'], body: '{}' }],
  ['application/jsonp', 'not_json', { headers: ['Content-Type: application/jsonp'], body: '{}' }],
  ['Latin-1', 'not_json', { headers: ['Content-Type: application/json; charset=iso-8859-1'], body: '{}' }],
  ['UTF-16 by its name', 'not_json', { headers: ['Content-Type: application/json; charset=utf-16'], body: '{}' }],
  ['UTF-7', 'not_json', { headers: ['Content-Type: application/json; charset=utf-7'], body: '{}' }],
  ['two media types', 'not_json', { headers: [JSON_TYPE, 'Content-Type: text/plain'], body: '{}' }],
  ['two media types in one', 'not_json', { headers: ['Content-Type: application/json, text/plain'], body: '{}' }],
  ['gzip', 'not_json', { headers: [JSON_TYPE, 'Content-Encoding: gzip'], body: gzipSync('{}') }],
  ['identity by its name', 'not_json', { headers: [JSON_TYPE, 'Content-Encoding: identity'], body: '{}' }],
  [
    'gzip as a transfer coding',
    'not_json',
    {
      headers: [JSON_TYPE, 'Transfer-Encoding: gzip, chunked'],
      without: ['content-length'],
      body: '2\r\n{}\r\n0\r\n\r\n',
    },
  ],
  ['64 KB and a byte', 'too_large', json(`{"a":"${'x'.repeat(64 * 1024 - 7)}"}`)],
  ['2 MB', 'too_large', json(`{"a":"${'x'.repeat(2 * 1024 * 1024)}"}`)],
  ['100 KB in chunks', 'too_large', chunked(`${'4000\r\n' + 'x'.repeat(0x4000) + '\r\n'}`.repeat(7) + '0\r\n\r\n')],
  [
    'a length above the bound, before its bytes',
    'too_large',
    { headers: [JSON_TYPE, 'Content-Length: 90000000'], body: '{' },
  ],
  ['a length without a body', 'too_slow', { headers: [JSON_TYPE, 'Content-Length: 10'], body: '{' }],
  // headers
  ['no key', 'key_required', { headers: [JSON_TYPE], without: ['idempotency-key'], body: '{}' }],
  ['an empty key', 'key_required', key('')],
  ['a key of blanks', 'key_required', key('   ')],
  ['a key with a blank in it', 'malformed', key('a b')],
  ['a key of 256 characters', 'malformed', key('k'.repeat(256))],
  ['a key in UTF-8', 'malformed', key('ä')],
  ['a key with a tab', 'malformed', key('a\tb')],
  ['two keys', 'malformed', { headers: [JSON_TYPE, 'Idempotency-Key: a', 'idempotency-key: a'], body: '{}' }],
  ['a dry run called yes', 'malformed', { headers: [JSON_TYPE, 'Keystay-Dry-Run: yes'], body: '{}' }],
  ['a dry run in capitals', 'malformed', { headers: [JSON_TYPE, 'Keystay-Dry-Run: TRUE'], body: '{}' }],
  [
    'two dry runs',
    'malformed',
    { headers: [JSON_TYPE, 'Keystay-Dry-Run: true', 'Keystay-Dry-Run: false'], body: '{}' },
  ],
  ['no token', 'token_missing', { headers: [JSON_TYPE], without: ['authorization'], body: '{}' }],
  ['Basic', 'token_missing', { headers: [JSON_TYPE, 'Authorization: Basic a3N0Og=='], body: '{}' }],
  ['a token of nobody', 'token_invalid', { headers: [JSON_TYPE, 'Authorization: Bearer kst_nobody'], body: '{}' }],
  [
    'a JWT instead of a session',
    'token_invalid',
    { headers: [JSON_TYPE, 'Authorization: Bearer e30.e30.e30'], body: '{}' },
  ],
  [
    'a large body from nobody',
    'token_invalid',
    { headers: [JSON_TYPE, 'Authorization: Bearer kst_nobody'], body: 'x'.repeat(300_000) },
  ],
  [
    'two Authorizations',
    'malformed',
    { headers: [JSON_TYPE, 'Authorization: Bearer a', 'Authorization: Bearer b'], body: '{}' },
  ],
  ['no Host', 'malformed', { headers: [JSON_TYPE], without: ['host'], body: '{}' }],
  ['two Hosts', 'malformed', { headers: [JSON_TYPE, 'Host: a', 'Host: b'], body: '{}' }],
  ['two equal Hosts', 'malformed', { headers: [JSON_TYPE, 'Host: a', 'host: a'], body: '{}' }],
  ['headers of 20 KB', 'malformed', { headers: [JSON_TYPE, `X-Long: ${'x'.repeat(20_000)}`], body: '{}' }],
  ['a header without a colon', 'malformed', { headers: [JSON_TYPE, 'nonsense'], body: '{}' }],
  ['a blank before the colon', 'malformed', { headers: [JSON_TYPE, 'X-A : b'], body: '{}' }],
  ['a folded header', 'malformed', { headers: [JSON_TYPE, 'X-A: b\r\n c'], body: '{}' }],
  ['a NUL in a header', 'malformed', { headers: [JSON_TYPE, 'X-A: b\0c'], body: '{}' }],
  [
    'a length and chunks',
    'malformed',
    { headers: [JSON_TYPE, 'Content-Length: 2', 'Transfer-Encoding: chunked'], body: '2\r\n{}\r\n0\r\n\r\n' },
  ],
  ['two lengths', 'malformed', { headers: [JSON_TYPE, 'Content-Length: 2', 'Content-Length: 3'], body: '{}' }],
  ['a negative length', 'malformed', { headers: [JSON_TYPE, 'Content-Length: -2'], body: '{}' }],
  ['a length in hexadecimal', 'malformed', { headers: [JSON_TYPE, 'Content-Length: 0x2'], body: '{}' }],
  ['chunks of nonsense', 'malformed', chunked('zz\r\n{}\r\n0\r\n\r\n')],
  [
    'a version that does not exist',
    'malformed',
    { first: 'POST /v1/actions/refund HTTP/9.9', headers: [JSON_TYPE], body: '{}' },
  ],
  [
    'chunks in HTTP/1.0',
    'malformed',
    { ...chunked('2\r\n{}\r\n0\r\n\r\n'), first: 'POST /v1/actions/refund HTTP/1.0' },
  ],
  ['HTTP/0.9', 'malformed', { first: 'POST /v1/actions/refund', headers: [JSON_TYPE], body: '{}' }],
  ['TLS', 'malformed', { first: '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', headers: [], body: '' }],
  // paths and methods
  [
    'a slash at the end',
    'no_such_route',
    { first: 'POST /v1/actions/refund/ HTTP/1.1', headers: [JSON_TYPE], body: '{}' },
  ],
  ['two slashes', 'no_such_route', { first: 'POST /v1//actions/refund HTTP/1.1', headers: [JSON_TYPE], body: '{}' }],
  [
    'two slashes at the start',
    'no_such_route',
    { first: 'POST //v1/actions/refund HTTP/1.1', headers: [JSON_TYPE], body: '{}' },
  ],
  [
    'an encoded slash',
    'no_such_route',
    { first: 'POST /v1/actions%2Frefund HTTP/1.1', headers: [JSON_TYPE], body: '{}' },
  ],
  [
    'an encoded letter',
    'no_such_route',
    { first: 'POST /v1/actions/%72efund HTTP/1.1', headers: [JSON_TYPE], body: '{}' },
  ],
  ['a broken encoding', 'no_such_route', { first: 'POST /v1/actions/%zz HTTP/1.1', headers: [JSON_TYPE], body: '{}' }],
  ['a dot segment', 'no_such_route', { first: 'POST /v1/./actions/refund HTTP/1.1', headers: [JSON_TYPE], body: '{}' }],
  ['two dots', 'no_such_route', { first: 'POST /v1/x/../actions/refund HTTP/1.1', headers: [JSON_TYPE], body: '{}' }],
  ['a backslash', 'no_such_route', { first: 'POST /v1\\actions\\refund HTTP/1.1', headers: [JSON_TYPE], body: '{}' }],
  ['capitals', 'no_such_route', { first: 'POST /V1/Actions/refund HTTP/1.1', headers: [JSON_TYPE], body: '{}' }],
  [
    'a path parameter',
    'no_such_route',
    { first: 'POST /v1/actions;x=1/refund HTTP/1.1', headers: [JSON_TYPE], body: '{}' },
  ],
  ['a fragment', 'no_such_route', { first: 'POST /v1/actions/refund#x HTTP/1.1', headers: [JSON_TYPE], body: '{}' }],
  [
    'an absolute form',
    'no_such_route',
    { first: 'POST http://gateway.test/v1/actions/refund HTTP/1.1', headers: [JSON_TYPE], body: '{}' },
  ],
  ['CONNECT', 'no_such_route', { first: 'CONNECT gateway.test:443 HTTP/1.1' }],
  ['OPTIONS *', 'no_such_route', { first: 'OPTIONS * HTTP/1.1' }],
  ['OPTIONS of a route', 'no_such_route', { first: 'OPTIONS /v1/actions/refund HTTP/1.1' }],
  ['TRACE', 'no_such_route', { first: 'TRACE /v1/actions/refund HTTP/1.1' }],
  ['PUT of an action', 'no_such_route', { first: 'PUT /v1/actions/refund HTTP/1.1', headers: [JSON_TYPE], body: '{}' }],
  [
    'PATCH of an action',
    'no_such_route',
    { first: 'PATCH /v1/actions/refund HTTP/1.1', headers: [JSON_TYPE], body: '{}' },
  ],
  ['DELETE of an action', 'no_such_route', { first: 'DELETE /v1/actions/refund HTTP/1.1' }],
  ['GET of the token endpoint', 'no_such_route', get('/oauth/token')],
  ['a file', 'no_such_route', get('/.env')],
  ['the root', 'no_such_route', get('/')],
  ['people’s routes at the agents’ door', 'no_such_route', get('/admin/v1/calls')],
  [
    'the demo’s sign-in at the agents’ door',
    'no_such_route',
    { first: 'POST /dev/token HTTP/1.1', headers: [JSON_TYPE], body: '{"account":"dana"}' },
  ],
  ['a path of 5 KB', 'no_such_route', get(`/v1/actions/${'a'.repeat(5000)}`)],
  ['an id of 300 characters', 'no_such_route', get(`/v1/calls/${'a'.repeat(300)}`)],
  // queries
  [
    'a query on an action',
    'malformed',
    { first: 'POST /v1/actions/refund?dry_run=true HTTP/1.1', headers: [JSON_TYPE], body: '{}' },
  ],
  ['a wait of words', 'malformed', get('/v1/calls/call_1?wait=long')],
  ['a wait of 26', 'malformed', get('/v1/calls/call_1?wait=26')],
  ['a wait of -1', 'malformed', get('/v1/calls/call_1?wait=-1')],
  ['a wait of 1e1', 'malformed', get('/v1/calls/call_1?wait=1e1')],
  ['two waits', 'malformed', get('/v1/calls/call_1?wait=1&wait=2')],
  ['an unknown filter', 'malformed', get('/v1/calls?statuss=held')],
  ['an unknown status', 'malformed', get('/v1/calls?status=hold')],
  ['a status that an object has', 'malformed', get('/v1/calls?status=constructor')],
  ['a since of words', 'malformed', get('/v1/calls?since=yesterday')],
  ['a since that is no day', 'malformed', get('/v1/calls?since=2026-02-31')],
  ['a key that is none', 'malformed', get('/v1/calls?key=a%20b')],
  ['an empty key filter', 'malformed', get('/v1/calls?key=')],
  // people
  ['no card', 'input_invalid', people('approve', '{}')],
  ['a card that is a number', 'input_invalid', people('approve', '{"card":1}')],
  ['a member more', 'input_invalid', people('approve', '{"card":"c","force":true}')],
  ['a list', 'input_invalid', people('approve', '[]')],
  ['no reason', 'input_invalid', people('reject', '{}')],
  ['a blank reason', 'input_invalid', people('reject', '{"reason":"  "}')],
  ['a reason of 501 characters', 'input_invalid', people('reject', `{"reason":"${'x'.repeat(501)}"}`)],
  ['another outcome', 'input_invalid', people('settle', '{"outcome":"unknown","reason":"x"}')],
  [
    'a form from people',
    'not_json',
    { ...people('approve', 'card=c'), headers: ['Content-Type: application/x-www-form-urlencoded'] },
  ],
  ['another verb', 'no_such_route', people('undo', '{}')],
  [
    'an agent’s token at the people’s door',
    'token_invalid',
    { first: 'GET /admin/v1/calls HTTP/1.1', headers: ['Authorization: Bearer kst_x'], admin: true },
  ],
  ['no person', 'token_missing', { first: 'GET /admin/v1/calls HTTP/1.1', without: ['authorization'], admin: true }],
  ['a page of another origin', 'not_eligible', people('approve', '{"card":"c"}', ['Origin: https://evil.example'])],
  ['a page without an origin', 'not_eligible', people('approve', '{"card":"c"}', ['Origin: null'])],
  ['a filter that is not offered', 'malformed', { ...get('/admin/v1/calls?backend=x'), admin: true }],
  ['a limit of 501', 'malformed', { ...get('/admin/v1/calls?limit=501'), admin: true }],
  ['a cursor of words', 'malformed', { ...get('/admin/v1/calls?cursor=next'), admin: true }],
  ['a cursor of other pages', 'malformed', { ...get('/admin/v1/sessions?cursor=call_9'), admin: true }],
  ['a live that is neither', 'malformed', { ...get('/admin/v1/sessions?live=1'), admin: true }],
]

describe('what a door refuses', () => {
  beforeEach(() => {
    home.gateway.asked.length = 0
    home.gateway.refusals.length = 0
    home.faults.length = 0
  })

  for (const [what, code, sent] of BAD) {
    it(`${what}: ${PROBLEMS[code].status} ${code}, written down, and nothing of it reaches an action`, async () => {
      const answer = await send(sent)
      assert.deepEqual([answer.status, answer.code], [PROBLEMS[code].status, code], answer.body)
      assert.equal(answer.headers['content-type'], 'application/problem+json; charset=utf-8')
      assert.equal(answer.headers['cache-control'], 'no-store')
      assert.deepEqual(home.faults, [])
      // An input whose text is wrong is refused by the pipeline, which gives the refusal its entry; nothing of it is handed in.
      const inputs = home.gateway.asked.map(([, , request]) => (request as { input: unknown }).input)
      const ofCall = code === 'input_invalid' && !('admin' in sent)
      assert.deepEqual([inputs, home.gateway.refusals], ofCall ? [[null], []] : [[], [`${code} 127.0.0.1`]])
    })
  }

  it('is a table of more than 60, each with a name of its own', () => {
    assert.ok(new Set(BAD.map(([what]) => what)).size === BAD.length && BAD.length >= 60)
  })

  it('would let the good request through: the table differs from it in one thing each', async () => {
    const answer = await send(json('{"amount":1,"price":1.5}'))
    assert.deepEqual([answer.status, home.gateway.asked.length], [200, 1])
  })

  it('says which integers were not written in digits, all at once', async () => {
    const answer = await send(json('{"amount":1e3,"lines":[{"count":-0},{"count":2.0}]}'))
    assert.deepEqual((JSON.parse(answer.body) as { errors: unknown }).errors, [
      { path: 'input.amount', got: '1e3', want: 'an integer written in digits', example: 1000 },
      { path: 'input.lines[0].count', got: '-0', want: 'an integer written in digits', example: 0 },
      { path: 'input.lines[1].count', got: '2.0', want: 'an integer written in digits', example: 2 },
    ])
  })

  it('repeats nothing of a body that it could not read', async () => {
    const answer = await send(json('{"card":"4242424242424242",'))
    assert.ok(!answer.body.includes('4242'))
  })

  it('tells nothing about actions that the role has not: those of others and none are handed on alike', async () => {
    for (const name of ['secret.write', 'no.such', 'constructor']) {
      await send({
        first: `POST /v1/actions/${name} HTTP/1.1`,
        headers: [JSON_TYPE],
        without: ['idempotency-key'],
        body: '{"a":1e3}',
      })
    }
    const inputs = home.gateway.asked.map(([, , request]) => request)
    const same = { input: null, key: null, dry_run: false, wait_ms: 10_000, wait_held: false }
    assert.deepEqual(
      inputs,
      ['secret.write', 'no.such', 'constructor'].map((action) => ({ action, ...same })),
    )
  })
})
