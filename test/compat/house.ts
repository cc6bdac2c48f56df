import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import Stripe from 'stripe'
import type { ServeOptions } from '../../gateway/main.ts'
import { startLying } from '../backends/lying.ts'
import type { LyingBackend } from '../backends/lying.ts'
import { company } from '../house/company.ts'
import { house } from '../house/gateway.ts'
import type { House } from '../house/gateway.ts'

/** What makes the test company's actions stand at the Stripe-shaped door. */
export const COMPAT: { readonly [action: string]: string } = {
  'pay.refund': `compat:
  stripe:
    POST /v1/refunds:
      input: { note: metadata.note }
      ignore: [expand]
      add: { object: refund }
`,
  'pay.look': `compat:
  stripe:
    GET /v1/charges/{charge}: { add: { object: charge } }
`,
  'shop.order': `compat:
  stripe:
    POST /v1/orders: { add: { object: order } }
`,
  'blind.note': `compat:
  stripe:
    POST /v1/notes: { input: { text: content.text } }
`,
}

/** A role without a budget, for tests that need none. */
const OPEN = `role: open
describe: Without a budget.
issue_to: [{ issuer: demo, where: 'claims.sub in ["bot", "other-bot"]' }]
grants:
  pay.look:
  pay.refund: { max: 200.00 USD, approval: { above: 150.00 USD, by: 1 of finance, expires: 24h }, next: [blind.note] }
  shop.order:
  blind.note:
`

/** The files of a company whose actions say where they stand. */
export async function standing(policies: string, more: { readonly [action: string]: string } = COMPAT): Promise<void> {
  for (const file of ['pay.yaml', 'shop.yaml']) {
    const path = join(policies, 'actions', file)
    let text = await readFile(path, 'utf8')
    for (const [action, compat] of Object.entries(more)) {
      text = text.replace(new RegExp(`(action: ${action}\\n)`), (line) => `${line}${compat}`)
    }
    await writeFile(path, text)
  }
}

export interface CompatHouse {
  readonly gate: House
  readonly where: { readonly dir: string; readonly policies: string }
  readonly url: string
  readonly backends: { readonly pay: LyingBackend; readonly shop: LyingBackend; readonly blind: LyingBackend }
  /** The official SDK, as an agent would have it: host, port and protocol, and the session's token as its key. */
  sdk(token: string, more?: Partial<ConstructorParameters<typeof Stripe>[1]>): Stripe
  close(): Promise<void>
}

/** A gateway with the Stripe-shaped door, before backends that count what they do. */
export async function compatHouse(more: Partial<ServeOptions> = {}): Promise<CompatHouse> {
  const [pay, shop, blind] = await Promise.all([
    startLying(),
    startLying({ idempotency: false }),
    startLying({ idempotency: false }),
  ])
  const where = await company({ pay: pay.url, shop: shop.url, blind: blind.url }, { 'roles/open.yaml': OPEN })
  await standing(where.policies)
  const gate = await house(where, { stripeListen: '127.0.0.1:0', ...more })
  const url = gate.running.stripeUrl ?? ''
  return {
    gate,
    where,
    url,
    backends: { pay, shop, blind },
    sdk: (token, own) => sdkOf(url, token, own),
    async close() {
      await gate.stop()
      await Promise.all([pay.close(), shop.close(), blind.close()])
      await where.remove()
    },
  }
}

export function sdkOf(url: string, token: string, more: Partial<ConstructorParameters<typeof Stripe>[1]> = {}): Stripe {
  const { hostname, port, protocol } = new URL(url)
  return new Stripe(token, {
    host: hostname,
    port,
    protocol: protocol === 'https:' ? 'https' : 'http',
    ...more,
  })
}

/** A listener in between that counts requests, and may cut the connection before an answer comes back. */
export async function counting(url: string): Promise<{
  readonly url: string
  readonly keys: (string | undefined)[]
  cut: (nth: number) => boolean
  close(): Promise<void>
}> {
  const keys: (string | undefined)[] = []
  const between = { cut: (_nth: number): boolean => false }
  const server = createServer(async (request, response) => {
    const pieces: Buffer[] = []
    for await (const piece of request) pieces.push(piece as Buffer)
    const nth = keys.push(request.headers['idempotency-key'] as string | undefined)
    const { host: _host, connection: _connection, 'content-length': _length, ...headers } = request.headers
    const answer = await fetch(`${url}${request.url}`, {
      method: request.method ?? 'GET',
      headers: headers as { [name: string]: string },
      ...(request.method === 'GET' ? {} : { body: Buffer.concat(pieces) }),
    })
    const text = await answer.text()
    if (between.cut(nth)) return void request.socket.resetAndDestroy()
    const told = [...answer.headers].filter(
      ([name]) => !['content-length', 'connection', 'transfer-encoding'].includes(name),
    )
    response.writeHead(answer.status, Object.fromEntries(told)).end(text)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    keys,
    get cut() {
      return between.cut
    },
    set cut(cut) {
      between.cut = cut
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
