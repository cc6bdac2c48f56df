import { deepEqual, equal, ok } from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { startLying } from '../backends/lying.ts'
import type { LyingBackend } from '../backends/lying.ts'
import { startProcess } from '../demo/demo.ts'
import type { Started } from '../demo/demo.ts'
import { BACKEND_KEY, company } from './company.ts'
import { clientOf, house } from './gateway.ts'

describe('the end of a gateway', () => {
  let pay: LyingBackend
  let where: Awaited<ReturnType<typeof company>>

  beforeEach(async () => {
    pay = await startLying()
    const backend = `{ adapter: http, url: "${pay.url}", auth: { bearer: "env://KEYSTAY_TEST_KEY" }, private: true, timeout: 10s, lands_within: 100ms`
    where = await company(
      { pay: pay.url, shop: pay.url, blind: pay.url },
      {
        'backends.yaml': `backends:
  pay: ${backend}, idempotency: { header: Idempotency-Key, lives: 24h } }
  shop: ${backend} }
  blind: ${backend} }
`,
      },
    )
  })
  afterEach(async () => {
    await pay.close()
    await where.remove()
  })

  const sent = async (to: string): Promise<void> => {
    while (!pay.seen.some(({ method, url }) => method === 'POST' && url === to)) await sleep(10)
  }

  it('lets the running call end and settles it, takes no new one, and the next process goes on from there', async () => {
    const first = await serving(startServe(where))
    const token = await first.gate.token()
    pay.lie({ kind: 'slow', ms: 1500, method: 'POST' })
    const running = first.gate.call(token, 'pay.refund', { charge: 'ch_1', amount: 100 }, 'a')
    await sent('/v1/refunds')

    const signalled = performance.now()
    first.started.process.kill('SIGTERM')
    const second = serving(startServe(where))
    const ready = async () => [(await first.gate.agent('/readyz')).status, (await first.gate.agent('/livez')).status]
    while ((await ready())[0] === 200) ok(performance.now() - signalled < 500, '/readyz is still 200')
    deepEqual(await ready(), [503, 200])
    const refused = await first.gate.call(token, 'pay.refund', { charge: 'ch_2', amount: 100 }, 'b')
    equal(refused.status, 503)

    const answer = await running
    deepEqual([answer.status, answer.body.status], [200, 'done'])
    equal(await first.started.ended, 0)
    ok(performance.now() - signalled < 4000)

    const { gate, started, taken } = await second
    equal(taken, 0)
    const again = await gate.call(token, 'pay.refund', { charge: 'ch_1', amount: 100 }, 'a')
    deepEqual(
      [again.status, again.headers.get('idempotency-replayed'), again.body.call],
      [200, 'true', answer.body.call],
    )
    equal((await gate.call(token, 'pay.refund', { charge: 'ch_2', amount: 100 }, 'b')).status, 200)
    equal(pay.effects.length, 2)
    started.process.kill('SIGTERM')
    equal(await started.ended, 0)
  })

  it('waits no longer than it was told; what runs then is found by the next start, and happens once', async () => {
    const gate = await house(where)
    const token = await gate.token()
    pay.lie({ kind: 'slow', ms: 5000, method: 'POST' })
    const cut = gate.call(token, 'pay.refund', { charge: 'ch_1', amount: 100 }, 'a').catch(() => null)
    await sent('/v1/refunds')
    const began = performance.now()
    await gate.running.stop(300)
    ok(performance.now() - began < 1500)
    await cut

    const next = await house(where)
    const now = await next.call(token, 'pay.refund', { charge: 'ch_1', amount: 100 }, 'a', { prefer: 'wait=5' })
    deepEqual([now.status, now.body.status, pay.effects.length], [200, 'done', 1])
    await next.stop()
  })
})

function startServe(where: { dir: string; policies: string }): Started {
  const flags = ['--policies', where.policies, '--store', `sqlite:${where.dir}/keystay.db`, '--dev']
  const listen = ['--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0']
  return startProcess(['gateway/cli/main.ts', 'serve', ...flags, ...listen], { KEYSTAY_TEST_KEY: BACKEND_KEY })
}

/** Its log says where it listens. */
async function serving(started: Started) {
  for (;;) {
    const line = started
      .err()
      .split('\n')
      .find((one) => one.includes('"msg":"serving"'))
    if (line !== undefined) {
      const { agents, people, taken } = JSON.parse(line) as { agents: string; people: string; taken: number }
      return { started, taken, gate: clientOf(agents, people) }
    }
    if (started.process.exitCode !== null) throw new Error(`it ended: ${started.err()}`)
    await sleep(20)
  }
}
