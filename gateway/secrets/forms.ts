import { unescape } from './unescape.ts'

/** Shorter values would be found by chance, and would blacken half of every answer. */
export const LENGTH_MIN = 8
const TAIL = 4

/** One way to write a value. A base64 form shares its outermost characters with what stands beside it. */
export interface Form {
  readonly text: string
  readonly sharesBefore: boolean
  readonly sharesAfter: boolean
}

/** Forms by a hash of their last four characters (keys of one maker begin alike), and a table of which hashes occur. */
export interface Index {
  readonly maybe: Uint8Array
  readonly byHash: ReadonlyMap<number, readonly Form[]>
}

export interface Range {
  readonly start: number
  readonly end: number
}

/** The ways to write a value that are not escapes: those are undone before the search (unescape.ts). */
export function formsOf(value: string): readonly Form[] {
  const bytes = Buffer.from(value)
  const hex = bytes.toString('hex')
  const texts = [value, value.replaceAll(' ', '+'), hex, hex.toUpperCase()]
  // what is an escape in the value itself (%2F in a password) is undone with those around it
  for (let plain = unescape(value)?.text; plain !== undefined; plain = unescape(plain)?.text) {
    if (plain.length >= LENGTH_MIN) texts.push(plain)
  }
  // an escape of a byte is read as one character, so beyond ASCII a value is also its bytes
  if (bytes.length !== value.length) texts.push(bytes.toString('latin1'))
  const plain = [...new Set(texts)].map((text): Form => ({ text, sharesBefore: false, sharesAfter: false }))
  return [...plain, ...[0, 1, 2].flatMap((shift) => base64Forms(bytes, shift))]
}

/**
 * What stands before a value in base64 shifts it within the groups of three bytes, so there are three ways to write it.
 * The characters that the value alone determines are the form.
 */
function base64Forms(bytes: Buffer, shift: number): readonly Form[] {
  const bits = (shift + bytes.length) * 8
  const core = Buffer.concat([Buffer.alloc(shift), bytes])
    .toString('base64')
    .slice(Math.ceil((shift * 8) / 6), Math.floor(bits / 6))
  const texts = new Set([core, core.replaceAll('+', '-').replaceAll('/', '_')])
  return [...texts].map((text) => ({ text, sharesBefore: shift !== 0, sharesAfter: true }))
}

export function indexOf(forms: readonly Form[]): Index {
  const maybe = new Uint8Array(0x10000)
  const byHash = new Map<number, Form[]>()
  for (const form of forms) {
    const hash = hashAt(form.text, form.text.length - TAIL)
    maybe[hash] = 1
    byHash.set(hash, [...(byHash.get(hash) ?? []), form])
  }
  return { maybe, byHash }
}

/** Where forms stand in a text; one pass, whatever the number of forms. */
export function rangesOf(text: string, index: Index): Range[] {
  const ranges: Range[] = []
  let hash = hashAt(text, LENGTH_MIN - TAIL)
  for (let tail = LENGTH_MIN - TAIL; tail + TAIL <= text.length; tail++) {
    // From one place to the next: the first character leaves the hash, a new last one enters it.
    if (tail > LENGTH_MIN - TAIL) {
      hash = ((hash - text.charCodeAt(tail - 1) * 31 ** 3) * 31 + text.charCodeAt(tail + TAIL - 1)) & 0xffff
    }
    if (index.maybe[hash] === 0) continue
    for (const form of index.byHash.get(hash) ?? []) {
      const at = tail + TAIL - form.text.length
      if (at >= 0 && text.startsWith(form.text, at)) ranges.push(withShared(text, form, at))
    }
  }
  return ranges
}

function withShared(text: string, form: Form, at: number): Range {
  let end = at + form.text.length
  if (form.sharesAfter) {
    if (isBase64(text.charCodeAt(end))) end += 1
    while (text[end] === '=') end += 1
  }
  return { start: form.sharesBefore && isBase64(text.charCodeAt(at - 1)) ? at - 1 : at, end }
}

function hashAt(text: string, at: number): number {
  const first = (text.charCodeAt(at) * 31 + text.charCodeAt(at + 1)) * 31
  return ((first + text.charCodeAt(at + 2)) * 31 + text.charCodeAt(at + 3)) & 0xffff
}

function isBase64(code: number): boolean {
  return (
    (code >= 0x30 && code <= 0x39) || // 0–9
    (code >= 0x41 && code <= 0x5a) || // A–Z
    (code >= 0x61 && code <= 0x7a) || // a–z
    code === 0x2b || // +
    code === 0x2f || // /
    code === 0x2d || // -
    code === 0x5f // _
  )
}
