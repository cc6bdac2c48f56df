import { deepEqual, equal, ok } from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { startHanging } from '../backends/hanging.ts'
import type { HangingBackend } from '../backends/hanging.ts'
import { startLying } from '../backends/lying.ts'
import type { LyingBackend } from '../backends/lying.ts'
import { company } from '../house/company.ts'
import { house } from '../house/gateway.ts'
import type { Answer, House } from '../house/gateway.ts'

const tally = (answers: readonly Answer[]): { [said: string]: number } => {
  const counts: { [said: string]: number } = {}
  for (const { status, body } of answers) {
    const said = `${status} ${body.code ?? body.status}`
    counts[said] = (counts[said] ?? 0) + 1
  }
  return counts
}

/** One that was looked for while all attempts had hung is known not to have happened. */
const SETTLED = ['done', 'refused']

describe('a backend that hangs', function () {
  this.timeout(60_000)
  let shop: HangingBackend
  let pay: LyingBackend
  let where: Awaited<ReturnType<typeof company>>
  let gate: House
  let token: string

  const begin = async (breaker: string): Promise<void> => {
    shop = await startHanging()
    pay = await startLying()
    const common = `private: true, lands_within: 100ms`
    const calm = 'breaker: { open_after: 100%, of: 10000, for: 1s }'
    where = await company(
      { pay: pay.url, shop: shop.url, blind: pay.url },
      {
        'backends.yaml': `backends:
  pay: { adapter: http, url: "${pay.url}", auth: { bearer: "env://KEYSTAY_TEST_KEY" }, idempotency: { header: Idempotency-Key, lives: 24h }, timeout: 1s, ${common}, ${calm} }
  shop: { adapter: http, url: "${shop.url}", auth: { bearer: "env://KEYSTAY_TEST_KEY" }, idempotency: { header: Idempotency-Key, lives: 24h }, ${common}, ${breaker} }
  blind: { adapter: http, url: "${pay.url}", auth: { bearer: "env://KEYSTAY_TEST_KEY" }, timeout: 1s, ${common}, ${calm} }
`,
      },
    )
    gate = await house(where)
    token = await gate.token()
  }
  afterEach(async () => {
    shop.hang(false)
    await gate.stop()
    await Promise.all([shop.close(), pay.close()])
    await where.remove()
  })

  const order = (n: number, wait = 0): Promise<Answer> =>
    gate.call(token, 'shop.order', { item: 'cup' }, `order-${n}`, { prefer: `wait=${wait}` })
  const orders = (from: number, count: number): Promise<Answer[]> =>
    Promise.all(Array.from({ length: count }, (_, n) => order(from + n)))
  const refund = (n: number): Promise<Answer> =>
    gate.call(token, 'pay.refund', { charge: `ch_${n}`, amount: 100 }, `refund-${n}`)

  it('gets so many calls and no more; the rest are shed before anything is kept, and other backends go on', async () => {
    await begin('timeout: 20s, breaker: { open_after: 100%, of: 10000, for: 1s }')
    shop.hang(true)
    const said = [...(await orders(0, 700)), ...(await orders(700, 700))]
    deepEqual(tally(said), { '202 running': 1024, '503 overloaded': 376 })
    const shed = said.find(({ status }) => status === 503)
    deepEqual([shed?.headers.get('retry-after'), shed?.body.retry, shed?.body.entry], ['1', 'same_key', undefined])
    const calls = await gate.admin('dana', 'GET', '/admin/v1/calls?action=shop.order&limit=500')
    ok(calls.body.cursor, 'there are more than a page of them')
    equal((await gate.agent('/readyz')).status, 200)

    // Long polls on them are answered at once where too many wait already: the door is never full of them.
    const { call } = (await order(0)).body
    const looks = Array.from({ length: 1400 }, () => gate.show(token, call, 4))
    const began = performance.now()
    equal((await Promise.race(looks)).body.status, 'running')
    ok(performance.now() - began < 3800)
    deepEqual(tally(await Promise.all(Array.from({ length: 5 }, (_, n) => refund(n)))), { '200 done': 5 })
    const metrics = await gate.admin('dana', 'GET', '/metrics')
    ok(metrics.text.includes('keystay_backend_calls{backend="shop"} 1024'), 'places')
    ok(metrics.text.includes('keystay_calls_shed_total{backend="shop"} 376'), 'shed')
    await Promise.all(looks)

    // The key of a call that was shed is free.
    shop.hang(false)
    await gate.running.stop(100)
    gate = await house(where)
    token = await gate.token()
    // Those that the start took over count as well, until they are settled.
    let again = await order(1399, 10)
    for (let n = 0; again.status === 503 && n < 50; n++) {
      await sleep(200)
      again = await order(1399, 10)
    }
    deepEqual([again.status, again.body.status, again.headers.get('idempotency-replayed')], [200, 'done', null])
  })

  it('is left alone; what has not been sent is freed at once, and what is in doubt settles when it is back', async () => {
    await begin('timeout: 1s, breaker: { open_after: 50%, of: 20, for: 2s }')
    shop.hang(true)
    const before = await orders(0, 200)
    ok(
      before.every(({ status }) => status === 202),
      JSON.stringify(tally(before)),
    )
    const freed = async (): Promise<Answer[]> => Promise.all(before.map(({ body }) => gate.show(token, body.call)))
    let after = await freed()
    for (let n = 0; (tally(after)['200 not_sent'] ?? 0) < 110 && n < 50; n++) {
      await sleep(100)
      after = await freed()
    }
    // 64 at a time: the others never left the queue, and learn so as soon as twenty have failed.
    const { most } = shop.open()
    ok(most <= 84, `${most} were sent`)
    ok((tally(after)['200 not_sent'] ?? 0) >= 110, JSON.stringify(tally(after)))
    deepEqual(tally(await orders(1000, 3)), { '503 backend_unavailable': 3 })
    deepEqual(tally([await refund(1)]), { '200 done': 1 })

    await sleep(2500)
    shop.hang(false)
    const doubtful = before.filter((_, n) => after[n]?.body.status !== 'not_sent').map(({ body }) => body.call)
    const end = performance.now() + 20_000
    let ends: Answer[] = []
    do {
      await sleep(300)
      ends = await Promise.all(doubtful.map((id) => gate.show(token, id)))
    } while (ends.some(({ body }) => !SETTLED.includes(body.status)) && performance.now() < end)
    ok(
      ends.every(({ body }) => SETTLED.includes(body.status)),
      JSON.stringify(tally(ends)),
    )
    equal(shop.effects.size, tally(ends)['200 done'], 'each that is done happened once')
    ok(shop.effects.size >= doubtful.length - 5, JSON.stringify(tally(ends)))
    deepEqual(tally([await order(5000, 10)]), { '200 done': 1 })
  })
})
