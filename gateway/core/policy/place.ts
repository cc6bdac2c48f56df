import { isMap, isScalar, isSeq } from 'yaml'
import type { LineCounter, Node, Range, YAMLMap } from 'yaml'
import type { Json, JsonObject } from '../types.ts'

export type Path = readonly (string | number)[]

/** One YAML document of a policy file: its plain value, and where each part of it stands. */
export interface Document {
  readonly file: string
  readonly text: string
  readonly value: JsonObject
  readonly map: YAMLMap
  readonly lines: LineCounter
  /** Paths whose value does not have the shape of the language; what lies there must not be read. */
  readonly broken: Path[]
  /** It has a finding already as YAML: its names are known, and nothing else of it is read. */
  readonly unreadable: boolean
  /** Texts that stand where a secret ref belongs: an excerpt never shows them. */
  readonly hidden: readonly string[]
}

/** A part of a document. */
export interface Piece {
  readonly document: Document
  readonly path: Path
}

/** What a finding points at: the value (default), its key, part of the text, or a place of the file. */
export type Where = 'value' | 'key' | { readonly offset: number; readonly length: number } | { readonly at: number }

export function at(piece: Piece, ...path: Path): Piece {
  return { document: piece.document, path: [...piece.path, ...path] }
}

/** The plain value there, or undefined. */
export function valueAt(piece: Piece): Json | undefined {
  let value: Json | undefined = piece.document.value
  for (const member of piece.path) {
    if (typeof value !== 'object' || value === null) return undefined
    if (!Object.hasOwn(value, member)) return undefined
    value = (value as { readonly [member: string]: Json })[String(member)]
  }
  return value
}

/** Nothing at or below this piece has the wrong shape (an unknown key does not count: it is ignored). */
export function sound(piece: Piece): boolean {
  if (piece.document.unreadable) return false
  return !piece.document.broken.some((broken) => piece.path.every((member, i) => String(broken[i]) === String(member)))
}

/** @returns 1-based line and column, and the excerpt: the source line and a caret line under it. */
export function placeOf(
  piece: Piece,
  where: Where = 'value',
): { file: string; line: number; column: number; excerpt: string } {
  const { file, text, lines } = piece.document
  const { from, to } = rangeOf(piece, where)
  const { line, col } = lines.linePos(from)
  return {
    file,
    line: Math.max(line, 1),
    column: Math.max(col, 1),
    excerpt: excerptOf(hide(text, piece.document.hidden), from, to),
  }
}

function rangeOf(piece: Piece, where: Where): { from: number; to: number } {
  if (typeof where === 'object' && 'at' in where) return { from: where.at, to: where.at + 1 }
  const { key, node } = find(piece)
  const chosen = where === 'key' ? (key ?? node) : empty(node) ? (key ?? node) : node
  const range = chosen?.range ?? piece.document.map.range ?? ([0, 1, 1] satisfies Range)
  if (typeof where === 'object' && isScalar(chosen) && chosen === node && typeof chosen.value === 'string') {
    return aligned(piece.document.text, range, chosen.value, where.offset, where.length)
  }
  if (isMap(chosen) || isSeq(chosen)) return { from: range[0], to: range[0] + 1 }
  return { from: range[0], to: range[1] }
}

function empty(node: Node | null): boolean {
  return node === null || (isScalar(node) && node.value === null && node.range?.[0] === node.range?.[1])
}

/** The node at a path, or the closest one above it that exists. */
function find(piece: Piece): { key: Node | null; node: Node | null } {
  let key: Node | null = null
  let node: Node | null = piece.document.map
  for (const member of piece.path) {
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(member))
      if (pair === undefined) return { key, node: isRoot(piece, node) ? firstKey(node) : node }
      key = pair.key as Node
      node = pair.value as Node | null
    } else if (isSeq(node)) {
      const item = node.items[Number(member)] as Node | undefined
      if (item === undefined) return { key, node }
      key = null
      node = item
    } else {
      return { key, node }
    }
  }
  return { key, node: node === piece.document.map ? firstKey(piece.document.map) : node }
}

function isRoot(piece: Piece, node: Node): boolean {
  return node === piece.document.map
}

function firstKey(map: YAMLMap): Node {
  return (map.items[0]?.key as Node | undefined) ?? map
}

/**
 * Where characters of a scalar's value stand in the source: quotes, escapes and folded lines are skipped by walking
 * both together. Only for pointing; when the walk gets lost the whole scalar is pointed at.
 */
function aligned(
  text: string,
  range: Range,
  value: string,
  offset: number,
  length: number,
): { from: number; to: number } {
  const stop = Math.min(offset + Math.max(length, 1), value.length)
  let from = -1
  let source = range[0]
  // A block scalar begins with its header line: `|` or `>-`.
  if (text[source] === '|' || text[source] === '>') source = text.indexOf('\n', source) + 1
  for (let i = 0; i < stop; i++) {
    const wanted = value.charCodeAt(i)
    while (source < range[1] && !same(text.charCodeAt(source), wanted)) source++
    if (source >= range[1]) return { from: range[0], to: range[1] }
    if (i === Math.min(offset, value.length - 1)) from = source
    source++
  }
  return from < 0 ? { from: range[0], to: range[1] } : { from, to: source }
}

function same(found: number, wanted: number): boolean {
  return found === wanted || (blank(found) && blank(wanted))
}

function blank(code: number): boolean {
  return code === 32 || code === 10 || code === 13
}

function hide(text: string, hidden: readonly string[]): string {
  return hidden.reduce((shown, secret) => shown.replaceAll(secret, '•'.repeat(secret.length)), text)
}

const WIDTH = 140

function excerptOf(text: string, from: number, to: number): string {
  const begin = text.lastIndexOf('\n', from - 1) + 1
  const end = text.indexOf('\n', begin)
  const line = text.slice(begin, end < 0 ? text.length : end).replace(/\r$/, '')
  const column = Math.min(from - begin, line.length)
  // A very long line is shown around the place.
  const skip = column > WIDTH - 40 ? column - 60 : 0
  const shown = line.slice(skip, skip + WIDTH).replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, ' ')
  const carets = Math.max(1, Math.min(to - from, line.length - column, skip + WIDTH - column))
  return `${shown}\n${' '.repeat(column - skip)}${'^'.repeat(carets)}`
}
