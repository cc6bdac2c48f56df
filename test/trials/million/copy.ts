import { DatabaseSync } from 'node:sqlite'
import pg from 'pg'
import { openPostgres } from '../../../gateway/store/postgres.ts'
import { migrate } from '../../../gateway/store/schema.ts'
import { openSqlite } from '../../../gateway/store/sqlite.ts'

const ROWS = 2000

/** Copies a store, row by row as it is, into a PostgreSQL database without one. */
export async function copyStore(file: string, url: string, say: (line: string) => void = () => {}): Promise<void> {
  for (const driver of [openSqlite(file), openPostgres({ url })]) {
    await migrate(driver)
    await driver.close()
  }
  const from = new DatabaseSync(file, { readOnly: true })
  const to = new pg.Client({ connectionString: url })
  await to.connect()
  try {
    await to.query('SET synchronous_commit = off')
    const tables = from
      .prepare(`SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`)
      .all()
    for (const { name } of tables) {
      const table = String(name)
      await to.query(`DELETE FROM ${table}`)
      const columns = from
        .prepare(`SELECT name FROM pragma_table_info('${table}')`)
        .all()
        .map((one) => String(one['name']))
        .join()
      const text = `INSERT INTO ${table} (${columns}) SELECT ${columns} FROM json_populate_recordset(NULL::${table}, $1::json)`
      let rows: unknown[] = []
      let under: Promise<unknown> = Promise.resolve()
      const send = async (): Promise<void> => {
        await under
        under = to.query(text, [JSON.stringify(rows)])
        under.catch(() => {})
        rows = []
      }
      // One page is made while another is on its way.
      for (const row of from.prepare(`SELECT ${columns} FROM ${table}`).iterate())
        if (rows.push(row) === ROWS) await send()
      await send()
      await under
      say(`${table} copied`)
    }
    await to.query('VACUUM ANALYZE')
  } finally {
    from.close()
    await to.end()
  }
}
