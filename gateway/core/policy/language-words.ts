import type { Json, JsonSchema } from '../types.ts'

/** What the schemas of the language are made of: small schemas with a description each. */

/** What the adapters that are passed in add: the keys of a backend and of a request. */
export interface AdapterSchemas {
  readonly [adapter: string]: { readonly backend: JsonSchema; readonly request: JsonSchema }
}

export function text(description: string, more: JsonSchema = {}): JsonSchema {
  return { type: 'string', minLength: 1, maxLength: 4000, description, ...more }
}
export function expression(description: string): JsonSchema {
  return { type: 'string', minLength: 1, maxLength: 2000, description, 'x-type': 'expression' }
}
export function object(
  description: string,
  properties: { readonly [key: string]: JsonSchema },
  required: readonly string[] = [],
): JsonSchema {
  return { type: 'object', description, properties, required, additionalProperties: false }
}
/** An object, or one of the other types; the keywords of each type apply to it alone. */
export function orObject(type: readonly string[], schema: JsonSchema, more: JsonSchema = {}): JsonSchema {
  return { ...schema, type: [...type, 'object'], minLength: 1, maxLength: 2000, ...more }
}
export function map(description: string, names: JsonSchema, of: JsonSchema, more: JsonSchema = {}): JsonSchema {
  return { type: 'object', description, propertyNames: names, additionalProperties: of, maxProperties: 1000, ...more }
}
export function list(description: string, of: JsonSchema, more: JsonSchema = {}): JsonSchema {
  return { type: 'array', description, items: of, maxItems: 200, ...more }
}
export function flag(description: string, otherwise = false): JsonSchema {
  return { type: 'boolean', description, default: otherwise }
}
export function whole(description: string, minimum: number, maximum: number, otherwise?: number): JsonSchema {
  return { type: 'integer', description, minimum, maximum, ...(otherwise === undefined ? {} : { default: otherwise }) }
}
export function duration(description: string, otherwise?: string): JsonSchema {
  return text(description, {
    maxLength: 20,
    'x-type': 'duration',
    ...(otherwise === undefined ? {} : { default: otherwise }),
  })
}
export function name(pattern: string, says: string): JsonSchema {
  return { type: 'string', maxLength: 64, pattern, 'x-says': says }
}
export function named(of: JsonSchema, description: string): JsonSchema {
  return { ...of, description }
}

export const PLAIN_NAME = name('^[a-z][a-z0-9_-]*$', 'a name in small letters, digits, - and _')
/** Names that expressions speak. `constructor` and `prototype` are members that every object seems to have. */
export const MEMBER_NAME = name(
  '^(?!(constructor|prototype)$)[a-z][a-z0-9_]*$',
  'a name in small letters, digits and _',
)
export const ACTION_NAME = name(
  '^[a-z][a-z0-9_]*(\\.[a-z][a-z0-9_]*)*$',
  'a name in small letters, digits and _, with dots between',
)
export const TIMEZONE = text('An IANA time zone.', { maxLength: 64, default: 'UTC' })
export const LINE_NAME = named(PLAIN_NAME, 'What `because` cites instead of an index, which moves with every edit.')
export const MODE: JsonSchema = {
  type: 'string',
  enum: ['enforce', 'report'],
  default: 'enforce',
  description: '`report`: evaluated and recorded; does not decide.',
}
export const STATUSES = (description: string, otherwise?: readonly number[]): JsonSchema =>
  list(
    description,
    { type: 'integer', minimum: 400, maximum: 599 },
    otherwise === undefined ? {} : { default: otherwise as Json },
  )

export const GROUP_NAMES = (description: string): JsonSchema => list(description, PLAIN_NAME)

/** The keys of an adapter's schema, and ours beside them. */
export function merged(
  schema: JsonSchema,
  properties: { readonly [key: string]: JsonSchema },
  required: readonly string[],
): JsonSchema {
  const theirs = (schema['properties'] ?? {}) as { readonly [key: string]: JsonSchema }
  const needed = (schema['required'] ?? []) as readonly string[]
  return {
    ...schema,
    type: 'object',
    properties: { ...theirs, ...properties },
    required: [...new Set([...required, ...needed])],
    additionalProperties: false,
  }
}
