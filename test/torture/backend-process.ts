import { openSync, writeSync } from 'node:fs'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json, LIES } from '../backends/lies.ts'
import { TIMES } from './company.ts'
import type { Effect } from './effect.ts'
import { randomFrom } from './random.ts'

/**
 * A backend as a process of its own: `node backend-process.ts NAME FILE SEED`. Every POST is an effect, appended to FILE
 * before it is answered; `pay` recognises a repeated Idempotency-Key. It lies by the seed until somebody asks /__honest.
 * It ends with its standard input.
 */
const [, , name = '', file = '', seed = '0'] = process.argv
const random = randomFrom(Number(seed))
const out = openSync(file, 'a', 0o600)
const byKey = new Map<string, object>()
const byCall = new Map<string, object[]>()
let lying = true

/** What comes of a write: mostly what was asked for. `with`: the effect stands, and only the answer is bad. */
const WRITES = {
  honest: 82,
  error_with: 2,
  error_without: 2,
  refused: 2,
  reset_before: 1.5,
  reset_after: 1.5,
  half_body: 1,
  html: 0.5,
  slow: 2,
  never: 0.5,
  never_with: 1,
  late: 4,
} as const
const READS = { honest: 95, error_without: 2, reset_before: 1, slow: 2 } as const

const server = createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => answer(request, response, Buffer.concat(chunks).toString()))
  request.on('error', () => {})
  response.on('error', () => {})
})
server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`http://127.0.0.1:${(server.address() as AddressInfo).port}\n`)
})
process.stdin.on('end', () => process.exit(0)).resume()

function answer(request: IncomingMessage, response: ServerResponse, text: string): void {
  const asked_at = Date.now()
  const url = new URL(request.url ?? '/', 'http://backend')
  const call = url.searchParams.get('call') ?? ''
  if (url.pathname === '/__honest') {
    lying = false
    return json(response, 200, {})
  }
  if (url.pathname === '/__effects') return json(response, 200, byCall.get(call) ?? [])

  const write = request.method === 'POST'
  const effect = (): unknown => (write ? make(request, text, asked_at) : look(url, call))
  const lied = (): Kind => (write ? random.weighed<Kind>(WRITES) : random.weighed<keyof typeof READS>(READS))
  const kind = lying ? lied() : 'honest'
  const ms = random.spread(50, 900)
  const scene = { request, response, effect, ms, status: 500 }
  switch (kind) {
    case 'honest':
      return json(response, 200, effect())
    case 'error_with':
      return LIES.status_with(scene)
    case 'error_without':
      return LIES.status_without(scene)
    case 'refused':
      return LIES.status_without({ ...scene, status: 422 })
    case 'late':
      return late(request, response, effect, asked_at)
    default:
      LIES[kind](scene)
  }
}

type Kind = keyof typeof WRITES

/** After the attempt's time and within what the policy says an effect may still land in: never later than that. */
function late(request: IncomingMessage, response: ServerResponse, effect: () => unknown, asked_at: number): void {
  const { timeout_ms, lands_within_ms } = TIMES
  setTimeout(
    () => {
      if (Date.now() - asked_at > timeout_ms + lands_within_ms - 50) request.socket.resetAndDestroy()
      else json(response, 200, effect())
    },
    random.integer(timeout_ms - 100, timeout_ms + lands_within_ms - 100),
  )
}

function make(request: IncomingMessage, text: string, asked_at: number): object {
  const named = request.headers['idempotency-key']
  const key = name === 'pay' && typeof named === 'string' ? named : null
  const before = key === null ? undefined : byKey.get(key)
  if (before !== undefined) return before
  const { ref, pot, amount, call } = JSON.parse(text) as Pick<Effect, 'ref' | 'pot' | 'amount' | 'call'>
  const session = String(request.headers['keystay-session'])
  const effect: Effect = { backend: name, at: Date.now(), asked_at, ref, pot, amount: Number(amount), call, session }
  writeSync(out, `${JSON.stringify(effect)}\n`)
  const made = { id: `fx_${byCall.size}`, amount, ref, call }
  if (key !== null) byKey.set(key, made)
  byCall.set(call, [...(byCall.get(call) ?? []), made])
  return made
}

function look(url: URL, call: string): object {
  const [, pot] = /^\/v1\/pots\/(.*)$/.exec(url.pathname) ?? []
  return pot === undefined ? { data: byCall.get(call) ?? [] } : { id: pot, currency: 'USD', open: true }
}
