import assert from 'node:assert/strict'
import type { Connection } from '../../adapters/adapter.ts'
import { http } from '../../adapters/http.ts'
import { readJson } from '../../adapters/http/json.ts'
import type { Json, JsonObject, Outcome } from '../../gateway/core/types.ts'
import { startLying } from '../backends/lying.ts'
import type { Lie, LyingBackend } from '../backends/lying.ts'
import { CANARY, attempt, backendSpec, canary, pause } from '../suites/adapter.ts'

const WRITE: Json = { POST: '/v1/refunds', form: { charge: 'ch_1', amount: 3000 } }
const DONE: Json = { charge: 'ch_1', amount: 3000, id: 'fx_1', status: 'succeeded' }
const evidence = { status: 200, request_id: 'req_1' }
const LOST = 'the connection was lost before the answer was complete'

describe('what an http answer means', () => {
  let backend: LyingBackend
  let connection: Connection
  const connect = (timeout_ms = 2000): Connection =>
    http.connect(backendSpec({ config: { url: backend.url, auth: { bearer: 'age://k' } }, timeout_ms }), canary)
  beforeEach(async () => {
    backend = await startLying()
    connection = connect()
  })
  afterEach(async () => {
    await connection.close?.()
    await backend.close()
  })

  // each row: what the backend does, what we know, how often it happened
  const rows: readonly [Lie, Outcome, number][] = [
    // read and certain
    [{ kind: 'no_content' }, { kind: 'done', output: null, evidence: { status: 204, request_id: 'req_1' } }, 1],
    [{ kind: 'empty' }, { kind: 'done', output: null, evidence }, 1],
    [{ kind: 'early_hints' }, { kind: 'done', output: DONE, evidence: { status: 200 } }, 1],
    [{ kind: 'slow', ms: 100 }, { kind: 'done', output: DONE, evidence }, 1],
    // a status that settles nothing, with the effect and without
    ...[408, 409, 425, 429, 500, 502, 503, 504, 402, 418].flatMap((status): [Lie, Outcome, number][] => {
      const outcome: Outcome = {
        kind: 'unknown',
        reason: `the backend answered ${status}`,
        evidence: { status, request_id: 'req_1' },
      }
      return [
        [{ kind: 'status_with', status }, outcome, 1],
        [{ kind: 'status_without', status }, outcome, 0],
      ]
    }),
    // redirects
    ...[301, 302, 303, 307, 308].flatMap((status): [Lie, Outcome, number][] => {
      const reason = `the backend answered ${status}, a redirect, which is not followed`
      const outcome: Outcome = { kind: 'unknown', reason, evidence: { status, request_id: 'req_1' } }
      return [
        [{ kind: 'redirect', status }, outcome, 1],
        [{ kind: 'redirect_without', status }, outcome, 0],
      ]
    }),
    // the certain no
    ...[400, 401, 403, 404, 405, 410, 413, 415, 422].map((status): [Lie, Outcome, number] => [
      { kind: 'status_without', status },
      { kind: 'refused', status, message: 'It broke.', evidence: { status, request_id: 'req_1' } },
      0,
    ]),
    [
      { kind: 'retry_after' },
      {
        kind: 'refused',
        status: 422,
        message: 'Later.',
        evidence: { status: 422, request_id: 'req_1' },
        retry_after_s: 17,
      },
      0,
    ],
    ...(['gzip_refusal', 'huge_refusal'] as const).map((kind): [Lie, Outcome, number] => [
      { kind },
      {
        kind: 'refused',
        status: 422,
        message: 'the backend answered 422',
        evidence: { status: 422, request_id: 'req_1' },
      },
      0,
    ]),
    // half a no is none
    [{ kind: 'half_refusal' }, { kind: 'unknown', reason: LOST, evidence: { status: 422 } }, 0],
    // broken connections
    [{ kind: 'reset_before' }, { kind: 'unknown', reason: LOST, evidence: {} }, 0],
    [{ kind: 'reset_after' }, { kind: 'unknown', reason: LOST, evidence: {} }, 1],
    [{ kind: 'close_after' }, { kind: 'unknown', reason: LOST, evidence: {} }, 1],
    [{ kind: 'half_body' }, { kind: 'unknown', reason: LOST, evidence: { status: 200 } }, 1],
    // not HTTP
    [{ kind: 'bad_status_line' }, { kind: 'unknown', reason: LOST, evidence: {} }, 1],
    [{ kind: 'bad_header' }, { kind: 'unknown', reason: LOST, evidence: {} }, 1],
    [{ kind: 'bad_length' }, { kind: 'unknown', reason: LOST, evidence: {} }, 1],
    [{ kind: 'smuggled' }, { kind: 'unknown', reason: LOST, evidence: {} }, 1],
    [{ kind: 'big_headers' }, { kind: 'unknown', reason: LOST, evidence: {} }, 1],
    [{ kind: 'upgrade' }, { kind: 'unknown', reason: LOST, evidence: {} }, 1],
    // 2xx that cannot be read
    ...(
      [
        ['html', 'it is not JSON', 1],
        ['html_without', 'it is not JSON', 0],
        ['bad_json', 'it is not valid JSON', 1],
        ['two_values', 'it is not valid JSON', 1],
        ['duplicate_member', 'it is not valid JSON', 1],
        ['deep_json', 'it is not valid JSON', 1],
        ['bad_utf8', 'it is not valid JSON', 1],
        ['gzip_bomb', 'it is compressed, which was not asked for', 1],
        ['huge_body', 'it is too large', 1],
      ] as const
    ).map(([kind, why, effects]): [Lie, Outcome, number] => [
      { kind },
      { kind: 'unknown', reason: `the backend answered 200, unreadable: ${why}`, evidence },
      effects,
    ]),
    [
      { kind: 'huge_length' },
      { kind: 'unknown', reason: 'the backend answered 200, unreadable: it is too large', evidence: { status: 200 } },
      1,
    ],
  ]
  for (const [lie, expected, effects] of rows) {
    it(`${lie.kind} ${lie.status ?? ''} with ${effects} effects is ${expected.kind}`, async () => {
      backend.lie(lie)
      const outcome = await connection.send(WRITE, attempt())
      assert.deepEqual(outcome, expected)
      // once, whatever came: no retry, no redirect followed
      assert.deepEqual([backend.seen.length, backend.effects.length], [1, effects])
    })
  }

  const late: readonly [Lie, number, number | undefined][] = [
    [{ kind: 'never' }, 0, undefined],
    [{ kind: 'never_with' }, 1, undefined],
    [{ kind: 'slow', ms: 1000 }, 1, undefined],
    [{ kind: 'slow_body' }, 1, 200],
    [{ kind: 'many_informational' }, 1, undefined],
  ]
  for (const [lie, effects, status] of late) {
    it(`${lie.kind} is unknown when the time is over, and the connection is not used again`, async () => {
      backend.lie(lie)
      const quick = connect(200)
      const began = performance.now()
      const outcome = await quick.send(WRITE, attempt())
      const took = performance.now() - began
      assert.deepEqual(outcome, {
        kind: 'unknown',
        reason: 'the backend did not answer in time',
        evidence: status === undefined ? {} : { status, request_id: 'req_1' },
      })
      assert.ok(took > 190 && took < 600, `${took} ms`)
      assert.equal(backend.effects.length, effects)
      assert.equal((await quick.send({ GET: '/v1/refunds' }, attempt({ number: 0 }))).kind, 'done')
      assert.equal(backend.connections(), 2)
      await quick.close?.()
    })
  }

  it('is final, or not, as the backend spec lists', async () => {
    const listed = http.connect(backendSpec({ config: { url: backend.url }, final: [402, 409] }), canary)
    const kinds: string[] = []
    for (const status of [402, 409, 422, 500]) {
      backend.lie({ kind: 'status_without', status })
      kinds.push((await listed.send(WRITE, attempt())).kind)
    }
    await listed.close?.()
    assert.deepEqual(kinds, ['refused', 'refused', 'unknown', 'unknown'])
  })

  it('reads numbers as they are written, or not as numbers', async () => {
    backend.lie({ kind: 'big_numbers' })
    const outcome = await connection.send(WRITE, attempt())
    assert.deepEqual(outcome.kind === 'done' && outcome.output, {
      safe: 9007199254740991,
      unsafe: '9007199254740993',
      huge: '1e400',
      digits: '0.1234567890123456789',
      cents: 10.5,
    })
  })

  it('keeps members that are named like own properties of objects as members', async () => {
    backend.lie({ kind: 'own_properties' })
    const outcome = await connection.send(WRITE, attempt())
    assert.ok(outcome.kind === 'done')
    assert.deepEqual(Object.keys(outcome.output as object), ['__proto__', 'constructor'])
    assert.equal(({} as { polluted?: boolean }).polluted, undefined)
  })

  it('makes control and bidi characters of a message visible, and cuts it between words', async () => {
    backend.lie({ kind: 'hostile_message' })
    const outcome = await connection.send(WRITE, attempt())
    assert.ok(outcome.kind === 'refused')
    assert.ok(outcome.message.startsWith('no\\u202eon \\u001b[31mred\\u0000 word word'), outcome.message)
    assert.ok(outcome.message.length <= 301 && outcome.message.endsWith(' word…'))
  })

  const auths: readonly JsonObject[] = [
    { bearer: 'age://k' },
    { header: 'X-Api-Key', value: 'age://k' },
    { basic: { user: 'broker', password: 'age://k' } },
  ]
  for (const auth of auths) {
    it(`sends the credential as ${Object.keys(auth).join('+')} and hides it in a 401 that repeats it`, async () => {
      const keyed = http.connect(backendSpec({ config: { url: backend.url, auth } }), canary)
      backend.lie({ kind: 'echo_401' })
      const outcome = await keyed.send(WRITE, attempt())
      const pair = Buffer.from(`broker:${CANARY}`).toString('base64')
      const sent = { bearer: `Bearer ${CANARY}`, header: CANARY, basic: `Basic ${pair}` }
      const { headers } = backend.seen[0] ?? assert.fail()
      const kind = Object.keys(auth)[0] as keyof typeof sent
      assert.equal(kind === 'header' ? headers['x-api-key'] : headers.authorization, sent[kind])
      const shown = sent[kind].replace(CANARY, '[secret]').replace(pair, '[secret]')
      assert.deepEqual(outcome, {
        kind: 'refused',
        status: 401,
        message: `Invalid API Key provided: ${shown}`,
        evidence: { status: 401, request_id: shown },
      })
      await keyed.close?.()
    })
  }

  it('answers a read in the same words', async () => {
    const kinds: string[] = []
    for (const lie of [{ kind: 'status_without', status: 500 }, { kind: 'html' }, { kind: 'reset_before' }] as const) {
      backend.lie(lie)
      kinds.push((await connection.send({ GET: '/v1/charges/ch_1' }, attempt({ number: 0 }))).kind)
    }
    assert.deepEqual(kinds, ['unknown', 'unknown', 'unknown'])
    const { seen } = backend
    assert.equal(seen.length, 3)
  })

  it('never takes a forged answer that lay in wait on the connection', async () => {
    for (const kind of ['poisoned', 'poisoned_later'] as const) {
      backend.lie({ kind, times: 3 })
      for (let round = 0; round < 3; round++) {
        const outcome = await connection.send(WRITE, attempt({ id: `call_${kind}_${round}` }))
        assert.ok(!JSON.stringify(outcome).includes('forged'), JSON.stringify(outcome))
        if (kind === 'poisoned_later') await pause(40)
      }
      const outcome = await connection.send({ GET: '/v1/charges/ch_9' }, attempt({ number: 0 }))
      assert.ok(outcome.kind === 'done')
      assert.equal((outcome.output as { id: string }).id, 'ch_9')
    }
  })

  it('opens a new connection where the backend closed a kept one', async () => {
    backend.lie({ kind: 'close_quietly' })
    await connection.send(WRITE, attempt({ id: 'call_a' }))
    await pause(30)
    const outcome = await connection.send(WRITE, attempt({ id: 'call_b' }))
    assert.equal(outcome.kind, 'done')
    assert.deepEqual(
      backend.effects.map((effect) => effect.key),
      ['call_a', 'call_b'],
    )
  })

  it('sends the same key at every attempt, so that an idempotent backend acts once', async () => {
    backend.lie({ kind: 'reset_after' })
    const first = await connection.send(WRITE, attempt({ number: 1 }))
    const second = await connection.send(WRITE, attempt({ number: 2 }))
    assert.deepEqual([first.kind, second.kind], ['unknown', 'done'])
    assert.deepEqual(
      backend.effects.map(({ id, key }) => ({ id, key })),
      [{ id: 'fx_1', key: attempt().id }],
    )
  })
})

describe('the lying backend', () => {
  it('acts twice without idempotency, so that a test can tell', async () => {
    const backend = await startLying({ idempotency: false })
    const connection = http.connect(backendSpec({ config: { url: backend.url } }), canary)
    await connection.send(WRITE, attempt({ number: 1 }))
    await connection.send(WRITE, attempt({ number: 2 }))
    assert.equal(backend.effects.length, 2)
    await connection.close?.()
    await backend.close()
  })
})

describe('readJson', () => {
  const rows: readonly [string, Json | undefined][] = [
    ['{"a": [1, -0.5, true, null, "x"]}', { a: [1, -0.5, true, null, 'x'] }],
    ['\uFEFF{}', {}],
    ['{"a": 1, "a": 2}', undefined],
    ['[' + '['.repeat(63) + ']'.repeat(63) + ']', JSON.parse('['.repeat(64) + ']'.repeat(64)) as Json],
    ['['.repeat(65) + ']'.repeat(65), undefined],
    ['"[[[[\\"[[[["', '[[[["[[[['],
    ['NaN', undefined],
    ['[1,]', undefined],
    ['-9007199254740992', '-9007199254740992'],
    ['1e3', 1000],
    ['1e300', '1e300'],
    ['', undefined],
  ]
  for (const [text, expected] of rows) {
    it(`reads ${text.slice(0, 40)}`, () => assert.deepEqual(readJson(Buffer.from(text)), expected))
  }
})
