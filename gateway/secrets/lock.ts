import { closeSync, openSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'

/** A change of a file of secrets takes milliseconds; with a passphrase seconds. */
const PATIENCE_MS = 10_000
const LOOK_MS = 50

/**
 * One writer per file: an exclusive lock of the operating system on FILE.lock, held through a transaction that never
 * ends. The kernel frees it when the process dies, however it dies. Readers need none: a file is replaced as a whole.
 *
 * @throws Error when another process holds it still after 10 s
 */
export async function locked<T>(path: string, work: () => Promise<T>, patience_ms = PATIENCE_MS): Promise<T> {
  const lock = `${path}.lock`
  closeSync(openSync(lock, 'a', 0o600))
  const database = new DatabaseSync(lock, { timeout: 0 })
  try {
    const over = performance.now() + patience_ms
    while (!tryLock(database)) {
      if (performance.now() >= over) throw new Error(`another program is changing ${path} (${lock} is held)`)
      await sleep(LOOK_MS)
    }
    return await work()
  } finally {
    database.close()
  }
}

function tryLock(database: DatabaseSync): boolean {
  try {
    database.exec('BEGIN EXCLUSIVE')
    return true
  } catch (error) {
    // SQLITE_BUSY
    if (error instanceof Error && 'errcode' in error && error.errcode === 5) return false
    throw error
  }
}
