import { chmodSync, closeSync, existsSync, openSync, statSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import type { StatementSync } from 'node:sqlite'
import { StoreFault } from './db.ts'
import type { Db, Driver, FaultKind, Param, Reader } from './db.ts'

/**
 * The one connection that writes a SQLite file. Made with mode 0600 when it is not there; WAL and shm inherit it.
 * WAL with synchronous FULL: each commit is one append to the WAL and one sync.
 *
 * @throws Error when the file does not become durable in this way (a file system without shared memory, say).
 */
export function openSqlite(file: string): Driver {
  // A mode set on a device or a pipe would be one for the whole machine.
  if (existsSync(file) && !statSync(file).isFile()) throw new Error(`${file} is not a regular file`)
  closeSync(openSync(file, 'a', 0o600))
  chmodSync(file, 0o600)
  const database = new DatabaseSync(file, { timeout: 1000 })
  try {
    database.exec('PRAGMA journal_mode = WAL')
    database.exec('PRAGMA synchronous = FULL')
    database.exec('PRAGMA foreign_keys = ON')
    // Checkpoints are ours (tidy): SQLite would run them inside a commit that somebody waits for.
    database.exec('PRAGMA wal_autocheckpoint = 0')
    database.exec('PRAGMA journal_size_limit = 67108864')
    assertDurable((name) => Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0])
  } catch (error) {
    database.close()
    throw error
  }
  return driverOn(database)
}

/**
 * Says no to a connection that could lose an answered write: asked back, because SQLite ignores a pragma that it
 * cannot honour.
 */
export function assertDurable(pragma: (name: string) => unknown): void {
  const [journal, synchronous, foreign] = [pragma('journal_mode'), pragma('synchronous'), pragma('foreign_keys')]
  if (journal !== 'wal') throw new Error(`the store needs journal_mode wal, and SQLite gives ${String(journal)}`)
  if (synchronous !== 2)
    throw new Error(`the store needs synchronous FULL (2), and SQLite gives ${String(synchronous)}`)
  if (foreign !== 1) throw new Error('the store needs foreign_keys, and SQLite does not give them')
}

/** A driver on a connection that is open already and durable. */
export function driverOn(database: DatabaseSync): Driver {
  const db = dbOn(database)
  let last: Promise<unknown> = Promise.resolve()

  async function transaction<T>(work: (db: Db, wall: null) => Promise<T>): Promise<T> {
    guard('work', () => database.exec('BEGIN IMMEDIATE'))
    let result: T
    try {
      result = await work(db, null)
    } catch (error) {
      rollback(database)
      throw error
    }
    try {
      guard('commit', () => database.exec('COMMIT'))
    } catch (error) {
      rollback(database)
      throw error
    }
    return result
  }

  return {
    dialect: 'sqlite',
    shared: false,
    transaction(work) {
      const result = last.then(() => transaction(work))
      last = result.catch(() => {})
      return result
    },
    // PASSIVE waits for nobody, and the WAL begins again when everything in it is in place.
    async tidy() {
      guard('work', () => database.prepare('PRAGMA wal_checkpoint(PASSIVE)').all())
    },
    async close() {
      await last
      database.close()
    },
  }
}

/** A connection that cannot write: what the main thread, verify and export read with. @throws when there is no file. */
export function readSqlite(file: string): Reader {
  return readerOn(new DatabaseSync(file, { readOnly: true, timeout: 1000 }))
}

/** A reader on a connection that is open already. */
export function readerOn(database: DatabaseSync): Reader {
  const db = dbOn(database)
  return {
    ...db,
    dialect: 'sqlite',
    async snapshot(work) {
      database.exec('BEGIN')
      try {
        return await work(db)
      } finally {
        rollback(database)
      }
    },
    async close() {
      database.close()
    },
  }
}

/** Statements stay prepared, the ones used last; a batch of another size is another statement. */
const STATEMENTS_MAX = 500

interface Prepared {
  readonly statement: StatementSync
  /** Which parameter stands at each `?`; null when they stand in order. */
  readonly order: readonly number[] | null
}

function dbOn(database: DatabaseSync): Db {
  const prepared = new Map<string, Prepared>()

  function prepare(sql: string): Prepared {
    let found = prepared.get(sql)
    if (found === undefined) {
      const order: number[] = []
      // node:sqlite binds `$1` by name only, through an object; `?` by place is faster.
      const text = sql.replace(/\$(\d+)/g, (_, number) => {
        order.push(Number(number) - 1)
        return '?'
      })
      const inOrder = order.every((place, index) => place === index)
      found = { statement: database.prepare(text), order: inOrder ? null : order }
    } else {
      prepared.delete(sql)
    }
    prepared.set(sql, found)
    if (prepared.size > STATEMENTS_MAX) prepared.delete(prepared.keys().next().value as string)
    return found
  }

  return {
    async all<Row>(sql: string, params: readonly Param[] = []) {
      return guard('work', () => {
        const { statement, order } = prepare(sql)
        return statement.all(...inPlace(order, params)) as Row[]
      })
    },
    async run(sql, params = []) {
      return guard('work', () => {
        const { statement, order } = prepare(sql)
        return Number(statement.run(...inPlace(order, params)).changes)
      })
    },
  }
}

function inPlace(order: Prepared['order'], params: readonly Param[]): readonly Param[] {
  return order === null ? params : order.map((index) => params[index] ?? null)
}

function guard<T>(during: 'work' | 'commit', action: () => T): T {
  try {
    return action()
  } catch (error) {
    throw new StoreFault(kindOf(error), during, error)
  }
}

/** SQLite rolls back by itself on some errors (full, I/O) and not on others. */
function rollback(database: DatabaseSync): void {
  if (!database.isTransaction) return
  try {
    database.exec('ROLLBACK')
  } catch {
    // The error that led here is the one to report; the next BEGIN fails if this one mattered.
  }
}

/** https://sqlite.org/rescode.html: the low byte of an extended code is the primary one. */
function kindOf(error: unknown): FaultKind {
  const code = error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : -1
  if (code === 13) return 'full'
  if (code === 5 || code === 6) return 'busy'
  if (code === 19) return 'constraint'
  // READONLY, IOERR, CORRUPT, CANTOPEN, PROTOCOL, NOTADB: the file is not what it was.
  return [8, 10, 11, 14, 15, 26].includes(code) ? 'io' : 'other'
}
