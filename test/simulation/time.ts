import { AsyncLocalStorage } from 'node:async_hooks'
import type { Random } from './random.ts'

/** A process of the simulation. What is not of one (agents, people, the backend) runs outside of any. */
export interface Host {
  readonly name: string
  /** False from its crash on: its timers are dropped, and what it waits for never comes. */
  alive: boolean
  /** SIGSTOP until then: what is due for it waits while the clock runs. */
  pausedUntil: number
  /** When it began, in true time: its monotonic clock counts from here. */
  readonly birth: number
  /** How far its wall clock is off, ms. */
  skew_ms: number
}

/** Virtual time. `now` is the true time in ms from the beginning of the run, that no clock of the house shows. */
export interface Time {
  now(): number
  /** Resolves after `ms`; later while the host is paused, never once it is dead. */
  after(ms: number, host?: Host | null): Promise<void>
  /** Runs `work` at that true time, whoever is alive by then. */
  at(time: number, work: () => void): void
  /** Runs what is due until that true time. */
  runTo(time: number): Promise<void>
  /** True time of the next thing that will happen which is no interval; Infinity when there is none. */
  nextAt(): number
  /** Intervals made meanwhile turn that many times slower: what only counts for itself. */
  dull(factor: number, make: () => void): void
  readonly events: () => number
}

interface Event {
  at: number
  readonly tie: number
  readonly number: number
  readonly host: Host | null
  run: (() => void) | null
  /** ms; 0 for what happens once. */
  readonly every: number
}

const hosts = new AsyncLocalStorage<Host | null>()
const real = { setTimeout, setInterval, clearTimeout, clearInterval, setImmediate, now: Date.now }
const realPerformance = performance.now.bind(performance)
let current: { time: Time; schedule: (ms: number, every: number, run: () => void) => Event; epoch: number } | null =
  null

/** Runs `work` as this process: its timers are the host's, and it reads the host's clocks. */
export function as<T>(host: Host | null, work: () => T): T {
  return hosts.run(host, work)
}

export function hostNow(): Host | null {
  return hosts.getStore() ?? null
}

/** Real milliseconds, for what is measured about the simulation itself. */
export function realNow(): number {
  return realPerformance()
}

/** Wall clock of a host, ms since the epoch. */
export function wallOf(time: Pick<Time, 'now'>, epoch: number, host: Host | null): number {
  return Math.floor(epoch + time.now() + (host?.skew_ms ?? 0))
}

/** Starts another virtual time; from here on the globals of this thread are its own. @param epoch wall time at its 0. */
export function startTime(random: Random, epoch: number): Time {
  install()
  let now = 0
  let count = 0
  let fired = 0
  let slower = 1
  // Three runs of four look at what is looked at again and again a third as often: no rule says how often that is.
  const lazy = random.chance(0.25) ? 1 : 3
  const heap: Event[] = []

  const before = (a: Event, b: Event): boolean =>
    a.at !== b.at ? a.at < b.at : a.tie !== b.tie ? a.tie < b.tie : a.number < b.number
  function push(event: Event): void {
    let place = heap.push(event) - 1
    while (place > 0) {
      const parent = (place - 1) >> 1
      const above = heap[parent] as Event
      if (!before(event, above)) break
      heap[place] = above
      place = parent
    }
    heap[place] = event
  }
  function pop(): Event | undefined {
    const first = heap[0]
    const last = heap.pop()
    if (first === undefined || last === undefined || heap.length === 0) return first
    let place = 0
    for (;;) {
      let child = 2 * place + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && before(heap[child + 1] as Event, heap[child] as Event)) child++
      if (!before(heap[child] as Event, last)) break
      heap[place] = heap[child] as Event
      place = child
    }
    heap[place] = last
    return first
  }

  function schedule(ms: number, every: number, run: () => void, host: Host | null = hostNow()): Event {
    const event = { at: now + ms, tie: random.below(1 << 16), number: ++count, host, run, every: every * slower * lazy }
    push(event)
    return event
  }

  function nextAt(): number {
    let first = Infinity
    for (const { at, every, run, host } of heap) {
      if (every === 0 && run !== null && host?.alive !== false) first = Math.min(first, at)
    }
    return first
  }

  function fire(event: Event): void {
    const { host, run, every } = event
    if (run === null || host?.alive === false) return
    if (host !== null && host.pausedUntil > now) {
      event.at = host.pausedUntil
      return push(event)
    }
    if (every > 0) {
      event.at = now + (idleUntil > now ? Math.min(Math.max(every, IDLE_MS), Math.max(every, idleUntil - now)) : every)
      push(event)
    } else event.run = null
    fired++
    hosts.run(host, run)
  }
  /** Until then nothing but intervals is due: they may turn slower, as in a process that sleeps. */
  let idleUntil = 0

  const time: Time = {
    now: () => now,
    after: (ms, host = hostNow()) => new Promise((resolve) => void schedule(ms, 0, resolve, host)),
    at: (when, work) => void schedule(Math.max(0, when - now), 0, work, null),
    async runTo(end) {
      for (;;) {
        await turn()
        const next = heap[0]
        if (next === undefined || next.at > end) break
        pop()
        now = Math.max(now, next.at)
        if (next.every > 0 && now >= idleUntil) {
          const first = nextAt()
          if (first - now > SOON_MS) idleUntil = first
        }
        if (next.every === 0) idleUntil = 0
        fire(next)
      }
      now = Math.max(now, end)
    },
    nextAt,
    dull(factor, make) {
      slower = factor
      try {
        make()
      } finally {
        slower = 1
      }
    },
    events: () => fired,
  }
  current = { time, schedule, epoch }
  return time
}

/** When nothing else is due for so long, intervals turn this slowly. */
const IDLE_MS = 4000
const SOON_MS = 2000

/** The globals are the real ones again. */
export function endTime(): void {
  current = null
}

/** Every promise that can go on has gone on. */
function turn(): Promise<void> {
  return new Promise((resolve) => real.setImmediate(resolve))
}

let installed = false

/** Production code reads timers and clocks as globals; in this thread they are ours from now on. */
function install(): void {
  if (installed) return
  installed = true
  const timer = (event: Event): unknown => {
    const handle = {
      event,
      ref: () => handle,
      unref: () => handle,
      hasRef: () => true,
      refresh: () => handle,
      close: () => void (event.run = null),
      [Symbol.toPrimitive]: () => event.number,
    }
    return handle
  }
  const wait = (ms: unknown): number => {
    const asked = Math.trunc(Number(ms ?? 0))
    return asked >= 1 && asked <= 2_147_483_647 ? asked : 1
  }
  const clear = (handle: unknown): void => {
    if (handle !== null && typeof handle === 'object' && 'event' in handle) (handle.event as Event).run = null
    else real.clearTimeout(handle as NodeJS.Timeout)
  }
  Object.assign(globalThis, {
    setTimeout: (work: (...list: unknown[]) => void, ms?: unknown, ...list: unknown[]) =>
      current === null
        ? real.setTimeout(work, Number(ms ?? 0), ...list)
        : timer(current.schedule(wait(ms), 0, () => work(...list))),
    setInterval: (work: (...list: unknown[]) => void, ms?: unknown, ...list: unknown[]) =>
      current === null
        ? real.setInterval(work, Number(ms ?? 0), ...list)
        : timer(current.schedule(wait(ms), wait(ms), () => work(...list))),
    clearTimeout: clear,
    clearInterval: clear,
  })
  Date.now = () => (current === null ? real.now() : wallOf(current.time, current.epoch, hostNow()))
  performance.now = () => (current === null ? realPerformance() : current.time.now() - (hostNow()?.birth ?? 0))
}
