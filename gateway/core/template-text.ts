import { compileExpression, inspect, type TypeScope } from './expression.ts'
import { inWords, isText, meets, present, type Type } from './expression-types.ts'
import type { Expression, Json, JsonObject, Scope } from './types.ts'

/** One `${…}`. */
export interface Hole {
  readonly offset: number
  readonly length: number
  /** `${input.note?}`: absent (or null) drops what it stands in. */
  readonly optional: boolean
  readonly type: Type
  readonly reads: readonly string[]
  value(scope: Scope): Value
}
export type Value =
  | { readonly kind: 'value'; readonly value: Json }
  | { readonly kind: 'absent' }
  | { readonly kind: 'error'; readonly error: string }

export type Piece = string | Hole
export interface TextProblem {
  readonly offset: number
  readonly length: number
  readonly message: string
  readonly hint?: string
}

/** A scalar's text as literal pieces and holes. `$${` writes a literal `${`. */
export function splitText(
  text: string,
  scope: TypeScope,
): { readonly pieces: readonly Piece[]; readonly problems: readonly TextProblem[] } {
  const pieces: Piece[] = []
  const problems: TextProblem[] = []
  let literal = ''
  let at = 0
  while (at < text.length) {
    if (text.startsWith('$${', at)) {
      literal += '${'
      at += 3
    } else if (text.startsWith('${', at)) {
      const end = closingBrace(text, at + 2)
      if (end === null) {
        problems.push({
          offset: at,
          length: 2,
          message: '`${` is not closed',
          hint: 'close it with }, or write $${ for the two characters themselves',
        })
        return { pieces, problems }
      }
      const hole = compileHole(text.slice(at + 2, end), at, scope)
      if ('problems' in hole) problems.push(...hole.problems)
      else {
        if (literal !== '') pieces.push(literal)
        literal = ''
        pieces.push(hole)
      }
      at = end + 1
    } else {
      literal += text[at] ?? ''
      at += 1
    }
  }
  if (literal !== '') pieces.push(literal)
  return { pieces, problems }
}

/** The `}` of a hole: one inside quotes or inside inner braces does not close it. */
function closingBrace(text: string, start: number): number | null {
  let quote = ''
  let depth = 0
  for (let at = start; at < text.length; at += 1) {
    const char = text[at] ?? ''
    if (quote !== '') {
      if (char === '\\') at += 1
      else if (char === quote) quote = ''
    } else if (char === '"' || char === "'") quote = char
    else if (char === '{') depth += 1
    else if (char === '}' && depth > 0) depth -= 1
    else if (char === '}') return at
  }
  return null
}

function compileHole(
  inside: string,
  offset: number,
  scope: TypeScope,
): Hole | { readonly problems: readonly TextProblem[] } {
  const length = inside.length + 3
  const shifted = (problems: readonly TextProblem[]): { problems: readonly TextProblem[] } => ({
    problems: problems.map((problem) => ({ ...problem, offset: problem.offset + offset + 2 })),
  })
  const optional = /\?\s*$/.test(inside)
  const text = optional ? inside.replace(/\?\s*$/, '') : inside
  const inspected = inspect(text, scope, optional)
  if (!inspected.ok) return shifted(inspected.problems)
  const { type, reads, problems } = inspected.linted
  if (problems.length > 0) return shifted(problems.map((problem) => hinted(problem, text)))
  if (optional) {
    const path = text.trim()
    if (!/^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$/.test(path)) {
      return {
        problems: [
          {
            offset,
            length,
            message: 'only a plain path may be absent',
            hint: 'write ${input.note?}, or has(…) ? … : …',
          },
        ],
      }
    }
    return { offset, length, optional, type, reads, value: (values) => lookUp(values, path) }
  }
  const compiled = compileExpression(text, scope, 'any')
  if (!compiled.ok) return shifted(compiled.problems)
  return { offset, length, optional, type, reads, value: (values) => evaluated(compiled.expression, values) }
}

/** In a template there is a shorter way to say that a member may be missing. */
function hinted(problem: TextProblem, text: string): TextProblem {
  if (!problem.message.endsWith('may be absent')) return problem
  return { ...problem, hint: `write \${${text.trim()}?} to leave the member out when it is` }
}

function evaluated(expression: Expression, scope: Scope): Value {
  const result = expression.evaluate(scope)
  return result.ok
    ? { kind: 'value', value: result.value }
    : { kind: 'error', error: `\${${expression.text}}: ${result.error}` }
}

/** Own members only. A fact that is null is as absent as an input that was not sent. */
function lookUp(scope: Scope, path: string): Value {
  let at: Json | undefined = scope as JsonObject
  for (const step of path.split('.')) {
    if (typeof at !== 'object' || at === null || Array.isArray(at)) return { kind: 'absent' }
    const object = at as JsonObject
    at = Object.hasOwn(object, step) ? object[step] : undefined
    if (at === undefined || at === null) return { kind: 'absent' }
  }
  return { kind: 'value', value: at }
}

/** Whether a hole of this type may stand inside longer text; integers only where there is one way to write them. */
export function fitsText(hole: Hole, integers: boolean): TextProblem | null {
  const type = present(hole.type)
  if (type === 'any' || isText(type) || (integers && meets(type, 'int'))) return null
  const hint =
    meets(type, 'int') || type === 'bool' || type === 'double' ? 'say how to write it: ${string(…)}' : undefined
  const wanted = integers ? 'text and whole numbers' : 'text'
  const { offset, length } = hole
  return {
    offset,
    length,
    message: `only ${wanted} may stand inside longer text, and this is ${inWords(type)}`,
    ...(hint === undefined ? {} : { hint }),
  }
}

/** The text of a value inside longer text; null for a value of another type. */
export function textOf(value: Json, integers: boolean): string | null {
  if (typeof value === 'string') return value
  return integers && typeof value === 'number' && Number.isSafeInteger(value) ? String(value) : null
}
