import { hash } from 'node:crypto'
import { crc32 } from 'node:zlib'

/** `bytes` unpredictable bytes; an argument, so that a simulation can own it. */
export type Random = (bytes: number) => Uint8Array

export interface NewToken {
  /** Handed to the requester once, kept nowhere. */
  readonly token: string
  /** SHA-256, hex: the only form that is stored. */
  readonly hash: string
}

/**
 * A session token: `kst_`, 256 random bits as 43 base62 digits, and a CRC-32 of all that as 6 more. The checksum lets
 * scanners recognise a leaked token, and lets us refuse garbage without a lookup; it proves nothing.
 */
export function newToken(random: Random): NewToken {
  const bits = BigInt(`0x${Buffer.from(random(32)).toString('hex')}`)
  const body = PREFIX + base62(bits, BODY)
  const token = body + checksum(body)
  return { token, hash: sha256(token) }
}

/** @returns the hash to look a token up by, or null when this cannot be a token of ours. */
export function tokenHash(text: string): string | null {
  if (!SHAPE.test(text)) return null
  const body = text.slice(0, PREFIX.length + BODY)
  return text.slice(body.length) === checksum(body) ? sha256(text) : null
}

/** SHA-256, hex. */
export function sha256(text: string): string {
  return hash('sha256', text, 'hex')
}

const PREFIX = 'kst_'
const BODY = 43
const CHECK = 6
const SHAPE = new RegExp(`^${PREFIX}[0-9A-Za-z]{${BODY + CHECK}}$`)
const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** By numbers, not by BigInt: it is asked of every request. */
function checksum(body: string): string {
  let digits = ''
  for (let rest = crc32(body); rest > 0; rest = Math.floor(rest / 62)) digits = DIGITS.charAt(rest % 62) + digits
  return digits.padStart(CHECK, '0')
}

function base62(value: bigint, width: number): string {
  let digits = ''
  for (let rest = value; rest > 0n; rest /= 62n) digits = DIGITS[Number(rest % 62n)] + digits
  return digits.padStart(width, '0')
}
