import { existsSync } from 'node:fs'
import { storeAddress } from '../../store/address.ts'
import { isLedgerIn, openReader } from '../../store/open-reader.ts'

/** Whether a store has a ledger yet: looking must not make one. @throws Error when it cannot be reached. */
export async function isLedgerThere(store: string): Promise<boolean> {
  const address = storeAddress(store)
  if (address?.kind !== 'postgres') return existsSync(address?.file ?? store)
  const reader = openReader(store)
  try {
    return await isLedgerIn(reader, reader)
  } finally {
    await reader.close()
  }
}
