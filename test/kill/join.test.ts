import assert from 'node:assert/strict'
import { join } from 'node:path'
import { verifyStore } from '../../gateway/store/verify.ts'
import { startLying } from '../backends/lying.ts'
import type { LyingBackend } from '../backends/lying.ts'
import { standing } from '../compat/house.ts'
import { company } from '../house/company.ts'
import { gatewayProcess } from './process.ts'
import type { GatewayProcess } from './process.ts'

/**
 * Where the gateway dies. An equal request of another key is told what came of the first, though between the mark and the
 * answer nobody can know whether the answer arrived: for whoever would be told twice that is less than a second refund.
 */
const STEPS = ['join.tells#1', 'join.told#1']

describe('kill -9 around a request whose key an SDK made up', function () {
  this.timeout(60_000)
  let pay: LyingBackend
  let where: Awaited<ReturnType<typeof company>>
  let gate: GatewayProcess
  before(async () => {
    pay = await startLying()
    where = await company({ pay: pay.url, shop: pay.url, blind: pay.url })
    await standing(where.policies)
    gate = await gatewayProcess(where)
  })
  after(async () => {
    await gate?.stop()
    await pay?.close()
    await where?.remove()
  })

  for (const [index, step] of STEPS.entries()) {
    it(`at ${step}: one effect for its key, and an equal request is told of it, once`, async () => {
      const charge = `ch_${index}`
      const token = await gate.token()
      const ask = async (key: string): Promise<string> => {
        const answer = await fetch(`${gate.stripeUrl}/v1/refunds`, {
          method: 'POST',
          headers: {
            authorization: `Bearer ${token}`,
            'content-type': 'application/x-www-form-urlencoded',
            'idempotency-key': `stripe-node-retry-${index}-${key}`,
          },
          body: new URLSearchParams({ charge, amount: '100' }).toString(),
        })
        assert.equal(answer.status, 200, await answer.text())
        return answer.headers.get('request-id') ?? ''
      }
      const effects = (): number => pay.effects.filter(({ body }) => body['charge'] === charge).length
      const [at = '', turn = '1'] = step.split('#')
      await gate.arm(at, Number(turn))
      await ask('first').catch(() => null)
      assert.equal(await gate.died(5000), true, `it must die at ${step}`)
      gate = await gatewayProcess(where)

      const other = await ask('other')
      assert.equal(effects(), 1)
      const first = await ask('first')
      assert.equal(first, other)
      const third = await ask('third')
      assert.ok(third !== other && third !== first)
      assert.deepEqual([await ask('first'), await ask('other'), await ask('third')], [first, other, third])
      assert.equal(effects(), 2)
      assert.deepEqual((await verifyStore(join(where.dir, 'keystay.db'))).problems, [])
    })
  }
})
