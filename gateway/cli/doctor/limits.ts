import { auditCallStates } from '../../store/call-audit.ts'
import { auditLimits } from '../../store/limit-audit.ts'
import { openReader } from '../../store/open-reader.ts'
import { progress } from '../progress.ts'
import { fail, ok, why } from './finding.ts'
import type { Finding } from './finding.ts'
import { isLedgerThere } from './there.ts'

const FIX =
  'Stop the gateway and keep the store as it is: something else than the gateway wrote to it. keystay ledger verify says whether the entries stand'

/**
 * Every limit recomputed from the entries of the ledger, against the tables that decide, and every call
 * against its last entry: each that differs is named.
 */
export async function checkLimits(store: string): Promise<Finding[]> {
  if (!(await isLedgerThere(store))) return []
  const reader = openReader(store)
  try {
    const { limits, calls } = await reader.snapshot(async (db) => ({
      limits: await auditLimits(db, progress('entries added up')),
      calls: await auditCallStates(db, progress('calls compared')),
    }))
    const states = calls.differing.map(({ call, what }) => fail('limits', `the call ${call} ${what}`, FIX))
    if (limits.differing.length + states.length === 0) {
      const count = `${limits.limits} limit${limits.limits === 1 ? '' : 's'}`
      const compared = `${calls.calls} call${calls.calls === 1 ? '' : 's'}`
      return [ok('limits', `${count} as the entries of the ledger add up, ${compared} as their last entries say`)]
    }
    const wrong = limits.differing.map(({ limit, name, what }) =>
      fail('limits', `${name === '' ? limit : `${name} (${limit})`}: ${what}`, FIX),
    )
    return [...wrong, ...states]
  } catch (error) {
    return [fail('limits', why(error), FIX)]
  } finally {
    await reader.close()
  }
}
