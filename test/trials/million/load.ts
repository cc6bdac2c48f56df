import { setTimeout as sleep } from 'node:timers/promises'
import type { clientOf } from '../../house/gateway.ts'
import { actionAt, grantsOf, looksOnly } from './company.ts'

/** So many governed calls a second, evenly, whatever the ones before still wait for. */
export interface Load {
  /** From now on what is timed counts under this name. */
  under(name: string): void
  /** ms of each call, by name. */
  stop(): Promise<ReadonlyMap<string, readonly number[]>>
}

export async function calling(gate: ReturnType<typeof clientOf>, role: number, per_second: number): Promise<Load> {
  const token = await gate.token('bot', `agent-${String(role).padStart(2, '0')}`)
  const action = actionAt(grantsOf(role).find((at) => !looksOnly(at)) ?? 0)
  const took = new Map<string, number[]>()
  const underway = new Set<Promise<void>>()
  const run = Date.now().toString(36)
  let [name, n] = ['', 0]
  const over = new AbortController()
  const one = async (): Promise<void> => {
    const [at, whose] = [n++, name]
    const began = performance.now()
    const ask = () => gate.call(token, action, { order: `or_${run}${at}`, amount: 700 }, `${run}-${at}`)
    // A connection that was idle may be closed as it is used: the same key asks again.
    const { status, text } = await ask().catch(ask)
    if (status !== 200) throw new Error(`a call was answered ${status} ${text}`)
    const all = took.get(whose) ?? []
    all.push(performance.now() - began)
    took.set(whose, all)
  }
  const loop = (async () => {
    for (let next = performance.now(); !over.signal.aborted; next += 1000 / per_second) {
      await sleep(Math.max(0, next - performance.now()))
      const called: Promise<void> = one().finally(() => underway.delete(called))
      underway.add(called)
    }
  })()
  return {
    under: (now) => void (name = now),
    async stop() {
      over.abort()
      await loop
      await Promise.all(underway)
      return took
    },
  }
}
