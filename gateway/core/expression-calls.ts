import type { Expr } from '@bufbuild/cel-spec/cel/expr/syntax_pb.js'
import { compileRegex } from './expression-functions.ts'
import type { Found, Lint } from './expression-lint.ts'
import { inWords, isNumber, isText, meets, present, type Type } from './expression-types.ts'
import { nearest } from './spelling.ts'

/**
 * Functions that conditions may call. Each yields the same for the same data and takes linear time at most.
 * `on`: what the method is called on; a function without it takes its first argument there.
 */
interface Signature {
  readonly on: readonly ('text' | 'number' | 'bool' | 'list' | 'object')[]
  readonly form: 'function' | 'method' | 'either'
  readonly args: 0 | 1
  readonly yields: Type
}
const FUNCTIONS: { readonly [name: string]: Signature } = {
  size: { on: ['text', 'list', 'object'], form: 'either', args: 0, yields: 'int' },
  startsWith: { on: ['text'], form: 'method', args: 1, yields: 'bool' },
  endsWith: { on: ['text'], form: 'method', args: 1, yields: 'bool' },
  contains: { on: ['text'], form: 'method', args: 1, yields: 'bool' },
  matches: { on: ['text'], form: 'method', args: 1, yields: 'bool' },
  lowerAscii: { on: ['text'], form: 'method', args: 0, yields: 'string' },
  upperAscii: { on: ['text'], form: 'method', args: 0, yields: 'string' },
  int: { on: ['text', 'number'], form: 'function', args: 0, yields: 'int' },
  double: { on: ['text', 'number'], form: 'function', args: 0, yields: 'double' },
  string: { on: ['text', 'number', 'bool'], form: 'function', args: 0, yields: 'string' },
}
/** For "did you mean"; has, exists and all are macros. */
const FUNCTION_NAMES: readonly string[] = [...Object.keys(FUNCTIONS), 'has', 'exists', 'all']

export function checkCall(
  lint: Lint,
  expr: Expr,
  name: string,
  on: { readonly expr: Expr; readonly found: Found } | null,
  found: readonly Found[],
  args: readonly Expr[],
  where: { readonly offset: number; readonly length: number },
): Found {
  const refuse = (message: string, hint?: string): Found => {
    lint.problemAt(where.offset, where.length, message, hint)
    return { type: 'any' } as const
  }
  const signature = Object.hasOwn(FUNCTIONS, name) ? FUNCTIONS[name] : undefined
  if (signature === undefined) {
    if (name === 'has') return refuse('has() asks for a member', 'write has(input.note)')
    if (name === 'exists' || name === 'all')
      return refuse(`${name}() is asked of a list`, `write list.${name}(item, condition)`)
    const near = nearest(name, FUNCTION_NAMES)
    return refuse(
      `there is no function \`${name}\``,
      near === null ? `there are: ${FUNCTION_NAMES.join(', ')}` : `did you mean \`${near}\`?`,
    )
  }
  const method = on !== null
  const formed = signature.form === 'either' || signature.form === (method ? 'method' : 'function')
  const rest = method ? found : found.slice(1)
  const subject = method
    ? on
    : args[0] === undefined
      ? null
      : { expr: args[0], found: found[0] ?? ({ type: 'any' } as const) }
  if (!formed || subject === null || rest.length !== signature.args) {
    const shape = signature.form === 'method' ? `text.${name}(${signature.args === 1 ? '"…"' : ''})` : `${name}(x)`
    return refuse(`\`${name}\` is not called like this`, `write ${shape}`)
  }
  if (!signature.on.some((kind) => isKind(subject.found.type, kind))) {
    return refuse(`\`${name}\` does not take ${inWords(subject.found.type)}`)
  }
  if (signature.args === 1 && !meets(rest[0]?.type ?? 'any', 'string'))
    return refuse(`\`${name}\` wants text in its brackets`)
  if (name === 'matches') checkPattern(lint, args[0] ?? expr, rest[0] ?? ({ type: 'any' } as const))
  return { type: signature.yields }
}

function checkPattern(lint: Lint, expr: Expr, pattern: Found): void {
  if (typeof pattern.literal !== 'string') {
    lint.problem(expr, 'the pattern of matches() is written out in the policy')
    return
  }
  try {
    compileRegex(pattern.literal)
  } catch (error) {
    const cause = error instanceof Error ? error.message : 'not accepted'
    lint.problem(
      expr,
      `not a pattern of the RE2 kind: ${cause}`,
      'no look-around, no back-references, at most 1000 repeats',
    )
  }
}

function isKind(type: Type, kind: Signature['on'][number]): boolean {
  const there = present(type)
  if (there === 'any') return true
  if (kind === 'text') return isText(there)
  if (kind === 'number') return isNumber(there)
  if (kind === 'bool') return there === 'bool'
  return typeof there === 'object' && kind in there
}
