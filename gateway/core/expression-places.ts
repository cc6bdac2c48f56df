import type { Expr, Expr_Select } from '@bufbuild/cel-spec/cel/expr/syntax_pb.js'
import { pathOf } from './expression-guards.ts'
import type { Found, Lint, Place } from './expression-lint.ts'
import { inWords, isOptional, itemOf, meets, memberOf, membersOf, present, type Type } from './expression-types.ts'
import { nearest } from './spelling.ts'

/** A name, a member, an item: does it exist in the types of the scope, and is it sure to be there? */
export function findName(lint: Lint, expr: Expr, name: string, at: Place): Found {
  const item = at.items.get(name)
  if (item !== undefined) return item
  const type = Object.hasOwn(at.names, name) ? at.names[name] : undefined
  if (type === undefined) {
    const known = [...Object.keys(at.names), ...at.items.keys()]
    return lint.problem(expr, `there is no \`${name}\` here`, meant(name, known) ?? `known here: ${known.join(', ')}`)
  }
  const found: Found = { type: present(type), read: name, nullable: name === 'facts' }
  if (isOptional(type) && !lint.absent_ok && !at.has.has(`has:${name}`)) {
    lint.problem(expr, `\`${name}\` may be absent`)
  }
  return found
}

export function findMember(lint: Lint, expr: Expr, { operand, field, testOnly }: Expr_Select, at: Place): Found {
  if (operand === undefined) return lint.problem(expr, 'this cannot be judged')
  const object = lint.look(operand, at)
  const dot = lint.parsed.text.indexOf(field, dotOf(lint, expr, testOnly))
  const member = step(lint, operand, object, field, {
    offset: dot < 0 ? lint.parsed.offsetOf(expr) : dot,
    length: field.length,
  })
  if (member === null) return { type: 'any' }
  if (testOnly) {
    const read = member.read
    if (read !== undefined) lint.reads.add(read)
    return { type: 'bool' }
  }
  guarded(lint, expr, member.type, at, { offset: dot < 0 ? 0 : dot, length: field.length })
  return { ...member, type: present(member.type) }
}

/** A has-test stands where `has` is written; its dot comes after its operand. */
function dotOf(lint: Lint, expr: Expr, testOnly: boolean): number {
  const offset = lint.parsed.offsetOf(expr)
  if (!testOnly || expr.exprKind.case !== 'selectExpr' || expr.exprKind.value.operand === undefined) return offset
  const operand = expr.exprKind.value.operand
  const start = lint.parsed.offsetOf(operand)
  const skip = operand.exprKind.case === 'identExpr' ? operand.exprKind.value.name.length : 1
  return lint.parsed.text.indexOf('.', start + skip)
}

function step(
  lint: Lint,
  operand: Expr,
  object: Found,
  field: string,
  where: { offset: number; length: number },
): Found | null {
  const members = membersOf(object.type)
  if (members === null) {
    const path = pathOf(operand)
    lint.problemAt(
      where.offset,
      where.length,
      `${path === null ? 'this' : `\`${path}\``} is ${inWords(object.type)} and has no member \`${field}\``,
    )
    return null
  }
  const type = memberOf(object.type, field)
  if (type === null) {
    const hint =
      meant(field, members.names) ?? (members.names.length > 0 ? `it has: ${members.names.join(', ')}` : undefined)
    lint.problemAt(where.offset, where.length, `\`${pathOf(operand) ?? 'this'}\` has no member \`${field}\``, hint)
    return null
  }
  return {
    type,
    nullable: object.nullable === true,
    ...(object.read === undefined ? {} : { read: `${object.read}.${field}` }),
  }
}

function guarded(lint: Lint, expr: Expr, type: Type, at: Place, where: { offset: number; length: number }): void {
  if (!isOptional(type) || lint.absent_ok) return
  const path = pathOf(expr)
  if (path !== null && at.has.has(`has:${path}`)) return
  const hint = path === null ? 'name it directly and ask has(…) first' : `ask first: has(${path}) && …`
  lint.problemAt(where.offset, where.length, `\`${path ?? 'this'}\` may be absent`, hint)
}

export function findIndex(lint: Lint, expr: Expr, operand: Expr, index: Expr, at: Place): Found {
  const object = lint.look(operand, at)
  const key = lint.infer(index, at)
  if (typeof key.literal === 'string' && itemOf(object.type) === (present(object.type) === 'any' ? 'any' : null)) {
    const where = { offset: lint.parsed.offsetOf(index), length: key.literal.length + 2 }
    const member = step(lint, operand, object, key.literal, where)
    if (member === null) return { type: 'any' }
    guarded(lint, expr, member.type, at, where)
    const { read, ...found } = { ...member, type: present(member.type) }
    if (!key.literal.includes('.')) return read === undefined ? found : { ...found, read }
    // a member whose name holds a dot has no dotted path, nor has what is below it: the whole object is read
    if (object.read !== undefined) lint.reads.add(object.read)
    return found
  }
  if (object.read !== undefined) lint.reads.add(object.read)
  const item = itemOf(object.type)
  if (item === null) return lint.problem(expr, `${lint.says(operand, object)} has no items`)
  if (present(object.type) !== 'any' && !meets(key.type, 'int'))
    return lint.problem(index, 'items are numbered: [0] is the first')
  return { type: present(item), nullable: object.nullable === true }
}

function meant(name: string, known: Iterable<string>): string | undefined {
  const near = nearest(name, known)
  return near === null ? undefined : `did you mean \`${near}\`?`
}
