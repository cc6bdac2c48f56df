import assert from 'node:assert/strict'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startPostgres } from '../backends/postgres.ts'
import type { Database } from '../backends/postgres.ts'
import type { House } from '../house/gateway.ts'
import { held, toldOf, town, until } from './house.ts'
import type { Town } from './house.ts'

describe('notices of two replicas on one PostgreSQL', function () {
  this.timeout(60_000)
  let server: Database
  let there: Town
  let gates: readonly [House, House]

  before(async () => {
    server = await startPostgres(['log_statement=none'])
    there = await town()
    const store = await server.fresh()
    const ledgerKey = `file://${join(there.where.dir, 'keystay.db.ledger-key')}`
    const replica = (): Promise<House> => there.start({ store, ledgerKey })
    gates = [await replica(), await replica()]
  })
  after(async () => {
    await Promise.all((gates ?? []).map((gate) => gate.stop()))
    await there?.end()
    await server?.stop()
  })

  it('are sent once each, whichever of them asked and whichever decided', async () => {
    const [one, other] = gates
    const calls = await Promise.all(Array.from({ length: 20 }, (_, i) => held(i % 2 === 0 ? one : other)))
    for (const call of calls) await toldOf(there.hook, 'call.held', call)
    await Promise.all(
      calls.map((call, i) =>
        i % 2 === 0
          ? other.approve('dana', call)
          : one.admin('omar', 'POST', `/admin/v1/calls/${call}/reject`, { reason: 'no' }),
      ),
    )
    for (const call of calls) await toldOf(there.hook, 'call.decided', call)
    await sleep(300)
    const ids = there.hook.received.map(({ id }) => id)
    assert.equal(new Set(ids).size, 40)
    assert.equal(ids.length, 40)
    assert.ok(there.hook.received.every(({ signed }) => signed))
  })

  it('are sent by the one that lives', async () => {
    const [one, other] = gates
    await other.stop()
    const call = await held(one)
    await toldOf(there.hook, 'call.held', call)
    const { body } = await until('delivered', async () => {
      const found = await one.admin('dana', 'GET', '/admin/v1/notices?status=waiting')
      return found.body.notices.every(({ kind }: { kind: string }) => kind !== 'call.held') ? found : null
    })
    assert.ok(body.notices.length > 0)
  })
})
