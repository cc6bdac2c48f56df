import { randomBytes } from 'node:crypto'
import { createAgeIdentity, writeAgeFile } from '../../gateway/secrets/age-file.ts'

/** Keys of the sandbox backends, made for one run. They look like test keys, because they are. */
export interface DemoKeys {
  readonly payments: string
  readonly orders: string
}

export function makeKeys(): DemoKeys {
  return { payments: `sk_test_${randomBytes(18).toString('hex')}`, orders: `demo_${randomBytes(18).toString('hex')}` }
}

/**
 * Writes them where a gateway finds its secrets: an age file, and its identity beside it (mode 0600).
 * @returns what `--secrets` says about it.
 */
export async function writeKeys(file: string, keys: DemoKeys): Promise<string> {
  const recipient = await createAgeIdentity(`${file}.key`)
  const entries = new Map([
    ['stripe/restricted_key', keys.payments],
    ['orders/write_key', keys.orders],
  ])
  await writeAgeFile(file, entries, recipient)
  return `age:${file}`
}
