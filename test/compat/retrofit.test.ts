import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import Stripe from 'stripe'
import { createExpressApp } from 'stripe-stateful-mock'
import { BACKEND_KEY, company } from '../house/company.ts'
import { house } from '../house/gateway.ts'
import type { House } from '../house/gateway.ts'
import { COMPAT, standing } from './house.ts'

const run = promisify(execFile)
const at = (name: string): string => fileURLToPath(new URL(`retrofit/${name}`, import.meta.url))

describe('an agent that had a key of Stripe’s', function () {
  this.timeout(30_000)
  let server: Server
  let where: Awaited<ReturnType<typeof company>>
  let gate: House
  let stripe: Stripe
  before(async () => {
    server = createExpressApp().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    stripe = new Stripe('sk_test_reader', { host: '127.0.0.1', port, protocol: 'http', telemetry: false })
    const url = `http://127.0.0.1:${port}`
    where = await company({ pay: url, shop: url, blind: url })
    // The agent says why; this company's refunds have no such member.
    const ignoring = COMPAT['pay.refund']?.replace('[expand]', '[expand, reason]') ?? ''
    await standing(where.policies, { ...COMPAT, 'pay.refund': ignoring })
    gate = await house(where, { stripeListen: '127.0.0.1:0' })
  })
  after(async () => {
    await gate?.stop()
    server?.close()
    server?.closeAllConnections()
    await where?.remove()
  })

  it('changes in one line', async () => {
    const [before, after] = await Promise.all(['before.ts', 'after.ts'].map((name) => readFile(at(name), 'utf8')))
    const [old, changed] = [before ?? '', after ?? ''].map((text) => text.split('\n'))
    assert.equal(old?.length, changed?.length)
    assert.equal(old?.filter((line, index) => line !== changed?.[index]).length, 1)
    // Exit 1 says that they differ. Where there is no git the lines have said it.
    const { stdout } = await run('git', ['diff', '--no-index', '--numstat', at('before.ts'), at('after.ts')]).catch(
      (error: { code?: unknown; stdout?: string }) => ({
        stdout: error.code === 'ENOENT' ? '1\t1\t' : (error.stdout ?? ''),
      }),
    )
    assert.match(stdout, /^1\t1\t/)
  })

  it('refunds under the limit as before, is refused above it with the reason, and has no key', async () => {
    const { id: charge } = await stripe.charges.create({ amount: 40_000, currency: 'usd', source: 'tok_visa' })
    const asked = [3000, 25_000, 3000].map((amount) => ({ charge, amount }))
    const { port } = new URL(gate.running.stripeUrl ?? '')
    const { stdout } = await run(process.execPath, [at('after.ts'), JSON.stringify(asked), port], {
      env: { KST: await gate.token() },
    })
    const [small, large, again, env] = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { [name: string]: string })
    assert.deepEqual([small?.['status'], small?.['amount']], ['succeeded', 3000])
    assert.deepEqual([large?.['type'], large?.['code']], ['StripePermissionError', 'denied'])
    assert.match(large?.['message'] ?? '', /grants\.pay\.refund\.max: never more than 200\.00 USD at once/)
    assert.notEqual(again?.['id'], small?.['id'])
    // Node hands on by itself that coverage is measured.
    const given = Object.keys(env ?? {}).filter((name) => name !== 'NODE_V8_COVERAGE')
    assert.deepEqual(given, ['KST'])
    assert.ok(!stdout.includes(BACKEND_KEY) && !stdout.includes('sk_test'))

    const refunds = await stripe.refunds.list({ charge, limit: 10 })
    assert.deepEqual(refunds.data.map(({ id }) => id).sort(), [small?.['id'], again?.['id']].sort())
  })
})
