import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** One request: what its body said, the key that it showed, its idempotency key (or its whole text), and our answer. */
export interface Seen {
  readonly text: string
  readonly key: string
  readonly name: string
  readonly status: number
}

/** Takes the keys that it takes now, and counts its effects by idempotency key. */
export interface Bank {
  readonly url: string
  readonly seen: readonly Seen[]
  readonly effects: ReadonlyMap<string, number>
  takes: readonly string[]
  /** What it does to the next request, whatever its key. */
  next: 'reset' | null
  close(): Promise<unknown>
}

/** @param first the key that it takes at the start */
export async function startBank(first: string): Promise<Bank> {
  const seen: Seen[] = []
  const effects = new Map<string, number>()
  const state: { takes: readonly string[]; next: 'reset' | null } = { takes: [first], next: null }
  const server: Server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (text: string) => (body += text))
    request.on('end', () => {
      const { authorization = '', 'x-api-key': header } = request.headers
      const [kind, shown = ''] = authorization.split(' ')
      const basic = Buffer.from(shown, 'base64').toString().split(':')[1] ?? ''
      const key = typeof header === 'string' ? header : kind === 'Basic' ? basic : shown
      const name = String(request.headers['idempotency-key'] ?? `${request.method} ${request.url} ${body}`)
      const reset = state.next === 'reset'
      state.next = null
      const status = reset || state.takes.includes(key) ? 200 : 401
      seen.push({ text: /"text":"([^"]*)"/.exec(body)?.[1] ?? '', key, name, status })
      if (status === 200 && request.method === 'POST') effects.set(name, (effects.get(name) ?? 0) + 1)
      if (reset) return void request.socket.destroy()
      const asked = request.url?.split('?call=')[1]
      const data = [...effects.keys()]
        .filter((one) => asked && one.includes(asked))
        .map(() => ({ call: asked, id: 'o' }))
      const charge = { id: 'ch_1', amount: 10_000, amount_refunded: 0, currency: 'usd', customer: 'c', data }
      const said = status === 200 ? { ...charge, status: 'ok' } : { error: { message: `no such key: ${key}` } }
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(said))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return Object.assign(state, {
    url: `http://127.0.0.1:${port}`,
    seen,
    effects,
    close: () =>
      new Promise((resolve) => {
        server.close(resolve)
        server.closeAllConnections()
      }),
  })
}
