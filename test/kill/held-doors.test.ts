import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { verifyStore } from '../../gateway/store/verify.ts'
import { startLying } from '../backends/lying.ts'
import type { LyingBackend } from '../backends/lying.ts'
import { modern, TASKS } from '../doors/mcp.ts'
import { company } from '../house/company.ts'
import { gatewayProcess } from './process.ts'
import type { GatewayProcess } from './process.ts'

/** How an agent asks for something that people must approve, and looks at it. A door is a row. */
interface HeldDoor {
  readonly name: string
  /** The call's id; null where the answer was lost. */
  ask(gate: GatewayProcess, token: string, input: Input, key: string): Promise<string | null>
  /** Its status in the words of the contract. */
  look(gate: GatewayProcess, token: string, id: string): Promise<string>
}
type Input = { readonly charge: string; readonly amount: number }

const tool = (gate: GatewayProcess, token: string, name: string, given: object, more: object = {}) =>
  modern(gate.agentUrl, `Bearer ${token}`, 'tools/call', { name, arguments: given }, more)

const DOORS: readonly HeldDoor[] = [
  {
    name: 'REST',
    ask: async (gate, token, input, key) => (await gate.call(token, 'pay.refund', input, key)).body.call ?? null,
    look: async (gate, token, id) => (await gate.show(token, id)).body.status,
  },
  {
    name: 'MCP with tasks',
    async ask(gate, token, input, key) {
      const { body } = await tool(gate, token, 'pay_refund', { ...input, request_key: key }, { capabilities: TASKS })
      return body.result.taskId ?? body.result.structuredContent.call ?? null
    },
    async look(gate, token, id) {
      const asked = { capabilities: TASKS }
      const { body } = await modern(gate.agentUrl, `Bearer ${token}`, 'tasks/get', { taskId: id }, asked)
      const { status, result } = body.result
      return status === 'working' ? 'held' : (result?.structuredContent.status ?? status)
    },
  },
  {
    name: 'MCP with call_status',
    async ask(gate, token, input, key) {
      // The client gives up waiting for people long before they have decided; the call waits on.
      const leaves = new AbortController()
      const given = { ...input, request_key: key }
      const asked = tool(gate, token, 'pay_refund', given, { signal: leaves.signal }).catch(() => null)
      const headers = { authorization: `Bearer ${token}` }
      for (let tries = 0; tries < 200; tries++) {
        const { calls } = (await gate.agent(`/v1/calls?key=${key}`, { headers })).body
        if (calls.length > 0) {
          leaves.abort()
          await asked
          return calls[0].call
        }
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
      return null
    },
    look: async (gate, token, id) =>
      (await tool(gate, token, 'call_status', { call: id })).body.result.structuredContent.status,
  },
]

/** Where a call that will be held can be cut off, and where its approval can: one of each at a time. */
const CUTS: readonly (readonly [string, string])[] = [
  ['call.gathered#1', 'approve.weighed#1'],
  ['call.weighed#1', 'batch.committed#1'],
  ['batch.loaded#1', 'approve.written#1'],
  ['batch.written#1', 'attempt.permitted#1'],
  ['batch.committed#1', 'attempt.answered#1'],
  ['batch.answered#1', 'batch.written#2'],
  ['call.admitted#1', 'batch.committed#2'],
]
/** Every cut over every door where `DOORS=all`; else one for each way of MCP, two starts each; REST is in kill.test.ts. */
const ALL = process.env['DOORS'] === 'all'

describe('a held call and its approval, killed at every step', function () {
  this.timeout(60_000)
  let pay: LyingBackend
  let where: Awaited<ReturnType<typeof company>>
  let gate: GatewayProcess
  before(async () => {
    pay = await startLying()
    where = await company({ pay: pay.url, shop: pay.url, blind: pay.url })
    const role = join(where.policies, 'roles/agent.yaml')
    await writeFile(role, (await readFile(role, 'utf8')).replace('limit: 500.00 USD', 'limit: 5000.00 USD'))
    gate = await gatewayProcess(where)
  })
  after(async () => {
    await gate?.stop()
    await pay?.close()
    await where?.remove()
  })

  const killedAt = async (step: string, act: () => Promise<unknown>): Promise<void> => {
    const [at = '', turn = '1'] = step.split('#')
    await gate.arm(at, Number(turn))
    const lost = act().catch(() => null)
    assert.equal(await gate.died(5000), true, `it must die at ${step}`)
    await lost
    gate = await gatewayProcess(where)
  }

  for (const [nth, [asking, approving]] of CUTS.entries()) {
    if (!ALL && (nth % 3 > 0 || nth === 0)) continue
    for (const door of ALL ? DOORS : [DOORS[nth / 3] ?? assert.fail()]) {
      it(`over ${door.name}, at ${asking} and at ${approving}: one call, one effect`, async () => {
        const key = `held-${nth}-${DOORS.indexOf(door)}`
        const input = { charge: `ch_${nth}${DOORS.indexOf(door)}`, amount: 5001 }
        const first = await gate.token()
        await killedAt(asking, () => door.ask(gate, first, input, key))
        // The agent asks again under its key: the call that there is, or the first.
        const token = await gate.token()
        const id = await door.ask(gate, token, input, key)
        assert.ok(id !== null)
        assert.equal(await door.look(gate, token, id), 'held')
        await killedAt(approving, () => gate.approve('dana', id))
        // Approved, or not yet: then somebody else says yes.
        const after = await gate.token()
        for (let tries = 0; tries < 100 && (await door.look(gate, after, id)) !== 'done'; tries++) {
          const { body } = await gate.show(after, id)
          if (body.status === 'held') await gate.approve('omar', id)
          await new Promise((resolve) => setTimeout(resolve, 30))
        }
        assert.equal(await door.look(gate, after, id), 'done')
        assert.equal(await door.ask(gate, after, input, key), id)
        const { body } = await gate.agent(`/v1/calls?key=${key}`, { headers: { authorization: `Bearer ${after}` } })
        assert.deepEqual(
          [body.calls.length, pay.effects.filter((effect) => effect.body['charge'] === input.charge).length],
          [1, 1],
        )
      })
    }
  }

  it('leaves a ledger that verifies', async () => {
    const { ok, problems } = await verifyStore(join(where.dir, 'keystay.db'))
    assert.deepEqual([ok, problems], [true, []])
  })
})
