import { once } from 'node:events'
import { get } from 'node:http'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startPostgres } from '../backends/postgres.ts'
import { startLying } from '../backends/lying.ts'
import { company } from '../house/company.ts'
import { clientOf, house } from '../house/gateway.ts'
import { gatewayProcess } from '../kill/process.ts'
import type { GatewayProcess } from '../kill/process.ts'
import { seed } from './million/seed.ts'

/**
 * `node test/trials/million.ts [--calls 1000000] [--store sqlite|postgres] [--rounds 5]`: a store with so many calls, copies of
 * ones that the gateway made, and a gateway on it: how long a page of the log takes by each filter, and how fast the exports are.
 */
const { values } = parseArgs({
  options: {
    calls: { type: 'string', default: '1000000' },
    store: { type: 'string', default: 'sqlite' },
    rounds: { type: 'string', default: '5' },
  },
})
const calls = Number(values.calls)
const rounds = Number(values.rounds)
const DAYS = 90
const now = Date.now()
const day = (ago: number) => new Date(now - ago * 86_400_000).toISOString()

/** Each is asked as the first page of 100; `q` that nothing holds is the longest search there is. */
const FILTERS: readonly string[] = [
  '',
  'role=role-0',
  'role=role-39',
  'role=no-such-role',
  'action=pay.act0',
  'action=pay.act59',
  'action=no.such',
  ...['done', 'denied', 'held', 'needs_human', 'refused', 'expired', 'running', 'cancelled'].map(
    (one) => `status=${one}`,
  ),
  'session=ses_00000000000000000000000007',
  'session=ses_00000000000000000000004999',
  'session=ses_nobody',
  'person=ci:workload-0',
  'person=ci:workload-49',
  'person=nobody',
  'min=499',
  'min=100000',
  'max=0.50',
  `since=${day(1)}`,
  `until=${day(89)}`,
  `since=${day(60)}&until=${day(59)}`,
  'q=ticket-999',
  'q=found+nowhere',
  'because=grants.pay.refund.max',
  'because=no.such.line',
  'evidence=req_17',
  'role=role-39&status=refused',
  'role=role-39&action=pay.act59',
  'role=role-0&status=needs_human',
  'action=pay.act59&status=refused&q=nothing',
  'person=ci:workload-7&action=pay.act59&min=499',
  `role=role-0&until=${day(80)}&status=refused`,
  `q=nothing&status=denied&since=${day(89)}`,
  'min=100000&status=done&role=role-3',
]

const pay = await startLying()
const where = await company({ pay: pay.url, shop: pay.url, blind: pay.url })
const server = values.store === 'postgres' ? await startPostgres(['log_statement=none']) : null
const store = server === null ? `sqlite:${join(where.dir, 'keystay.db')}` : await server.fresh()
let gate: GatewayProcess | null = null
try {
  const first = await house(where, { store, ledgerKey: `file://${where.dir}/keystay.db.ledger-key` })
  const token = await first.token()
  for (const [amount, key] of [
    [100, 'a'],
    [6000, 'b'],
    [99_900, 'c'],
  ] as const)
    await first.call(token, 'pay.refund', { charge: 'ch_1', amount }, key)
  await first.stop()
  const began = performance.now()
  await seed(store, { calls, until: now - 1000, days: DAYS })
  console.log(`${calls} calls in a ${values.store} store, seeded in ${seconds(began)} s`)
  const started = performance.now()
  gate = await gatewayProcess({ ...where, store })
  console.log(`ready ${Math.round(performance.now() - started)} ms after its start, ${await memory(gate)} MB`)
  await lists(gate)
  for (const format of ['csv', 'jsonl']) await exported(gate, format)
} finally {
  await gate?.stop()
  await server?.stop()
  await pay.close()
  await where.remove()
}

async function lists(gate: GatewayProcess): Promise<void> {
  const took = new Map<string, number[]>()
  const told = new Map<string, string>()
  const person = await clientOf(gate.agentUrl, gate.adminUrl).person('dana')
  for (let round = 0; round < rounds; round++) {
    for (const filter of FILTERS) {
      const began = performance.now()
      const answer = await fetch(`${gate.adminUrl}/admin/v1/calls?${filter}`, {
        headers: { authorization: `Bearer ${person}` },
      })
      const { calls: found, cursor } = (await answer.json()) as { calls: unknown[]; cursor: string | null }
      took.set(filter, [...(took.get(filter) ?? []), performance.now() - began])
      told.set(filter, `${found.length}${cursor === null ? '' : ', and on'}`)
    }
  }
  console.log('\n| filter | median ms | worst ms | first page |\n|---|---|---|---|')
  for (const [filter, all] of took) {
    const sorted = all.toSorted((a, b) => a - b)
    const [median = 0, worst = 0] = [sorted[sorted.length >> 1], sorted.at(-1)]
    console.log(`| ${filter || 'none'} | ${median.toFixed(0)} | ${worst.toFixed(0)} | ${told.get(filter)} |`)
  }
  const worst = Math.max(...[...took.values()].flat())
  console.log(`\nworst page ${worst.toFixed(0)} ms (goal 300)`)
}

async function exported(gate: GatewayProcess, format: string): Promise<void> {
  const person = await clientOf(gate.agentUrl, gate.adminUrl).person('dana')
  const before = await memory(gate)
  let most = before
  const watch = setInterval(() => void memory(gate).then((now) => (most = Math.max(most, now))), 500)
  const began = performance.now()
  let lines = 0
  let bytes = 0
  const request = get(`${gate.adminUrl}/admin/v1/calls.${format}`, { headers: { authorization: `Bearer ${person}` } })
  const [response] = (await once(request, 'response')) as [import('node:http').IncomingMessage]
  for await (const chunk of response) {
    bytes += (chunk as Buffer).length
    for (const byte of chunk as Buffer) if (byte === 10) lines++
  }
  const took_s = (performance.now() - began) / 1000
  clearInterval(watch)
  const rows = format === 'csv' ? lines - 1 : lines
  console.log(
    `${format}: ${rows} rows, ${(bytes / 1e6).toFixed(0)} MB in ${took_s.toFixed(1)} s: ${Math.round(rows / took_s)} rows/s (goal 20000); memory ${before} MB before, ${most} MB at most`,
  )
}

async function memory({ child }: GatewayProcess): Promise<number> {
  const { readFile } = await import('node:fs/promises')
  const status = await readFile(`/proc/${child.pid}/status`, 'utf8')
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024)
}

function seconds(began: number): string {
  return ((performance.now() - began) / 1000).toFixed(1)
}
