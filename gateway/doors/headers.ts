import type { IncomingMessage } from 'node:http'
import { Problem } from '../core/problem.ts'

/**
 * The request key. It names one effect: a wrong one must never pass as another.
 *
 * @returns null when absent or empty.
 * @throws Problem malformed: repeated, or not 1–255 visible ASCII characters.
 */
export function requestKey(request: IncomingMessage): string | null {
  const keys = request.headersDistinct['idempotency-key'] ?? []
  if (keys.length > 1) throw new Problem('malformed', 'The header Idempotency-Key must be there once.')
  const key = keys[0] ?? ''
  if (key === '') return null
  if (!isKey(key)) throw new Problem('malformed', 'An Idempotency-Key has 1 to 255 visible ASCII characters.')
  return key
}

export function isKey(text: string): boolean {
  return /^[\x21-\x7E]{1,255}$/.test(text)
}

/** @throws Problem malformed for anything but `true` and `false`: a misspelt dry run must not become a real one. */
export function dryRun(request: IncomingMessage): boolean {
  const values = request.headersDistinct['keystay-dry-run'] ?? []
  if (values.length === 0) return false
  if (values.length > 1 || !/^(?:true|false)$/.test(values[0] ?? '')) {
    throw new Problem('malformed', 'The header Keystay-Dry-Run is true or false, once.')
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
