import assert from 'node:assert/strict'
import { PROBLEMS } from '../../gateway/core/problem.ts'
import type { Code, ProblemBody } from '../../gateway/core/problem.ts'
import { house } from './house.ts'
import type { House } from './house.ts'
import { modern } from './mcp.ts'
import { next } from './mechanic.ts'
import type { Attempt, Next } from './mechanic.ts'
import { done, ended } from './plain-gateway.ts'

let home: House
before(async () => {
  home = await house({ body: { body_max: 4096, body_ms: 2_000 } })
})
after(() => home.close())
beforeEach(() => {
  home.gateway.answer = null
  home.gateway.unready = null
})

const GOOD: Attempt = { input: { amount: 1 }, key: 'T-1', headers: {}, query: '' }

async function send(attempt: Attempt, authorization: string | null, path = '/v1/actions/refund') {
  const { input, key, body, headers, query } = attempt
  const response = await fetch(`${home.agent.url}${path}${query}`, {
    method: 'POST',
    headers: [
      ...Object.entries({ 'content-type': 'application/json', ...lower(headers) }).flatMap(([name, value]) =>
        [value].flat().map((one): [string, string] => [name, one]),
      ),
      ...(authorization === null ? [] : [['authorization', authorization] as [string, string]]),
      ...(key === null ? [] : [['idempotency-key', key] as [string, string]]),
    ],
    body: body ?? JSON.stringify(input),
  })
  return { status: response.status, body: (await response.json()) as ProblemBody, headers: response.headers }
}
const lower = (headers: Attempt['headers']) =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))

/** What is wrong with a request before it is a call, and what of the answer mends it. */
const FIXABLE: readonly (readonly [string, Code, Partial<Attempt>])[] = [
  ['no key', 'key_required', { key: null }],
  ['an empty key', 'key_required', { key: '' }],
  ['a key with a space', 'malformed', { key: 'a b' }],
  ['a key that is too long', 'malformed', { key: 'x'.repeat(256) }],
  ['a dry run that says neither', 'malformed', { headers: { 'Keystay-Dry-Run': 'yes' } }],
  ['a query', 'malformed', { query: '?wait=5' }],
  ['broken JSON', 'malformed', { body: '{"amount":' }],
  ['a member twice', 'malformed', { body: '{"amount":1,"amount":1}' }],
  ['a byte-order mark', 'malformed', { body: '\uFEFF{"amount":1}' }],
  ['another media type', 'not_json', { headers: { 'Content-Type': 'text/plain' } }],
  ['another charset', 'not_json', { headers: { 'Content-Type': 'application/json; charset=latin1' } }],
  ['a content-encoding', 'not_json', { headers: { 'Content-Encoding': 'identity' } }],
  ['a body that is too large', 'too_large', { input: { amount: 1, note: 'x'.repeat(5_000) } }],
]

/** What a program does that has nothing but this answer. A code that is not here does not compile. */
const DOES: { readonly [code in Code]: Next['kind'] } = {
  malformed: 'stop',
  key_required: 'stop',
  not_json: 'stop',
  too_large: 'stop',
  input_invalid: 'stop',
  key_reused: 'again',
  token_missing: 'sign in',
  token_invalid: 'sign in',
  session_expired: 'sign in',
  session_revoked: 'stop',
  not_granted: 'stop',
  denied: 'stop',
  frozen: 'again',
  not_eligible: 'stop',
  own_call: 'stop',
  passkey_required: 'stop',
  no_such_call: 'stop',
  no_such_route: 'stop',
  too_slow: 'again',
  rejected: 'stop',
  expired: 'stop',
  cancelled: 'stop',
  lease_already_given: 'stop',
  already_decided: 'stop',
  card_changed: 'stop',
  backend_refused: 'stop',
  exchange_broken: 'stop',
  rate_limited: 'again',
  internal: 'again',
  ledger_unavailable: 'again',
  backend_unavailable: 'again',
  secret_unavailable: 'again',
  overloaded: 'again',
}

describe('a program that goes by the code of an error', () => {
  for (const [what, code, wrong] of FIXABLE) {
    it(`mends ${what}: ${code}`, async () => {
      const attempt = { ...GOOD, ...wrong }
      const first = await send(attempt, home.bearer)
      assert.deepEqual([first.body.code, first.body.retry], [code, 'fix_input'])
      const step = next(attempt, first.body, () => 'T-2')
      assert.equal(step.kind, 'again', JSON.stringify(first.body))
      if (step.kind === 'again') assert.equal((await send(step.attempt, home.bearer)).status, 200)
    })
  }

  it('mends all of it at once where header, media type and text are wrong on the way to one call', async () => {
    let attempt: Attempt = { ...GOOD, key: 'a b', headers: { 'Content-Type': 'text/plain' }, query: '?x=1' }
    const codes: string[] = []
    for (;;) {
      const { status, body } = await send(attempt, home.bearer)
      if (status === 200) break
      codes.push(body.code)
      const step = next(attempt, body, () => 'T-2')
      assert.equal(step.kind, 'again')
      if (step.kind === 'again') attempt = step.attempt
    }
    // Each layer is read when the one before it could be.
    assert.deepEqual(codes, ['malformed', 'not_json', 'malformed'])
  })

  for (const [what, authorization, code] of [
    ['no token', null, 'token_missing'],
    ['a token that is none', 'Bearer kst_nobody', 'token_invalid'],
  ] as const) {
    it(`signs in for ${what}, and sends the same again`, async () => {
      const { body } = await send(GOOD, authorization)
      const step = next(GOOD, body, () => 'T-2')
      assert.deepEqual([body.code, step], [code, { kind: 'sign in', attempt: GOOD }])
      assert.equal((await send(GOOD, home.bearer)).status, 200)
    })
  }

  it('signs in again when its session has expired', async () => {
    home.clock.now += 7_200_000
    const { body } = await send(GOOD, home.bearer)
    home.clock.now -= 7_200_000
    assert.deepEqual([body.code, next(GOOD, body, () => 'T-2').kind], ['session_expired', 'sign in'])
    // Its own session can be renewed: the text names it.
    assert.ok(body.detail.includes(home.session))
  })

  it('does what each code says, over REST and MCP alike: mend, wait, sign in, repeat, or stop', async () => {
    for (const code of Object.keys(PROBLEMS) as Code[]) {
      home.gateway.answer = ended('denied', code, 'Because.', PROBLEMS[code].retry === 'after' ? 7 : undefined)
      const rest = await send(GOOD, home.bearer)
      const params = { name: 'refund', arguments: { amount: 1, request_key: 'T-1' } }
      const mcp = (await modern(home.agent.url, home.bearer, 'tools/call', params)).body.result.structuredContent
      assert.deepEqual(mcp, rest.body)
      const step = next(GOOD, rest.body, () => 'T-2')
      assert.equal(step.kind, DOES[code], code)
      if (step.kind !== 'again') continue
      // Whatever is sent again goes under the same key, but where the key itself was the fault.
      assert.equal(step.attempt.key, code === 'key_reused' ? 'T-2' : 'T-1', code)
      assert.equal(step.after_ms, PROBLEMS[code].retry === 'after' ? 7_000 : 0, code)
    }
  })

  it('repeats under the same key what the gateway could not take, until it can', async () => {
    home.gateway.unready = 'still reading the ledger'
    const { body } = await send(GOOD, home.bearer)
    assert.deepEqual(
      [body.code, next(GOOD, body, () => 'T-2')],
      ['ledger_unavailable', { kind: 'again', attempt: GOOD, after_ms: 1000 }],
    )
    home.gateway.unready = null
    home.gateway.answer = done()
    assert.equal((await send(GOOD, home.bearer)).status, 200)
  })

  it('stops where there is nothing: another path, another action', async () => {
    for (const path of ['/v1/actions/Refund/', '/v1/actions']) {
      const { body } = await send(GOOD, home.bearer, path)
      assert.deepEqual([body.code, next(GOOD, body, () => 'T-2').kind], ['no_such_route', 'stop'])
    }
  })
})
