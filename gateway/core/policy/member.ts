import type { Json, JsonObject } from '../types.ts'
import { didYouMean } from './finding.ts'
import { linearPattern, sampleOf } from './pattern.ts'

/** One member of an input, with its bounds filled in. */
export type Member = Scalar | List | Members
interface Described {
  readonly description?: string
  readonly sensitive: boolean
}
interface Scalar extends Described {
  readonly kind: 'string' | 'integer' | 'number' | 'boolean'
  /** JSON Schema keywords beside `type`. */
  readonly keywords: JsonObject
  /** null where none could be made. */
  readonly example: Json
  readonly written: JsonObject
}
interface List extends Described {
  readonly kind: 'array'
  readonly items: Member
  readonly keywords: JsonObject
  readonly example?: Json
  readonly written: JsonObject
}
interface Members extends Described {
  readonly kind: 'object'
  readonly members: readonly {
    readonly name: string
    readonly optional: boolean
    readonly member: Member
    readonly key: string
  }[]
  readonly written?: JsonObject
}

export interface MemberProblem {
  readonly path: readonly string[]
  readonly message: string
  readonly hint?: string
  readonly key?: boolean
  /** The policy loads all the same. */
  readonly warning?: true
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

// ---------------------------------------------------------------- what a policy may not ask for

const KEYWORDS: { readonly [kind in Member['kind']]: readonly string[] } = {
  string: ['enum', 'const', 'pattern', 'format', 'minLength', 'maxLength'],
  integer: ['enum', 'const', 'minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'],
  number: ['enum', 'const', 'minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'],
  boolean: ['enum', 'const'],
  array: ['items', 'minItems', 'maxItems', 'uniqueItems'],
  object: ['properties'],
}
const DEPTH = 6
const ANYWHERE = ['type', 'description', 'sensitive', 'example']

/** What the shape alone cannot say about a member: keywords of another type, bounds that exclude everything, bad patterns. */
export function memberProblems(member: Member, path: readonly string[]): MemberProblem[] {
  if (path.length > DEPTH * 2) return [{ path, message: 'this is nested too deeply', hint: `at most ${DEPTH} levels` }]
  const written = member.written ?? {}
  const allowed = [...KEYWORDS[member.kind], ...ANYWHERE]
  const problems: MemberProblem[] = Object.keys(written)
    // A keyword of no type at all is an unknown key, and that is a finding of the shape.
    .filter((keyword) => !allowed.includes(keyword) && Object.values(KEYWORDS).flat().includes(keyword))
    .map((keyword) => ({
      path: [...path, keyword],
      key: true,
      message: `\`${keyword}\` says nothing about ${WORDS[member.kind]}`,
      hint: didYouMean(
        keyword,
        KEYWORDS[member.kind],
        `for ${WORDS[member.kind]} there are: ${KEYWORDS[member.kind].join(', ')}`,
      ),
    }))
  if (problems.length > 0) return problems
  if (member.kind === 'object') return objectProblems(member, path)
  if (member.kind === 'array') return listProblems(member, path)
  return scalarProblems(member, path)
}

const WORDS: { readonly [kind in Member['kind']]: string } = {
  string: 'text',
  integer: 'an integer',
  number: 'a number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
}

function objectProblems(member: Members, path: readonly string[]): MemberProblem[] {
  const inside = member.written === undefined ? path : [...path, 'properties']
  const problems: MemberProblem[] = []
  if (member.written !== undefined && member.written['properties'] === undefined) {
    problems.push({ path, message: 'an object says what it holds', hint: 'write `properties:` with its members' })
  }
  const seen = new Set<string>()
  for (const { key, name, member: part } of member.members) {
    if (seen.has(name))
      problems.push({
        path: [...inside, key],
        key: true,
        message: `\`${name}\` stands here twice, once with \`?\``,
        hint: 'keep one of the two',
      })
    seen.add(name)
    const shaped = ['type', 'enum', 'const'].some((keyword) => part.written?.[keyword] !== undefined)
    if (!shaped)
      problems.push({
        path: [...inside, key],
        key: true,
        message: `\`${name}\` has no type`,
        hint: 'write `type:`, or `enum:` with the values',
      })
    else problems.push(...memberProblems(part, [...inside, key]))
  }
  return problems
}

function listProblems(member: List, path: readonly string[]): MemberProblem[] {
  const { written, keywords } = member
  const problems: MemberProblem[] = []
  if (written['items'] === undefined)
    problems.push({ path, message: 'a list says what its items are', hint: 'write `items: { type: … }`' })
  else problems.push(...memberProblems(member.items, [...path, 'items']))
  if (Number(keywords['minItems'] ?? 0) > Number(keywords['maxItems']))
    problems.push({ path: [...path, 'minItems'], message: '`minItems` is more than `maxItems`' })
  if (written['uniqueItems'] === true && !(Number(written['maxItems']) <= 200)) {
    problems.push({
      path: [...path, 'uniqueItems'],
      message: '`uniqueItems` needs a `maxItems` of at most 200',
      hint: 'comparing all items with each other must stay cheap',
    })
  }
  const least = Number(keywords['minItems'] ?? 0)
  if (written['uniqueItems'] === true && least > 1 && member.example === undefined)
    problems.push({ path, message: 'no example can be made of different items', hint: 'add `example:`' })
  return problems
}

function scalarProblems(member: Scalar, path: readonly string[]): MemberProblem[] {
  const { keywords, kind } = member
  const problems: MemberProblem[] = []
  const values = Array.isArray(keywords['enum'])
    ? (keywords['enum'] as readonly Json[])
    : keywords['const'] === undefined
      ? []
      : [keywords['const']]
  const keyword = keywords['enum'] === undefined ? 'const' : 'enum'
  if (values.some((value) => !isOf(kind, value)))
    problems.push({
      path: [...path, keyword],
      message: `every value of \`${keyword}\` must be ${WORDS[kind]}`,
      hint: kind === 'string' ? 'quote them' : undefined,
    })
  if (new Set(values).size < values.length)
    problems.push({ path: [...path, 'enum'], message: '`enum` names a value twice' })
  if (typeof keywords['pattern'] === 'string') {
    try {
      linearPattern(keywords['pattern'])
    } catch (error) {
      return [
        ...problems,
        {
          path: [...path, 'pattern'],
          message: `the pattern cannot be used: ${error instanceof Error ? error.message : ''}`,
          hint: 'patterns are RE2: no lookaround, no backreferences, no huge repeats',
        },
      ]
    }
  }
  for (const [least, most] of [
    ['minLength', 'maxLength'],
    ['minimum', 'maximum'],
  ] as const) {
    if (typeof keywords[least] === 'number' && typeof keywords[most] === 'number' && keywords[least] > keywords[most]) {
      problems.push({
        path: [...path, member.written[least] === undefined ? most : least],
        message: `\`${least}\` is more than \`${most}\``,
      })
    }
  }
  if (kind === 'integer') {
    for (const bound of ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum']) {
      if (keywords[bound] !== undefined && !Number.isSafeInteger(keywords[bound]))
        problems.push({ path: [...path, bound], message: `\`${bound}\` of an integer is an integer` })
    }
  }
  if (problems.length > 0) return problems
  if (member.example === null)
    return [{ path, message: 'no example can be made that fits', hint: 'add `example:` with a value that fits' }]
  if (!isOf(kind, member.example)) return [{ path: [...path, 'example'], message: `the example is not ${WORDS[kind]}` }]
  if (typeof keywords['pattern'] === 'string' && !/^\^.*\$$/s.test(keywords['pattern'])) {
    return [
      {
        path: [...path, 'pattern'],
        warning: true,
        message: 'the pattern is not anchored: any text with such a part fits',
        hint: 'begin it with ^ and end it with $',
      },
    ]
  }
  return []
}

function isOf(kind: Scalar['kind'], value: Json): boolean {
  if (kind === 'integer') return Number.isSafeInteger(value)
  return typeof value === kind
}
