import type { ErrorObject } from 'ajv'
import { nearest } from '../spelling.ts'
import type { InputError } from '../types.ts'
import { visible } from './finding.ts'
import { exampleOf } from './member.ts'
import type { Member } from './member.ts'

/** More errors than this help nobody. */
export const MOST = 50

/** Sizes first, without any pattern: nothing that follows is asked about more than the schema's bounds. */
export function measure(member: Member, value: unknown, path: string, errors: InputError[]): void {
  const wrong = (got: string): void => {
    if (errors.length < MOST) errors.push(errorOf(path, got, member))
  }
  if (typeof value === 'string' && member.kind === 'string') {
    // A character is one or two units; a lone surrogate is no character and could not be sent as UTF-8.
    if (value.length > 2 * Number(member.keywords['maxLength'])) wrong('a text that is too long')
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

/** Ajv's errors in our words: one for each place, with all that is wanted there. */
export function inputErrors(errors: readonly ErrorObject[], root: Member, input: unknown): InputError[] {
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
    } else if (!said.has(place.path)) {
      said.set(place.path, errorOf(place.path, place.hidden ? kindOf(place.value) : shown(place.value), place.member))
    }
  }
  return [...said.values()]
}

function errorOf(path: string, got: string, member: Member): InputError {
  return { path, got, want: wanted(member), example: exampleOf(member) }
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
  const near = name.length > 64 ? null : nearest(name, names)
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

function kindOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return `a list of ${value.length} items`
  return (
    { string: 'a text', number: 'a number', boolean: 'true or false', object: 'an object' }[typeof value as string] ??
    'nothing'
  )
}
