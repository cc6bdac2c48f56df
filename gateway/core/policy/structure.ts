import type { ErrorObject, ValidateFunction } from 'ajv'
import { Ajv2020 } from 'ajv/dist/2020.js'
import type { Json, JsonSchema } from '../types.ts'
import { nearest } from '../spelling.ts'
import { didYouMean } from './finding.ts'
import type { Report } from './finding.ts'
import { at } from './place.ts'
import type { Path, Piece } from './place.ts'

/**
 * A validator of our own schemas: all errors, each with the schema that it broke, so that it can be said in our words.
 * `x-says` beside a pattern names it in words; `x-later` refuses a key that a later version brings.
 */
export function structureOf(schema: JsonSchema): ValidateFunction {
  const ajv = new Ajv2020({
    allErrors: true,
    verbose: true,
    strict: false,
    ownProperties: true,
    validateFormats: false,
    meta: false,
    validateSchema: false,
    logger: false,
    // Half of the time to compile, and the documents that pass are few.
    code: { optimize: false },
  })
  const later = (says: string): boolean => {
    later.errors = [{ keyword: 'x-later', message: says, params: {} }]
    return false
  }
  later.errors = [] as Partial<ErrorObject>[]
  ajv.addKeyword({ keyword: 'x-later', schemaType: 'string', errors: true, validate: later })
  return ajv.compile(schema)
}

/** Checks the shape of a piece and reports every difference; remembers in the document what must not be read further. */
export function checkStructure(piece: Piece, value: Json, validate: ValidateFunction, report: Report): void {
  if (validate(value)) return
  for (const error of chosen(decisive(validate.errors ?? []))) {
    const path = pathOf(error.instancePath)
    if (error.keyword === 'additionalProperties') {
      const name = String(error.params['additionalProperty'])
      const keys = Object.entries((error.parentSchema?.['properties'] ?? {}) as { readonly [key: string]: JsonSchema })
      const known = keys.filter(([, schema]) => schema['x-later'] === undefined).map(([key]) => key)
      const own = Object.keys((error.data as object | null) ?? {})
      const free = known.filter((key) => !own.includes(key))
      report.error(at(piece, ...path, name), `unknown key \`${name}\``, didYouMean(name, free, listed(known)), 'key')
      continue
    }
    // What a later version brings is ignored here, like an unknown key.
    if (error.keyword !== 'x-later') piece.document.broken.push([...piece.path, ...path])
    // The misspelt key is a finding already, with its hint.
    const typo = error.keyword === 'required' ? misspelt(error) : undefined
    if (typo !== undefined && error.parentSchema?.['additionalProperties'] === false) continue
    if (typo !== undefined) {
      const missing = String(error.params['missingProperty'])
      report.error(at(piece, ...path, typo), `\`${missing}\` is missing`, `did you mean \`${missing}\`?`, 'key')
      continue
    }
    const said = sayOf(error, nameOf([...piece.path, ...path]))
    const where = at(
      piece,
      ...path,
      ...(error.keyword === 'propertyNames' ? [String(error.params['propertyName'])] : []),
    )
    const pointsAtKey = ['propertyNames', 'x-later'].includes(error.keyword)
    report.error(where, said.message, said.hint, pointsAtKey ? 'key' : 'value')
  }
}

/** Where the type is another, that says all: what else the same schema asks of the value would only repeat it. */
function decisive(errors: readonly ErrorObject[]): ErrorObject[] {
  const mistyped = errors.filter(({ keyword }) => keyword === 'type')
  return errors.filter(
    (error) =>
      error.keyword === 'type' ||
      !mistyped.some((type) => type.instancePath === error.instancePath && type.parentSchema === error.parentSchema),
  )
}

/** Of alternatives (`oneOf`, `anyOf`) only the errors of the branch that came closest; no wrappers around other errors. */
function chosen(errors: readonly ErrorObject[]): ErrorObject[] {
  const kept: ErrorObject[] = []
  const choices = errors.filter(({ keyword }) => keyword === 'oneOf' || keyword === 'anyOf')
  for (const error of errors) {
    if (error.keyword === 'not' && choices.some(({ instancePath }) => instancePath === error.instancePath)) continue
    if (error.keyword === 'if' || ('propertyName' in error && error.keyword !== 'propertyNames')) continue
    if (choices.some((choice) => choice !== error && inBranch(error, choice) !== null)) continue
    if (!choices.includes(error)) kept.push(error)
  }
  for (const choice of choices) {
    if (choices.some((outer) => outer !== choice && inBranch(choice, outer) !== null)) continue
    const branches = Map.groupBy(
      errors.filter((error) => error !== choice && inBranch(error, choice) !== null),
      (error) => inBranch(error, choice),
    )
    const keysOnly = [...branches.values()]
      .flat()
      .every(({ keyword, instancePath }) => keyword === 'required' && instancePath === choice.instancePath)
    const closest = [...branches.values()].sort((a, b) => badness(a) - badness(b))[0]
    if (keysOnly || closest === undefined) kept.push(choice)
    else kept.push(...chosen(closest))
  }
  return kept
}

function badness(errors: readonly ErrorObject[]): number {
  return errors.reduce((sum, { keyword }) => sum + (keyword === 'type' ? 4 : keyword === 'required' ? 3 : 1), 0)
}

function inBranch(error: ErrorObject, choice: ErrorObject): string | null {
  const prefix = `${choice.schemaPath}/`
  if (!error.schemaPath.startsWith(prefix) || !error.instancePath.startsWith(choice.instancePath)) return null
  return error.schemaPath.slice(prefix.length).split('/')[0] ?? null
}

function sayOf(error: ErrorObject, name: string): { message: string; hint?: string | undefined } {
  const schema = (error.parentSchema ?? {}) as { readonly [keyword: string]: Json }
  const says = typeof schema['x-says'] === 'string' ? schema['x-says'] : undefined
  switch (error.keyword) {
    case 'required':
    case 'dependentRequired': {
      return { message: `\`${String(error.params['missingProperty'])}\` is missing${name === '' ? '' : ` in ${name}`}` }
    }
    case 'type': {
      if (error.data === null) return { message: `${name} is empty`, hint: `write ${kinds(schema)}` }
      return {
        message: `${name} must be ${kinds(schema)}, not ${kindOf(error.data)}`,
        ...hintOfType(schema, error.data),
      }
    }
    case 'enum': {
      const allowed = (error.params['allowedValues'] as (string | number | boolean)[]).map(String)
      const given = String(error.data)
      if (says !== undefined)
        return {
          message: says.replace('{}', given),
          hint: didYouMean(given, allowed, `write one of: ${allowed.join(', ')}`),
        }
      return {
        message: `${name} must be one of: ${allowed.join(', ')}`,
        hint: didYouMean(given, allowed, `\`${given.slice(0, 40)}\` is none of them`),
      }
    }
    case 'const':
      return { message: `${name} must be ${JSON.stringify(error.params['allowedValue'])}` }
    case 'pattern':
      if (says === undefined && /\/auth\//.test(error.instancePath)) {
        return {
          message: `${name} must be a secret ref; a credential never stands in a policy`,
          hint: 'write age://NAME, env://VARIABLE, file:///PATH, vault://MOUNT/PATH#FIELD or aws://NAME#FIELD',
        }
      }
      if (says === undefined && typeof schema['description'] === 'string')
        return { message: `${name} does not have its form`, hint: schema['description'] }
      return { message: `${name} must be ${says ?? `text like ${JSON.stringify(schema['pattern'])}`}` }
    case 'propertyNames': {
      const names = schema['propertyNames'] as { readonly pattern?: string; readonly 'x-says'?: string }
      const given = String(error.params['propertyName'])
      const small = given.toLowerCase()
      const form = names.pattern === undefined ? null : new RegExp(names.pattern)
      const fits = form !== null && !form.test(given) && form.test(small)
      const otherwise = names['x-says'] === undefined ? 'it cannot be used here' : `write ${names['x-says']}`
      return { message: `\`${given}\` is no good name`, hint: fits ? `did you mean \`${small}\`?` : otherwise }
    }
    case 'oneOf':
    case 'anyOf': {
      const keys = ((schema[error.keyword] ?? []) as JsonSchema[]).flatMap(
        (branch) => (branch['required'] as string[] | undefined) ?? [],
      )
      const many = error.keyword === 'oneOf' && Array.isArray(error.params['passingSchemas'])
      if (keys.length > 0)
        return {
          message: `${name} has ${many ? 'more than one' : 'none'} of: ${[...new Set(keys)].join(', ')}`,
          hint: 'write one of them',
        }
      return { message: `${name} fits none of the forms that it may have` }
    }
    case 'not':
      return { message: `${name} cannot be like this`, hint: 'some of its keys do not go together' }
    case 'x-later':
      return {
        message: `${name} is not in this version`,
        ...(error.message === undefined ? {} : { hint: error.message }),
      }
    case 'minProperties':
    case 'minItems':
    case 'minLength':
      return { message: `${name} is empty` }
    case 'minimum':
      return { message: `${name} must be at least ${String(error.params['limit'])}` }
    case 'maximum':
      return { message: `${name} must be at most ${String(error.params['limit'])}` }
    case 'maxLength':
    case 'maxItems':
    case 'maxProperties':
      return { message: `${name} is too long: at most ${String(error.params['limit'])}` }
    default:
      return { message: `${name} ${error.message ?? 'has the wrong shape'}` }
  }
}

function hintOfType(schema: JsonSchema, data: unknown): { hint?: string } {
  const types = [schema['type']].flat()
  if (types.includes('string') && (typeof data === 'number' || typeof data === 'boolean')) return { hint: 'quote it' }
  if (types.includes('string') && typeof data === 'object')
    return { hint: 'quote the text: `{` begins a map and `[` a list' }
  if (types.includes('boolean') && typeof data === 'string') return { hint: 'write true or false' }
  const counts = types.includes('integer') || types.includes('number')
  if (counts && typeof data === 'string' && /^(0|[1-9][0-9]*)$/.test(data))
    return { hint: `write ${data} without quotes` }
  return {}
}

const KINDS: { readonly [type: string]: string } = {
  string: 'text',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  object: 'a map',
  array: 'a list',
  null: 'nothing',
}

function kinds(schema: JsonSchema): string {
  const types = ([schema['type'] ?? 'a value'].flat() as string[]).filter((type) => type !== 'null')
  return types.map((type) => KINDS[type] ?? type).join(' or ')
}

function kindOf(data: unknown): string {
  if (Array.isArray(data)) return 'a list'
  if (data === null) return 'nothing'
  return typeof data === 'number' ? 'a number' : (KINDS[typeof data] ?? typeof data)
}

/** A key that is not one of the language and close to the one that is missing. */
function misspelt(error: ErrorObject): string | undefined {
  const known = Object.keys((error.parentSchema?.['properties'] as object | undefined) ?? {})
  const present = Object.keys((error.data as object | null) ?? {})
  return present.find((key) => !known.includes(key) && nearest(key, [String(error.params['missingProperty'])]) !== null)
}

function nameOf(path: Path): string {
  const last = path.findLast((member) => !/^\d+$/.test(String(member)))
  if (last === undefined) return path.length === 0 ? '' : 'this'
  return `\`${last}\`${path.at(-1) === last ? '' : ' (an item of it)'}`
}

function pathOf(pointer: string): Path {
  return pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
}

function listed(known: readonly string[]): string | undefined {
  return known.length === 0 ? undefined : `the keys here are: ${known.slice(0, 30).join(', ')}`
}
