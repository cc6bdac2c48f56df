import type { TypeScope } from './expression.ts'
import { compilePath } from './template-path.ts'
import { fitsText, type Hole, type Piece, splitText, type TextProblem, textOf } from './template-text.ts'
import type { Json, JsonObject, Rendered, Scope, Template } from './types.ts'

/**
 * How the holes of a scalar are placed. `value`: `${x}` alone places the typed value, inside longer text only text.
 * `path`: percent-encoded into a path and query. `text`: text and whole numbers, one line (headers). `none`: no holes.
 */
export type Placement = 'value' | 'path' | 'text' | 'none'

/** `path` leads to a scalar of the tree; `offset` is inside that scalar's text. */
export interface TemplateProblem extends TextProblem {
  readonly path: readonly (string | number)[]
}
export type CompiledTemplate =
  | { readonly ok: true; readonly template: Template }
  | { readonly ok: false; readonly problems: readonly TemplateProblem[] }

/**
 * A tree with `${…}` in its scalars → a template that places values, typed, and never splices text into a structure.
 * Keys are never templates. `${input.note?}` leaves its member (list item, query pair) out when it is absent.
 * Rendering does not throw: what cannot be placed is an error.
 */
export function compileTemplate(
  tree: Json,
  scope: TypeScope,
  placement: (path: readonly (string | number)[]) => Placement,
): CompiledTemplate {
  const compiler: Compiler = { scope, placement, problems: [], reads: new Set() }
  const node = compileNode(tree, [], compiler)
  return finish(node, compiler)
}

/**
 * One line for people, such as `Refund ${cost} on ${input.charge}`: every hole becomes text. Control characters and
 * those that turn the direction of text are shown as escapes, so that an agent's words cannot rewrite the line.
 */
export function templateOfText(text: string, scope: TypeScope): CompiledTemplate {
  const compiler: Compiler = { scope, placement: () => 'text', problems: [], reads: new Set() }
  const node = compileScalar(text, [], { ...compiler, line: true })
  return finish(node, compiler)
}

type Place = readonly (string | number)[]
interface Compiler {
  readonly scope: TypeScope
  readonly placement: (path: Place) => Placement
  readonly problems: TemplateProblem[]
  readonly reads: Set<string>
  readonly line?: boolean
}
/** Renders one node; undefined leaves it out. Throws Unrenderable. */
type Node = (scope: Scope) => Json | undefined

class Unrenderable extends Error {}

function finish(node: Node, { problems, reads }: Compiler): CompiledTemplate {
  if (problems.length > 0) return { ok: false, problems }
  const render = (scope: Scope): Rendered => {
    try {
      const value = node(scope)
      return value === undefined ? { ok: false, error: 'nothing is left to send' } : { ok: true, value }
    } catch (error) {
      if (error instanceof Unrenderable) return { ok: false, error: error.message }
      return { ok: false, error: 'the template could not be rendered' }
    }
  }
  return { ok: true, template: { render, reads: [...reads] } }
}

function compileNode(tree: Json, path: Place, compiler: Compiler): Node {
  if (typeof tree === 'string') return compileScalar(tree, path, compiler)
  if (typeof tree !== 'object' || tree === null) return () => tree
  if (Array.isArray(tree)) {
    const nodes = (tree as readonly Json[]).map((item, index) => compileNode(item, [...path, index], compiler))
    return (scope) => nodes.map((node) => node(scope)).filter((item) => item !== undefined)
  }
  const members = Object.entries(tree as JsonObject).map(([key, inside]) => {
    if (key.includes('${')) {
      const message = 'a key is never a template'
      compiler.problems.push({ path: [...path, key], offset: 0, length: 1, message, hint: 'place values, not names' })
    }
    return [key, compileNode(inside, [...path, key], compiler)] as const
  })
  return (scope) => {
    const placed: [string, Json][] = []
    for (const [key, node] of members) {
      const value = node(scope)
      if (value !== undefined) placed.push([key, value])
    }
    return Object.fromEntries(placed)
  }
}

function compileScalar(text: string, path: Place, compiler: Compiler): Node {
  const placement = compiler.placement(path)
  const { pieces, problems } = splitText(text, compiler.scope)
  const refuse = (found: readonly TextProblem[]): Node => {
    compiler.problems.push(...found.map((problem) => ({ path, ...problem })))
    return () => undefined
  }
  const holes = pieces.filter((piece): piece is Hole => typeof piece !== 'string')
  if (placement === 'none') {
    const at = holes[0]?.offset ?? (problems.length > 0 ? text.indexOf('${') : -1)
    if (at >= 0) return refuse([{ offset: at, length: 2, message: 'no values are placed here' }])
    return () => pieces.join('')
  }
  if (problems.length > 0) return refuse(problems)
  for (const hole of holes) for (const read of hole.reads) compiler.reads.add(read)
  if (placement === 'path') {
    const compiled = compilePath(pieces, text)
    return compiled.ok ? (scope) => orThrow(compiled.path.render(scope)) : refuse(compiled.problems)
  }
  const [only] = pieces
  const alone = pieces.length === 1 && only !== undefined && typeof only !== 'string'
  const dropped = holes.find(({ optional }) => optional)
  if (dropped !== undefined && (path.length === 0 || compiler.line === true)) {
    const { offset, length } = dropped
    return refuse([{ offset, length, message: 'there is no member to leave out here', hint: 'write has(…) ? … : ""' }])
  }
  if (placement === 'value' && alone) return (scope) => valueOf(only, scope)
  const integers = placement === 'text'
  if (placement === 'text' && compiler.line !== true) {
    const broken = text.search(LINE_BREAK)
    if (broken >= 0) return refuse([{ offset: broken, length: 1, message: 'this text must be one line' }])
  }
  const unfit = holes.flatMap((hole) => fitsText(hole, integers) ?? [])
  if (unfit.length > 0) return refuse(unfit)
  return (scope) =>
    textIn(pieces, scope, integers, compiler.line === true ? visible : integers ? oneLine : (value) => value)
}

function valueOf(hole: Hole, scope: Scope): Json | undefined {
  const value = hole.value(scope)
  if (value.kind === 'error') throw new Unrenderable(value.error)
  return value.kind === 'absent' ? undefined : value.value
}

function textIn(
  pieces: readonly Piece[],
  scope: Scope,
  integers: boolean,
  written: (value: string) => string,
): string | undefined {
  let text = ''
  for (const piece of pieces) {
    if (typeof piece === 'string') {
      text += piece
      continue
    }
    const value = valueOf(piece, scope)
    if (value === undefined) return undefined
    const plain = textOf(value, integers)
    if (plain === null) throw new Unrenderable('a value inside longer text is not text')
    text += written(plain)
  }
  return text
}

// oxlint-disable-next-line no-control-regex -- these are what splits a header in two
const LINE_BREAK = /[\r\n\0]/

/** For headers: what would end the line, or the header, is refused. */
function oneLine(value: string): string {
  if (LINE_BREAK.test(value)) throw new Unrenderable('a value holds a line break or NUL')
  return value
}

function visible(value: string): string {
  // C0, C1, line and paragraph separators, bidirectional marks and isolates, lone surrogates
  return value.replaceAll(
    /[\p{Cc}\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\p{Cs}]/gu,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

function orThrow(rendered: Rendered): Json {
  if (!rendered.ok) throw new Unrenderable(rendered.error)
  return rendered.value
}
