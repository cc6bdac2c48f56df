import type { Expr, Expr_Comprehension } from '@bufbuild/cel-spec/cel/expr/syntax_pb.js'
import { pathOf } from './expression-guards.ts'
import type { Found, Lint, Place } from './expression-lint.ts'
import { itemOf, meets, present } from './expression-types.ts'

/**
 * `list.exists(item, condition)` and `list.all(item, condition)`: one level, over lists. `all` of an empty list is true,
 * so a list of facts that came back empty would pass: the author must say what that means.
 */
export function checkLoop(lint: Lint, expr: Expr, loop: Expr_Comprehension, at: Place): Found {
  const macro = lint.parsed.macroOf(expr) ?? 'this'
  const where = lint.nameAt(expr, macro)
  const refuse = (message: string, hint?: string): void => lint.problemAt(where.offset, where.length, message, hint)
  const { iterRange, iterVar, loopStep } = loop
  const body = loopStep?.exprKind.case === 'callExpr' ? loopStep.exprKind.value.args[1] : undefined
  if ((macro !== 'exists' && macro !== 'all') || iterRange === undefined || body === undefined) {
    refuse(`\`${macro}\` is not a function of conditions`, 'there are exists and all')
    return { type: 'any' }
  }
  const range = lint.infer(iterRange, at)
  if (at.looping) {
    refuse(`\`${macro}\` inside another exists or all`, 'lists within lists are not searched')
    return { type: 'bool' }
  }
  const item = itemOf(range.type)
  if (item === null) {
    refuse(`${lint.says(iterRange, range)} is not a list`)
    return { type: 'bool' }
  }
  if (Object.hasOwn(at.names, iterVar)) {
    refuse(`\`${iterVar}\` names something else already`, 'choose another name for the item')
  }
  const path = pathOf(iterRange)
  if (macro === 'all' && range.nullable === true && !(path !== null && at.beside.has(`nonempty:${path}`))) {
    const list = path ?? 'the list'
    refuse(`all() of an empty list is true`, `write size(${list}) > 0 && ${list}.all(…)`)
  }
  const items = new Map([[iterVar, { type: present(item), nullable: range.nullable === true }]])
  const judged = lint.infer(body, { ...at, items, looping: true })
  if (!meets(judged.type, 'bool')) lint.problem(body, `${lint.says(body, judged)} is neither true nor false`)
  return { type: 'bool' }
}
