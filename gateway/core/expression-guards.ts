import type { Expr } from '@bufbuild/cel-spec/cel/expr/syntax_pb.js'
import type { Parsed } from './expression-parse.ts'

/**
 * What is known when an expression has turned out true (or false): `has:input.note`, `nonempty:facts.refunds`. Null
 * means that it cannot turn out so, as `false` cannot be true.
 */
export function learn(expr: Expr, outcome: boolean, parsed: Parsed): ReadonlySet<string> | null {
  const kind = expr.exprKind
  if (kind.case === 'constExpr') {
    const { constantKind } = kind.value
    return constantKind.case === 'boolValue' && constantKind.value !== outcome ? null : NOTHING
  }
  if (kind.case === 'selectExpr' && kind.value.testOnly) {
    const path = pathOf(expr)
    return outcome && path !== null ? new Set([`has:${path}`]) : NOTHING
  }
  if (kind.case === 'comprehensionExpr') {
    const path = kind.value.iterRange === undefined ? null : pathOf(kind.value.iterRange)
    return outcome && path !== null && parsed.macroOf(expr) === 'exists' ? new Set([`nonempty:${path}`]) : NOTHING
  }
  if (kind.case !== 'callExpr') return NOTHING
  const { function: name, args } = kind.value
  const [first, second, third] = args
  if (first === undefined) return NOTHING
  if (name === '!_') return learn(first, !outcome, parsed)
  if (second === undefined) return NOTHING
  if (name === '_?_:_' && third !== undefined) {
    const then = both(learn(first, true, parsed), learn(second, outcome, parsed))
    return either(then, both(learn(first, false, parsed), learn(third, outcome, parsed)))
  }
  if (name === '_&&_' || name === '_||_') {
    // The side that decides: true for ||, false for &&.
    const deciding = name === '_||_'
    if (outcome !== deciding) return both(learn(first, outcome, parsed), learn(second, outcome, parsed))
    return either(learn(first, outcome, parsed), both(learn(first, !outcome, parsed), learn(second, outcome, parsed)))
  }
  return learnSize(name, first, second, outcome)
}

export const NOTHING: ReadonlySet<string> = new Set()

export function both(a: ReadonlySet<string> | null, b: ReadonlySet<string> | null): ReadonlySet<string> | null {
  return a === null || b === null ? null : a.union(b)
}

function either(a: ReadonlySet<string> | null, b: ReadonlySet<string> | null): ReadonlySet<string> | null {
  if (a === null || b === null) return a ?? b
  return a.intersection(b)
}

/** `size(x) > 0` in each of its spellings. */
function learnSize(name: string, left: Expr, right: Expr, outcome: boolean): ReadonlySet<string> {
  const path = sizedPath(left)
  if (path === null) return sizedPath(right) === null ? NOTHING : learnSize(MIRRORED[name] ?? '', right, left, outcome)
  const number = right.exprKind.case === 'constExpr' ? right.exprKind.value.constantKind : undefined
  if (number?.case !== 'int64Value') return NOTHING
  const operator = outcome ? name : (NEGATED[name] ?? '')
  const enough =
    (operator === '_>_' && number.value >= 0n) ||
    (operator === '_>=_' && number.value >= 1n) ||
    (operator === '_==_' && number.value >= 1n) ||
    (operator === '_!=_' && number.value === 0n)
  return enough ? new Set([`nonempty:${path}`]) : NOTHING
}

const MIRRORED: { readonly [operator: string]: string | undefined } = {
  '_<_': '_>_',
  '_<=_': '_>=_',
  '_>_': '_<_',
  '_>=_': '_<=_',
  '_==_': '_==_',
  '_!=_': '_!=_',
}
const NEGATED: { readonly [operator: string]: string | undefined } = {
  '_<_': '_>=_',
  '_<=_': '_>_',
  '_>_': '_<=_',
  '_>=_': '_<_',
  '_==_': '_!=_',
  '_!=_': '_==_',
}

function sizedPath(expr: Expr): string | null {
  if (expr.exprKind.case !== 'callExpr' || expr.exprKind.value.function !== 'size') return null
  const { target, args } = expr.exprKind.value
  const sized = target ?? args[0]
  return sized === undefined ? null : pathOf(sized)
}

/** `input.items[0].note` for a fixed place; null for what is computed. */
export function pathOf(expr: Expr): string | null {
  const kind = expr.exprKind
  if (kind.case === 'identExpr') return kind.value.name
  if (kind.case === 'selectExpr' && kind.value.operand !== undefined) {
    const operand = pathOf(kind.value.operand)
    return operand === null ? null : `${operand}.${kind.value.field}`
  }
  if (kind.case === 'callExpr' && kind.value.function === '_[_]') {
    const [operand, index] = kind.value.args
    const path = operand === undefined ? null : pathOf(operand)
    const constant = index?.exprKind.case === 'constExpr' ? index.exprKind.value.constantKind : undefined
    if (path === null || constant === undefined) return null
    if (constant.case === 'stringValue') return `${path}.${constant.value}`
    return constant.case === 'int64Value' ? `${path}[${constant.value}]` : null
  }
  return null
}
