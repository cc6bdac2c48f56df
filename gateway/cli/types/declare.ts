import type { JsonSchema } from '../../core/types.ts'
import type { ActionView } from '../../pipeline/gateway.ts'
import { visible } from '../visible.ts'

/**
 * A TypeScript module whose type `Actions` says what each action of a role takes and gives:
 * `connect<Actions>(…)` holds calls to it. What a schema says beyond types (patterns, bounds) stands in comments.
 */
export function declare(role: string, actions: readonly ActionView[]): string {
  const members = actions.map(({ name, description, effect, input_schema, output_schema }) => {
    const lines = [
      `effect: ${JSON.stringify(effect)}`,
      `input: ${typeOf(input_schema, 2)}`,
      // What a backend answers is not held to types, and a member that it leaves out is not there.
      `output: ${typeOf(output_schema, 2)}`,
    ]
    return `${comment(description, 1)}${indent(1)}${nameOf(name)}: {\n${lines.map((line) => `${indent(2)}${line}\n`).join('')}${indent(1)}}\n`
  })
  const head = `// What the role ${oneLine(role)} may do. Written by keystay types; run it again when the policy changes.\n`
  return `${head}export type Actions = {\n${members.join('')}}\n`
}

/** The subset of JSON Schema that actions have; anything else is `unknown`. */
export function typeOf(schema: JsonSchema, depth: number): string {
  const { type, items, properties } = schema as Shape
  const values = schema['const'] === undefined ? schema['enum'] : [schema['const']]
  if (Array.isArray(values)) return values.map((value) => JSON.stringify(value)).join(' | ') || 'never'
  switch (type) {
    case 'string':
      return 'string'
    case 'integer':
    case 'number':
      return 'number'
    case 'boolean':
      return 'boolean'
    case 'array': {
      const item = typeOf(items ?? {}, depth)
      return `readonly ${item.includes(' ') && !item.startsWith('{') ? `(${item})` : item}[]`
    }
    case 'object':
      return properties === undefined ? '{ readonly [member: string]: unknown }' : objectOf(schema as Shape, depth)
    default:
      return 'unknown'
  }
}

interface Shape {
  readonly type?: string
  readonly items?: JsonSchema
  readonly properties?: { readonly [name: string]: JsonSchema }
  readonly required?: readonly string[]
}

function objectOf({ properties = {}, required = [] }: Shape, depth: number): string {
  const members = Object.entries(properties).map(([name, member]) => {
    const optional = required.includes(name) ? '' : '?'
    return `${comment(said(member), depth + 1)}${indent(depth + 1)}${nameOf(name)}${optional}: ${typeOf(member, depth + 1)}\n`
  })
  // Nothing may be in it; `{}` would take anything.
  return members.length === 0 ? '{ readonly [member: string]: never }' : `{\n${members.join('')}${indent(depth)}}`
}

const KEYWORDS = ['pattern', 'format', 'minLength', 'maxLength', 'minimum', 'exclusiveMinimum', 'maximum'] as const
const MORE = ['exclusiveMaximum', 'multipleOf', 'minItems', 'maxItems', 'uniqueItems'] as const

/** What stands beside the type. A list of values says all; bounds that the gateway fills in by itself are no news. */
function said(schema: JsonSchema): string {
  const listed = schema['enum'] !== undefined || schema['const'] !== undefined
  const bounds = (listed ? [] : [...KEYWORDS, ...MORE]).flatMap((keyword) => {
    const value = schema[keyword]
    const own = value === undefined || Math.abs(Number(value)) === Number.MAX_SAFE_INTEGER
    return own ? [] : [`${keyword} ${String(value)}`]
  })
  const described = typeof schema['description'] === 'string' ? [schema['description'].replace(/\.?\s*$/, '.')] : []
  return [...described, ...(bounds.length === 0 ? [] : [bounds.join(', ')])].join(' ')
}

/** A policy's words go into a comment, and must not get out of it. */
function comment(text: string, depth: number): string {
  const safe = oneLine(text).replaceAll('*/', '*\\/')
  return safe === '' ? '' : `${indent(depth)}/** ${safe} */\n`
}

function oneLine(text: string): string {
  return visible(text.replaceAll(/\s+/g, ' ').trim())
}

function nameOf(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name)
}

function indent(depth: number): string {
  return '  '.repeat(depth)
}
