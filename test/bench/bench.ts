import { mkdtemp, rm } from 'node:fs/promises'
import { availableParallelism, cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { ACTION, BODY } from './company.ts'
import { rawSyncs } from './fsync.ts'
import { measureLedger } from './ledger.ts'
import { start } from './process.ts'
import type { Peer } from './process.ts'

/**
 * `npm run bench`: a whole governed call through the gateway, beside Express + http-proxy-middleware and Express + an
 * undici Pool that check and record nothing. Each is a process of its own before the same backend of about 0 ms, and
 * they take turns, so that what the machine does meanwhile meets all of them. Ends with one line a goal, figure first.
 */
const { values } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, dir: { type: 'string', default: tmpdir() } },
})
const { quick } = values

/** Rounds, and ms of each peer's turn. */
const TURNS = quick
  ? { 64: [3, 1500], 8: [3, 900], 1: [3, 700], warm: 1200, ledger: [2, 500] }
  : { 64: [9, 3000], 8: [7, 1500], 1: [7, 1200], warm: 3000, ledger: [5, 1000] }
const CONNECTIONS = [64, 8, 1] as const
const PEERS = ['gateway', 'proxy', 'forwarder'] as const
const TITLES = {
  gateway: 'the governed call',
  proxy: 'express + http-proxy-middleware',
  forwarder: 'express + undici Pool',
}
type Name = (typeof PEERS)[number]

interface Turn {
  readonly per_second: number
  readonly cpu_us: number
  readonly p50: number
  readonly p99: number
}
type Round = { readonly [name in Name]: Turn }

const dir = await mkdtemp(join(values.dir, 'keystay-bench-'))
const started: Peer[] = []
try {
  await bench()
} finally {
  await Promise.all(started.map((peer) => peer.end()))
  await rm(dir, { recursive: true, force: true })
}

async function bench(): Promise<void> {
  const launch = async (name: string, ...args: readonly string[]): Promise<Peer> => {
    const peer = await start(name, ...args)
    started.push(peer)
    return peer
  }
  const model = cpus()[0]?.model.trim() ?? 'unknown'
  say(`${availableParallelism()} cores (${model}), node ${process.version}, ${new Date().toISOString().slice(0, 10)}`)
  const backend = await launch('backend')
  const loader = await launch('load')
  const peers: { readonly [name in Name]: Peer } = {
    gateway: await launch('gateway', backend.url, dir),
    proxy: await launch('proxy', backend.url),
    forwarder: await launch('forwarder', backend.url),
  }
  for (const name of PEERS) await turn(peers[name], loader, 64, TURNS.warm)

  const rounds = new Map<number, Round[]>()
  const syncs: number[] = []
  for (const connections of CONNECTIONS) {
    const [count = 0, ms = 0] = TURNS[connections]
    const those: Round[] = []
    rounds.set(connections, those)
    for (let round = 0; round < count; round++) {
      const gateway = await turn(peers.gateway, loader, connections, ms)
      const proxy = await turn(peers.proxy, loader, connections, ms)
      const forwarder = await turn(peers.forwarder, loader, connections, ms)
      those.push({ gateway, proxy, forwarder })
      if (connections === 1) syncs.push(...rawSyncs(dir, 100))
    }
    table(connections, those)
  }
  for (const peer of started.splice(0)) await peer.end()

  const [times = 0, ms = 0] = TURNS.ledger
  const ledger = await measureLedger(dir, times, ms)
  const sync_ms = median(syncs)
  say('')
  say(`one raw append and sync of 4 KiB: ${sync_ms.toFixed(3)} ms`)
  const rate = (name: 'batched' | 'single' | 'raw') => median(ledger.map((one) => one[name])).toFixed(0)
  say(
    `the ledger alone, reservations with their record a second: ${rate('batched')} with 64 in flight, ` +
      `${rate('single')} one commit each; ${rate('raw')} records appended to a raw file, 64 a sync`,
  )
  say('')
  const ratio = (connections: number, of: keyof Turn, against: Name): number =>
    median((rounds.get(connections) ?? []).map((round) => round.gateway[of] / round[against][of]))
  const added_ms = median((rounds.get(1) ?? []).map(({ gateway, forwarder }) => gateway.p50 - forwarder.p50))
  const most = 4 + 0.15 / sync_ms
  const gain = median(ledger.map(({ batched, single }) => batched / single))
  const near = median(ledger.map(({ batched, raw }) => batched / raw))
  say(
    `8-connections ${ratio(8, 'per_second', 'proxy').toFixed(2)} × the requests/s of http-proxy-middleware (goal 0.85)`,
  )
  say(
    `P1 ${ratio(64, 'per_second', 'proxy').toFixed(2)} × the requests/s of http-proxy-middleware, 64 connections (goal 1.2)`,
  )
  say(`P2 ${ratio(64, 'cpu_us', 'proxy').toFixed(2)} × its CPU a request, 64 connections (goal 0.75)`)
  say(
    `P3 ${(added_ms / sync_ms).toFixed(1)} raw fsyncs added to the p50 of the undici forwarder, ` +
      `${added_ms.toFixed(2)} ms (goal ${most.toFixed(1)}: 4 and 0.15 ms)`,
  )
  say(`P4 ${gain.toFixed(1)} × one commit a record (goal 15), ${near.toFixed(2)} × the raw file (goal 0.5)`)
}

/** @throws Error when an answer was no 200. */
async function turn(peer: Peer, loader: Peer, connections: number, ms: number): Promise<Turn> {
  const headers: { [name: string]: string } = { 'Content-Type': 'application/json' }
  if (peer.token !== undefined) headers['Authorization'] = `Bearer ${peer.token}`
  const before = await peer.cpu()
  const answered = await loader.load({
    url: peer.url,
    path: `/v1/actions/${ACTION}`,
    headers,
    body: BODY,
    connections,
    ms,
  })
  const { requests, seconds, p50, p99, failed } = answered
  if (failed > 0 || requests === 0) throw new Error(`${peer.name}: ${failed} of ${requests} answers were no 200`)
  return { per_second: requests / seconds, cpu_us: ((await peer.cpu()) - before) / requests, p50, p99 }
}

function table(connections: number, rounds: readonly Round[]): void {
  say('')
  say(`${connections} connection${connections === 1 ? '' : 's'}, medians of ${rounds.length} turns each`)
  say('                                   requests/s   CPU µs   p50 ms   p99 ms   × proxy   CPU × proxy')
  for (const name of PEERS) {
    const of = (key: keyof Turn) => median(rounds.map((round) => round[name][key]))
    const against = (key: keyof Turn) => median(rounds.map((round) => round[name][key] / round.proxy[key]))
    const cells = [
      TITLES[name].padEnd(32),
      of('per_second').toFixed(0).padStart(12),
      of('cpu_us').toFixed(0).padStart(9),
      of('p50').toFixed(2).padStart(9),
      of('p99').toFixed(2).padStart(9),
      against('per_second').toFixed(2).padStart(10),
      against('cpu_us').toFixed(2).padStart(14),
    ]
    say(`  ${cells.join('')}`)
  }
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? (sorted[middle] ?? NaN) : ((sorted[middle - 1] ?? NaN) + (sorted[middle] ?? NaN)) / 2
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
