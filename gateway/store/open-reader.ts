import { existsSync } from 'node:fs'
import { storeAddress } from './address.ts'
import type { Db, Reader } from './db.ts'
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

/**
 * A database that can be reached may hold no ledger yet.
 *
 * @throws Error that says so.
 */
export async function assertLedger(reader: Reader, db: Db): Promise<void> {
  if (!(await isLedgerIn(reader, db)))
    throw new Error('there is no ledger in this database: no gateway has served from it yet')
}

export async function isLedgerIn({ dialect }: Pick<Reader, 'dialect'>, db: Db): Promise<boolean> {
  return (await db.all(THERE[dialect])).length > 0
}

const THERE = {
  sqlite: `SELECT 1 FROM sqlite_master WHERE name = 'head'`,
  postgres: `SELECT 1 WHERE to_regclass('head') IS NOT NULL`,
} as const
