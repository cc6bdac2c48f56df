import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import Stripe from 'stripe'
import { createExpressApp } from 'stripe-stateful-mock'
import { company } from '../house/company.ts'
import { house } from '../house/gateway.ts'
import type { House } from '../house/gateway.ts'

describe('a Stripe of another maker, read with the official package', function () {
  this.timeout(30_000)
  let server: Server
  let stripe: Stripe
  let where: Awaited<ReturnType<typeof company>>
  let gate: House

  before(async () => {
    server = createExpressApp().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    stripe = new Stripe('sk_test_reader', {
      host: '127.0.0.1',
      port,
      protocol: 'http',
      maxNetworkRetries: 0,
      telemetry: false,
    })
    const url = `http://127.0.0.1:${port}`
    where = await company({ pay: url, shop: url, blind: url })
    gate = await house(where)
  })
  after(async () => {
    await gate?.stop()
    server?.close()
    server?.closeAllConnections()
    await where?.remove()
  })

  it('holds exactly the refunds that were allowed, each with its call', async () => {
    const token = await gate.token()
    const charges = await Promise.all(
      [12_000, 12_000, 30_000, 12_000].map((amount) =>
        stripe.charges.create({ amount, currency: 'usd', source: 'tok_visa' }),
      ),
    )
    const [small, held, large, rejected] = charges.map(({ id }) => id)
    const ask = (charge: string | undefined, amount: number, key: string) =>
      gate.call(token, 'pay.refund', { charge, amount }, key)

    const done = await ask(small, 3000, 'small')
    assert.equal(done.status, 200, done.text)
    assert.equal((await ask(small, 3000, 'small')).body.call, done.body.call)
    assert.equal((await ask(large, 25_000, 'large')).body.code, 'denied')
    const tooMuch = await ask(small, 10_000, 'too-much')
    assert.equal(tooMuch.body.because?.[0], 'grants.pay.refund.require[0]', tooMuch.text)
    const waiting = await ask(held, 12_000, 'held')
    assert.equal((await gate.approve('dana', waiting.body.call)).body.status, 'done')
    const no = await ask(rejected, 6000, 'rejected')
    await gate.admin('dana', 'POST', `/admin/v1/calls/${no.body.call}/reject`, { reason: 'no' })

    const refunds = await stripe.refunds.list({ limit: 100 })
    // Files that run in this process share the mock: its refunds of other charges are theirs.
    const own = refunds.data.filter(({ charge }) => [small, large, held, rejected].includes(String(charge)))
    const found = own.map(({ charge, amount, metadata }) => [charge, amount, metadata?.['keystay_call']])
    assert.deepEqual(
      found.sort(),
      [
        [small, 3000, done.body.call],
        [held, 12_000, waiting.body.call],
      ].sort(),
    )
  })
})
