import type { IncomingMessage } from 'node:http'
import { createProxyMiddleware } from 'http-proxy-middleware'
import { lastLook } from './agent.ts'
import type { BackendAgent } from './agent.ts'
import type { HttpExchange } from './http-exchange.ts'
import type { Passage } from './passage.ts'

/** Where an exchange goes. */
interface Way {
  readonly passage: Passage
  readonly agent: BackendAgent
  readonly origin: string
  readonly target: string
}

const ways = new WeakMap<IncomingMessage, Way>()

function wayOf(request: IncomingMessage): Way {
  const way = ways.get(request)
  if (way === undefined) throw new Error('this request has no way')
  return way
}

/**
 * One middleware for all backends: it listens to the servers that it meets, and a policy may change its backends often.
 * It joins the two streams and watches both for their end; what goes by, and when it is over, the passage says. `on.error`
 * is there because the middleware's own error page names the backend.
 */
const middleware = createProxyMiddleware({
  router(request, _response, options) {
    const { agent, origin } = wayOf(request)
    options.agent = agent
    return origin
  },
  pathRewrite: (_path, request) => wayOf(request).target,
  changeOrigin: true,
  xfwd: false,
  selfHandleResponse: true,
  on: {
    proxyReq: (outgoing, request) => wayOf(request).passage.begins(outgoing),
    proxyRes: (answer, request) => wayOf(request).passage.answered(answer),
    error: (error, request) => wayOf(request).passage.failed(error),
    econnreset: (error, request) => wayOf(request).passage.failed(error),
  },
})

/**
 * Begins to pass an exchange on; the passage says how it ends. The middleware sees no header of the agent's: what goes out
 * is what the passage sets, and should it ever fail to, nothing of the agent's has gone.
 */
export function pass({ request, response }: HttpExchange, way: Way): void {
  const { url, headers } = request
  ways.set(request, way)
  request.headers = {}
  // The middleware, its proxy and the two streams each watch for its end.
  response.setMaxListeners(40)
  const restore = (): void => {
    request.url = url
    request.headers = headers
  }
  void way.passage.outcome.then(restore, restore)
  const look = (): Error | null => way.passage.refused()
  // A connection that is kept is used in this turn.
  if (look() !== null) return
  lastLook
    .run(look, () => middleware(request, response, () => {}))
    .catch((error: unknown) => way.passage.failed(error instanceof Error ? error : new Error('the proxy failed')))
}
