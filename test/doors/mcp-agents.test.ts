import assert from 'node:assert/strict'
import { startLying } from '../backends/lying.ts'
import type { LyingBackend } from '../backends/lying.ts'
import { company } from '../house/company.ts'
import { house } from '../house/gateway.ts'
import type { House } from '../house/gateway.ts'
import { AGENTS, tap } from './mcp-agents.ts'
import type { Connected } from './mcp-agents.ts'

/** The clients that agents are built on today, each as its users run it: what their models read, and what happens. */
let pay: LyingBackend
let where: Awaited<ReturnType<typeof company>>
let gate: House

before(async function () {
  this.timeout(20_000)
  pay = await startLying()
  where = await company({ pay: pay.url, shop: pay.url, blind: pay.url })
  gate = await house(where)
})
after(async () => {
  await gate.stop()
  await pay.close()
  await where.remove()
})

for (const [index, client] of AGENTS.entries()) {
  describe(`an agent on ${client.name}`, function () {
    this.timeout(30_000)
    const charge = `ch_${index + 1}`
    let agent: Connected
    let token: string
    let between: Awaited<ReturnType<typeof tap>>
    before(async () => {
      token = await gate.token()
      between = await tap(gate.running.agentUrl)
      agent = await client.connect(between.url, token)
    })
    after(async () => {
      await agent.close()
      await between.close()
    })
    const refund = (key: string, amount: number) => ({ charge, amount, request_key: `${client.name.length}/${key}` })
    const read = async (said: Promise<string>) => JSON.parse(await said) as { [member: string]: unknown }
    const effects = (amount: number) =>
      pay.effects.filter(({ body }) => body['charge'] === charge && body['amount'] === String(amount)).length

    it('completes what is allowed, and once more under the same key: one effect, the same answer', async () => {
      const first = await read(agent.call('pay_refund', refund('allowed', 1000)))
      const again = await read(agent.call('pay_refund', refund('allowed', 1000)))
      assert.deepEqual([first['status'], first['replayed']], ['done', undefined])
      assert.deepEqual([again['call'], again['output'], again['replayed']], [first['call'], first['output'], true])
      assert.equal(effects(1000), 1)
    })

    it('reads why it may not, and all that is wrong with an input at once; neither has an effect', async () => {
      const wrong = { amount: 0, colour: 'red', request_key: 'invalid' }
      const denied = await read(agent.call('pay_refund', refund('denied', 20_001)))
      const invalid = await read(agent.call('pay_refund', wrong))
      const because = ['grants.pay.refund.max', 'grants.pay.refund.require[0]']
      assert.deepEqual(
        [denied['code'], denied['because'], denied['retry'], denied['next']],
        ['denied', because, 'never', ['blind.note']],
      )
      const places = (invalid['errors'] as { path: string }[]).map(({ path }) => path).sort()
      assert.deepEqual([invalid['code'], places], ['input_invalid', ['input.amount', 'input.charge', 'input.colour']])
      assert.equal(effects(20_001) + effects(0), 0)
    })

    it('waits while people decide, and reads the outcome', async () => {
      const asked = read((agent.held ?? agent.call)('pay_refund', refund('held', 6000)))
      const id = await heldId(refund('held', 6000).request_key)
      assert.equal((await gate.approve('dana', id)).body.status, 'done')
      const said = await asked
      const { approved_by } = said['evidence'] as { approved_by: string[] }
      assert.deepEqual([said['call'], said['status'], approved_by], [id, 'done', ['Dana']])
      assert.equal(effects(6000), 1)
    })

    it('says with each request which revision it speaks, and shows its token nowhere but where it belongs', () => {
      const spoken = new Set(between.sent.filter(({ method }) => method === 'POST').map(revisionOf))
      assert.deepEqual([...spoken].sort(), [...client.revisions].sort())
      // Whoever declares Tasks asks after what is held by them; the others wait for their answer.
      assert.equal(
        between.sent.some(({ message }) => message?.method === 'tasks/get'),
        agent.held !== undefined,
      )
      for (const { headers, message } of between.sent) {
        assert.equal(headers['authorization'], `Bearer ${token}`)
        assert.ok(!JSON.stringify([message, { ...headers, authorization: '' }]).includes(token))
      }
    })

    async function heldId(key: string): Promise<string> {
      for (;;) {
        const { body } = await gate.agent(`/v1/calls?status=held&key=${encodeURIComponent(key)}`, {
          headers: { authorization: `Bearer ${token}` },
        })
        if (body.calls.length > 0) return body.calls[0].call
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
  })
}

function revisionOf({ headers, message }: { headers: McpHeaders; message: McpMessage }): unknown {
  return headers['mcp-protocol-version'] ?? message?.params?.protocolVersion
}
type McpHeaders = { readonly [name: string]: unknown }
type McpMessage = { readonly params?: { readonly protocolVersion?: string } } | null
