import type { Json, JsonObject } from '../types.ts'
import { linearPattern, sampleOf } from './pattern.ts'

/** One member of an input, with its bounds filled in. */
export type Member = Scalar | List | Members
interface Described {
  readonly description?: string
  readonly sensitive: boolean
}
export interface Scalar extends Described {
  readonly kind: 'string' | 'integer' | 'number' | 'boolean'
  /** JSON Schema keywords beside `type`. */
  readonly keywords: JsonObject
  /** null where none could be made. */
  readonly example: Json
  readonly written: JsonObject
}
export interface List extends Described {
  readonly kind: 'array'
  readonly items: Member
  readonly keywords: JsonObject
  readonly example?: Json
  readonly written: JsonObject
}
export interface Members extends Described {
  readonly kind: 'object'
  readonly members: readonly {
    readonly name: string
    readonly optional: boolean
    readonly member: Member
    readonly key: string
  }[]
  readonly written?: JsonObject
}

/** Reads a map of members as the policy writes it: `name?` is optional. */
export function membersOf(written: JsonObject): Members['members'] {
  return Object.entries(written).map(([key, member]) => ({
    key,
    name: key.replace(/\?$/, ''),
    optional: key.endsWith('?'),
    member: memberOf((member ?? {}) as JsonObject),
  }))
}

const LENGTH = 1000
const ITEMS = 100

function memberOf(written: JsonObject): Member {
  const described = {
    sensitive: written['sensitive'] === true,
    ...(typeof written['description'] === 'string' ? { description: written['description'] } : {}),
  }
  const kind = written['type'] ?? kindOfValues(written)
  const pick = (...keywords: string[]): JsonObject =>
    Object.fromEntries(
      keywords.flatMap((keyword) => (written[keyword] === undefined ? [] : [[keyword, written[keyword]]])),
    )
  switch (kind) {
    case 'object':
      return { kind, ...described, members: membersOf((written['properties'] ?? {}) as JsonObject), written }
    case 'array': {
      const keywords = { maxItems: ITEMS, ...pick('minItems', 'maxItems', 'uniqueItems') }
      const example = written['example'] === undefined ? {} : { example: written['example'] }
      return {
        kind,
        ...described,
        items: memberOf((written['items'] ?? {}) as JsonObject),
        keywords,
        ...example,
        written,
      }
    }
    case 'integer': {
      // Beyond these an integer is changed by reading it.
      const safe = { minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER }
      const keywords = {
        ...safe,
        ...pick('enum', 'const', 'minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'),
      }
      return { kind, ...described, keywords, example: sampleNumber(written, keywords, 1), written }
    }
    case 'number': {
      const keywords = pick('enum', 'const', 'minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum')
      return { kind, ...described, keywords, example: sampleNumber(written, keywords, 0.5), written }
    }
    case 'boolean':
      return { kind, ...described, keywords: pick('enum', 'const'), example: firstOf(written) ?? true, written }
    default: {
      const keywords = { maxLength: LENGTH, ...pick('enum', 'const', 'pattern', 'format', 'minLength', 'maxLength') }
      return { kind: 'string', ...described, keywords, example: firstOf(written) ?? sampleText(keywords), written }
    }
  }
}

function kindOfValues(written: JsonObject): Json {
  const value = (Array.isArray(written['enum']) ? (written['enum'] as readonly Json[])[0] : written['const']) ?? ''
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number'
  return typeof value === 'boolean' ? 'boolean' : 'string'
}

function firstOf(written: JsonObject): Json | undefined {
  if (written['example'] !== undefined) return written['example']
  return Array.isArray(written['enum']) ? (written['enum'] as readonly Json[])[0] : written['const']
}

const FORMS: { readonly [format: string]: string } = {
  uuid: '3f0c1a52-7f8e-4b6d-9a57-2d1e5c0b8f44',
  date: '2026-11-23',
  'date-time': '2026-11-23T15:00:00Z',
  email: 'someone@example.com',
}

function sampleText(keywords: JsonObject): string | null {
  const least = Number(keywords['minLength'] ?? 0)
  const most = Number(keywords['maxLength'])
  const fits = (text: string): string | null => (text.length >= least && text.length <= most ? text : null)
  if (typeof keywords['format'] === 'string') {
    const text = fits(FORMS[keywords['format']] ?? '')
    if (text === null || typeof keywords['pattern'] !== 'string') return text
    return linearPattern(keywords['pattern']).test(text) ? text : null
  }
  if (typeof keywords['pattern'] === 'string') return sampleOf(keywords['pattern'], least, most)
  return fits('text') ?? 'a'.repeat(Math.max(least, Math.min(4, most)))
}

function sampleNumber(written: JsonObject, keywords: JsonObject, step: number): number | null {
  const first = firstOf(written)
  if (first !== undefined) return typeof first === 'number' ? first : null
  const number = (keyword: string, otherwise: number): number =>
    typeof keywords[keyword] === 'number' ? keywords[keyword] : otherwise
  const multiple = number('multipleOf', 0)
  const least = Math.max(number('minimum', -Infinity), number('exclusiveMinimum', -Infinity) + step)
  const most = Math.min(number('maximum', Infinity), number('exclusiveMaximum', Infinity) - step)
  const wished = Math.min(Math.max(step === 1 ? 1 : 1.5, least), most)
  const value = multiple > 0 ? Math.ceil(wished / multiple) * multiple : wished
  return value >= least && value <= most ? value : null
}

/** A value that fits, with the required members only. */
export function exampleOf(member: Member): Json {
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
