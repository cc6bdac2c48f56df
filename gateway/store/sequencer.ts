import type { Operation, ResultOf, SessionRow, Switches } from '../core/operations.ts'
import { idFrom } from '../core/id.ts'
import { vkeyOf } from '../core/checkpoint-note.ts'
import type { Signer } from '../core/checkpoint-note.ts'
import { CommitLost, runBatch } from './batch.ts'
import type { Folded, Folding, Moment, Result } from './batch.ts'
import { clockReader } from './clock.ts'
import type { Clock, Reading } from './clock.ts'
import { StoreFault } from './db.ts'
import type { Driver, Reader } from './db.ts'
import { continueFrom, createHead, endsWith, newestCheckpoint, readHead, signHead } from './ledger.ts'
import type { Head } from './ledger.ts'
import type { LimitNow } from './limits.ts'
import { readMeta, readValues, writeValues } from './meta.ts'
import { beat, leave } from './replicas.ts'
import { migrate } from './schema.ts'
import type { UnavailableReason } from './store.ts'

/** Plain data: it crosses a thread. `fold` is a bug that an operation met, in the message of its error. */
export type Answer =
  | { readonly ok: true; readonly result: ResultOf<Operation> }
  | { readonly ok: false; readonly reason: UnavailableReason | 'fold'; readonly message: string }

export interface State {
  readonly size: number
  /** Hex. */
  readonly root: string
  /** Newest committed `at`, ms. */
  readonly at: number
  /** Size of the newest signed head. */
  readonly signed: number
  /** After a failed sync: why nothing is written any more. Only a restart ends it. */
  readonly broken: string | null
  /** With strictClock, after a jump: why nothing is admitted any more. Only a restart ends it. */
  readonly stopped: string | null
  /** Why the database cannot be asked now; null from the next time that it answers. */
  readonly unreachable: string | null
  /** How far the clock of the last batch was behind the ledger, ms; null when it was not. */
  readonly behind_ms: number | null
  /** The clock that decides, when it was last looked at, and the monotonic time of that look; ms. */
  readonly looked: { readonly now: number; readonly monotonic: number }
}

export interface Batched {
  readonly answers: readonly Answer[]
  /** Sessions as this batch left them. */
  readonly sessions: readonly SessionRow[]
  /** Limits as this batch left them. */
  readonly limits: readonly LimitNow[]
  readonly switches: Switches
  readonly state: State
  /** Lines for the operator. */
  readonly alarms: readonly string[]
}

interface Changed {
  readonly sessions: SessionRow[]
  readonly limits: LimitNow[]
}

/** The only one who writes. One call at a time; the writer in front of it sees to that. */
export interface Sequencer {
  run(operations: readonly Operation[]): Promise<Batched>
  /** Once or twice a second: sees the clock jump, signs a head that grew, tidies up. */
  tick(): Promise<Batched>
  /** After an answer, when nobody waits. */
  tidyIfDue(): Promise<void>
  /** Signs the last head. */
  close(): Promise<void>
}

export interface SequencerParts {
  readonly driver: Driver
  /**
   * A fresh connection, for reading back what became of a commit. It is given once every transaction that began before
   * has ended, one way or the other; a shared database is waited for.
   */
  readonly reopen: () => Promise<Reader>
  /** This process, as calls name their owner. */
  readonly owner: string
  readonly folding: Folding
  readonly clock: Clock
  readonly random: (bytes: number) => Uint8Array
  readonly signer: Signer
  readonly origin: string
  readonly strictClock: boolean
  readonly step: (name: string) => void
}

/** How often a batch that lost against another is run. */
const TURNS_MAX = 3

/**
 * Batches between two tidyings, so that the WAL stays within some tens of megabytes. A page that many of them wrote moves
 * once; a tick tidies only when few came since the one before, and hardly anybody waits.
 */
const TIDY_EVERY = 64
const FEW = 8

/** @throws Error for a store that is not whole, not ours, or not durable: it must not be served. */
export async function openSequencer(parts: SequencerParts): Promise<Sequencer> {
  const { driver, reopen, folding, clock, random, owner, signer, origin, strictClock, step } = parts
  await prepare(parts).catch(async (error: unknown) => {
    await driver.close()
    throw error
  })

  const read = clockReader(clock)
  let state: State = await driver.transaction(async (db, wall) => {
    const head = await readHead(db)
    const { behind_ms, now, monotonic } = read(head.at, wall === null ? undefined : { wall, asked: clock.monotonic() })
    const signed = (await newestCheckpoint(db))?.size ?? -1
    const { at, root } = head
    const standing = { broken: null, stopped: null, unreachable: null, behind_ms, looked: { now, monotonic } }
    return { size: head.frontier.size, root, at, signed, ...standing }
  })
  /** Seen, and not in the ledger yet: a batch that failed must not swallow it. */
  let jump_ms: number | null = null
  let { switches } = await driver.transaction(readMeta)
  let isBehind = false
  let untidy = 0
  let untidyBefore = 0
  const alarms: string[] = []
  await sign()

  async function run(operations: readonly Operation[]): Promise<Batched> {
    const changed: Changed = { sessions: [], limits: [] }
    // Nothing to write, and no jump to tell of.
    const answers = operations.length === 0 && jump_ms === null ? [] : await attempt(operations, changed)
    return { answers, ...changed, switches, state, alarms: alarms.splice(0) }
  }

  /** A batch as a whole; where it fails for what one of its operations brings, each of them alone. */
  async function attempt(operations: readonly Operation[], changed: Changed, turn = 1): Promise<readonly Answer[]> {
    if (state.broken !== null) return operations.map(() => no('unavailable', state.broken ?? ''))
    const asked = clock.monotonic()
    try {
      const begin = (head: Head, wall: number | null): Moment => {
        goesOn(head)
        return momentOf(look(head.at, wall, asked))
      }
      return accept(await runBatch(driver, operations, folding, begin, step), changed)
    } catch (error) {
      if (error instanceof CommitLost) return readBack(error, changed)
      if (error instanceof StoreFault && error.kind === 'busy' && turn < TURNS_MAX)
        return attempt(operations, changed, turn + 1)
      if (error instanceof StoreFault && error.kind !== 'constraint') {
        const answer = faulted(error)
        return operations.map(() => answer)
      }
      if (operations.length > 1) {
        const answers: Answer[] = []
        for (const operation of operations) answers.push(...(await attempt([operation], changed)))
        return answers
      }
      const message = error instanceof Error ? (error.stack ?? error.message) : String(error)
      return operations.map(() => no('fold', message))
    }
  }

  function accept(folded: Folded, changed: Changed): Answer[] {
    const { head, results } = folded
    if (folded.entries.length > 0) jump_ms = null
    at(head)
    changed.sessions.push(...folded.sessions)
    changed.limits.push(...folded.limits)
    switches = folded.switches
    untidy++
    return results.map(answerOf)
  }

  /** The ledger as a transaction found or left it. */
  function at(head: Head): void {
    const { frontier, root } = head
    state = { ...state, size: frontier.size, root, at: Math.max(state.at, head.at), unreachable: null }
  }

  /**
   * Another copy of the database answers than before, which does not have what this process has seen there: what its
   * entries said is not known any more, and would be done again.
   */
  function goesOn({ frontier, root }: Head): void {
    if (frontier.size > state.size || (frontier.size === state.size && root === state.root)) return
    const found = `the ledger has ${frontier.size} entries, and this process has seen ${state.size} of another`
    throw new StoreFault('io', 'work', new Error(`${found}: the database was put back, or is a copy that is behind`))
  }

  /** R9: a fresh connection says what the failed commit left; it is never assumed, and the commit never repeated. */
  async function readBack({ folded, fault }: CommitLost, changed: Changed): Promise<readonly Answer[]> {
    const failed = faulted(fault)
    try {
      return (await isKept(folded)) ? accept(folded, changed) : folded.results.map(() => failed)
    } catch (error) {
      stop(`what became of a commit cannot be read back: ${messageOf(error)}`)
      return folded.results.map(() => no('in_doubt', messageOf(error)))
    }
  }

  /** A connection that is lost once more is made once more, as long as somebody waits for it. */
  async function isKept({ entries, head }: Folded): Promise<boolean> {
    for (;;) {
      const reader = await reopen()
      try {
        return entries.length > 0 && (await endsWith(reader, head.frontier.size, entries))
      } catch (error) {
        if (!(driver.shared && error instanceof StoreFault && error.kind === 'gone')) throw error
      } finally {
        await reader.close().catch(() => {})
      }
    }
  }

  /**
   * A full disk may have room again, a database may come back; after an I/O error the file may not hold what was synced,
   * and we say no until a restart.
   */
  function faulted(fault: StoreFault): Answer {
    if (fault.kind === 'gone') {
      if (state.unreachable === null) alarms.push(`the database cannot be reached: ${fault.message}`)
      state = { ...state, unreachable: fault.message }
    } else if (fault.kind === 'io') stop(`the store failed: ${fault.message}`)
    else alarms.push(`the store refused a batch: ${fault.message}`)
    return no('unavailable', fault.message)
  }

  function stop(why: string): void {
    if (state.broken !== null) return
    state = { ...state, broken: `${why}; a restart reads what is there` }
    alarms.push(state.broken ?? '')
  }

  function look(lastAt: number, wall: number | null, asked: number): Reading {
    const reading = read(lastAt, wall === null ? undefined : { wall, asked })
    if (reading.jumped_ms !== null) {
      jump_ms = (jump_ms ?? 0) + reading.jumped_ms
      alarms.push(`the clock jumped ${reading.jumped_ms} ms forward`)
      if (strictClock)
        state = {
          ...state,
          stopped: 'the clock jumped forward; with --strict-clock nothing is admitted before a restart',
        }
    }
    if (reading.behind_ms !== null && !isBehind) alarms.push(`the clock is ${reading.behind_ms} ms behind the ledger`)
    isBehind = reading.behind_ms !== null
    const { now, monotonic } = reading
    state = { ...state, behind_ms: reading.behind_ms, looked: { now, monotonic } }
    return reading
  }

  function refusalOf(reading: Reading): string | null {
    if (reading.behind_ms !== null) return `the clock is ${reading.behind_ms} ms behind the ledger`
    return state.stopped
  }

  function momentOf(reading: Reading): Moment {
    const { now } = reading
    return {
      now,
      // Read again: the operations of a batch that is run singly must not begin with a permit that is half used up.
      begun: clock.monotonic(),
      owner,
      refusal: refusalOf(reading),
      id: () => idFrom('ent', now, random(10)),
      notes: jump_ms === null ? [] : [{ kind: 'clock.jumped', fields: { gap_ms: jump_ms } }],
    }
  }

  async function sign(): Promise<void> {
    if (state.broken !== null) return
    if (!driver.shared && state.signed >= state.size) return
    const asked = clock.monotonic()
    try {
      await driver.transaction(async (db, wall) => {
        const head = await readHead(db)
        goesOn(head)
        const { now } = look(head.at, wall, asked)
        if (driver.shared) await beat(db, owner, now)
        const signed = await signHead(db, signer, origin, now)
        at(head)
        state = { ...state, signed }
      })
    } catch (error) {
      if (!(error instanceof StoreFault)) throw error
      faulted(error)
    }
  }

  /** Into its place goes only what is committed; when that fails the WAL still holds it, and nothing is lost yet. */
  async function tidy(): Promise<void> {
    if (untidy === 0 || state.broken !== null) return
    untidy = 0
    try {
      await driver.tidy()
    } catch (error) {
      if (!(error instanceof StoreFault)) throw error
      faulted(error)
    }
  }

  return {
    run,
    async tick() {
      // What others share is looked at as it is signed.
      if (!driver.shared) look(state.at, null, 0)
      const batched = await run([])
      await sign()
      if (untidy - untidyBefore <= FEW) await tidy()
      untidyBefore = untidy
      return { ...batched, state, alarms: [...batched.alarms, ...alarms.splice(0)] }
    },
    async tidyIfDue() {
      if (untidy >= TIDY_EVERY) await tidy()
    },
    async close() {
      await sign()
      // The others need not wait for it to be silent.
      if (driver.shared) await driver.transaction((db) => leave(db, owner)).catch(() => {})
      await driver.close()
    },
  }
}

/** The schema of this version, a ledger that continues what was signed, and the store's own keys. */
async function prepare({ driver, random, signer }: SequencerParts): Promise<void> {
  const vkey = vkeyOf(signer.name, signer.privateKey)
  await migrate(driver)
  await driver.transaction(async (db) => {
    await createHead(db)
    await continueFrom(db, vkey)
    const values = await readValues(db, ['fingerprint_key', 'vkey'])
    // Before the first checkpoint, which says it from then on.
    if (driver.shared && (values.get('vkey') ?? vkey) !== vkey)
      throw new Error(
        'another process has begun this ledger with another ledger key or name: every replica has the same',
      )
    if (!values.has('fingerprint_key')) {
      await writeValues(db, [['fingerprint_key', Buffer.from(random(32)).toString('hex')]])
    }
    if (values.get('vkey') !== vkey) await writeValues(db, [['vkey', vkey]])
  })
}

function answerOf(result: Result): Answer {
  return result.kind === 'folded' ? { ok: true, result: result.result } : no('clock', result.why)
}

function no(reason: UnavailableReason | 'fold', message: string): Answer {
  return { ok: false, reason, message }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
