import { countNotices } from '../../store/notices.ts'
import { openReader } from '../../store/open-reader.ts'
import { ok, warn } from './finding.ts'
import type { Finding } from './finding.ts'
import { isLedgerThere } from './there.ts'

/** Channels that notices did not come to. Nothing is said where none was ever sent. */
export async function checkNotices(store: string): Promise<Finding[]> {
  if (!(await isLedgerThere(store))) return []
  const reader = openReader(store)
  try {
    const counts = await countNotices(reader)
    const dead = counts.filter(({ state }) => state === 'dead')
    if (dead.length > 0)
      return dead.map(({ channel, count }) => {
        const letters = `${count} dead letter${count === 1 ? '' : 's'}`
        const fix = `keystay notify list --status dead says why; keystay notify test ${channel} tries it now`
        return warn('notices', `${channel} has ${letters}: nobody was told there`, fix)
      })
    return counts.length === 0 ? [] : [ok('notices', 'every notice that was due has come, or waits for its next try')]
  } catch {
    // A store of an older version has none; whatever else is wrong with it is said of the store.
    return []
  } finally {
    await reader.close()
  }
}
