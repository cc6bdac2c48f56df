import assert from 'node:assert/strict'
import { startPostgres } from '../backends/postgres.ts'
import type { Database } from '../backends/postgres.ts'
import { startProxy } from '../backends/postgres-proxy.ts'
import type { Cut, Proxy } from '../backends/postgres-proxy.ts'
import { BACKEND_KEY, company } from '../house/company.ts'
import { house } from '../house/gateway.ts'
import type { Answer, House } from '../house/gateway.ts'

describe('orders in a PostgreSQL, through the gateway', function () {
  this.timeout(60_000)
  let database: Database
  let proxy: Proxy
  let where: Awaited<ReturnType<typeof company>>
  let gate: House
  let token: string
  let keys = 0

  before(async () => {
    database = await startPostgres()
    await database.sql(`
      create role broker login password '${BACKEND_KEY}';
      create table orders (
        id uuid primary key default gen_random_uuid(), status text not null default 'open',
        total numeric(10, 2) not null default 12.50, cancel_reason text, cancelled_by text);
      grant select, update on orders to broker`)
    proxy = await startProxy(database.port)
    const nowhere = 'http://127.0.0.1:9'
    where = await company({ pay: nowhere, shop: nowhere, blind: nowhere }, policyOf(proxy.port))
    gate = await house(where)
    token = await gate.token('bot', 'clerk')
  })
  after(async () => {
    await gate?.stop()
    await proxy?.close()
    await database?.stop()
    await where?.remove()
  })

  const order = async (status = 'open'): Promise<string> => {
    const [made] = await database.sql('insert into orders (status) values ($1) returning id', [status])
    return String(made?.['id'])
  }
  const stored = async (id: string): Promise<unknown> =>
    (await database.sql('select status, cancel_reason, cancelled_by from orders where id = $1', [id]))[0]
  const cancel = (id: string, key = `k${++keys}`, action = 'orders.cancel'): Promise<Answer> =>
    gate.call(token, action, { order: id, reason: `it's "late"` }, key)
  const settled = async (answer: Answer): Promise<Answer> => {
    for (let tries = 0; tries < 50; tries++) {
      const shown = await gate.show(token, answer.body.call, 1)
      if (!['running', 'unknown'].includes(shown.body.status)) return shown
    }
    throw new Error('it never settled')
  }

  it('are cancelled once, with the call in the row and in the log of the server', async () => {
    const id = await order()
    const first = await cancel(id, 'once')
    assert.deepEqual([first.status, first.body.output], [200, [{ id, status: 'cancelled' }]], first.text)
    const again = await cancel(id, 'once')
    assert.deepEqual([again.body.call, again.body.output], [first.body.call, first.body.output])
    assert.deepEqual(await stored(id), {
      status: 'cancelled',
      cancel_reason: `it's "late"`,
      cancelled_by: first.body.call,
    })
    const updates = database.log.filter((line) => line.includes(first.body.call) && line.includes('update orders'))
    assert.equal(updates.length, 1)
    assert.ok(updates[0]?.startsWith(`[keystay ${first.body.call} clerk]`), updates[0])
  })

  it('are refused when the statement does not change one row', async () => {
    const id = await order('shipped')
    const answer = await cancel(id)
    assert.deepEqual([answer.status, answer.body.code], [424, 'backend_refused'])
    assert.match(answer.body.detail, /no row fits, and exactly 1 must; nothing was changed/)
    assert.deepEqual(await stored(id), { status: 'shipped', cancel_reason: null, cancelled_by: null })
  })

  const doubts: readonly [Cut, 'done' | 'refused'][] = [
    ['lost_answer', 'done'],
    ['lost_request', 'refused'],
    ['fails_with_effect', 'done'],
    ['silent_without_effect', 'refused'],
  ]
  for (const [cut, truth] of doubts) {
    it(`in doubt at COMMIT (${cut}) are looked up, and end ${truth}`, async () => {
      const id = await order()
      proxy.cut(cut)
      const answer = await settled(await cancel(id))
      assert.equal(answer.body.status, truth, answer.text)
      assert.deepEqual(await stored(id), {
        status: truth === 'done' ? 'cancelled' : 'open',
        cancel_reason: truth === 'done' ? `it's "late"` : null,
        cancelled_by: truth === 'done' ? answer.body.call : null,
      })
      const story = await gate.admin('dana', 'GET', `/admin/v1/calls/${answer.body.call}`)
      assert.match(story.text, /call\.unknown/)
      assert.match(story.text, /call\.reconciled/)
    })
  }

  it('whose statement was cut off before COMMIT leave the key free', async () => {
    const id = await order()
    // another transaction holds the row until the server's statement_timeout
    await database.sql('begin')
    await database.sql('select from orders where id = $1 for update', [id])
    const answer = await cancel(id, 'slow')
    await database.sql('rollback')
    assert.deepEqual([answer.status, answer.body.code], [503, 'backend_unavailable'], answer.text)
    const again = await cancel(id, 'slow')
    assert.equal(again.status, 200, again.text)
  })

  it('are decided by a fact of SQL, null where there is no row', async () => {
    const answers = [
      await cancel(await order(), undefined, 'orders.careful'),
      await cancel(await order('shipped'), undefined, 'orders.careful'),
      await cancel('00000000-0000-4000-8000-000000000000', undefined, 'orders.careful'),
    ]
    assert.deepEqual(
      answers.map(({ status, body }) => [status, body.code ?? body.status, body.detail]),
      [
        [200, 'done', undefined],
        [403, 'denied', 'grants.orders.careful.require[1]: It has left the house.'],
        [403, 'denied', 'grants.orders.careful.require[0]: There is no such order.'],
      ],
    )
  })

  it('are read', async () => {
    const id = await order()
    const answer = await gate.call(token, 'orders.get', { order: id })
    assert.deepEqual([answer.status, answer.body.output], [200, [{ id, total: '12.50' }]], answer.text)
  })

  it('show nobody the password', async () => {
    const log = gate.log.join('\n')
    const answers = await Promise.all(
      ['/admin/v1/calls', '/admin/v1/sessions'].map((path) => gate.admin('dana', 'GET', path)),
    )
    assert.ok(![log, ...answers.map(({ text }) => text)].some((text) => text.includes(BACKEND_KEY)))
  })
})

function policyOf(port: number): { [path: string]: string } {
  return {
    'orders-db.yaml': `backends:
  orders-db:
    adapter: postgres
    url: postgres://127.0.0.1:${port}/postgres
    private: true
    auth: { user: broker, password: "env://KEYSTAY_TEST_KEY" }
    timeout: 500ms
    lands_within: 200ms
    breaker: { open_after: 100%, of: 10000, for: 1s }
`,
    'actions/orders.yaml': `${cancelling('orders.cancel', '')}---
${cancelling(
  'orders.careful',
  `facts:
  order:
    read: select status from orders where id = $1
    params: ["\${input.order}"]
    rows: 0..1
    keep: { status: string }
`,
)}---
action: orders.get
describe: Look up an order.
effect: read
input:
  order: { type: string, format: uuid }
backend: orders-db
request: { read: "select id, total from orders where id = $1", params: ["\${input.order}"] }
output: { keep: ["*.id", "*.total"] }
`,
    'roles/clerk.yaml': `role: clerk
describe: Cancels orders.
owners: [leads]
issue_to: [{ issuer: demo, where: 'claims.sub == "bot"' }]
grants:
  orders.cancel:
  orders.get:
  orders.careful:
    require:
      - { that: facts.order != null, else: There is no such order. }
      - { that: facts.order == null || facts.order.status == "open", else: It has left the house. }
`,
  }
}

function cancelling(name: string, facts: string): string {
  return `action: ${name}
describe: Cancel an order that has not shipped.
effect: write
input:
  order: { type: string, format: uuid }
  reason: { type: string, maxLength: 200 }
backend: orders-db
${facts}request:
  write: |
    update orders set status = 'cancelled', cancel_reason = $2, cancelled_by = $3
     where id = $1 and status = 'open' returning id, status
  params: ["\${input.order}", "\${input.reason}", "\${call.id}"]
  rows: 1
recheck:
  read: select count(*) as n from orders where id = $1 and cancelled_by = $2
  params: ["\${input.order}", "\${call.id}"]
  happened: output.rows[0].n == 1
output: { keep: ["*.id", "*.status"] }
`
}
