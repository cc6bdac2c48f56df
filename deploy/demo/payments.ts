import { timingSafeEqual } from 'node:crypto'
import { runAlone } from './alone.ts'
import { error, makeCharge, missing, type Books } from './books.ts'
import { parseForm } from './form.ts'
import { once } from './idempotency.ts'
import { listRefunds, makeRefund } from './refunds.ts'
import { parseJson, startSandbox, type Answer, type Request, type Sandbox } from './sandbox.ts'

/**
 * A stateful sandbox of a payment processor, Stripe-shaped (API reference: Charges, Refunds, Errors, Pagination,
 * Idempotent requests), for the demo and for tests. It moves no money and knows no card.
 *
 * Under /v1 every request needs `key` as a bearer token. Under /sandbox/ none is needed: agents hold no key of the
 * processor, that is the point of it all, so the demo's agent arranges its charges there (`POST /sandbox/charges`), and
 * tests arrange faults (faults.ts) and count effects (`GET /sandbox/effects`). A real processor has no such paths.
 */
export function startPayments(options: { host: string; port: number; key: string }): Promise<Sandbox> {
  const books: Books = { charges: new Map(), refunds: [], keys: new Map(), customers: 0 }
  return startSandbox({
    host: options.host,
    port: options.port,
    wrong: (status, message) => error(status, { message }),
    helper: (request) => helper(books, request),
    api: async (request) => (isFor(request, options.key) ? api(books, request) : unauthorized(request)),
  })
}

async function api(books: Books, request: Request): Promise<Answer | null> {
  const [version, kind, id, ...rest] = request.path
  if (version !== 'v1' || rest.length) return null
  const params = parseForm(request.method === 'GET' ? request.query.toString() : request.body)
  if (typeof params === 'string') return error(400, { message: params, code: 'parameter_unknown' })

  if (request.method === 'GET') {
    if (kind === 'charges' && id) return found(books.charges.get(id)) ?? missing('charge', id)
    if (kind === 'refunds' && id)
      return found(books.refunds.find((refund) => refund.id === id)) ?? missing('refund', id)
    if (kind === 'refunds') return listRefunds(books, params)
  }
  if (request.method === 'POST' && id === undefined) {
    const make = kind === 'charges' ? makeCharge : kind === 'refunds' ? makeRefund : null
    if (!make) return null
    const work = async () => {
      await request.slow()
      const made = make(books, params)
      return 'problem' in made
        ? { kept: made.validated, answer: made.problem }
        : { kept: true, answer: { status: 200, body: made.object } }
    }
    const key = request.headers['idempotency-key']
    return typeof key === 'string' && key ? once(books.keys, key, { ...request, params }, work) : (await work()).answer
  }
  return null
}

function helper(books: Books, { method, path, body }: Request): Answer | null {
  if (method === 'POST' && path.join('/') === 'sandbox/charges') {
    const asked = parseJson(body)
    if (typeof asked !== 'object' || asked === null) return error(400, { message: 'A charge is a JSON object.' })
    const params = Object.fromEntries(Object.entries(asked).map(([name, value]) => [name, String(value)]))
    const made = makeCharge(books, params)
    return 'problem' in made ? made.problem : { status: 201, body: made.object }
  }
  if (method === 'GET' && path.join('/') === 'sandbox/effects')
    return { status: 200, body: { count: books.refunds.length, effects: books.refunds } }
  return null
}

function isFor({ headers }: Request, key: string): boolean {
  const given = Buffer.from(headers.authorization ?? '')
  const wanted = Buffer.from(`Bearer ${key}`)
  return given.length === wanted.length && timingSafeEqual(given, wanted)
}

function unauthorized({ headers }: Request): Answer {
  const token = /^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1]
  const message = token
    ? `Invalid API Key provided: ${token.slice(0, 8)}********${token.slice(-4)}`
    : 'You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth.'
  return { ...error(401, { message }), headers: { 'WWW-Authenticate': 'Bearer realm="Stripe"' } }
}

function found(object: unknown): Answer | null {
  return object === undefined ? null : { status: 200, body: object }
}

// `node deploy/demo/payments.ts --port 4242 --key sk_test_…`
await runAlone(import.meta, { port: 4242, start: startPayments })
