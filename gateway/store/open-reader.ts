import { existsSync } from 'node:fs'
import { storeAddress } from './address.ts'
import type { Reader } from './db.ts'
import { readPostgres } from './postgres.ts'
import { readSqlite } from './sqlite.ts'

/**
 * Opens a store to look at it, beside whoever serves from it.
 *
 * @param store `sqlite:FILE`, `postgres://…`, or a file of SQLite. @throws Error when it is not there.
 */
export function openReader(store: string): Reader {
  const address = storeAddress(store) ?? { kind: 'sqlite', file: store }
  if (address.kind === 'postgres') return readPostgres({ url: address.url, name: 'keystay looks' })
  if (!existsSync(address.file)) throw new Error(`there is no store at ${address.file}`)
  return readSqlite(address.file)
}
