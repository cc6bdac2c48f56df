/**
 * What a database promises to the store, durability included. The SQL is written once, with `$1` placeholders, each
 * used once and in order; integers are JavaScript numbers, texts are strings without NUL, hashes are hex; null is
 * null.
 */
export interface Db {
  /** Rows as plain objects. */
  all<Row>(sql: string, params?: readonly Param[]): Promise<Row[]>
  /** @returns how many rows it changed. */
  run(sql: string, params?: readonly Param[]): Promise<number>
  /** Another way for `insert` below, where one statement for any number of rows is quicker. */
  insert?(head: string, rows: readonly (readonly Param[])[], tail: string): Promise<void>
}

export type Param = string | number | null

/** A connection that may write. */
export interface Driver {
  readonly dialect: 'sqlite' | 'postgres'
  /** Other processes write too. A connection that was lost is made again. */
  readonly shared: boolean
  /**
   * Runs `work` as one serialisable transaction. When the promise resolves, everything that `work` wrote is synced to
   * stable storage: it survives kill -9, a crash of the system and loss of power. One transaction at a time, over all
   * processes; others wait. `wall`: the database's clock, read when the turn came, ms; null where that is this process's.
   *
   * Rejects with a StoreFault when the database failed; during `work` nothing was kept, during `commit` it is not
   * known. An error that `work` throws itself passes through, and nothing was kept.
   */
  transaction<T>(work: (db: Db, wall: number | null) => Promise<T>): Promise<T>
  /** In the transaction: who else serves from this database hears of these calls once it is committed, or not at all. */
  tell?(db: Db, calls: readonly string[]): Promise<void>
  /** Moves what is committed into its final place, off the commit path. Never needed for durability. */
  tidy(): Promise<void>
  close(): Promise<void>
}

/** A connection that reads one snapshot at a time. */
export interface Reader extends Db {
  readonly dialect: Driver['dialect']
  /** Everything that `work` reads is of one moment. */
  snapshot<T>(work: (db: Db) => Promise<T>): Promise<T>
  close(): Promise<void>
}

/**
 * `full`: no room; rolled back, and the next may succeed. `io`: the storage failed; what a failed sync left behind is
 * unknown, and it is never retried. `constraint`: a row contradicts another. `busy`: lost against another; may be run again.
 * `gone`: no connection to the database, which may come back.
 */
export type FaultKind = 'full' | 'io' | 'constraint' | 'busy' | 'gone' | 'other'

export class StoreFault extends Error {
  override readonly name = 'StoreFault'
  readonly kind: FaultKind
  readonly during: 'work' | 'commit'
  constructor(kind: FaultKind, during: 'work' | 'commit', cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause })
    this.kind = kind
    this.during = during
  }
}

/** Rows in one statement: bounded, so that no batch makes a statement that the database refuses. */
const ROWS_MAX = 256

/**
 * One multi-row statement, `INSERT INTO t (a, b) VALUES ($1, $2), ($3, $4) TAIL`; beyond 256 rows several.
 *
 * @param head up to and including `VALUES`. @param tail e.g. an `ON CONFLICT` clause.
 */
export async function insert(db: Db, head: string, rows: readonly (readonly Param[])[], tail = ''): Promise<void> {
  if (db.insert !== undefined) return rows.length === 0 ? undefined : db.insert(head, rows, tail)
  for (let start = 0; start < rows.length; start += ROWS_MAX) {
    const chunk = rows.slice(start, start + ROWS_MAX)
    await db.run(insertOf(head, chunk.length, chunk[0]?.length ?? 0, tail), chunk.flat())
  }
}

/** The texts are long, and the same few hundred all day: made once, a text also keeps the hash that it is looked up by. */
const texts = new Map<string, string[]>()

function insertOf(head: string, rows: number, columns: number, tail: string): string {
  const kind = `${head}${tail}`
  const byRows = texts.get(kind) ?? []
  if (byRows.length === 0) texts.set(kind, byRows)
  let text = byRows[rows]
  if (text === undefined) {
    let next = 1
    const row = () => `(${Array.from({ length: columns }, () => `$${next++}`).join(', ')})`
    text = `${head} ${Array.from({ length: rows }, row).join(', ')} ${tail}`
    byRows[rows] = text
  }
  return text
}

/**
 * Rows of `… IN (list)`: `select('SELECT … WHERE id IN', ids)`. The list is padded to a power of two by repeating its
 * last member, so that few statements are ever prepared.
 */
export async function select<Row>(db: Db, head: string, list: readonly Param[], tail = ''): Promise<Row[]> {
  const rows: Row[] = []
  for (let start = 0; start < list.length; start += ROWS_MAX) {
    const chunk = list.slice(start, start + ROWS_MAX)
    const all = padded(chunk)
    const places = all.map((_, index) => `$${index + 1}`).join(', ')
    rows.push(...(await db.all<Row>(`${head} (${places}) ${tail}`, all)))
  }
  return rows
}

/** Up to a power of two, by repeating the last one: few lengths, and so few statements. */
export function padded<T extends Param>(list: readonly T[]): T[] {
  const width = 2 ** Math.ceil(Math.log2(list.length))
  return Array.from({ length: width }, (_, index) => list[Math.min(index, list.length - 1)] as T)
}

/**
 * What is asked at once. When one fails the others are waited for all the same: a statement that came after the rollback
 * would be kept.
 *
 * @throws what the first of them, in their order, failed with.
 */
export async function together<const T extends readonly unknown[]>(
  asked: T,
): Promise<{ -readonly [place in keyof T]: Awaited<T[place]> }> {
  const ended = await Promise.allSettled(asked)
  const failed = ended.find(({ status }) => status === 'rejected')
  if (failed?.status === 'rejected') throw failed.reason
  return ended.map((one) => (one.status === 'fulfilled' ? one.value : undefined)) as never
}
