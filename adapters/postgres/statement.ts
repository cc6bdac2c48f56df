import type { Duplex } from 'node:stream'
import type { Connection, Submittable } from 'pg'
import type { Json, JsonObject } from '../../gateway/core/types.ts'
import type { Asked } from './request.ts'
import { valueOf } from './values.ts'

/** What a statement gave, before anything is committed. */
export interface Answer {
  /** Rows changed or found, by the server's count; null where it did not say (there were too many). */
  readonly count: number | null
  readonly rows: readonly JsonObject[]
}

/** The answer is not one that is handed on. The transaction has not been committed. */
export class Unreadable extends Error {
  override readonly name = 'Unreadable'
}

/** The most that is read of an answer. */
export const ANSWER_MAX = 1024 * 1024
export const ROWS_MAX = 1000

/**
 * One statement in the extended protocol (PostgreSQL's documentation, 54.2.3), always: the server itself refuses a second
 * statement in the text, and values travel apart from it. At most ROWS_MAX + 1 rows are asked for, and the connection is
 * cut when the answer grows beyond ANSWER_MAX, so that no answer fills the memory.
 *
 * pg calls the methods below; its own Query has no bounds. `answer` is settled once.
 */
export class Statement implements Submittable {
  readonly answer: Promise<Answer>
  readonly #asked: Asked
  readonly #resolve: (answer: Answer) => void
  readonly #reject: (error: Error) => void
  #columns: readonly Column[] = []
  #rows: JsonObject[] = []
  #count: number | null = null
  #failed: Error | null = null
  #stream: Duplex | null = null
  #bytes = 0

  constructor(asked: Asked) {
    this.#asked = asked
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    this.answer = promise
    this.#resolve = resolve
    this.#reject = reject
  }

  submit(connection: Connection): void {
    const wire = connection as unknown as Wire
    this.#stream = wire.stream
    wire.stream.on('data', this.#watch)
    wire.stream.cork()
    wire.parse({ text: this.#asked.text, name: '', types: [] })
    wire.bind({ portal: '', statement: '', values: [...this.#asked.values] })
    wire.describe({ type: 'P', name: '' })
    wire.execute({ portal: '', rows: ROWS_MAX + 1 })
    wire.sync()
    wire.stream.uncork()
  }

  handleRowDescription({ fields }: { readonly fields: readonly Column[] }): void {
    this.#columns = fields
    const names = fields.map(({ name }) => name)
    // a JSON object would keep the last one only
    if (new Set(names).size < names.length) this.#failed ??= new Unreadable('two columns of the answer have one name')
  }

  handleDataRow({ fields }: { readonly fields: readonly (string | null)[] }): void {
    if (this.#failed !== null) return
    try {
      const members = this.#columns.map(({ name, dataTypeID }, index): [string, Json] => {
        return [name, valueOf(dataTypeID, fields[index] ?? null)]
      })
      this.#rows.push(Object.fromEntries(members))
    } catch {
      this.#failed = new Unreadable('a value of the answer cannot be read')
    }
  }

  /** `UPDATE 1`, `INSERT 0 1`, `SELECT 1`: the last number counts the rows. */
  handleCommandComplete({ text }: { readonly text: string }): void {
    this.#count = Number(/ (\d+)$/.exec(text)?.[1] ?? 0)
  }

  handlePortalSuspended(): void {
    this.#failed ??= new Unreadable(`the answer has more than ${ROWS_MAX} rows`)
  }

  handleEmptyQuery(): void {
    this.#count = 0
  }

  handleReadyForQuery(): void {
    this.#end()
    if (this.#failed === null) this.#resolve({ count: this.#count, rows: this.#rows })
    else this.#reject(this.#failed)
  }

  handleError(error: Error): void {
    this.#end()
    this.#reject(this.#failed ?? error)
  }

  handleCopyInResponse(connection: { sendCopyFail(reason: string): void }): void {
    connection.sendCopyFail('not here')
  }

  handleCopyData(): void {}

  readonly #watch = (chunk: Buffer): void => {
    this.#bytes += chunk.length
    if (this.#bytes <= ANSWER_MAX) return
    this.#failed = new Unreadable('the answer is too large')
    this.#rows = []
    this.#stream?.destroy()
    this.handleError(this.#failed)
  }

  #end(): void {
    this.#stream?.off('data', this.#watch)
  }
}

interface Column {
  readonly name: string
  readonly dataTypeID: number
}

/** What pg's connection has and its types do not say. */
interface Wire {
  readonly stream: Duplex
  parse(message: { text: string; name: string; types: number[] }): void
  bind(message: { portal: string; statement: string; values: (string | null)[] }): void
  describe(message: { type: 'P'; name: string }): void
  execute(message: { portal: string; rows: number }): void
  sync(): void
}
