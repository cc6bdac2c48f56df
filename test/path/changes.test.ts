import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { startLying } from '../backends/lying.ts'
import type { LyingBackend } from '../backends/lying.ts'
import { company } from '../house/company.ts'
import { house } from '../house/gateway.ts'
import type { House } from '../house/gateway.ts'

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

describe('what changes on the way', function () {
  this.timeout(30_000)
  let pay: LyingBackend
  let where: Awaited<ReturnType<typeof company>>
  let gate: House
  let token: string

  const open = async (files: { [path: string]: string } = {}): Promise<void> => {
    where = await company({ pay: pay.url, shop: pay.url, blind: pay.url }, files)
    gate = await house(where)
    token = await gate.token()
  }
  /** Stops the gateway, edits a file of its policy, and starts it again. */
  const restart = async (...edits: [string, (text: string) => string][]): Promise<void> => {
    await gate.stop()
    for (const [name, edit] of edits) {
      const path = join(where.policies, name)
      await writeFile(path, edit(await readFile(path, 'utf8')))
    }
    gate = await house(where)
  }
  const hold = async (): Promise<string> => {
    const held = await gate.call(token, 'pay.refund', { charge: 'ch_1', amount: 6000 }, 'held')
    assert.equal(held.body.status, 'held', held.text)
    return held.body.call
  }

  beforeEach(async () => {
    pay = await startLying()
  })
  afterEach(async () => {
    await gate.stop()
    await pay.close()
    await where.remove()
  })

  it('a backend that the policy renamed: a held call is held afresh, and then goes there', async () => {
    await open()
    const id = await hold()
    await restart(
      ['backends.yaml', (text) => text.replace('  pay: {', '  till: {')],
      ['actions/pay.yaml', (text) => text.replaceAll('backend: pay', 'backend: till')],
    )
    const changed = await gate.approve('dana', id)
    assert.deepEqual([changed.status, changed.body.code], [409, 'card_changed'])
    assert.equal((await gate.approve('dana', id)).body.status, 'done')
    assert.equal(pay.effects.length, 1)
  })

  it('a backend that left the policy: a call in doubt ends with people', async () => {
    await open()
    pay.lie({ kind: 'reset_after', method: 'POST' })
    const asked = await gate.call(token, 'shop.order', { item: 'cup' }, 'k', { prefer: 'wait=0' })
    await wait(100)
    await gate.running.stop(10)
    await restart(
      ['backends.yaml', (text) => text.replace('  shop: {', '  mall: {')],
      ['actions/shop.yaml', (text) => text.replaceAll('backend: shop', 'backend: mall')],
    )
    // People are asked once the permit of whoever had the call before is over.
    await wait(1000)
    assert.equal((await gate.show(token, asked.body.call)).body.status, 'needs_human')
  })

  it('a grant that left the policy: a held call is denied, by whoever says yes', async () => {
    await open()
    const id = await hold()
    await restart([
      'roles/agent.yaml',
      (text) => `${text.slice(0, text.indexOf('  pay.refund:'))}  shop.order:\n  blind.note:\n`,
    ])
    const answer = await gate.approve('dana', id)
    assert.deepEqual([answer.status, answer.body.status, answer.body.because], [200, 'denied', ['grants.pay.refund']])
  })

  it('an input that the policy narrowed: a held call is denied', async () => {
    await open()
    const id = await hold()
    await restart(['actions/pay.yaml', (text) => text.replace('minimum: 1 }', 'minimum: 1, maximum: 5000 }')])
    const answer = await gate.approve('dana', id)
    assert.deepEqual([answer.body.status, answer.body.because], ['denied', ['actions.pay.refund.input']])
    assert.equal(pay.effects.length, 0)
  })

  it('a role that left the policy: its sessions end, its held calls are cancelled', async () => {
    await open()
    const id = await hold()
    await restart(['roles/agent.yaml', (text) => text.replace('role: agent', 'role: successor')])
    assert.equal((await gate.show(token, id)).body.code, 'session_revoked')
    const story = (await gate.admin('dana', 'GET', `/admin/v1/calls/${id}`)).body
    assert.deepEqual([story.status, story.entries.at(-1).kind], ['cancelled', 'call.cancelled'])
  })

  it('facts that the effect takes away: a parallel repeat of the key hears what was done', async () => {
    let there = true
    let reads = 0
    const server = createServer((request, response) => {
      const answer = (status: number, body: unknown) =>
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
      request.resume().on('end', () => {
        if (request.method === 'GET') {
          setTimeout(() => (there ? answer(200, { id: 'i1' }) : answer(404, {})), ++reads === 1 ? 50 : 250)
        } else {
          there = false
          answer(200, { id: 'i1' })
        }
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    where = await company(
      { pay: url, shop: url, blind: url },
      {
        'actions/gone.yaml': `action: shop.remove
describe: Remove an item.
effect: write
input:
  item: { type: string, pattern: "^[a-z0-9]{1,9}$" }
backend: shop
facts:
  item:
    GET: /v1/items/\${input.item}
    keep: { id: string }
request:
  POST: /v1/remove
  json: { item: "\${input.item}" }
output: { keep: [id] }
`,
        'roles/remover.yaml': `role: remover
describe: Removes.
issue_to: [{ issuer: demo, where: 'claims.sub == "bot"' }]
grants:
  shop.remove:
`,
      },
    )
    gate = await house(where)
    token = await gate.token('bot', 'remover')
    const both = await Promise.all([1, 2].map(() => gate.call(token, 'shop.remove', { item: 'i1' }, 'k')))
    server.close()
    server.closeAllConnections()
    assert.deepEqual(
      both.map(({ status }) => status),
      [200, 200],
    )
    assert.equal(both[0]?.body.call, both[1]?.body.call)
  })

  it('an effect that lands after its connection broke: nothing is said before it could', async () => {
    const effects: { call: string }[] = []
    const server = createServer((request, response) => {
      let text = ''
      request.on('data', (chunk: Buffer) => (text += chunk.toString()))
      request.on('end', () => {
        if (request.method === 'GET') {
          const call = new URL(request.url ?? '', 'http://shop').searchParams.get('call')
          const data = effects.filter((effect) => effect.call === call)
          response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ data }))
          return
        }
        setTimeout(() => request.socket.resetAndDestroy(), 30)
        setTimeout(() => effects.push(JSON.parse(text) as { call: string }), 400)
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    where = await company({ pay: url, shop: url, blind: url })
    gate = await house(where)
    token = await gate.token()
    const answer = await gate.call(token, 'shop.order', { item: 'cup' }, 'k')
    server.close()
    server.closeAllConnections()
    assert.deepEqual([answer.body.status, effects.length], ['done', 1], answer.text)
  })

  it('facts that cannot be had: an entry of the request, and the key is free', async () => {
    await open()
    pay.lie({ kind: 'status_without', status: 500, method: 'GET' })
    const refused = await gate.call(token, 'pay.refund', { charge: 'ch_1', amount: 100 }, 'k')
    assert.deepEqual([refused.status, refused.body.code, refused.body.retry], [503, 'backend_unavailable', 'same_key'])
    const story = (await gate.admin('dana', 'GET', `/admin/v1/calls/${refused.body.call}`)).body
    assert.equal(story.entries[0].code, 'backend_unavailable')
    assert.equal((await gate.call(token, 'pay.refund', { charge: 'ch_1', amount: 100 }, 'k')).status, 200)
  })

  it('facts that come slower than they stay fresh are still used, and asked for once', async () => {
    await open()
    await restart(['backends.yaml', (text) => text.replaceAll('timeout: 500ms', 'timeout: 5s')])
    pay.lie({ kind: 'slow', ms: 2200, method: 'GET' })
    const answer = await gate.call(token, 'pay.refund', { charge: 'ch_1', amount: 100 }, 'k')
    assert.deepEqual([answer.status, pay.seen.filter(({ method }) => method === 'GET').length], [200, 1])
  })

  it('a dry run says what would be decided and sent, needs no key and sends nothing', async () => {
    await open()
    await restart([
      'roles/agent.yaml',
      (text) => text.replace('    max: 200.00 USD', '    dry_run: true\n    max: 200.00 USD'),
    ])
    const dry = (amount: number) =>
      gate.call(token, 'pay.refund', { charge: 'ch_1', amount }, undefined, { 'keystay-dry-run': 'true' })
    const [allowed, held, denied] = [await dry(100), await dry(6000), await dry(30_000)]
    assert.deepEqual(
      [allowed, held, denied].map(({ status, body }) => [status, body.status, body.dry_run.verdict]),
      [
        [200, 'not_sent', 'allow'],
        [200, 'not_sent', 'hold'],
        [200, 'not_sent', 'deny'],
      ],
    )
    assert.deepEqual(denied.body.dry_run.because, ['grants.pay.refund.max', 'grants.pay.refund.require[0]'])
    assert.equal(allowed.body.dry_run.request.POST, '/v1/refunds')
    assert.equal(pay.effects.length, 0)
    const real = await gate.call(token, 'shop.order', { item: 'x' }, undefined, { 'keystay-dry-run': 'true' })
    assert.deepEqual([real.status, real.body.because], [403, ['grants.shop.order.dry_run']])
  })
})
