import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import Stripe from 'stripe'
import { compatHouse, counting, sdkOf } from './house.ts'
import type { CompatHouse } from './house.ts'

/** An error as an agent sees it. */
type Said = Stripe.errors.StripeError & {
  readonly raw: { readonly problem?: { code: string }; readonly keystay?: object }
}

describe('the Stripe-shaped door, asked with the official package', function () {
  this.timeout(60_000)
  let house: CompatHouse
  let between: Awaited<ReturnType<typeof counting>>
  let token: string
  let stripe: Stripe
  let charges = 0
  before(async () => {
    house = await compatHouse()
    token = await house.gate.token('bot', 'open')
    between = await counting(house.url)
    // As patient as an agent may have set it: whatever the SDK sends again by itself is counted.
    stripe = sdkOf(between.url, token, { maxNetworkRetries: 3 })
  })
  after(async () => {
    await between?.close()
    await house?.close()
  })
  beforeEach(() => {
    between.keys.length = 0
    between.cut = () => false
    house.backends.pay.honest()
    house.backends.blind.honest()
  })

  const charge = (): string => `ch_${++charges}`
  const effects = (id: string): number => house.backends.pay.effects.filter(({ body }) => body['charge'] === id).length
  const refused = async (asked: Promise<unknown>): Promise<Said> => {
    const answer = await asked.then(
      (value) => assert.fail(`it was answered ${JSON.stringify(value)}`),
      (error: unknown) => error,
    )
    assert.ok(answer instanceof Stripe.errors.StripeError, String(answer))
    return answer as Said
  }
  const note = (text: string): Promise<unknown> => stripe.rawRequest('POST', '/v1/notes', { content: { text } })

  it('does a refund once, and answers with an object of Stripe’s whose request id is the call', async () => {
    const id = charge()
    const refund = await stripe.refunds.create({ charge: id, amount: 3000, metadata: { note: 'broken' } })
    const { lastResponse, ...members } = refund
    assert.deepEqual(members, {
      object: 'refund',
      id: house.backends.pay.effects.at(-1)?.id,
      amount: 3000,
      status: 'succeeded',
    })
    const shown = await house.gate.show(token, lastResponse.requestId)
    assert.deepEqual([shown.body.action, shown.body.status], ['pay.refund', 'done'])
    assert.deepEqual([effects(id), between.keys.length], [1, 1])
    assert.match(between.keys[0] ?? '', /^stripe-node-retry-/)
  })

  it('reads what the role may read', async () => {
    const read = await stripe.charges.retrieve('ch_7', { expand: [] })
    assert.deepEqual({ ...read }, { object: 'charge', id: 'ch_7', amount: 10_000 })
    const wrong = await refused(stripe.charges.retrieve('ch_7', { expand: ['customer'] }))
    assert.deepEqual([wrong.type, wrong.param], ['StripeInvalidRequestError', 'expand'])
  })

  describe('what is refused', () => {
    const cases: {
      readonly it: string
      readonly ask: () => Promise<unknown>
      readonly is: readonly [type: string, status: number, code: string, param?: string]
      readonly says: RegExp
    }[] = [
      {
        it: 'above the limit: why, and what to ask instead',
        ask: () => stripe.refunds.create({ charge: charge(), amount: 25_000 }),
        is: ['StripePermissionError', 403, 'denied'],
        says: /grants\.pay\.refund\.max: never more than 200\.00 USD at once.*Next: blind\.note\./,
      },
      {
        it: 'an endpoint that is not granted: which are',
        ask: () => stripe.payouts.create({ amount: 1, currency: 'usd' }),
        is: ['StripePermissionError', 403, 'not_granted'],
        says: /has no POST \/v1\/payouts\. It has here: GET \/v1\/charges\/\{charge\} \(pay\.look\), POST \/v1\/refunds \(pay\.refund\)/,
      },
      {
        it: 'a method that is not granted',
        ask: () => stripe.customers.del('cus_1'),
        is: ['StripePermissionError', 403, 'not_granted'],
        says: /has no DELETE \/v1\/customers\/cus_1/,
      },
      {
        it: 'the second version of the API, which speaks JSON',
        ask: () => stripe.v2.core.accounts.retrieve('acct_1'),
        is: ['StripePermissionError', 403, 'not_granted'],
        says: /has no GET \/v2\/core\/accounts\/acct_1/,
      },
      {
        it: 'a parameter that nobody knows',
        ask: () => stripe.refunds.create({ charge: charge(), amount: 1, refund_application_fee: true }),
        is: ['StripeInvalidRequestError', 400, 'input_invalid', 'refund_application_fee'],
        says: /refund_application_fee: got a parameter, want none of this name/,
      },
      {
        it: 'metadata that the action does not take',
        ask: () => stripe.refunds.create({ charge: charge(), amount: 1, metadata: { keystay_call: 'call_1' } }),
        is: ['StripeInvalidRequestError', 400, 'input_invalid', 'metadata[keystay_call]'],
        says: /metadata\[keystay_call\]/,
      },
      {
        it: 'a missing parameter',
        ask: () => stripe.refunds.create({ charge: charge() }),
        is: ['StripeInvalidRequestError', 400, 'input_invalid', 'amount'],
        says: /amount: got nothing, want a whole number/,
      },
      ...['1.5', '1e3', '-0', '007', '+5', ' 5', '0x10', '99999999999999999999', ''].map((amount) => ({
        it: `an amount of ${JSON.stringify(amount)}`,
        ask: () => stripe.rawRequest('POST', '/v1/refunds', { charge: charge(), amount }),
        is: ['StripeInvalidRequestError', 400, 'input_invalid', 'amount'] as const,
        says: /amount: got .*, want a whole number/,
      })),
      {
        it: 'a list where a text belongs',
        ask: () => stripe.rawRequest('POST', '/v1/refunds', { charge: ['ch_1', 'ch_2'], amount: 1 }),
        is: ['StripeInvalidRequestError', 400, 'input_invalid', 'charge'],
        says: /charge/,
      },
      {
        it: 'a note that is too long, by the name that the agent gave it',
        ask: () => stripe.refunds.create({ charge: charge(), amount: 1, metadata: { note: 'x'.repeat(501) } }),
        is: ['StripeInvalidRequestError', 400, 'input_invalid', 'metadata[note]'],
        says: /metadata\[note\]/,
      },
      {
        it: 'another account',
        ask: () => stripe.refunds.create({ charge: charge(), amount: 1 }, { stripeAccount: 'acct_1' }),
        is: ['StripeInvalidRequestError', 400, 'malformed'],
        says: /stripe-account has no meaning here/,
      },
      {
        it: 'a dry run, which would not be one here',
        ask: () => stripe.rawRequest('POST', '/v1/refunds', {}, { additionalHeaders: { 'Keystay-Dry-Run': 'true' } }),
        is: ['StripeInvalidRequestError', 400, 'malformed'],
        says: /keystay-dry-run/,
      },
      {
        it: 'a key of Stripe’s',
        ask: () => sdkOf(between.url, 'sk_test_123', { maxNetworkRetries: 3 }).refunds.create({ charge: charge() }),
        is: ['StripeAuthenticationError', 401, 'token_invalid'],
        says: /no session token of this gateway/,
      },
    ]
    for (const { it: what, ask, is, says } of cases) {
      it(`${what}; in one request, with an entry where there is a session`, async () => {
        const before = house.backends.pay.effects.length
        const said = await refused(ask())
        assert.deepEqual([said.type, said.statusCode, said.code, ...(said.param === undefined ? [] : [said.param])], is)
        assert.match(said.message, says)
        assert.equal(between.keys.length, 1)
        assert.equal(house.backends.pay.effects.length, before)
        assert.equal(said.raw.problem?.code, said.code)
        if (is[1] === 401 || is[2] === 'malformed') return
        const shown = await house.gate.show(token, said.requestId ?? '')
        assert.deepEqual([shown.body.status, shown.body.problem.code], ['denied', said.code])
      })
    }

    it('by people’s switches, while reads go on', async () => {
      await house.gate.admin('sam', 'PUT', '/admin/v1/switches/role:open', { on: true, reason: 'a fire' })
      const said = await refused(stripe.refunds.create({ charge: charge(), amount: 1 }))
      assert.deepEqual([said.type, said.code], ['StripePermissionError', 'frozen'])
      assert.equal((await stripe.charges.retrieve('ch_1')).id, 'ch_1')
      await house.gate.admin('sam', 'PUT', '/admin/v1/switches/role:open', { on: false, reason: 'it is out' })
    })

    for (const [status, type, is] of [
      [400, 'StripeInvalidRequestError', 400],
      [404, 'StripeInvalidRequestError', 404],
      [401, 'StripePermissionError', 403],
      [403, 'StripePermissionError', 403],
      [422, 'StripeInvalidRequestError', 400],
    ] as const) {
      it(`by the backend with ${status}: its words, and no second request`, async () => {
        house.backends.pay.lie({ kind: 'status_without', status, method: 'POST' })
        const said = await refused(stripe.refunds.create({ charge: charge(), amount: 1 }))
        assert.deepEqual([said.type, said.statusCode, said.code], [type, is, 'backend_refused'])
        assert.match(said.message, /It broke\./)
        assert.equal(between.keys.length, 1)
      })
    }

    it('by a backend that cannot be reached, without a second request', async () => {
      house.backends.pay.lie({ kind: 'never', method: 'GET' })
      const said = await refused(stripe.charges.retrieve('ch_1'))
      assert.deepEqual([said.type, said.statusCode, said.code], ['StripeAPIError', 503, 'backend_unavailable'])
      assert.equal(said.headers?.['stripe-should-retry'], 'false')
      assert.equal(between.keys.length, 1)
    })
  })

  it('appears in no log, no answer and no file: the token that the SDK has for a key', async () => {
    const said = await refused(stripe.refunds.create({ charge: charge(), amount: 25_000 }))
    assert.ok(!JSON.stringify(said.raw).includes(token))
    assert.ok(!house.gate.log.join('\n').includes(token))
    for (const name of await readdir(house.where.dir)) {
      if (name.startsWith('keystay.db')) assert.ok(!(await readFile(join(house.where.dir, name))).includes(token), name)
    }
  })

  describe('a key that the agent set', () => {
    it('names one effect, as at every door', async () => {
      const id = charge()
      const ask = (amount: number) => stripe.refunds.create({ charge: id, amount }, { idempotencyKey: `T-${id}` })
      const first = await ask(100)
      const again = await ask(100)
      assert.deepEqual([again.id, again.lastResponse.requestId], [first.id, first.lastResponse.requestId])
      assert.equal(again.lastResponse.headers['idempotent-replayed'], 'true')
      const other = await refused(ask(200))
      assert.deepEqual([other.type, other.statusCode, other.code], ['StripeIdempotencyError', 400, 'key_reused'])
      assert.equal(effects(id), 1)
      const elsewhere = await house.gate.call(token, 'pay.refund', { charge: id, amount: 100 }, `T-${id}`)
      assert.equal(elsewhere.body.call, first.lastResponse.requestId)
    })

    it('is needed where the SDK makes up none', async () => {
      const form = { 'content-type': 'application/x-www-form-urlencoded', authorization: `Bearer ${token}` }
      const answer = await fetch(`${house.url}/v1/refunds`, {
        method: 'POST',
        headers: form,
        body: 'charge=ch_1&amount=1',
      })
      const { error } = (await answer.json()) as { error: { code: string; message: string } }
      assert.deepEqual([answer.status, error.code], [400, 'key_required'])
      assert.match(error.message, /idempotencyKey/)
    })
  })

  describe('requests whose key the SDK made up', () => {
    it('are new work one after the other', async () => {
      const id = charge()
      const [one, other] = [
        await stripe.refunds.create({ charge: id, amount: 100 }),
        await stripe.refunds.create({ charge: id, amount: 100 }),
      ]
      assert.notEqual(one.id, other.id)
      assert.equal(effects(id), 2)
    })

    it('are one at the same time: ten equal ones that meet while it runs act once, and all are told', async () => {
      const id = charge()
      house.backends.pay.lie({ kind: 'slow', ms: 150, method: 'POST' })
      const refunds = await Promise.all(
        Array.from({ length: 10 }, () => stripe.refunds.create({ charge: id, amount: 100 })),
      )
      assert.deepEqual([new Set(refunds.map((refund) => refund.id)).size, effects(id)], [1, 1])
      await stripe.refunds.create({ charge: id, amount: 100 })
      assert.equal(effects(id), 2)
    })

    it('are told what came of an approval once, and then ask people anew', async () => {
      const id = charge()
      const ask = () => stripe.refunds.create({ charge: id, amount: 16_000 })
      const held = await refused(ask())
      assert.deepEqual([held.type, held.statusCode, held.code], ['StripePermissionError', 403, 'held'])
      assert.match(held.message, /nothing has happened yet: 1 of finance must approve.*Send the same request again/)
      assert.equal(held.headers?.['stripe-should-retry'], 'false')
      const seen = house.backends.pay.seen.length
      assert.equal((await refused(ask())).requestId, held.requestId)
      assert.equal(house.backends.pay.seen.length, seen, 'the backend was asked for facts in vain')
      assert.equal(between.keys.length, 2)
      assert.equal((await house.gate.approve('dana', held.requestId ?? '')).body.status, 'done')
      const [told, anew] = await Promise.allSettled([ask(), ask()])
      const answers = [told, anew].map((one) =>
        one?.status === 'fulfilled' ? one.value.lastResponse.requestId : 'held',
      )
      assert.deepEqual(answers.sort(), [held.requestId, 'held'].sort())
      assert.equal(effects(id), 1)
    })

    it('are told once that people said no', async () => {
      const id = charge()
      const ask = () => refused(stripe.refunds.create({ charge: id, amount: 16_000 }))
      const held = await ask()
      await house.gate.admin('dana', 'POST', `/admin/v1/calls/${held.requestId}/reject`, { reason: 'too much' })
      const no = await ask()
      assert.deepEqual(
        [no.type, no.statusCode, no.code, no.requestId],
        ['StripePermissionError', 403, 'rejected', held.requestId],
      )
      assert.match(no.message, /too much.*Asked once more, it is a new call\./)
      const anew = await ask()
      assert.deepEqual([anew.code, anew.requestId === held.requestId], ['held', false])
    })

    it('join what nobody knows the end of, and never act again', async () => {
      house.backends.blind.lie({ kind: 'reset_after' })
      const one = await refused(note('doubt'))
      assert.deepEqual([one.type, one.code], ['StripePermissionError', 'needs_human'])
      const other = await refused(note('doubt'))
      assert.equal(other.requestId, one.requestId)
      assert.equal(house.backends.blind.effects.length, 1)
      assert.equal(between.keys.length, 2)
    })

    it('are the same request where the SDK sends one again: an answer that was lost does not act twice', async () => {
      const id = charge()
      between.cut = (nth) => nth === 1
      const refund = await stripe.refunds.create({ charge: id, amount: 100 })
      assert.equal(between.keys.length, 2)
      assert.equal(new Set(between.keys).size, 1)
      assert.deepEqual([refund.id, effects(id)], [house.backends.pay.effects.at(-1)?.id, 1])
      await stripe.refunds.create({ charge: id, amount: 100 })
      assert.equal(effects(id), 2)
    })

    it('leave it to be told to the next where whoever asked has hung up', async () => {
      const id = charge()
      house.backends.pay.lie({ kind: 'slow', ms: 200, method: 'POST' })
      const gone = sdkOf(house.url, token, { timeout: 60, maxNetworkRetries: 0 })
      const said = await refused(gone.refunds.create({ charge: id, amount: 100 }))
      assert.equal(said.type, 'StripeConnectionError')
      for (let tries = 0; effects(id) === 0 && tries < 100; tries++) await sleep(20)
      await sleep(300)
      const refund = await stripe.refunds.create({ charge: id, amount: 100 })
      assert.deepEqual([refund.id, effects(id)], [house.backends.pay.effects.at(-1)?.id, 1])
    })

    it('are of their principal: another agent’s equal request is its own', async () => {
      const id = charge()
      const other = sdkOf(house.url, await house.gate.token('other-bot', 'open'))
      const held = await refused(stripe.refunds.create({ charge: id, amount: 16_000 }))
      const theirs = await refused(other.refunds.create({ charge: id, amount: 16_000 }))
      assert.notEqual(theirs.requestId, held.requestId)
    })
  })
})
