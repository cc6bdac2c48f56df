import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { GatewayProcess } from '../kill/process.ts'
import { now, startTown } from './town.ts'

/**
 * `node test/trials/stops.ts [--trials 1000]`: sessions are revoked and roles frozen at one replica while agents call
 * through both; now and then a replica is paused (SIGSTOP) over it. How much later than the moment in which people asked
 * for it did the last request for an effect come to the backend? More than a second ends it with 1.
 */
const { values } = parseArgs({ options: { trials: { type: 'string', default: '1000' } } })
const TRIALS = Number(values.trials)
const AGENTS = 6
const MOST_MS = 1000

const town = await startTown('postgres')
const [one, other] = town.gates as [GatewayProcess, GatewayProcess]
const late: number[] = []
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

/** @returns ms by which the last effect came after the request to stop; below zero when it came before. */
async function measure(trial: string, how: 'revoke' | 'freeze', paused: GatewayProcess | null): Promise<number> {
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
  if (paused !== null) {
    await sleep(900)
    paused.child.kill('SIGCONT')
  }
  await sleep(paused === null ? 120 : 600)
  end.abort()
  await Promise.all(agents)
  if (how === 'freeze') await ok(one.admin('sam', 'PUT', '/admin/v1/switches/role:agent', { on: false, reason: trial }))
  const came = town.happened.filter(({ name }) => name === trial).map(({ at }) => at - asked)
  effects += came.length
  return Math.max(...came)
}

async function ok(answer: Promise<{ status: number; text: string }>): Promise<void> {
  const { status, text } = await answer
  if (status >= 300) throw new Error(`${status} ${text}`)
}

late.sort((a, b) => a - b)
const at = (part: number): string => (late[Math.min(late.length - 1, Math.floor(late.length * part))] ?? NaN).toFixed(0)
const tooLate = late.filter((ms) => ms > MOST_MS).length
console.log(
  `${TRIALS} trials (half revocations, half freezes, ${pauses} with a replica paused), ${effects} effects: ` +
    `the last effect came after the request by p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, at most ${at(1)} ms; ${tooLate} later than 1 s`,
)
process.exitCode = tooLate > 0 ? 1 : 0
