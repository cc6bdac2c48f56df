import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startLying } from '../backends/lying.ts'
import { writeCompany } from '../bench/company.ts'
import { clientOf } from '../house/gateway.ts'
import { startServing } from './serving.ts'
import type { Serving } from './serving.ts'

/**
 * `node test/trials/tenth-role.ts`: roles 2 to 1,000 are added to a gateway that serves 100 calls/s, by files that appear
 * in its policy directory: one by one up to the tenth, by tens up to the hundredth, then by hundreds. After each the
 * newest role opens a session and makes a call. A gateway beside it keeps its one role and is asked the same at the same
 * moments, so that what the machine does meanwhile meets both. Two minutes. Ends with 1 where a call failed.
 */
const RATE = 100
const STEADY_MS = 2500
const GROUPS = [[1], [2, 3, 4, 5, 6, 7, 8, 9, 10], [20, 40, 60, 80, 100], [200, 400, 600, 800, 1000]]

const roleOf = (number: number): string => `role: team-${number}
describe: Refunds for the customers of team ${number}.
issue_to: [{ issuer: demo, where: 'claims.sub == "bot"' }]
grants:
  bench.refund: { max: 200.00 USD, budget: { name: daily, limit: 500.00 USD per day } }
`

/** One of the two: its calls, by when they were asked. */
interface Side {
  readonly serving: Serving
  readonly client: ReturnType<typeof clientOf>
  readonly token: string
  readonly took: { at: number; ms: number }[]
}
type Span = readonly [from: number, to: number]

const backend = await startLying()
const failed: string[] = []
const folders: string[] = []
const sides: Side[] = []
const load = { on: true }
let running: Promise<void> | undefined
try {
  for (const name of ['tenth', 'beside']) {
    const dir = await mkdtemp(join(tmpdir(), `keystay-${name}-`))
    folders.push(dir)
    await writeCompany(join(dir, 'policies'), backend.url)
    const serving = await startServing(dir)
    const client = clientOf(serving.agents, serving.people)
    sides.push({ serving, client, token: await client.token(), took: [] })
  }
  running = agent()
  await sleep(2000)
  for (const group of GROUPS) await add(group)
} finally {
  load.on = false
  await running
  await Promise.all(sides.map(({ serving }) => serving.stop()))
  await backend.close()
  for (const dir of folders) await rm(dir, { recursive: true, force: true })
}
const calls = sides.reduce((sum, { took }) => sum + took.length, 0)
console.log(`${calls} calls, ${failed.length} failed; ${roleOf(2).trimEnd().split('\n').length} lines a role`)
for (const text of failed.slice(0, 5)) console.log(`  ${text}`)
process.exitCode = failed.length > 0 ? 1 : 0

async function agent(): Promise<void> {
  const began = performance.now()
  const asked: Promise<void>[] = []
  for (let number = 0; load.on; number++) {
    const input = { charge: `ch_${number}`, amount: 700 }
    for (const { client, token, took } of sides) {
      const at = performance.now()
      const call = client.call(token, 'bench.refund', input, `k-${number}`).then(({ status, text }) => {
        took.push({ at, ms: performance.now() - at })
        if (status !== 200) failed.push(text)
      })
      asked.push(call)
    }
    await sleep(Math.max(0, began + ((number + 1) * 1000) / RATE - performance.now()))
  }
  await Promise.all(asked)
}

/** Adds roles up to each of these, one change of the directory each, and tells how the calls fared. */
async function add(group: readonly number[]): Promise<void> {
  const calm: Span[] = []
  const changing: Span[] = []
  const [growing] = sides as [Side, Side]
  for (const until of group) {
    const began = performance.now()
    const before = until <= 10 ? until - 1 : until <= 100 ? until - 20 : until - 200
    const first = until === 20 ? 11 : until === 200 ? 101 : before + 1
    for (let number = Math.max(2, first); number <= until; number++)
      await writeFile(join(folders[0] ?? '', 'policies/roles', `team-${number}.yaml`), roleOf(number))
    if (until > 1) {
      await use(growing, until)
      changing.push([began, performance.now()])
    }
    const from = performance.now()
    await sleep(STEADY_MS)
    calm.push([from, performance.now()])
  }
  const taken = changing.map(([from, to]) => (to - from) / 1000)
  console.log(
    `up to role ${group.at(-1)}${taken.length > 0 ? `, taken after ${Math.min(...taken).toFixed(1)} to ${Math.max(...taken).toFixed(1)} s` : ''}`,
  )
  console.log(`  between changes:  ${shown(calm)}`)
  if (changing.length > 0) console.log(`  during a change:  ${shown(changing)}`)
  const of = async (what: 'memory' | 'heap'): Promise<string> =>
    (await Promise.all(sides.map(({ serving }) => serving[what]())))
      .map((value) => value.toFixed(0))
      .join(', beside it ')
  console.log(`  memory (RSS) ${await of('memory')} MB; heap once swept ${await of('heap')} MB`)
}

/** The newest role opens a session and makes a call, as soon as it can. */
async function use({ client, serving }: Side, role: number): Promise<void> {
  const late = performance.now() + 60_000
  for (;;) {
    const token = await client.token('bot', `team-${role}`).catch(() => null)
    if (token !== null) {
      const { status, text } = await client.call(
        token,
        'bench.refund',
        { charge: 'ch_1', amount: 700 },
        `first-${role}`,
      )
      if (status !== 200) failed.push(text)
      return
    }
    if (performance.now() > late) throw new Error(`role ${role} does not come: ${serving.said.slice(-3).join('\n')}`)
    await sleep(50)
  }
}

function shown(spans: readonly Span[]): string {
  const [own, beside] = sides.map(({ took }) => {
    const sorted = took
      .filter(({ at }) => spans.some(([from, to]) => at >= from && at < to))
      .map(({ ms }) => ms)
      .sort((a, b) => a - b)
    const at = (share: number): number => sorted[Math.floor(sorted.length * share)] ?? Number.NaN
    return { calls: sorted.length, p50: at(0.5), p99: at(0.99) }
  })
  if (own === undefined || beside === undefined) return ''
  return (
    `p50 ${own.p50.toFixed(1)} ms, beside it ${beside.p50.toFixed(1)} (× ${(own.p50 / beside.p50).toFixed(2)}); ` +
    `p99 ${own.p99.toFixed(1)} ms, beside it ${beside.p99.toFixed(1)} (× ${(own.p99 / beside.p99).toFixed(2)}); ${own.calls} calls`
  )
}
