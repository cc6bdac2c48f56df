import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { connect, createServer as createNetServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { Client } from '@modelcontextprotocol/client'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import { Client as ClientOf2025 } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport as TransportOf2025 } from '@modelcontextprotocol/sdk/client/stdio.js'
import { relay } from '../../gateway/cli/mcp/relay.ts'
import { startLying } from '../backends/lying.ts'
import type { LyingBackend } from '../backends/lying.ts'
import { company } from '../house/company.ts'
import { entriesOf } from '../house/entries.ts'
import { house } from '../house/gateway.ts'
import type { House } from '../house/gateway.ts'

const MAIN = fileURLToPath(new URL('../../gateway/cli/main.ts', import.meta.url))
/** As `agent`, for seconds only. */
const BRIEF = `role: brief
describe: The agent of the tests, in a hurry.
owners: [leads]
session: { lifetime: 2s }
issue_to: [{ issuer: demo, where: 'claims.sub in ["bot", "other-bot"]' }]
grants:
  pay.look:
`

let pay: LyingBackend
let where: Awaited<ReturnType<typeof company>>
let gate: House
before(async function () {
  this.timeout(20_000)
  pay = await startLying()
  where = await company({ pay: pay.url, shop: pay.url, blind: pay.url }, { 'roles/brief.yaml': BRIEF })
  gate = await house(where)
})
after(async () => {
  await gate.stop()
  await pay.close()
  await where.remove()
})

function commandLine(role = 'agent', url = gate.running.agentUrl): string[] {
  return [MAIN, 'mcp', '--role', role, '--as', 'bot', '--gateway', url, '--admin-url', gate.running.adminUrl]
}
const env = (): Record<string, string> => {
  const { NODE_COMPILE_CACHE: cache } = process.env
  return cache === undefined ? {} : { NODE_COMPILE_CACHE: cache }
}
/** Of the ledger: what became of a session. */
const told = (session: string, kind: string) =>
  entriesOf(where.dir).filter((entry) => entry.kind === kind && entry['session'] === session)

async function until<T>(look: () => T | undefined | false, patience_ms = 8_000): Promise<T> {
  for (const began = performance.now(); ;) {
    const seen = look()
    if (seen !== undefined && seen !== false) return seen
    if (performance.now() - began > patience_ms) throw new Error('it did not happen')
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
}

interface Agent {
  readonly revision: string | undefined
  readonly pid: number
  /** The bridge's standard error. */
  readonly log: () => string
  tools(): Promise<string[]>
  // oxlint-disable-next-line typescript/no-explicit-any
  call(name: string, input: object): Promise<{ isError: boolean; said: any }>
  close(): Promise<void>
}

const CLIENTS: { readonly [name: string]: () => Promise<Agent> } = {
  'the client package (revision 2026-07-28)': async () => {
    const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode: 'auto' } })
    const transport = new StdioClientTransport({
      command: process.execPath,
      args: commandLine(),
      env: env(),
      stderr: 'pipe',
    })
    const log = collect(transport.stderr)
    await client.connect(transport)
    return {
      revision: client.getNegotiatedProtocolVersion(),
      pid: transport.pid ?? 0,
      log,
      tools: async () => (await client.listTools()).tools.map(({ name }) => name),
      call: async (name, input) => result(await client.callTool({ name, arguments: { ...input } })),
      close: () => client.close(),
    }
  },
  'the sdk package (revision 2025-11-25)': async () => {
    const client = new ClientOf2025({ name: 'test', version: '1' })
    let agreed: string | undefined
    const transport = new TransportOf2025({
      command: process.execPath,
      args: commandLine(),
      env: env(),
      stderr: 'pipe',
    })
    const log = collect(transport.stderr)
    Object.assign(transport, { setProtocolVersion: (version: string) => void (agreed = version) })
    await client.connect(transport)
    return {
      revision: agreed,
      pid: transport.pid ?? 0,
      log,
      tools: async () => (await client.listTools()).tools.map(({ name }) => name),
      call: async (name, input) => result(await client.callTool({ name, arguments: { ...input } })),
      close: () => client.close(),
    }
  },
}

function collect(stream: Pick<NodeJS.EventEmitter, 'on'> | null): () => string {
  let text = ''
  stream?.on('data', (piece: Buffer) => (text += piece.toString()))
  return () => text
}

function result(answer: object): { isError: boolean; said: unknown } {
  const { structuredContent, isError } = answer as { structuredContent: unknown; isError?: boolean }
  return { isError: isError === true, said: structuredContent }
}

const sessionIn = (log: string) => /session (ses_\w+)/.exec(log)?.[1]

for (const [name, start] of Object.entries(CLIENTS)) {
  describe(`keystay mcp under ${name}`, function () {
    this.timeout(20_000)
    let agent: Agent
    before(async () => {
      agent = await start()
    })
    after(() => agent.close())
    const refund = (key: string, amount: number) => ({
      charge: `ch_${name.length}`,
      amount,
      request_key: `${name.length}/${key}`,
    })
    const effects = (amount: number) => pay.effects.filter(({ body }) => body['amount'] === String(amount)).length

    it('speaks its revision, and sees the tools of the role', async () => {
      assert.equal(agent.revision, name.slice(-11, -1))
      const own = ['blind_note', 'pay_look', 'pay_refund', 'shop_order']
      assert.deepEqual(await agent.tools(), [...own, 'call_status', 'call_cancel', 'limits', 'session_info'])
    })

    it('does what is allowed once, answers a repeat, refuses what is not, and says all that is wrong', async () => {
      const amount = 1000 + name.length
      const first = await agent.call('pay_refund', refund('allowed', amount))
      const again = await agent.call('pay_refund', refund('allowed', amount))
      assert.deepEqual([first.said.status, again.said.call, again.said.replayed], ['done', first.said.call, true])
      assert.equal(effects(amount), 1)
      const denied = await agent.call('pay_refund', refund('denied', 20_001))
      assert.deepEqual([denied.isError, denied.said.code], [true, 'denied'])
      const invalid = await agent.call('pay_refund', { amount: '7', request_key: 'x', colour: 'red' })
      assert.deepEqual([invalid.said.code, invalid.said.errors.length], ['input_invalid', 3])
    })

    it('gets the outcome of a held call when a person has approved it', async () => {
      const amount = 6000 + name.length
      const asked = agent.call('pay_refund', refund('held', amount))
      const held = () =>
        entriesOf(where.dir).find((entry) => entry.kind === 'call.held' && JSON.stringify(entry).includes(`${amount}`))
      const entry = await until(held)
      assert.equal((await gate.approve('dana', String(entry['call']))).status, 200)
      assert.deepEqual([(await asked).said.status, effects(amount)], ['done', 1])
    })

    it('holds its token in its memory only: none is in its arguments, its environment, or what it says', async () => {
      const process = await Promise.all(
        ['cmdline', 'environ'].map((file) => readFile(`/proc/${agent.pid}/${file}`, 'utf8')),
      )
      assert.ok(process.every((text) => !/kst_|eyJ/.test(text)))
      assert.ok(!/kst_|eyJ/.test(agent.log()), agent.log())
    })

    it('ends the session when its client closes it', async () => {
      const session = await until(() => sessionIn(agent.log()))
      await agent.close()
      const [entry] = await until(() =>
        told(session, 'session.ended').length > 0 ? told(session, 'session.ended') : false,
      )
      assert.equal(entry?.['reason'], 'logout')
    })
  })
}

/** A bridge that is spoken to by hand. */
function bridge(role?: string, url?: string) {
  const child: ChildProcessWithoutNullStreams = spawn(process.execPath, commandLine(role, url), {
    env: { ...process.env, NO_COLOR: '1' },
  })
  const [out, log] = [collect(child.stdout), collect(child.stderr)]
  child.stdin.on('error', () => {})
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  after(() => child.kill('SIGKILL'))
  // oxlint-disable-next-line typescript/no-explicit-any
  const answers = (): any[] =>
    out()
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as unknown)
  return {
    child,
    log,
    ended,
    answers,
    write: (line: string) => child.stdin.write(`${line}\n`),
    /** The nth line that it wrote. */
    nth: (count: number) => until(() => answers()[count - 1]),
    session: () => until(() => sessionIn(log())),
  }
}

const ask = (id: number | string, method: string, params: object = {}) =>
  JSON.stringify({ jsonrpc: '2.0', id, method, params })

describe('keystay mcp', function () {
  this.timeout(20_000)
  /** Lives on beside the other tests. */
  let brief: ReturnType<typeof bridge>
  before(() => void (brief = bridge('brief')))

  for (const [how, leave] of [
    ['its input is closed', (one: ReturnType<typeof bridge>) => void one.child.stdin.end()],
    ['SIGTERM comes', (one: ReturnType<typeof bridge>) => void one.child.kill('SIGTERM')],
    [
      'nobody reads its output',
      (one: ReturnType<typeof bridge>) => void (one.child.stdout.destroy(), one.write(ask(2, 'tools/list'))),
    ],
  ] as const) {
    it(`ends its session and itself when ${how}`, async () => {
      const one = bridge()
      const session = await one.session()
      leave(one)
      assert.equal(await one.ended, 0)
      assert.deepEqual(
        told(session, 'session.ended').map((entry) => entry['reason']),
        ['logout'],
      )
    })
  }

  it('leaves no session behind when it is killed', async () => {
    const one = bridge()
    const session = await one.session()
    one.child.kill('SIGKILL')
    await one.ended
    await until(() => told(session, 'session.ended').length === 1)
  })

  it('answers what was asked just before its input is closed', async () => {
    const one = bridge()
    await one.session()
    one.child.stdin.end(`${ask('last', 'tools/list')}\n`)
    assert.equal(await one.ended, 0)
    assert.deepEqual(
      one.answers().map(({ id }) => id),
      ['last'],
    )
  })

  it('stops where people have revoked its session, and says so; it opens none behind their backs', async () => {
    const one = bridge()
    const session = await one.session()
    assert.equal((await gate.admin('sam', 'POST', `/admin/v1/sessions/${session}/revoke`, {})).status, 200)
    one.write(ask(1, 'tools/list'))
    const { error } = await one.nth(1)
    assert.deepEqual([error.data.code, one.log().match(/session ses_/g)?.length], ['session_revoked', 1])
    one.child.stdin.end()
    assert.equal(await one.ended, 0)
  })

  it('answers with an error while no gateway is there, and with tools when one is', async () => {
    const wire = createNetServer((client) => {
      const gateway = connect(Number(new URL(gate.running.agentUrl).port), '127.0.0.1')
      client
        .on('error', () => gateway.destroy())
        .pipe(gateway.on('error', () => client.destroy()))
        .pipe(client)
    })
    const listen = (port: number) => new Promise<void>((resolve) => wire.listen(port, '127.0.0.1', resolve))
    await listen(0)
    const { port } = wire.address() as { port: number }
    await new Promise((resolve) => wire.close(resolve))

    const one = bridge('agent', `http://127.0.0.1:${port}`)
    one.write(ask(1, 'initialize'))
    one.write(JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' }))
    one.write(ask('two', 'tools/list'))
    const { error, id } = await one.nth(1)
    assert.deepEqual([id, error.code, error.data.code], [1, -32_000, 'unreachable'])
    assert.match(error.message, /^No gateway answers at http:\/\/127\.0\.0\.1:/)
    assert.equal((await one.nth(2)).id, 'two')
    await listen(port)
    one.write(ask(3, 'tools/list'))
    assert.ok((await one.nth(3)).result.tools.length > 4)
    one.child.stdin.end()
    assert.deepEqual([await one.ended, one.answers().length], [0, 3])
    await new Promise((resolve) => wire.close(resolve))
  })

  it('says why nobody may sign in', async () => {
    const one = bridge('nobody')
    one.write(ask(1, 'tools/list'))
    const { error } = await one.nth(1)
    assert.match(error.message, /no such account|can have no session|The demo/)
    one.child.stdin.end()
    assert.equal(await one.ended, 0)
  })

  it('says so where the sign-in waits for a person', async () => {
    const lines: string[] = []
    const session = { token: () => new Promise<never>(() => {}), refused: async () => {}, end: async () => {} }
    const quiet = { write: (line: string) => void lines.push(line), say: () => {}, sign_in_ms: 20 }
    await relay({ gateway: gate.running.agentUrl, session, ...quiet }).take(Buffer.from(ask(1, 'tools/list')))
    assert.match(lines.join(), /"id":1,"error":\{"code":-32000,"message":"The sign-in waits for a person\./)
  })

  it('counts the gateway’s silence from its own question on: a person may take longer to sign in', async () => {
    const seen: string[] = []
    const slow = createServer((incoming, response) => {
      incoming.resume().on('end', () => {
        seen.push(String(incoming.headers.authorization))
        response.writeHead(seen.length === 1 ? 401 : 200, { 'content-type': 'application/json' })
        response.end(JSON.stringify({ jsonrpc: '2.0', id: 1, result: {} }))
      })
    })
    await new Promise<void>((resolve) => slow.listen(0, '127.0.0.1', resolve))
    const lines: string[] = []
    let asked = 0
    const waits = () => new Promise((resolve) => setTimeout(resolve, 300))
    const session = {
      token: async () => (await waits(), `kst_${++asked}`),
      refused: async () => void (await waits()),
      end: async () => {},
    }
    const { port } = slow.address() as { port: number }
    const parts = { session, write: (line: string) => void lines.push(line), say: () => {}, silence_ms: 200 }
    await relay({ gateway: `http://127.0.0.1:${port}`, ...parts }).take(Buffer.from(ask(1, 'tools/list')))
    assert.deepEqual([seen, lines], [['Bearer kst_1', 'Bearer kst_2'], ['{"jsonrpc":"2.0","id":1,"result":{}}']])
    slow.closeAllConnections()
    slow.close()
  })

  it('answers what is no message, and goes on; what is strict about a message the gateway says', async () => {
    const one = bridge()
    const hostile: readonly (readonly [string, number])[] = [
      ['{"jsonrpc":', -32_700],
      [`{"jsonrpc":"2.0","id":1,"method":"ping","x":"${'x'.repeat(1_100_000)}"}`, -32_600],
      ['[{"jsonrpc":"2.0","id":1,"method":"tools/list"}]', -32_600],
      ['{"jsonrpc":"2.0","id":1,"id":2,"method":"tools/list"}', -32_700],
      ['{"jsonrpc":"2.0","id":null,"method":"tools/list"}', -32_600],
      ['"text"', -32_600],
      [ask(1, 'tools/list', { _meta: { 'io.modelcontextprotocol/protocolVersion': 'ü\r\nx-evil: 1' } }), 0],
      [ask(1, 'x'.repeat(300)), -32_600],
      [ask(1, 'tools/call', { name: 'x', arguments: { text: 'y'.repeat(70_000) } }), -32_000],
    ]
    for (const [at, [line, code]] of hostile.entries()) {
      one.write(line)
      const { error } = await one.nth(at + 1)
      assert.ok(code === 0 ? error.code < 0 : error.code === code, `${line.slice(0, 60)} ${JSON.stringify(error)}`)
    }
    const _meta = {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientCapabilities': {},
    }
    one.write(ask(1, 'tools/call', { name: 'rück\nzahlung', arguments: {}, _meta }))
    assert.equal((await one.nth(hostile.length + 1)).result.structuredContent.code, 'not_granted')
    one.write('')
    one.write(ask('after', 'tools/list'))
    assert.equal((await one.nth(hostile.length + 2)).id, 'after')
    one.child.stdin.end()
    await one.ended
  })

  it('hangs up for a request that is taken back, and answers it no more; the call goes on', async () => {
    const one = bridge()
    await one.session()
    const input = { charge: 'ch_9', amount: 6999, request_key: 'taken-back' }
    one.write(ask(7, 'tools/call', { name: 'pay_refund', arguments: input }))
    const entry = await until(() =>
      entriesOf(where.dir).find((each) => each.kind === 'call.held' && JSON.stringify(each).includes('6999')),
    )
    one.write(JSON.stringify({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 7 } }))
    one.write(ask(8, 'tools/call', { name: 'call_status', arguments: { call: entry['call'] } }))
    const answer = await one.nth(1)
    assert.deepEqual([answer.id, answer.result.structuredContent.status], [8, 'held'])
    await gate.approve('dana', String(entry['call']))
    one.write(ask(9, 'tools/call', { name: 'call_status', arguments: { call: entry['call'], wait: 5 } }))
    assert.equal((await one.nth(2)).result.structuredContent.status, 'done')
    one.child.stdin.end()
    await one.ended
    assert.deepEqual(
      one.answers().map(({ id }) => id),
      [8, 9],
    )
  })

  it('writes nothing to its output that is not the protocol, whatever answers', async () => {
    const strange = createServer((request, response) => {
      request.resume()
      if (request.url === '/oauth/token') {
        response.writeHead(200, { 'content-type': 'application/json' })
        return response.end(JSON.stringify({ access_token: 'kst_x', session: 'ses_1', expires_in: 60 }))
      }
      if (request.headers['mcp-method'] === 'ping') return response.writeHead(200).end('{"hello":"world"}')
      response.writeHead(200, { 'content-type': request.headers['mcp-method'] ? 'text/event-stream' : 'text/html' })
      response.end(
        request.headers['mcp-method'] ? 'data: hello\n\ndata: {"jsonrpc":"2.0",\ndata: "method":"n"}\n\n' : '<html>',
      )
    })
    await new Promise<void>((resolve) => strange.listen(0, '127.0.0.1', resolve))
    const { port } = strange.address() as { port: number }
    const one = bridge('agent', `http://127.0.0.1:${port}`)
    one.write(ask(1, 'tools/list'))
    const { error } = await one.nth(1)
    assert.match(error.message, /gave no answer of MCP \(status 200\)/)
    one.write(ask(2, 'tools/list', { _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' } }))
    assert.deepEqual([(await one.nth(2)).method, (await one.nth(3)).id], ['n', 2])
    one.write(ask(4, 'ping', { _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' } }))
    assert.match((await one.nth(4)).error.message, /gave no answer of MCP/)
    one.child.stdin.end()
    await one.ended
    strange.closeAllConnections()
    await new Promise((resolve) => strange.close(resolve))
  })

  it('goes on with a renewed session, on one lineage', async () => {
    const session = await brief.session()
    const renewed = await until(() => entriesOf(where.dir).find((entry) => entry['renews'] === session))
    assert.equal(renewed['lineage'], session)
    brief.write(ask(1, 'tools/call', { name: 'session_info', arguments: {} }))
    const said = (await brief.nth(1)).result.structuredContent.session
    assert.ok(entriesOf(where.dir).some((entry) => entry['session'] === said && entry['lineage'] === session))
    brief.child.stdin.end()
    await brief.ended
    assert.equal(told(said, 'session.ended').length, 1)
  })
})
