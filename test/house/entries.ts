import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/** An entry as it was hashed, read. */
export interface Entry {
  readonly id: string
  readonly at: string
  readonly kind: string
  readonly [field: string]: unknown
}

/** The ledger of a company's store in this folder, oldest first. */
export function entriesOf(dir: string): Entry[] {
  const database = new DatabaseSync(join(dir, 'keystay.db'), { readOnly: true })
  try {
    const rows = database.prepare('SELECT bytes FROM entries ORDER BY idx').all() as { bytes: string }[]
    return rows.map(({ bytes }) => JSON.parse(bytes) as Entry)
  } finally {
    database.close()
  }
}
