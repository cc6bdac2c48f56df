import { appendFileSync, closeSync, existsSync, fsyncSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { argv } from 'node:process'
import { parseArgs } from 'node:util'
import { LIES, json } from './lies.ts'
import type { LieKind } from './lies.ts'

/** One thing that happened at the backend. This list is the truth that callers are measured against. */
export interface Effect {
  readonly id: string
  readonly method: string
  readonly path: string
  /** The idempotency key it came with; null without. */
  readonly key: string | null
  /** Form or JSON members; form members by their written names (`metadata[keystay_call]`). */
  readonly body: { readonly [member: string]: unknown }
  /** Headers that begin with `keystay-`: the chain of custody. */
  readonly stamp: { readonly [header: string]: string }
}

export interface Lie {
  readonly kind: LieKind
  /** How many requests it meets; 1 unless said. */
  readonly times?: number
  /** Only requests of this method. */
  readonly method?: string
  /** Of the slow ones. */
  readonly ms?: number
  readonly status?: number
}

export interface Seen {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface LyingBackend {
  readonly url: string
  readonly port: number
  readonly effects: readonly Effect[]
  /** Every request that was read whole, also those without effect. */
  readonly seen: readonly Seen[]
  /** The next requests are lied to; honest again when it is used up. */
  lie(lie: Lie): void
  honest(): void
  connections(): number
  close(): Promise<void>
}

/**
 * A backend that counts its effects and lies on demand. Any POST, PUT, PATCH or DELETE is an effect; with `idempotency`
 * (the default) a repeated Idempotency-Key answers as the first time and adds none. `GET /v1/charges/ID` is a charge of
 * 100.00 USD less what was refunded; any other GET ending in `/ID` is that effect; any other GET lists effects of that
 * path, newest first, filtered by the query members that a body had, with `limit` and `starting_after`.
 *
 * With `effects` (a file) each one is appended and synced before it is answered, and a new start remembers them.
 */
export async function startLying(
  options: { readonly port?: number; readonly effects?: string; readonly idempotency?: boolean } = {},
): Promise<LyingBackend> {
  const effects: Effect[] = options.effects === undefined ? [] : readEffects(options.effects)
  const seen: Seen[] = []
  let lies: { lie: Lie; left: number }[] = []

  const make = (request: IncomingMessage, path: string, body: Effect['body']): Effect => {
    const named = request.headers['idempotency-key']
    const key = typeof named === 'string' ? named : null
    const before =
      key !== null && options.idempotency !== false ? effects.find((effect) => effect.key === key) : undefined
    if (before) return before
    const stamp = Object.entries(request.headers).filter(([name]) => name.startsWith('keystay-'))
    const method = request.method ?? ''
    const id = `fx_${effects.length + 1}`
    const effect: Effect = { id, method, path, key, body, stamp: Object.fromEntries(stamp) as Effect['stamp'] }
    if (options.effects !== undefined) keep(options.effects, effect)
    effects.push(effect)
    return effect
  }

  const answer = (request: IncomingMessage, response: ServerResponse, text: string): void => {
    const url = new URL(request.url ?? '/', 'http://backend')
    if (url.pathname === '/__lie') {
      lies.push(...[JSON.parse(text) as Lie].map((lie) => ({ lie, left: lie.times ?? 1 })))
      return json(response, 200, {})
    }
    if (url.pathname === '/__honest') {
      lies = []
      return json(response, 200, {})
    }
    if (url.pathname === '/__effects') return json(response, 200, effects)

    seen.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers, body: text })
    const write = request.method !== 'GET'
    response.setHeader('request-id', `req_${seen.length}`)
    const effect = (): unknown => {
      if (!write) return look(url, effects)
      const made = make(request, url.pathname, bodyOf(request, text))
      return { ...nested(made.body), id: made.id, status: 'succeeded' }
    }
    const met = lies.find(({ lie }) => lie.method === undefined || lie.method === request.method)
    if (!met) return json(response, 200, effect())
    met.left -= 1
    if (met.left <= 0) lies = lies.filter((one) => one !== met)
    const status = met.lie.status ?? (met.lie.kind.startsWith('redirect') ? 302 : 500)
    LIES[met.lie.kind]({ request, response, effect, ms: met.lie.ms ?? 1000, status })
  }

  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => answer(request, response, Buffer.concat(chunks).toString()))
    request.on('error', () => {})
    response.on('error', () => {})
  })
  let connections = 0
  server.on('connection', () => (connections += 1))
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    effects,
    seen,
    lie: (lie) => void lies.push({ lie, left: lie.times ?? 1 }),
    honest: () => (lies = []) as never,
    connections: () => connections,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function look(url: URL, effects: readonly Effect[]): unknown {
  const [, parent = '', id = ''] = /^(.*)\/([^/]+)$/.exec(url.pathname) ?? []
  if (parent === '/v1/charges') {
    const refunds = effects.filter(({ body }) => body['charge'] === id)
    const amount_refunded = refunds.reduce((sum, { body }) => sum + Number(body['amount'] ?? 0), 0)
    return { id, amount: 10_000, amount_refunded, currency: 'usd', customer: 'cus_1', disputed: false }
  }
  const one = effects.find((effect) => effect.id === id)
  if (one) return { ...nested(one.body), id: one.id, status: 'succeeded' }
  const query = [...url.searchParams].filter(([name]) => !['limit', 'starting_after'].includes(name))
  const all = effects
    .filter(
      (effect) => effect.path === url.pathname && query.every(([name, value]) => String(effect.body[name]) === value),
    )
    .toReversed()
  const after = all.findIndex((effect) => effect.id === url.searchParams.get('starting_after')) + 1
  const limit = Number(url.searchParams.get('limit') ?? 10)
  const page = all.slice(after, after + limit)
  const data = page.map((effect) => ({ ...nested(effect.body), id: effect.id, status: 'succeeded' }))
  return { object: 'list', data, has_more: after + limit < all.length }
}

/** `{ 'metadata[call]': 'x', amount: '5' }` → `{ metadata: { call: 'x' }, amount: 5 }`, one level, as Stripe answers. */
function nested(body: Effect['body']): { [member: string]: unknown } {
  const tree: { [member: string]: unknown } = {}
  for (const [name, value] of Object.entries(body)) {
    const [, parent, child] = /^([^[]+)\[([^[\]]+)\]$/.exec(name) ?? []
    if (parent === undefined || child === undefined) tree[name] = name === 'amount' ? Number(value) : value
    else tree[parent] = { ...(tree[parent] as object), [child]: value }
  }
  return tree
}

function bodyOf(request: IncomingMessage, text: string): Effect['body'] {
  if (request.headers['content-type'] === 'application/x-www-form-urlencoded')
    return Object.fromEntries(new URLSearchParams(text))
  return text === '' ? {} : (JSON.parse(text) as Effect['body'])
}

function readEffects(file: string): Effect[] {
  if (!existsSync(file)) return []
  const text = readFileSync(file, 'utf8')
  // a kill may have cut the last line, before its effect was answered: it never happened
  const whole = text.slice(0, text.lastIndexOf('\n') + 1)
  if (whole !== text) writeFileSync(file, whole)
  return whole
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Effect)
}

function keep(file: string, effect: Effect): void {
  const handle = openSync(file, 'a')
  appendFileSync(handle, `${JSON.stringify(effect)}\n`)
  fsyncSync(handle)
  closeSync(handle)
}

if (argv[1] !== undefined && import.meta.filename === argv[1]) {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '0' },
      effects: { type: 'string' },
      'no-idempotency': { type: 'boolean', default: false },
    },
  })
  const { url } = await startLying({
    port: Number(values.port),
    ...(values.effects === undefined ? {} : { effects: values.effects }),
    idempotency: !values['no-idempotency'],
  })
  console.log(url)
}
