import { acting } from './acts.ts'
import { agents } from './agents.ts'
import { checkTheEnd } from './at-the-end.ts'
import { openBackends } from './backend.ts'
import { PRINCIPALS, variants } from './company.ts'
import { openChannels } from './channels.ts'
import { openDatabase } from './database.ts'
import { openDoor } from './door.ts'
import { profileFrom, transactionFault } from './faults.ts'
import type { Fault } from './faults.ts'
import { Dead, fleet } from './fleet.ts'
import { later } from './later.ts'
import { openLender } from './lender.ts'
import { lessees } from './lessees.ts'
import { openOracle } from './oracle.ts'
import type { Violation } from './oracle.ts'
import { people } from './people.ts'
import type { Planted } from './process.ts'
import { randomFrom } from './random.ts'
import { startStory } from './story.ts'
import { endTime, startTime, wallOf } from './time.ts'
import type { Host } from './time.ts'
import { unnamedAgents } from './unnamed.ts'
import { worldOf } from './world.ts'

export interface Run {
  readonly seed: number
  readonly violation: Violation | null
  /** Of everything that happened, in order: the same seed has the same. */
  readonly hash: string
  readonly calls: number
  readonly effects: number
  readonly entries: number
  readonly events: number
  /** Virtual ms. */
  readonly lasted_ms: number
  /** `state × fault` → how often. */
  readonly cells: ReadonlyMap<string, number>
  readonly answers: ReadonlyMap<string, number>
  readonly states: ReadonlyMap<string, number>
  readonly story: readonly string[]
}

/** In calm weather everything must have come to its end by then. */
const LIVENESS_MS = 240_000

/** One seed: a company, its processes, agents, people and backends, through a bad minute. Never rejects for what it finds. */
export async function run(seed: number, options: { planted?: Planted; trace?: boolean } = {}): Promise<Run> {
  const { planted = {} } = options
  const random = randomFrom(seed)
  const world = worldOf(seed)
  const profile = profileFrom(random, world)
  const shared = seed % 4 !== 0
  // Some runs begin half a minute before midnight, so that a day ends in them.
  const epoch = Date.parse(random.chance(0.2) ? '2026-11-23T23:59:40Z' : '2026-11-23T12:00:00Z')
  const time = startTime(random, epoch)
  const story = startStory(seed, time.now, options.trace === true)
  const trace = story.tell
  let isServing = false

  const cells = new Map<string, number>()
  function hit(state: string, fault: Fault): void {
    const cell = `${state} × ${fault}`
    cells.set(cell, (cells.get(cell) ?? 0) + 1)
  }
  /** Which states calls are in when a fault strikes: this call's, or every open call's. */
  function struck(fault: Fault, call?: string): void {
    if (call !== undefined && fault.startsWith('lookup')) oracle.couldNotTell(call)
    trace(`fault: ${fault}${call === undefined ? '' : ` (${call})`}`)
    const states = call === undefined ? oracle.open().map(({ state }) => state) : [oracle.calls.get(call)?.state]
    for (const state of new Set(states)) hit(state ?? 'received', fault)
    for (const state of oracle.later.states()) hit(state, fault)
    oracle.later.struck(fault)
    if (call === undefined && door.waiting() > 0) hit('received', fault)
  }
  /** What is thrown in a process and nobody hears would end it. */
  const unhandled = (error: unknown): void => {
    if (error instanceof Dead) return
    oracle.violated('I18', `nobody heard ${error instanceof Error ? error.stack : String(error)}`)
  }

  /** Hosts without a line to the database, until when. */
  const gone = new Map<Host, number>()
  const machine: Host = { name: 'database', alive: true, pausedUntil: 0, birth: 0, skew_ms: 0 }
  const database = await openDatabase({
    time,
    epoch,
    machine,
    fault() {
      const fault = isServing ? transactionFault(random, profile, shared) : null
      if (fault !== null) struck(fault.fault)
      if (fault !== null) oracle.later.slow(fault.how.before_ms + fault.how.after_ms)
      return fault?.how ?? null
    },
    line() {
      if (!isServing || !shared || !profile.strikes('slow line', 0.1)) return 0
      struck('slow line')
      return random.pick([1, 20, 300])
    },
    goneUntil: (host) => gone.get(host) ?? 0,
    notice() {
      const isLost = isServing && profile.strikes('notice lost', 0.4)
      if (isLost) struck('notice lost')
      return isLost ? null : random.pick([0, 2, 30, 700])
    },
    readDelay() {
      if (!isServing || !profile.strikes('slow read', 0.05)) return null
      struck('slow read')
      const ms = random.pick([1, 20, 300, 900, 2000])
      return random.chance(0.5) ? { before_ms: ms, after_ms: 0 } : { before_ms: 0, after_ms: ms }
    },
    committed: () => oracle.committed(),
  })
  const oracle = openOracle({
    database,
    now: time.now,
    trace,
    variants: variants(world),
    expires: () => hit('held', 'expiry'),
    later: (judged) => later({ ...judged, world, database, now: time.now }),
  })
  const { sent, happened, violated } = oracle
  const { joins, leases, notices } = oracle.later
  const backends = openBackends({ time, random, profile, sent, happened, struck, trace })
  const lender = openLender({
    time,
    random,
    profile,
    struck,
    trace,
    asked: (call, attempt, host) => leases?.asked(call, attempt, host),
    made: (login) => leases?.made(login),
    isGiven: (call) => leases?.isGiven(call) === true,
  })
  const ships = fleet({
    time,
    epoch,
    random,
    profile,
    shared,
    world,
    machine,
    planted,
    database,
    struck,
    trace,
    adapter: backends.adapter,
    lender: lender.adapter,
    courier: notices === null ? null : openChannels({ time, random, profile, struck, trace, posted: notices.posted }),
    isServing: () => isServing,
    cut: (host) => door.cut(host),
  })
  const processes = () => [...ships.processes.values()]
  const door = openDoor({ time, random, processes, violated, trace })
  const townParts = { time, random, oracle, backends, database, door, struck, trace }
  const agency = agents(townParts)
  const unnamed =
    joins === null
      ? null
      : unnamedAgents({ ...townParts, profile, joins, sessions: agency.sessions, fresh: agency.fresh })
  const borrowers = leases === null ? null : lessees({ ...townParts, profile, leases, sessions: agency.sessions })
  const town = people({ ...townParts, sessions: agency.sessions })

  trace(`seed ${seed}: ${shared ? 'two processes' : 'one process'}, ${profile.faults.join(', ') || 'no faults'}`)
  await begin()
  isServing = true
  process.on('unhandledRejection', unhandled)
  const watching = setInterval(ships.watchOver, 2000)
  const isBroken = (): boolean => oracle.violations.length > 0

  const { act, issue } = acting({
    ...townParts,
    profile,
    shared,
    fleet: ships,
    agents: agency,
    people: town,
    unnamed,
    lessees: borrowers,
    gone,
  })
  // What is done in the later worlds is more than one call each.
  const acts = world === 'calls' ? random.between(6, 24) : random.between(3, 12)
  const horizon = time.now() + random.pick([2000, 6000, 15_000])
  for (let number = 0; number < acts; number++) time.at(random.between(time.now(), horizon), act)
  for (let until = time.now() + 2000; time.now() < horizon + 5000 && !isBroken(); until += 2000) {
    await time.runTo(until)
  }

  // Calm weather: what was begun comes to its end, and each wish is asked for once more.
  profile.calm()
  ships.calm()
  const deadline = time.now() + LIVENESS_MS
  await time.runTo(time.now() + 1000)
  town.thaw()
  ships.takeUp()
  await untilDone()
  await Promise.race([issue(), time.runTo(time.now() + 100)])
  agency.all()
  unnamed?.all()
  borrowers?.all()
  await untilDone()
  // Sessions end and logins with them, or by their own time.
  while (!isBroken() && oracle.later.isWaiting() && time.now() < deadline) await time.runTo(time.now() + 3000)
  oracle.later.end(wallOf(time, epoch, machine))
  const isDecidedAgain = seed % 3 === 0
  if (!isBroken()) {
    await checkTheEnd({
      time,
      fleet: ships,
      oracle,
      database,
      variants: variants(world),
      waiting: door.waiting,
      isDecidedAgain,
    })
  }

  clearInterval(watching)
  process.off('unhandledRejection', unhandled)
  ships.end()
  endTime()
  const states = new Map<string, number>()
  for (const { state } of oracle.calls.values()) states.set(state, (states.get(state) ?? 0) + 1)
  return {
    seed,
    violation: oracle.violations[0] ?? null,
    hash: story.hash(),
    calls: oracle.calls.size,
    effects: backends.effects.length,
    entries: oracle.entries(),
    events: time.events(),
    lasted_ms: time.now(),
    cells,
    answers: door.answers,
    states,
    story: story.lines,
  }

  /** Every process serves, and three sessions are issued. */
  async function begin(): Promise<void> {
    const [first = '', ...others] = ships.names
    await ships.start(first)
    await time.runTo(time.now())
    const opening = others.map(ships.start)
    await time.runTo(time.now() + 100)
    await Promise.all(opening)
    const second = ships.roles().includes('clerk') ? 'clerk' : 'agent'
    for (const [principal, role] of [
      [PRINCIPALS[0], 'agent'],
      [PRINCIPALS[1], 'agent'],
      [PRINCIPALS[0], second],
    ] as const) {
      const issued = agency.session(principal, role, 600_000)
      await time.runTo(time.now() + 5)
      await issued
    }
  }

  async function untilDone(): Promise<void> {
    const isDone = (): boolean =>
      oracle.open().length === 0 &&
      door.waiting() === 0 &&
      ships.processes.size === ships.names.length &&
      processes().every(({ house }) => house.running.size === 0)
    for (let turn = 0; time.now() < deadline && !isBroken() && (turn < 2 || !isDone()); turn++) {
      await time.runTo(time.now() + 3000)
      town.settle()
    }
  }
}
