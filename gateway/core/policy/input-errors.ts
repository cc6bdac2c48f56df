import type { ErrorObject } from 'ajv'
import type { InputError } from '../types.ts'
import { visible } from '../visible.ts'
import { exampleOf } from './member.ts'
import type { Member } from './member.ts'
import { meant } from './respelt.ts'

/** More errors than this help nobody. */
export const MOST = 50

/** Sizes first, without any pattern: nothing that follows is asked about more than the schema's bounds. */
export function measure(member: Member, value: unknown, path: string, errors: InputError[]): void {
  const wrong = (got: string): void => {
    if (errors.length < MOST) errors.push(errorOf(path, got, member))
  }
  if (typeof value === 'string' && member.kind === 'string') {
    if (isLong(value, member)) wrong('a text that is too long')
    else if (!value.isWellFormed()) wrong('a text that is not Unicode (a lone surrogate)')
  } else if (Array.isArray(value) && member.kind === 'array') {
    if (value.length > Number(member.keywords['maxItems'])) wrong(`a list of ${value.length} items`)
    else for (const [i, item] of value.entries()) measure(member.items, item, `${path}[${i}]`, errors)
  } else if (typeof value === 'object' && value !== null && member.kind === 'object') {
    for (const { name, member: part } of member.members) {
      if (Object.hasOwn(value, name))
        measure(part, (value as { [name: string]: unknown })[name], `${path}.${name}`, errors)
    }
  }
}

/** A character is one or two units; a lone surrogate is no character and could not be sent as UTF-8. */
function isLong(text: string, member: Member): boolean {
  return member.kind === 'string' && text.length > 2 * Number(member.keywords['maxLength'])
}

/** The same with something that fits where `measure` found an error: so that all else can be judged beside it. */
export function fitted(member: Member, value: unknown): unknown {
  if (typeof value === 'string') return isLong(value, member) || !value.isWellFormed() ? exampleOf(member) : value
  if (Array.isArray(value) && member.kind === 'array') {
    const tooMany = value.length > Number(member.keywords['maxItems'])
    return tooMany ? exampleOf(member) : Array.from(value, (item) => fitted(member.items, item))
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value) || member.kind !== 'object') return value
  const parts = new Map(member.members.map(({ name, member: part }) => [name, part]))
  return Object.fromEntries(
    Object.entries(value).map(([name, inside]) => {
      const part = parts.get(name)
      return [name, part === undefined ? inside : fitted(part, inside)]
    }),
  )
}

/**
 * Ajv's errors in our words: one for each place, with all that is wanted there.
 *
 * @param priced top-level members that the cost is made from.
 */
export function inputErrors(
  errors: readonly ErrorObject[],
  root: Member,
  input: unknown,
  priced: readonly string[] = [],
): InputError[] {
  const said = new Map<string, InputError>()
  for (const error of errors) {
    if (said.size >= MOST) break
    const place = placeIn(root, input, error.instancePath)
    if (error.keyword === 'required') {
      const name = String(error.params['missingProperty'])
      const part =
        place.member.kind === 'object' ? place.member.members.find((known) => known.name === name)?.member : undefined
      if (part !== undefined) said.set(`${place.path}.${name}`, errorOf(`${place.path}.${name}`, 'nothing', part))
    } else if (error.keyword === 'additionalProperties') {
      const name = String(error.params['additionalProperty'])
      const path = `${place.path}.${visible(name.slice(0, 64))}`
      said.set(path, { path, got: 'a member that is not in the schema', want: wantedNames(name, place.member) })
    } else if (isAboveAll(error, place.value) && priced.some((name) => isIn(place.path, name))) {
      said.set(place.path, tooMuch(errorOf(place.path, place.hidden ? A_NUMBER : shown(place.value), place.member)))
    } else if (!said.has(place.path)) {
      said.set(place.path, errorOf(place.path, place.hidden ? kindOf(place.value) : shown(place.value), place.member))
    }
  }
  return [...said.values()]
}

function errorOf(path: string, got: string, member: Member): InputError {
  return { path, got, want: wanted(member), example: exampleOf(member) }
}

/** The errors of an input, and of the values of misspelt members what is wrong with them where they were meant to be. */
export function withMeant(found: readonly InputError[], respelt: readonly InputError[], paths: readonly string[]) {
  const isAt = (path: string) => paths.find((meant) => path === meant || isBelow(path, meant))
  const more = respelt.filter(({ path }) => isAt(path) !== undefined)
  const said = new Set(more.map(({ path }) => isAt(path)))
  return [...found.filter(({ path }) => !said.has(path)), ...more]
}

function isBelow(path: string, above: string): boolean {
  return path.startsWith(`${above}.`) || path.startsWith(`${above}[`)
}

/** A bound from above, or a list of values, that a number is beyond. */
function isAboveAll({ keyword, params }: ErrorObject, value: unknown): boolean {
  if (typeof value !== 'number') return false
  if (keyword === 'maximum' || keyword === 'exclusiveMaximum') return true
  const values: unknown = keyword === 'enum' ? params['allowedValues'] : [params['allowedValue']]
  const listed = (keyword === 'enum' || keyword === 'const') && Array.isArray(values)
  return listed && values.every((one) => typeof one === 'number' && one < value)
}

function isIn(path: string, name: string): boolean {
  return path === `input.${name}` || isBelow(path, `input.${name}`)
}

/** A limit is no matter of form: another amount is never proposed, not even as an example. */
function tooMuch({ path, got, want }: InputError): InputError {
  return { path, got, want }
}

/** Whether an error is an amount beyond what the schema allows: there is nothing in it to mend. */
export function isTooMuch({ got, example }: InputError): boolean {
  return example === undefined && (got === A_NUMBER || /^[0-9]/.test(got))
}

/** Follows a JSON pointer through schema and value. */
function placeIn(
  root: Member,
  input: unknown,
  pointer: string,
): { path: string; member: Member; value: unknown; hidden: boolean } {
  let place = { path: 'input', member: root, value: input, hidden: root.sensitive }
  for (const step of pointer.split('/').slice(1)) {
    const { path, member, value, hidden } = place
    const inside = (value as { [step: string]: unknown } | null)?.[step]
    if (member.kind === 'array') {
      place = {
        path: `${path}[${step}]`,
        member: member.items,
        value: inside,
        hidden: hidden || member.items.sensitive,
      }
    } else if (member.kind === 'object') {
      const part = member.members.find(({ name }) => name === step)?.member
      if (part === undefined) break
      place = { path: `${path}.${step}`, member: part, value: inside, hidden: hidden || part.sensitive }
    }
  }
  return place
}

function wantedNames(name: string, member: Member): string {
  const names = member.kind === 'object' ? member.members.map((known) => known.name) : []
  const near = meant(name, member)
  if (near !== null) return `no such member; did you mean \`${near}\`?`
  return names.length === 0 ? 'no members' : `only: ${names.join(', ')}`
}

/** The whole demand on a value, in words. */
function wanted(member: Member): string {
  if (member.kind === 'object') return 'an object'
  const { keywords } = member
  const number = (keyword: string): number | null => (typeof keywords[keyword] === 'number' ? keywords[keyword] : null)
  if (Array.isArray(keywords['enum'])) return `one of: ${keywords['enum'].map((value) => String(value)).join(', ')}`
  if (keywords['const'] !== undefined) return JSON.stringify(keywords['const'])
  const words: string[] = []
  if (member.kind === 'string') {
    if (typeof keywords['format'] === 'string') words.push(`in the form of a ${keywords['format']}`)
    if (typeof keywords['pattern'] === 'string') words.push(`that matches ${keywords['pattern']}`)
    words.push(span(number('minLength'), number('maxLength'), 'characters'))
  } else if (member.kind === 'array') {
    words.push(span(number('minItems'), number('maxItems'), 'items'))
    if (keywords['uniqueItems'] === true) words.push('none of them twice')
  } else {
    if (number('minimum') !== null) words.push(`at least ${number('minimum')}`)
    if (number('exclusiveMinimum') !== null) words.push(`more than ${number('exclusiveMinimum')}`)
    if (number('maximum') !== null && number('maximum') !== Number.MAX_SAFE_INTEGER)
      words.push(`at most ${number('maximum')}`)
    if (number('exclusiveMaximum') !== null) words.push(`less than ${number('exclusiveMaximum')}`)
    if (number('multipleOf') !== null) words.push(`a multiple of ${number('multipleOf')}`)
  }
  const kind = {
    string: 'text',
    integer: 'a whole number in digits',
    number: 'a number',
    boolean: 'true or false',
    array: 'a list',
  }[member.kind]
  return [kind, ...words.filter((word) => word !== '')].join(', ')
}

function span(least: number | null, most: number | null, unit: string): string {
  if (least !== null && least > 0 && most !== null) return `${least} to ${most} ${unit}`
  return most === null ? '' : `at most ${most} ${unit}`
}

function shown(value: unknown): string {
  if (typeof value === 'object' && value !== null) return kindOf(value)
  const text = visible(JSON.stringify(value) ?? typeof value)
  const characters = Array.from(text)
  return characters.length > 40 ? `${characters.slice(0, 40).join('')}…` : text
}

const A_NUMBER = 'a number'

function kindOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return `a list of ${value.length} items`
  return (
    { string: 'a text', number: A_NUMBER, boolean: 'true or false', object: 'an object' }[typeof value as string] ??
    'nothing'
  )
}
