import { DatabaseSync } from 'node:sqlite'
import type { StatementSync } from 'node:sqlite'
import { StoreFault } from '../../gateway/store/db.ts'
import type { Db, Driver, FaultKind, Param, Reader } from '../../gateway/store/db.ts'
import { migrate } from '../../gateway/store/schema.ts'
import { driverOn, readerOn } from '../../gateway/store/sqlite.ts'
import { as, wallOf } from './time.ts'
import type { Host, Time } from './time.ts'

/** What goes wrong with one transaction. */
export interface TransactionFault {
  /** Waits this long before it begins, holding its turn: a slow disk, a full pool. */
  readonly before_ms: number
  /** It is committed, and says so only this much later. */
  readonly after_ms: number
  /** `nothing`: the commit failed, nothing was kept. `lost`: it was kept, and says that it failed. */
  readonly fails: { readonly when: 'work' | 'nothing' | 'lost'; readonly kind: FaultKind } | null
}

/** One database of several processes; each transaction has the whole of it to itself. */
export interface Database {
  driver(host: Host, shared: boolean): Driver
  reader(host: Host): Reader
  /** A connection made anew, as soon as there is a line. @param given says that nobody waits any more. */
  reopen(host: Host, given?: () => boolean): Promise<Reader>
  /** As it stands at this moment, for the oracle. */
  rows<Row>(sql: string, ...params: readonly Param[]): Row[]
  readonly whole: Reader
  /** Tells this host of calls that other hosts changed, sooner or later, or never. */
  listen(host: Host, told: (calls: readonly string[]) => void): () => Promise<void>
  /** A host died: what it had begun is rolled back, and its turn is over. */
  drop(host: Host): void
}

export interface DatabaseParts {
  readonly time: Time
  readonly epoch: number
  /** Whose clock the database shows to those that share it (R14). */
  readonly machine: Host
  readonly fault: (host: Host) => TransactionFault | null
  /** How long a transaction is on its way to its turn, ms; 0: no time. */
  readonly line: (host: Host) => number
  /** Until then (true time) the host has no line to the database. */
  readonly goneUntil: (host: Host) => number
  /** How long a notice takes, ms; null: it is lost. */
  readonly notice: () => number | null
  /** How long a read takes, ms; drawn for each. */
  readonly readDelay: (host: Host) => { before_ms: number; after_ms: number } | null
  /** Right after each commit, before anybody is told. */
  readonly committed: (host: Host) => void
}

/** The only connection of this thread: a run empties the tables of the one before it, and keeps its statements. */
let opened: Opened | null = null

interface Opened {
  readonly database: DatabaseSync
  readonly base: Driver
  readonly whole: Reader
  readonly statements: Map<string, StatementSync>
}

export async function openDatabase(parts: DatabaseParts): Promise<Database> {
  const { time, epoch } = parts
  const { database, base, whole, statements } = await emptied()
  let holder: Host | null = null
  const waiting: { host: Host; resolve: () => void }[] = []
  /** A transaction is being carried out; it takes no time, but other promises may run in between. */
  let inside: Promise<unknown> | null = null

  const listeners = new Set<{ host: Host; told: (calls: readonly string[]) => void }>()
  /** What the transaction that is being carried out has changed. */
  let changed: string[] = []
  function notify(from: Host): void {
    const calls = changed
    changed = []
    for (const { host, told } of listeners) {
      const ms = host === from || calls.length === 0 ? null : parts.notice()
      if (ms !== null) void time.after(ms, host).then(() => as(host, () => told(calls)))
    }
  }

  function take(host: Host): Promise<void> {
    if (holder === null) {
      holder = host
      return Promise.resolve()
    }
    return new Promise((resolve) => waiting.push({ host, resolve }))
  }
  function give(): void {
    const next = waiting.shift()
    holder = next?.host ?? null
    next?.resolve()
  }
  async function outside(): Promise<void> {
    if (inside === null) return
    await inside
    return outside()
  }
  const gate = async (host: Host): Promise<void> => {
    if (!host.alive || host.pausedUntil > time.now()) await time.after(0, host)
  }
  const never = (): Promise<never> => new Promise(() => {})

  async function transaction<T>(
    host: Host,
    shared: boolean,
    work: (db: Db, wall: number | null) => Promise<T>,
  ): Promise<T> {
    if (!host.alive) return never()
    const line_ms = parts.line(host)
    if (line_ms > 0) await time.after(line_ms, host)
    await take(host)
    await gate(host)
    const fault = parts.fault(host)
    if (parts.goneUntil(host) > time.now()) {
      give()
      throw new StoreFault('gone', 'work', 'no line to the database')
    }
    if (fault !== null && fault.before_ms > 0) await time.after(fault.before_ms, host)
    await outside()
    const fails = fault?.fails ?? null
    let result: T | undefined
    try {
      if (fails?.when === 'work') throw new StoreFault(fails.kind, 'work', `the database said no (${fails.kind})`)
      changed = []
      const run = base.transaction(async (db) => {
        // One clock for all of them where they share a database (R14).
        result = await work(db, shared ? wallOf(time, epoch, parts.machine) : null)
        if (!host.alive) throw new Error('died in a transaction')
        if (fails?.when === 'nothing') throw new StoreFault(fails.kind, 'commit', `the commit failed (${fails.kind})`)
      })
      inside = run.catch(() => {})
      await run
      inside = null
      parts.committed(host)
      notify(host)
    } catch (error) {
      inside = null
      if (!host.alive) return never()
      give()
      throw error
    }
    give()
    if (fault !== null && fault.after_ms > 0) await time.after(fault.after_ms, host)
    await gate(host)
    if (fails?.when === 'lost') throw new StoreFault(fails.kind, 'commit', `the answer was lost (${fails.kind})`)
    return result as T
  }

  async function read<T>(host: Host, work: () => Promise<T>): Promise<T> {
    const delay = parts.readDelay(host)
    if (delay !== null) await time.after(delay.before_ms, host)
    await gate(host)
    await outside()
    if (parts.goneUntil(host) > time.now()) throw new StoreFault('gone', 'work', 'no line to the database')
    const found = await work()
    if (delay !== null) await time.after(delay.after_ms, host)
    return found
  }

  function reader(host: Host): Reader {
    return {
      dialect: 'sqlite',
      all: <Row>(sql: string, params?: readonly Param[]) => read(host, () => whole.all<Row>(sql, params)),
      run: () => Promise.reject(new Error('a reader does not write')),
      snapshot: (work) => read(host, () => work(whole)),
      close: async () => {},
    }
  }

  return {
    driver: (host, shared) => ({
      dialect: 'sqlite',
      shared,
      transaction: (work) => transaction(host, shared, work),
      tell: async (_db, calls) => void (changed = [...changed, ...calls]),
      tidy: async () => {},
      close: async () => {},
    }),
    listen(host, told) {
      const listener = { host, told }
      listeners.add(listener)
      return async () => void listeners.delete(listener)
    },
    reader,
    async reopen(host, given) {
      while (parts.goneUntil(host) > time.now()) {
        if (given?.() === true) throw new StoreFault('gone', 'commit', 'no line to the database')
        await time.after(250, host)
      }
      return reader(host)
    },
    rows<Row>(sql: string, ...params: readonly Param[]) {
      const statement = statements.get(sql) ?? database.prepare(sql)
      statements.set(sql, statement)
      return statement.all(...params) as Row[]
    },
    whole,
    drop(host) {
      for (const listener of listeners) if (listener.host === host) listeners.delete(listener)
      for (let at = waiting.length - 1; at >= 0; at--) if (waiting[at]?.host === host) waiting.splice(at, 1)
      // In the middle of one the rollback comes by itself, and then its turn is over.
      if (holder !== host) return
      if (inside === null) give()
      else void inside.then(give)
    },
  }
}

async function emptied(): Promise<Opened> {
  if (opened === null) {
    const database = new DatabaseSync(':memory:')
    database.exec('PRAGMA foreign_keys = ON')
    opened = { database, base: driverOn(database), whole: readerOn(database), statements: new Map() }
    await migrate(opened.base)
    return opened
  }
  const { database } = opened
  const tables = database
    .prepare(
      `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> 'schema_version'`,
    )
    .all() as { name: string }[]
  for (const { name } of tables) database.exec(`DELETE FROM ${name}`)
  return opened
}
