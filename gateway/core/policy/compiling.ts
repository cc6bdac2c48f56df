import { compileExpression } from '../expression.ts'
import type { TypeScope } from '../expression.ts'
import type { AdapterSchemas } from '../language.ts'
import { compileTemplate, templateOfText } from '../template.ts'
import type { CompiledTemplate, Placement } from '../template.ts'
import { isTimezone } from '../timezone.ts'
import type { Expression, Json, Template } from '../types.ts'
import { parseDuration } from '../window.ts'
import { didYouMean } from './finding.ts'
import type { Report } from './finding.ts'
import { at, sound, valueAt } from './place.ts'
import type { Path, Piece } from './place.ts'

/** What the parts of a policy are compiled with. */
export interface Compiling {
  readonly report: Report
  readonly adapters: AdapterSchemas
  /** The shapes of other APIs that there are doors for; those of this program unless said. */
  readonly shapes?: readonly string[]
  /** Key files and prompts by their path below the policy directory. */
  readonly files: ReadonlyMap<string, string>
  /** Whatever has a name, sound or not: a reference to something broken is not one more finding. */
  readonly names: { readonly [kind in Named]: ReadonlyMap<string, Piece> }
}
export type Named = 'channels' | 'backends' | 'issuers' | 'groups' | 'budgets' | 'switches' | 'actions' | 'roles'

const NOUN: { readonly [kind in Named]: string } = {
  channels: 'channel',
  backends: 'backend',
  issuers: 'issuer',
  groups: 'group',
  budgets: 'shared budget',
  switches: 'switch',
  actions: 'action',
  roles: 'role',
}

/** Something that is spoken of must exist. */
export function known({ names, report }: Compiling, kind: Named, name: string, piece: Piece, where?: 'key'): boolean {
  if (names[kind].has(name)) return true
  report.error(piece, `there is no ${NOUN[kind]} \`${name}\``, didYouMean(name, names[kind].keys()), where)
  return false
}

/** The text there if it has its shape; null otherwise (and then that is a finding already). */
export function textAt(piece: Piece): string | null {
  const value = sound(piece) ? valueAt(piece) : undefined
  return typeof value === 'string' ? value : null
}

/** Members of a map there, as pieces by key; none where it has another shape. */
export function entriesAt(piece: Piece): [string, Piece][] {
  const value = valueAt(piece)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return []
  return Object.keys(value).map((key) => [key, at(piece, key)])
}

/** Items of a list there. */
export function itemsAt(piece: Piece): Piece[] {
  const value = valueAt(piece)
  return Array.isArray(value) ? value.map((_item, index) => at(piece, index)) : []
}

/** null: absent, or a finding. */
export function expressionAt(
  { report }: Compiling,
  piece: Piece,
  scope: TypeScope,
  expects: 'bool' | 'int' | 'string' | 'any',
): Expression | null {
  const text = textAt(piece)
  return text === null ? null : expressionOf(report, text, piece, 0, scope, expects)
}

/** An expression that is part of a longer text, beginning at `offset`. */
export function expressionOf(
  report: Report,
  text: string,
  piece: Piece,
  offset: number,
  scope: TypeScope,
  expects: 'bool' | 'int' | 'string' | 'any',
): Expression | null {
  const compiled = compileExpression(text, scope, expects)
  if (compiled.ok) return compiled.expression
  for (const problem of compiled.problems) {
    report.error(piece, problem.message, problem.hint, { offset: offset + problem.offset, length: problem.length })
  }
  return null
}

export function templateAt(
  { report }: Compiling,
  piece: Piece,
  tree: Json,
  scope: TypeScope,
  placement: (path: Path) => Placement,
): Template | null {
  return placed(report, piece, compileTemplate(tree, scope, placement))
}

export function textTemplateAt({ report }: Compiling, piece: Piece, scope: TypeScope): Template | null {
  const text = textAt(piece)
  return text === null ? null : placed(report, piece, templateOfText(text, scope))
}

function placed(report: Report, piece: Piece, compiled: CompiledTemplate): Template | null {
  if (compiled.ok) return compiled.template
  for (const { path, offset, length, message, hint } of compiled.problems) {
    report.error(at(piece, ...path), message, hint, { offset, length })
  }
  return null
}

/** Milliseconds; the default (which is right) where it is absent or wrong. */
export function durationAt({ report }: Compiling, piece: Piece, otherwise: string): number {
  const text = textAt(piece) ?? otherwise
  const length = parseDuration(text)
  if (length === null || length === 0)
    report.error(piece, `"${text}" is no duration`, 'write a number and ms, s, m, h or d: 30s, 4h, 7d')
  return length ?? parseDuration(otherwise) ?? 0
}

export function timezoneAt({ report }: Compiling, piece: Piece, otherwise: string): string {
  const zone = textAt(piece)
  if (zone === null) return otherwise
  // An offset like +05:00 is known to Intl, and forgets summer time.
  if (isTimezone(zone) && (zone === 'UTC' || /^[A-Z][A-Za-z_]+\/[A-Za-z0-9_+/-]+$/.test(zone))) return zone
  report.error(
    piece,
    `"${zone}" is not a time zone`,
    didYouMean(zone, [...Intl.supportedValuesOf('timeZone'), 'UTC'], 'write an IANA name: America/New_York, UTC'),
  )
  return otherwise
}

export function textsAt(piece: Piece): string[] {
  return itemsAt(piece)
    .map(textAt)
    .filter((text) => text !== null)
}
export function flagAt(piece: Piece, otherwise = false): boolean {
  const value = sound(piece) ? valueAt(piece) : undefined
  return typeof value === 'boolean' ? value : otherwise
}
export function numberAt(piece: Piece, otherwise: number): number {
  const value = sound(piece) ? valueAt(piece) : undefined
  return typeof value === 'number' ? value : otherwise
}
export function has(piece: Piece): boolean {
  return valueAt(piece) !== undefined
}
