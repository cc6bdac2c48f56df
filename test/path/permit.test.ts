import assert from 'node:assert/strict'
import { startLying } from '../backends/lying.ts'
import type { LyingBackend } from '../backends/lying.ts'
import { company } from '../house/company.ts'
import { house } from '../house/gateway.ts'
import type { House } from '../house/gateway.ts'

describe('a permit lasts 700 ms', () => {
  let pay: LyingBackend
  let where: Awaited<ReturnType<typeof company>>
  let gate: House
  let between: (() => void) | null = null
  let paused = false

  beforeEach(async () => {
    between = null
    paused = false
    pay = await startLying()
    where = await company({ pay: pay.url, shop: pay.url, blind: pay.url })
    gate = await house(where, {
      step(name) {
        // The writer has it right behind the call: it is on its way to the ledger before the attempt begins.
        if (name === 'call.weighed') queueMicrotask(() => between?.())
        if (name !== 'attempt.begins' || !paused) return
        paused = false
        standStill(800)
      },
    })
  })
  afterEach(async () => {
    await gate.stop()
    await pay.close()
    await where.remove()
  })

  const sam = { id: 'demo:sam', name: 'Sam', groups: ['security'] }
  /** The process stands still after the intent, as after a SIGSTOP, while the store's thread goes on. */
  const standStill = (ms: number): void => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)

  it('is renewed after a pause, and the call runs', async () => {
    const token = await gate.token()
    paused = true
    const answer = await gate.call(token, 'pay.refund', { charge: 'ch_1', amount: 100 }, 'a')
    assert.deepEqual([answer.status, pay.effects.length], [200, 1])
  })

  it('is not renewed once the session was revoked: no byte leaves, the call is cancelled', async () => {
    const token = await gate.token()
    const { session } = (await gate.agent('/v1/session', { headers: { authorization: `Bearer ${token}` } })).body
    let revoked: Promise<unknown> | null = null
    between = () => (revoked ??= gate.running.gateway.people.revoke(sam, session))
    paused = true
    const answer = await gate.call(token, 'blind.note', { text: 'x' }, 'a')
    assert.notEqual(await revoked, null)
    assert.deepEqual([answer.status, answer.body.code, pay.effects.length], [409, 'cancelled', 0], answer.text)
  })

  it('is not renewed under a freeze: nothing is sent and the key is free', async () => {
    const token = await gate.token()
    let frozen: Promise<unknown> | null = null
    between = () => (frozen ??= gate.running.gateway.people.setSwitch(sam, 'all', true, 'fire'))
    paused = true
    const answer = await gate.call(token, 'pay.refund', { charge: 'ch_1', amount: 100 }, 'a')
    assert.notEqual(await frozen, null)
    between = null
    assert.deepEqual(
      [answer.status, answer.body.code, pay.effects.length],
      [503, 'backend_unavailable', 0],
      answer.text,
    )
    await gate.running.gateway.people.setSwitch(sam, 'all', false, 'out')
    assert.equal((await gate.call(token, 'pay.refund', { charge: 'ch_1', amount: 100 }, 'a')).status, 200)
  })
})
