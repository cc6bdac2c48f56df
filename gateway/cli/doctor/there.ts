import { existsSync } from 'node:fs'
import { storeAddress } from '../../store/address.ts'
import { openReader } from '../../store/open-reader.ts'

/** Whether a store has a ledger yet: looking must not make one. @throws Error when it cannot be reached. */
export async function isLedgerThere(store: string): Promise<boolean> {
  const address = storeAddress(store)
  if (address?.kind !== 'postgres') return existsSync(address?.file ?? store)
  const reader = openReader(store)
  try {
    return (await reader.all(`SELECT 1 WHERE to_regclass('head') IS NOT NULL`)).length > 0
  } finally {
    await reader.close()
  }
}
