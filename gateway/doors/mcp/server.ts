import { createMcpHandler, ProtocolError, ProtocolErrorCode, Server } from '@modelcontextprotocol/server'
import type { CallToolResult, ListToolsResult, Result, ServerContext } from '@modelcontextprotocol/server'
import type { DoorParts } from '../frame.ts'
import { askGateway } from './built-in.ts'
import { askFor, goesOn } from './call.ts'
import { declaresTasks, TASKS, toldProblem } from './exchange.ts'
import type { Exchange } from './exchange.ts'
import { callResult, problemResult } from './results.ts'
import { askTask, taskOf } from './tasks.ts'
import { isBuiltIn, toolsOf } from './tools.ts'

/** What one request brings: everything but what the protocol's library adds. */
export type Asked = Omit<Exchange, 'progress' | 'tasks'>

export interface Served {
  readonly response: Response
  /** Ends with the work that the request began, which a client that leaves does not end. To be asked when it was answered. */
  readonly work: () => Promise<unknown>
}

/**
 * The protocol, by its own library: revision 2026-07-28 (stateless, header checks, `server/discover`) and those of 2025
 * from one endpoint, told apart by the request. Each request has a server of its own; nothing is kept between two. What
 * the library would validate with texts of its own (names, arguments) is read from `asked` instead.
 */
export function mcpServer(parts: DoorParts): (request: Request, asked: Asked) => Promise<Served> {
  const waiting = new WeakMap<Request, { readonly asked: Asked; work: Promise<unknown> }>()
  const handler = createMcpHandler(
    ({ era, requestInfo }) => {
      const entry = requestInfo === undefined ? undefined : waiting.get(requestInfo)
      if (entry === undefined) throw new Error('a server was asked for without a request')
      const exchange = { ...entry.asked, progress: null, tasks: era === 'modern' && declaresTasks(entry.asked.message) }
      const begun = <Answer>(work: Promise<Answer>): Promise<Answer> => {
        entry.work = work.catch(() => {})
        return work
      }
      return serverFor(parts, exchange, era, begun)
    },
    { keepAliveMs: KEEP_ALIVE_MS },
  )
  return async (request, asked) => {
    const entry = { asked, work: Promise.resolve() as Promise<unknown> }
    waiting.set(request, entry)
    const response = await handler.fetch(request, { parsedBody: copyFor(asked) })
    return { response, work: () => entry.work }
  }
}

/** A stream that is silent for longer is cut by some proxies. */
const KEEP_ALIVE_MS = 10_000

/** The library need not see arguments: it would hold them to a schema, and drop members called __proto__. */
function copyFor({ message: { method, params, body } }: Asked): object {
  return method === 'tools/call' && 'arguments' in params ? { ...body, params: { ...params, arguments: {} } } : body
}

type Begun = <Answer>(work: Promise<Answer>) => Promise<Answer>

function serverFor(parts: DoorParts, exchange: Exchange, era: 'legacy' | 'modern', begun: Begun): Server {
  const server = new Server(
    { name: 'keystay', title: 'Keystay', version: parts.version ?? '0' },
    {
      capabilities: { tools: {}, ...(era === 'modern' ? { extensions: { [TASKS]: {} } } : {}) },
      instructions: INSTRUCTIONS,
      jsonSchemaValidator: ASKS_NOTHING,
      cacheHints: { 'tools/list': CACHE, 'server/discover': CACHE },
    },
  )
  server.setRequestHandler('tools/list', () => begun(list(parts, exchange)))
  server.setRequestHandler('tools/call', (_request, context) =>
    begun(tool(parts, { ...exchange, progress: progressOf(context) })),
  )
  if (era === 'modern') {
    for (const method of ['tasks/get', 'tasks/cancel', 'tasks/update']) {
      server.setRequestHandler(method, { params: ANYTHING }, () => begun(told(parts, exchange, askTask)))
    }
  }
  return server
}

const INSTRUCTIONS = [
  'Each tool is one narrow action of your role; limits are in its description, and what is left of them in the tool limits.',
  'A write takes request_key, which names one effect: use the same key for every retry of it, and another for another effect.',
  'A call beyond a limit is held until people approve, or denied: then do what the error says, and never split it to pass.',
].join(' ')

const CACHE = { ttlMs: 5_000, cacheScope: 'private' } as const

/** Where the library would validate answers of a person at the client: none is ever asked. */
const ASKS_NOTHING = {
  getValidator: () => {
    throw new Error('nobody is asked through the client')
  },
}

/** A Standard Schema that takes what there is; the parameters of tasks are read from the message itself. */
const ANYTHING = {
  '~standard': { version: 1, vendor: 'keystay', validate: (value: unknown) => ({ value }) },
} as const

async function list(parts: DoorParts, exchange: Exchange): Promise<ListToolsResult> {
  return told(parts, exchange, async ({ gateway }, { session }) => {
    const tools = toolsOf(gateway.policy(), session.role, await gateway.actions(session))
    return { tools } as unknown as ListToolsResult
  })
}

/** Whatever goes wrong with a tool is its result: a model reads results and mends what it can; faults end its work. */
async function tool(parts: DoorParts, exchange: Exchange): Promise<CallToolResult> {
  const { scrub } = parts
  try {
    const name = String(exchange.message.params['name'])
    if (isBuiltIn(name)) return (await askGateway(parts, exchange, name)) as unknown as CallToolResult
    const reply = await askFor(parts, exchange)
    const goes = goesOn(reply) || reply.envelope.status === 'needs_human'
    const result = exchange.tasks && goes ? taskOf(reply) : callResult(reply, scrub)
    return result as unknown as CallToolResult
  } catch (error) {
    return problemResult(toldProblem(parts, exchange.source, error).body(), scrub) as unknown as CallToolResult
  }
}

/** Elsewhere a problem is an error of the protocol, with the problem as its data. */
async function told<Answer extends object>(
  parts: DoorParts,
  exchange: Exchange,
  answer: (parts: DoorParts, exchange: Exchange) => Promise<Answer>,
): Promise<Answer & Result> {
  try {
    return (await answer(parts, exchange)) as Answer & Result
  } catch (error) {
    if (error instanceof ProtocolError) throw error
    const problem = toldProblem(parts, exchange.source, error)
    throw new ProtocolError(ProtocolErrorCode.InternalError, problem.message, problem.body())
  }
}

/** Notifications of progress, where the client gave a token for them. */
function progressOf({ mcpReq }: ServerContext): Exchange['progress'] {
  const token = mcpReq._meta?.progressToken
  if (typeof token !== 'string' && typeof token !== 'number') return null
  let told = 0
  return (text) => {
    const params = { progressToken: token, progress: ++told, message: text }
    // Who has left hears nothing, and the call goes on.
    mcpReq.notify({ method: 'notifications/progress', params }).catch(() => {})
  }
}
