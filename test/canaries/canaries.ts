import { randomBytes } from 'node:crypto'

/** A value that nobody may see, and where it is kept. */
export interface Canary {
  readonly name: string
  readonly value: string
}

/** What was found where it should not be. */
export interface Found {
  readonly canary: string
  readonly form: string
  readonly where: string
  readonly around: string
}

/**
 * What the middle of a value may be: what URLs, JSON, HTML and base64 each write in a way of their own. All of it may
 * stand in a header; a value in a header is no other.
 */
const MIDDLES = [
  '',
  '+/=+/=',
  '%2F&a=b',
  '"\\quoted\\"',
  "<b>&'</b>",
  ' with spaces ',
  '/a/path/',
  '0123456789'.repeat(6),
  '.eyJ9.e30.',
  '{"k":[1]}',
] as const

/** Looks fake, and each end of it is of this run and this canary alone: so a half is recognised as well as the whole. */
export function canary(name: string, middle: number): Canary {
  const end = (): string => randomBytes(9).toString('base64').replace(/[+/]/g, 'x')
  return { name, value: `${end()}${MIDDLES[middle % MIDDLES.length] ?? ''}Canary${end()}` }
}

/** How many characters of a value, from either end, count as a leak. */
const PART = 10

/**
 * Ways to write a value; written here anew, and not with the gateway's own list. In base64 only what the value alone
 * determines is looked for, since its outermost characters are shared with what stands beside it.
 */
export const FORMS: { readonly [form: string]: (value: string) => string } = {
  plain: (value) => value,
  base64: (value) => base64At(value, 0),
  'base64, one byte on': (value) => base64At(value, 1),
  'base64, two bytes on': (value) => base64At(value, 2),
  base64url: (value) => base64At(value, 0).replaceAll('+', '-').replaceAll('/', '_'),
  hex: (value) => Buffer.from(value).toString('hex'),
  'hex in capitals': (value) => Buffer.from(value).toString('hex').toUpperCase(),
  'URL-encoded': (value) => encodeURIComponent(value),
  'URL-encoded byte by byte': (value) => bytesOf(value, (byte) => `%${byte.toString(16).padStart(2, '0')}`),
  'URL-encoded twice': (value) => encodeURIComponent(encodeURIComponent(value)),
  'a form’s': (value) => new URLSearchParams([[value, '']]).toString().slice(0, -1),
  JSON: (value) => JSON.stringify(value).slice(1, -1),
  'JSON with \\/': (value) => JSON.stringify(value).slice(1, -1).replaceAll('/', '\\/'),
  'JSON with \\u': (value) => bytesOf(value, (byte) => `\\u${byte.toString(16).padStart(4, '0')}`),
  'JSON in JSON': (value) => JSON.stringify(JSON.stringify(value)).slice(3, -3),
  HTML: (value) => value.replace(/[&<>"']/g, (one) => `&#${one.charCodeAt(0)};`),
  'HTML by numbers': (value) => bytesOf(value, (byte) => `&#x${byte.toString(16)};`),
}

/** Of all these canaries in all forms: whole, begun or ended. One pass over what is searched, however many there are. */
export function searcher(canaries: readonly Canary[]): (where: string, bytes: Buffer) => readonly Found[] {
  const byHash = new Map<number, { needle: Buffer; canary: string; form: string }[]>()
  const maybe = new Uint8Array(1 << 16)
  for (const { name, value } of canaries) {
    for (const [form, write] of Object.entries(FORMS)) {
      const written = Buffer.from(write(value))
      for (const needle of [written.subarray(0, PART), written.subarray(-PART)]) {
        const hash = hashAt(needle, 0)
        maybe[hash & 0xffff] = 1
        byHash.set(hash, [...(byHash.get(hash) ?? []), { needle, canary: name, form }])
      }
    }
  }
  return (where, bytes) => {
    const found: Found[] = []
    for (let at = 0; at + PART <= bytes.length; at++) {
      const hash = hashAt(bytes, at)
      if (maybe[hash & 0xffff] === 0) continue
      for (const { needle, canary: name, form } of byHash.get(hash) ?? []) {
        if (bytes.compare(needle, 0, PART, at, at + PART) !== 0) continue
        found.push({ canary: name, form, where, around: bytes.toString('latin1', Math.max(0, at - 60), at + 60) })
      }
    }
    return found
  }
}

function hashAt(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) ^ bytes.readUInt32LE(at + 4)
}

function bytesOf(value: string, write: (byte: number) => string): string {
  return [...Buffer.from(value)].map(write).join('')
}

function base64At(value: string, shift: number): string {
  const text = Buffer.concat([Buffer.alloc(shift), Buffer.from(value)]).toString('base64')
  const bits = (shift + Buffer.byteLength(value)) * 8
  return text.slice(Math.ceil((shift * 8) / 6), Math.floor(bits / 6))
}
