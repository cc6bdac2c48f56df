import type { Expr } from '@bufbuild/cel-spec/cel/expr/syntax_pb.js'
import type { Found, Lint } from './expression-lint.ts'
import {
  inWords,
  isNumber,
  isText,
  itemOf,
  join,
  meets,
  membersOf,
  memberOf,
  present,
  valuesOf,
} from './expression-types.ts'
import { nearest } from './spelling.ts'

/** Operators, by the names CEL's parser gives them: what they take and yield. */
export function checkOperator(
  lint: Lint,
  expr: Expr,
  name: string,
  found: readonly Found[],
  args: readonly Expr[],
): Found {
  const [left = NONE, right = NONE, third = NONE] = found
  switch (name) {
    case '_&&_':
    case '_||_':
    case '!_':
      found.forEach((side, index) => wantBool(lint, args[index] ?? expr, side))
      return BOOL
    case '_?_:_':
      wantBool(lint, args[0] ?? expr, left)
      if (!meets(right.type, third.type) && right.type !== 'null' && third.type !== 'null') {
        lint.problem(expr, `one side is ${inWords(right.type)}, the other ${inWords(third.type)}`)
      }
      return { type: join(right.type, third.type), nullable: right.nullable === true || third.nullable === true }
    case '_==_':
    case '_!=_':
      checkEquality(lint, expr, left, right, args)
      return BOOL
    case '@in':
      return checkIn(lint, expr, left, right, args)
    case '_<_':
    case '_<=_':
    case '_>_':
    case '_>=_':
      checkOrder(lint, expr, name, left, right)
      return BOOL
    case '-_':
      if (!meets(left.type, 'int') && !meets(left.type, 'double'))
        lint.problem(expr, `\`-\` wants a number, and this is ${inWords(left.type)}`)
      return { type: left.type }
    case '_+_':
    case '_-_':
    case '_*_':
    case '_/_':
    case '_%_':
      return checkArithmetic(lint, expr, name, left, right)
    default:
      return lint.problem(expr, 'this operator is not used in policies')
  }
}

const NONE: Found = { type: 'any' }
const BOOL: Found = { type: 'bool' }

function wantBool(lint: Lint, expr: Expr, found: Found): void {
  if (!meets(found.type, 'bool')) lint.problem(expr, `${lint.says(expr, found)} is neither true nor false`)
}

function checkEquality(lint: Lint, expr: Expr, left: Found, right: Found, args: readonly Expr[]): void {
  if (left.type === 'null' || right.type === 'null') {
    const other = left.type === 'null' ? right : left
    // facts keep what is missing as null; input never holds null, and neither does what is computed
    const outside = other.read !== undefined && !other.read.startsWith('input')
    if (!(other.nullable === true || outside || other.type === 'any' || other.type === 'null')) {
      lint.problem(expr, 'this is never null', 'for a member that may be absent ask has(…)')
    }
    return
  }
  if (checkEnum(lint, args[1] ?? expr, left, right) || checkEnum(lint, args[0] ?? expr, right, left)) return
  if (!meets(left.type, right.type)) {
    lint.problem(expr, `${inWords(left.type)} never equals ${inWords(right.type)}`, numberHint(left, right))
    return
  }
  mustBeKnown(lint, args[0], left)
  mustBeKnown(lint, args[1], right)
}

/** @returns true when it had something to say. */
function checkEnum(lint: Lint, at: Expr, of: Found, literal: Found): boolean {
  const values = valuesOf(of.type)
  if (values.length === 0 || typeof literal.literal !== 'string' || values.includes(literal.literal)) return false
  const near = nearest(literal.literal, values)
  lint.problem(
    at,
    `"${literal.literal}" is not one of ${values.join(', ')}`,
    near === null ? undefined : `did you mean "${near}"?`,
  )
  return true
}

/** A fact that the backend left out is null, and null != "blocked" would be true: comparing it is an error instead. */
function mustBeKnown(lint: Lint, expr: Expr | undefined, found: Found): void {
  if (expr !== undefined && found.nullable === true) lint.known.add(expr)
}

function checkIn(lint: Lint, expr: Expr, left: Found, right: Found, args: readonly Expr[]): Found {
  const list = args[1]
  const item = itemOf(right.type)
  if (item === null) {
    if (membersOf(right.type) === null)
      return lint.problem(expr, `\`in\` wants a list, and this is ${inWords(right.type)}`)
    if (!meets(left.type, 'string')) return lint.problem(expr, 'the members of an object are named by text')
    if (typeof left.literal === 'string' && memberOf(right.type, left.literal) === null) {
      return lint.problem(args[0] ?? expr, `the object has no member \`${left.literal}\``)
    }
    return BOOL
  }
  mustBeKnown(lint, args[0], left)
  const before = lint.problems.length
  if (list?.exprKind.case === 'listExpr') {
    for (const element of list.exprKind.value.elements) {
      const constant = element.exprKind.case === 'constExpr' ? element.exprKind.value.constantKind : undefined
      if (constant?.case === 'stringValue') {
        const literal: Found = { type: 'string', literal: constant.value }
        if (checkEnum(lint, element, left, literal)) continue
        if (!meets(left.type, 'string')) lint.problem(element, `${inWords(left.type)} never equals text`)
      }
    }
  }
  if (typeof left.literal === 'string' && checkEnum(lint, args[0] ?? expr, { type: item }, left)) return BOOL
  if (lint.problems.length === before && !meets(left.type, item) && !(isText(left.type) && isText(item))) {
    lint.problem(expr, `${inWords(left.type)} is never in a list of ${inWords(item)}`, numberHint(left, { type: item }))
  }
  return BOOL
}

function checkOrder(lint: Lint, expr: Expr, name: string, left: Found, right: Found): void {
  for (const side of [left, right]) {
    if (present(side.type) !== 'any' && !isNumber(side.type) && !isText(side.type)) {
      lint.problem(expr, `\`${symbol(name)}\` does not compare ${inWords(side.type)}`)
      return
    }
  }
  if (!meets(left.type, right.type) && !(isText(left.type) && isText(right.type))) {
    const message = `\`${symbol(name)}\` does not compare ${inWords(left.type)} with ${inWords(right.type)}`
    lint.problem(expr, message, numberHint(left, right))
  }
}

function checkArithmetic(lint: Lint, expr: Expr, name: string, left: Found, right: Found): Found {
  const a = present(left.type)
  const b = present(right.type)
  for (const side of [a, b]) {
    const fits =
      side === 'any' || side === 'int' || (side === 'double' && name !== '_%_') || (isText(side) && name === '_+_')
    if (!fits) return lint.problem(expr, `\`${symbol(name)}\` does not take ${inWords(side)}`)
  }
  if (isText(a) && isText(b)) return { type: 'string' }
  if (!meets(a, b)) {
    return lint.problem(
      expr,
      `\`${symbol(name)}\` does not mix ${inWords(a)} and ${inWords(b)}`,
      numberHint(left, right),
    )
  }
  return { type: a === 'any' ? (isText(b) ? 'string' : b) : isText(a) ? 'string' : a }
}

function numberHint(left: Found, right: Found): string | undefined {
  if (isNumber(left.type) && isNumber(right.type)) return 'write a whole number as 1.0, or double(…)'
  if (isNumber(left.type) && isText(right.type)) return 'write the number without quotes, or int(…)'
  return isText(left.type) && isNumber(right.type) ? 'write int(…) around the text' : undefined
}

function symbol(name: string): string {
  return name.replaceAll('_', '').trim()
}
