import type { Type, TypeScope } from '../expression.ts'
import { compileExpression } from '../expression.ts'
import type { Guardrail } from '../types.ts'
import type { CompiledAction } from './actions.ts'
import { expressionAt, has, itemsAt, textAt, timezoneAt } from './compiling.ts'
import type { Compiling } from './compiling.ts'
import { didYouMean } from './finding.ts'
import { at, sound } from './place.ts'
import type { Piece } from './place.ts'
import { callScope, membersRead } from './scopes.ts'
import type { Names } from './scopes.ts'

export function compileGuardrail(
  compiling: Compiling,
  piece: Piece,
  actions: ReadonlyMap<string, CompiledAction>,
  names: Names,
): Guardrail | null {
  if (!sound(piece)) return null
  const globs = has(at(piece, 'actions')) ? globsAt(compiling, at(piece, 'actions')) : null
  const timezone = timezoneAt(compiling, at(piece, 'timezone'), 'UTC')
  const concerned = [...actions.values()].filter(({ name }) => globs === null || globs.some((glob) => fits(glob, name)))
  const deny = expressionAt(
    compiling,
    at(piece, 'deny'),
    scopeFor(compiling, at(piece, 'deny'), concerned, names),
    'bool',
  )
  if (deny === null) return null
  return {
    name: textAt(at(piece, 'name')) ?? '',
    actions: globs,
    deny,
    else: textAt(at(piece, 'else')) ?? '',
    timezone,
    report: textAt(at(piece, 'mode')) === 'report',
  }
}

function globsAt({ report, names: { actions } }: Compiling, piece: Piece): string[] {
  return itemsAt(piece).map((item) => {
    const glob = textAt(item) ?? '*'
    if (![...actions.keys()].some((name) => fits(glob, name))) {
      const families = [...actions.keys()]
        .filter((name) => name.includes('.'))
        .map((name) => `${name.slice(0, name.lastIndexOf('.'))}.*`)
      const known = glob.endsWith('*') ? new Set(families) : actions.keys()
      report.error(item, `there is no action \`${glob}\``, didYouMean(glob, known))
    }
    return glob
  })
}

function fits(glob: string, name: string): boolean {
  return glob.endsWith('*') ? name.startsWith(glob.slice(0, -1)) : glob === name
}

/**
 * A guardrail may speak of input and facts where every action that it concerns has them, with the same meaning: a field
 * that one of them lacks would make it deny (an error denies) what nobody meant.
 */
function scopeFor({ report }: Compiling, piece: Piece, concerned: readonly CompiledAction[], names: Names): TypeScope {
  const loose = callScope(names, 'any', 'any')
  const read = compileExpression(textAt(piece) ?? '', loose, 'bool')
  const types: { [name in 'input' | 'facts']: Type } = { input: { object: {} }, facts: { object: {} } }
  if (!read.ok) return loose
  for (const name of ['input', 'facts'] as const) {
    const shared: { [member: string]: Type } = {}
    for (const member of membersRead(name, read.expression)) {
      const found = concerned.map((action) => ({ action, type: memberOf(action[name], member) }))
      const first = found[0]?.type ?? null
      const lacking = found.find(({ type }) => type === null)
      const other = found.find(({ type }) => JSON.stringify(type) !== JSON.stringify(first))
      if (lacking === undefined && first !== null) shared[member] = first
      if (found.length > 1 && other !== undefined) {
        const why =
          lacking === undefined
            ? `is not the same in ${found[0]?.action.name} and ${other.action.name}`
            : `does not exist in ${lacking.action.name}`
        report.error(piece, `\`${name}.${member}\` ${why}`, 'name the actions that the guardrail is about')
        shared[member] = 'any'
      }
    }
    // One action: its own type, so that a misspelt member gets its hint.
    types[name] = concerned.length === 1 ? (concerned[0]?.[name] ?? 'any') : { object: shared }
  }
  return callScope(names, types.input, types.facts)
}

function memberOf(type: Type, member: string): Type | null {
  if (typeof type !== 'object' || !('object' in type)) return 'any'
  return Object.hasOwn(type.object, member) ? (type.object[member] ?? null) : null
}
