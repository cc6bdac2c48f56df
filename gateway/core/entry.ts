import { createHmac } from 'node:crypto'
import { visibleIn } from './visible.ts'
import type { NewEntry } from './working.ts'

/**
 * The exact bytes of an entry: one JSON object in the order id, at, kind, then its fields as they were given. They are
 * hashed, stored and exported as they stand, and never made a second time from parsed values. So what cannot be seen, or
 * reorders what is, is an escape in them: whoever lists them on a terminal reads what is there.
 *
 * @throws Error when a field would take the place of id, at or kind.
 */
export function entryBytes(entry: NewEntry): string {
  const { id, at, kind, fields } = entry
  for (const name of ['id', 'at', 'kind']) {
    if (Object.hasOwn(fields, name)) throw new Error(`an entry's field may not be called ${name}`)
  }
  return visibleIn(JSON.stringify({ id, at: new Date(at).toISOString(), kind, ...fields }))
}

/**
 * What an entry holds of a body: HMAC-SHA256 under the call's salt, so that erasing body and salt erases the value and a
 * guess cannot be checked, while the proof stays.
 *
 * @param saltHex hex, 32 bytes. @returns `hmac-sha256:` + hex.
 */
export function digestOf(saltHex: string, text: string): string {
  // As text with its encoding: Node 24 takes six times as long over a key that is given as bytes.
  return `hmac-sha256:${createHmac('sha256', saltHex, { encoding: 'hex' }).update(text, 'utf8').digest('hex')}`
}

/** What lies beside the ledger for a call, in the order of an export; an entry holds a digest of each. */
export const BODY_NAMES = ['question', 'input', 'facts', 'request', 'output', 'earlier'] as const
