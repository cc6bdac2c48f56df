import { linearPattern, sampleOf } from '../../core/policy/pattern.ts'
import type { Json, JsonObject } from '../../core/types.ts'
import { isObject, listAt, objectAt, resolved } from './document.ts'
import type { OpenApi } from './document.ts'
import { refuse } from './refused.ts'

/** What the members of an input are made with. */
export interface Narrowing {
  readonly api: OpenApi
  /** What the document says and the policy language does not, or what is bounded here and not there; for the reader. */
  readonly notes: string[]
  /** Members that are left out, by their place in the input as the document names it: `customer.address`. */
  readonly without: ReadonlySet<string>
  /** Of a choice with a discriminator, the one that is meant: place → name. */
  readonly variants: ReadonlyMap<string, string>
}

const DEPTH_MOST = 6
const LENGTH_MOST = 20_000
const ITEMS_MOST = 1000
const FORMATS: ReadonlySet<string> = new Set(['uuid', 'date', 'date-time', 'email'])
/** Hints to people and generators; they narrow nothing. */
const SILENT: ReadonlySet<string> = new Set(['int32', 'int64', 'float', 'double', 'password', 'string'])

/**
 * One schema of the document as a member of the policy language: the same or narrower, never wider without a note.
 *
 * @param at its place in the input; `chain` are the refs that led here.
 * @throws Refused for what is not clear: recursion, a choice that nothing decides, no type, a ref that leads out.
 */
export function memberOf(
  schema: Json | undefined,
  at: string,
  narrowing: Narrowing,
  chain: readonly string[] = [],
): JsonObject {
  const { api, notes } = narrowing
  if (!isObject(schema))
    return refuse(at, 'anything is allowed here', 'A member has a type. Leave it out: --without MEMBER')
  const { $ref: ref } = schema
  if (typeof ref === 'string') return memberOf(resolved(api, { $ref: ref }, at, chain), at, narrowing, [...chain, ref])
  if (chain.length > 64 || at.split('.').length > DEPTH_MOST) {
    return refuse(at, 'it is nested too deeply', `At most ${DEPTH_MOST} levels. Leave it out: --without ${at}`)
  }
  const one = choice(joined(schema, at, narrowing, chain), at, narrowing, chain)
  if (one.chosen !== null) return memberOf(one.chosen, at, narrowing, chain)
  const whole = one.schema
  for (const keyword of [
    'not',
    'if',
    'patternProperties',
    'dependentRequired',
    'dependentSchemas',
    'contains',
    'prefixItems',
  ]) {
    if (Object.hasOwn(whole, keyword))
      notes.push(`${at}: \`${keyword}\` is not part of the policy language; the backend judges it`)
  }
  if (whole['nullable'] === true) notes.push(`${at}: null is not let through`)
  const type = typeOf(whole, at, notes)
  const described = description(whole)
  switch (type) {
    case 'object':
      return { type, ...described, properties: membersOf(whole, at, narrowing, chain) }
    case 'array':
      return { type, ...described, ...listOf(whole, at, narrowing, chain) }
    default:
      return { ...scalarOf(type, whole, at, notes), ...described }
  }
}

/** A schema that must be an object, with its refs, parts and choices settled; its members are as they were written. */
export function objectOf(
  schema: Json | undefined,
  at: string,
  narrowing: Narrowing,
  chain: readonly string[] = [],
): JsonObject {
  const whole = joined(resolved(narrowing.api, schema, at, chain), at, narrowing, chain)
  const { schema: settled, chosen } = choice(whole, at, narrowing, chain)
  if (chosen !== null) return objectOf(chosen, at, narrowing, [...chain, at])
  const type = typeOf(settled, at, narrowing.notes)
  return type === 'object'
    ? settled
    : refuse(at, `it is ${type === 'array' ? 'a list' : `a ${type}`}`, 'An input is an object.')
}

/** The members of an object that can be said; an optional one that cannot is left out and told. */
export function membersOf(
  schema: JsonObject,
  at: string,
  narrowing: Narrowing,
  chain: readonly string[],
  only: ReadonlySet<string> | null = null,
  named: (name: string) => string | null = (name) => (isName(name) ? name : null),
): { [name: string]: JsonObject } {
  const required = new Set(listAt(schema, 'required').map(String))
  const members: { [name: string]: JsonObject } = {}
  for (const [name, part] of Object.entries(objectAt(schema, 'properties'))) {
    const place = at === '' ? name : `${at}.${name}`
    const must = required.has(name)
    if (isObject(part) && part['readOnly'] === true) continue
    if (narrowing.without.has(place)) {
      if (must) refuse(place, 'the backend requires it', 'Without it no call would be whole.')
      continue
    }
    if (!must && only !== null && !only.has(name)) continue
    const ours = named(name)
    if (ours === null) {
      if (must)
        refuse(
          place,
          'its name is none of the policy language',
          'Names are small letters, digits and _. Write this action by hand.',
        )
      narrowing.notes.push(`${place}: left out, its name is none of the policy language`)
      continue
    }
    members[`${ours}${must ? '' : '?'}`] = memberOf(part, place, narrowing, chain)
  }
  if (Object.keys(members).length === 0 && at !== '') {
    refuse(at, 'it is a map of anything', `An object names its members. Leave it out: --without ${at}`)
  }
  if (isObject(schema['additionalProperties']))
    narrowing.notes.push(`${at || 'the body'}: no other members are let through`)
  return members
}

/** `allOf` as one schema: every part holds, so what two of them say of one thing must be the same. */
function joined(schema: JsonObject, at: string, narrowing: Narrowing, chain: readonly string[]): JsonObject {
  if (!Object.hasOwn(schema, 'allOf')) return schema
  const { allOf: _all, ...own } = schema
  const parts = listAt(schema, 'allOf').map((part) => {
    const ref = isObject(part) && typeof part['$ref'] === 'string' ? [part['$ref']] : []
    return joined(resolved(narrowing.api, part, at, chain), at, narrowing, [...chain, ...ref])
  })
  let whole: JsonObject = {}
  for (const part of [...parts, own]) {
    const properties = { ...objectAt(whole, 'properties'), ...objectAt(part, 'properties') }
    const required = [...new Set([...listAt(whole, 'required'), ...listAt(part, 'required')])]
    for (const [keyword, value] of Object.entries(part)) {
      const before = whole[keyword]
      const told = ['properties', 'required', 'description', 'title', 'example', 'examples', 'default', 'deprecated']
      if (before === undefined || told.includes(keyword) || JSON.stringify(before) === JSON.stringify(value)) continue
      refuse(at, `two parts of allOf say different things of \`${keyword}\``, `Leave it out: --without ${at}`)
    }
    whole = {
      ...whole,
      ...part,
      ...(Object.keys(properties).length > 0 ? { properties } : {}),
      ...(required.length > 0 ? { required } : {}),
    }
  }
  return whole
}

/** Of `oneOf` and `anyOf` the one that is left, is meant, or is the same for all; else nobody can tell. */
function choice(
  schema: JsonObject,
  at: string,
  narrowing: Narrowing,
  chain: readonly string[],
): { readonly schema: JsonObject; readonly chosen: JsonObject | null } {
  const keyword = ['oneOf', 'anyOf'].find((name) => Object.hasOwn(schema, name))
  if (keyword === undefined) return { schema, chosen: null }
  const { [keyword]: _choices, discriminator, ...own } = schema
  const all = listAt(schema, keyword)
  const left = all.filter((one) => !isNothing(resolved(narrowing.api, one, at, chain)))
  if (left.length < all.length) narrowing.notes.push(`${at}: null and the empty text are not let through`)
  const [only, ...more] = left
  if (only !== undefined && more.length === 0) return { schema, chosen: { ...own, ...(only as JsonObject) } }
  const values = left.map((one) => valuesOf(resolved(narrowing.api, one, at, chain)))
  if (values.every((some) => some !== null))
    return { schema: { ...own, type: 'string', enum: values.flat() }, chosen: null }
  if (isObject(discriminator) && keyword === 'oneOf')
    return { schema, chosen: variant(left, discriminator, at, narrowing) }
  return refuse(
    at,
    `\`${keyword}\` of ${left.length} without a discriminator: nothing says which is meant`,
    `Leave it out: --without ${at}`,
  )
}

function variant(
  choices: readonly Json[],
  discriminator: JsonObject,
  at: string,
  { api, variants }: Narrowing,
): JsonObject {
  const mapping = Object.entries(objectAt(discriminator, 'mapping'))
  const named = choices.map((one) => {
    const ref = isObject(one) ? String(one['$ref'] ?? '') : ''
    return { name: mapping.find(([, target]) => target === ref)?.[0] ?? ref.split('/').at(-1) ?? '', one }
  })
  const wanted = variants.get(at) ?? variants.get(at.replace(/^\(body\)$/, 'body'))
  const names = named.map(({ name }) => name).join(', ')
  const found = named.find(({ name }) => name === wanted)
  if (found === undefined)
    refuse(at, `it is one of: ${names}`, `Say which: --variant ${at}=${named[0]?.name ?? 'NAME'}, or --without ${at}`)
  const schema = resolved(api, found?.one, at)
  // The member that tells them apart has one value from here on.
  const property = String(discriminator['propertyName'] ?? '')
  const properties = { ...objectAt(schema, 'properties'), [property]: { const: found?.name ?? '' } }
  return { ...schema, properties, required: [...new Set([...listAt(schema, 'required'), property])] }
}

function isNothing(schema: JsonObject): boolean {
  const values = listAt(schema, 'enum')
  return schema['type'] === 'null' || (values.length > 0 && values.every((value) => value === '' || value === null))
}

function valuesOf(schema: JsonObject): readonly Json[] | null {
  if (typeof schema['const'] === 'string') return [schema['const']]
  const values = listAt(schema, 'enum')
  return values.length > 0 && values.every((value) => typeof value === 'string') ? values : null
}

const TYPES = ['string', 'integer', 'number', 'boolean', 'array', 'object'] as const
type Type = (typeof TYPES)[number]

function typeOf(schema: JsonObject, at: string, notes: string[]): Type {
  const said = [schema['type'] ?? []].flat() as Json[]
  const types = said.filter((type) => type !== 'null')
  if (types.length < said.length) notes.push(`${at}: null is not let through`)
  if (types.length > 1)
    refuse(at, `it is ${types.join(' or ')}`, `A member has one type. Leave it out: --without ${at}`)
  const found = TYPES.find((type) => type === types[0])
  if (found !== undefined) return found
  if (Object.hasOwn(schema, 'properties')) return 'object'
  if (Object.hasOwn(schema, 'items')) return 'array'
  const [value] = [...listAt(schema, 'enum'), ...(schema['const'] === undefined ? [] : [schema['const']])]
  if (typeof value === 'string' || typeof value === 'boolean') return typeof value as 'string' | 'boolean'
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number'
  return refuse(at, 'it has no type', `A member has a type. Leave it out: --without ${at}`)
}

function listOf(schema: JsonObject, at: string, narrowing: Narrowing, chain: readonly string[]): JsonObject {
  const most = Math.min(numberAt(schema, 'maxItems') ?? 100, ITEMS_MOST)
  const least = numberAt(schema, 'minItems') ?? 0
  if (numberAt(schema, 'maxItems') !== most) narrowing.notes.push(`${at}: at most ${most} items`)
  if (schema['uniqueItems'] === true) narrowing.notes.push(`${at}: \`uniqueItems\` is left to the backend`)
  const items = memberOf(schema['items'], `${at}[]`, narrowing, chain)
  return { items, ...(least > 0 ? { minItems: least } : {}), maxItems: Math.max(most, least) }
}

function scalarOf(
  type: Exclude<Type, 'array' | 'object'>,
  schema: JsonObject,
  at: string,
  notes: string[],
): JsonObject {
  const values = listAt(schema, 'enum').filter((value) => value !== null && value !== '')
  if (schema['const'] !== undefined) return { const: schema['const'] }
  if (values.length > 0) {
    if (values.some((value) => typeof value === 'object'))
      refuse(at, 'its values are no scalars', `Leave it out: --without ${at}`)
    if (values.length <= 500) return { ...(type === 'string' ? {} : { type }), enum: values }
    notes.push(`${at}: ${values.length} values, which the backend judges`)
  }
  if (type === 'boolean') return { type }
  return type === 'string' ? textOf(schema, at, notes) : numberOf(type, schema, at, notes)
}

function textOf(schema: JsonObject, at: string, notes: string[]): JsonObject {
  const { format, pattern } = schema
  if (format === 'binary' || format === 'byte')
    refuse(at, 'it is a file', `Files go through a route. Leave it out: --without ${at}`)
  const most = Math.min(numberAt(schema, 'maxLength') ?? 1000, LENGTH_MOST)
  const least = Math.min(numberAt(schema, 'minLength') ?? 0, most)
  if (numberAt(schema, 'maxLength') !== most) notes.push(`${at}: at most ${most} characters`)
  const known = typeof format === 'string' && FORMATS.has(format)
  if (typeof format === 'string' && !known && !SILENT.has(format))
    notes.push(`${at}: the format ${format.slice(0, 40)} is left to the backend`)
  const fits = typeof pattern === 'string' && isLinear(pattern) && sampleOf(pattern, least, most) !== null
  if (typeof pattern === 'string' && !fits)
    notes.push(`${at}: its pattern is left to the backend: ${pattern.slice(0, 80)}`)
  return {
    type: 'string',
    ...(known ? { format } : {}),
    ...(fits ? { pattern } : {}),
    ...(least > 0 ? { minLength: least } : {}),
    maxLength: Math.max(most, 1),
    ...(format === 'password' || schema['writeOnly'] === true ? { sensitive: true } : {}),
  }
}

function numberOf(type: 'integer' | 'number', schema: JsonObject, at: string, notes: string[]): JsonObject {
  const { minimum, maximum, exclusiveMinimum: above, exclusiveMaximum: below, multipleOf } = schema
  // In OpenAPI 3.0 the two are flags beside the bound.
  const bounds: JsonObject = {
    ...(typeof minimum === 'number' ? { [above === true ? 'exclusiveMinimum' : 'minimum']: minimum } : {}),
    ...(typeof maximum === 'number' ? { [below === true ? 'exclusiveMaximum' : 'maximum']: maximum } : {}),
    ...(typeof above === 'number' ? { exclusiveMinimum: above } : {}),
    ...(typeof below === 'number' ? { exclusiveMaximum: below } : {}),
  }
  const safe = Object.fromEntries(
    Object.entries(bounds).filter(([, bound]) => Math.abs(Number(bound)) <= Number.MAX_SAFE_INTEGER),
  )
  const whole = type === 'integer' && typeof multipleOf === 'number' && Number.isInteger(multipleOf) && multipleOf >= 1
  if (multipleOf !== undefined && !whole) notes.push(`${at}: \`multipleOf\` is left to the backend`)
  return { type, ...safe, ...(whole && multipleOf !== 1 ? { multipleOf } : {}) }
}

function description({ description: text, title }: JsonObject): JsonObject {
  const said = oneLine(text) ?? oneLine(title)
  return said === null ? {} : { description: said.slice(0, 300) }
}

/** Somebody else's words, for an agent and for people: one line, no markup, nothing that moves a terminal. */
export function oneLine(text: Json | undefined): string | null {
  if (typeof text !== 'string') return null
  const plain = text
    .replaceAll(/<[^<>]{0,200}>/g, ' ')
    .replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .replaceAll('${', '$ {')
    .trim()
  return plain === '' ? null : plain
}

export function isName(name: string): boolean {
  return /^(?!(?:constructor|prototype|request_key)$)[a-z][a-z0-9_]{0,62}$/.test(name)
}

function isLinear(pattern: string): boolean {
  if (pattern.length > 500) return false
  try {
    linearPattern(pattern)
    return true
  } catch {
    return false
  }
}

function numberAt(schema: JsonObject, name: string): number | undefined {
  const value = schema[name]
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined
}
