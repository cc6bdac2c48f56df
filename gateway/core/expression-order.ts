import type { Expr } from '@bufbuild/cel-spec/cel/expr/syntax_pb.js'

/**
 * The same tree with `&&` and `||` turned into `?:`, in the bodies of exists and all too. CEL lets `false && error` and
 * `error && false` both be false; here the left is asked first and its error stands, so an expression that cannot be
 * judged denies. Both sides must yield true or false. An error in the body of a loop stays: `@result || next` asks
 * `@result` first, so no later item can cover it up.
 *
 * Nodes in `known` are wrapped so that a null is an error there: a fact that the backend left out must not pass
 * `facts.charge.status != "blocked"`.
 */
export function leftToRight(expr: Expr, known: ReadonlySet<Expr>): Expr {
  const ordered = rewrite(expr, known)
  return known.has(expr) ? call(expr, KNOWN, [ordered]) : ordered
}

/** The function that turns null into an error (expression-functions.ts). */
export const KNOWN = '@known'

function rewrite(expr: Expr, known: ReadonlySet<Expr>): Expr {
  const again = (inner: Expr): Expr => leftToRight(inner, known)
  const kind = expr.exprKind
  switch (kind.case) {
    case 'callExpr': {
      const { function: name, target } = kind.value
      const args = kind.value.args.map(again)
      const [left, right] = args
      if (left !== undefined && right !== undefined) {
        if (name === '_&&_') return call(expr, '_?_:_', [left, strictly(right), constant(expr, false)])
        if (name === '_||_') return call(expr, '_?_:_', [left, constant(expr, true), strictly(right)])
      }
      return {
        ...expr,
        exprKind: {
          case: 'callExpr',
          value: { ...kind.value, args, ...(target === undefined ? {} : { target: again(target) }) },
        },
      }
    }
    case 'selectExpr': {
      const { operand } = kind.value
      if (operand === undefined) return expr
      return { ...expr, exprKind: { case: 'selectExpr', value: { ...kind.value, operand: again(operand) } } }
    }
    case 'listExpr':
      return {
        ...expr,
        exprKind: { case: 'listExpr', value: { ...kind.value, elements: kind.value.elements.map(again) } },
      }
    case 'comprehensionExpr': {
      const { iterRange, accuInit, loopCondition, loopStep, result } = kind.value
      if (!iterRange || !accuInit || !loopCondition || !loopStep || !result) return expr
      return {
        ...expr,
        exprKind: {
          case: 'comprehensionExpr',
          value: {
            ...kind.value,
            iterRange: again(iterRange),
            accuInit: again(accuInit),
            loopCondition: again(loopCondition),
            loopStep: again(loopStep),
            result: again(result),
          },
        },
      }
    }
    default:
      return expr
  }
}

/** `x` → `x ? true : false`, which is an error for anything but true and false. */
function strictly(expr: Expr): Expr {
  return call(expr, '_?_:_', [expr, constant(expr, true), constant(expr, false)])
}

function call(at: Expr, name: string, args: Expr[]): Expr {
  return {
    $typeName: 'cel.expr.Expr',
    id: at.id,
    exprKind: { case: 'callExpr', value: { $typeName: 'cel.expr.Expr.Call', function: name, args } },
  }
}

function constant(at: Expr, value: boolean): Expr {
  return {
    $typeName: 'cel.expr.Expr',
    id: at.id,
    exprKind: {
      case: 'constExpr',
      value: { $typeName: 'cel.expr.Constant', constantKind: { case: 'boolValue', value } },
    },
  }
}
