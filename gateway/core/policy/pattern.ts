import { RE2JS } from 're2js'

/** A regular expression that runs in linear time (RE2), as Ajv wants one. */
export interface LinearPattern {
  test(text: string): boolean
  toString(): string
}

/**
 * Compiles a pattern on the linear-time engine. Backreferences, lookaround and huge repeats are not RE2.
 * @throws an Error whose message says what is wrong with the pattern.
 */
export function linearPattern(source: string): LinearPattern {
  const known = compiled.get(source)
  if (known !== undefined) return known
  const made = RE2JS.compile(source)
  // Ajv keeps patterns by their text: without one of its own every pattern would be the first.
  const pattern = { test: (text: string) => made.matcher(text).find(), toString: () => `re2:${source}` }
  compiled.set(source, pattern)
  const [oldest] = compiled.keys()
  if (compiled.size > COMPILED_MOST && oldest !== undefined) compiled.delete(oldest)
  return pattern
}

/** A policy has the same few patterns again and again, each a millisecond’s work. */
const compiled = new Map<string, LinearPattern>()
const COMPILED_MOST = 500

/** For Ajv's `code.regExp`. */
export const linearEngine = Object.assign((source: string, _flags: string): LinearPattern => linearPattern(source), {
  code: 'linearPattern',
})

/**
 * A short text that fits the pattern and the lengths, made by reading the common part of the syntax; null where that
 * fails (then the policy gives an `example:`). What is returned has been tested.
 */
export function sampleOf(source: string, minLength: number, maxLength: number): string | null {
  let pattern: LinearPattern
  try {
    pattern = linearPattern(source)
  } catch {
    return null
  }
  for (const more of [0, 1, 2, 4, 8, 16, 64, 256]) {
    const made = alternatives({ source, at: 0, more, depth: 0 })
    if (made === null) return null
    const length = Array.from(made).length
    if (length >= minLength && length <= maxLength && pattern.test(made)) return made
  }
  return null
}

interface Cursor {
  readonly source: string
  at: number
  /** How often an open quantifier is repeated beyond its least. */
  readonly more: number
  depth: number
}

/** The first alternative of a group, or of the whole. */
function alternatives(cursor: Cursor): string | null {
  if (++cursor.depth > 20) return null
  const first = sequence(cursor)
  while (cursor.source[cursor.at] === '|') {
    cursor.at++
    if (sequence(cursor) === null) return null
  }
  cursor.depth--
  return first
}

function sequence(cursor: Cursor): string | null {
  let made = ''
  while (cursor.at < cursor.source.length && cursor.source[cursor.at] !== '|' && cursor.source[cursor.at] !== ')') {
    const atom = atomOf(cursor)
    if (atom === null) return null
    const count = repeats(cursor)
    if (count === null || made.length + count > 5000) return null
    for (let i = 0; i < count; i++) made += atom(i)
  }
  return made
}

type Atom = (index: number) => string

function atomOf(cursor: Cursor): Atom | null {
  const character = cursor.source[cursor.at++] ?? ''
  if (character === '^' || character === '$') return () => ''
  if (character === '.') return cycle('abcdefgh')
  if (character === '\\') return escaped(cursor.source[cursor.at++] ?? '')
  if (character === '[') return classOf(cursor)
  if (character === '(') {
    if (cursor.source.startsWith('?:', cursor.at)) cursor.at += 2
    else if (cursor.source[cursor.at] === '?') return null
    const inside = alternatives(cursor)
    if (inside === null || cursor.source[cursor.at++] !== ')') return null
    return () => inside
  }
  return '*+?{'.includes(character) ? null : () => character
}

/** How often: `?`, `*`, `+`, `{m}`, `{m,}`, `{m,n}`; once without one. */
function repeats(cursor: Cursor): number | null {
  const found = /^(?:([*+?])|\{(\d+)(,(\d*))?\})\??/.exec(cursor.source.slice(cursor.at, cursor.at + 24))
  if (found === null) return 1
  cursor.at += found[0].length
  if (found[1] === '?') return 0
  if (found[1] === '*') return cursor.more
  if (found[1] === '+') return 1 + cursor.more
  const least = Number(found[2])
  if (found[3] === undefined) return least
  const most = found[4] === '' ? Infinity : Number(found[4])
  return Math.min(least + cursor.more, most)
}

function escaped(character: string): Atom | null {
  if (character === 'd') return cycle('123456789')
  if (character === 'w') return cycle('abcdefgh')
  if (character === 's') return () => ' '
  if (character === 'A' || character === 'z') return () => ''
  return /[A-Za-z0-9]/.test(character) ? null : () => character
}

function classOf(cursor: Cursor): Atom | null {
  if (cursor.source[cursor.at] === '^') return null
  let members = ''
  while (cursor.source[cursor.at] !== ']' || members === '') {
    let from = cursor.source[cursor.at++]
    if (from === undefined || from === '[') return null
    if (from === '\\') {
      const made = escaped(cursor.source[cursor.at++] ?? '')
      if (made === null) return null
      from = made(0)
    }
    const to = cursor.source[cursor.at + 1]
    if (cursor.source[cursor.at] === '-' && to !== undefined && to !== ']') {
      if (to === '\\') return null
      cursor.at += 2
      for (let code = from.charCodeAt(0); code <= to.charCodeAt(0) && members.length < 8; code++)
        members += String.fromCharCode(code)
    } else {
      members += from
    }
  }
  cursor.at++
  return cycle(members)
}

function cycle(members: string): Atom {
  return (index) => members[index % members.length] ?? ''
}
