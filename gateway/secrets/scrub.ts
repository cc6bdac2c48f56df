import type { Json } from '../core/types.ts'
import { LENGTH_MIN, formsOf, indexOf, rangesOf } from './forms.ts'
import type { Form, Index, Range } from './forms.ts'
import { unescape } from './unescape.ts'

/** What stands where a secret stood. */
const MARK = '[secret]'
/** Rotated values stay known; the oldest are forgotten first. */
const VALUES_MAX = 1000
/** How often one encoding may lie in another. */
const ROUNDS = 3

/**
 * Knows the values in memory and takes them out of whatever leaves. Found are, wherever they begin: the value as it is;
 * base64 and base64url at each of the three alignments (so also within `user:password` or a longer text); hexadecimal;
 * and each of these URL-encoded, JSON- or HTML-escaped, in part or in full, up to three times over.
 * Not found: a value of fewer than 8 characters (it would be found by chance), cut in two, or otherwise transformed.
 */
export interface Scrubber {
  /** @returns false when the value is too short to be looked for */
  add(value: string): boolean
  text(text: string): string
  /** Names and values of members at any depth; a number too, where its digits are a secret. */
  json(value: Json): Json
}

export function createScrubber(): Scrubber {
  const values = new Map<string, readonly Form[]>()
  let index: Index | null = null

  const text = (input: string): string => {
    if (values.size === 0 || input.length < LENGTH_MIN) return input
    index ??= indexOf([...values.values()].flat())
    const found = rangesOf(input, index)
    // what is escaped is looked at as it would be read, and cut out where it was written
    let { text: read, from } = { text: input, from: (at: number): number => at }
    for (let round = 0; round < ROUNDS; round++) {
      const plain = unescape(read)
      if (plain === null) break
      const outer = from
      from = (at) => outer(plain.from(at))
      read = plain.text
      for (const { start, end } of rangesOf(read, index)) found.push({ start: from(start), end: from(end) })
    }
    return found.length === 0 ? input : cutOut(input, found)
  }

  const json = (value: Json): Json => {
    if (typeof value === 'string') return text(value)
    if (typeof value === 'number') {
      const digits = String(value)
      return text(digits) === digits ? value : MARK
    }
    if (typeof value !== 'object' || value === null) return value
    if (isList(value)) return value.map(json)
    return Object.fromEntries(Object.entries(value).map(([name, member]) => [text(name), json(member)]))
  }

  const addOne = (value: string): boolean => {
    if (value.length < LENGTH_MIN) return false
    if (values.delete(value)) {
      // known, and now the youngest: the index stands
      values.set(value, formsOf(value))
      return true
    }
    values.set(value, formsOf(value))
    const [oldest] = values.keys()
    if (values.size > VALUES_MAX && oldest !== undefined) values.delete(oldest)
    index = null
    return true
  }

  return {
    add(value) {
      // a key in PEM is as secret line by line, which is how a log would show it
      const lines = value.split(/\r?\n/).filter((line) => line.length >= 16 && !line.startsWith('-----'))
      if (lines.length > 1) for (const line of lines) addOne(line)
      return addOne(value)
    },
    text,
    json,
  }
}

/** Ranges may touch and overlap; each stretch of them becomes one mark. */
function cutOut(input: string, found: Range[]): string {
  let output = ''
  let at = 0
  for (const { start, end } of found.sort((a, b) => a.start - b.start || b.end - a.end)) {
    if (start >= at) output += input.slice(at, start) + MARK
    at = Math.max(at, end)
  }
  return output + input.slice(at)
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value)
}
