import type { JsonSchema } from '../types.ts'
import { flag, list, map, object, PLAIN_NAME, text } from './language-words.ts'

/** Tables for `policy test`: what a role's grants are meant to say, case by case. */

const ANY: JsonSchema = { description: 'Any value.' }
const BECAUSE = 'Lines that must be among those that said no, as `because` cites them; `error`: an expression errored.'
const USE = (description: string): JsonSchema =>
  map(description, { type: 'string', maxLength: 300 }, { type: ['string', 'integer'], minimum: 0, maxLength: 200 })

/** What a case says and `given` may say for all of them. */
const GIVEN: { readonly [key: string]: JsonSchema } = {
  call: text('The action that is asked for.', { maxLength: 64 }),
  now: text('When: 2026-11-23T15:00:00Z.', { maxLength: 40 }),
  input: { type: 'object', description: 'The input of the call.', additionalProperties: ANY },
  facts: {
    type: 'object',
    description: 'What the gateway would have fetched; null: not to be had, or absent where the action allows it.',
    additionalProperties: { type: ['object', 'null'], additionalProperties: ANY },
  },
  session: { type: 'object', description: 'What the session carries.', additionalProperties: ANY },
  requested_by: text('Who asks, by the name that `approved_by` uses.', { maxLength: 200 }),
  acting_for: text('The person acted for.', { maxLength: 200 }),
  switches: {
    type: 'object',
    description: 'Positions of switches: those of the policy, `all`, `role:NAME`, `action:NAME`.',
    additionalProperties: { type: 'boolean' },
  },
  used: USE('What is used up already, by the name of the limit: `daily: 480.00 USD`, `rate: 19`.'),
  held: USE('What other calls hold, by the name of the limit: `daily: 50.00 USD`, `serialize: 1`.'),
  approved_by: list(
    'Who said yes.',
    object(
      'A person.',
      {
        person: text('Who.', { maxLength: 200 }),
        groups: list('Groups of this person.', PLAIN_NAME),
        passkey: flag('The yes was signed with a passkey of theirs.'),
      },
      ['person', 'groups'],
    ),
  ),
}

export const TESTS: JsonSchema = object(
  'Tables for `policy test`; only in files that end in `.test.yaml`.',
  {
    tests: text('The role.', { maxLength: 64 }),
    given: object('What holds for every case; a case is merged into it, maps deeply.', GIVEN),
    cases: list(
      'What is asked and what must come of it.',
      object(
        'One case.',
        {
          it: text('What it shows, as a sentence.', { maxLength: 300 }),
          ...GIVEN,
          expect: { type: 'string', enum: ['allow', 'hold', 'deny'], description: 'The decision.' },
          by: {
            type: ['string', 'array'],
            minLength: 1,
            maxLength: 200,
            items: text('Like `1 of finance`.', { maxLength: 200 }),
            minItems: 1,
            maxItems: 50,
            description:
              'Of a hold: exactly who must say yes. `1 of finance`, or a list; the largest number per group.',
          },
          because: {
            type: ['string', 'array'],
            minLength: 1,
            maxLength: 300,
            items: text('A line.', { maxLength: 300 }),
            minItems: 1,
            maxItems: 50,
            description: BECAUSE,
          },
        },
        ['it', 'expect'],
      ),
      { minItems: 1, maxItems: 2000 },
    ),
  },
  ['tests', 'cases'],
)
