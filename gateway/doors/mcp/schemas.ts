import type { CallStatus, JsonSchema } from '../../core/types.ts'

/**
 * Output schemas. Clients check structured content against them, errors too, and throw where it does not fit: so a schema
 * here never says more than the gateway keeps to, lest an effect that happened look like a failure.
 */
export function orProblem(schema: JsonSchema): JsonSchema {
  return { type: 'object', anyOf: [schema, PROBLEM] }
}

/** The envelope of a call. @param output what the action's `output.keep` lets out. */
export function callSchema({ type: _type, ...output }: JsonSchema): JsonSchema {
  return orProblem({
    required: ['call', 'action', 'status', 'limits', 'entry'],
    properties: {
      call: { type: 'string' },
      action: { type: 'string' },
      status: { type: 'string', enum: STATUSES },
      // Of its type nothing is said: a backend's answer may be of another.
      output: output as JsonSchema,
      limits: { type: 'array', items: { type: 'object' } },
      entry: { type: 'string' },
      replayed: { type: 'boolean' },
      do_next: { type: 'string', description: 'What to do while it has not ended.' },
    },
  })
}

const STATUSES: readonly CallStatus[] = [
  ...(['held', 'running', 'unknown', 'needs_human', 'done', 'refused', 'denied'] as const),
  ...(['rejected', 'expired', 'cancelled', 'not_sent'] as const),
]

const PROBLEM: JsonSchema = {
  required: ['code', 'detail', 'retry'],
  properties: {
    code: { type: 'string' },
    detail: { type: 'string' },
    retry: { type: 'string' },
    errors: { type: 'array', items: { type: 'object' } },
    next: { type: 'array', items: { type: 'string' } },
  },
}
