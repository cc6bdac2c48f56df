import { parseAmounts } from '../money.ts'
import { keepTyped } from '../redact.ts'
import type { Action, Amounts, Grant, Json, JsonObject, Keep, Policy, Role } from '../types.ts'
import { entriesAt, flagAt, has, itemsAt, textAt } from './compiling.ts'
import { didYouMean } from './finding.ts'
import type { Report } from './finding.ts'
import { at, placeOf, valueAt } from './place.ts'
import type { Path, Piece } from './place.ts'
import { countersOf, frozenNames, linesOf } from './test-names.ts'
import type { Counter } from './test-names.ts'

/** One case of a test table, checked: every name in it exists. */
export interface PolicyCase {
  readonly file: string
  readonly line: number
  readonly it: string
  readonly role: string
  readonly action: Action
  /** null: the role does not grant the action. */
  readonly grant: Grant | null
  /** ms since the epoch. */
  readonly now: number
  readonly input: JsonObject
  readonly facts: JsonObject
  readonly attributes: JsonObject
  readonly requested_by: string
  readonly acting_for: string | null
  readonly switches: { readonly [name: string]: boolean }
  /** By the line as `because` cites it. */
  readonly used: ReadonlyMap<string, Amounts>
  readonly held: ReadonlyMap<string, Amounts>
  readonly approved_by: readonly {
    readonly person: string
    readonly groups: readonly string[]
    readonly passkey: boolean
  }[]
  readonly expect: 'allow' | 'hold' | 'deny'
  /** `1 of finance`; null: not asked. */
  readonly by: readonly string[] | null
  readonly because: readonly string[]
}

/** Midday in winter, where a table does not say when. */
const NOON = '2026-01-15T12:00:00Z'

/** A case over what is given: each value from the case where it says one, else from `given`. */
export class CaseReader {
  readonly #policy: Policy
  readonly #role: Role
  readonly #report: Report
  readonly #given: Piece
  readonly #place: Piece

  constructor(policy: Policy, role: Role, report: Report, given: Piece, place: Piece) {
    this.#policy = policy
    this.#role = role
    this.#report = report
    this.#given = given
    this.#place = place
  }

  read(it: string): PolicyCase | null {
    const call = this.#text('call')
    if (call === null) {
      this.#report.error(this.#place, '`call` is missing: which action?', 'write it here or under `given`')
      return null
    }
    const { file, line } = placeOf(this.#place)
    const action = this.#policy.actions.get(call)
    if (action === undefined) {
      const hint = didYouMean(call, this.#policy.actions.keys())
      this.#report.error(this.#at('call'), `there is no action \`${call}\``, hint)
      return null
    }
    const grant = this.#role.grants.get(call) ?? null
    const acting_for = this.#text('acting_for')
    return {
      file,
      line,
      it,
      role: this.#role.name,
      action,
      grant,
      now: this.#now(),
      input: this.#input(action),
      facts: grant === null ? {} : this.#facts(action),
      attributes: this.#attributes(),
      requested_by: this.#text('requested_by') ?? 'agent',
      acting_for,
      switches: this.#switches(),
      used: this.#use('used', grant),
      held: this.#use('held', grant),
      approved_by: this.#approvals(),
      expect: valueAt(at(this.#place, 'expect')) as PolicyCase['expect'],
      by: this.#by(),
      because: this.#because(action, grant),
    }
  }

  #now(): number {
    const text = this.#text('now') ?? NOON
    const form = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2})$/
    // Date would take the 30th of February for the 2nd of March.
    const day = new Date(`${text.slice(0, 10)}T00:00:00Z`)
    const isDay = form.test(text) && !Number.isNaN(day.getTime()) && text.startsWith(day.toISOString().slice(0, 10))
    const now = isDay ? new Date(text).getTime() : Number.NaN
    if (Number.isNaN(now)) this.#report.error(this.#at('now'), `"${text}" is no instant`, `write it like ${NOON}`)
    return now
  }

  #input(action: Action): JsonObject {
    const known = Object.keys((action.input['properties'] ?? {}) as JsonObject)
    const input = this.#map('input')
    for (const name of Object.keys(input)) this.#mustBe(known, name, ['input', name], `the input of ${action.name}`)
    return input
  }

  #facts(action: Action): JsonObject {
    const given = this.#map('facts')
    const names = action.facts.map(({ name }) => name)
    for (const name of Object.keys(given)) this.#mustBe(names, name, ['facts', name], `the facts of ${action.name}`)
    const facts: { [name: string]: Json } = {}
    for (const { name, keep } of action.facts) {
      const value = given[name]
      if (value === undefined) {
        const hint = `write \`facts: { ${name}: … }\` here or under \`given\`; null where it cannot be had`
        this.#report.error(at(this.#place, 'it'), `the fact \`${name}\` is not given`, hint)
        continue
      }
      if (value !== null) this.#members(keep, value, ['facts', name])
      const kept = value === null ? null : keepTyped(value, keep, `facts.${name}`)
      if (kept?.ok === false) this.#report.error(this.#at('facts', name), kept.message)
      facts[name] = kept?.ok === true ? kept.value : null
    }
    return facts
  }

  /** What `keep` does not name is never there: an expectation must not rest on it. */
  #members(keep: Keep, value: Json, path: Path): void {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return
    for (const [name, inside] of Object.entries(value)) {
      if (!this.#mustBe(Object.keys(keep), name, [...path, name], `what \`${path.join('.')}\` keeps`)) continue
      const type = keep[name]
      if (typeof type === 'object' && 'object' in type) this.#members(type.object, inside, [...path, name])
    }
  }

  #attributes(): JsonObject {
    const carried = this.#role.issue_to.flatMap(({ carry }) => Object.keys(carry))
    const session = this.#map('session')
    for (const name of Object.keys(session))
      this.#mustBe(carried, name, ['session', name], `what sessions of ${this.#role.name} carry`)
    return session
  }

  #switches(): { [name: string]: boolean } {
    const switches = this.#map('switches') as { [name: string]: boolean }
    const known = [...this.#policy.switches.keys(), ...frozenNames(this.#policy)]
    for (const name of Object.keys(switches)) this.#mustBe(known, name, ['switches', name], 'the switches')
    return switches
  }

  #use(key: 'used' | 'held', grant: Grant | null): Map<string, Amounts> {
    const counters = grant === null ? [] : countersOf(grant, key)
    const use = new Map<string, Amounts>()
    for (const [name, value] of Object.entries(this.#map(key))) {
      const named = counters.filter((counter) => counter.name === name || counter.because === name)
      const [counter] = named
      const known = [...counters.map((each) => each.name), ...counters.map(({ because }) => because)]
      if (counter === undefined) this.#mustBe(known, name, [key, name], `what can be ${key} of this grant`)
      else if (named.length > 1) {
        const hint = `write ${named.map(({ because }) => because).join(' or ')}`
        this.#report.error(this.#at(key, name), `\`${name}\` is more than one line here`, hint, 'key')
      } else {
        const amounts = this.#amounts(counter, value, [key, name])
        if (amounts !== null) use.set(counter.because, amounts)
      }
    }
    return use
  }

  #amounts({ name, units }: Counter, value: Json, path: Path): Amounts | null {
    const [unit = ''] = units
    const example = /^[A-Z]{3}$/.test(unit) ? `480.00 ${unit}` : `5 ${unit}`
    if (typeof value === 'number' && units.length === 1 && !/^[A-Z]{3}$/.test(unit)) return { [unit]: value }
    const parsed = typeof value === 'string' ? parseAmounts(value) : null
    if (parsed?.ok !== true) {
      const message = parsed?.message ?? `\`${name}\` is counted in ${units.join(' and ')}`
      this.#report.error(this.#at(...path), message, parsed?.hint ?? `write ${example}`)
      return null
    }
    const other = Object.keys(parsed.amounts).find((given) => !units.includes(given))
    if (other === undefined) return parsed.amounts
    const message = `\`${name}\` is counted in ${units.join(' and ')}, not in ${other}`
    this.#report.error(this.#at(...path), message, `write ${example}`)
    return null
  }

  #approvals(): PolicyCase['approved_by'] {
    const list = this.#at('approved_by')
    return itemsAt(list).map((person) => {
      const groups = at(person, 'groups')
      itemsAt(groups).forEach((group) => this.#group(textAt(group) ?? '', group))
      return {
        person: textAt(at(person, 'person')) ?? '',
        groups: itemsAt(groups).map((group) => textAt(group) ?? ''),
        passkey: flagAt(at(person, 'passkey')),
      }
    })
  }

  #by(): string[] | null {
    const texts = this.#texts('by')
    if (texts === null) return null
    if (valueAt(at(this.#place, 'expect')) !== 'hold')
      this.#report.error(at(this.#place, 'by'), '`by` goes with `expect: hold`', 'take it out', 'key')
    for (const { text, piece } of texts) {
      const [, group] = /^[1-9][0-9]* of ([a-z][a-z0-9_-]*)$/.exec(text) ?? []
      if (group === undefined) this.#report.error(piece, `"${text}" says not who`, 'write 1 of GROUP')
      else this.#group(group, piece, text.length - group.length)
    }
    return texts.map(({ text }) => text)
  }

  #because(action: Action, grant: Grant | null): string[] {
    const texts = this.#texts('because') ?? []
    if (texts.length > 0 && valueAt(at(this.#place, 'expect')) === 'allow')
      this.#report.error(at(this.#place, 'because'), '`because` goes with hold and deny', 'take it out', 'key')
    const known = linesOf(this.#policy, action, grant)
    for (const { text, piece } of texts) {
      if (known.includes(text)) continue
      this.#report.error(piece, `no line of ${this.#role.name} is cited \`${text}\``, didYouMean(text, known))
    }
    return texts.map(({ text }) => text)
  }

  #group(name: string, piece: Piece, offset = 0): void {
    if (this.#policy.groups.has(name)) return
    const hint = didYouMean(name, this.#policy.groups.keys())
    this.#report.error(piece, `there is no group \`${name}\``, hint, { offset, length: name.length })
  }

  #mustBe(known: readonly string[], name: string, path: Path, of: string): boolean {
    if (known.includes(name)) return true
    const hint = didYouMean(name, known, known.length === 0 ? 'there are none' : undefined)
    this.#report.error(this.#at(...path), `\`${name}\` is not among ${of}`, hint, 'key')
    return false
  }

  /** One text or a list of them. */
  #texts(key: string): { text: string; piece: Piece }[] | null {
    const piece = at(this.#place, key)
    if (!has(piece)) return null
    const pieces = Array.isArray(valueAt(piece)) ? itemsAt(piece) : [piece]
    return pieces.map((each) => ({ text: textAt(each) ?? '', piece: each }))
  }

  #text(key: string): string | null {
    return textAt(at(this.#place, key)) ?? textAt(at(this.#given, key))
  }

  #map(key: string): JsonObject {
    const own = Object.fromEntries(
      entriesAt(at(this.#place, key)).map(([name, piece]) => [name, valueAt(piece) ?? null]),
    )
    if (!this.#inherits(key)) return own
    const given = entriesAt(at(this.#given, key)).map(([name, piece]) => [name, valueAt(piece) ?? null])
    return merged(Object.fromEntries(given) as JsonObject, own) as JsonObject
  }

  /** What is given was given for the action that `given` names: a case that asks another one brings its own. */
  #inherits(key: string): boolean {
    if (!['input', 'facts', 'used', 'held'].includes(key)) return true
    const [own, given] = [textAt(at(this.#place, 'call')), textAt(at(this.#given, 'call'))]
    return own === null || given === null || own === given
  }

  /** Where a value stands: in the case, else under `given`. */
  #at(...path: Path): Piece {
    const own = at(this.#place, ...path)
    return has(own) || !has(at(this.#given, ...path)) ? own : at(this.#given, ...path)
  }
}

/** Maps merge, all else is replaced. */
function merged(below: Json, above: Json): Json {
  if (!isMap(below) || !isMap(above)) return above
  const both = Object.entries(above).map(([name, value]) => {
    const under = Object.hasOwn(below, name) ? below[name] : undefined
    return [name, under === undefined ? value : merged(under, value)] as const
  })
  return { ...below, ...Object.fromEntries(both) }
}

function isMap(value: Json): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
