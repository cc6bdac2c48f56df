import type { JsonSchema } from '../../gateway/core/types.ts'
import { backendSchema as http } from '../http/schema.ts'

const duration = (description: string, otherwise: string): JsonSchema => ({
  type: 'string',
  pattern: '^[1-9][0-9]{0,6}(ms|s|m|h)$',
  'x-says': 'a duration like 30s or 10m',
  'x-type': 'duration',
  default: otherwise,
  description,
})

/** What `backends.yaml` says about a backend of routes: an http backend, and how long a stream may be. */
export const backendSchema: JsonSchema = {
  ...http,
  'x-without': ['lands_within'],
  properties: {
    ...(http['properties'] as { readonly [name: string]: JsonSchema }),
    idle: duration('How long a stream may stand still once the answer has begun.', '60s'),
    longest: duration('How long one exchange may take in all.', '15m'),
  },
}

/** Only routes use it: their request is method, path and query of what the agent sent. */
export const requestSchema: JsonSchema = {
  type: 'object',
  'x-streams': true,
  additionalProperties: false,
  required: ['method', 'path'],
  properties: {
    method: { type: 'string', 'x-effect': 'either' },
    path: { type: 'string' },
    query: { type: 'string' },
  },
}
