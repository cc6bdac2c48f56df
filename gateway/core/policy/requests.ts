import type { ValidateFunction } from 'ajv'
import type { TypeScope } from '../expression.ts'
import { factSchema, recheckSchema } from '../language.ts'
import type { Placement } from '../template.ts'
import type { BackendSpec, JsonObject, JsonSchema, Page, Template } from '../types.ts'
import { entriesAt, expressionAt, itemsAt, templateAt, textAt } from './compiling.ts'
import type { Compiling } from './compiling.ts'
import { checkParameters } from './parameters.ts'
import { at, sound, valueAt } from './place.ts'
import type { Path, Piece } from './place.ts'
import { checkStructure, structureOf } from './structure.ts'

type Use = 'request' | 'fact' | 'recheck'

const schemas: { readonly [use in Use]: (request: JsonSchema) => JsonSchema } = {
  request: (request) => request,
  fact: factSchema,
  recheck: recheckSchema,
}
/** Keys of ours beside the request of a fact or a recheck. */
const OURS = new Set(['keep', 'absent', 'page', 'complete', 'backend', 'happened'])

const validators = new Map<string, ValidateFunction>()

function validatorOf(request: JsonSchema, use: Use): ValidateFunction {
  const key = `${use} ${JSON.stringify(request)}`
  const found = validators.get(key) ?? structureOf(schemas[use](request))
  validators.set(key, found)
  return found
}

/** A request in the shape that the backend's adapter asks for; null where it is not. */
export function compileRequest(
  compiling: Compiling,
  adapter: string | null,
  piece: Piece,
  use: Use,
  scope: TypeScope,
): Template | null {
  const value = valueAt(piece)
  if (adapter === null || !sound(piece) || typeof value !== 'object' || value === null) return null
  const schema = compiling.adapters[adapter]?.request ?? {}
  // Said at the backend's name already.
  if (schema['x-streams'] === true) return null
  if (use !== 'request' && refuseWriting(compiling, piece, value as JsonObject, schema)) return null
  checkStructure(piece, value, validatorOf(schema, use), compiling.report)
  if (!sound(piece)) return null
  refuseGaps(compiling, piece, schema)
  checkParameters(compiling, piece, schema)
  const tree = Object.fromEntries(
    Object.entries(value as JsonObject).filter(([key]) => use === 'request' || !OURS.has(key)),
  )
  return templateAt(compiling, piece, tree, scope, (path) => placementIn(schema, path))
}

/** A backend for routes passes on what others send: it has no requests of its own. */
export function refuseStreaming({ report, adapters }: Compiling, piece: Piece, backend: BackendSpec | undefined): void {
  if (backend === undefined || adapters[backend.adapter]?.request['x-streams'] !== true) return
  report.error(
    piece,
    `\`${backend.name}\` has adapter \`${backend.adapter}\`, which is for routes alone`,
    'write `route:` instead of `action:`, or name a backend of another adapter',
  )
}

/** What the gateway asks by itself must not change anything. */
function refuseWriting({ report }: Compiling, piece: Piece, value: JsonObject, schema: JsonSchema): boolean {
  const writing = effectsIn(schema).filter(([key, effect]) => effect !== 'read' && Object.hasOwn(value, key))
  const reading = effectsIn(schema).flatMap(([key, effect]) => (effect === 'read' ? [key] : []))
  for (const [key] of writing) {
    report.error(
      at(piece, key),
      `\`${key}\` could change something; what the gateway asks by itself only reads`,
      `write ${reading.join(' or ')}`,
      'key',
    )
  }
  return writing.length > 0
}

/** The members of a request that tell what it does: `read`, `write`, or `either` (`x-effect`). */
export function effectsIn(schema: JsonSchema): (readonly [string, 'read' | 'write' | 'either'])[] {
  return Object.entries((schema['properties'] ?? {}) as { readonly [name: string]: JsonSchema }).flatMap(
    ([name, member]) => {
      const effect = member['x-effect']
      return effect === 'read' || effect === 'write' || effect === 'either' ? [[name, effect] as const] : []
    },
  )
}

/** In a list whose items are known by their place (`x-whole`) none may be left out. */
function refuseGaps({ report }: Compiling, piece: Piece, schema: JsonSchema): void {
  for (const [name, member] of Object.entries((schema['properties'] ?? {}) as { [name: string]: JsonSchema })) {
    if (member['x-whole'] !== true) continue
    for (const item of itemsAt(at(piece, name))) {
      const text = textAt(item)
      if (text === null || !/\?\s*\}$/.test(text)) continue
      const path = text.slice(2).replace(/\?\s*\}$/, '')
      const hint = `write \${has(${path}) ? ${path} : ""}`
      report.error(item, `an item of \`${name}\` cannot be left out: the others would move up`, hint)
    }
  }
}

/** The closest `x-template` on the way to a place; values are the default. */
function placementIn(schema: JsonSchema, path: Path): Placement {
  let placement: Placement = 'value'
  let here: JsonSchema | undefined = schema
  for (const step of [null, ...path]) {
    if (step !== null && here !== undefined) here = memberSchema(here, step)
    const said = here?.['x-template']
    if (said === 'path' || said === 'value' || said === 'text' || said === 'none') placement = said
  }
  return placement
}

function memberSchema(schema: JsonSchema, step: string | number): JsonSchema | undefined {
  const properties = schema['properties'] as { readonly [name: string]: JsonSchema } | undefined
  if (properties !== undefined && Object.hasOwn(properties, step)) return properties[step]
  for (const keyword of ['items', 'additionalProperties']) {
    const inside = schema[keyword]
    if (typeof inside === 'object' && inside !== null && !Array.isArray(inside)) return inside as JsonSchema
  }
  return undefined
}

/** `request`: the schema of the adapter's requests, where the backend is known. */
export function compilePage(compiling: Compiling, piece: Piece, request: JsonSchema | undefined): Page | null {
  if (!sound(piece) || valueAt(piece) === undefined) return null
  if (request !== undefined && memberSchema(request, 'query') === undefined) {
    compiling.report.error(piece, 'this backend has no pages: there is no query to add to', undefined, 'key')
    return null
  }
  const scope: TypeScope = { last: 'any', output: 'any' }
  const next: { [query: string]: Page['next'][string] } = {}
  for (const [key, member] of entriesAt(piece)) {
    const expression = key === 'while' || key === 'items' ? null : expressionAt(compiling, member, scope, 'any')
    if (expression !== null) next[key] = expression
  }
  if (entriesAt(piece).every(([key]) => key === 'while' || key === 'items')) {
    compiling.report.error(
      piece,
      '`page` does not say what the next request adds',
      'write a query member, like `starting_after: last.id`',
      'key',
    )
  }
  const goesOn = expressionAt(compiling, at(piece, 'while'), { output: 'any' }, 'bool')
  return goesOn === null ? null : { next, while: goesOn, items: textAt(at(piece, 'items')) ?? 'data' }
}
