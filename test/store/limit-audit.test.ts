import { deepEqual, equal, match, ok } from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { checkLimits } from '../../gateway/cli/doctor/limits.ts'
import { startLying } from '../backends/lying.ts'
import type { LyingBackend } from '../backends/lying.ts'
import { company, writePolicies } from '../house/company.ts'
import { house } from '../house/gateway.ts'
import type { House } from '../house/gateway.ts'

const ROLE = (limit: string): string => `role: agent
describe: The agent of the tests.
owners: [leads]
session: { lifetime: 2h }
issue_to: [{ issuer: demo, where: 'claims.sub == "bot"' }]
grants:
  pay.look: { rate: 20 per hour }
  pay.refund:
    max: 200.00 USD
    budget: { name: daily, limit: ${limit} }
    rate: 30 per hour
    approval: { above: 50.00 USD, by: 1 of finance, expires: 4h }
  shop.order: { serialize: input.item }
  blind.note:
`

describe('the limits, added up from the entries', function () {
  this.timeout(30_000)
  let pay: LyingBackend
  let where: Awaited<ReturnType<typeof company>>
  let gate: House
  let store: string

  before(async () => {
    pay = await startLying({ idempotency: false })
    where = await company(
      { pay: pay.url, shop: pay.url, blind: pay.url },
      { 'roles/agent.yaml': ROLE('500.00 USD per day') },
    )
    store = `sqlite:${join(where.dir, 'keystay.db')}`
    gate = await house(where, { lookEvery_ms: 20 })
    const token = await gate.token()
    const refund = (amount: number, key: string) => gate.call(token, 'pay.refund', { charge: 'ch_1', amount }, key)
    // Each way in which a call moves a limit: done, held, rejected, approved, denied, refused, in doubt, for people.
    await refund(3000, 'done')
    const [held, rejected, approved] = [await refund(6000, 'a'), await refund(6100, 'b'), await refund(6200, 'c')]
    equal(held.body.status, 'held')
    await gate.admin('dana', 'POST', `/admin/v1/calls/${rejected.body.call}/reject`, { reason: 'no' })
    equal((await gate.approve('dana', approved.body.call)).status, 200)
    await refund(90_000, 'too-much')
    await refund(0, 'no-amount')
    await gate.call(token, 'no.such.action', {}, 'x')
    pay.lie({ kind: 'status_without', status: 404, method: 'POST' })
    await refund(500, 'refused')
    pay.lie({ kind: 'status_with', status: 500, method: 'POST' })
    await gate.call(token, 'blind.note', { text: 'x' }, 'for-people', { prefer: 'wait=1' })
    await gate.call(token, 'pay.look', { charge: 'ch_1' })
    await gate.call(token, 'shop.order', { item: 'cup' }, 'cup')
  })
  after(async () => {
    await gate.stop()
    await pay.close()
    await where.remove()
  })

  let copies = 0
  /** What the check says of a copy with this one change made to its tables. */
  const withChange = async (change: string): Promise<string[]> => {
    const file = join(where.dir, `copy-${++copies}.db`)
    const served = new DatabaseSync(join(where.dir, 'keystay.db'))
    served.exec(`VACUUM INTO '${file}'`)
    served.close()
    const database = new DatabaseSync(file)
    database.exec('PRAGMA journal_mode = WAL')
    ok(Number(database.prepare(change).run().changes) > 0, `nothing changed: ${change}`)
    database.close()
    return (await checkLimits(`sqlite:${file}`)).map(({ level, message }) => `${level} ${message}`)
  }
  const USED = `limit_id = (SELECT limit_id FROM limit_uses WHERE used = 9200)`

  it('are those that decide, beside a running gateway', async () => {
    const [found] = await checkLimits(store)
    deepEqual([found?.level, found?.check], ['ok', 'limits'], found?.message)
    match(found?.message ?? '', /^\d+ limits as the entries of the ledger add up, \d+ calls as their last entries say$/)
  })

  for (const [what, change, says] of [
    [
      'less used',
      `UPDATE limit_uses SET used = 9100 WHERE ${USED}`,
      /^fail daily \(lim_\w+\): used since \d{4}-.*Z is 9100, and the entries say 9200$/,
    ],
    [
      'more used',
      `UPDATE limit_uses SET used = 9201 WHERE ${USED}`,
      /^fail daily .* is 9201, and the entries say 9200$/,
    ],
    ['a bucket that is gone', `DELETE FROM limit_uses WHERE ${USED}`, /^fail daily .* is 0, and the entries say 9200$/],
    [
      'a bucket of another time',
      `UPDATE limit_uses SET bucket = bucket + 86400000 WHERE ${USED}`,
      /^fail daily .* is 9200, and the entries say 0; .* is 0, and the entries say 9200$/,
    ],
    [
      'less held',
      `UPDATE limits SET held = 0 WHERE held = 6000`,
      /^fail daily \(lim_\w+\): held is 0, and the entries say 6000$/,
    ],
    [
      'more held',
      `UPDATE limits SET held = held + 1 WHERE held = 6000`,
      /^fail daily .*: held is 6001, and the entries say 6000$/,
    ],
    [
      'a limit that is gone',
      `DELETE FROM limits WHERE held = 6000`,
      /^fail daily .*: entries move it, and it has no row$/,
    ],
    [
      'nothing wrong, and a call in another state than its last entry says',
      `UPDATE calls SET state = 'done', data = replace(data, '"state":"held"', '"state":"done"') WHERE state = 'held'`,
      /^fail the call call_\w+ is done after call\.held$/,
    ],
    [
      'a limit of nothing',
      `INSERT INTO limits VALUES ('lim_x', 1, NULL)`,
      /^fail lim_x: held is 1, and the entries say 0$/,
    ],
  ] as const) {
    it(`names a limit with ${what}`, async () => {
      const said = await withChange(change)
      equal(said.length, 1, said.join('\n'))
      match(said[0] ?? '', says)
    })
  }

  it('takes what a policy says of a limit that it makes new, and no more', async () => {
    const { policyDigest: before } = gate.running
    await writePolicies(where.policies, { 'roles/agent.yaml': ROLE('500.00 USD per rolling 24h') })
    for (let n = 0; gate.running.policyDigest === before && n < 100; n++) await sleep(50)
    ok(gate.running.policyDigest !== before, gate.log.join('\n'))
    const fine = await checkLimits(store)
    equal(fine[0]?.level, 'ok', fine[0]?.message)
    const database = new DatabaseSync(join(where.dir, 'keystay.db'))
    const twice = database.prepare('SELECT COUNT(*) AS count FROM limit_uses WHERE used = 9200').get()
    database.close()
    equal(twice?.['count'], 2, 'the new limit began with what calls took')
    const said = await withChange(`UPDATE limit_uses SET used = 9300 WHERE used = 9200`)
    equal(said.length, 2)
    match(said.join('\n'), /daily .* is 9300, and the entries say 0/)
  })
})
