import assert from 'node:assert/strict'
import { join } from 'node:path'
import { verifyStore } from '../../gateway/store/verify.ts'
import { startLying } from '../backends/lying.ts'
import type { LyingBackend } from '../backends/lying.ts'
import { company } from '../house/company.ts'
import { dyingProcess, gatewayProcess } from './process.ts'
import type { GatewayProcess } from './process.ts'

/** Every named step between receipt and reply; `#2` is the transaction that settles. */
const STEPS = [
  'call.received#1',
  'call.valid#1',
  'call.gathered#1',
  'call.weighed#1',
  'batch.loaded#1',
  'batch.written#1',
  'batch.committed#1',
  'batch.answered#1',
  'call.admitted#1',
  'attempt.begins#1',
  'attempt.permitted#1',
  'attempt.answered#1',
  'batch.loaded#2',
  'batch.written#2',
  'batch.committed#2',
  'batch.answered#2',
  'attempt.settled#1',
] as const

/** What may be true of a call after a kill and a restart: its status, and the effects at the backend. */
const LEGAL: { readonly [action: string]: readonly (readonly [string, number])[] } = {
  // The backend knows repeats: it is always brought to its end.
  'pay.refund': [['done', 1]],
  // It can be asked: what was not sent is found out as that.
  'shop.order': [
    ['done', 1],
    ['refused', 0],
  ],
  // Neither: people are asked when it is in doubt.
  'blind.note': [
    ['done', 1],
    ['needs_human', 1],
    ['needs_human', 0],
  ],
}

describe('kill -9 at every named step', function () {
  this.timeout(90_000)
  let backends: { pay: LyingBackend; shop: LyingBackend; blind: LyingBackend }
  let where: Awaited<ReturnType<typeof company>>
  let gate: GatewayProcess
  let number = 0

  before(async () => {
    backends = {
      pay: await startLying(),
      shop: await startLying({ idempotency: false }),
      blind: await startLying({ idempotency: false }),
    }
    where = await company({ pay: backends.pay.url, shop: backends.shop.url, blind: backends.blind.url })
    gate = await gatewayProcess(where)
  })
  after(async () => {
    await gate?.stop()
    await Promise.all(Object.values(backends ?? {}).map((backend) => backend.close()))
    await where?.remove()
  })

  const asking: {
    readonly [action: string]: (name: string) => { input: { [member: string]: string | number }; effects: () => number }
  } = {
    'pay.refund': (name) => ({
      input: { charge: `ch_${name}`, amount: 100 },
      effects: () => backends.pay.effects.filter(({ body }) => body['charge'] === `ch_${name}`).length,
    }),
    'shop.order': (name) => ({
      input: { item: name },
      effects: () => backends.shop.effects.filter(({ body }) => body['item'] === name).length,
    }),
    'blind.note': (name) => ({
      input: { text: name },
      effects: () => backends.blind.effects.filter(({ body }) => body['text'] === name).length,
    }),
  }

  /** The same key again, until the call is settled. */
  const outcome = async (action: string, input: unknown, key: string): Promise<string> => {
    const token = await gate.token()
    const first = await gate.call(token, action, input, key)
    for (let tries = 0; tries < 100; tries++) {
      const now = first.body.call === undefined ? first : await gate.show(token, first.body.call)
      if (!['running', 'unknown'].includes(now.body.status)) return now.body.status
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    throw new Error(`nothing becomes of ${key}: ${first.text}`)
  }

  const verified = async (): Promise<void> => {
    const report = await verifyStore(join(where.dir, 'keystay.db'))
    assert.deepEqual(report.problems, [])
    assert.equal(report.ok, true)
  }

  for (const action of ['pay.refund', 'shop.order', 'blind.note']) {
    // Until something may have been sent, it is all the same what the backend knows; KEYSTAY_TEST_KILLS=all asks all the same.
    const isFirst = action === 'pay.refund' || process.env['KEYSTAY_TEST_KILLS'] === 'all'
    for (const step of isFirst ? STEPS : STEPS.slice(STEPS.indexOf('batch.committed#1'))) {
      it(`${action} at ${step}: a legal state, at most one effect, the same key gives the outcome`, async () => {
        const name = `${action.slice(0, 3)}${++number}`
        const { input, effects } = asking[action]?.(name) ?? assert.fail()
        const token = await gate.token()
        const [at = '', turn = '1'] = step.split('#')
        await gate.arm(at, Number(turn))
        const lost = gate.call(token, action, input, name).catch(() => null)
        assert.equal(await gate.died(30_000), true, `it must die at ${step}`)
        await lost
        gate = await gatewayProcess(where)
        const status = await outcome(action, input, name)
        const is = [status, effects()] as const
        assert.ok(
          LEGAL[action]?.some(([state, count]) => state === is[0] && count === is[1]),
          `${is[0]} with ${is[1]} effects`,
        )
        await verified()
      })
    }
  }

  for (const step of [
    'approve.weighed#1',
    'batch.committed#1',
    'approve.written#1',
    'attempt.permitted#1',
    'batch.written#2',
  ]) {
    it(`an approval at ${step}: one effect, or still held for the same yes`, async () => {
      const name = `ap${++number}`
      const token = await gate.token()
      const input = { charge: `ch_${name}`, amount: 6000 }
      const held = await gate.call(token, 'pay.refund', input, name)
      assert.equal(held.body.status, 'held')
      const [at = '', turn = '1'] = step.split('#')
      await gate.arm(at, Number(turn))
      await gate.approve('dana', held.body.call).catch(() => null)
      assert.equal(await gate.died(30_000), true)
      gate = await gatewayProcess(where)
      const status = await outcome('pay.refund', input, name)
      if (status === 'held') assert.equal((await gate.approve('omar', held.body.call)).body.status, 'done')
      else assert.equal(status, 'done')
      assert.equal(backends.pay.effects.filter(({ body }) => body['charge'] === `ch_${name}`).length, 1)
      await verified()
    })
  }

  for (const step of [
    'recover.taken#1',
    'batch.committed#1',
    'resolve.started#1',
    'attempt.permitted#1',
    'resolve.looked#1',
    'resolve.concluded#1',
  ]) {
    it(`a recovery that is killed at ${step} is recovered again`, async () => {
      const action =
        step.startsWith('resolve.looked') || step.startsWith('resolve.concluded') ? 'shop.order' : 'pay.refund'
      const name = `re${++number}`
      const { input, effects } = asking[action]?.(name) ?? assert.fail()
      const token = await gate.token()
      await gate.arm('attempt.answered', 1)
      await gate.call(token, action, input, name).catch(() => null)
      assert.equal(await gate.died(30_000), true)
      assert.equal(await dyingProcess(where, step, 40_000), true, `it must die at ${step}`)
      gate = await gatewayProcess(where)
      assert.deepEqual([await outcome(action, input, name), effects()], ['done', 1])
      await verified()
    })
  }
})
