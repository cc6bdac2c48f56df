import { openPostgres } from '../../store/postgres.ts'
import { fail, ok, why } from './finding.ts'
import type { Finding } from './finding.ts'

/** The server of a store that replicas share: reached, writing, and durable for this login. Nothing is written. */
export async function checkDatabase(url: string): Promise<Finding[]> {
  const { host, pathname } = new URL(url)
  const shown = `PostgreSQL at ${host}${pathname}`
  const driver = openPostgres({ url, name: 'keystay doctor' })
  try {
    const began = performance.now()
    const ahead_ms = await driver.transaction(async (_db, wall) => (wall ?? 0) - Date.now())
    const took = `${(performance.now() - began).toFixed(0)} ms to connect and take the ledger's lock`
    if (Math.abs(ahead_ms) > 5000)
      return [
        fail(
          'store',
          `the clock of ${shown} is ${Math.round(Math.abs(ahead_ms) / 1000)} s ${ahead_ms > 0 ? 'ahead of' : 'behind'} this machine's`,
          "Set both by NTP: sessions and windows end by the database's clock",
        ),
      ]
    return [ok('store', `${shown}: synchronous_commit, fsync and full_page_writes are on; ${took}`)]
  } catch (error) {
    return [fail('store', `${shown}: ${why(error)}`, 'See docs/replicas.md, what the database must be')]
  } finally {
    await driver.close()
  }
}
