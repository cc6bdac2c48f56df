import { existsSync, mkdirSync, realpathSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { Signer } from '../core/checkpoint-note.ts'
import { fold, touches } from '../core/fold.ts'
import type { Operation, ResultOf } from '../core/operations.ts'
import { idFrom } from '../core/id.ts'
import type { LimitState } from '../core/types.ts'
import type { Folding } from './batch.ts'
import { behindBy } from './clock.ts'
import type { Driver, Reader } from './db.ts'
import { startInline } from './inline.ts'
import { lockFile } from './lock.ts'
import { memory } from './memory.ts'
import type { Memory } from './memory.ts'
import { randomSource } from './random.ts'
import { readingFrom } from './reading.ts'
import { readingThread } from './reading-thread.ts'
import type { Reading } from './reading.ts'
import type { WorkerData } from './run-worker.ts'
import type { Batched, State } from './sequencer.ts'
import { sessionCache } from './session-cache.ts'
import { openSqlite, readSqlite } from './sqlite.ts'
import type { OpenStore } from './store.ts'
import { startThread } from './thread.ts'
import type { BatchEvents, Batches } from './thread.ts'
import { writerOn } from './writer.ts'
import type { Writer } from './writer.ts'

export interface OpenStoreOptions {
  /** Made when absent, mode 0600; its directory too. */
  readonly file: string
  /** Signs the ledger's head. The key is a secret ref's; the store keeps the public key only. */
  readonly signer: Signer
  /** First line of a checkpoint; the signer's name unless said. */
  readonly origin?: string
  readonly strictClock: boolean
  /** A result that came after its operation was told no: the pipeline undoes it. */
  readonly onLate: (operation: Operation, result: ResultOf<Operation>) => void
  /** Each batch, and each tick (of no operations), with the state it left. */
  readonly onBatch?: (operations: number, state: State) => void
  /** Lines for the operator. */
  readonly log?: (line: string) => void
  /** The thread's entry file; the kill harness brings its own, which calls runWorker. */
  readonly workerUrl?: URL
  /** How long a start waits for the process before it; 5 s. */
  readonly patience_ms?: number
  /** How long an operation may wait for its answer; 5 s. */
  readonly deadline_ms?: number
  /** ms since the epoch. Given (or `inline`), batches run on this thread, since a function cannot cross to another. */
  readonly now?: () => number
  readonly inline?: {
    readonly monotonic?: () => number
    readonly random?: (bytes: number) => Uint8Array
    readonly folding?: Folding
    readonly step?: (name: string) => void
    /** Connections that are open already, of a database that no other process has: no file is opened or locked. */
    readonly database?: {
      readonly driver: Driver
      readonly reader: Reader
      readonly reopen: () => Promise<Reader>
    }
  }
}

/**
 * Opens the store for serving: takes the lock, brings the schema up to date, shows that the ledger continues its signed
 * checkpoint, and starts the one who writes.
 *
 * @throws Error for the operator when any of it fails; nothing is held then.
 */
export async function openStore(options: OpenStoreOptions): Promise<OpenStore> {
  const { log = () => {}, onLate, now: wall = Date.now } = options
  const database = options.inline?.database
  const file = database === undefined ? prepareFile(options.file) : options.file
  const unlock = database === undefined ? await lockFile(file, options.patience_ms ?? 5000) : () => {}
  const cache = sessionCache()
  const recent = memory()
  const monotonic = options.inline?.monotonic ?? (() => performance.now())
  let state: State | undefined
  let writer: Writer | undefined
  let lost: string | null = null
  let closing: Promise<void> | undefined

  const seen = (batched: Batched, operations: readonly Operation[] = []) => {
    for (const line of batched.alarms) log(line)
    cache.update(batched.sessions)
    recent.update(operations, batched)
    state = batched.state
    options.onBatch?.(batched.answers.length, batched.state)
  }
  const events: BatchEvents = {
    ticked: (batched) => seen(batched),
    lost(error) {
      lost = `the writer is gone: ${error.message}`
      log(lost)
      recent.forget()
      writer?.fail(error)
    },
  }

  let reader: Reader
  let close: () => Promise<void> = async () => {}
  let reading: Reading
  const owner = newOwner(wall(), options.inline?.random ?? randomSource())
  try {
    const { batches, opened } = await start(file, owner, options, events)
    close = batches.close
    seen(opened)
    const { run } = batches
    const noted: Batches = {
      ...batches,
      run(operations) {
        recent.begin(operations)
        return run(operations)
      },
    }
    writer = writerOn(noted, {
      onBatch: seen,
      onLate,
      monotonic,
      ...(options.deadline_ms === undefined ? {} : { deadline_ms: options.deadline_ms }),
    })
    reader = database?.reader ?? readSqlite(file)
    reading = await readingFrom(reader)
  } catch (error) {
    await close()
    unlock()
    throw error
  }

  const current = () => state as State
  const now = () => Math.max(wall(), current().at)
  // What is simulated, or of a clock that is given, reads where it writes: on this thread.
  const apart = options.now === undefined && options.inline === undefined ? readingThread(file) : null
  return {
    ...reading,
    ...(apart === null ? {} : { look: apart.look, proof: apart.proof, tile: apart.tile, lastUses: apart.lastUses }),
    owner,
    shared: false,
    write: writer.write,
    async sessionByToken(tokenHash) {
      const cached = cache.get(tokenHash)
      if (cached !== undefined) return cached
      const generation = cache.generation()
      const session = await reading.sessionByToken(tokenHash)
      if (session !== null) cache.keep(session, generation)
      return session
    },
    limits: (ids) => limitsOf(recent, reading, ids),
    switches: async () => recent.switches() ?? reading.switches(),
    abandoned: () => reading.abandoned({ owner, now: now(), shared: false }),
    isClosed: async () => false,
    now,
    lastAt: () => current().at,
    onChanged() {},
    ready() {
      const behind_ms = behindBy(wall(), current().at)
      const reason =
        (closing === undefined ? null : 'the store is closed') ??
        lost ??
        current().broken ??
        current().stopped ??
        (behind_ms === null ? null : `the clock is ${behind_ms} ms behind the ledger`) ??
        (writer.isOverdue() ? 'the ledger does not answer' : null)
      return reason === null ? { ok: true } : { ok: false, reason }
    },
    head: async () => ({ size: current().size, root: current().root }),
    close() {
      closing ??= (async () => {
        await writer.drain()
        // The last connection to close moves the WAL into the file. After a failed sync it stays as it is (R10), for
        // the next start to recover: this connection is left open, and the process ends it.
        await apart?.close()
        if (current().broken === null) await reader.close()
        await close()
        unlock()
      })()
      return closing
    },
  }
}

/** From memory, and what is not there from the database. */
async function limitsOf(recent: Memory, reading: Reading, ids: readonly string[]): Promise<Map<string, LimitState>> {
  const states = new Map<string, LimitState>()
  const unknown: string[] = []
  for (const id of ids) {
    const state = recent.limit(id)
    if (state === undefined) unknown.push(id)
    else states.set(id, state)
  }
  if (unknown.length === 0) return states
  const generation = recent.generation()
  for (const [id, state] of await reading.limits(unknown)) {
    states.set(id, state)
    recent.keepLimit(id, state, generation)
  }
  return states
}

/** The path as the operating system sees it, so that two names of one file are one lock. */
function prepareFile(path: string): string {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const file = join(realpathSync(dirname(path)), basename(path))
  return existsSync(file) ? realpathSync(file) : file
}

/** @param ms since the epoch. @returns how the calls of this process name their owner. */
export function newOwner(ms: number, random: (bytes: number) => Uint8Array): string {
  return idFrom('rep', ms, random(10))
}

async function start(file: string, owner: string, options: OpenStoreOptions, events: BatchEvents) {
  const { signer, strictClock, origin = signer.name, inline, now } = options
  if (now === undefined && inline === undefined) {
    const data: WorkerData = { file, owner, signer, origin, strictClock, monotonicOffset_ms: monotonicOffset() }
    return startThread(options.workerUrl ?? WORKER, data, events)
  }
  return startInline(
    {
      driver: inline?.database?.driver ?? openSqlite(file),
      reopen: inline?.database?.reopen ?? (async () => readSqlite(file)),
      owner,
      folding: inline?.folding ?? { fold, touches },
      clock: { wall: now ?? Date.now, monotonic: inline?.monotonic ?? (() => performance.now()) },
      random: inline?.random ?? randomSource(),
      signer,
      origin,
      strictClock,
      step: inline?.step ?? (() => {}),
    },
    events,
  )
}

/** Beside this file, in the clone and in a package of emitted JavaScript. */
const WORKER = import.meta.url.endsWith('.ts')
  ? new URL('./writer-worker.ts', import.meta.url)
  : new URL('./writer-worker.js', import.meta.url)

/** performance.now() counts from the start of each thread; hrtime is one for the process. */
function monotonicOffset(): number {
  return performance.now() - Number(process.hrtime.bigint()) / 1e6
}
