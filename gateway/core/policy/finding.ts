import { nearest } from '../spelling.ts'
import { visible as shown } from '../visible.ts'
import type { Finding } from '../types.ts'
import { placeOf } from './place.ts'
import type { Piece, Where } from './place.ts'

/** Collects what is wrong with a policy. Nothing throws: all findings come at once. */
export interface Report {
  readonly list: readonly Finding[]
  error(piece: Piece, message: string, hint?: string, where?: Where): void
  warning(piece: Piece, message: string, hint?: string, where?: Where): void
}

/** Findings beyond this many are dropped: a broken file of 256 KB must not become a gigabyte of excerpts. */
const MOST = 500

export function report(): Report {
  const list: Finding[] = []
  const seen = new Set<string>()
  const add = (severity: Finding['severity'], piece: Piece, message: string, hint?: string, where?: Where): void => {
    if (list.length >= MOST) return
    const { file, line, column, excerpt } = placeOf(piece, where)
    const key = JSON.stringify([file, line, column, message])
    if (seen.has(key)) return
    seen.add(key)
    list.push({ file, line, column, excerpt, message, ...(hint === undefined ? {} : { hint }), severity })
  }
  return {
    list,
    error: (...finding) => add('error', ...finding),
    warning: (...finding) => add('warning', ...finding),
  }
}

/** By file, line and column: the same order whatever order the files came in. */
export function sorted(findings: readonly Finding[]): Finding[] {
  return [...findings].sort(
    (a, b) => order(a.file, b.file) || a.line - b.line || a.column - b.column || order(a.message, b.message),
  )
}

/**
 * For a terminal or a log: `file:line:column: error: message`, the source line with a caret under it, the hint.
 * Free of control characters whatever the policy holds.
 */
export function formatFinding(finding: Finding): string {
  const { file, line, column, severity, message, excerpt, hint } = finding
  const lines = [
    `${file}:${line}:${column}: ${severity}: ${message}`,
    ...excerpt.split('\n').map((text) => `    ${text}`),
  ]
  if (hint !== undefined) lines.push(`    hint: ${hint}`)
  return lines.map(visible).join('\n')
}

/** A hint that names the closest of the known names, or lists them when none is close. */
export function didYouMean(name: string, known: Iterable<string>, otherwise?: string): string | undefined {
  const names = [...known].filter((candidate) => candidate !== name)
  const close = name.length > 64 ? null : nearest(name, names)
  if (close !== null) return `did you mean \`${close}\`?`
  if (otherwise !== undefined) return otherwise
  return names.length === 0 || names.length > 12
    ? undefined
    : `there ${names.length === 1 ? 'is' : 'are'}: ${names.join(', ')}`
}

/** Control, bidi and zero-width characters become visible: a policy's text must not paint a terminal. */
export function visible(text: string): string {
  return shown(text.replaceAll('\t', ' '))
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
