import { closeSync, openSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'

/** How often a start looks again while another process still holds the store. */
const LOOK_MS = 50

/**
 * One serving process per file: an exclusive lock of the operating system on FILE.lock, held through a transaction that
 * never ends. The kernel frees it when the process dies, however it dies; nothing is left to clean up.
 *
 * @param patience_ms how long a start waits for the one before it.
 * @returns what gives the lock back. @throws Error when another process holds it still.
 */
export async function lockFile(file: string, patience_ms: number): Promise<() => void> {
  const lock = `${file}.lock`
  closeSync(openSync(lock, 'a', 0o600))
  const database = new DatabaseSync(lock, { timeout: 0 })
  for (let waited_ms = 0; ; waited_ms += LOOK_MS) {
    try {
      database.exec('BEGIN EXCLUSIVE')
      return () => database.close()
    } catch (error) {
      const busy = error instanceof Error && 'errcode' in error && error.errcode === 5
      if (busy && waited_ms < patience_ms) {
        await sleep(LOOK_MS)
        continue
      }
      database.close()
      if (!busy) throw error
      throw new Error(
        `another process serves ${file} (waited ${patience_ms / 1000} s for it to end); one process per store file`,
        { cause: error },
      )
    }
  }
}
