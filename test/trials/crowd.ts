import { readFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { ACTION, BODY, writeCompany } from '../bench/company.ts'
import type { Loaded } from '../bench/load.ts'
import { start } from '../bench/process.ts'
import { clientOf } from '../house/gateway.ts'
import { startServing } from './serving.ts'
import type { Serving } from './serving.ts'

/**
 * `node test/trials/crowd.ts [--actions 10000] [--roles 1000] [--sessions 100000]`: the same call at a gateway with one
 * role, action and session, and at one with so many, by turns; then at the large one while a role changes. Minutes.
 */
const { values } = parseArgs({
  options: {
    actions: { type: 'string', default: '10000' },
    roles: { type: 'string', default: '1000' },
    sessions: { type: 'string', default: '100000' },
  },
})
const [ACTIONS, ROLES, SESSIONS] = [values.actions, values.roles, values.sessions].map(Number) as [
  number,
  number,
  number,
]
const ROUNDS = 7
const TURN_MS = 1500
const EACH = 1000
const ACCOUNTS = Math.ceil(SESSIONS / EACH)

const actionOf = (number: number): string => `action: crowd.a${number}
describe: Refund a charge of shop ${number}, in cents.
effect: write
input:
  charge: { type: string, pattern: "^ch_[A-Za-z0-9]{1,64}$" }
  amount: { type: integer, minimum: 1 }
backend: bench
cost: { minor: input.amount, currency: USD }
request:
  POST: /v1/shops/${number}/refunds
  form: { charge: "\${input.charge}", amount: "\${input.amount}" }
output: { keep: [id] }
`
const roleOf = (number: number, describe = 'A shop'): string => `role: shop-${number}
describe: ${describe}.
issue_to: [{ issuer: demo, where: 'claims.sub.startsWith("crowd-")' }]
grants:
${Array.from({ length: 10 }, (_, n) => `  crowd.a${(number * 10 + n) % ACTIONS}: { max: 200.00 USD }`).join('\n')}
`

const folders: string[] = []
const running: Serving[] = []
const peers = [await start('backend'), await start('load')] as const
const [backend, loader] = peers
try {
  const [small, large] = [
    await mkdtemp(join(tmpdir(), 'keystay-one-')),
    await mkdtemp(join(tmpdir(), 'keystay-crowd-')),
  ]
  folders.push(small, large)
  for (const dir of folders) await writeCompany(join(dir, 'policies'), backend.url)
  await crowded(join(large, 'policies'))
  const one = await startServing(small)
  running.push(one)
  let began = performance.now()
  const crowd = await startServing(large)
  running.push(crowd)
  console.log(
    `the large one serves after ${((performance.now() - began) / 1000).toFixed(1)} s, ${(await crowd.memory()).toFixed(0)} MB`,
  )
  const tokens = new Map<Serving, string>()
  for (const gate of running) tokens.set(gate, await clientOf(gate.agents, gate.people).token())
  began = performance.now()
  const opened = await openSessions(crowd)
  console.log(
    `${opened} sessions in ${((performance.now() - began) / 1000).toFixed(0)} s, ${(await crowd.memory()).toFixed(0)} MB`,
  )

  const ask = (gate: Serving, connections: number, ms: number): Promise<Loaded> =>
    loader.load({
      url: gate.agents,
      path: `/v1/actions/${ACTION}`,
      headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${tokens.get(gate)}` },
      body: BODY,
      connections,
      ms,
    })
  for (const gate of running) await ask(gate, 8, 2000)
  for (const connections of [1, 8]) {
    const rounds: [Loaded, Loaded][] = []
    for (let round = 0; round < ROUNDS; round++)
      rounds.push([await ask(one, connections, TURN_MS), await ask(crowd, connections, TURN_MS)])
    const of = (which: 0 | 1, name: 'p50' | 'p99'): number => median(rounds.map((pair) => pair[which][name]))
    const ratio = median(rounds.map(([a, b]) => b.p50 / a.p50))
    const failed = rounds.flat().reduce((sum, turn) => sum + turn.failed, 0)
    console.log(
      `${connections} connection${connections > 1 ? 's' : ''}: p50 ${of(0, 'p50').toFixed(2)} and ${of(1, 'p50').toFixed(2)} ms, ` +
        `p99 ${of(0, 'p99').toFixed(1)} and ${of(1, 'p99').toFixed(1)} ms, ${failed} failed; p50 ratio ${ratio.toFixed(2)}`,
    )
  }
  for (const text of ['Changed', 'Changed again']) {
    const before = crowd.said.length
    const changed = (): boolean => crowd.said.slice(before).some((line) => line.includes('the policy changed'))
    const calm = await ask(crowd, 8, 4000)
    began = performance.now()
    await writeFile(join(large, 'policies/roles/shop-1.yaml'), roleOf(1, text))
    const turns: Loaded[] = []
    while (!changed() && performance.now() - began < 120_000) turns.push(await ask(crowd, 8, 1000))
    const worst = Math.max(...turns.map(({ p99 }) => p99))
    console.log(
      `a change is taken after ${((performance.now() - began) / 1000).toFixed(1)} s; p99 before ${calm.p99.toFixed(1)} ms, ` +
        `meanwhile ${median(turns.map(({ p99 }) => p99)).toFixed(1)} ms (median second), ${worst.toFixed(1)} ms (worst second): ` +
        `ratio ${(median(turns.map(({ p99 }) => p99)) / calm.p99).toFixed(2)}, worst ${(worst / calm.p99).toFixed(2)}; ` +
        `${turns.reduce((sum, { failed }) => sum + failed, 0)} failed`,
    )
    await sleep(1000)
  }
  console.log(`memory: one ${(await one.memory()).toFixed(0)} MB, crowd ${(await crowd.memory()).toFixed(0)} MB`)
} finally {
  await Promise.all(running.map((gate) => gate.stop()))
  await Promise.all(peers.map((peer) => peer.end()))
  for (const dir of folders) await rm(dir, { recursive: true, force: true })
}

async function crowded(policies: string): Promise<void> {
  for (let from = 0; from < ACTIONS; from += 100) {
    const some = Array.from({ length: Math.min(100, ACTIONS - from) }, (_, n) => actionOf(from + n))
    await writeFile(join(policies, `actions/crowd-${from}.yaml`), some.join('---\n'))
  }
  for (let number = 1; number < ROLES; number++)
    await writeFile(join(policies, `roles/shop-${number}.yaml`), roleOf(number))
  const file = join(policies, 'identity.yaml')
  const accounts = Array.from({ length: ACCOUNTS }, (_, n) => `      crowd-${n}: {}\n`).join('')
  await writeFile(file, (await readFile(file, 'utf8')).replace('      bot: {}\n', `      bot: {}\n${accounts}`))
}

async function openSessions(gate: Serving): Promise<number> {
  const client = clientOf(gate.agents, gate.people)
  let opened = 0
  const account = async (name: string): Promise<void> => {
    const subject_token = await client.person(name)
    for (let n = 0; n < EACH && opened < SESSIONS; n++) {
      const form = {
        grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
        subject_token,
        subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
        scope: `role:shop-${1 + (opened++ % (ROLES - 1))}`,
      }
      const { status, text } = await client.agent('/oauth/token', { method: 'POST', body: new URLSearchParams(form) })
      if (status !== 200) throw new Error(text)
    }
  }
  const names = Array.from({ length: ACCOUNTS }, (_, n) => `crowd-${n}`)[Symbol.iterator]()
  const work = async (): Promise<void> => {
    for (const name of names) await account(name)
  }
  await Promise.all(Array.from({ length: 48 }, work))
  return opened
}

function median(of: readonly number[]): number {
  const sorted = [...of].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}
