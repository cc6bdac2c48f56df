import { createServer } from 'node:http'
import type { Server } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { startPostgres } from '../backends/postgres.ts'
import type { Database } from '../backends/postgres.ts'
import { company } from '../house/company.ts'
import { gatewayProcess } from '../kill/process.ts'
import type { GatewayProcess } from '../kill/process.ts'

/** One thing that happened, and when its request came. */
export interface Happened {
  readonly name: string
  /** ms since the epoch, with fractions. */
  readonly at: number
}

/** Gateways as processes of their own over one store, and a backend that notes when each request for an effect came. */
export interface Town {
  readonly gates: readonly GatewayProcess[]
  readonly happened: readonly Happened[]
  close(): Promise<void>
}

/** @param on PostgreSQL with two replicas, or SQLite with one process. @param more files of the policy. */
export async function startTown(
  on: 'postgres' | 'sqlite',
  more: { readonly [path: string]: string } = {},
): Promise<Town> {
  const happened: Happened[] = []
  const backend = await startBackend(happened)
  const url = `http://127.0.0.1:${(backend.address() as AddressInfo).port}`
  const where = await company({ pay: url, shop: url, blind: url }, more)
  let server: Database | null = null
  const gates: GatewayProcess[] = []
  const close = async (): Promise<void> => {
    await Promise.all(gates.map((gate) => gate.stop()))
    await server?.stop()
    backend.closeAllConnections()
    backend.close()
    await where.remove()
  }
  try {
    if (on === 'postgres') server = await startPostgres(['log_statement=none'])
    const store = server === null ? `sqlite:${join(where.dir, 'keystay.db')}` : await server.fresh()
    for (let replica = 0; replica < (on === 'postgres' ? 2 : 1); replica++)
      gates.push(await gatewayProcess({ ...where, store }))
    return { gates, happened, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** The time on the scale of all processes of this machine. */
export function now(): number {
  return performance.timeOrigin + performance.now()
}

async function startBackend(happened: Happened[]): Promise<Server> {
  const backend = createServer((request, response) => {
    const at = now()
    let text = ''
    request.setEncoding('utf8').on('data', (piece) => (text += piece))
    request.on('end', () => {
      const json = (request.headers['content-type'] ?? '').startsWith('application/json')
      const body = json
        ? (JSON.parse(text) as { [name: string]: unknown })
        : Object.fromEntries(new URLSearchParams(text))
      if (request.method === 'POST') happened.push({ name: String(body['item'] ?? body['charge'] ?? body['text']), at })
      const charge = { id: 'ch_x', amount: 10_000, amount_refunded: 0, currency: 'usd', customer: 'cus_1' }
      const answer =
        request.method === 'POST' ? { id: `fx_${happened.length}`, amount: 1, status: 'succeeded' } : charge
      response.writeHead(200, { 'content-type': 'application/json', 'request-id': 'req_1' }).end(JSON.stringify(answer))
    })
  })
  backend.listen(0, '127.0.0.1')
  await once(backend, 'listening')
  return backend
}
