import { dueLeases, standingLeases } from '../../store/leases.ts'
import { openReader } from '../../store/open-reader.ts'
import { ok, warn } from './finding.ts'
import type { Finding } from './finding.ts'
import { isLedgerThere } from './there.ts'

/** More of them say nothing new. */
const SHOWN = 10

/** Logins that were given out and must be gone by now. Nothing is said where none stands. */
export async function checkLeases(store: string, now = Date.now()): Promise<Finding[]> {
  if (!(await isLedgerThere(store))) return []
  const reader = openReader(store)
  try {
    const [standing, due] = [await standingLeases(reader), await dueLeases(reader, now)]
    if (standing.length === 0) return []
    if (due.length === 0) return [ok('leases', `${standing.length} given out, none of them past its end`)]
    return due.slice(0, SHOWN).map(({ login, place, call }) => {
      const fix = `A running gateway revokes it, and its log says why it could not. By hand, at ${place}: alter role "${login}" nologin, end its connections, drop it`
      return warn('leases', `${login} (${call}) must be gone by now and is not revoked`, fix)
    })
  } catch {
    // A store of an older version has none; whatever else is wrong with it is said of the store.
    return []
  } finally {
    await reader.close()
  }
}
