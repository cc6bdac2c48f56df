import assert from 'node:assert/strict'
import { generateText, isStepCount } from 'ai'
import { MockLanguageModelV4 } from 'ai/test'
import { tools } from '../../client/ai.ts'
import { connect } from '../../client/index.ts'
import type { Gateway } from '../../client/index.ts'
import { startLying } from '../backends/lying.ts'
import type { LyingBackend } from '../backends/lying.ts'
import { company } from '../house/company.ts'
import { house } from '../house/gateway.ts'
import type { House } from '../house/gateway.ts'

const usage = {
  inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 },
  outputTokens: { total: 1, text: 1, reasoning: 0 },
}

describe('the tools of the AI SDK, under its own loop and a scripted model', function () {
  this.timeout(20_000)
  let pay: LyingBackend
  let where: Awaited<ReturnType<typeof company>>
  let gate: House
  let gw: Gateway
  before(async () => {
    pay = await startLying()
    where = await company({ pay: pay.url, shop: pay.url, blind: pay.url })
    gate = await house(where)
    gw = await connect({ url: gate.running.agentUrl, role: 'agent', identity: () => gate.person('bot') })
  })
  after(async () => {
    await gw.close()
    await gate.stop()
    await pay.close()
    await where.remove()
  })

  /** What the model reads back when it calls one tool. */
  // oxlint-disable-next-line typescript/no-explicit-any
  async function ask(toolName: string, input: object, wait?: number): Promise<any> {
    const asked = { type: 'tool-call', toolCallId: 'one', toolName, input: JSON.stringify(input) } as const
    const model = new MockLanguageModelV4({
      doGenerate: [
        { content: [asked], finishReason: { unified: 'tool-calls', raw: undefined }, usage, warnings: [] },
        {
          content: [{ type: 'text', text: 'Done.' }],
          finishReason: { unified: 'stop', raw: undefined },
          usage,
          warnings: [],
        },
      ],
    })
    const own = await tools(gw, wait === undefined ? {} : { wait })
    await generateText({ model, tools: own, stopWhen: isStepCount(3), prompt: 'Do it.' })
    const read = model.doGenerateCalls.at(-1)?.prompt.at(-1)
    const [part] = read?.role === 'tool' ? read.content : []
    assert.ok(part?.type === 'tool-result' && part.output.type === 'json', JSON.stringify(part))
    return part.output.value
  }
  const effects = (amount: number) => pay.effects.filter(({ body }) => body['amount'] === String(amount)).length

  it('shows a model the tools that MCP shows, with a key for each effect', async () => {
    const own = await tools(gw)
    assert.deepEqual(Object.keys(own), ['blind_note', 'pay_look', 'pay_refund', 'shop_order', 'call_status'])
    const model = new MockLanguageModelV4({
      doGenerate: {
        content: [{ type: 'text', text: 'No.' }],
        finishReason: { unified: 'stop', raw: undefined },
        usage,
        warnings: [],
      },
    })
    await generateText({ model, tools: own, prompt: 'What can you do?' })
    const [note, look] = model.doGenerateCalls[0]?.tools ?? []
    assert.ok(note?.type === 'function' && look?.type === 'function')
    assert.deepEqual([note.inputSchema.required, look.inputSchema.required], [['text', 'request_key'], ['charge']])
    assert.equal(note.inputSchema.additionalProperties, false)
  })

  it('does what is allowed, once under one key', async () => {
    const input = { charge: 'ch_1', amount: 1000, request_key: 'T-1/refund-1' }
    const [first, again] = [await ask('pay_refund', input), await ask('pay_refund', input)]
    assert.deepEqual([first.status, first.output.amount, first.replayed], ['done', 1000, false])
    assert.deepEqual([again.status, again.call, again.replayed], ['done', first.call, true])
    assert.equal(effects(1000), 1)
    assert.equal((await ask('pay_look', { charge: 'ch_1' })).output.id, 'ch_1')
  })

  it('tells a model why it may not, all that is wrong with an input, and that a key is missing', async () => {
    const denied = await ask('pay_refund', { charge: 'ch_1', amount: 20_001, request_key: 'a' })
    assert.deepEqual([denied.status, denied.code, denied.next], ['denied', 'denied', ['blind.note']])
    const invalid = await ask('pay_refund', { amount: '7', request_key: 'b', colour: 'red' })
    assert.deepEqual([invalid.code, invalid.errors.length], ['input_invalid', 3])
    const keyless = await ask('pay_refund', { charge: 'ch_1', amount: 5 })
    assert.deepEqual([keyless.status, keyless.code], ['error', 'key_required'])
  })

  it('gets what was held when a person has approved it, at once or when it looks again', async () => {
    const input = { charge: 'ch_2', amount: 6000, request_key: 'held' }
    const held = await ask('pay_refund', input, 0)
    assert.deepEqual([held.status, held.need[0].of], ['held', 'finance'])
    const looking = ask('call_status', { call: held.call })
    await gate.approve('dana', held.call)
    assert.equal((await looking).status, 'done')
    assert.deepEqual([(await ask('pay_refund', input)).replayed, effects(6000)], [true, 1])
  })

  it('hands no token to a model', async () => {
    const everything = JSON.stringify([await ask('pay_look', { charge: 'ch_1' }), await tools(gw)])
    assert.ok(!/kst_|eyJ/.test(everything))
  })
})
