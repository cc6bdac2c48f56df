import { isSafeNumber, parse } from 'lossless-json'
import type { Json } from './types.ts'
import { visible } from './visible.ts'

/** A number whose value is an integer but which is not written as one: `1e3`, `1.0`, `-0`. `path` is dotted. */
export interface NotDigits {
  readonly path: string
  readonly text: string
}

export type StrictJson =
  | { readonly ok: true; readonly value: Json; readonly notDigits: readonly NotDigits[] }
  /** `reason` completes "The JSON …" and repeats no text of the document but the name of a member that stands twice. */
  | { readonly ok: false; readonly reason: string }

/** Bounds held before anything recurses or allocates by the document's wish. */
export interface JsonBounds {
  readonly depth: number
  /** Members, list items and containers together. */
  readonly items: number
}

/**
 * Reads JSON (RFC 8259) so that two readers can only read one thing: UTF-8 without a byte-order mark, no member twice
 * (not even with an equal value), no lone surrogate, no number that changes when it becomes a double, none beyond
 * ±(2^53−1). Integers in another notation than digits are read, and named in `notDigits`: what is to be money is
 * written as money.
 *
 * @param bytes the whole document; its size is the caller's to bound.
 */
export function readJson(bytes: Uint8Array, bounds: JsonBounds): StrictJson {
  const text = decode(bytes)
  if (text === null) return refuse('is not UTF-8, or begins with a byte-order mark')
  const scan = measure(text, bounds)
  if (scan === 'deep') return refuse(`is nested deeper than ${bounds.depth} levels`)
  if (scan === 'many') return refuse(`has more than ${bounds.items} members and items`)
  let tree: unknown
  try {
    tree = parse(text, null, { parseNumber, onDuplicateKey })
  } catch (error) {
    if (error instanceof Refusal) return refuse(error.message)
    const position = /position (\d+)/.exec(error instanceof Error ? error.message : '')?.[1]
    return refuse(position === undefined ? 'cannot be parsed' : `cannot be parsed beyond character ${position}`)
  }
  const seen: Seen = { members: 0, notDigits: [], wellFormed: true }
  const value = settle(tree, '', seen)
  if (!seen.wellFormed) return refuse('has half of a surrogate pair in a string, which UTF-8 cannot carry')
  // The parser drops an equal duplicate without asking; the count of colons knows of it.
  if (seen.members !== scan.members) return refuse('names a member twice')
  return { ok: true, value, notDigits: seen.notDigits }
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function decode(bytes: Uint8Array): string | null {
  try {
    const text = decoder.decode(bytes)
    return text.startsWith('\uFEFF') ? null : text
  } catch {
    return null
  }
}

/** Counts without recursion, before the recursive parser sees the text. Strings are skipped, escapes included. */
function measure(text: string, bounds: JsonBounds): { members: number } | 'deep' | 'many' {
  let depth = 0
  let items = 0
  let members = 0
  for (let at = 0; at < text.length; at++) {
    const char = text[at]
    if (char === '"') {
      for (at++; at < text.length && text[at] !== '"'; at++) if (text[at] === '\\') at++
    } else if (char === '{' || char === '[') {
      if (++depth > bounds.depth) return 'deep'
      items++
    } else if (char === '}' || char === ']') depth--
    else if (char === ',') items++
    else if (char === ':') members++
    if (items > bounds.items) return 'many'
  }
  return { members }
}

class Refusal extends Error {}

class OddInteger {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

function parseNumber(text: string): number | OddInteger {
  const value = Number(text)
  const changes = !Number.isFinite(value) || !isSafeNumber(text) || Math.abs(value) > Number.MAX_SAFE_INTEGER
  if (changes) throw new Refusal('has a number that changes when it is read')
  const digits = /^-?(?:0|[1-9][0-9]*)$/.test(text) && text !== '-0'
  return digits || !Number.isInteger(value) ? value : new OddInteger(text)
}

function onDuplicateKey({ key }: { key: string }): never {
  throw new Refusal(`names the member "${printable(key)}" twice`)
}

interface Seen {
  members: number
  readonly notDigits: NotDigits[]
  wellFormed: boolean
}

/** Puts plain numbers where OddIntegers stand, and notes what it passes. */
function settle(node: unknown, path: string, seen: Seen): Json {
  if (typeof node === 'string' && !node.isWellFormed()) seen.wellFormed = false
  if (node instanceof OddInteger) {
    seen.notDigits.push({ path, text: node.text.slice(0, 40) })
    return Number(node.text)
  }
  if (Array.isArray(node)) return node.map((item, index) => settle(item, `${path}[${index}]`, seen))
  if (typeof node !== 'object' || node === null) return node as Json
  const object: { [member: string]: Json } = {}
  for (const [name, child] of Object.entries(node)) {
    seen.members++
    if (!name.isWellFormed()) seen.wellFormed = false
    const spelt = visible(name.slice(0, 64))
    const below = settle(child, path === '' ? spelt : `${path}.${spelt}`, seen)
    // Not an assignment: a member named __proto__ stays a member.
    Object.defineProperty(object, name, { value: below, writable: true, enumerable: true, configurable: true })
  }
  return object
}

/** Names come from outside and end in error texts: no control or direction characters, no novels. */
function printable(name: string): string {
  return name
    .toWellFormed()
    .replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, '\uFFFD')
    .slice(0, 100)
}

function refuse(reason: string): StrictJson {
  return { ok: false, reason }
}
