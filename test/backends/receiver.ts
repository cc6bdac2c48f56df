import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { Webhook } from 'standardwebhooks'

/** What came, as it came. */
export interface Received {
  readonly id: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly text: string
  // What a test looks at.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly body: any
  /** Whether the signature holds, by the package that receivers use. */
  readonly signed: boolean
}

export interface Receiver {
  readonly url: string
  readonly received: Received[]
  /** Of the payload's type, about the call. */
  of(type: string, call?: string): Received[]
  /** From now on it answers so; null: 204. */
  answer(how: ((request: IncomingMessage, response: ServerResponse) => void) | null): void
  close(): Promise<void>
}

/** Somebody's webhook on loopback. It checks every signature with the secret it was given. */
export async function startReceiver(
  secret: string,
  tls?: { readonly cert: string; readonly key: string },
): Promise<Receiver> {
  const received: Received[] = []
  let how: ((request: IncomingMessage, response: ServerResponse) => void) | null = null
  const take = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const text = Buffer.concat(chunks).toString('utf8')
    received.push({
      id: String(request.headers['webhook-id']),
      path: request.url ?? '',
      headers: request.headers,
      text,
      body: parsed(text),
      signed: holds(secret, text, request.headers),
    })
    if (how !== null) return how(request, response)
    response.writeHead(204).end()
  }
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    take(request, response).catch(() => response.destroy())
  }
  const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    received,
    of: (type, call) =>
      received.filter(({ body }) => body?.type === type && (call ?? body.data.call) === body.data.call),
    answer: (next) => void (how = next),
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

function holds(secret: string, text: string, headers: IncomingMessage['headers']): boolean {
  try {
    new Webhook(secret).verify(text, headers as Record<string, string>)
    return true
  } catch {
    return false
  }
}
