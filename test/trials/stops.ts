import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { GatewayProcess } from '../kill/process.ts'
import { now, startTown } from './town.ts'

/**
 * `node test/trials/stops.ts [--trials 1000]`: sessions are revoked and roles frozen at one replica while agents call
 * through both; now and then a replica is paused (SIGSTOP) over it. How much later than people were told that it is done
 * did the last request for an effect come to the backend, and how much later than they asked for it? A paused replica may
 * hold the ledger's lock, and then the answer takes up to two seconds. An effect more than a second after the answer ends
 * it with 1.
 */
const { values } = parseArgs({ options: { trials: { type: 'string', default: '1000' } } })
const TRIALS = Number(values.trials)
const AGENTS = 6
const MOST_MS = 1000

const town = await startTown('postgres')
const [one, other] = town.gates as [GatewayProcess, GatewayProcess]
const late: Late[] = []
let pauses = 0
let effects = 0
try {
  for (let trial = 0; trial < TRIALS; trial++) {
    const how = trial % 2 === 0 ? 'revoke' : 'freeze'
    const paused = trial % 10 === 9 ? other : null
    late.push(await measure(`t${trial}`, how, paused))
    if (paused !== null) pauses++
  }
} finally {
  await town.close()
}

/** ms by which the last effect came after the request to stop, and after its answer; below zero when it came before. */
interface Late {
  readonly asked: number
  readonly told: number
}

async function measure(trial: string, how: 'revoke' | 'freeze', paused: GatewayProcess | null): Promise<Late> {
  const token = await one.token()
  const session = (await one.agent('/v1/session', { headers: { authorization: `Bearer ${token}` } })).body.session
  const end = new AbortController()
  const agents = Array.from({ length: AGENTS }, async (_, agent) => {
    for (let n = 0; !end.signal.aborted; n++) {
      const gate = (agent + n) % 2 === 0 ? one : other
      const answer = await gate.call(token, 'shop.order', { item: trial }, `${trial}-${agent}-${n}`).catch(() => null)
      if (answer !== null && answer.body?.status !== 'done') await sleep(20)
    }
  })
  await sleep(30 + Math.random() * 60)
  if (paused !== null) paused.child.kill('SIGSTOP')
  const asked = now()
  if (how === 'revoke') await ok(one.admin('sam', 'POST', `/admin/v1/sessions/${session}/revoke`, {}))
  else await ok(one.admin('sam', 'PUT', '/admin/v1/switches/role:agent', { on: true, reason: trial }))
  const told = now()
  if (paused !== null) {
    await sleep(900)
    paused.child.kill('SIGCONT')
  }
  await sleep(paused === null ? 120 : 600)
  end.abort()
  await Promise.all(agents)
  if (how === 'freeze') await ok(one.admin('sam', 'PUT', '/admin/v1/switches/role:agent', { on: false, reason: trial }))
  const came = town.happened.filter(({ name }) => name === trial).map(({ at }) => at)
  effects += came.length
  const last = Math.max(...came)
  return { asked: last - asked, told: last - told }
}

async function ok(answer: Promise<{ status: number; text: string }>): Promise<void> {
  const { status, text } = await answer
  if (status >= 300) throw new Error(`${status} ${text}`)
}

function spread(since: keyof Late): string {
  const sorted = late.map((one) => one[since]).sort((a, b) => a - b)
  const at = (part: number): string =>
    (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? NaN).toFixed(0)
  return `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, at most ${at(1)} ms`
}

const tooLate = late.filter(({ told }) => told > MOST_MS).length
console.log(
  `${TRIALS} trials (half revocations, half freezes, ${pauses} with a replica paused), ${effects} effects; the last of a trial came`,
)
console.log(`  after people were told that it is done: ${spread('told')}; ${tooLate} later than 1 s`)
console.log(`  after they asked for it: ${spread('asked')}`)
process.exitCode = tooLate > 0 ? 1 : 0
