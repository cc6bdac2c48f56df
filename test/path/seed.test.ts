import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startLying } from '../backends/lying.ts'
import type { LyingBackend } from '../backends/lying.ts'
import { company } from '../house/company.ts'
import { house } from '../house/gateway.ts'
import type { Answer, House } from '../house/gateway.ts'

describe('an edit of the policy is no way to a fresh budget', function () {
  this.timeout(30_000)
  let pay: LyingBackend
  let where: Awaited<ReturnType<typeof company>>
  let gate: House
  let token: string
  let number = 0

  beforeEach(async () => {
    pay = await startLying()
    where = await company({ pay: pay.url, shop: pay.url, blind: pay.url })
    gate = await house(where)
    token = await gate.token()
  })
  afterEach(async () => {
    await gate.stop()
    await pay.close()
    await where.remove()
  })

  const ask = (amount: number): Promise<Answer> =>
    gate.call(token, 'pay.refund', { charge: `ch_${++number}`, amount }, `k${number}`)
  const edit = async (change: (text: string) => string): Promise<void> => {
    await gate.stop()
    const path = join(where.policies, 'roles/agent.yaml')
    await writeFile(path, change(await readFile(path, 'utf8')))
    gate = await house(where)
    token = await gate.token()
  }
  const budget = (line: string) => (text: string) => text.replace(/    budget: .*/, `    budget: ${line}`)
  const limits = (answer: Answer) =>
    answer.body.limits.map(({ name, used, held }: { name: string; used: number; held: number }) => [name, used, held])

  it('a limit that is new begins with what the calls of its window took and hold', async () => {
    for (let n = 0; n < 4; n++) assert.equal((await ask(5000)).status, 200)
    const held = await ask(10_000)
    assert.equal(held.body.status, 'held')
    await edit(budget('[{ name: daily, limit: 500.00 USD per day }, { name: monthly, limit: 310.00 USD per month }]'))
    const over = await ask(1001)
    assert.deepEqual([over.status, over.body.because], [403, ['grants.pay.refund.monthly']])
    const last = await ask(1000)
    assert.deepEqual(limits(last), [
      ['daily', 21_000, 10_000],
      ['monthly', 21_000, 10_000],
    ])
    // What it holds of the new limit is settled with the call.
    await gate.approve('dana', held.body.call)
    assert.deepEqual(limits(await gate.show(token, last.body.call)), [
      ['daily', 31_000, 0],
      ['monthly', 31_000, 0],
    ])
  })

  it('another window, time zone or key is a new limit; another maximum is the same', async () => {
    for (let n = 0; n < 2; n++) await ask(5000)
    const edits = [
      '{ name: daily, limit: 101.00 USD per day }',
      '{ name: daily, limit: 101.00 USD per rolling 24h }',
      '{ name: daily, limit: 101.00 USD per week, by: requester }',
    ]
    for (const line of edits) {
      await edit(budget(line))
      assert.deepEqual((await ask(200)).body.because, ['grants.pay.refund.daily'], line)
    }
    await edit((text) => text.replace('owners: [leads]', 'owners: [leads]\ntimezone: Pacific/Auckland'))
    assert.deepEqual((await ask(200)).body.because, ['grants.pay.refund.daily'])
  })

  it('a limit that two new lines share is counted once', async () => {
    await ask(5000)
    const window = '{ above: 90.00 USD per rolling 24h, by: 1 of finance, expires: 4h }'
    await edit((text) =>
      budget('{ name: daily, limit: 500.00 USD per rolling 24h }')(text).replace(
        '    approval:\n',
        `    approval:\n      - ${window}\n`,
      ),
    )
    assert.deepEqual(limits(await ask(100)), [['daily', 5100, 0]])
  })

  it('a limit that goes and comes back counts what was done meanwhile, once', async () => {
    await ask(5000)
    await edit(budget('{ name: weekly, limit: 500.00 USD per week }'))
    await ask(5000)
    await edit(budget('{ name: daily, limit: 500.00 USD per day }'))
    assert.deepEqual(limits(await ask(100)), [['daily', 10_100, 0]])
    await edit((text) => text.replace('describe: The agent', 'describe: An agent'))
    assert.deepEqual(limits(await ask(100)), [['daily', 10_200, 0]])
  })

  it('the entry that loads the policy names what it moves', async () => {
    await ask(5000)
    await edit(budget('{ name: weekly, limit: 500.00 USD per week }'))
    await gate.stop()
    const { readSqlite } = await import('../../gateway/store/sqlite.ts')
    const reader = readSqlite(join(where.dir, 'keystay.db'))
    const rows = await reader.all<{ bytes: Uint8Array | string }>(
      "SELECT bytes FROM entries WHERE kind = 'policy.loaded' ORDER BY idx",
    )
    await reader.close()
    const { seeded } = JSON.parse(Buffer.from(rows.at(-1)?.bytes ?? '').toString()) as { seeded: { limit: string }[] }
    assert.deepEqual(
      seeded.map(({ limit: _limit, ...rest }) => rest),
      [{ name: 'weekly', unit: 'USD', window: 'week', held: 0, used: 5000 }],
    )
    gate = await house(where)
  })
})
