import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { request } from 'node:http'
import type { ClientRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import Stripe from 'stripe'
import type { ServeOptions } from '../../gateway/main.ts'
import { compatHouse, sdkOf } from './house.ts'
import type { CompatHouse } from './house.ts'

/** What came of a refund, and whoever it was told to did not hear it: an equal request is told, and nothing is done twice. */
describe('an answer of the Stripe-shaped door that nobody heard', function () {
  this.timeout(30_000)
  let house: CompatHouse
  let token: string
  let number = 0

  const open = async (more: Partial<ServeOptions> = {}): Promise<void> => {
    house = await compatHouse(more)
    token = await house.gate.token('bot', 'open')
  }
  const charge = (): string => `ch_${++number}`
  const effects = (id: string): number => house.backends.pay.effects.filter(({ body }) => body['charge'] === id).length
  const patient = (): Stripe => sdkOf(house.url, token, { maxNetworkRetries: 0 })
  const refund = async (id: string, stripe = patient()): Promise<string> =>
    (await stripe.refunds.create({ charge: id, amount: 100 })).lastResponse.requestId
  /** A refund that was done while whoever asked for it had hung up. */
  const unheard = async (id: string): Promise<void> => {
    house.backends.pay.lie({ kind: 'slow', ms: 150, method: 'POST' })
    await assert.rejects(refund(id, sdkOf(house.url, token, { timeout: 50, maxNetworkRetries: 0 })))
    for (let tries = 0; effects(id) === 0 && tries < 200; tries++) await sleep(20)
    await sleep(300)
    assert.equal(effects(id), 1)
  }
  /** A refund that is asked for without the SDK, under a key as it makes them up. */
  const asked = (id: string): ClientRequest => {
    const headers = {
      authorization: `Bearer ${token}`,
      'content-type': 'application/x-www-form-urlencoded',
      'idempotency-key': `stripe-node-retry-${id}`,
    }
    const sent = request(`${house.url}/v1/refunds`, { method: 'POST', headers })
    sent.end(new URLSearchParams({ charge: id, amount: '100' }).toString())
    return sent
  }
  const closed = (sent: ClientRequest): Promise<unknown> =>
    new Promise((resolve) => sent.on('close', resolve).on('error', () => {}))
  afterEach(() => house.close())

  for (const at of ['call.received', 'call.valid']) {
    it(`is told to the next, where the second who asked had hung up too (${at})`, async () => {
      const hang = { at: '', up: (): void => {} }
      await open({ step: (name) => (name === hang.at ? hang.up() : undefined) })
      const id = charge()
      await unheard(id)
      const second = asked(id)
      Object.assign(hang, { at, up: () => second.destroy() })
      await closed(second)
      hang.at = ''
      await sleep(300)
      const told = await refund(id)
      assert.equal(effects(id), 1)
      assert.notEqual(await refund(id), told)
      assert.equal(effects(id), 2)
    })
  }

  it('is told to the next, where the first hung up while that it is told was written down', async () => {
    const hang = { up: (): void => {} }
    const folder = await mkdtemp(join(tmpdir(), 'keystay-telling-'))
    process.env['KEYSTAY_TEST_STALL'] = join(folder, 'stall')
    const workerUrl = new URL('../path/stalling-worker.ts', import.meta.url)
    await open({ workerUrl, step: (name) => (name === 'join.tells' ? hang.up() : undefined) })
    delete process.env['KEYSTAY_TEST_STALL']
    const id = charge()
    const first = asked(id)
    hang.up = () => {
      hang.up = () => {}
      // The write takes long enough for the gateway to hear of it.
      writeFileSync(join(folder, 'stall'), '1')
      first.destroy()
    }
    await closed(first)
    const told = await refund(id)
    assert.equal(effects(id), 1)
    assert.notEqual(await refund(id), told)
    assert.equal(effects(id), 2)
    await rm(folder, { recursive: true })
  })
})
