import type { JsonSchema } from '../types.ts'
import { CHANNELS } from './language-notify.ts'
import {
  text,
  expression,
  object,
  orObject,
  map,
  list,
  flag,
  whole,
  duration,
  named,
  PLAIN_NAME,
  MEMBER_NAME,
  ACTION_NAME,
  TIMEZONE,
  LINE_NAME,
  MODE,
  GROUP_NAMES,
} from './language-words.ts'

/** Roles: who may hold them, what they grant. */

const LINE = { name: LINE_NAME, mode: MODE }
const BY = text('`role` (default), `session`, `requester`, or an expression that yields the key.', { maxLength: 500 })

const MAX_LINE = orObject(
  ['string'],
  object('A ceiling.', { limit: text('Like `200.00 USD or 180.00 EUR`.', { maxLength: 200 }), ...LINE }, ['limit']),
)
const BUDGET_LINE = orObject(
  ['string'],
  object(
    'A limit over time.',
    { limit: text('Like `500.00 USD per day`, or the name of a shared budget.', { maxLength: 200 }), by: BY, ...LINE },
    ['limit'],
  ),
)
const RATE_LINE = orObject(
  ['string'],
  object('Calls over time.', { limit: text('Like `20 per hour`.', { maxLength: 200 }), by: BY, ...LINE }, ['limit']),
)
function oneOrMany(line: JsonSchema, description: string): JsonSchema {
  return {
    ...line,
    type: [...([line['type']].flat() as string[]), 'array'],
    items: line,
    minItems: 1,
    maxItems: 50,
    description,
  }
}

const REQUIRE_LINE = object(
  'A condition that must be true.',
  {
    that: expression('The condition; an error denies.'),
    else: text('What the refused are told; never how to get round it.', { maxLength: 500 }),
    ...LINE,
  },
  ['that', 'else'],
)
const APPROVAL_LINE = object(
  'People who must say yes, when the line applies.',
  {
    above: text(
      'Money above which it applies: `50.00 USD`, or over time: `100.00 USD per rolling 24h by facts.charge.customer`.',
      { maxLength: 500 },
    ),
    up_to: text('Money up to which it applies.', { maxLength: 200 }),
    when: expression('A condition under which it applies.'),
    by: text('Like `1 of finance`.', {
      maxLength: 100,
      pattern: '^([1-9]|10) of [a-z][a-z0-9_-]*$',
      'x-says': 'like `1 of finance`',
    }),
    expires: duration('How long the hold waits.', '24h'),
    passkey: flag('The yes must be signed with a passkey.'),
    notify: CHANNELS('Channels that are told, instead of those of the group.'),
    escalate: CHANNELS('Channels that are told too, at 80 % of the life of the hold.'),
    ...LINE,
  },
  ['by'],
)

const GRANT: JsonSchema = {
  ...object('What the role may ask, and the lines that narrow it.', {
    max: oneOrMany(MAX_LINE, 'The most at once; needed where the action has a cost.'),
    budget: oneOrMany(
      BUDGET_LINE,
      'The most over time: `500.00 USD per day`, a shared budget, or `NAME of facts.x.y`.',
    ),
    rate: oneOrMany(RATE_LINE, 'The most calls over time.'),
    require: oneOrMany(REQUIRE_LINE, 'Conditions that must be true.'),
    approval: oneOrMany(APPROVAL_LINE, 'Who must say yes. Every line that applies must be met.'),
    next: list('What to ask instead; must be granted.', ACTION_NAME),
    dry_run: flag('The agent may ask what would happen.'),
    attempts: whole('Refusals and dry runs per hour and principal.', 1, 1_000_000, 300),
    holds_max: whole('Open holds per session.', 1, 10_000, 10),
    serialize: expression('One unsettled call per value.'),
    delegate: { 'x-later': 'it comes with child sessions' },
    review: { 'x-later': 'it comes with break-glass' },
    reason: { 'x-later': 'it comes with break-glass' },
  }),
  type: ['object', 'null'],
}

export const ROLE = object(
  'What an agent is, with its grants.',
  {
    role: named(PLAIN_NAME, 'Its name.'),
    describe: text('What it is for. Needed, but for a role that extends another.', { maxLength: 1000 }),
    extends: named(
      PLAIN_NAME,
      'Keeps every line and counter of this role and adds its own; `issue_to` is never inherited.',
    ),
    prompt: orObject(
      ['string'],
      object(
        "The agent's instructions; the front matter lists the actions it authorizes.",
        {
          file: text('Relative to the policy directory.', { maxLength: 500 }),
          required: flag('The request for a session must state the digest of the file.'),
        },
        ['file'],
      ),
    ),
    owners: GROUP_NAMES('Answer for it; they never approve what it asks.'),
    owners_approve: flag('Owners may approve.'),
    timezone: named(TIMEZONE, 'Of `now` and of calendar windows.'),
    session: object('Its sessions.', {
      lifetime: duration('How long a session lives.', '1h'),
      bound: { 'x-later': 'it comes with DPoP' },
    }),
    issue_to: list('Who may hold the role.', {
      ...object('An issuer with `where`, or a group.', {
        issuer: named(PLAIN_NAME, 'Whose workloads.'),
        group: named(PLAIN_NAME, 'Which people.'),
        where: expression('Over `claims`.'),
        carry: map(
          'Attributes of the session, fixed for its life, from the claims.',
          MEMBER_NAME,
          expression('Over `claims`.'),
        ),
      }),
      oneOf: [{ required: ['issuer'] }, { required: ['group'] }],
    }),
    grants: map('What it may ask. Nothing is allowed unless a grant names it.', ACTION_NAME, GRANT, {
      type: ['object', 'null'],
    }),
    delegate: { 'x-later': 'it comes with child sessions' },
  },
  ['role', 'issue_to', 'grants'],
)
