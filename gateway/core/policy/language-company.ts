import type { JsonSchema } from '../types.ts'
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
  TIMEZONE,
  MODE,
  STATUSES,
  GROUP_NAMES,
} from './language-words.ts'
import { CHANNELS } from './language-notify.ts'
import type { AdapterSchemas } from './language-words.ts'

/** Backends, identity, guardrails and shared budgets. */

/** The keys of a backend (ours and its adapter's), for one adapter. */
function backendSchema(adapter: JsonSchema): JsonSchema {
  const without = (adapter['x-without'] ?? []) as readonly string[]
  const common = Object.entries(BACKEND_KEYS).filter(([key]) => !without.includes(key))
  return merged(adapter, Object.fromEntries(common), ['adapter'])
}

export const FINAL: readonly number[] = [400, 401, 403, 404, 405, 410, 413, 415, 422]

const BACKEND_KEYS: { readonly [key: string]: JsonSchema } = {
  adapter: text('The kind of backend.', { maxLength: 64 }),
  idempotency: object(
    'The backend recognises a repeat by a header: then the same request may go again.',
    {
      header: text('Header that carries the key.', {
        maxLength: 64,
        pattern: "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$",
        'x-says': 'a header name',
      }),
      lives: duration('How long the backend remembers a key.'),
    },
    ['header', 'lives'],
  ),
  request_id: text("Header of the answer that links into the backend's own log.", {
    maxLength: 64,
    pattern: "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$",
    'x-says': 'a header name',
  }),
  lands_within: duration('After a timeout, how late an effect may still appear.', '30s'),
  timeout: duration('How long one attempt may take.', '10s'),
  breaker: object('When this share of the last requests failed, none is sent for a while.', {
    open_after: text('Share that failed.', {
      pattern: '^([1-9][0-9]?|100)%$',
      'x-says': 'a share like 50%',
      default: '50%',
    }),
    of: whole('Requests looked at.', 1, 10_000, 20),
    for: duration('How long none is sent.', '30s'),
  }),
  final: STATUSES("Statuses that are the backend's certain no: nothing happened.", FINAL),
  private: flag('The address may be loopback, private or link-local; `http:` only with it.'),
}

export function backend(adapters: AdapterSchemas): JsonSchema {
  const known = Object.keys(adapters)
  return {
    type: 'object',
    required: ['adapter'],
    properties: {
      adapter: {
        type: 'string',
        enum: known,
        'x-says': `no adapter \`{}\` in this version; there ${known.length === 1 ? 'is' : 'are'}: ${known.join(', ')}`,
      },
    },
    allOf: known.map((adapter) => ({
      if: { properties: { adapter: { const: adapter } }, required: ['adapter'] },
      // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON Schema
      then: backendSchema(adapters[adapter]?.backend ?? {}),
    })),
  }
}

export const IDENTITY = object('Who workloads and people are. Roles and approvals refer only to names defined here.', {
  issuers: map('Whose tokens are believed.', PLAIN_NAME, {
    ...object('One of: `oidc`, `jwks_uri`, `jwks`, `dev`.', {
      oidc: text('An OpenID issuer; its keys are found by discovery.', { maxLength: 500 }),
      jwks_uri: text('Where the keys are.', { maxLength: 500 }),
      jwks: text('A file with the keys, relative to the policy directory.', { maxLength: 500 }),
      dev: { type: 'boolean', const: true, description: 'Signs for the accounts below, under `--dev` only.' },
      issuer: text('The `iss` claim.', { maxLength: 500 }),
      audience: text('The `aud` claim.', { maxLength: 500 }),
      client_id: text('The `aud` claim, as OpenID names it.', { maxLength: 500 }),
      client_secret: text('A secret ref, where that client has a secret: for the sign-in of people.', {
        maxLength: 500,
      }),
      scope: text('What the sign-in of people asks the issuer for.', {
        maxLength: 500,
        pattern: '^openid( [!#-\\[\\]-~]+)*$',
        'x-says': 'openid, and what else the issuer knows, with single blanks',
        default: 'openid profile email',
      }),
      once: flag('A second use of one token is refused. Where it is not said: of assertions (RFC 7523) alone.'),
      person: expression('An immutable claim; with it the issuer is one of people.'),
      name: expression('What a person is called.'),
      groups: expression('The list of groups in the claims.'),
      accounts: map('Only of `dev: true`: who it signs for.', PLAIN_NAME, {
        ...object('Claims of the account.', {
          name: text('Name to show.', { maxLength: 200 }),
          groups: list('Groups claim.', { type: 'string', maxLength: 200 }),
        }),
        type: ['object', 'null'],
      }),
    }),
    oneOf: [{ required: ['oidc'] }, { required: ['jwks_uri'] }, { required: ['jwks'] }, { required: ['dev'] }],
  }),
  groups: map(
    'Groups of people.',
    PLAIN_NAME,
    object(
      'Whoever comes from the issuer and fits.',
      {
        issuer: named(PLAIN_NAME, 'An issuer of people.'),
        where: expression('Over `claims`.'),
        notify: CHANNELS('Channels that are told of what waits for this group.'),
        escalate: CHANNELS('Channels that are told too, at 80 % of the life of a hold.'),
      },
      ['issuer', 'where'],
    ),
  ),
  people: object('What people may do.', {
    view: GROUP_NAMES('Groups that see calls, limits and sessions.'),
    freeze: GROUP_NAMES('Groups that set switches and revoke sessions.'),
    settle: GROUP_NAMES('Groups that settle calls in doubt.'),
    export: GROUP_NAMES('Groups that export the log.'),
    metrics: {
      type: 'string',
      enum: ['token', 'open'],
      default: 'token',
      description: '`token`: a bearer token with the right to view; `open`: none.',
    },
    passkeys: object('The passkeys that people sign approvals with.', {
      registered_for: duration('A passkey counts from so long after it was registered; at once unless said.'),
    }),
  }),
  sessions: object('Bounds of every session.', {
    lifetime_max: duration('The longest a lineage of sessions lives, renewals included.', '12h'),
    live_per_principal: whole('Live sessions of one principal.', 1, 100_000, 20),
  }),
})

export const GUARDRAILS = object('True for every role, now and later.', {
  switches: map('Switches that people set, with their position at first.', PLAIN_NAME, { type: 'boolean' }),
  guardrails: list(
    'Refusals that nothing overrides.',
    object(
      'One refusal.',
      {
        name: named(PLAIN_NAME, 'What `because` cites.'),
        actions: list(
          'Names, `stripe.*`, or `*`; all actions when absent.',
          { ...name('^(\\*|[a-z][a-z0-9_]*(\\.[a-z][a-z0-9_]*)*(\\.\\*)?)$', 'an action, or a name and `.*`') },
          { minItems: 1 },
        ),
        deny: expression('True refuses the call; so does an error.'),
        timezone: named(TIMEZONE, 'The time zone of `now`.'),
        else: text('What the refused are told.', { maxLength: 500 }),
        mode: MODE,
      },
      ['name', 'deny', 'else'],
    ),
  ),
})

export const BUDGET = object(
  'One counter that several grants draw from.',
  {
    limit: text('Like `2000.00 USD or 1800.00 EUR per day`.', { maxLength: 200 }),
    by: named(
      PLAIN_NAME,
      '`session`, `requester`, or the name of a key: then a grant says `NAME of facts.x.y`. One counter for all when absent.',
    ),
    timezone: TIMEZONE,
  },
  ['limit'],
)
