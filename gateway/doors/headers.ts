import type { IncomingMessage } from 'node:http'
import { Problem } from '../core/problem.ts'
import type { InputError } from '../core/types.ts'
import { keyError } from './input-errors.ts'

/**
 * The request key. It names one effect: a wrong one must never pass as another.
 *
 * @returns null when absent or empty.
 * @throws Problem malformed: repeated, or not 1–255 visible ASCII characters.
 */
export function requestKey(request: IncomingMessage): string | null {
  const keys = request.headersDistinct['idempotency-key'] ?? []
  if (keys.length > 1) {
    const errors = [keyError(KEY_PATH, `${keys.length} of them`)]
    throw new Problem('malformed', 'The header Idempotency-Key must be there once.', { errors })
  }
  const key = keys[0] ?? ''
  if (key === '') return null
  if (!isKey(key)) {
    const errors = [keyError(KEY_PATH, `another text, of ${key.length} characters`)]
    throw new Problem('malformed', 'An Idempotency-Key has 1 to 255 visible ASCII characters.', { errors })
  }
  return key
}

/** Where the key stands, as errors name places. */
export const KEY_PATH = 'header.Idempotency-Key'

export function isKey(text: string): boolean {
  return /^[\x21-\x7E]{1,255}$/.test(text)
}

/** @throws Problem malformed for anything but `true` and `false`: a misspelt dry run must not become a real one. */
export function dryRun(request: IncomingMessage): boolean {
  const values = request.headersDistinct['keystay-dry-run'] ?? []
  if (values.length === 0) return false
  if (values.length > 1 || !/^(?:true|false)$/.test(values[0] ?? '')) {
    const [first = ''] = values
    const got = values.length > 1 ? `${values.length} of them` : JSON.stringify(first.slice(0, 40))
    const errors: InputError[] = [{ path: 'header.Keystay-Dry-Run', got, want: 'true or false, once', example: 'true' }]
    throw new Problem('malformed', 'The header Keystay-Dry-Run is true or false, once.', { errors })
  }
  return values[0] === 'true'
}

export const WAIT_MAX_S = 25

/**
 * `Prefer: wait=N` (RFC 7240): seconds, at most 25 of them. What cannot be read is ignored, as section 2 asks; of several,
 * the first counts.
 *
 * @returns null when there is no such preference.
 */
export function preferredWait(request: IncomingMessage): number | null {
  for (const preference of (request.headersDistinct['prefer'] ?? []).join(',').split(',')) {
    const [, name, quoted] = /^\s*([A-Za-z-]+)\s*(?:=\s*("[^"]*"|[^\s;"]*))?\s*(?:;.*)?$/.exec(preference) ?? []
    if (name?.toLowerCase() !== 'wait') continue
    const seconds = (quoted ?? '').replaceAll('"', '')
    return /^[0-9]{1,9}$/.test(seconds) ? Math.min(Number(seconds), WAIT_MAX_S) : null
  }
  return null
}
