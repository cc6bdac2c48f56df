import type { Json } from '../types.ts'
import { didYouMean } from './finding.ts'
import type { List, Member, Members, Scalar } from './member.ts'
import { linearPattern } from './pattern.ts'

export interface MemberProblem {
  readonly path: readonly string[]
  readonly message: string
  readonly hint?: string
  readonly key?: boolean
  /** The policy loads all the same. */
  readonly warning?: true
}

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
