import assert from 'node:assert/strict'
import request from 'supertest'
import { problemBody, Problem } from '../../gateway/core/problem.ts'
import type { CallStatus } from '../../gateway/core/types.ts'
import type { CallRequest } from '../../gateway/pipeline/gateway.ts'
import { house, raw } from './house.ts'
import type { House } from './house.ts'
import { done, ended, envelope, VIEW } from './plain-gateway.ts'

let home: House
before(async () => {
  home = await house({ scrub: (text) => text.replaceAll('sk_test_canary', '[secret]') })
})
after(() => home.close())
beforeEach(() => {
  home.gateway.asked.length = 0
  home.gateway.refusals.length = 0
  home.gateway.answer = null
  home.gateway.unready = null
  home.clock.now = Date.UTC(2026, 10, 23, 15)
})

/** What `gateway.call` was handed first. */
const firstAsked = () => (home.gateway.asked[0] ?? [])[2] as CallRequest
const who = () => `${home.session} support-agent`
const post = (name = 'refund') =>
  request(home.agent.url).post(`/v1/actions/${name}`).set('Authorization', home.bearer).set('Idempotency-Key', 'T-1')
const get = (path: string) => request(home.agent.url).get(path).set('Authorization', home.bearer)

describe('POST /v1/actions/NAME', () => {
  it('hands in who asks for what under which key, as it was read, and answers with the envelope', async () => {
    const input = { amount: 3000, price: 1.5, note: 'ünï', nested: { a: [1, null, true] } }
    const { status, body, headers } = await post().send(input)
    assert.deepEqual([status, body], [200, done().envelope])
    assert.deepEqual(home.gateway.asked, [
      ['call', who(), { action: 'refund', input, key: 'T-1', dry_run: false, wait_ms: 10_000, wait_held: false }],
    ])
    assert.equal(headers['content-type'], 'application/json; charset=utf-8')
    const {
      'x-powered-by': express,
      etag,
      'cache-control': cache,
      'x-content-type-options': sniff,
      'content-security-policy': csp,
    } = headers
    assert.deepEqual(
      [express, etag, cache, sniff, csp],
      [undefined, undefined, 'no-store', 'nosniff', "default-src 'none';frame-ancestors 'none'"],
    )
  })

  it('keeps a member called __proto__ a member', async () => {
    await post().set('Content-Type', 'application/json').send('{"__proto__":{"admin":true}}')
    const input = firstAsked().input as object
    assert.deepEqual(
      [Object.keys(input), Object.getPrototypeOf(input) === Object.prototype, 'admin' in input],
      [['__proto__'], true, false],
    )
  })

  it('takes no body at all for an empty input', async () => {
    await post()
    assert.deepEqual(firstAsked().input, {})
  })

  it('needs no key to read, and hands one on that is given', async () => {
    await request(home.agent.url).post('/v1/actions/charge.get').set('Authorization', home.bearer).send({})
    await post('charge.get').send({})
    assert.deepEqual(
      home.gateway.asked.map(([, , asked]) => (asked as { key: unknown }).key),
      [null, 'T-1'],
    )
  })

  it('hands a dry run on as one, with or without a key', async () => {
    await request(home.agent.url)
      .post('/v1/actions/refund')
      .set('Authorization', home.bearer)
      .set('Keystay-Dry-Run', 'true')
      .send({})
    await post().set('Keystay-Dry-Run', 'false').send({})
    assert.deepEqual(
      home.gateway.asked.map(([, , asked]) => (asked as { dry_run: unknown }).dry_run),
      [true, false],
    )
  })

  const waits: readonly (readonly [string, number, boolean])[] = [
    ['wait=5', 5_000, true],
    ['wait=0', 0, true],
    ['wait=25', 25_000, true],
    ['wait=600', 25_000, true],
    ['respond-async, wait=7', 7_000, true],
    ['WAIT = "3"; x=1', 3_000, true],
    ['wait=4, wait=9', 4_000, true],
    ['wait=soon', 10_000, false],
    ['wait=-1', 10_000, false],
    ['wait=1e1', 10_000, false],
    ['wait', 10_000, false],
    ['return=minimal', 10_000, false],
    [',;=', 10_000, false],
  ]
  for (const [prefer, wait_ms, wait_held] of waits) {
    it(`waits as preferred by "${prefer}": ${wait_ms} ms${wait_held ? ', for people too' : ''}`, async () => {
      await post().set('Prefer', prefer).send({})
      const { wait_ms: ms, wait_held: held } = firstAsked()
      assert.deepEqual([ms, held], [wait_ms, wait_held])
    })
  }

  const open: readonly (readonly [CallStatus, string])[] = [
    ['held', '5'],
    ['running', '1'],
    ['unknown', '5'],
    ['needs_human', '60'],
  ]
  for (const [status, retry] of open) {
    it(`answers 202 to a call that is ${status}, with where to look and when`, async () => {
      home.gateway.answer = { replayed: false, envelope: envelope(status), problem: null }
      const answer = await post().send({})
      assert.deepEqual(
        [answer.status, answer.body, answer.headers['location'], answer.headers['retry-after']],
        [202, envelope(status), '/v1/calls/call_1', retry],
      )
    })
  }

  it('marks a repeat', async () => {
    home.gateway.answer = { ...done(), replayed: true }
    const [again, first] = [await post().send({}), ((home.gateway.answer = done()), await post().send({}))]
    assert.deepEqual(
      [again.headers['idempotency-replayed'], first.headers['idempotency-replayed']],
      ['true', undefined],
    )
  })

  const problems: readonly (readonly [CallStatus, Parameters<typeof ended>[1], number])[] = [
    ['denied', 'denied', 403],
    ['denied', 'not_granted', 403],
    ['denied', 'frozen', 403],
    ['denied', 'rate_limited', 429],
    ['denied', 'input_invalid', 422],
    ['denied', 'key_reused', 422],
    ['refused', 'backend_refused', 424],
    ['rejected', 'rejected', 409],
    ['expired', 'expired', 409],
    ['cancelled', 'cancelled', 409],
    ['not_sent', 'backend_unavailable', 503],
    ['not_sent', 'secret_unavailable', 503],
  ]
  for (const [state, code, status] of problems) {
    it(`answers ${status} ${code} to a call that is ${state}, as a problem, with an entry of its own`, async () => {
      home.gateway.answer = ended(state, code, 'Because.', 17)
      const answer = await post().send({})
      assert.deepEqual(
        [
          answer.status,
          answer.body,
          answer.headers['content-type'],
          answer.headers['retry-after'],
          home.gateway.refusals,
        ],
        [
          status,
          problemBody(code, 'Because.', { call: 'call_1', entry: 'ent_1', retry_after: 17 }),
          'application/problem+json; charset=utf-8',
          '17',
          [],
        ],
      )
    })
  }

  it('answers 503 before it reads anything while nothing can be admitted, and the key stays free', async () => {
    home.gateway.unready = 'the clock is behind'
    const answer = await post().set('Content-Type', 'application/json').send('{broken')
    assert.deepEqual(
      [answer.status, answer.body.code, answer.headers['retry-after'], home.gateway.asked],
      [503, 'ledger_unavailable', '1', []],
    )
  })

  it('answers 503 when the store cannot be written', async () => {
    home.gateway.answer = Object.assign(new Error('SQLITE_FULL /var/lib/keystay.db'), { name: 'StoreUnavailable' })
    const { status, body } = await post().send({})
    assert.deepEqual([status, body.code, JSON.stringify(body).includes('SQLITE')], [503, 'ledger_unavailable', false])
  })

  it('answers 500 to a fault of ours, with no word of it, counted and told to the operator', async () => {
    const fault = new Error('cannot read sk_test_canary')
    home.gateway.answer = fault
    const { status, body } = await post().send({})
    assert.deepEqual([status, body], [500, problemBody('internal', 'The gateway met a fault of its own.')])
    assert.deepEqual([home.faults, home.gateway.refusals], [[fault], ['internal 127.0.0.1']])
  })

  it('takes secrets out of every body and header that leaves', async () => {
    home.gateway.answer = done({
      call: 'call_sk_test_canary',
      status: 'running',
      output: { echo: 'key sk_test_canary' },
    })
    const running = await post().send({})
    home.gateway.answer = new Problem('not_granted', 'sk_test_canary is no action')
    const refused = await post().send({})
    const all = JSON.stringify([running.headers, running.text, refused.headers, refused.text])
    assert.ok(
      !all.includes('sk_test_canary') &&
        all.includes('/v1/calls/call_[secret]') &&
        refused.text.includes('[secret] is no'),
    )
  })

  it('refuses an ended session with the words of RFC 6750, whichever way it ended', async () => {
    home.clock.now += 7_200_000
    const { status, body, headers } = await post().send({})
    assert.deepEqual(
      [status, body.code, home.gateway.refusals],
      [401, 'session_expired', ['session_expired 127.0.0.1']],
    )
    assert.match(
      headers['www-authenticate'] ?? '',
      /^Bearer realm="keystay", error="invalid_token", error_description="The session ses_1 expired at [^"\\]+", resource_metadata="[^"]+"$/,
    )
    const none = await request(home.agent.url).post('/v1/actions/refund')
    assert.match(none.headers['www-authenticate'] ?? '', /^Bearer realm="keystay", resource_metadata="[^"]+"$/)
  })
})

describe('the other routes of agents', () => {
  it('show a call with 200 whatever became of it, and wait as asked', async () => {
    home.gateway.answer = ended('denied', 'denied', 'No.')
    const { status, body } = await get('/v1/calls/call_1?wait=20')
    const problem = problemBody('denied', 'No.', { call: 'call_1', entry: 'ent_1' })
    assert.deepEqual([status, body], [200, envelope('denied', { problem })])
    await get('/v1/calls/call_1')
    assert.deepEqual(home.gateway.asked, [
      ['show', who(), 'call_1', 20_000],
      ['show', who(), 'call_1', 0],
    ])
  })

  it('answer no_such_call as the gateway says, which is no refusal at the door', async () => {
    home.gateway.answer = new Problem('no_such_call', 'There is no such call.')
    const { status, body } = await get('/v1/calls/call_9')
    assert.deepEqual([status, body.code, home.gateway.refusals], [404, 'no_such_call', []])
  })

  it('list the principal’s calls by status, key and time', async () => {
    const { body } = await get('/v1/calls?status=held&key=T-481/refund-1&since=2026-11-23T00:00:00.500Z')
    assert.deepEqual(body, { calls: [done().envelope] })
    await get('/v1/calls?since=2026-11-23')
    assert.deepEqual(home.gateway.asked, [
      ['list', who(), { status: 'held', key: 'T-481/refund-1', since: Date.UTC(2026, 10, 23, 0, 0, 0, 500) }],
      ['list', who(), { status: undefined, key: undefined, since: Date.UTC(2026, 10, 23) }],
    ])
  })

  it('cancel a call', async () => {
    home.gateway.answer = ended('cancelled', 'cancelled', 'Cancelled.')
    const answer = await request(home.agent.url).post('/v1/calls/call_1/cancel').set('Authorization', home.bearer)
    assert.deepEqual(
      [answer.status, answer.body.status, home.gateway.asked],
      [200, 'cancelled', [['cancel', who(), 'call_1']]],
    )
  })

  it('list the actions of the role, and show one', async () => {
    assert.deepEqual((await get('/v1/actions')).body, { role: 'support-agent', actions: [VIEW] })
    assert.deepEqual((await get('/v1/actions/refund')).body, VIEW)
    const other = await get('/v1/actions/secret.write')
    assert.deepEqual([other.status, other.body.code], [403, 'not_granted'])
  })

  it('show the session', async () => {
    home.clock.now += 1_000
    assert.deepEqual((await get('/v1/session')).body, {
      session: home.session,
      role: 'support-agent',
      scope: 'role:support-agent',
      requester: 'ci:agents:support',
      acting_for: null,
      lineage: home.session,
      attributes: { queue: 'q' },
      issued_at: '2026-11-23T15:00:00.000Z',
      expires_at: '2026-11-23T17:00:00.000Z',
      expires_in: 7199,
    })
  })

  it('answer probes without a token, and say why they are not ready', async () => {
    const ready = await request(home.agent.url).get('/readyz')
    home.gateway.unready = 'the clock is behind'
    const [live, not] = [await request(home.agent.url).get('/livez'), await request(home.agent.url).get('/readyz')]
    assert.deepEqual(
      [ready.status, live.status, not.status, not.body.detail, home.gateway.refusals],
      [200, 200, 503, 'Not ready: the clock is behind', []],
    )
  })

  it('answer nothing to HEAD, which no route has', async () => {
    const { status } = await request(home.agent.url).head('/v1/session').set('Authorization', home.bearer)
    assert.equal(status, 404)
  })
})

describe('the end of a session', () => {
  it('is what its agent asks for, and then its token opens nothing', async () => {
    const own = await house()
    try {
      const bearer = { Authorization: own.bearer }
      assert.equal((await request(own.agent.url).delete('/v1/session').set(bearer)).status, 204)
      const { status, body } = await request(own.agent.url).get('/v1/session').set(bearer)
      assert.deepEqual([status, body.code], [401, 'session_revoked'])
    } finally {
      await own.close()
    }
  })
})

describe('shedding', () => {
  it('refuses what is above the bound before it looks at anything, and serves again when work ends, not when clients leave', async () => {
    const own = await house({ waiting_max: 2 })
    try {
      let open = () => {}
      own.gateway.gate = new Promise((resolve) => (open = resolve))
      const ask = (key: string) =>
        `POST /v1/actions/refund HTTP/1.1\r\nHost: a\r\nAuthorization: ${own.bearer}\r\nIdempotency-Key: ${key}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`
      const leaving = fetch(`${own.agent.url}/v1/actions/refund`, {
        method: 'POST',
        headers: { authorization: own.bearer, 'idempotency-key': 'a' },
        signal: AbortSignal.timeout(50),
      }).catch(() => 'left')
      const waiting = raw(own.agent.url, ask('b'))
      assert.equal(await leaving, 'left')
      const [shed] = await raw(own.agent.url, ask('c').replace(own.bearer, 'Bearer of nobody'))
      assert.deepEqual([shed?.status, shed?.code, shed?.headers['retry-after']], [503, 'overloaded', '1'])
      assert.deepEqual(own.gateway.refusals, ['overloaded 127.0.0.1'])
      own.gateway.gate = null
      open()
      assert.equal((await waiting)[0]?.status, 200)
      assert.equal((await raw(own.agent.url, ask('d')))[0]?.status, 200)
      assert.deepEqual(
        own.gateway.asked.map(([, , asked]) => (asked as { key: string }).key),
        ['a', 'b', 'd'],
      )
    } finally {
      await own.close()
    }
  })
})
