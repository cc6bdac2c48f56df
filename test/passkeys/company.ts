import { readFile, writeFile } from 'node:fs/promises'
import { DatabaseSync } from 'node:sqlite'
import { join } from 'node:path'

/** The policy of the tests, with a passkey asked for above 50 USD, of two people above 90 USD. */
export async function asksPasskeys(policies: string): Promise<void> {
  const file = join(policies, 'roles/agent.yaml')
  const text = await readFile(file, 'utf8')
  const asking = text
    .replaceAll(/(by: \d of finance), expires: (\w+)/g, '$1, expires: $2, passkey: true')
    .replaceAll('150.00 USD', '90.00 USD')
    .replace('500.00 USD per day', '500000.00 USD per day')
  await writeFile(file, asking)
}

/** This member of every row is so much longer ago. */
export function aged(dir: string, table: 'passkeys' | 'visits', member: string, by_ms: number): void {
  const database = new DatabaseSync(join(dir, 'keystay.db'), { timeout: 5000 })
  const value = `json_extract(data, '$.${member}')`
  database.exec('PRAGMA busy_timeout = 5000')
  database.exec(
    `UPDATE ${table} SET data = json_set(data, '$.${member}', ${value} - ${by_ms}) WHERE ${value} IS NOT NULL`,
  )
  database.close()
}
