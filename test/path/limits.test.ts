import assert from 'node:assert/strict'
import { startLying } from '../backends/lying.ts'
import type { LyingBackend } from '../backends/lying.ts'
import { company } from '../house/company.ts'
import { house } from '../house/gateway.ts'
import type { House } from '../house/gateway.ts'

describe('limits hold', function () {
  this.timeout(60_000)
  let pay: LyingBackend
  let where: Awaited<ReturnType<typeof company>>
  let gate: House

  const start = async (): Promise<void> => {
    gate = await house(where)
  }
  beforeEach(async () => {
    pay = await startLying()
    const files = {
      'budgets.yaml': `budgets:
  per-customer: { limit: 90.00 USD per rolling 30d, by: customer }
`,
      'roles/narrow.yaml': `role: narrow
describe: Holds that end soon, a rate, a shared budget by customer.
issue_to: [{ issuer: demo, where: 'claims.sub == "bot"' }]
grants:
  pay.look: { rate: 3 per hour }
  pay.refund:
    max: 100.00 USD
    budget: per-customer of facts.charge.customer
    approval: { above: 50.00 USD, by: 1 of finance, expires: 1s }
  shop.order: { serialize: input.item }
`,
    }
    where = await company({ pay: pay.url, shop: pay.url, blind: pay.url }, files)
    await start()
  })
  afterEach(async () => {
    await gate.stop()
    await pay.close()
    await where.remove()
  })

  it('lets exactly ten of a thousand through a budget with room for ten', async () => {
    const token = await gate.token()
    const answers = await Promise.all(
      Array.from({ length: 1000 }, (_, n) =>
        gate.call(token, 'pay.refund', { charge: `ch_${n}`, amount: 5000 }, `k-${n}`),
      ),
    )
    const statuses = answers.map(({ status }) => status)
    assert.equal(pay.effects.length, 10)
    assert.equal(statuses.filter((status) => status === 200).length, 10)
    // Beyond 300 refusals the principal is told that it guesses.
    assert.ok(statuses.every((status) => [200, 403, 429].includes(status)))
    const spent = answers.find(({ body }) => body.because?.[0] === 'grants.pay.refund.daily')
    assert.deepEqual([spent?.body.code, spent?.body.retry], ['denied', 'after'])
    assert.match(spent?.body.resets_at, /T00:00:00.000Z$/)
    const done = answers.find(({ status }) => status === 200)
    const { used, held, left } = (await gate.show(token, done?.body.call)).body.limits[0]
    assert.deepEqual([used, held, left], [50_000, 0, 0])
  })

  it('keeps what was used over a restart', async () => {
    const first = await gate.token()
    for (let n = 0; n < 10; n++) await gate.call(first, 'pay.refund', { charge: `ch_${n}`, amount: 5000 }, `k-${n}`)
    await gate.stop()
    await start()
    const answer = await gate.call(await gate.token(), 'pay.refund', { charge: 'ch_x', amount: 1 }, 'k-x')
    assert.deepEqual([answer.body.code, answer.body.because], ['denied', ['grants.pay.refund.daily']])
    assert.equal(pay.effects.length, 10)
  })

  it('counts a shared budget by the customer that the backend says', async () => {
    const token = await gate.token('bot', 'narrow')
    const ask = (charge: string, amount: number, key: string) => gate.call(token, 'pay.refund', { charge, amount }, key)
    assert.equal((await ask('ch_1', 5000, 'a')).status, 200)
    const over = await ask('ch_2', 4001, 'b')
    assert.deepEqual([over.status, over.body.because], [403, ['grants.pay.refund.per-customer']])
    assert.doesNotMatch(over.text, /40\.00|3999/, 'no text leads under the limit')
    assert.equal((await ask('ch_2', 4000, 'c')).status, 200)
  })

  it('reserves while held and gives it back when nobody answers', async () => {
    const token = await gate.token('bot', 'narrow')
    const held = await gate.call(token, 'pay.refund', { charge: 'ch_1', amount: 6000 }, 'a')
    assert.equal(held.body.status, 'held')
    assert.equal((await gate.call(token, 'pay.refund', { charge: 'ch_2', amount: 4000 }, 'b')).status, 403)
    const end = await gate.show(token, held.body.call, 10)
    assert.deepEqual([end.body.status, end.body.problem.code], ['expired', 'expired'])
    assert.equal((await gate.call(token, 'pay.refund', { charge: 'ch_2', amount: 4000 }, 'b')).status, 200)
    const again = await gate.call(token, 'pay.refund', { charge: 'ch_1', amount: 6000 }, 'a')
    assert.deepEqual([again.status, again.body.code], [409, 'expired'])
  })

  it('says rate_limited and when to come back, and asks the backend nothing', async () => {
    const token = await gate.token('bot', 'narrow')
    for (let n = 0; n < 3; n++) assert.equal((await gate.call(token, 'pay.look', { charge: 'ch_1' })).status, 200)
    const seen = pay.seen.length
    const answer = await gate.call(token, 'pay.look', { charge: 'ch_1' })
    assert.deepEqual([answer.status, answer.body.code, answer.body.retry], [429, 'rate_limited', 'after'])
    assert.ok(Number(answer.headers.get('retry-after')) > 3000)
    assert.equal(pay.seen.length, seen)
  })

  it('lets one unsettled call per value run', async () => {
    const token = await gate.token('bot', 'narrow')
    pay.lie({ kind: 'slow', ms: 500, method: 'POST' })
    const first = gate.call(token, 'shop.order', { item: 'cup' }, 'a')
    await new Promise((resolve) => setTimeout(resolve, 150))
    const second = await gate.call(token, 'shop.order', { item: 'cup' }, 'b')
    assert.deepEqual([second.status, second.body.code], [429, 'rate_limited'])
    assert.equal((await gate.call(token, 'shop.order', { item: 'pot' }, 'c')).status, 200)
    assert.equal((await first).status, 200)
    assert.equal((await gate.call(token, 'shop.order', { item: 'cup' }, 'b')).status, 200)
  })

  it('stops who guesses: 300 refusals an hour, then nothing is asked of the backend', async () => {
    const token = await gate.token()
    await Promise.all(
      Array.from({ length: 300 }, (_, n) =>
        gate.call(token, 'pay.refund', { charge: `ch_${n}`, amount: 30_000 }, `g-${n}`),
      ),
    )
    const seen = pay.seen.length
    const answer = await gate.call(token, 'pay.refund', { charge: 'ch_1', amount: 100 }, 'honest')
    assert.deepEqual([answer.status, answer.body.because], [429, ['grants.pay.refund.attempts']])
    assert.equal(pay.seen.length, seen)
    assert.equal(
      (await gate.call(await gate.token('other-bot'), 'pay.refund', { charge: 'ch_1', amount: 100 }, 'k')).status,
      200,
    )
  })

  it('shows an agent what it may do and what is left', async () => {
    const token = await gate.token()
    await gate.call(token, 'pay.refund', { charge: 'ch_1', amount: 3000 }, 'a')
    const { body } = await gate.agent('/v1/actions', { headers: { authorization: `Bearer ${token}` } })
    const names = body.actions.map((action: { name: string }) => action.name)
    assert.deepEqual(names, ['blind.note', 'pay.look', 'pay.refund', 'shop.order'])
    const refund = body.actions[2]
    assert.match(
      refund.description,
      /At most 200.00 USD at once. 500.00 USD per day. Above 50.00 USD: 1 of finance must approve/,
    )
    assert.deepEqual([refund.effect, refund.limits[0].used, refund.limits[0].left], ['write', 3000, 47_000])
  })
})
