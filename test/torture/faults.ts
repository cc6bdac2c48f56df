import { setTimeout as sleep } from 'node:timers/promises'
import type { Disk } from './disk.ts'
import type { Evidence } from './evidence.ts'
import type { Random } from './random.ts'
import type { Replica } from './replica.ts'

/** What can be done to a database that is a process of its own, and to the wire to it. */
export interface Wire {
  /** kill -9 of all its processes, and a new start on what they left. */
  killDatabase(): Promise<void>
  /** The next COMMITs are cut: before they reach the server, or after it got them. */
  cutCommits(many: number): void
  /** Each commit takes so many ms longer, from now on. */
  slow(ms: number): void
  /** It is whole again. */
  mend(): void
}

/** Every named step of a call, an approval and a recovery at which a gateway may die. */
const STEPS = [
  'call.received',
  'call.valid',
  'call.gathered',
  'call.weighed',
  'batch.loaded',
  'batch.written',
  'batch.committed',
  'batch.answered',
  'call.admitted',
  'attempt.begins',
  'attempt.permitted',
  'attempt.answered',
  'attempt.settled',
  'approve.weighed',
  'approve.written',
  'recover.taken',
  'resolve.started',
  'resolve.looked',
  'resolve.concluded',
] as const

export interface Faults {
  /** Everything is whole again, and stays so. */
  end(): Promise<void>
}

/** One fault after the other, now and then two at once, until it ends. */
export function startFaults(
  world: { readonly replicas: readonly Replica[]; readonly disk: Disk | null; readonly wire: Wire | null },
  random: Random,
  evidence: Evidence,
): Faults {
  const { replicas, disk, wire } = world
  const over = new AbortController()
  const rest = (ms: number): Promise<unknown> => sleep(ms, null, { signal: over.signal }).catch(() => {})
  const ended = (): boolean => over.signal.aborted
  const weights = {
    kill: 34,
    step: 34,
    pause: 20,
    slow: 6,
    full: disk?.fill ? 4 : 0,
    database: wire ? 34 : 0,
    cut: wire ? 22 : 0,
  }

  const doing: { readonly [fault in keyof typeof weights]: () => Promise<void> } = {
    async kill() {
      const replica = random.pick(replicas)
      await replica.kill()
      // It is killed again while it starts.
      if (random.chance(0.15)) {
        await rest(random.spread(20, 600))
        await replica.kill()
      }
    },
    async step() {
      const replica = random.pick(replicas)
      const step = random.pick(STEPS)
      const isRare = /^(?:approve|recover|resolve)/.test(step)
      const turn = isRare ? 1 : Math.round(random.spread(1, 20))
      evidence.note('faults', { replica: replica.name, die: step, turn })
      // There is something to recover from only after another end.
      if (step.startsWith('re')) await replica.kill()
      if (await replica.killAt(step, turn, ended() ? 0 : isRare ? 3500 : 1500)) evidence.count(`died at ${step}`)
      else await replica.kill()
    },
    async pause() {
      const replica = random.pick(replicas)
      const ms = random.chance(0.93) ? random.spread(200, 3000) : random.spread(3000, 60_000)
      evidence.note('faults', { replica: replica.name, pause_ms: Math.round(ms) })
      const pause = replica.pause(ms)
      if (replicas.length === 1) await Promise.race([pause, rest(60_000)])
      else await rest(Math.min(ms, 2000))
      if (ended()) await replica.kill()
      else if (ms > 10_000 && random.chance(0.5)) await replica.kill()
      if (replicas.length === 1) await pause
    },
    async slow() {
      const ms = Math.round(random.chance(0.9) ? random.spread(50, 1500) : 5600)
      evidence.note('faults', { slow_ms: ms })
      evidence.count('slow disks')
      const slow = (now_ms: number): void => {
        wire?.slow(now_ms)
        if (wire === null) for (const replica of replicas) replica.slow(now_ms)
      }
      slow(ms)
      await rest(random.spread(800, ms > 5000 ? 9000 : 4000))
      slow(0)
    },
    async full() {
      evidence.note('faults', { full: true })
      evidence.count('full disks')
      disk?.fill?.()
      await rest(random.spread(500, 4000))
      if (random.chance(0.4)) await random.pick(replicas).kill()
      await rest(random.spread(100, 1500))
      disk?.empty()
    },
    async database() {
      evidence.note('faults', { database: 'killed' })
      await wire?.killDatabase()
    },
    async cut() {
      wire?.cutCommits(random.integer(2, 8))
      // What meets no COMMIT by then is not kept for the next start.
      await rest(1000)
      wire?.mend()
    },
  }

  async function run(): Promise<void> {
    await Promise.all(replicas.map((replica) => replica.up()))
    while (!ended()) {
      await rest(random.spread(200, 1500))
      if (ended()) return
      await doing[random.weighed<keyof typeof weights>(weights)]()
      // Mostly it comes up before the next one.
      if (random.chance(0.85)) await Promise.race([Promise.all(replicas.map((one) => one.up())), rest(30_000)])
    }
  }

  const running = run()
  return {
    async end() {
      over.abort()
      await running
      disk?.empty()
      wire?.mend()
      for (const replica of replicas) replica.slow(0)
      await Promise.all(replicas.map((replica) => replica.up()))
    },
  }
}
