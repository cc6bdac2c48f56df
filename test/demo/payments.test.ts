import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict'
import { startPayments } from '../../deploy/demo/payments.ts'
import type { Sandbox } from '../../deploy/demo/sandbox.ts'

const KEY = 'sk_test_51KeystayDemo'

describe('the sandbox payments', () => {
  let sandbox: Sandbox
  let charge: { id: string; customer: string }

  before(async () => {
    sandbox = await startPayments({ host: '127.0.0.1', port: 0, key: KEY })
  })
  after(() => sandbox.close())
  beforeEach(async () => {
    await fetch(`${sandbox.url}/sandbox/faults`, { method: 'DELETE' })
    charge = await newCharge(18000)
  })

  async function newCharge(amount: number, more = {}): Promise<{ id: string; customer: string }> {
    const response = await fetch(`${sandbox.url}/sandbox/charges`, {
      method: 'POST',
      body: JSON.stringify({ amount, currency: 'usd', ...more }),
    })
    equal(response.status, 201)
    return (await response.json()) as { id: string; customer: string }
  }
  function api(method: string, path: string, form?: Record<string, string>, headers: Record<string, string> = {}) {
    return fetch(`${sandbox.url}${path}`, {
      method,
      redirect: 'manual',
      headers: { authorization: `Bearer ${KEY}`, ...headers },
      ...(form ? { body: new URLSearchParams(form) } : {}),
    })
  }
  const refund = (form: Record<string, string>, key?: string) =>
    api('POST', '/v1/refunds', form, key ? { 'idempotency-key': key } : {})
  const fault = (body: object) => fetch(`${sandbox.url}/sandbox/faults`, { method: 'POST', body: JSON.stringify(body) })
  const json = async (response: Response | Promise<Response>) =>
    (await (await response).json()) as Record<string, unknown>
  const effects = async () => (await json(fetch(`${sandbox.url}/sandbox/effects`)))['count'] as number

  it('refunds a charge in part, with metadata, and keeps the books', async () => {
    const response = await refund({
      charge: charge.id,
      amount: '3000',
      reason: 'duplicate',
      'metadata[keystay_call]': 'call_1',
    })
    equal(response.status, 200)
    match(response.headers.get('request-id') ?? '', /^req_\w{14}$/)
    const { id, created, ...made } = await json(response)
    match(String(id), /^re_\d+$/)
    equal(typeof created, 'number')
    deepEqual(made, {
      object: 'refund',
      amount: 3000,
      charge: charge.id,
      currency: 'usd',
      metadata: { keystay_call: 'call_1' },
      reason: 'duplicate',
      status: 'succeeded',
    })
    const there = await json(api('GET', `/v1/charges/${charge.id}`))
    deepEqual([there['amount'], there['amount_refunded'], there['refunded']], [18000, 3000, false])
  })

  it('takes an absent amount for all that is left, as Stripe does', async () => {
    await refund({ charge: charge.id, amount: '8000' })
    equal((await json(refund({ charge: charge.id })))['amount'], 10000)
    equal((await json(api('GET', `/v1/charges/${charge.id}`)))['refunded'], true)
  })

  it('makes charges of its own API with the key only', async () => {
    const form = { amount: '500', currency: 'eur', customer: 'cus_1' }
    equal((await json(api('POST', '/v1/charges', form)))['customer'], 'cus_1')
    equal((await api('POST', '/v1/charges', form, { authorization: 'Bearer sk_test_other' })).status, 401)
  })

  describe('refuses in Stripe’s shape, with no effect', () => {
    const cases: [string, Record<string, string>, number, Record<string, string>][] = [
      ['more than is left', { amount: '18001' }, 400, { type: 'invalid_request_error', param: 'amount' }],
      [
        'zero',
        { amount: '0' },
        400,
        { type: 'invalid_request_error', code: 'parameter_invalid_integer', param: 'amount' },
      ],
      [
        'an exponent',
        { amount: '1e3' },
        400,
        { type: 'invalid_request_error', code: 'parameter_invalid_integer', param: 'amount' },
      ],
      [
        'a sign',
        { amount: '-5' },
        400,
        { type: 'invalid_request_error', code: 'parameter_invalid_integer', param: 'amount' },
      ],
      [
        'another charge',
        { charge: 'ch_Nobody0001' },
        404,
        { type: 'invalid_request_error', code: 'resource_missing', param: 'charge' },
      ],
      ['no charge', { charge: '' }, 400, { type: 'invalid_request_error', code: 'parameter_missing' }],
      [
        'an unknown member',
        { ammount: '5' },
        400,
        { type: 'invalid_request_error', code: 'parameter_unknown', param: 'ammount' },
      ],
      ['an unknown reason', { reason: 'why not' }, 400, { type: 'invalid_request_error', param: 'reason' }],
      ['flat metadata', { metadata: 'x' }, 400, { type: 'invalid_request_error', param: 'metadata' }],
    ]
    for (const [name, form, status, wanted] of cases) {
      it(name, async () => {
        const before = await effects()
        const response = await refund({ charge: charge.id, ...form })
        const { message, ...error } = (await json(response))['error'] as Record<string, string>
        ok(message)
        deepEqual({ status: response.status, error }, { status, error: wanted })
        equal(await effects(), before)
      })
    }
    it('a disputed charge', async () => {
      const disputed = await newCharge(500, { disputed: true })
      const { error } = (await json(refund({ charge: disputed.id }))) as { error: { code: string } }
      equal(error.code, 'charge_disputed')
    })
    it('a charge refunded in full', async () => {
      await refund({ charge: charge.id })
      const { error } = (await json(refund({ charge: charge.id }))) as { error: { code: string } }
      equal(error.code, 'charge_already_refunded')
    })
    for (const [name, authorization] of [
      ['no key', ''],
      ['another key', 'Bearer sk_test_51KeystayDemp'],
      ['another scheme', `Basic ${KEY}`],
    ] as const) {
      it(name, async () => {
        const response = await api('POST', '/v1/refunds', { charge: charge.id }, { authorization })
        equal(response.status, 401)
        const text = await response.text()
        match(text, /"type":"invalid_request_error"/)
        ok(!text.includes(KEY))
      })
    }
  })

  describe('idempotency keys', () => {
    it('replay the first answer to the same parameters', async () => {
      const before = await effects()
      const form = { charge: charge.id, amount: '100', 'metadata[a]': '1', 'metadata[b]': '2' }
      const first = await refund(form, 'k-1')
      equal(first.headers.get('idempotent-replayed'), null)
      // the same tree in another order is the same request
      const second = await refund({ 'metadata[b]': '2', 'metadata[a]': '1', amount: '100', charge: charge.id }, 'k-1')
      equal(second.headers.get('idempotent-replayed'), 'true')
      equal(second.headers.get('original-request'), first.headers.get('request-id'))
      deepEqual(await json(second), await json(first))
      equal(await effects(), before + 1)
    })
    it('replay a refusal too', async () => {
      const form = { charge: charge.id, amount: '20000' }
      equal((await refund(form, 'k-2')).status, 400)
      const again = await refund(form, 'k-2')
      deepEqual([again.status, again.headers.get('idempotent-replayed')], [400, 'true'])
    })
    it('are refused with other parameters', async () => {
      await refund({ charge: charge.id, amount: '100' }, 'k-3')
      const before = await effects()
      const other = await refund({ charge: charge.id, amount: '101' }, 'k-3')
      equal(other.status, 400)
      equal(((await json(other))['error'] as { type: string }).type, 'idempotency_error')
      equal(await effects(), before)
    })
    it('are refused while the first request is in flight', async () => {
      const before = await effects()
      await fault({ kind: 'slow', path: '/v1/refunds', ms: 150 })
      const form = { charge: charge.id, amount: '100' }
      const first = refund(form, 'k-4')
      await new Promise((done) => setTimeout(done, 40))
      const second = await refund(form, 'k-4')
      equal(second.status, 409)
      equal(((await json(second))['error'] as { code: string }).code, 'idempotency_key_in_use')
      equal((await first).status, 200)
      equal((await refund(form, 'k-4')).headers.get('idempotent-replayed'), 'true')
      equal(await effects(), before + 1)
    })
    it('stay free after parameters that did not pass validation', async () => {
      equal((await refund({ charge: charge.id, amount: 'x' }, 'k-5')).status, 400)
      equal((await refund({ charge: charge.id, amount: '100' }, 'k-5')).status, 200)
    })
  })

  it('lists refunds newest first, page by page, until has_more is false', async () => {
    const made: unknown[] = []
    for (let amount = 1; amount <= 5; amount++)
      made.unshift((await json(refund({ charge: charge.id, amount: String(amount) })))['id'])
    await refund({ charge: (await newCharge(100)).id })
    const seen: unknown[] = []
    const pages: unknown[] = []
    for (let after = ''; ;) {
      const page = (await json(api('GET', `/v1/refunds?charge=${charge.id}&limit=2${after}`))) as {
        data: { id: string }[]
        has_more: boolean
      }
      seen.push(...page.data.map((item) => item.id))
      pages.push([page.data.length, page.has_more])
      if (!page.has_more) break
      after = `&starting_after=${page.data.at(-1)?.id}`
    }
    deepEqual(pages, [
      [2, true],
      [2, true],
      [1, false],
    ])
    deepEqual(seen, made)
    equal((await api('GET', '/v1/refunds?limit=101')).status, 400)
    equal((await api('GET', '/v1/refunds?starting_after=re_x')).status, 404)
    deepEqual((await json(api('GET', `/v1/refunds?created[gte]=${Math.floor(Date.now() / 1000) + 60}`)))['data'], [])
  })

  describe('faults on demand', () => {
    const form = () => ({ charge: charge.id, amount: '100' })
    for (const [kind, status, happens] of [
      ['500_before_effect', 500, 0],
      ['500_after_effect', 500, 1],
      ['html', 200, 0],
      ['redirect', 302, 0],
      ['401_echo', 401, 0],
    ] as const) {
      it(`${kind}: ${status} and ${happens} effects, once`, async () => {
        const before = await effects()
        equal((await fault({ kind, path: '/v1/refunds', method: 'POST' })).status, 201)
        equal((await api('GET', `/v1/charges/${charge.id}`)).status, 200)
        const response = await refund(form(), `f-${kind}`)
        equal(response.status, status)
        const text = await response.text()
        equal(text.includes(KEY), kind === '401_echo')
        equal(response.headers.get('content-type'), kind === 'html' ? 'text/html' : 'application/json')
        equal(await effects(), before + happens)
        const again = await refund(form(), `f-${kind}`)
        deepEqual([again.status, again.headers.get('idempotent-replayed')], [200, happens ? 'true' : null])
        equal(await effects(), before + 1)
      })
    }
    it('lost_answer: the connection is reset and it happened', async () => {
      const before = await effects()
      await fault({ kind: 'lost_answer' })
      await rejects(refund(form(), 'f-lost'))
      equal(await effects(), before + 1)
      equal((await refund(form(), 'f-lost')).headers.get('idempotent-replayed'), 'true')
    })
    it('slow: the effect lands although the caller has gone', async () => {
      const before = await effects()
      await fault({ kind: 'slow', ms: 800 })
      await rejects(
        fetch(`${sandbox.url}/v1/refunds`, {
          method: 'POST',
          headers: { authorization: `Bearer ${KEY}` },
          body: new URLSearchParams(form()),
          signal: AbortSignal.timeout(20),
        }),
      )
      equal(await effects(), before)
      await new Promise((done) => setTimeout(done, 1200))
      equal(await effects(), before + 1)
    })
    it('meet as many requests as asked, and can be taken back', async () => {
      await fault({ kind: 'html', times: 3 })
      equal((await api('GET', '/v1/refunds')).headers.get('content-type'), 'text/html')
      deepEqual((await json(fetch(`${sandbox.url}/sandbox/faults`)))['faults'], [{ kind: 'html', ms: 1000, times: 2 }])
      await fetch(`${sandbox.url}/sandbox/faults`, { method: 'DELETE' })
      equal((await api('GET', '/v1/refunds')).headers.get('content-type'), 'application/json')
    })
    for (const bad of [
      [],
      { kind: 'boom' },
      { kind: 'slow', ms: -1 },
      { kind: 'slow', times: 0 },
      { kind: 'slow', sped: 1 },
      { kind: 'constructor' },
    ]) {
      it(`are not made of ${JSON.stringify(bad)}`, async () => equal((await fault(bad)).status, 400))
    }
  })

  it('does not open its helper paths to browsers, nor itself beyond loopback', async () => {
    equal((await fetch(`${sandbox.url}/sandbox/effects`, { headers: { origin: 'https://evil.example' } })).status, 403)
    await rejects(startPayments({ host: '0.0.0.0', port: 0, key: KEY }), /loopback only/)
  })
})
