import { parse } from '@bufbuild/cel'
import type { Expr } from '@bufbuild/cel-spec/cel/expr/syntax_pb.js'

/** `offset` and `length` in UTF-16 units of the expression's text. */
export interface SyntaxProblem {
  readonly offset: number
  readonly length: number
  readonly message: string
  readonly hint?: string
}

export interface Parsed {
  readonly text: string
  readonly root: Expr
  /** Where a node stands: a name, a literal, an operator, or the dot of a member. */
  offsetOf(expr: Expr): number
  /** The macro a comprehension (or has-test) was written as: `exists`, `all`, `has`, `map`… */
  macroOf(expr: Expr): string | null
}

/** Longer and deeper expressions than anyone reads are refused before the parser and the lint recurse over them. */
const LENGTH_MAX = 4000
const DEPTH_MAX = 50

/** CEL text → syntax tree, or the place at which it stops being CEL. */
export function parseExpression(
  text: string,
): { readonly ok: true; readonly parsed: Parsed } | { readonly ok: false; readonly problem: SyntaxProblem } {
  if (text.trim() === '') return refuse(0, text.length, 'the expression is empty')
  if (text.length > LENGTH_MAX) return refuse(LENGTH_MAX, 1, `an expression has at most ${LENGTH_MAX} characters`)
  const deep = depthExceeded(text)
  if (deep !== null) return refuse(deep, 1, `an expression nests at most ${DEPTH_MAX} deep`)
  try {
    const { expr, sourceInfo } = parse(text)
    if (expr === undefined) return refuse(0, text.length, 'this is not a CEL expression')
    const parsed: Parsed = {
      text,
      root: expr,
      offsetOf: ({ id }) => sourceInfo?.positions[id.toString()] ?? 0,
      macroOf: ({ id }) => {
        const call = sourceInfo?.macroCalls[id.toString()]
        return call?.exprKind.case === 'callExpr' ? call.exprKind.value.function : null
      },
    }
    return { ok: true, parsed }
  } catch (error) {
    return { ok: false, problem: whereItBroke(text, error) }
  }
}

/** Where a token that begins at `offset` ends; 1 where there is none. */
export function tokenLength(text: string, offset: number): number {
  TOKEN.lastIndex = offset
  return TOKEN.exec(text)?.[0].length ?? 1
}

const TOKEN =
  /[rR]?"""[^]*?"""|[rR]?'''[^]*?'''|[rR]?"(?:\\.|[^"\\])*"|[rR]?'(?:\\.|[^'\\])*'|[A-Za-z_]\w*|-?[0-9][\w.]*|&&|\|\||[=!<>]=|[^]/uy

/** Text inside quotes nests nothing. */
function depthExceeded(text: string): number | null {
  let depth = 0
  let unary = 0
  for (let at = 0; at < text.length; at += tokenLength(text, at)) {
    const char = text[at] ?? ''
    if ('([{'.includes(char)) depth += 1
    else if (')]}'.includes(char)) depth -= 1
    unary = '!-?'.includes(char) ? unary + 1 : unary
    if (depth > DEPTH_MAX || unary > DEPTH_MAX * 2) return at
  }
  return null
}

function whereItBroke(text: string, error: unknown): SyntaxProblem {
  const found: unknown = (error as { location?: { start?: { offset?: unknown } } } | null)?.location?.start?.offset
  const offset = typeof found === 'number' && found >= 0 ? Math.min(found, text.length) : 0
  if (offset >= text.length) return { offset, length: 1, message: 'the expression ends too early' }
  const length = tokenLength(text, offset)
  const token = text.slice(offset, offset + length)
  const hint = HINTS.get(token)
  const message = `this is not a CEL expression: \`${token}\` is not expected here`
  return { offset, length, message, ...(hint === undefined ? {} : { hint }) }
}

const HINTS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    and: 'write &&',
    or: 'write ||',
    not: 'write !',
    '=': 'to compare, write ==',
    '"': 'the quote is not closed',
    "'": 'the quote is not closed',
    '&': 'write && between two conditions',
    '&&': 'what follows && is not a condition',
    '|': 'write || between two conditions',
    '||': 'what follows || is not a condition',
  }),
)

function refuse(
  offset: number,
  length: number,
  message: string,
): { readonly ok: false; readonly problem: SyntaxProblem } {
  return { ok: false, problem: { offset, length, message } }
}
