import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { createMCPClient } from '@ai-sdk/mcp'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { Client as ClientOf2025 } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as TransportOf2025 } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport as AnyTransport } from '@modelcontextprotocol/sdk/shared/transport.js'
import { Agent, MCPServerStreamableHttp, Runner } from '@openai/agents'
import { assistantMessage, functionCall, ScriptedModel } from '@openai/agents/testing'
import { generateText, isStepCount } from 'ai'
import { MockLanguageModelV4 } from 'ai/test'

/** An agent as it is built today: what it asks with, and the text that its model reads of an answer. */
export interface McpAgent {
  readonly name: string
  /** Revisions that it speaks here, in the order of `connect`'s requests. */
  readonly revisions: readonly string[]
  connect(url: string, token: string): Promise<Connected>
}
export interface Connected {
  tools(): Promise<string[]>
  call(name: string, input: Input): Promise<string>
  /** The same, where people must decide first; by another revision where the client has one that differs in this. */
  held?(name: string, input: Input): Promise<string>
  close(): Promise<void>
}
export interface Input {
  readonly [name: string]: string | number
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` })
/** What clients hand to a model: the first text. */
const firstText = (result: object): string => (result as { content: { text: string }[] }).content[0]?.text ?? ''

const clientPackage: McpAgent = {
  name: '@modelcontextprotocol/client',
  revisions: ['2026-07-28'],
  async connect(url, token) {
    const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode: 'auto' } })
    await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers: bearer(token) } }))
    return {
      tools: async () => (await client.listTools()).tools.map(({ name }) => name),
      call: async (name, input) => firstText(await client.callTool({ name, arguments: { ...input } })),
      close: () => client.close(),
    }
  },
}

const sdkPackage: McpAgent = {
  name: '@modelcontextprotocol/sdk',
  revisions: ['2025-11-25'],
  async connect(url, token) {
    const client = new ClientOf2025({ name: 'test', version: '1' })
    await client.connect(new TransportOf2025(new URL(url), { requestInit: { headers: bearer(token) } }) as AnyTransport)
    return {
      tools: async () => (await client.listTools()).tools.map(({ name }) => name),
      call: async (name, input) => firstText(await client.callTool({ name, arguments: { ...input } })),
      close: () => client.close(),
    }
  },
}

/** A process for each call, as in a shell or a pipeline. */
const inspector: McpAgent = {
  name: '@modelcontextprotocol/inspector --cli',
  revisions: ['2025-11-25', '2026-07-28'],
  async connect(url, token) {
    const its = import.meta.resolve('@modelcontextprotocol/inspector/package.json')
    const file = fileURLToPath(new URL('clients/launcher/build/index.js', its))
    const { PATH, NODE_COMPILE_CACHE } = process.env
    const run = async (...args: readonly string[]): Promise<string> => {
      const shown = ['--cli', url, '--header', `Authorization: Bearer ${token}`, ...args]
      const child = spawn(process.execPath, [file, ...shown], {
        env: {
          PATH,
          HOME: tmpdir(),
          NODE_COMPILE_CACHE: NODE_COMPILE_CACHE ?? join(tmpdir(), 'keystay-test-compiled'),
        },
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      const [out, errors, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')])
      // A tool's own error is printed like any result, and the process says so with 5.
      if (code !== 0 && code !== 5) throw new Error(`the inspector ended ${code}: ${errors}`)
      return out
    }
    const call =
      (...era: readonly string[]) =>
      async (name: string, input: Input) => {
        const pairs = Object.entries(input).map(([member, value]) => `${member}=${value}`)
        const out = await run(...era, '--method', 'tools/call', '--tool-name', name, '--tool-arg', ...pairs)
        return firstText(JSON.parse(out) as object)
      }
    return {
      tools: async () =>
        (JSON.parse(await run('--method', 'tools/list')) as { tools: { name: string }[] }).tools.map(
          ({ name }) => name,
        ),
      call: call(),
      // It declares Tasks, which are of this revision: what is held it asks after with tasks/get.
      held: call('--protocol-era', 'modern'),
      close: async () => {},
    }
  },
}

/** `generateText` with the tools of the server: the model says what to call, then reads the result in its next prompt. */
const aiSdk: McpAgent = {
  name: '@ai-sdk/mcp with ai',
  revisions: ['2026-07-28'],
  async connect(url, token) {
    const client = await createMCPClient({ transport: { type: 'http', url, headers: bearer(token) } })
    const tools = await client.tools()
    const usage = {
      inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 },
      outputTokens: { total: 1, text: 1, reasoning: 0 },
    }
    return {
      tools: async () => Object.keys(tools),
      async call(toolName, input) {
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
        await generateText({ model, tools, stopWhen: isStepCount(3), prompt: 'Do it.' })
        const read = model.doGenerateCalls.at(-1)?.prompt.at(-1)
        return read?.role === 'tool' ? shownBy(read.content[0]) : ''
      },
      close: () => client.close(),
    }
  },
}

function shownBy(part: unknown): string {
  const { output } = part as { output: { type: string; value: { text: string }[] } }
  return output.value[0]?.text ?? ''
}

/** `Runner.run` with an MCP server: tools are listed before each turn of the model. No traces: nothing leaves. */
const openAiAgents: McpAgent = {
  name: '@openai/agents',
  revisions: ['2026-07-28'],
  async connect(url, token) {
    const server = new MCPServerStreamableHttp({ url, name: 'keystay', requestInit: { headers: bearer(token) } })
    await server.connect()
    return {
      tools: async () => (await server.listTools()).map(({ name }) => name),
      async call(name, input) {
        const model = new ScriptedModel([
          [functionCall(name, { ...input }, { callId: 'one' })],
          [assistantMessage('Done.')],
        ])
        const agent = new Agent({ name: 'test', instructions: 'Do it.', model, mcpServers: [server] })
        const { history } = await new Runner({ tracingDisabled: true }).run(agent, 'Do it.')
        const read = history.find(({ type }) => type === 'function_call_result')
        return (read as { output: { text: string }[] } | undefined)?.output[0]?.text ?? ''
      },
      close: () => server.close(),
    }
  },
}

export const AGENTS: readonly McpAgent[] = [clientPackage, sdkPackage, inspector, aiSdk, openAiAgents]

export interface Sent {
  readonly method: string
  readonly headers: { readonly [name: string]: unknown }
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly message: any
}

/** People need milliseconds here: who asks every few seconds shall ask sooner. Of the same length, so that it still fits. */
const sooner = (piece: Buffer) => piece.toString('latin1').replace('"pollIntervalMs":5000', '"pollIntervalMs":  50')

/** Between a client and the gateway: notes what the client sends. */
export async function tap(to: string): Promise<{ url: string; sent: Sent[]; close: () => Promise<void> }> {
  const { hostname, port } = new URL(to)
  const sent: Sent[] = []
  const server = createServer((incoming, outgoing) => {
    const { method = '', url: path = '', headers } = incoming
    void (async () => {
      const body = await text(incoming)
      sent.push({ method, headers, message: body === '' ? null : JSON.parse(body) })
      const onward = request({ hostname, port, method, path, headers }, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.on('data', (piece: Buffer) => outgoing.write(sooner(piece), 'latin1')).on('end', () => outgoing.end())
      })
      onward.on('error', () => outgoing.destroy())
      onward.end(body)
    })()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`,
    sent,
    close: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
