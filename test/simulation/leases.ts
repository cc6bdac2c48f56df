import type { Fields } from './entries.ts'
import type { Login } from './lender.ts'
import type { Stops } from './stops.ts'
import { isOpen } from './track.ts'
import type { Track, Violated } from './track.ts'
import type { Host } from './time.ts'

/**
 * Logins that are given out (docs/decisions/012), as the server and the ledger show them: each that can be used is named by
 * a call that is open or by one that somebody sees to, one of each call, given once and after that was durable; and none
 * can be used for long after its session or its time.
 */
export interface Leases {
  /** The first byte of making one leaves. */
  asked(call: string, attempt: number, host: Host): void
  made(login: Login): void
  issued(fields: Fields): void
  revoked(fields: Fields): void
  /** After each commit. */
  committed(): void
  /** An agent was answered with a login. */
  given(call: string, name: string, principal: string): void
  isGiven(call: string): boolean
  /** Something that may keep the end of a login waiting. */
  cut(): void
  /** The clock was set: what ends when is not told by the true time any more. */
  skipped(): void
  sessionBegins(session: string, lifetime_ms: number): void
  /** A session can be used no more, from now on. */
  sessionEnds(session: string): void
  /** Those that stand, or should not any more. */
  standing(): readonly Login[]
  /** All had its time. */
  end(): void
  states(): readonly string[]
}

interface Parts {
  readonly calls: ReadonlyMap<string, Track>
  readonly stops: Stops
  readonly now: () => number
  readonly violated: Violated
}

/** A look every half second, three times slower in most runs and every four seconds where nothing else happens. */
const GRACE_MS = 6000
/** What a login is made before it is written down, and whole seconds. */
const EARLY_MS = 1000
/** A pause, and what it was tried for in vain before. */
const CUT_MS = 130_000

export function leases({ calls, stops, now, violated }: Parts): Leases {
  const logins: Login[] = []
  /** By call: the login that an entry names. */
  const named = new Map<string, { readonly login: string; isOver: boolean }>()
  const given = new Set<string>()
  const sessions = new Map<string, number>()
  /** True time at which it ends by itself. */
  const lives = new Map<string, number>()
  let cutAt = -Infinity
  let isSkipped = false

  const isUsable = ({ goneAt, until }: Login): boolean => goneAt === Infinity && now() < until

  /** A login whose session is over is gone a moment later, where nothing was in the way. */
  function checkGrace(login: Login): void {
    const over = sessions.get(calls.get(login.call)?.session ?? '')
    if (over === undefined || named.get(login.call) === undefined || cutAt > over - CUT_MS) return
    const used = Math.min(login.goneAt, login.until, now()) - over
    if (used > GRACE_MS) violated('lease', `${login.name} could be used ${used} ms after its session was over`)
  }

  /** Who was given a login has it until its time or its session is over. */
  function checkTaken({ call, name, goneAt, until }: Login): void {
    if (goneAt === Infinity || isSkipped || !given.has(call)) return
    const session = calls.get(call)?.session ?? ''
    const end = Math.min(until, lives.get(session) ?? -Infinity, sessions.get(session) ?? Infinity)
    if (goneAt < end - EARLY_MS) violated('lease', `${name} was given and taken away ${end - goneAt} ms before its end`)
  }

  return {
    asked(call, attempt, host) {
      const track = calls.get(call)
      if (track === undefined || attempt < 1 || attempt > track.attempt) {
        return violated('I1', `a login is made for attempt ${attempt} of ${call}, and no intent of it is durable`)
      }
      const forbidden = stops.forbids(track, now())
      if (forbidden !== null) violated('I7', `${host.name} makes a login for ${call} ${forbidden}`)
    },
    made(login) {
      const { call, name } = login
      const track = calls.get(call)
      if (logins.some((other) => other.call === call)) violated('I2', `${call} has more than one login`)
      logins.push(login)
      if (track === undefined || !isOpen(track)) violated('I4', `${name} is made, and ${call} is ${track?.state}`)
    },
    issued({ call = '', login = '' }) {
      if (named.has(call)) violated('I17', `the login of ${call} is issued twice`)
      named.set(call, { login, isOver: false })
      if (!logins.some((made) => made.call === call && made.name === login)) {
        violated('I12', `${login} of ${call} is issued, and the server never had it`)
      }
    },
    revoked({ call = '' }) {
      const lease = named.get(call)
      if (lease === undefined || lease.isOver)
        return violated('I17', `a login of ${call} is revoked that does not stand`)
      lease.isOver = true
    },
    committed() {
      for (const login of logins) {
        checkGrace(login)
        checkTaken(login)
        if (!isUsable(login)) continue
        const track = calls.get(login.call)
        const lease = named.get(login.call)
        const isSeenTo = (track !== undefined && isOpen(track)) || (lease?.login === login.name && !lease.isOver)
        if (!isSeenTo) violated('lease', `${login.name} can be used, and ${login.call} (${track?.state}) has no login`)
      }
      for (const { id, state, action } of calls.values()) {
        if (state === 'done' && isLease(action) && !named.has(id))
          violated('lease', `${id} is done, and no entry names its login`)
      }
    },
    given(call, name, principal) {
      const track = calls.get(call)
      if (given.has(call)) violated('I2', `${name} was given twice`)
      given.add(call)
      if (track?.state !== 'done' || named.get(call)?.login !== name)
        violated('I1', `${name} was given before it was written down`)
      if (track?.principal !== principal) violated('I8', `${name} of ${track?.principal} was given to ${principal}`)
    },
    isGiven: (call) => given.has(call),
    cut: () => void (cutAt = now()),
    skipped: () => void (isSkipped = true),
    sessionBegins: (session, lifetime_ms) => void lives.set(session, now() + lifetime_ms),
    sessionEnds: (session) => void sessions.set(session, Math.min(sessions.get(session) ?? Infinity, now())),
    standing: () => logins.filter(({ call, goneAt }) => goneAt === Infinity || named.get(call)?.isOver === false),
    end() {
      for (const { name, call, goneAt } of logins) {
        if (goneAt === Infinity) violated('liveness', `${name} stands, and its time is long over`)
        if (named.get(call)?.isOver === false) violated('liveness', `the end of ${name} is not written down`)
      }
    },
    states() {
      const all = [...calls.values()].filter(({ action }) => isLease(action))
      const states = all.filter(isOpen).map(({ state }) => `lease ${state}`)
      for (const { call, goneAt, until } of logins) {
        const lease = named.get(call)
        if (lease === undefined || lease.isOver) continue
        const isOver = goneAt < Infinity || until <= now() || sessions.has(calls.get(call)?.session ?? '')
        states.push(isOver ? 'login over' : 'login stands')
      }
      return [...new Set(states)]
    },
  }
}

export function isLease(action: string): boolean {
  return action.startsWith('ware.')
}
