import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startLying } from '../backends/lying.ts'
import type { LyingBackend } from '../backends/lying.ts'
import { company } from '../house/company.ts'
import { entriesOf } from '../house/entries.ts'
import { house } from '../house/gateway.ts'
import type { House } from '../house/gateway.ts'

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

describe('a ledger that answers after its deadline', function () {
  this.timeout(30_000)
  let pay: LyingBackend
  let where: Awaited<ReturnType<typeof company>>
  let gate: House

  beforeEach(async () => {
    pay = await startLying()
    const files = {
      'roles/narrow.yaml': `role: narrow
describe: Holds that end soon.
issue_to: [{ issuer: demo, where: 'claims.sub == "bot"' }]
grants:
  pay.refund:
    max: 100.00 USD
    approval: { above: 50.00 USD, by: 1 of finance, expires: 1s }
`,
    }
    where = await company({ pay: pay.url, shop: pay.url, blind: pay.url }, files)
    process.env['KEYSTAY_TEST_STALL'] = join(where.dir, 'stall')
    gate = await house(where, { workerUrl: new URL('./stalling-worker.ts', import.meta.url), ledgerDeadline_ms: 300 })
  })
  afterEach(async () => {
    delete process.env['KEYSTAY_TEST_STALL']
    await gate.stop()
    await pay.close()
    await where.remove()
  })
  /** What the start still writes down by itself must not be the batch that stands still. */
  const stall = async (batch: number): Promise<void> => {
    for (let before = -1, now = 0; now !== before; now = entriesOf(where.dir).length) {
      before = now
      await wait(150)
    }
    writeFileSync(join(where.dir, 'stall'), String(batch))
  }

  it('does nothing of a call that it started: 503, no effect, and the key is free', async () => {
    const token = await gate.token()
    await stall(1)
    const late = await gate.call(token, 'pay.refund', { charge: 'ch_1', amount: 100 }, 'k')
    assert.deepEqual([late.status, late.body.code, late.body.retry], [503, 'ledger_unavailable', 'same_key'])
    await wait(900)
    assert.equal(pay.effects.length, 0)
    const again = await gate.call(token, 'pay.refund', { charge: 'ch_1', amount: 100 }, 'k')
    assert.deepEqual([again.status, pay.effects.length], [200, 1], again.text)
  })

  it('a hold that it kept is found under its key, and expires', async () => {
    const token = await gate.token('bot', 'narrow')
    await stall(1)
    const late = await gate.call(token, 'pay.refund', { charge: 'ch_1', amount: 6000 }, 'k')
    assert.equal(late.status, 503, late.text)
    await wait(600)
    const again = await gate.call(token, 'pay.refund', { charge: 'ch_1', amount: 6000 }, 'k')
    assert.ok(['held', undefined].includes(again.body.status), again.text)
    await wait(1600)
    const end = await gate.call(token, 'pay.refund', { charge: 'ch_1', amount: 6000 }, 'k')
    assert.deepEqual([end.status, end.body.code], [409, 'expired'])
  })

  for (const batch of [2, 3]) {
    it(`an outcome, or a further attempt, that it was slow about is settled all the same (batch ${batch})`, async () => {
      const token = await gate.token()
      pay.lie({ kind: 'reset_after', method: 'POST' })
      await stall(batch)
      const asked = await gate.call(token, 'pay.refund', { charge: 'ch_1', amount: 100 }, 'k', { prefer: 'wait=0' })
      await wait(3000)
      const end = await gate.show(token, asked.body.call)
      assert.deepEqual([end.body.status, pay.effects.length], ['done', 1], end.text)
    })
  }
})
