import type { JsonSchema } from '../types.ts'
import { COMPAT } from './language-compat.ts'
import { LEASE } from './language-lease.ts'
import {
  merged,
  text,
  expression,
  object,
  map,
  list,
  flag,
  whole,
  duration,
  name,
  named,
  PLAIN_NAME,
  MEMBER_NAME,
  ACTION_NAME,
  STATUSES,
} from './language-words.ts'

/** Actions: their input, facts, request, recheck. */

/** The keys of a fact or a recheck: a request of its backend's adapter, and ours beside it. */
export function factSchema(request: JsonSchema): JsonSchema {
  return { $defs: { kept: KEPT }, ...merged(without(request, 'fact'), FACT_KEYS, ['keep']) }
}
export function recheckSchema(request: JsonSchema): JsonSchema {
  return merged(without(request, 'recheck'), RECHECK_KEYS, ['happened'])
}
/** Some members of a request have no meaning in one of its uses (`x-not-for`). */
function without(request: JsonSchema, use: 'fact' | 'recheck'): JsonSchema {
  const members = Object.entries((request['properties'] ?? {}) as { readonly [name: string]: JsonSchema })
  const kept = members.filter(([, member]) => !((member['x-not-for'] ?? []) as readonly string[]).includes(use))
  return { ...request, properties: Object.fromEntries(kept) }
}

const SCALAR: JsonSchema = { type: ['string', 'number', 'boolean'] }

const INPUT_NAME = name(
  '^(?!(constructor|prototype)\\??$)[a-z][a-z0-9_]*\\??$',
  'a name in small letters, digits and _; `?` at the end makes it optional',
)
const A_MEMBER: JsonSchema = { $ref: '#/$defs/member' }

/** One member of an input: the closed subset of JSON Schema. */
export const MEMBER = object('A closed subset of JSON Schema.', {
  type: {
    type: 'string',
    enum: ['string', 'integer', 'number', 'boolean', 'array', 'object'],
    description: 'The type; may be left out beside `enum` or `const`.',
  },
  enum: { type: 'array', items: SCALAR, minItems: 1, maxItems: 500, description: 'The values allowed.' },
  const: named(SCALAR, 'The only value allowed.'),
  pattern: text('A linear-time regular expression (RE2).', { maxLength: 500 }),
  format: { type: 'string', enum: ['uuid', 'date', 'date-time', 'email'], description: 'A well-known form of text.' },
  minLength: whole('Fewest characters.', 0, 20_000),
  maxLength: whole('Most characters.', 1, 20_000, 1000),
  minimum: { type: 'number', description: 'Smallest value.' },
  maximum: { type: 'number', description: 'Largest value.' },
  exclusiveMinimum: { type: 'number', description: 'The value is larger.' },
  exclusiveMaximum: { type: 'number', description: 'The value is smaller.' },
  multipleOf: whole('The integer is a multiple.', 1, Number.MAX_SAFE_INTEGER),
  minItems: whole('Fewest items.', 0, 1000),
  maxItems: whole('Most items.', 1, 1000, 100),
  uniqueItems: flag('No item twice; needs `maxItems`, at most 200.'),
  items: A_MEMBER,
  properties: map('Members of the object; `name?` is optional. Nothing else is allowed in it.', INPUT_NAME, A_MEMBER),
  description: text('For the agent that fills it in.', { maxLength: 1000 }),
  example: { description: 'An example, where none can be made from the pattern.' },
  sensitive: flag("Shown on the card and in the agent's own call; masked everywhere else."),
})

const PAGE: JsonSchema = {
  ...object(
    'How to get the next page: query members, over `last` (the last item) and `output`.',
    {
      while: expression('True while there is another page; over `output`.'),
      items: text('Where the items are in the answer.', {
        maxLength: 200,
        pattern: '^[A-Za-z_][A-Za-z0-9_]*(\\.[A-Za-z_][A-Za-z0-9_]*)*$',
        'x-says': 'a path like data or result.items',
        default: 'data',
      }),
    },
    ['while'],
  ),
  additionalProperties: expression('The value of this query member for the next page.'),
}

/** A type of a kept member: nested maps and lists of `string`, `integer`, `number`, `boolean`. */
const A_KEPT: JsonSchema = { $ref: '#/$defs/kept' }
const KEPT_MAP = { propertyNames: MEMBER_NAME, additionalProperties: A_KEPT, minProperties: 1, maxProperties: 200 }
export const KEPT: JsonSchema = {
  type: ['string', 'array', 'object'],
  pattern: '^(string|integer|number|boolean)$',
  'x-says': 'string, integer, number or boolean',
  items: A_KEPT,
  minItems: 1,
  maxItems: 1,
  ...KEPT_MAP,
}

const FACT_KEYS: { readonly [key: string]: JsonSchema } = {
  keep: {
    type: 'object',
    ...KEPT_MAP,
    description: 'The members kept, each with its type; the rest of the answer is dropped.',
  },
  absent: STATUSES('Statuses that make the fact null; any other failure denies.'),
  page: PAGE,
  complete: expression('Over `output`: false means half a list, which is no fact.'),
  backend: named(PLAIN_NAME, "Another backend than the action's."),
}

const RECHECK_KEYS: { readonly [key: string]: JsonSchema } = {
  page: PAGE,
  happened: expression('Over `output`, `input`, `facts`, `call`: did it happen? An error means: cannot tell.'),
}

export const ACTION: JsonSchema = {
  $defs: { member: MEMBER, kept: KEPT },
  ...object(
    'One narrow thing that can be asked.',
    {
      action: named(ACTION_NAME, 'Its name.'),
      describe: text('What it does, for the agent that may choose it.'),
      effect: {
        type: 'string',
        enum: ['read', 'write', 'lease'],
        description: '`read` changes nothing; `write` is done at most once; `lease` gives out a short-lived login.',
      },
      input: map('The members of the input; `name?` is optional.', INPUT_NAME, A_MEMBER),
      backend: named(PLAIN_NAME, 'Who performs it.'),
      facts: map(
        'Fetched by the gateway before it decides; shown to approvers as facts. A fact may use an earlier one.',
        MEMBER_NAME,
        { type: 'object', description: 'A request that only reads (GET, or read with params and rows), and:' },
      ),
      cost: {
        ...object('What a call costs, computed from what will be sent.', {
          minor: expression('Amount in the smallest unit.'),
          decimal: expression('Amount as decimal text, read exactly.'),
          currency: expression('Three capitals, or an expression.'),
          count: expression('A number of things.'),
          of: name('^[a-z][a-z_]*$', 'a noun like rows'),
        }),
        oneOf: [{ required: ['minor'] }, { required: ['decimal'] }, { required: ['count'] }],
        dependentRequired: { minor: ['currency'], decimal: ['currency'], count: ['of'], currency: [], of: ['count'] },
      },
      summary: text('One line for people; `${cost}` is the cost in words.', { maxLength: 500 }),
      request: {
        type: 'object',
        description:
          "What is sent: the adapter's request, with `${…}` where values are placed. Needed, but for a lease.",
      },
      recheck: {
        type: 'object',
        description:
          'Asked after a crash or a timeout: did it happen? A request that only reads (GET, or read with params), and:',
      },
      effects: { 'x-later': 'it comes with reconcile', description: '(later) What reconcile reads.' },
      output: object(
        'What of the answer the agent gets. Needed, but for a lease.',
        {
          keep: list('Paths into the answer; `*` is every item of a list.', {
            type: 'string',
            maxLength: 200,
            pattern: '^(\\*|[A-Za-z_][A-Za-z0-9_-]*)(\\.(\\*|[A-Za-z_][A-Za-z0-9_-]*))*$',
            'x-says': 'a path like id, items.*.sku',
          }),
          store: { 'x-later': 'it comes with secrets in answers' },
        },
        ['keep'],
      ),
      undo: named(ACTION_NAME, '`none`, or the action that takes it back; approvers are told.'),
      replay: duration('How long the answer is kept for a repeated key.', '7d'),
      lease: LEASE,
      compat: COMPAT,
      marks: { 'x-later': 'it comes with marks on sessions', description: '(later)' },
    },
    // `request` and `output` too, but for a lease: see leases.ts.
    ['action', 'describe', 'effect', 'backend'],
  ),
}
