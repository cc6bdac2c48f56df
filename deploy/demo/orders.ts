import { randomUUID, timingSafeEqual } from 'node:crypto'
import { runAlone } from './alone.ts'
import { parseJson, startSandbox, type Answer, type Request, type Sandbox } from './sandbox.ts'

interface Order {
  readonly id: string
  status: 'open' | 'shipped' | 'cancelled'
  readonly item: string
  readonly created_at: string
  cancel_reason: string | null
  /** What the caller said in `cancelled_by`: the id of the call. A recheck asks for it. */
  cancelled_by: string | null
}

interface Case {
  readonly id: string
  readonly order: string | null
  readonly charge: string | null
  readonly text: string
  readonly opened_by: string | null
  readonly created_at: string
}

interface Books {
  readonly orders: Map<string, Order>
  readonly cases: Case[]
  cancellations: number
}

/**
 * A stateful sandbox of a shop's own order system, for the demo and for tests. It is the plain kind of backend: a fixed
 * key in `X-Api-Key`, and *no idempotency keys*, on purpose. A repeated cancel is refused, a repeated case is a second
 * case; whether something happened can be asked only by what the caller left in it (`cancelled_by`, `opened_by`).
 *
 *   GET /orders/ID · POST /orders/ID/cancel {reason, cancelled_by?} · POST /cases {order?, charge?, text, opened_by?} ·
 *   GET /cases/ID · GET /cases?opened_by= · without a key, for the demo and tests: POST /sandbox/orders {status?, item?},
 *   GET /sandbox/effects, /sandbox/faults (faults.ts)
 */
export function startOrders(options: { host: string; port: number; key: string }): Promise<Sandbox> {
  const books: Books = { orders: new Map(), cases: [], cancellations: 0 }
  return startSandbox({
    host: options.host,
    port: options.port,
    wrong: error,
    helper: (request) => helper(books, request),
    api: async (request) => {
      if (!isFor(request, options.key)) return error(401, 'X-Api-Key is missing or not ours.')
      if (request.method === 'POST') await request.slow()
      return api(books, request)
    },
  })
}

function api(books: Books, { method, path, query, body }: Request): Answer | null {
  const [kind, id, verb, ...rest] = path
  if (rest.length) return null
  if (kind === 'orders' && id) {
    const order = books.orders.get(id)
    if (method === 'GET' && verb === undefined)
      return order ? { status: 200, body: order } : error(404, `No order ${id}.`)
    if (method === 'POST' && verb === 'cancel')
      return order ? cancel(books, order, parseJson(body)) : error(404, `No order ${id}.`)
  }
  if (kind === 'cases' && verb === undefined) {
    if (method === 'POST' && id === undefined) return openCase(books, parseJson(body))
    if (method === 'GET' && id === undefined) {
      const by = query.get('opened_by')
      return {
        status: 200,
        body: { data: books.cases.filter((one) => by === null || one.opened_by === by), has_more: false },
      }
    }
    const one = books.cases.find((there) => there.id === id)
    if (method === 'GET') return one ? { status: 200, body: one } : error(404, `No case ${id}.`)
  }
  return null
}

function cancel(books: Books, order: Order, body: unknown): Answer {
  const said = texts(body, ['reason', 'cancelled_by'])
  if (typeof said === 'string') return error(400, said)
  if (order.status !== 'open') return error(409, `Order ${order.id} is ${order.status}.`)
  order.status = 'cancelled'
  order.cancel_reason = said['reason'] ?? null
  order.cancelled_by = said['cancelled_by'] ?? null
  books.cancellations += 1
  return { status: 200, body: order }
}

function openCase(books: Books, body: unknown): Answer {
  const said = texts(body, ['order', 'charge', 'text', 'opened_by'])
  if (typeof said === 'string') return error(400, said)
  if (!said['text']) return error(400, 'A case needs a text.')
  const one: Case = {
    id: `case_${books.cases.length + 1}`,
    order: said['order'] ?? null,
    charge: said['charge'] ?? null,
    text: said['text'],
    opened_by: said['opened_by'] ?? null,
    created_at: new Date().toISOString(),
  }
  books.cases.push(one)
  return { status: 201, body: one }
}

function helper(books: Books, { method, path, body }: Request): Answer | null {
  if (method === 'POST' && path.join('/') === 'sandbox/orders') {
    const said = texts(body === '' ? {} : parseJson(body), ['status', 'item'])
    if (typeof said === 'string') return error(400, said)
    const status = said['status'] ?? 'open'
    if (status !== 'open' && status !== 'shipped') return error(400, 'status is open or shipped.')
    const order: Order = {
      id: randomUUID(),
      status,
      item: said['item'] ?? 'a lamp',
      created_at: new Date().toISOString(),
      cancel_reason: null,
      cancelled_by: null,
    }
    books.orders.set(order.id, order)
    return { status: 201, body: order }
  }
  if (method === 'GET' && path.join('/') === 'sandbox/effects') {
    const cancelled = [...books.orders.values()].filter((order) => order.status === 'cancelled')
    return { status: 200, body: { count: books.cancellations + books.cases.length, cancelled, cases: books.cases } }
  }
  return null
}

/** @returns the members, all of them texts, of a JSON object that has no others; or a sentence. */
function texts(body: unknown, members: readonly string[]): Record<string, string> | string {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return 'The body is a JSON object.'
  for (const [name, value] of Object.entries(body)) {
    if (!members.includes(name)) return `There is no member ${JSON.stringify(name)} here.`
    if (typeof value !== 'string' || value.length > 10_000) return `${name} is a text of at most 10000 characters.`
  }
  return body as Record<string, string>
}

function isFor({ headers }: Request, key: string): boolean {
  const given = Buffer.from(String(headers['x-api-key'] ?? ''))
  const wanted = Buffer.from(key)
  return given.length === wanted.length && timingSafeEqual(given, wanted)
}

function error(status: number, message: string): Answer {
  return { status, body: { error: message } }
}

// `node deploy/demo/orders.ts --port 4243 --key demo_…`
await runAlone(import.meta, { port: 4243, start: startOrders })
