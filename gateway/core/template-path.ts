import { fitsText, type Hole, type Piece, type TextProblem, textOf } from './template-text.ts'
import type { Rendered, Scope } from './types.ts'

/**
 * A path with a query, such as `/v1/charges/${input.charge}?limit=100&charge=${input.charge}`. A value is percent-encoded
 * as a part of one segment or of one query pair, and the rendered path must still have the template's segments, none of
 * them `.`, `..` or empty in any encoding: a backend may decode more often than it should (RFC 3986, sections 3.3, 5.2.4).
 */
export interface PathTemplate {
  render(scope: Scope): Rendered
}

export function compilePath(
  pieces: readonly Piece[],
  text: string,
):
  | { readonly ok: true; readonly path: PathTemplate }
  | { readonly ok: false; readonly problems: readonly TextProblem[] } {
  const { path, query } = splitQuery(pieces)
  const segments = split(path, '/')
  const pairs = query === null ? null : split(query, '&')
  const problems = [...checkLiterals(pieces, text), ...checkSegments(segments, text), ...checkHoles(pieces, path)]
  if (problems.length > 0) return { ok: false, problems }
  return { ok: true, path: { render: (scope) => render(segments.slice(1), pairs, scope) } }
}

type Part = readonly Piece[]

function render(segments: readonly Part[], pairs: readonly Part[] | null, scope: Scope): Rendered {
  const path: string[] = []
  for (const segment of segments) {
    const part = fill(segment, scope)
    if (part.kind === 'error') return { ok: false, error: part.error }
    if (part.kind === 'absent') return { ok: false, error: 'a segment of the path is absent' }
    if (segments.length > 1 || segment.length > 0) {
      const wrong = wrongSegment(part.text)
      if (wrong !== null) return { ok: false, error: wrong }
    }
    path.push(part.text)
  }
  const sent: string[] = []
  for (const pair of pairs ?? []) {
    const part = fill(pair, scope)
    if (part.kind === 'error') return { ok: false, error: part.error }
    if (part.kind === 'text') sent.push(part.text)
  }
  const rendered = `/${path.join('/')}`
  // Nothing above can add a segment; this is the check that would notice if something did.
  if (rendered.split('/').length !== segments.length + 1 || /[?#\\]/.test(rendered)) {
    return { ok: false, error: 'the path does not have the segments of its template' }
  }
  return { ok: true, value: sent.length === 0 ? rendered : `${rendered}?${sent.join('&')}` }
}

function fill(
  part: Part,
  scope: Scope,
): { kind: 'text'; text: string } | { kind: 'absent' } | { kind: 'error'; error: string } {
  let text = ''
  for (const piece of part) {
    if (typeof piece === 'string') {
      text += piece
      continue
    }
    const value = piece.value(scope)
    if (value.kind !== 'value') return value
    const plain = textOf(value.value, true)
    if (plain === null) return { kind: 'error', error: 'a value in the path is neither text nor a whole number' }
    // oxlint-disable-next-line no-control-regex -- these are what splits a request in two
    if (/[\r\n\0]/.test(plain)) return { kind: 'error', error: 'a value in the path holds a line break or NUL' }
    if (!plain.isWellFormed()) return { kind: 'error', error: 'a value in the path is not Unicode text' }
    text += encodeURIComponent(plain)
  }
  return { kind: 'text', text }
}

/** Decoded until nothing changes, and cut where any server might cut: no part may climb or vanish. */
function wrongSegment(segment: string): string | null {
  if (segment === '') return 'a segment of the path is empty'
  let decoded = segment
  for (let round = 0; round < 4; round += 1) {
    const next = decoded.replaceAll(/%[0-9a-f]{2}/gi, (byte) => String.fromCharCode(Number.parseInt(byte.slice(1), 16)))
    if (next === decoded) break
    decoded = next
  }
  for (const part of decoded.split(/[/\\]/)) {
    const name = part.replace(/;.*$/s, '').trim()
    if (name === '.' || name === '..') return 'a segment of the path is `.` or `..`'
  }
  return null
}

function splitQuery(pieces: readonly Piece[]): { path: Piece[]; query: Piece[] | null } {
  const path: Piece[] = []
  let query: Piece[] | null = null
  for (const piece of pieces) {
    if (query !== null) query.push(piece)
    else if (typeof piece === 'string' && piece.includes('?')) {
      const at = piece.indexOf('?')
      if (at > 0) path.push(piece.slice(0, at))
      query = at + 1 < piece.length ? [piece.slice(at + 1)] : []
    } else path.push(piece)
  }
  return { path, query }
}

function split(pieces: readonly Piece[], separator: string): Part[] {
  const parts: Piece[][] = [[]]
  for (const piece of pieces) {
    if (typeof piece !== 'string') {
      parts.at(-1)?.push(piece)
      continue
    }
    piece.split(separator).forEach((literal, index) => {
      if (index > 0) parts.push([])
      if (literal !== '') parts.at(-1)?.push(literal)
    })
  }
  return parts
}

/** What the policy wrote itself must be a plain path already: nothing of it is encoded again. */
function checkLiterals(pieces: readonly Piece[], text: string): TextProblem[] {
  let bad: RegExpExecArray | null = null
  for (const piece of pieces) {
    if (typeof piece === 'string') bad ??= /[^\x21-\x7e]|["#<>\\^`{|}]|%(?![0-9A-Fa-f]{2})/.exec(piece)
  }
  if (bad === null) return []
  const offset = Math.max(0, text.indexOf(bad[0]))
  const shown = JSON.stringify(bad[0])
  return [
    {
      offset,
      length: 1,
      message: `${shown} does not stand in a path as it is`,
      hint: 'percent-encode it; values in ${…} are encoded by themselves',
    },
  ]
}

function checkSegments(segments: readonly Part[], text: string): TextProblem[] {
  if (segments[0]?.length !== 0) {
    return [{ offset: 0, length: 1, message: 'a path begins with /', hint: 'the host is named in backends.yaml' }]
  }
  const rest = segments.slice(1)
  if (rest.length === 1 && rest[0]?.length === 0) return []
  for (const segment of rest) {
    const fixed = segment.every((piece) => typeof piece === 'string')
    const wrong = fixed ? wrongSegment(segment.join('')) : null
    if (wrong !== null) return [{ offset: 0, length: text.length, message: wrong }]
  }
  return []
}

function checkHoles(pieces: readonly Piece[], path: readonly Piece[]): TextProblem[] {
  const holes = pieces.filter((piece): piece is Hole => typeof piece !== 'string')
  return holes.flatMap((hole) => {
    if (hole.optional && path.includes(hole)) {
      return [
        {
          offset: hole.offset,
          length: hole.length,
          message: 'a segment of the path cannot be absent',
          hint: 'only a pair of the query can',
        },
      ]
    }
    return fitsText(hole, true) ?? []
  })
}
