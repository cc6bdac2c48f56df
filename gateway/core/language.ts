import { ACTION, KEPT, MEMBER } from './policy/language-action.ts'
import { backend, BUDGET, GUARDRAILS, IDENTITY } from './policy/language-company.ts'
import { NOTIFY } from './policy/language-notify.ts'
import { ROLE } from './policy/language-role.ts'
import { ROUTE } from './policy/language-route.ts'
import { TESTS } from './policy/language-tests.ts'
import { map, object, PLAIN_NAME } from './policy/language-words.ts'
import type { AdapterSchemas } from './policy/language-words.ts'
import type { JsonSchema } from './types.ts'

export { factSchema, recheckSchema } from './policy/language-action.ts'
export type { AdapterSchemas } from './policy/language-words.ts'
export { FINAL } from './policy/language-company.ts'

/**
 * The policy language as JSON Schema: what `compile` holds documents to, what editors complete, and what the table of
 * keys in docs/policy-language.md is made from. What a schema cannot say (names that exist, types of conditions) is
 * said by compile.ts.
 */

export type Kind = 'backends' | 'identity' | 'guardrails' | 'budgets' | 'notify' | 'action' | 'route' | 'role' | 'tests'

/** Which keys tell what a document is. */
export const KEYS: { readonly [kind in Kind]: readonly string[] } = {
  backends: ['backends'],
  identity: ['issuers', 'groups', 'people', 'sessions'],
  guardrails: ['switches', 'guardrails'],
  budgets: ['budgets'],
  notify: ['channels', 'notify'],
  action: ['action'],
  route: ['route'],
  role: ['role'],
  tests: ['tests'],
}

/** The schema of each kind of document. */
export function languageOf(adapters: AdapterSchemas): { readonly [kind in Kind]: JsonSchema } {
  return {
    backends: object(
      'Every system that the gateway can reach.',
      { backends: map('A host that is not named here cannot be called.', PLAIN_NAME, backend(adapters)) },
      ['backends'],
    ),
    identity: IDENTITY,
    guardrails: GUARDRAILS,
    budgets: object(
      'Limits that several grants or roles draw from.',
      { budgets: map('Shared budgets by name.', PLAIN_NAME, BUDGET) },
      ['budgets'],
    ),
    notify: NOTIFY,
    action: ACTION,
    route: ROUTE,
    role: ROLE,
    tests: TESTS,
  }
}

/** One JSON Schema 2020-12 document for editors: `# yaml-language-server: $schema=…`. */
export function editorSchema(adapters: AdapterSchemas): JsonSchema {
  const kinds = languageOf(adapters)
  const requests = Object.values(adapters).flatMap(({ request }) => (request['x-streams'] === true ? [] : [request]))
  const action = structuredClone(kinds.action) as { properties: { [key: string]: JsonSchema } }
  // What leases.ts says in words.
  Object.assign(action, { allOf: [BY_EFFECT] })
  if (requests.length > 0)
    action.properties['request'] = requests.length === 1 ? (requests[0] ?? {}) : { anyOf: requests }
  // `$ref` counts from the root of the document.
  delete (action as { $defs?: unknown }).$defs
  const branches = { ...kinds, action }
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Keystay policy',
    $defs: { member: MEMBER, kept: KEPT },
    type: 'object',
    // Some key says what a document is: what an empty file is offered, and a misspelt one is told.
    anyOf: Object.entries(branches).flatMap(([kind, schema]) =>
      KEYS[kind as Kind].map((key) => ({ required: [key], properties: { [key]: whatIs(schema, key) } })),
    ),
    allOf: Object.entries(branches).map(([kind, schema]) => ({
      if: { anyOf: KEYS[kind as Kind].map((key) => ({ required: [key] })) },
      // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON Schema
      then: schema as JsonSchema,
    })),
  }
}

/** A lease has no request and no output of the policy's. */
const BY_EFFECT: JsonSchema = {
  if: { properties: { effect: { const: 'lease' } }, required: ['effect'] },
  // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON Schema
  then: { required: ['lease'] },
  else: { required: ['request', 'output'] },
}

function whatIs(schema: JsonSchema, key: string): JsonSchema {
  const properties = (schema['properties'] ?? {}) as { readonly [key: string]: JsonSchema }
  return { description: properties[key]?.['description'] ?? schema['description'] ?? '' }
}
