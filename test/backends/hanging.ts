import { createServer } from 'node:http'
import type { ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A backend that takes connections and requests, and answers none of them while it hangs. */
export interface HangingBackend {
  readonly url: string
  /** Repeats of one Idempotency-Key are one effect; so are they all when no key is sent. */
  readonly effects: ReadonlySet<string>
  /** Requests that wait for an answer now, and the most that ever did. */
  readonly open: () => { now: number; most: number }
  /** While it hangs nothing happens either, so that what is asked again later is what counts. */
  hang(yes: boolean): void
  close(): Promise<void>
}

export async function startHanging(): Promise<HangingBackend> {
  const effects = new Set<string>()
  const waiting = new Set<ServerResponse>()
  let hangs = false
  let most = 0
  const server = createServer((request, response) => {
    request.resume()
    if (hangs) {
      waiting.add(response)
      most = Math.max(most, waiting.size)
      response.once('close', () => waiting.delete(response))
      return
    }
    if (request.method === 'POST') effects.add(String(request.headers['idempotency-key'] ?? ''))
    const text = JSON.stringify({ id: `fx_${effects.size}`, status: 'succeeded', data: [] })
    response.setHeader('Content-Type', 'application/json').end(text)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    effects,
    open: () => ({ now: waiting.size, most }),
    hang: (yes) => void (hangs = yes),
    close() {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}
