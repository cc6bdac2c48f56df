import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Agent, request } from 'undici'
import { startHanging } from '../backends/hanging.ts'
import type { HangingBackend } from '../backends/hanging.ts'
import { writePolicies } from '../house/company.ts'
import { clientOf } from '../house/gateway.ts'

/**
 * `node test/bench/hung.ts --minutes 5`: one backend hangs while it is asked 200 times a second; another is asked 50
 * times a second all the while. Beside it stands a second gateway that is asked those 50 alone, at the same moments, so
 * that what the machine does meanwhile meets both. Prints what the other's callers see before, meanwhile and after, what
 * the house holds, and how long it takes until nothing is in doubt once the backend is back. `--dir DIR` says where the
 * stores lie.
 */
const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    hung: { type: 'string', default: '200' },
    others: { type: 'string', default: '50' },
    dir: { type: 'string', default: tmpdir() },
  },
})
const HANG_MS = Number(values.minutes) * 60_000
const CALM_MS = Math.max(10_000, Math.min(60_000, HANG_MS / 2))
const RATES = { hung: Number(values.hung), others: Number(values.others) }
const MAIN = fileURLToPath(new URL('../../gateway/cli/main.ts', import.meta.url))
const KEY = { KEYSTAY_BENCH_KEY: 'sk_test_BenchNobodyMaySee0123456789' }

const dir = await mkdtemp(join(values.dir, 'keystay-hung-'))
const [well, bad] = [await startHanging(), await startHanging()]
const agent = new Agent({ connections: 8192, pipelining: 1, headersTimeout: 60_000 })
const gateways: ChildProcess[] = []
try {
  await writePolicies(join(dir, 'policies'), filesOf(well, bad))
  await measure(await serve('gateway'), await serve('alone'))
} finally {
  for (const child of gateways) {
    if (child.exitCode !== null) continue
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGTERM')
    await ended
  }
  await agent.close()
  await Promise.all([well.close(), bad.close()])
  await rm(dir, { recursive: true, force: true })
}

async function measure(gateway: Gateway, control: Gateway): Promise<void> {
  const { client } = gateway
  const gauge = async (name: string): Promise<number> => {
    const { text } = await client.admin('sam', 'GET', '/metrics')
    return [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? ([0-9.e+]+)$`, 'gm'))]
      .map(([, value]) => Number(value))
      .reduce((sum, value) => sum + value, 0)
  }
  const phase = async (title: string, ms: number): Promise<readonly [Phase, Phase]> => {
    const [seen, alone, those] = await Promise.all([
      load(gateway, 'well.do', RATES.others, ms),
      load(control, 'well.do', RATES.others, ms),
      load(gateway, 'hung.do', RATES.hung, ms),
      peak(ms),
    ])
    say(`${title.padEnd(34)}${row(seen)}`)
    say(`${'  beside it, without the others'.padEnd(34)}${row(alone)}`)
    say(`  the other backend's callers: ${tally(those)}`)
    return [seen, alone]
  }
  let [rss, waiting] = [0, 0]
  const peak = async (ms: number): Promise<void> => {
    for (const end = performance.now() + ms; performance.now() < end; await sleep(1000)) {
      rss = Math.max(rss, await residentOf(gateway.child.pid ?? 0))
      waiting = Math.max(waiting, await gauge('keystay_backend_calls'))
    }
  }

  say(`others: ${RATES.others} calls/s; the backend that hangs: ${RATES.hung} calls/s, its timeout 5 s`)
  say(`${''.padEnd(34)}   calls  errors   p50 ms   p99 ms   max ms`)
  await Promise.all([gateway, control].map((one) => load(one, 'well.do', 100, 5000)))
  const before = await phase('both well', CALM_MS)
  const rss_before = rss
  bad.hang(true)
  const meanwhile = await phase(`it hangs (${values.minutes} minutes)`, HANG_MS)
  bad.hang(false)
  const back = performance.now()
  let open = Infinity
  while (open > 0 && performance.now() - back < 180_000) {
    await sleep(6000)
    open = await gauge('keystay_calls_open')
  }
  const settled_s = (performance.now() - back) / 1000
  const after = await phase('it is back', CALM_MS)

  const ratio = (of: 'p50' | 'p99', [one, other]: readonly [Phase, Phase]): string => (one[of] / other[of]).toFixed(2)
  say('')
  for (const [when, those] of [
    ['while both are well', before],
    ['while it hangs', meanwhile],
    ['after', after],
  ] as const) {
    say(
      `${when}: p50 × ${ratio('p50', those)}, p99 × ${ratio('p99', those)} of the gateway beside it; errors ${those[0].errors}`,
    )
  }
  say(`calls at backends at once, most: ${waiting}; requests open at the one that hangs, most: ${bad.open().most}`)
  say(`memory (RSS): ${rss_before} MB before, ${rss} MB at most`)
  say(
    open === 0
      ? `nothing open ${settled_s.toFixed(0)} s after it was back (looked at every 6 s)`
      : `${open} calls open after 3 minutes`,
  )
}

interface Phase {
  readonly calls: number
  readonly errors: number
  readonly p50: number
  readonly p99: number
  readonly max: number
  readonly said: { readonly [status: string]: number }
}

/** So many a second, whether answers come or not. */
async function load({ url, token }: Gateway, action: string, rate: number, ms: number): Promise<Phase> {
  const took: number[] = []
  const said: { [status: string]: number } = {}
  const run = Math.random().toString(36).slice(2)
  const asked: Promise<void>[] = []
  const one = async (n: number): Promise<void> => {
    const began = performance.now()
    const { statusCode, body } = await request(`${url}/v1/actions/${action}`, {
      dispatcher: agent,
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${token}`,
        'idempotency-key': `${run}-${n}`,
      },
      body: JSON.stringify({ what: `w${n}` }),
    })
    const answer = (await body.json()) as { code?: string; status?: unknown }
    took.push(performance.now() - began)
    const name = `${statusCode} ${answer.code ?? String(answer.status)}`
    said[name] = (said[name] ?? 0) + 1
  }
  const began = performance.now()
  for (let n = 0; n < (rate * ms) / 1000; n++) {
    const wait_ms = began + (n * 1000) / rate - performance.now()
    if (wait_ms > 0) await sleep(wait_ms)
    asked.push(one(n).catch(() => void (said['no answer'] = (said['no answer'] ?? 0) + 1)))
  }
  await Promise.all(asked)
  took.sort((a, b) => a - b)
  const at = (share: number): number => took[Math.min(took.length - 1, Math.floor(took.length * share))] ?? Number.NaN
  const errors = asked.length - (said['200 done'] ?? 0)
  return { calls: asked.length, errors, p50: at(0.5), p99: at(0.99), max: at(1), said }
}

interface Gateway {
  readonly child: ChildProcess
  readonly url: string
  readonly token: string
  readonly client: ReturnType<typeof clientOf>
}

async function serve(name: string): Promise<Gateway> {
  const flags = ['--dev', '--policies', join(dir, 'policies'), '--store', `sqlite:${join(dir, name)}/keystay.db`]
  const ports = ['--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0']
  const child = spawn(process.execPath, [MAIN, 'serve', ...flags, ...ports], {
    env: { ...process.env, ...KEY },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  gateways.push(child)
  const { agents, people } = await new Promise<{ agents: string; people: string }>((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the gateway ended with ${code}`)))
    createInterface({ input: child.stderr }).on('line', (line) => {
      if (!line.startsWith('{')) return void process.stderr.write(`${line}\n`)
      const { msg, agents, people } = JSON.parse(line) as { msg?: string; agents?: string; people?: string }
      if (msg === 'serving' && agents !== undefined && people !== undefined) resolve({ agents, people })
    })
  })
  const client = clientOf(agents, people)
  return { child, url: agents, token: await client.token(), client }
}

/** MB. */
async function residentOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024)
}

function row({ calls, errors, p50, p99, max }: Phase): string {
  const cells = [calls, errors, p50.toFixed(1), p99.toFixed(1), max.toFixed(0)]
  return cells.map((cell, n) => String(cell).padStart(n < 2 ? 8 : 9)).join('')
}

function tally({ said }: Phase): string {
  return Object.entries(said)
    .map(([name, count]) => `${count} × ${name}`)
    .join(', ')
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

function filesOf(...[others, hung]: readonly [HangingBackend, HangingBackend]): { [path: string]: string } {
  const common = `auth: { bearer: "env://KEYSTAY_BENCH_KEY" }, idempotency: { header: Idempotency-Key, lives: 24h }, private: true, timeout: 5s, lands_within: 1s`
  const action = (name: string): string => `action: ${name}.do
describe: Do it.
effect: write
input: { what: { type: string, maxLength: 40 } }
backend: ${name}
request: { POST: /v1/things, json: { what: "\${input.what}" } }
output: { keep: [id, status] }
`
  return {
    'backends.yaml': `backends:
  well: { adapter: http, url: "${others.url}", ${common} }
  hung: { adapter: http, url: "${hung.url}", ${common} }
`,
    'identity.yaml': `issuers:
  demo: { dev: true, accounts: { sam: { name: Sam, groups: [security] }, bot: {} } }
groups:
  security: { issuer: demo, where: '"security" in claims.groups' }
people: { view: [security], freeze: [security], settle: [security], export: [security] }
`,
    'actions/well.yaml': action('well'),
    'actions/hung.yaml': action('hung'),
    'roles/agent.yaml': `role: agent
describe: The agent of the benchmark.
owners: [security]
session: { lifetime: 2h }
issue_to: [{ issuer: demo, where: 'claims.sub == "bot"' }]
grants: { well.do: {}, hung.do: {} }
`,
  }
}
