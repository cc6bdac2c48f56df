import { deepEqual, equal, match } from 'node:assert/strict'
import { startOrders } from '../../deploy/demo/orders.ts'
import type { Sandbox } from '../../deploy/demo/sandbox.ts'

const KEY = 'demo_orders_key'

describe('the sandbox orders', () => {
  let sandbox: Sandbox
  before(async () => {
    sandbox = await startOrders({ host: '127.0.0.1', port: 0, key: KEY })
  })
  after(() => sandbox.close())

  async function ask(method: string, path: string, body?: object, key = KEY) {
    const response = await fetch(`${sandbox.url}${path}`, {
      method,
      headers: { 'x-api-key': key, 'content-type': 'application/json' },
      ...(body ? { body: JSON.stringify(body) } : {}),
    })
    return { status: response.status, body: (await response.json()) as Record<string, unknown> }
  }
  const newOrder = async (body = {}) => String((await ask('POST', '/sandbox/orders', body, '')).body['id'])
  const effects = async () => (await ask('GET', '/sandbox/effects', undefined, '')).body['count'] as number

  it('cancels an open order and remembers which call did it', async () => {
    const id = await newOrder()
    match(id, /^[0-9a-f-]{36}$/)
    const cancelled = await ask('POST', `/orders/${id}/cancel`, { reason: 'ordered twice', cancelled_by: 'call_1' })
    equal(cancelled.status, 200)
    const { created_at: _, ...order } = (await ask('GET', `/orders/${id}`)).body
    deepEqual(order, {
      id,
      status: 'cancelled',
      item: 'a lamp',
      cancel_reason: 'ordered twice',
      cancelled_by: 'call_1',
    })
  })

  it('refuses a second cancel, and the cancel of what is shipped', async () => {
    const before = await effects()
    const open = await newOrder()
    equal((await ask('POST', `/orders/${open}/cancel`, {})).status, 200)
    deepEqual(await ask('POST', `/orders/${open}/cancel`, {}), {
      status: 409,
      body: { error: `Order ${open} is cancelled.` },
    })
    const shipped = await newOrder({ status: 'shipped' })
    deepEqual(await ask('POST', `/orders/${shipped}/cancel`, {}), {
      status: 409,
      body: { error: `Order ${shipped} is shipped.` },
    })
    equal(await effects(), before + 1)
  })

  it('opens a second case for a repeated request: it has no idempotency keys, on purpose', async () => {
    const body = { charge: 'ch_Demo00000001', text: 'please look', opened_by: 'call_7' }
    const first = await ask('POST', '/cases', body)
    const second = await ask('POST', '/cases', body)
    deepEqual([first.status, second.status], [201, 201])
    const { body: list } = await ask('GET', '/cases?opened_by=call_7')
    deepEqual(
      (list['data'] as { id: string }[]).map(({ id }) => id),
      [first.body['id'], second.body['id']],
    )
    deepEqual((await ask('GET', '/cases?opened_by=call_8')).body, { data: [], has_more: false })
  })

  it('loses an answer on demand, after the effect', async () => {
    const id = await newOrder()
    await ask('POST', '/sandbox/faults', { kind: '500_after_effect', path: '/orders' }, '')
    equal((await ask('POST', `/orders/${id}/cancel`, { cancelled_by: 'call_9' })).status, 500)
    equal((await ask('GET', `/orders/${id}`)).body['cancelled_by'], 'call_9')
  })

  for (const [name, method, path, body, status] of [
    ['an unknown order', 'GET', '/orders/1b4e28ba-2fa1-11d2-883f-0016d3cca427', undefined, 404],
    ['a case without text', 'POST', '/cases', {}, 400],
    ['an unknown member', 'POST', '/cases', { text: 'x', urgent: 'yes' }, 400],
    ['a member that is no text', 'POST', '/cases', { text: 5 }, 400],
    ['no such path', 'GET', '/carts/1', undefined, 404],
  ] as const) {
    it(`refuses ${name}`, async () => equal((await ask(method, path, body)).status, status))
  }
  it('refuses another key', async () => equal((await ask('GET', '/cases', undefined, 'demo_orders_kez')).status, 401))
})
