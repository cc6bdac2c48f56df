import { isCelError, plan } from '@bufbuild/cel'
import { environment, resetWork } from './expression-functions.ts'
import { lint, type Linted } from './expression-lint.ts'
import { leftToRight } from './expression-order.ts'
import { type Parsed, parseExpression, type SyntaxProblem } from './expression-parse.ts'
import { inWords, isText, meets, present, type Type, type TypeScope } from './expression-types.ts'
import { readTree, toCel, toJson } from './expression-values.ts'
import type { Evaluated, Expression, Json, Scope } from './types.ts'

export type { SyntaxProblem } from './expression-parse.ts'
export type { Type, TypeScope } from './expression-types.ts'

export type Expects = 'bool' | 'int' | 'string' | 'any'
export type Compiled =
  | { readonly ok: true; readonly expression: Expression }
  | { readonly ok: false; readonly problems: readonly SyntaxProblem[] }

/**
 * CEL text → an expression, parsed, linted against the types of its scope, and planned once. Every problem carries its
 * offset in the text. The expression never throws and never stalls: an error is data, and denies.
 */
export function compileExpression(text: string, scope: TypeScope, expects: Expects): Compiled {
  const inspected = inspect(text, scope, false)
  if (!inspected.ok) return inspected
  const { linted, parsed } = inspected
  if (linted.problems.length > 0) return { ok: false, problems: linted.problems }
  if (!yields(linted.type, expects)) {
    const message = `this yields ${inWords(linted.type)}, and ${WANTED[expects]} is wanted here`
    return { ok: false, problems: [{ offset: 0, length: text.length, message }] }
  }
  return planned(parsed, linted, scope, expects)
}

/** Parse and lint without planning. `absent_ok`: reading an absent optional is the caller's business. */
export function inspect(
  text: string,
  scope: TypeScope,
  absent_ok: boolean,
):
  | { readonly ok: true; readonly parsed: Parsed; readonly linted: Linted }
  | { readonly ok: false; readonly problems: readonly SyntaxProblem[] } {
  const parse = parseExpression(text)
  if (!parse.ok) return { ok: false, problems: [parse.problem] }
  return { ok: true, parsed: parse.parsed, linted: lint(parse.parsed, scope, absent_ok) }
}

function planned({ text, root }: Parsed, linted: Linted, types: TypeScope, expects: Expects): Compiled {
  let evaluator: ReturnType<typeof plan>
  try {
    evaluator = plan(environment, leftToRight(root, linted.known))
  } catch (error) {
    return {
      ok: false,
      problems: [{ offset: 0, length: text.length, message: `this cannot be judged: ${messageOf(error)}` }],
    }
  }
  const reads = readTree(linted.reads)
  const path = memberPath(root)
  const evaluate: Expression['evaluate'] = (scope): Evaluated => {
    const plain = path === null ? undefined : scalarAt(scope, path)
    if (plain !== undefined) return checked(plain, expects)
    try {
      const variables = toCel(scope, types, reads)
      resetWork()
      const result = evaluator(variables)
      if (isCelError(result)) return { ok: false, error: messageOf(result) }
      return checked(toJson(result), expects)
    } catch (error) {
      return { ok: false, error: messageOf(error) }
    }
  }
  return { ok: true, expression: { text, evaluate, reads: linted.reads } }
}

/** `facts.charge.amount` as its steps; null for any other expression. Most of what templates place is no more than that. */
function memberPath({ exprKind: kind }: Parsed['root']): readonly string[] | null {
  if (kind.case === 'identExpr') return [kind.value.name]
  if (kind.case !== 'selectExpr' || kind.value.testOnly || kind.value.operand === undefined) return null
  const before = memberPath(kind.value.operand)
  return before === null ? null : [...before, kind.value.field]
}

/** What CEL would make of a text, a truth value or a safe integer, which is the same; undefined: CEL has to say. */
function scalarAt(scope: Scope, path: readonly string[]): string | number | boolean | undefined {
  let at: unknown = scope
  for (const step of path) {
    if (typeof at !== 'object' || at === null || Array.isArray(at) || !Object.hasOwn(at, step)) return undefined
    at = (at as { readonly [member: string]: unknown })[step]
  }
  if (typeof at === 'string' || typeof at === 'boolean') return at
  return typeof at === 'number' && Number.isSafeInteger(at) && !Object.is(at, -0) ? at : undefined
}

/** Whatever the types promised: only true and false decide. */
function checked(value: Json, expects: Expects): Evaluated {
  const fits =
    expects === 'any' ||
    (expects === 'bool' && typeof value === 'boolean') ||
    (expects === 'string' && typeof value === 'string') ||
    (expects === 'int' && Number.isSafeInteger(value))
  return fits
    ? { ok: true, value }
    : { ok: false, error: `the expression yields something other than ${WANTED[expects]}` }
}

function yields(type: Type, expects: Expects): boolean {
  if (expects === 'any' || present(type) === 'any') return true
  return expects === 'string' ? isText(type) : meets(type, expects)
}

const WANTED = { bool: 'true or false', int: 'a whole number', string: 'text', any: 'anything' } as const

/** CEL's own words where they can be read aloud; never a value of the data. */
function messageOf(error: unknown): string {
  const message = error instanceof Error ? error.message : 'the expression could not be judged'
  if (message.startsWith('found no matching overload for _?_:_')) return 'a condition in it is neither true nor false'
  const overload = /^found no matching overload for '(.+?)' applied to '(.*)'$/.exec(message)
  if (overload !== null) return `${(overload[1] ?? '').replaceAll('_', ' ').trim()} cannot be applied to ${overload[2]}`
  if (message === 'unresolved attribute') return 'something that the expression reads is missing'
  return message.slice(0, 200)
}
