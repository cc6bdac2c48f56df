import assert from 'node:assert/strict'
import { startLying } from '../backends/lying.ts'
import type { LyingBackend } from '../backends/lying.ts'
import { company } from '../house/company.ts'
import { house } from '../house/gateway.ts'
import type { Answer, House } from '../house/gateway.ts'

describe('the one path', function () {
  let pay: LyingBackend
  let shop: LyingBackend
  let blind: LyingBackend
  let where: Awaited<ReturnType<typeof company>>
  let gate: House
  let token: string
  let keys = 0
  const key = (): string => `key-${++keys}`
  const refund = (amount: number, charge = `ch_${++keys}`) => ({ charge, amount })

  before(async () => {
    pay = await startLying()
    shop = await startLying({ idempotency: false })
    blind = await startLying({ idempotency: false })
    const files = {
      'roles/open.yaml': `role: open
describe: Without a budget, for tests that need none.
issue_to: [{ issuer: demo, where: 'claims.sub == "bot"' }]
grants:
  pay.look:
  pay.refund: { max: 200.00 USD, approval: { above: 150.00 USD, by: 2 of finance, expires: 24h } }
  shop.order:
  blind.note:
`,
    }
    where = await company({ pay: pay.url, shop: shop.url, blind: blind.url }, files)
    gate = await house(where)
    token = await gate.token('bot', 'open')
  })
  after(async () => {
    await gate?.stop()
    await Promise.all([pay, shop, blind].map((backend) => backend?.close()))
    await where?.remove()
  })

  const settled = async (answer: Answer): Promise<Answer> => {
    for (let tries = 0; tries < 100; tries++) {
      const now = await gate.show(token, answer.body.call)
      if (!['running', 'unknown'].includes(now.body.status)) return now
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    throw new Error(`${answer.body.call} does not settle`)
  }
  const story = async (id: string) => (await gate.admin('dana', 'GET', `/admin/v1/calls/${id}`)).body

  it('does a refund once and answers with what the backend said, filtered', async () => {
    const input = refund(3000)
    const answer = await gate.call(token, 'pay.refund', input, key())
    assert.equal(answer.status, 200, answer.text)
    const effect = pay.effects.at(-1)
    assert.deepEqual(answer.body.output, { id: effect?.id, amount: 3000, status: 'succeeded' })
    assert.deepEqual([answer.body.status, answer.body.action], ['done', 'pay.refund'])
    assert.match(answer.body.call, /^call_[0-9A-HJKMNP-TV-Z]{26}$/)
    assert.match(answer.body.entry, /^ent_[0-9A-HJKMNP-TV-Z]{26}$/)
    assert.match(answer.body.evidence.request_id, /^req_\d+$/)
    assert.equal(effect?.body['metadata[keystay_call]'], answer.body.call)
    assert.equal(effect?.stamp['keystay-call'], answer.body.call)
    const kinds = (await story(answer.body.call)).entries.map((entry: { kind: string }) => entry.kind)
    assert.deepEqual(kinds, ['call.started', 'call.settled'])
  })

  it('reads without a key, and a read that fails is sure to have changed nothing', async () => {
    const fine = await gate.call(token, 'pay.look', { charge: 'ch_a' })
    assert.deepEqual([fine.status, fine.body.output], [200, { id: 'ch_a', amount: 10_000 }])
    pay.lie({ kind: 'status_without', status: 500, method: 'GET' })
    const failed = await gate.call(token, 'pay.look', { charge: 'ch_a' })
    assert.deepEqual([failed.status, failed.body.code, failed.body.retry], [503, 'backend_unavailable', 'after'])
  })

  const refusals: [string, () => Promise<Answer>, number, string, RegExp][] = [
    [
      'an action that is not granted',
      () => gate.call(token, 'pay.steal', {}, key()),
      403,
      'not_granted',
      /no action of this name/,
    ],
    [
      'an action of nobody',
      () => gate.call(token, 'constructor', {}, key()),
      403,
      'not_granted',
      /no action of this name/,
    ],
    [
      'an input with errors',
      () => gate.call(token, 'pay.refund', { charge: 'x', amount: 0 }, key()),
      422,
      'input_invalid',
      /2 errors/,
    ],
    [
      'more than the ceiling',
      () => gate.call(token, 'pay.refund', refund(90_000), key()),
      403,
      'denied',
      /never more than 200.00 USD/,
    ],
  ]
  for (const [what, ask, status, code, detail] of refusals) {
    it(`refuses ${what}, with an entry and no effect`, async () => {
      const before = pay.effects.length
      const answer = await ask()
      assert.deepEqual([answer.status, answer.body.code], [status, code], answer.text)
      assert.match(answer.body.detail, detail)
      assert.match(answer.body.entry, /^ent_/)
      assert.equal(answer.headers.get('content-type'), 'application/problem+json; charset=utf-8')
      assert.equal(pay.effects.length, before)
      assert.equal((await story(answer.body.call)).entries[0].kind, 'call.denied')
    })
  }

  it('needs a key for what acts', async () => {
    const answer = await gate.call(token, 'pay.refund', refund(100))
    assert.deepEqual([answer.status, answer.body.code], [400, 'key_required'])
  })

  describe('a repeated key', () => {
    it('answers the same call and output, and sends nothing again', async () => {
      const input = refund(1000)
      const first = await gate.call(token, 'pay.refund', input, 'twice')
      const count = pay.effects.length
      const again = await gate.call(token, 'pay.refund', { amount: input.amount, charge: input.charge }, 'twice')
      assert.deepEqual([again.status, again.headers.get('idempotency-replayed')], [200, 'true'])
      assert.deepEqual([again.body.call, again.body.output], [first.body.call, first.body.output])
      assert.equal(pay.effects.length, count)
    })

    it('with another input is refused and names the member', async () => {
      const answer = await gate.call(token, 'pay.refund', refund(1001, 'ch_other'), 'twice')
      assert.deepEqual([answer.status, answer.body.code], [422, 'key_reused'])
      assert.deepEqual(
        answer.body.errors.map((error: { path: string }) => error.path),
        ['input.amount', 'input.charge'],
      )
    })

    it('belongs to its principal and to its action', async () => {
      const other = await gate.token('other-bot', 'agent')
      const answer = await gate.call(other, 'pay.refund', refund(1002), 'twice')
      assert.equal(answer.status, 200)
      assert.equal((await gate.call(token, 'shop.order', { item: 'cup' }, 'twice')).status, 200)
    })

    it('goes on in another session of the same principal and role', async () => {
      const input = refund(1000)
      const first = await gate.call(token, 'pay.refund', input, 'sessions')
      const later = await gate.token('bot', 'open')
      const again = await gate.call(later, 'pay.refund', input, 'sessions')
      assert.equal(again.body.call, first.body.call)
    })

    it('names one effect when it is sent 200 times at once', async () => {
      const input = refund(500)
      const count = pay.effects.length
      const answers = await Promise.all(
        Array.from({ length: 200 }, () => gate.call(token, 'pay.refund', input, 'crowd')),
      )
      assert.equal(pay.effects.length, count + 1)
      assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200])
      assert.equal(new Set(answers.map(({ body }) => JSON.stringify([body.call, body.output]))).size, 1)
    })

    it('is free again after nothing was sent, and stays bound to a refusal of the backend', async () => {
      pay.lie({ kind: 'status_without', status: 422, method: 'POST' })
      const input = refund(100)
      const refused = await gate.call(token, 'pay.refund', input, 'refused')
      assert.deepEqual([refused.status, refused.body.code], [424, 'backend_refused'])
      const again = await gate.call(token, 'pay.refund', input, 'refused')
      assert.deepEqual([again.status, again.body.call], [424, refused.body.call])
    })
  })

  describe('an outcome in doubt', () => {
    for (const kind of ['reset_after', 'status_with', 'html', 'half_body', 'never_with'] as const) {
      it(`is sent again under the same key where the backend knows repeats (${kind})`, async () => {
        const count = pay.effects.length
        pay.lie({ kind, method: 'POST' })
        const answer = await gate.call(token, 'pay.refund', refund(100), key())
        const end = await settled(answer)
        assert.deepEqual([end.body.status, pay.effects.length - count], ['done', 1], end.text)
        assert.equal(end.body.output.id, pay.effects.at(-1)?.id)
      })

      it(`is looked up where it does not (${kind})`, async () => {
        const count = shop.effects.length
        shop.lie({ kind, method: 'POST' })
        const answer = await gate.call(token, 'shop.order', { item: 'cup' }, key())
        assert.deepEqual(
          [answer.status, ['unknown', 'done'].includes(answer.body.status)],
          [answer.body.status === 'done' ? 200 : 202, true],
        )
        if (answer.body.status === 'unknown')
          assert.match(
            answer.body.detail,
            /not known yet; the gateway finds out. Do not send it again under another key/,
          )
        const end = await settled(answer)
        assert.deepEqual([end.body.status, shop.effects.length - count], ['done', 1], end.text)
      })
    }

    for (const kind of ['reset_before', 'status_without', 'html_without'] as const) {
      it(`is refused once the lookup shows that nothing happened (${kind})`, async () => {
        const count = shop.effects.length
        shop.lie({ kind, method: 'POST' })
        const end = await settled(await gate.call(token, 'shop.order', { item: 'cup' }, key()))
        assert.deepEqual(
          [end.body.status, end.body.problem.code, shop.effects.length - count],
          ['refused', 'backend_refused', 0],
        )
      })
    }

    it('asks people where the backend can do neither, and two of them settle it', async () => {
      blind.lie({ kind: 'reset_after', method: 'POST' })
      const answer = await gate.call(token, 'blind.note', { text: 'x' }, 'blind')
      const end = await settled(answer)
      assert.equal(end.body.status, 'needs_human')
      assert.match(end.body.detail, /people find out\. Do not send it again under another key/)
      const path = `/admin/v1/calls/${answer.body.call}/settle`
      const says = { outcome: 'done', reason: 'seen in the shop' }
      assert.equal((await gate.admin('dana', 'POST', path, says)).body.status, 'needs_human')
      assert.equal((await gate.admin('sam', 'POST', path, says)).body.code, 'not_eligible')
      assert.equal((await gate.admin('omar', 'POST', path, says)).body.status, 'done')
      const again = await gate.call(token, 'blind.note', { text: 'x' }, 'blind')
      assert.deepEqual([again.status, again.body.output_gone], [200, true])
    })
  })
})
