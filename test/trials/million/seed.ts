import { DatabaseSync } from 'node:sqlite'
import type { SQLInputValue } from 'node:sqlite'
import { Client } from 'pg'
import { idFrom } from '../../../gateway/core/id.ts'

type Row = { [column: string]: string | number | null }
type Cells = readonly (string | number | null)[]

/** Where the seeded calls differ from each other. Times in ms. */
export interface Spread {
  readonly calls: number
  readonly until: number
  readonly days: number
}

const ROLES = 40
const ACTIONS = 60
const SESSIONS = 5_000
const BATCH = 5_000

/**
 * Fills a store that the gateway has made with copies of its own rows: of calls `done`, `held` and `denied`, and of one
 * session. Each has its own id, time, role, action, session, amount and texts; nothing is in the ledger of them.
 */
export async function seed(store: string, spread: Spread): Promise<void> {
  const target = await open(store)
  try {
    const [session] = await target.rows('SELECT * FROM sessions LIMIT 1')
    const calls = await target.rows('SELECT * FROM calls')
    const template = (state: string) => calls.find((call) => call['state'] === state) ?? fail(`no call is ${state}`)
    const done = template('done')
    const held = template('held')
    const denied = template('denied')
    const random = randomFrom(7)
    const sessions = Array.from({ length: SESSIONS }, (_, at) => sessionOf(session ?? fail('no session'), at, spread))
    await target.insert('sessions', sessions)
    let batch: Row[] = []
    for (let at = 0; at < spread.calls; at++) {
      const state = stateOf(at, spread.calls, random())
      const from = state === 'held' ? held : state === 'denied' ? denied : done
      batch.push(callOf(from, state, at, spread, sessions[Math.floor((at / spread.calls) * SESSIONS)] ?? {}, random))
      if (batch.length < BATCH) continue
      await target.insert('calls', batch)
      batch = []
    }
    await target.insert('calls', batch)
    await target.close()
  } catch (error) {
    await target.close().catch(() => {})
    throw error
  }
}

/** A tenth is denied; few are what people look for. */
function stateOf(at: number, calls: number, dice: number): string {
  const every = (count: number) => at % Math.max(1, Math.floor(calls / count)) === count % 7
  if (every(20)) return 'needs_human'
  if (every(200)) return 'held'
  if (every(50)) return 'refused'
  return dice < 0.1 ? 'denied' : dice < 0.105 ? 'expired' : 'done'
}

function callOf(
  from: Row,
  state: string,
  at: number,
  { calls, until, days }: Spread,
  session: Row,
  random: () => number,
): Row {
  const created_at = Math.floor(until - (days * 86_400_000 * (calls - at)) / calls)
  const id = idFrom('call', created_at, bytes(random))
  const role = `role-${Math.floor(random() ** 3 * ROLES)}`
  const action = `pay.act${Math.floor(random() ** 2 * ACTIONS)}`
  const key = `ticket-${at}`
  const amount = 100 + Math.floor(random() * 50_000)
  const unit = random() < 0.9 ? 'USD' : 'JPY'
  const data = {
    ...(JSON.parse(String(from['data'])) as object),
    ...{ id, state, role, action, key, created_at, updated_at: created_at + 9, session: session['id'] },
    ...{ requester: session['requester'], principal: session['principal'], cost: { unit, amount } },
    summary: `Refund ${amount} ${unit} on ch_${at}`,
    evidence: state === 'done' ? { status: 200, request_id: `req_${at}` } : {},
    expires_at: state === 'held' ? until + 86_400_000 : null,
  }
  return {
    ...from,
    ...{
      id,
      state,
      role,
      action,
      key,
      created_at,
      session: session['id'] ?? '',
      principal: session['principal'] ?? '',
    },
    binds: state === 'denied' ? null : JSON.stringify([session['principal'], role, action, key]),
    expires_at: data.expires_at,
    ...('amount' in from ? { amount: unit === 'JPY' ? amount : amount / 100 } : {}),
    data: JSON.stringify(data),
  }
}

/** Nine tenths ended long ago; fifty workloads. */
function sessionOf(from: Row, at: number, { until, days }: Spread): Row {
  const issued_at = Math.floor(until - (days * 86_400_000 * (SESSIONS - at)) / SESSIONS)
  const id = `ses_${String(at).padStart(26, '0')}`
  const who = `ci:workload-${at % 50}`
  const ended_at = at % 10 === 0 ? null : issued_at + 1000
  const own = { id, lineage: id, jti: `jti-${at}`, token_hash: `hash-${at}`, principal: who, requester: who, ended_at }
  const data = { ...(JSON.parse(String(from['data'])) as object), ...own, issued_at }
  return { ...from, ...own, data: JSON.stringify(data), expires_at: issued_at + 7_200_000 }
}

interface Target {
  rows(sql: string): Promise<Row[]>
  insert(table: string, rows: readonly Row[]): Promise<void>
  close(): Promise<void>
}

function open(store: string): Promise<Target> {
  return store.startsWith('sqlite:') ? sqlite(store.slice('sqlite:'.length)) : postgres(store)
}

async function sqlite(file: string): Promise<Target> {
  const database = new DatabaseSync(file)
  database.exec('PRAGMA synchronous = OFF; PRAGMA cache_size = -262144')
  return {
    rows: async (sql) =>
      database
        .prepare(sql)
        .all()
        .map((row) => ({ ...row })) as Row[],
    async insert(table, rows) {
      const columns = Object.keys(rows[0] ?? {})
      if (columns.length === 0) return
      const text = `INSERT INTO ${table} (${columns.join()}) VALUES (${columns.map(() => '?').join()})`
      const statement = database.prepare(text)
      database.exec('BEGIN')
      for (const row of rows) statement.run(...(cellsOf(row, columns) as SQLInputValue[]))
      database.exec('COMMIT')
    },
    async close() {
      database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
      database.close()
    },
  }
}

async function postgres(url: string): Promise<Target> {
  const client = new Client({ connectionString: url })
  await client.connect()
  await client.query('SET synchronous_commit = off')
  return {
    rows: async (sql) => (await client.query<Row>(sql)).rows,
    async insert(table, rows) {
      const columns = Object.keys(rows[0] ?? {})
      if (columns.length === 0) return
      const list = columns.join()
      const text = `INSERT INTO ${table} (${list}) SELECT ${list} FROM json_populate_recordset(NULL::${table}, $1)`
      await client.query(text, [JSON.stringify(rows)])
    },
    async close() {
      await client.query('VACUUM ANALYZE').catch(() => {})
      await client.end()
    },
  }
}

function cellsOf(row: Row, columns: readonly string[]): Cells {
  return columns.map((column) => row[column] ?? null)
}

/** mulberry32: the same calls each time. */
function randomFrom(state: number): () => number {
  let seed = state
  return () => {
    seed = (seed + 0x6d2b79f5) | 0
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

function bytes(random: () => number): Uint8Array {
  return Uint8Array.from({ length: 10 }, () => Math.floor(random() * 256))
}

function fail(what: string): never {
  throw new Error(what)
}
