import { createServer } from 'node:http'
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Seen {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly rawHeaders: readonly string[]
  /** Bytes of the body that arrived. */
  bytes: number
  text: string
  /** The body came to its end. */
  whole: boolean
}

export type Act = (request: IncomingMessage, response: ServerResponse, seen: Seen) => void

export interface Streaming {
  readonly url: string
  readonly seen: Seen[]
  /** By path; anything else is answered with what arrived. */
  readonly acts: { [path: string]: Act }
  /** Connections that were opened. */
  connections(): number
  close(): Promise<void>
}

/** A backend that keeps what it was asked for, and answers as each test likes. */
export async function streaming(): Promise<Streaming> {
  const seen: Seen[] = []
  const acts: { [path: string]: Act } = {}
  let connections = 0
  const server = createServer((request, response) => {
    const { method = '', url = '', headers, rawHeaders } = request
    const one: Seen = { method, url, headers, rawHeaders, bytes: 0, text: '', whole: false }
    seen.push(one)
    request.on('data', (piece: Buffer) => {
      one.bytes += piece.length
      if (one.bytes < 100_000) one.text += piece.toString('latin1')
    })
    request.on('end', () => (one.whole = true))
    request.on('error', () => {})
    const act = acts[url.split('?')[0] ?? '']
    if (act !== undefined) return act(request, response, one)
    request.on('end', () => {
      const body = JSON.stringify({ method, url, bytes: one.bytes })
      response.writeHead(200, { 'content-type': 'application/json' }).end(body)
    })
  })
  server.on('connection', () => connections++)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    acts,
    connections: () => connections,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
