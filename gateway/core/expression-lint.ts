import type { Constant, Expr, Expr_Call } from '@bufbuild/cel-spec/cel/expr/syntax_pb.js'
import { checkCall } from './expression-calls.ts'
import { both, learn, NOTHING, pathOf } from './expression-guards.ts'
import { checkLoop } from './expression-loops.ts'
import { checkOperator } from './expression-operations.ts'
import { type Parsed, type SyntaxProblem, tokenLength } from './expression-parse.ts'
import { findIndex, findMember, findName } from './expression-places.ts'
import { inWords, present, type Type, type TypeScope } from './expression-types.ts'

/** What the lint found out about one node. */
export interface Found {
  readonly type: Type
  /** A literal text or number of the policy. */
  readonly literal?: string | bigint | number | boolean | null
  /** Dotted path of a plain read, up to the first index; what `reads` is made of. */
  readonly read?: string
  /** Under `facts`, where any member may be null (a fact keeps what the backend left out as null). */
  readonly nullable?: boolean
}

export interface Linted {
  readonly type: Type
  readonly problems: readonly SyntaxProblem[]
  readonly reads: readonly string[]
  /** Nodes that must not be null when they are compared. */
  readonly known: ReadonlySet<Expr>
}

/**
 * Everything that can be said about an expression before it runs: names, types, functions, guards. A policy with a
 * problem is refused, so that no condition fails at night for what a reader could have seen by day.
 * `absent_ok`: an absent optional is the caller's business (`${input.note?}`).
 */
export function lint(parsed: Parsed, scope: TypeScope, absent_ok: boolean): Linted {
  const check = new Lint(parsed, absent_ok)
  const { type } = check.infer(parsed.root, {
    names: scope,
    items: new Map(),
    has: NOTHING,
    beside: NOTHING,
    looping: false,
  })
  const problems = check.problems.toSorted((a, b) => a.offset - b.offset)
  return { type, problems, reads: [...check.reads], known: check.known }
}

/** What holds at one place of the tree. */
export interface Place {
  readonly names: TypeScope
  /** Variables of exists and all. */
  readonly items: ReadonlyMap<string, Found>
  /** Learnt from what stands to the left. */
  readonly has: ReadonlySet<string>
  /** Learnt from what stands beside, to the right too. */
  readonly beside: ReadonlySet<string>
  readonly looping: boolean
}

export class Lint {
  readonly problems: SyntaxProblem[] = []
  readonly reads = new Set<string>()
  readonly known = new Set<Expr>()
  readonly parsed: Parsed
  readonly absent_ok: boolean

  constructor(parsed: Parsed, absent_ok: boolean) {
    this.parsed = parsed
    this.absent_ok = absent_ok
  }

  infer(expr: Expr, at: Place): Found {
    const found = this.look(expr, at)
    if (found.read !== undefined) this.reads.add(found.read)
    return found
  }

  problem(expr: Expr, message: string, hint?: string): Found {
    const { start, end } = this.#span(expr)
    this.problemAt(start, end - start, message, hint)
    return { type: 'any' }
  }

  /** What to underline: a place from its root to its last member, an operator, a literal, a name. */
  #span(expr: Expr): { start: number; end: number } {
    const { text } = this.parsed
    const kind = expr.exprKind
    let start = this.parsed.offsetOf(expr)
    if (kind.case === 'selectExpr' && kind.value.operand !== undefined && !kind.value.testOnly) {
      return {
        start: this.#span(kind.value.operand).start,
        end: text.indexOf(kind.value.field, start) + kind.value.field.length,
      }
    }
    while (/\s/.test(text[start] ?? '')) start += 1
    return { start, end: start + tokenLength(text, start) }
  }

  problemAt(offset: number, length: number, message: string, hint?: string): void {
    this.problems.push({ offset, length, message, ...(hint === undefined ? {} : { hint }) })
  }

  /** The words of a node, for messages: its path where it has one. */
  says(expr: Expr, found: Found): string {
    const path = pathOf(expr)
    return path === null ? `this is ${inWords(found.type)}, which` : `\`${path}\` is ${inWords(found.type)}, which`
  }

  look(expr: Expr, at: Place): Found {
    const kind = expr.exprKind
    switch (kind.case) {
      case 'constExpr':
        return this.#constant(expr, kind.value)
      case 'identExpr':
        return findName(this, expr, kind.value.name, at)
      case 'selectExpr':
        return findMember(this, expr, kind.value, at)
      case 'callExpr':
        return this.#call(expr, kind.value, at)
      case 'listExpr':
        return this.#list(kind.value.elements, at)
      case 'comprehensionExpr':
        return checkLoop(this, expr, kind.value, at)
      case 'structExpr':
        return this.problem(expr, 'an expression makes no objects')
      default:
        return this.problem(expr, 'this cannot be judged')
    }
  }

  #constant(expr: Expr, { constantKind }: Constant): Found {
    switch (constantKind.case) {
      case 'boolValue':
        return { type: 'bool', literal: constantKind.value }
      case 'stringValue':
        return { type: 'string', literal: constantKind.value }
      case 'nullValue':
        return { type: 'null', literal: null }
      case 'int64Value': {
        const fits = BigInt.asIntN(64, constantKind.value) === constantKind.value
        if (!fits) this.problem(expr, 'this number does not fit into 64 bits')
        return { type: 'int', literal: constantKind.value }
      }
      case 'doubleValue':
        if (!Number.isFinite(constantKind.value)) this.problem(expr, 'this number is not finite')
        return { type: 'double', literal: constantKind.value }
      case 'uint64Value':
        return this.problem(expr, 'whole numbers are written without `u`')
      default:
        return this.problem(expr, 'this kind of literal is not used in policies')
    }
  }

  #call(expr: Expr, call: Expr_Call, at: Place): Found {
    const { function: name, args, target } = call
    const [first, second, third] = args
    if (name === '_&&_' || name === '_||_') {
      if (first === undefined || second === undefined) return { type: 'any' }
      const goesOn = name === '_&&_'
      const beside = learn(second, goesOn, this.parsed) ?? NOTHING
      const left = this.infer(first, { ...at, beside: at.beside.union(beside) })
      const learnt = learn(first, goesOn, this.parsed) ?? NOTHING
      const right = this.infer(second, { ...at, has: at.has.union(learnt), beside: at.beside.union(learnt) })
      return checkOperator(this, expr, name, [left, right], [first, second])
    }
    if (name === '_?_:_') {
      if (first === undefined || second === undefined || third === undefined) return { type: 'any' }
      const condition = this.infer(first, at)
      const yes = both(at.has, learn(first, true, this.parsed)) ?? at.has
      const no = both(at.has, learn(first, false, this.parsed)) ?? at.has
      const then = this.infer(second, { ...at, has: yes, beside: at.beside.union(yes) })
      const otherwise = this.infer(third, { ...at, has: no, beside: at.beside.union(no) })
      return checkOperator(this, expr, name, [condition, then, otherwise], args)
    }
    if (name === '_[_]')
      return first === undefined || second === undefined ? { type: 'any' } : findIndex(this, expr, first, second, at)
    const values = args.map((arg) => this.infer(arg, at))
    if (!/^[a-z]/i.test(name)) return checkOperator(this, expr, name, values, args)
    const on = target === undefined ? null : { expr: target, found: this.infer(target, at) }
    return checkCall(this, expr, name, on, values, args, this.nameAt(expr, name))
  }

  /** A method stands at its dot; the name comes after it. */
  nameAt(expr: Expr, name: string): { offset: number; length: number } {
    const offset = this.parsed.offsetOf(expr)
    const at = this.parsed.text.indexOf(name, offset)
    return { offset: at < 0 ? offset : at, length: name.length }
  }

  #list(elements: readonly Expr[], at: Place): Found {
    const items = elements.map((element) => this.infer(element, at).type)
    const first = items[0]
    if (first === undefined) return { type: { list: 'any' } }
    const alike = items.every((item) => present(item) === present(first))
    return { type: { list: alike ? first : 'any' } }
  }
}
