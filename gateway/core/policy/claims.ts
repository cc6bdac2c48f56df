import type { Expr } from '@bufbuild/cel-spec/cel/expr/syntax_pb.js'
import { parseExpression, tokenLength } from '../expression-parse.ts'
import type { Report } from './finding.ts'
import type { Piece } from './place.ts'

const SEPARATORS = ':/.-@'

/**
 * `startsWith("system:serviceaccount:agents:support")` would also let in `…:support-evil`: a prefix of a claim ends in a
 * separator, a suffix begins with one, and a pattern holds both ends.
 */
export function checkPrefixes(report: Report, text: string, piece: Piece): void {
  const parse = parseExpression(text)
  // That it cannot be parsed is a finding of the expression itself.
  if (!parse.ok) return
  const { parsed } = parse
  for (const call of callsIn(parsed.root)) {
    const rule = RULES[call.name]
    if (rule === undefined) continue
    const offset = parsed.offsetOf(call.argument)
    const literal = literalOf(call.argument)
    const where = { offset, length: tokenLength(text, offset) }
    if (literal === null)
      report.error(piece, `what \`${call.name}\` compares a claim with must be a text in quotes`, undefined, where)
    else if (!rule.fits(literal)) report.error(piece, rule.message, rule.hint(literal), where)
  }
}

const RULES: {
  readonly [name: string]:
    | { fits: (text: string) => boolean; message: string; hint: (text: string) => string }
    | undefined
} = {
  startsWith: {
    fits: (text) => text.length > 1 && SEPARATORS.includes(text.at(-1) ?? ' '),
    message: `a prefix of a claim must end in a separator (one of ${SEPARATORS})`,
    hint: (text) => `compare the whole claim with ==, or write "${text}:" if that is where a part ends`,
  },
  endsWith: {
    fits: (text) => text.length > 1 && SEPARATORS.includes(text.at(0) ?? ' '),
    message: `a suffix of a claim must begin with a separator (one of ${SEPARATORS})`,
    hint: (text) => `compare the whole claim with ==, or write "@${text}" if that is where a part begins`,
  },
  matches: {
    fits: (text) => text.startsWith('^') && text.endsWith('$') && !text.includes('|'),
    message: 'a pattern for a claim must hold both ends, without alternatives',
    hint: () => 'begin it with ^ and end it with $; write alternatives as `claims.sub in [...]`',
  },
}

/** Every call, anywhere in the syntax tree, with its last argument. */
function* callsIn(node: unknown): Generator<{ name: string; argument: Expr }> {
  if (typeof node !== 'object' || node === null) return
  const { function: name, args } = node as { function?: unknown; args?: Expr[] }
  const argument = Array.isArray(args) ? args.at(-1) : undefined
  if (typeof name === 'string' && argument !== undefined) yield { name, argument }
  for (const part of Object.values(node)) yield* callsIn(part)
}

function literalOf({ exprKind }: Expr): string | null {
  const constant = exprKind.case === 'constExpr' ? exprKind.value.constantKind : undefined
  return constant?.case === 'stringValue' ? constant.value : null
}
