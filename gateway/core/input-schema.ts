import type { ErrorObject, ValidateFunction } from 'ajv'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import type { Type } from './expression.ts'
import { visible } from './policy/finding.ts'
import { memberProblems, membersOf } from './policy/member.ts'
import type { Member, MemberProblem } from './policy/member.ts'
import { linearEngine, linearPattern } from './policy/pattern.ts'
import { nearest } from './spelling.ts'
import type { InputError, Json, JsonObject, JsonSchema } from './types.ts'

/** A compiled `input:` of an action. */
export interface InputSchema {
  /** JSON Schema 2020-12 for clients: closed, every size bounded. */
  readonly schema: JsonSchema
  /** Empty: valid. All errors at once, at most 50. Never throws, whatever the input is. */
  readonly validate: (input: unknown) => readonly InputError[]
  /** Top-level members that are sensitive, or hold something that is. */
  readonly sensitive: readonly string[]
  /** Validates. */
  readonly example: JsonObject
  /** What expressions and templates see. */
  readonly type: Type
}

/**
 * Compiles the members of an `input:` that has the shape of the language. The validator itself is compiled at its first
 * use: a policy has more actions than one process calls.
 */
export function compileInput(
  members: JsonObject,
):
  | { readonly ok: true; readonly input: InputSchema; readonly warnings: readonly MemberProblem[] }
  | { readonly ok: false; readonly problems: readonly MemberProblem[] } {
  const root: Member = { kind: 'object', members: membersOf(members), sensitive: false }
  const problems = memberProblems(root, [])
  if (problems.some(({ warning }) => warning !== true)) return { ok: false, problems }
  const schema: JsonSchema = { $schema: 'https://json-schema.org/draft/2020-12/schema', ...schemaOf(root) }
  let check: ValidateFunction | null = null
  const validate = (input: unknown): readonly InputError[] => {
    const oversized: InputError[] = []
    measure(root, input, 'input', oversized)
    // Patterns, formats and uniqueness are judged only where sizes are bounded already.
    if (oversized.length > 0) return oversized.slice(0, MOST)
    check ??= compileSchema(schema)
    return check(input) === true ? [] : inputErrors(check.errors ?? [], root, input)
  }
  const sensitive = root.members.filter(({ member }) => holdsSensitive(member)).map(({ name }) => name)
  const example = exampleOf(root) as JsonObject
  if (hasOwnExample(root)) {
    const [wrong] = validate(example)
    if (wrong !== undefined)
      return {
        ok: false,
        problems: [{ path: [], message: `the example of \`${wrong.path}\` does not fit: wanted ${wrong.want}` }],
      }
  }
  return { ok: true, warnings: problems, input: { schema, validate, sensitive, example, type: typeOf(root) } }
}

const MOST = 50

function compileSchema(schema: JsonSchema): ValidateFunction {
  // One instance per schema: nothing is kept when a policy is replaced.
  const ajv = new Ajv2020({
    allErrors: true,
    verbose: true,
    strict: true,
    ownProperties: true,
    meta: false,
    validateSchema: false,
    logger: false,
    code: { regExp: linearEngine },
  })
  addFormats.default(ajv, ['uuid', 'date', 'date-time'])
  ajv.addFormat('email', EMAIL)
  return ajv.compile(schema)
}

/** Linear; the pattern of ajv-formats is not. */
const email = linearPattern(
  "^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)+$",
)
const EMAIL = (text: string): boolean => text.length <= 254 && email.test(text)

// ---------------------------------------------------------------- what clients see

function schemaOf(member: Member): JsonSchema {
  const described: JsonSchema = member.description === undefined ? {} : { description: member.description }
  switch (member.kind) {
    case 'object':
      return {
        type: 'object',
        ...described,
        properties: Object.fromEntries(member.members.map(({ name, member: part }) => [name, schemaOf(part)])),
        required: member.members.filter(({ optional }) => !optional).map(({ name }) => name),
        additionalProperties: false,
      }
    case 'array':
      return { type: 'array', ...described, items: schemaOf(member.items), ...member.keywords }
    default:
      return { type: member.kind, ...described, ...member.keywords }
  }
}

function typeOf(member: Member): Type {
  const values = member.kind === 'object' || member.kind === 'array' ? undefined : member.keywords['enum']
  switch (member.kind) {
    case 'object':
      return {
        object: Object.fromEntries(
          member.members.map(({ name, optional, member: part }) => [
            name,
            optional ? { optional: typeOf(part) } : typeOf(part),
          ]),
        ),
      }
    case 'array':
      return { list: typeOf(member.items) }
    case 'integer':
      return 'int'
    case 'number':
      return 'double'
    case 'boolean':
      return 'bool'
    case 'string':
      if (Array.isArray(values)) return { enum: values.map(String) }
      return typeof member.keywords['const'] === 'string' ? { enum: [member.keywords['const']] } : 'string'
  }
}

function exampleOf(member: Member): Json {
  if (member.kind === 'object') {
    return Object.fromEntries(
      member.members.filter(({ optional }) => !optional).map(({ name, member: part }) => [name, exampleOf(part)]),
    )
  }
  if (member.kind === 'array') {
    const least = Number(member.keywords['minItems'] ?? 1)
    return member.example ?? Array.from({ length: least }, () => exampleOf(member.items))
  }
  return member.example
}

function hasOwnExample(member: Member): boolean {
  if (member.written?.['example'] !== undefined) return true
  if (member.kind === 'object') return member.members.some(({ member: part }) => hasOwnExample(part))
  return member.kind === 'array' && hasOwnExample(member.items)
}

function holdsSensitive(member: Member): boolean {
  if (member.sensitive) return true
  if (member.kind === 'object') return member.members.some(({ member: part }) => holdsSensitive(part))
  return member.kind === 'array' && holdsSensitive(member.items)
}

// ---------------------------------------------------------------- what is wrong with an input

/** Sizes first, without any pattern: nothing that follows is asked about more than the schema's bounds. */
function measure(member: Member, value: unknown, path: string, errors: InputError[]): void {
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

function inputErrors(errors: readonly ErrorObject[], root: Member, input: unknown): InputError[] {
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
    if (keywords['format'] !== undefined) words.push(`in the form of a ${String(keywords['format'])}`)
    if (keywords['pattern'] !== undefined) words.push(`that matches ${String(keywords['pattern'])}`)
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
  return [...text].length > 40 ? `${[...text].slice(0, 40).join('')}…` : text
}

function kindOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return `a list of ${value.length} items`
  return (
    { string: 'a text', number: 'a number', boolean: 'true or false', object: 'an object' }[typeof value as string] ??
    'nothing'
  )
}
