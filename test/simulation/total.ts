import { Worker } from 'node:worker_threads'
import type { Run } from './run.ts'
import { whereIs } from './where.ts'

export interface Job {
  readonly from: number
  readonly count: number
  /** Every so many seeds is this thread's. */
  readonly stride: number
  readonly broken?: string
  readonly stopAtFirst: boolean
  readonly trace: boolean
  /** The seed that is being run, told as it begins. */
  readonly now: Int32Array<SharedArrayBuffer>
}

/** What many runs come to; plain data. */
export interface Total {
  runs: number
  calls: number
  effects: number
  entries: number
  events: number
  lasted_ms: number
  failed: { seed: number; invariant: string; what: string }[]
  hashes: [number, string][]
  cells: Map<string, number>
  states: Map<string, number>
  answers: Map<string, number>
  story: readonly string[]
}

export function emptyTotal(): Total {
  return {
    runs: 0,
    calls: 0,
    effects: 0,
    entries: 0,
    events: 0,
    lasted_ms: 0,
    failed: [],
    hashes: [],
    cells: new Map(),
    states: new Map(),
    answers: new Map(),
    story: [],
  }
}

export function addUp(total: Total, ran: Run): void {
  total.runs++
  total.calls += ran.calls
  total.effects += ran.effects
  total.entries += ran.entries
  total.events += ran.events
  total.lasted_ms += ran.lasted_ms
  if (ran.violation !== null) total.failed.push({ seed: ran.seed, ...ran.violation })
  if (total.hashes.length < 100) total.hashes.push([ran.seed, ran.hash])
  for (const name of ['cells', 'states', 'answers'] as const) addCounts(total[name], ran[name])
}

function addCounts(sum: Map<string, number>, more: ReadonlyMap<string, number>): void {
  for (const [key, count] of more) sum.set(key, (sum.get(key) ?? 0) + count)
}

function merge(sum: Total, more: Total): void {
  for (const name of ['runs', 'calls', 'effects', 'entries', 'events', 'lasted_ms'] as const) sum[name] += more[name]
  sum.failed.push(...more.failed)
  sum.hashes.push(...more.hashes)
  for (const name of ['cells', 'states', 'answers'] as const) addCounts(sum[name], more[name])
  if (more.story.length > 0) sum.story = more.story
}

/** A seed takes some 20 ms; one that takes so long, ms, has come to a loop that the virtual time never leaves. */
const STUCK_MS = 60_000

/** Seeds `from` … `from + count − 1`, in so many threads. @param heard what it comes to so far, once a second. */
export async function simulate(
  what: { from: number; count: number; jobs?: number; broken?: string; stopAtFirst?: boolean; trace?: boolean },
  heard: (total: Total) => void = () => {},
): Promise<Total> {
  const { from, count, jobs = 1, broken, stopAtFirst = false, trace = false } = what
  const total = emptyTotal()
  const threads = Array.from({ length: Math.min(jobs, count) }, async (_, number) => {
    const now = new Int32Array(new SharedArrayBuffer(4))
    const mine = Math.ceil((count - number) / jobs)
    const job: Job = {
      from: from + number,
      count: mine,
      stride: jobs,
      stopAtFirst,
      trace,
      now,
      ...(broken === undefined ? {} : { broken }),
    }
    const worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData: job })
    let isStuck = (_where: string): void => {}
    const stuck = watch(now, async (seed) => {
      const where = await whereIs(worker)
      total.failed.push({
        seed,
        invariant: 'an end',
        what: `not after ${STUCK_MS / 1000} s; its thread stands\n${where}`,
      })
      heard(total)
      isStuck(where)
    })
    await new Promise<void>((resolve, reject) => {
      isStuck = () => resolve()
      worker.on('message', ({ total: more, isOver }: { total: Total; isOver: boolean }) => {
        merge(total, more)
        heard(total)
        if (isOver) resolve()
      })
      worker.on('error', reject)
      worker.on('exit', (code) => code !== 0 && reject(new Error(`a thread ended with ${code}`)))
    })
    clearInterval(stuck)
    await worker.terminate()
  })
  await Promise.all(threads)
  total.failed.sort((a, b) => a.seed - b.seed)
  return total
}

/** Tells once of a seed that is still the same after `STUCK_MS`. */
function watch(now: Int32Array, tell: (seed: number) => void): NodeJS.Timeout {
  let seen = { seed: -1, at: performance.now() }
  const timer = setInterval(() => {
    const seed = Atomics.load(now, 0)
    if (seed !== seen.seed) seen = { seed, at: performance.now() }
    else if (performance.now() - seen.at > STUCK_MS) {
      clearInterval(timer)
      tell(seed)
    }
  }, 1000)
  return timer
}
