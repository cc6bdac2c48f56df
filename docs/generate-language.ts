import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { adapters } from '../adapters/index.ts'
import { editorSchema, factSchema, languageOf, recheckSchema } from '../gateway/core/language.ts'
import type { AdapterSchemas } from '../gateway/core/language.ts'
import type { Json, JsonSchema } from '../gateway/core/types.ts'

/**
 * Writes what the language's schema says into the docs: `node docs/generate-language.ts`. The table of every key goes
 * between the two marks of policy-language.md; the schema for editors into policy.schema.json.
 */
export const MARKS = ['<!-- keys: generated -->', '<!-- keys: end -->'] as const
const SCHEMAS: AdapterSchemas = Object.fromEntries(
  [...adapters].map(([name, { backend, request }]) => [name, { backend, request }]),
)

/** What a route passes on is no request of its own. */
const REQUESTS: AdapterSchemas = Object.fromEntries(
  Object.entries(SCHEMAS).filter(([, { request }]) => request['x-streams'] !== true),
)

export function schemaForEditors(): JsonSchema {
  return editorSchema(SCHEMAS)
}

/** One table per kind of document, in Markdown. */
export function keysInWords(): string {
  const kinds = languageOf(SCHEMAS)
  const sections = [
    section('backends.yaml', kinds.backends),
    section('identity.yaml', kinds.identity),
    section('guardrails.yaml', kinds.guardrails),
    section('budgets.yaml', kinds.budgets),
    section('notify.yaml', kinds.notify),
    section('An action', kinds.action),
    section('A member of an input', definition(kinds.action, 'member')),
    section('An endpoint of `compat`', below(below(properties(kinds.action)['compat']))),
    section('A route', kinds.route),
    ...Object.entries(REQUESTS).flatMap(([name, { request }]) => [
      section(`A request of adapter \`${name}\``, request),
      section(
        `A fact of adapter \`${name}\`: a request that only reads, and`,
        factSchema(request),
        Object.keys(properties(request)),
      ),
      section(
        `A recheck of adapter \`${name}\`: a request that only reads, and`,
        recheckSchema(request),
        Object.keys(properties(request)),
      ),
    ]),
    section('A role', kinds.role),
    section('A test table', kinds.tests),
  ]
  return sections.join('\n')
}

function section(title: string, schema: JsonSchema, without: readonly string[] = []): string {
  const rows = rowsOf(schema, '').filter(({ key }) => !without.includes(key.split('.')[0] ?? ''))
  const lines = rows.map(({ key, type, meaning }) => `| \`${key}\` | ${cell(type)} | ${cell(meaning)} |`)
  return [`### ${title}`, '', '| key | what | meaning |', '| --- | --- | --- |', ...lines, ''].join('\n')
}

interface Row {
  readonly key: string
  readonly type: string
  readonly meaning: string
}

function rowsOf(schema: JsonSchema, path: string): Row[] {
  const required = (schema['required'] ?? []) as readonly string[]
  const alternatives = [
    ...((schema['oneOf'] ?? []) as JsonSchema[]),
    ...((schema['allOf'] ?? []) as { then: JsonSchema }[]).map((branch) => branch.then),
  ]
  const own = Object.entries(properties(schema)).flatMap(([name, member]) => {
    const key = path === '' ? name : `${path}.${name}`
    return [{ key, type: typeOf(member, required.includes(name)), meaning: meaningOf(member) }, ...inside(member, key)]
  })
  const seen = new Set(own.map(({ key }) => key))
  const further = alternatives
    .flatMap((alternative) => rowsOf(alternative, path))
    .filter(({ key }) => !seen.has(key) && seen.add(key))
  return [...own, ...further]
}

function inside(schema: JsonSchema, key: string): Row[] {
  const named = schema['additionalProperties']
  const items = schema['items']
  const rows = rowsOf(schema, key)
  if (isSchema(named)) rows.push(...rowsOf(named, `${key}.NAME`))
  // Where one or a list may stand, the line itself has told its keys.
  if (isSchema(items) && rows.length === 0) rows.push(...rowsOf(items, `${key}[]`))
  return rows
}

function typeOf(schema: JsonSchema, required: boolean): string {
  const words = [kindOf(schema)]
  if (required) words.push('required')
  if (schema['default'] !== undefined) words.push(`default ${inWords(schema['default'])}`)
  if (schema['x-later'] !== undefined) return 'later'
  return words.join(', ')
}

function kindOf(schema: JsonSchema): string {
  if (schema['x-type'] === 'expression') return 'expression'
  if (schema['x-type'] === 'duration') return 'duration'
  if (schema['$ref'] === '#/$defs/member') return 'a member'
  if (Array.isArray(schema['enum'])) return (schema['enum'] as string[]).map((value) => `\`${value}\``).join(' or ')
  if (schema['const'] !== undefined) return `\`${JSON.stringify(schema['const'])}\``
  const types = ([schema['type'] ?? 'anything'].flat() as string[]).filter((type) => type !== 'null')
  return types
    .map(
      (type) =>
        ({ string: 'text', object: 'map', array: 'list', boolean: 'true or false', integer: 'whole number' })[type] ??
        type,
    )
    .join(' or ')
}

function meaningOf(schema: JsonSchema): string {
  const text = typeof schema['description'] === 'string' ? schema['description'] : ''
  return typeof schema['x-later'] === 'string' ? `Not in this version: ${schema['x-later']}.` : text
}

function inWords(value: Json): string {
  return typeof value === 'string'
    ? `\`${value}\``
    : Array.isArray(value)
      ? value.join(' ')
      : `\`${JSON.stringify(value)}\``
}

/** What every member of a map is. */
function below(map: JsonSchema | undefined): JsonSchema {
  const each = map?.['additionalProperties']
  return isSchema(each) ? each : {}
}

function properties(schema: JsonSchema): { readonly [name: string]: JsonSchema } {
  return (schema['properties'] ?? {}) as { readonly [name: string]: JsonSchema }
}
function definition(schema: JsonSchema, name: string): JsonSchema {
  return ((schema['$defs'] ?? {}) as { readonly [name: string]: JsonSchema })[name] ?? {}
}
function isSchema(value: unknown): value is JsonSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ')
}

/** The page with its tables made anew. */
function pageWith(page: string): string {
  const [begin, end] = MARKS
  const from = page.indexOf(begin) + begin.length
  const to = page.indexOf(end)
  if (from < begin.length || to < from) throw new Error(`policy-language.md has lost its marks ${begin} and ${end}`)
  return `${page.slice(0, from)}\n\n${keysInWords()}\n${page.slice(to)}`
}

if (import.meta.main) {
  const page = join(import.meta.dirname, 'policy-language.md')
  writeFileSync(page, pageWith(readFileSync(page, 'utf8')))
  writeFileSync(join(import.meta.dirname, 'policy.schema.json'), `${JSON.stringify(schemaForEditors(), null, 2)}\n`)
}
