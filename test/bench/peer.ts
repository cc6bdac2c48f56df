import { Agent, createServer, ServerResponse } from 'node:http'
import type { Server } from 'node:http'
import { createServer as createSocketServer } from 'node:net'
import type { AddressInfo, Server as SocketServer } from 'node:net'
import express from 'express'
import { createProxyMiddleware } from 'http-proxy-middleware'
import { Pool } from 'undici'
import { load } from './load.ts'
import type { Load } from './load.ts'

/** What the benchmark may ask of a process that it started. */
export type Ask = { readonly ask: 'cpu' } | { readonly ask: 'load'; readonly load: Load } | { readonly ask: 'end' }

/** What the backend says, whatever it is asked. */
const ANSWER = JSON.stringify({ id: 're_3PbenchBenchBench', amount: 700, status: 'succeeded', object: 'refund' })

/** One process of the benchmark: `node peer.ts ROLE [BACKEND [DIR]]`. It says when it stands, then answers over IPC. */
const [role = '', backend = '', dir = ''] = process.argv.slice(2)
const roles: { readonly [role: string]: () => Promise<unknown> } = {
  backend: async () => ({ url: await listening(backendServer()) }),
  proxy: async () => ({ url: await listening(proxyServer(backend)) }),
  forwarder: async () => ({ url: await listening(forwarderServer(backend)) }),
  // Only its own process loads it.
  gateway: async () => (await import('./governed.ts')).governed(backend, dir),
  load: async () => ({}),
}
process.on('message', (message: Ask) => void answer(message))
process.on('disconnect', () => process.exit(0))
process.send?.(await roles[role]?.())

async function answer(message: Ask): Promise<void> {
  if (message.ask === 'end') process.exit(0)
  // All threads of the process: getrusage(RUSAGE_SELF).
  const { user, system } = process.cpuUsage()
  process.send?.(message.ask === 'cpu' ? user + system : await load(message.load))
}

/** Express and http-proxy-middleware, with what makes it fast: connections that stay open, and no path to rewrite. */
function proxyServer(target: string): Server {
  const app = express()
  app.disable('x-powered-by').disable('etag')
  const agent = new Agent({ keepAlive: true, maxSockets: 64 })
  app.use(
    createProxyMiddleware({
      target,
      agent,
      // Without a handler of its own it would answer a lost backend by itself, and log it.
      on: {
        error(_error, _request, response) {
          if (response instanceof ServerResponse && !response.headersSent) response.writeHead(502)
          response.end()
        },
      },
    }),
  )
  return createServer(app)
}

/** Express and an undici Pool: the least that forwards a body and an answer. */
function forwarderServer(target: string): Server {
  const pool = new Pool(target, { connections: 64, pipelining: 1 })
  const app = express()
  app.disable('x-powered-by').disable('etag')
  app.use(async (request, response) => {
    const { 'content-type': type = 'application/json', 'content-length': length = '0' } = request.headers
    const { statusCode, headers, body } = await pool.request({
      method: 'POST',
      path: request.originalUrl,
      headers: { 'content-type': type, 'content-length': length },
      body: request,
    })
    const bytes = Buffer.from(await body.arrayBuffer())
    response.writeHead(statusCode, {
      'content-type': String(headers['content-type'] ?? 'application/json'),
      'content-length': bytes.length,
    })
    response.end(bytes)
  })
  return createServer(app)
}

/**
 * A backend that costs nearly nothing, so that what is compared is the peers: it frames requests and has one answer.
 */
function backendServer(): SocketServer {
  const bytes = Buffer.from(
    [
      'HTTP/1.1 200 OK',
      'Content-Type: application/json',
      'Request-Id: req_bench',
      `Content-Length: ${Buffer.byteLength(ANSWER)}`,
      '',
      ANSWER,
    ].join('\r\n'),
  )
  return createSocketServer({ noDelay: true }, (socket) => {
    let pending = ''
    socket.on('error', () => socket.destroy())
    socket.setEncoding('latin1').on('data', (piece) => {
      pending += piece
      for (let end = endOf(pending); end !== null; end = endOf(pending)) {
        pending = pending.slice(end)
        socket.write(bytes)
      }
    })
  })
}

/** Where the first whole request ends, or null. */
function endOf(text: string): number | null {
  const head = text.indexOf('\r\n\r\n')
  if (head < 0) return null
  const header = text.slice(0, head)
  if (/\r\ntransfer-encoding: *chunked/i.test(header)) {
    const end = text.indexOf('\r\n0\r\n\r\n', head)
    return end < 0 ? null : end + 7
  }
  const length = Number(/\r\ncontent-length: *(\d+)/i.exec(header)?.[1] ?? 0)
  return text.length >= head + 4 + length ? head + 4 + length : null
}

function listening(server: Server | SocketServer): Promise<string> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`))
  })
}
