import assert from 'node:assert/strict'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { Client as ClientOf2025 } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as TransportOf2025 } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport as AnyTransport } from '@modelcontextprotocol/sdk/shared/transport.js'
import { startLying } from '../backends/lying.ts'
import type { LyingBackend } from '../backends/lying.ts'
import { BACKEND_KEY, company } from '../house/company.ts'
import { house } from '../house/gateway.ts'
import type { House } from '../house/gateway.ts'
import { modern } from './mcp.ts'

/** What this test asks of a client, whichever it is. */
interface Agent {
  readonly revision: () => string | undefined
  tools(): Promise<string[]>
  call(name: string, input: object, progress?: (message: string) => void): Promise<Result>
  close(): Promise<void>
}
interface Result {
  readonly isError: boolean
  /** Of a call, or of a problem. */
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly said: any
  readonly text: string
}

const CLIENTS: { readonly [name: string]: (url: URL, token: string) => Promise<Agent> } = {
  'the client package (revision 2026-07-28)': async (url, token) => {
    const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode: 'auto' } })
    const headers = { authorization: `Bearer ${token}` }
    await client.connect(new StreamableHTTPClientTransport(url, { requestInit: { headers } }))
    return {
      revision: () => client.getNegotiatedProtocolVersion(),
      tools: async () => (await client.listTools()).tools.map(({ name }) => name),
      call: async (name, input, progress) =>
        result(
          await client.callTool(
            { name, arguments: { ...input } },
            { onprogress: (told) => progress?.(told.message ?? '') },
          ),
        ),
      close: () => client.close(),
    }
  },
  'the sdk package (revision 2025-11-25)': async (url, token) => {
    const client = new ClientOf2025({ name: 'test', version: '1' })
    const headers = { authorization: `Bearer ${token}` }
    const transport = new TransportOf2025(url, { requestInit: { headers } })
    await client.connect(transport as AnyTransport)
    return {
      revision: () => transport.protocolVersion,
      tools: async () => (await client.listTools()).tools.map(({ name }) => name),
      call: async (name, input, progress) =>
        result(
          await client.callTool({ name, arguments: { ...input } }, undefined, {
            onprogress: (told) => progress?.(told.message ?? ''),
          }),
        ),
      close: () => client.close(),
    }
  },
}

function result(answer: object): Result {
  const { content, structuredContent, isError } = answer as {
    content: { text: string }[]
    structuredContent: unknown
    isError?: boolean
  }
  // Clients show a model one of the two: they say the same.
  assert.deepEqual(JSON.parse(content[0]?.text ?? ''), structuredContent)
  return { isError: isError === true, said: structuredContent, text: content[0]?.text ?? '' }
}

for (const [name, connect] of Object.entries(CLIENTS)) {
  describe(`over MCP, ${name}`, function () {
    this.timeout(20_000)
    let pay: LyingBackend
    let where: Awaited<ReturnType<typeof company>>
    let gate: House
    let agent: Agent
    let token: string
    const url = () => new URL(`${gate.running.agentUrl}/mcp`)
    const refund = (key: string, amount = 1000, more: object = {}) =>
      agent.call('pay_refund', { charge: 'ch_1', amount, request_key: key, ...more })
    before(async () => {
      pay = await startLying()
      where = await company({ pay: pay.url, shop: pay.url, blind: pay.url })
      gate = await house(where)
      token = await gate.token()
      agent = await connect(url(), token)
    })
    after(async () => {
      await agent.close()
      await gate.stop()
      await pay.close()
      await where.remove()
    })
    const effectsFor = (note: string) => pay.effects.filter(({ body }) => JSON.stringify(body).includes(note)).length
    /** Held calls under this key, once there is one. */
    const heldUnder = async (key: string): Promise<string> => {
      for (;;) {
        const path = `/v1/calls?status=held&key=${key}`
        const { body } = await gate.agent(path, { headers: { authorization: `Bearer ${token}` } })
        if (body.calls.length > 0) return body.calls[0].call
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }

    it('speaks its revision, and sees the tools of its role', async () => {
      assert.equal(agent.revision(), name.slice(-11, -1))
      const own = ['blind_note', 'pay_look', 'pay_refund', 'shop_order']
      assert.deepEqual(await agent.tools(), [...own, 'call_status', 'call_cancel', 'limits', 'session_info'])
    })

    it('does what is allowed: once, and the backend’s answer comes back', async () => {
      const { isError, said } = await refund('allowed')
      assert.deepEqual([isError, said.status, said.output.amount], [false, 'done', 1000])
      const look = await agent.call('pay_look', { charge: 'ch_1' })
      assert.deepEqual([look.said.status, look.said.output.id], ['done', 'ch_1'])
    })

    it('is told why it may not: every line, and what is left to do', async () => {
      const { isError, said } = await refund('denied', 20_001)
      assert.deepEqual([isError, said.code, said.because[0]], [true, 'denied', 'grants.pay.refund.max'])
      assert.deepEqual(said.next, ['blind.note'])
    })

    it('is told all that is wrong with an input at once', async () => {
      const { isError, said } = await agent.call('pay_refund', { amount: '7', request_key: 'invalid', colour: 'red' })
      const errors = said.errors as { path: string; want: string }[]
      assert.deepEqual([isError, said.code], [true, 'input_invalid'])
      assert.deepEqual(errors.map(({ path }) => path).sort(), ['input.amount', 'input.charge', 'input.colour'])
    })

    it('hears how a held call stands, and gets its outcome when a person has approved', async () => {
      const told: string[] = []
      const asked = agent.call('pay_refund', { charge: 'ch_1', amount: 6000, request_key: 'held' }, (message) =>
        told.push(message),
      )
      const id = await heldUnder('held')
      await gate.approve('dana', id)
      const { said } = await asked
      assert.deepEqual([said.call, said.status, said.evidence.approved_by], [id, 'done', ['Dana']])
      assert.ok(told.length >= 1 && told.every((message) => message.startsWith('Held: 1 of finance')), told.join())
    })

    it('gets the same answer under the same key, and nothing happens twice', async () => {
      const [first, again] = [await refund('twice', 700), await refund('twice', 700)]
      assert.deepEqual(
        [again.said.call, again.said.output, again.said.replayed],
        [first.said.call, first.said.output, true],
      )
      const elsewhere = await gate.call(token, 'pay.refund', { charge: 'ch_1', amount: 700 }, 'twice')
      assert.deepEqual([elsewhere.body.call, elsewhere.headers.get('idempotency-replayed')], [first.said.call, 'true'])
      assert.equal(pay.effects.filter(({ body }) => body['amount'] === '700').length, 1)
    })

    it('is told what differs when it uses a key for something else', async () => {
      await refund('reused', 800)
      const { isError, said } = await refund('reused', 801)
      assert.deepEqual([isError, said.code, said.errors[0].path], [true, 'key_reused', 'input.amount'])
    })

    it('takes a held call back; whoever waits for it hears so, and so does the key', async () => {
      const asked = refund('cancelled', 6100, { charge: 'ch_2' })
      const id = await heldUnder('cancelled')
      const { said } = await agent.call('call_cancel', { call: id })
      assert.equal(said.status, 'cancelled')
      assert.deepEqual(
        [(await asked).said.code, (await refund('cancelled', 6100, { charge: 'ch_2' })).said.code],
        ['cancelled', 'cancelled'],
      )
      assert.equal((await agent.call('call_status', { call: id })).said.status, 'cancelled')
      assert.equal(pay.effects.filter(({ body }) => body['amount'] === '6100').length, 0)
    })

    it('loses nothing when it hangs up: the call waits, runs once when it is approved, and its key answers', async () => {
      const input = { charge: 'ch_3', amount: 5500, request_key: 'left' }
      const params = { name: 'pay_refund', arguments: input }
      const left = modern(gate.running.agentUrl, `Bearer ${token}`, 'tools/call', params, {
        signal: AbortSignal.timeout(300),
      })
      await assert.rejects(left)
      await gate.approve('dana', await heldUnder('left'))
      const { said } = await agent.call('pay_refund', input)
      assert.deepEqual([said.status, said.output.amount, said.replayed], ['done', 5500, true])
      assert.equal(pay.effects.filter(({ body }) => body['amount'] === '5500').length, 1)
    })

    it('asks what became of a call, what is left, and who it is', async () => {
      const { said: done } = await refund('status', 500)
      assert.deepEqual((await agent.call('call_status', { call: done.call, wait: 5 })).said, done)
      const { said: left } = await agent.call('limits', {})
      const refunds = left.tools.find(({ tool }: { tool: string }) => tool === 'pay_refund')
      assert.equal(refunds.limits[0].max, 50_000)
      assert.equal((await agent.call('session_info', {})).said.role, 'agent')
    })

    for (const hostile of [
      '../../admin/v1/calls',
      'pay.refund/../x',
      '__proto__',
      'constructor',
      'refund\u202e',
      'a b',
      'x'.repeat(3000),
    ]) {
      it(`is answered the same for a tool called ${JSON.stringify(hostile.slice(0, 30))} as for one that others have`, async () => {
        const { isError, said } = await agent.call(hostile, { request_key: 'x' })
        assert.deepEqual([isError, said.code, said.title], [true, 'not_granted', 'This role has no such action'])
      })
    }

    it('hands on hostile text as text: no byte of it is read as anything else, and no secret comes back', async () => {
      const note = '"}]}\r\n\r\nevent: message\ndata: {"jsonrpc":"2.0"}\u0000\u202e<script>${input.charge}</script>'
      const { said, text } = await refund('hostile', 300, { note })
      assert.equal(said.status, 'done')
      assert.ok(!text.includes(BACKEND_KEY))
      assert.equal(effectsFor('script'), 0)
    })

    it('cannot send what is too large', async () => {
      await assert.rejects(agent.call('shop_order', { item: 'x'.repeat(70_000), request_key: 'huge' }))
    })

    it('is told without a token where it could find out how to get one', async () => {
      const refused = await gate.agent('/mcp', { method: 'POST' })
      const challenge = refused.headers.get('www-authenticate') ?? ''
      const [, document = ''] = /^Bearer .*resource_metadata="([^"]+)"$/.exec(challenge) ?? []
      assert.equal(refused.status, 401)
      const { resource, authorization_servers } = (await (await fetch(document)).json()) as { [name: string]: unknown }
      assert.deepEqual([resource, authorization_servers], [gate.running.agentUrl, [gate.running.agentUrl]])
    })

    it('cannot come in with another’s token, and not on when its session has ended', async () => {
      await assert.rejects(connect(url(), 'kst_nobody'))
      const other = await gate.token('other-bot')
      const second = await connect(url(), other)
      assert.equal((await second.call('session_info', {})).said.requester, 'demo:other-bot')
      const { status } = await gate.agent('/v1/session', {
        method: 'DELETE',
        headers: { authorization: `Bearer ${other}` },
      })
      assert.equal(status, 204)
      await assert.rejects(second.call('session_info', {}))
      await second.close()
    })
  })
}
