import { createServer } from 'node:http'
import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'

/** One request for an effect, as its bytes came. */
export interface Sent {
  readonly method: string
  /** Path and query as they stood in the request. */
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
  /** `call_…`, of the chain of custody. */
  readonly call: string
}

/** A backend that knows repeats by their Idempotency-Key, and whose charges say what a test wants them to. */
export interface RacingBank {
  readonly url: string
  /** Every request for an effect, repeats too. */
  readonly sent: readonly Sent[]
  /** Effects by call: distinct keys under which it was asked. */
  effects(call: string): number
  /** What is answered about this charge; a charge that nobody set is one of 200.00 USD, untouched. */
  set(charge: string, answer: Answer): void
  close(): Promise<void>
}

export interface Answer {
  readonly status: number
  /** Sent as it is. */
  readonly text: string
  /** The connection is cut instead. */
  readonly cut?: boolean
}

export const UNTOUCHED = { amount: 20_000, amount_refunded: 0, currency: 'usd', customer: 'cus_1' }

export function chargeOf(id: string, change: { readonly [member: string]: unknown } = {}): Answer {
  return { status: 200, text: JSON.stringify({ id, ...UNTOUCHED, ...change }) }
}

/** @param slow_ms how long an effect takes at most; each takes another time. */
export async function startRacingBank(slow_ms = 3): Promise<RacingBank> {
  const sent: Sent[] = []
  const keys = new Map<string, Set<string>>()
  const charges = new Map<string, Answer>()
  const say = (response: ServerResponse, { status, text, cut = false }: Answer): void => {
    if (cut) return void response.socket?.destroy()
    response.writeHead(status, { 'content-type': 'application/json', 'request-id': `req_${sent.length}` }).end(text)
  }
  const server = createServer((request, response) => {
    const pieces: Buffer[] = []
    request.on('error', () => {})
    request.on('data', (piece: Buffer) => pieces.push(piece))
    request.on('end', () => {
      const { method = '', url = '', headers } = request
      const id = /^\/v\d\/charges\/([^/?]+)$/.exec(url)?.[1]
      if (method === 'GET') {
        return say(response, id === undefined ? { status: 404, text: '{}' } : (charges.get(id) ?? chargeOf(id)))
      }
      const call = String(headers['keystay-call'])
      sent.push({ method, url, headers, body: Buffer.concat(pieces), call })
      keys.set(call, (keys.get(call) ?? new Set()).add(String(headers['idempotency-key'])))
      const answer = { status: 200, text: JSON.stringify({ id: `re_${sent.length}`, status: 'succeeded' }) }
      setTimeout(() => say(response, answer), Math.random() * slow_ms)
    })
  })
  server.keepAliveTimeout = 60_000
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    sent,
    effects: (call) => keys.get(call)?.size ?? 0,
    set: (charge, answer) => void charges.set(charge, answer),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
