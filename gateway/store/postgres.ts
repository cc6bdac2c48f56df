import pg from 'pg'
import { StoreFault } from './db.ts'
import type { Db, Driver, Param, Reader } from './db.ts'
import { faultOf } from './postgres-fault.ts'

/** What a shared database is reached with. */
export interface PostgresOptions {
  /** `postgres://USER@HOST:PORT/DATABASE`, as libpq reads it; the password also from PGPASSWORD or a password file. */
  readonly url: string
  /** How a connection names itself to the server; `keystay` and what it is for. */
  readonly name?: string
}

/** Under this lock one process at a time writes the ledger: 'KEYS' as a number. It ends with its transaction. */
const LOCK = 0x4b455953
/** Where the ids of changed calls are told; a notice may be lost, and only ends a wait early. */
export const CHANNEL = 'keystay_calls'
/** A notice holds at most 8,000 bytes. */
const IDS_MAX = 200

/** Who does not answer for so long is taken for gone; the server ends what it left open. */
const CONNECT_MS = 3000
const ANSWER_MS = 6000
/** What was asked of the server stays for the session: a reload of its configuration does not take it away. */
const SETTINGS = `SELECT set_config('synchronous_commit', current_setting('synchronous_commit'), false);
  SET idle_in_transaction_session_timeout = 2000; SET lock_timeout = 4000; SET statement_timeout = 5000`
const BEGIN = `BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock(${LOCK});
  SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS wall`

/**
 * The connection that writes to a database which several processes share. A transaction begins with the ledger's lock,
 * so that batches of all processes have one order; each statement then sees everything that was committed before it.
 * The connection is made with the first transaction, and again after it was lost.
 */
export function openPostgres(options: PostgresOptions): Driver {
  let line: Promise<pg.Client> | undefined
  let last: Promise<unknown> = Promise.resolve()

  function connected(): Promise<pg.Client> {
    line ??= connect(options, 'ledger').then(async (client) => {
      client.once('error', () => drop(client))
      client.once('end', () => drop(client))
      try {
        await assertDurable(client)
        await client.query(SETTINGS)
        return client
      } catch (error) {
        drop(client)
        throw error
      }
    })
    line.catch(() => (line = undefined))
    return line
  }

  function drop(client: pg.Client): void {
    line = undefined
    void client.end().catch(() => {})
  }

  async function transaction<T>(work: (db: Db, wall: number) => Promise<T>): Promise<T> {
    const client = await connected().catch((error: unknown) => {
      // Whatever the reason is that no connection came about.
      throw error instanceof StoreFault ? error : new StoreFault('gone', 'work', error)
    })
    let result: T
    // After one statement failed the server refuses all that follow, and theirs is not what went wrong.
    let first: StoreFault | undefined
    const failed = (fault: StoreFault): void => void (first ??= fault)
    try {
      const begun = (await query(client, BEGIN)) as unknown as pg.QueryResult<{ wall: number }>[]
      result = await work(dbOn(client, failed), begun.at(-1)?.rows[0]?.wall as number)
    } catch (error) {
      await client.query('ROLLBACK').catch(() => drop(client))
      throw error instanceof StoreFault ? (first ?? error) : error
    }
    const { command } = await query(client, 'COMMIT').catch((error: unknown) => {
      // Whatever was said, by the server or by something in between: it is read back.
      drop(client)
      throw faultOf(error, 'commit')
    })
    // What has failed on the way can only be rolled back, and the server says so without an error.
    if (command !== 'COMMIT') throw new StoreFault('other', 'work', `the server answered ${command} to COMMIT`)
    return result
  }

  return {
    dialect: 'postgres',
    shared: true,
    transaction(work) {
      const result = last.then(() => transaction(work))
      last = result.catch(() => {})
      return result
    },
    async tell(db, calls) {
      for (let start = 0; start < calls.length; start += IDS_MAX) {
        const ids = calls.slice(start, start + IDS_MAX).join(',')
        await db.all('SELECT pg_notify($1, $2)', [CHANNEL, ids])
      }
    },
    // Vacuum and checkpoints are the server's.
    async tidy() {},
    async close() {
      await last
      const client = await line?.catch(() => undefined)
      await client?.end().catch(() => {})
    },
  }
}

/** Connections that only read. */
export function readPostgres(options: PostgresOptions): Reader {
  const pool = new pg.Pool({
    ...settings(options, 'reads'),
    max: 8,
    idleTimeoutMillis: 60_000,
    // A standby may be behind, and a permit would be renewed on what was true a while ago.
    verify: (client, ready) => void assertWriter(client).then(() => ready(), ready),
  })
  // One that is idle and lost is made again when it is needed.
  pool.on('error', () => {})
  // The pool listens to those that are idle; an error event of one that is lent, and that nobody hears, ends the process.
  pool.on('connect', (client) => client.on('error', () => {}))
  return {
    dialect: 'postgres',
    all: async <Row>(sql: string, params: readonly Param[] = []) => {
      return (await asked(pool.query(statement(sql, params)))).rows as Row[]
    },
    run: async (sql, params = []) => (await asked(pool.query(statement(sql, params)))).rowCount ?? 0,
    async snapshot(work) {
      const client = await asked(pool.connect())
      try {
        await asked(client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY'))
        return await work(dbOn(client))
      } finally {
        await client.query('ROLLBACK').catch(() => {})
        client.release()
      }
    },
    close: () => pool.end(),
  }
}

/**
 * A fresh connection that holds the ledger's lock until it is closed: whatever commit was under way when an earlier one
 * was lost has ended by then, one way or the other. Tries until the server that writes answers: a standby may not have
 * heard of that commit yet. Whoever is paused while it holds the lock stops the others for two seconds at most.
 *
 * @param given says that nobody waits any more. @throws StoreFault then.
 */
export async function reopenPostgres(options: PostgresOptions, given: () => boolean): Promise<Reader> {
  for (;;) {
    let client: pg.Client | undefined
    try {
      const opened = await connect(options, 'reads back')
      client = opened
      opened.on('error', () => {})
      await assertDurable(opened)
      await opened.query(SETTINGS)
      await opened.query(`BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock(${LOCK})`)
      const db = dbOn(opened)
      return { ...db, dialect: 'postgres', snapshot: (work) => work(db), close: () => opened.end() }
    } catch (error) {
      await client?.end().catch(() => {})
      if (given()) throw faultOf(error, 'commit')
      await new Promise((resolve) => setTimeout(resolve, 250))
    }
  }
}

/** @param told ids of calls that changed. @returns what ends it. The connection is made again when it is lost. */
export function listenPostgres(
  options: PostgresOptions,
  told: (calls: readonly string[]) => void,
): () => Promise<void> {
  let closed = false
  let client: pg.Client | undefined
  let timer: NodeJS.Timeout | undefined
  const again = (): void => {
    client = undefined
    if (!closed) timer ??= setTimeout(() => void open(), 500).unref()
  }
  async function open(): Promise<void> {
    timer = undefined
    try {
      const opened = await connect(options, 'listens')
      opened.once('error', again)
      opened.once('end', again)
      opened.on('notification', ({ payload = '' }) => told(payload.split(',')))
      await opened.query(`LISTEN ${CHANNEL}`)
      client = opened
      if (closed) await opened.end()
    } catch {
      again()
    }
  }
  void open()
  return async () => {
    closed = true
    clearTimeout(timer)
    await client?.end().catch(() => {})
  }
}

async function connect(options: PostgresOptions, what: string): Promise<pg.Client> {
  const client = new pg.Client(settings(options, what))
  // Until somebody else listens: an error event that nobody hears ends the process.
  client.on('error', () => {})
  try {
    await client.connect()
    return client
  } catch (error) {
    await client.end().catch(() => {})
    throw error
  }
}

function settings({ url, name = 'keystay' }: PostgresOptions, what: string): pg.ClientConfig {
  return {
    connectionString: url,
    application_name: `${name} ${what}`,
    // What is asked at once is sent at once.
    pipeline: true,
    connectionTimeoutMillis: CONNECT_MS,
    query_timeout: ANSWER_MS,
    keepAlive: true,
    types: {
      getTypeParser: (oid, format) => (oid === pg.types.builtins.INT8 ? Number : pg.types.getTypeParser(oid, format)),
    },
  }
}

async function assertWriter(client: pg.ClientBase): Promise<void> {
  const { rows } = await client.query<{ standby: boolean }>('SELECT pg_is_in_recovery() AS standby')
  if (rows[0]?.standby !== false) throw new Error('the server is a standby, and the store needs the one that writes')
}

/**
 * Says no to a server that could lose an answered write. Each of these can be set for a role or a database, so the
 * session itself is asked.
 */
async function assertDurable(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ [name: string]: string }>(
    `SELECT current_setting('synchronous_commit') AS synchronous_commit, current_setting('fsync') AS fsync,
       current_setting('full_page_writes') AS full_page_writes, current_setting('server_encoding') AS encoding,
       pg_is_in_recovery()::text AS standby`,
  )
  const { synchronous_commit = '', fsync, full_page_writes, encoding, standby } = rows[0] ?? {}
  const no = (what: string): never => {
    throw new StoreFault('gone', 'work', new Error(what))
  }
  if (standby === 'true') no('the server is a standby, and the store needs the one that writes')
  if (!['on', 'remote_apply'].includes(synchronous_commit))
    no(`the store needs synchronous_commit = on, and the server has ${synchronous_commit} for this login`)
  if (fsync !== 'on') no('the store needs fsync = on, and the server has it off')
  if (full_page_writes !== 'on') no('the store needs full_page_writes = on, and the server has it off')
  if (encoding !== 'UTF8') no(`the store needs a database in UTF8, and this one is in ${encoding}`)
}

/** A statement of one text is prepared once on each connection. */
const names = new Map<string, string>()
const NAMES_MAX = 400

function statement(text: string, params: readonly Param[]): pg.QueryConfig {
  let name = names.get(text)
  if (name === undefined && names.size < NAMES_MAX) {
    name = `keystay_${names.size}`
    names.set(text, name)
  }
  return { text, values: params.map(kept), ...(name === undefined ? {} : { name }) }
}

/** A text that is looked for may hold NUL, which PostgreSQL keeps nowhere: it finds nothing. */
function kept(param: Param): Param {
  return typeof param === 'string' && param.includes('\0') ? param.replaceAll('\0', '\ufffd') : param
}

/** @param failed hears of each statement that failed, in the order of the answers. */
function dbOn(client: pg.ClientBase, failed: (fault: StoreFault) => void = () => {}): Db {
  const run = (sql: string, params: readonly Param[]): Promise<pg.QueryResult> =>
    asked(client.query(statement(sql, params)), failed)
  return {
    all: async <Row>(sql: string, params: readonly Param[] = []) => (await run(sql, params)).rows as Row[],
    run: async (sql, params = []) => (await run(sql, params)).rowCount ?? 0,
    async insert(head, rows, tail) {
      const { text, columns } = insertion(head, tail)
      const records = rows.map((row) =>
        Object.fromEntries(columns.map((column, place) => [column, row[place] ?? null])),
      )
      await run(text, [JSON.stringify(records)])
    },
  }
}

/** The statement of a head and tail, and its columns. */
const insertions = new Map<string, { readonly text: string; readonly columns: readonly string[] }>()

/** One parameter for all rows: the statement is planned once, and the table says what types the columns have. */
function insertion(head: string, tail: string) {
  const known = insertions.get(`${head}${tail}`)
  if (known !== undefined) return known
  const [, table = '', list = ''] = /^INSERT INTO (\w+)\s*\(([^)]+)\)\s*VALUES$/.exec(head) ?? []
  const columns = list.split(',').map((column) => column.trim())
  const from = `json_populate_recordset(NULL::${table}, $1::json)`
  const made = { text: `INSERT INTO ${table} (${list}) SELECT ${list} FROM ${from} ${tail}`, columns }
  insertions.set(`${head}${tail}`, made)
  return made
}

function query(client: pg.ClientBase, what: string | pg.QueryConfig): Promise<pg.QueryResult> {
  return asked(client.query(what as pg.QueryConfig))
}

async function asked<T>(answer: Promise<T>, failed: (fault: StoreFault) => void = () => {}): Promise<T> {
  try {
    return await answer
  } catch (error) {
    const fault = faultOf(error, 'work')
    failed(fault)
    throw fault
  }
}
