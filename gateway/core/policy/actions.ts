import type { Type, TypeScope } from '../expression.ts'
import { compileInput } from '../input-schema.ts'
import type { InputSchema } from '../input-schema.ts'
import { digitsOf } from '../money.ts'
import { REQUEST_KEY } from '../tool.ts'
import type { Action, BackendSpec, CostSpec, Effect, Fact, JsonObject, Lookup } from '../types.ts'
import { durationAt, entriesAt, expressionAt, has, known, textAt, textTemplateAt, textsAt } from './compiling.ts'
import type { Compiling } from './compiling.ts'
import { at, sound, valueAt } from './place.ts'
import type { Piece } from './place.ts'
import { compileCompat } from './compat.ts'
import { compileFact, factType } from './facts.ts'
import { checkEffectKeys, compileLease, leaseTemplate } from './leases.ts'
import { compilePage, compileRequest, effectsIn, refuseStreaming } from './requests.ts'
import { callScope, membersRead } from './scopes.ts'
import type { Names } from './scopes.ts'

/** A compiled action, and what the lines of its grants may speak of. */
export interface CompiledAction {
  readonly name: string
  /** null where something in it is wrong. */
  readonly action: Action | null
  readonly input: Type
  readonly facts: Type
  readonly effect: Effect | null
  readonly cost: CostSpec | null
  /** Whether it says what a call costs, rightly or not. */
  readonly priced: boolean
  /** Attributes of the session that it reads: a role that it is granted to must carry them. */
  readonly attributes: readonly string[]
  /** A route. */
  readonly streamed?: true
}

export function compileAction(
  compiling: Compiling,
  name: string,
  piece: Piece,
  backends: ReadonlyMap<string, BackendSpec>,
  names: Names,
): CompiledAction | null {
  if (piece.document.unreadable) return null
  const before = compiling.report.list.length
  const input = inputAt(compiling, at(piece, 'input'), pricedBy(at(piece, 'cost')))
  const backend = textAt(at(piece, 'backend'))
  if (backend !== null) known(compiling, 'backends', backend, at(piece, 'backend'))
  refuseStreaming(compiling, at(piece, 'backend'), backends.get(backend ?? ''))
  const inputType = input?.type ?? 'any'

  const facts: Fact[] = []
  const factTypes: { [name: string]: Type } = {}
  // What is no map is a finding already, and what it was to hold is anybody's guess; an empty map holds nothing.
  const facted = valueAt(at(piece, 'facts'))
  const unknownFacts = facted !== undefined && (facted === null || typeof facted !== 'object' || Array.isArray(facted))
  for (const [fact, place] of entriesAt(at(piece, 'facts'))) {
    const scope = callScope(names, inputType, { object: { ...factTypes } })
    const compiled = compileFact(compiling, fact, place, backend, backends, scope)
    if (compiled !== null) facts.push(compiled)
    factTypes[fact] = factType(compiled, place)
  }

  const factsType: Type = unknownFacts ? 'any' : { object: factTypes }
  const scope = callScope(names, inputType, factsType)
  const effect = effectAt(at(piece, 'effect'))
  const cost = costAt(compiling, at(piece, 'cost'), scope)
  const priced = has(at(piece, 'cost'))
  const summary = has(at(piece, 'summary'))
    ? textTemplateAt(compiling, at(piece, 'summary'), priced ? { ...scope, cost: 'string' } : scope)
    : null
  for (const member of summary === null ? [] : membersRead('input', summary)) {
    if (input?.sensitive.includes(member) === true) {
      compiling.report.error(
        at(piece, 'summary'),
        `\`${member}\` is sensitive, and a summary stands in lists and notifications`,
        'leave it out of the summary',
      )
    }
  }
  const adapter = backends.get(backend ?? '')?.adapter ?? null
  checkEffectKeys(compiling, piece)
  const lease = compileLease(compiling, piece, backends.get(backend ?? ''))
  const request =
    lease === null ? compileRequest(compiling, adapter, at(piece, 'request'), 'request', scope) : leaseTemplate(lease)
  const recheck = has(at(piece, 'recheck')) ? compileRecheck(compiling, adapter, at(piece, 'recheck'), scope) : null
  warnOfDoubt(compiling, piece, effect, backends.get(backend ?? ''))
  const undo = textAt(at(piece, 'undo')) ?? 'none'
  if (undo !== 'none') known(compiling, 'actions', undo, at(piece, 'undo'))
  const replay_ms = durationAt(compiling, at(piece, 'replay'), '7d')
  const compat = compileCompat(compiling, at(piece, 'compat'), input, scope, effect)

  const templates = [request, summary, recheck?.request, ...facts.map((fact) => fact.request)].filter(
    (template) => template != null,
  )
  const attributes = [...new Set(templates.flatMap((template) => membersRead('session', template)))].filter((name) =>
    Object.hasOwn(names.attributes, name),
  )
  const errors = compiling.report.list.slice(before).some(({ severity }) => severity === 'error')
  const whole = sound(piece) && !errors && input !== null && backend !== null && effect !== null && request !== null
  const action: Action | null = !whole
    ? null
    : {
        name,
        describe: textAt(at(piece, 'describe')) ?? '',
        effect,
        input: input.schema,
        validate: input.validate,
        sensitive: input.sensitive,
        example: input.example,
        backend,
        facts,
        cost,
        summary,
        request,
        recheck,
        keep: textsAt(at(piece, 'output', 'keep')),
        undo,
        replay_ms,
        ...(Object.keys(compat).length > 0 ? { compat } : {}),
        ...(lease === null ? {} : { lease }),
      }
  return { name, action, input: inputType, facts: factsType, effect, cost, priced, attributes }
}

/** Members of the input that a cost speaks of. */
function pricedBy(cost: Piece): string[] {
  const text = JSON.stringify((has(cost) ? valueAt(cost) : null) ?? '')
  return [...new Set([...text.matchAll(/\binput\.([A-Za-z_]\w*)/g)].map(([, name]) => name ?? ''))]
}

function inputAt({ report }: Compiling, piece: Piece, priced: readonly string[]): InputSchema | null {
  if (!sound(piece)) return null
  const compiled = compileInput((valueAt(piece) ?? {}) as JsonObject, priced)
  for (const { path, message, hint, key, warning } of compiled.ok ? compiled.warnings : compiled.problems) {
    report[warning === true ? 'warning' : 'error'](at(piece, ...path), message, hint, key === true ? 'key' : 'value')
  }
  for (const [member, place] of entriesAt(piece)) {
    if (member.replace(/\?$/, '') !== REQUEST_KEY) continue
    report.error(
      place,
      `a tool's arguments have a \`${REQUEST_KEY}\` already: the key of the call`,
      'choose another name',
      'key',
    )
  }
  return compiled.ok ? compiled.input : null
}

function effectAt(piece: Piece): Effect | null {
  const effect = textAt(piece)
  return effect === 'read' || effect === 'write' || effect === 'lease' ? effect : null
}

export function costAt(compiling: Compiling, piece: Piece, scope: TypeScope): CostSpec | null {
  if (!sound(piece) || !has(piece)) return null
  if (has(at(piece, 'count'))) {
    const count = expressionAt(compiling, at(piece, 'count'), scope, 'int')
    const of = textAt(at(piece, 'of')) ?? ''
    if (digitsOf(of.toUpperCase()) !== null)
      compiling.report.error(
        at(piece, 'of'),
        `\`${of}\` is a currency; money is not counted`,
        'write `minor:` or `decimal:` with `currency:`',
      )
    return count === null || digitsOf(of.toUpperCase()) !== null ? null : { kind: 'count', count, of }
  }
  const currency = currencyAt(compiling, at(piece, 'currency'), scope)
  const minor = expressionAt(compiling, at(piece, 'minor'), scope, 'int')
  const decimal = expressionAt(compiling, at(piece, 'decimal'), scope, 'string')
  if (currency === null) return null
  if (minor !== null) return { kind: 'minor', minor, currency }
  return decimal === null ? null : { kind: 'decimal', decimal, currency }
}

/** Three capitals are a literal currency, anything else is an expression. */
function currencyAt(
  compiling: Compiling,
  piece: Piece,
  scope: TypeScope,
): CostSpec extends infer C ? (C extends { currency: infer T } ? T | null : never) : never {
  const text = textAt(piece)
  if (text === null) return null
  const capitals = text.toUpperCase()
  if (text !== capitals && !Object.hasOwn(scope, text) && digitsOf(capitals) !== null) {
    compiling.report.error(piece, `there is no \`${text}\` here`, `a currency is written in capitals: ${capitals}`)
    return null
  }
  if (!/^[A-Z]{3}$/.test(text)) return expressionAt(compiling, piece, scope, 'string')
  if (digitsOf(text) !== null) return text
  compiling.report.error(piece, `"${text}" is not a currency`, 'a currency is an ISO 4217 code such as USD')
  return null
}

function compileRecheck(compiling: Compiling, adapter: string | null, piece: Piece, scope: TypeScope): Lookup | null {
  const request = compileRequest(compiling, adapter, piece, 'recheck', scope)
  const page = compilePage(compiling, at(piece, 'page'), compiling.adapters[adapter ?? '']?.request)
  const asked = {
    output: 'any',
    input: scope['input'] ?? 'any',
    facts: scope['facts'] ?? 'any',
    call: scope['call'] ?? 'any',
  } satisfies TypeScope
  const happened = expressionAt(compiling, at(piece, 'happened'), asked, 'bool')
  return request === null || happened === null ? null : { request, page, happened }
}

function warnOfDoubt(
  { report, adapters }: Compiling,
  piece: Piece,
  effect: Effect | null,
  backend: BackendSpec | undefined,
): void {
  if (backend === undefined) return
  if (effect === 'write' && backend.idempotency === null && !has(at(piece, 'recheck'))) {
    report.warning(
      piece,
      `when in doubt whether this happened, people must find out: \`${backend.name}\` has no idempotency, and there is no \`recheck\``,
      'write a `recheck:` that asks the backend',
      'key',
    )
  }
  const request = valueAt(at(piece, 'request'))
  const [method, does] =
    (typeof request === 'object' && request !== null
      ? effectsIn(adapters[backend.adapter]?.request ?? {}).find(
          ([key, does]) => does !== 'read' && Object.hasOwn(request, key),
        )
      : undefined) ?? []
  if (effect === 'read' && method !== undefined && does === 'write') {
    report.error(at(piece, 'request', method), `\`${method}\` changes something`, 'say `effect: write`', 'key')
  } else if (effect === 'read' && method !== undefined) {
    report.warning(
      at(piece, 'request', method),
      `this reads with ${method}: it needs no request key, and a repeat is sent again`,
      'say `effect: write` if it changes anything',
      'key',
    )
  }
}
