import { generateKeyPairSync } from 'node:crypto'
import type { Adapter } from '../../adapters/adapter.ts'
import type { Signer } from '../../gateway/core/checkpoint-note.ts'
import { fold, touches } from '../../gateway/core/fold.ts'
import { variants } from './company.ts'
import type { Variant } from './company.ts'
import type { Database } from './database.ts'
import type { Fault, Profile } from './faults.ts'
import { startProcess } from './process.ts'
import type { Planted, Process, ProcessParts } from './process.ts'
import type { Random } from './random.ts'
import { as } from './time.ts'
import type { Host, Time } from './time.ts'
import type { World } from './world.ts'

/** The processes, and whoever keeps them running. */
export interface Fleet {
  readonly names: readonly string[]
  readonly processes: ReadonlyMap<string, Process>
  start(name: string): Promise<void>
  /** kill -9; it is started again after this time. */
  crash(host: Host, down_ms: number): void
  /** SIGSTOP for so long. */
  pause(host: Host, fault: Fault, ms: number, where: string): void
  /** SIGTERM. */
  stop(name: string): Promise<void>
  /** A process that says it cannot serve until a restart is restarted. */
  watchOver(): void
  /** Another policy is put into the directory; each process looks by itself. */
  reload(): void
  takeUp(): void
  roles(): string[]
  /** The wall clocks of all machines are set. */
  clock(forward: boolean): void
  /** Clocks are right again, and nobody stands still for long. */
  calm(): void
  /** All are gone. */
  end(): void
}

export interface FleetParts {
  readonly time: Time
  readonly epoch: number
  readonly random: Random
  readonly profile: Profile
  readonly shared: boolean
  readonly world: World
  readonly machine: Host
  readonly planted: Planted
  readonly database: Database
  readonly adapter: Adapter
  readonly lender: Adapter
  readonly courier: ProcessParts['courier']
  readonly isServing: () => boolean
  readonly cut: (host: Host) => void
  readonly struck: (fault: Fault) => void
  readonly trace: (line: string) => void
}

/** Something of a process went on after its death: it comes to nothing. */
export class Dead extends Error {}

/** Steps that few calls come by. */
const LATER = /^(join|take|lease|notice)\./

let signer: Signer | null = null

export function fleet(parts: FleetParts): Fleet {
  const { time, random, profile, shared, world, machine, planted, database, isServing, cut, struck, trace } = parts
  signer ??= { name: 'keystay.local/simulation', privateKey: generateKeyPairSync('ed25519').privateKey }
  const names = shared ? ['a', 'b'] : ['a']
  const processes = new Map<string, Process>()
  const hosts = new Map<string, Host>()
  const skew = new Map<string, number>()
  const all = variants(world)
  /** What stands in the policy directory. */
  let directory: Variant = random.pick(all)

  async function start(name: string): Promise<void> {
    const host: Host = { name, alive: true, pausedUntil: 0, birth: time.now(), skew_ms: skew.get(name) ?? 0 }
    hosts.set(name, host)
    trace(`${name} starts`)
    try {
      const process = await startProcess(host, directory, {
        ...parts,
        variants: all,
        database: planted.database?.(database, time) ?? database,
        signer: signer as Signer,
        folding: { fold, touches },
        step,
        log: (of, line) => trace(`${of.name}: (${line})`),
      })
      if (host.alive) processes.set(name, process)
      trace(`${name} serves`)
    } catch (error) {
      if (!host.alive) return
      trace(`${name} could not start: ${error instanceof Error ? error.stack : String(error)}`)
      end(host)
      time.at(time.now() + 1000, () => void start(name))
    }
  }

  /** kill -9, or its own end: nothing of it goes on. */
  function end(host: Host): void {
    host.alive = false
    database.drop(host)
    if (processes.get(host.name)?.host === host) processes.delete(host.name)
    cut(host)
  }

  function crash(host: Host, down_ms: number): void {
    struck('crash')
    trace(`${host.name} DIES`)
    end(host)
    time.at(time.now() + down_ms, () => void start(host.name))
  }

  function pause(host: Host, fault: Fault, ms: number, where: string): void {
    struck(fault)
    trace(`${host.name} stands still for ${ms} ms at ${where}`)
    host.pausedUntil = Math.max(host.pausedUntil, time.now() + ms)
  }

  /** A named moment of production: it may be the last one. */
  function step(host: Host, name: string): void {
    if (!host.alive) throw new Dead()
    if (!isServing()) return
    const often = LATER.test(name) ? 12 : 1
    if (profile.strikes('crash', 0.003 * often)) {
      trace(`${host.name} at ${name}`)
      crash(host, random.pick([20, 500, 3000, 9000]))
      throw new Dead()
    }
    // Between the check of a permit and the first byte nothing can be promised (R3).
    if (name === 'attempt.permitted') return
    if (profile.strikes('pause', 0.006 * often)) pause(host, 'pause', random.pick([50, 400, 800, 1500, 3000]), name)
    else if (profile.strikes('long pause', 0.003 * often)) {
      pause(host, 'long pause', random.pick([6000, 12_000, 40_000, 100_000]), name)
    }
  }

  function takeUp(): void {
    for (const process of processes.values()) {
      time.at(time.now() + random.between(0, 2000), () => void look(process))
    }
  }
  async function look(process: Process): Promise<void> {
    const { host } = process
    await time.after(0, host)
    const failed = await as(host, () => process.reload(directory)).catch((error: unknown) => String(error))
    if (failed !== undefined) time.at(time.now() + 500, () => void look(process))
  }

  return {
    names,
    processes,
    start,
    crash,
    pause,
    async stop(name) {
      const process = processes.get(name)
      if (process === undefined) return
      struck('stop')
      trace(`${name} is told to stop`)
      processes.delete(name)
      const stopped = as(process.host, () => process.stop(3000)).catch(() => {})
      await Promise.race([stopped, time.after(8000, null)])
      if (!process.host.alive) return
      end(process.host)
      trace(`${name} has stopped`)
      time.at(time.now() + random.pick([10, 2000]), () => void start(name))
    },
    watchOver() {
      for (const { host, store } of processes.values()) {
        const { ok, reason = '' } = store.ready()
        if (ok || !/restart|writer is gone/.test(reason)) continue
        trace(`${host.name} is restarted: ${reason}`)
        end(host)
        time.at(time.now() + 200, () => void start(host.name))
      }
    },
    reload() {
      directory = random.pick(all.filter((variant) => variant !== directory))
      struck('reload')
      trace(`the policy directory is ${directory.name} now`)
      takeUp()
    },
    takeUp,
    roles: () => [...directory.policy.roles.keys()],
    clock(forward) {
      const ms = forward ? random.pick([3000, 20_000, 3_700_000, 90_000_000]) : -random.pick([2000, 8000, 30_000])
      const of: Host[] = shared ? [machine] : [...hosts.values()]
      struck(forward ? 'clock forward' : 'clock behind')
      trace(`the clock is set by ${ms} ms`)
      const set = (by: number): void => {
        for (const host of of) skew.set(host.name, (host.skew_ms += by))
      }
      set(ms)
      // A clock that is behind is found and set right again.
      if (!forward) time.at(time.now() + random.pick([1000, 10_000]), () => set(-ms))
    },
    calm() {
      for (const [name, ms] of skew) skew.set(name, Math.max(0, ms))
      for (const host of [machine, ...hosts.values()]) {
        host.skew_ms = Math.max(0, host.skew_ms)
        host.pausedUntil = Math.min(host.pausedUntil, time.now() + 8000)
      }
    },
    end() {
      for (const host of hosts.values()) host.alive = false
    },
  }
}
