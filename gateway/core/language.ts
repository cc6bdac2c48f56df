import type { Json, JsonSchema } from './types.ts'

/**
 * The policy language as JSON Schema: what `compile` holds documents to, what editors complete, and what the table of
 * keys in docs/policy-language.md is made from. What a schema cannot say (names that exist, types of conditions) is
 * said by compile.ts.
 */

/** What the adapters that are passed in add: the keys of a backend and of a request. */
export interface AdapterSchemas {
  readonly [adapter: string]: { readonly backend: JsonSchema; readonly request: JsonSchema }
}

export type Kind = 'backends' | 'identity' | 'guardrails' | 'budgets' | 'action' | 'route' | 'role' | 'tests'

/** Which keys tell what a document is. */
export const KEYS: { readonly [kind in Kind]: readonly string[] } = {
  backends: ['backends'],
  identity: ['issuers', 'groups', 'people', 'sessions'],
  guardrails: ['switches', 'guardrails'],
  budgets: ['budgets'],
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
    action: ACTION,
    route: { type: 'object', description: 'A passthrough route. Comes with the proxy.' },
    role: ROLE,
    tests: { type: 'object', description: 'Tables for `policy test`; only in files that end in `.test.yaml`.' },
  }
}

/** One JSON Schema 2020-12 document for editors: `# yaml-language-server: $schema=…`. */
export function editorSchema(adapters: AdapterSchemas): JsonSchema {
  const kinds = languageOf(adapters)
  const requests = Object.values(adapters).map(({ request }) => request)
  const action = structuredClone(kinds.action) as { properties: { [key: string]: JsonSchema } }
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
    allOf: Object.entries(branches).map(([kind, schema]) => ({
      if: { anyOf: KEYS[kind as Kind].map((key) => ({ required: [key] })) },
      // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON Schema
      then: schema as JsonSchema,
    })),
  }
}

/** The keys of a backend (ours and its adapter's), for one adapter. */
export function backendSchema(adapter: JsonSchema): JsonSchema {
  return merged(adapter, BACKEND_KEYS, ['adapter'])
}

/** The keys of a fact or a recheck: a request of its backend's adapter, and ours beside it. */
export function factSchema(request: JsonSchema): JsonSchema {
  return merged(request, FACT_KEYS, ['keep'])
}
export function recheckSchema(request: JsonSchema): JsonSchema {
  return merged(request, RECHECK_KEYS, ['happened'])
}

function merged(
  schema: JsonSchema,
  properties: { readonly [key: string]: JsonSchema },
  required: readonly string[],
): JsonSchema {
  const theirs = (schema['properties'] ?? {}) as { readonly [key: string]: JsonSchema }
  const needed = (schema['required'] ?? []) as readonly string[]
  return {
    ...schema,
    $defs: { kept: KEPT },
    type: 'object',
    properties: { ...theirs, ...properties },
    required: [...new Set([...required, ...needed])],
    additionalProperties: false,
  }
}

// ---------------------------------------------------------------- words that keys are made of

function text(description: string, more: JsonSchema = {}): JsonSchema {
  return { type: 'string', minLength: 1, maxLength: 4000, description, ...more }
}
function expression(description: string): JsonSchema {
  return { type: 'string', minLength: 1, maxLength: 2000, description, 'x-type': 'expression' }
}
function object(
  description: string,
  properties: { readonly [key: string]: JsonSchema },
  required: readonly string[] = [],
): JsonSchema {
  return { type: 'object', description, properties, required, additionalProperties: false }
}
/** An object, or one of the other types; the keywords of each type apply to it alone. */
function orObject(type: readonly string[], schema: JsonSchema, more: JsonSchema = {}): JsonSchema {
  return { ...schema, type: [...type, 'object'], minLength: 1, maxLength: 2000, ...more }
}
function map(description: string, names: JsonSchema, of: JsonSchema, more: JsonSchema = {}): JsonSchema {
  return { type: 'object', description, propertyNames: names, additionalProperties: of, maxProperties: 1000, ...more }
}
function list(description: string, of: JsonSchema, more: JsonSchema = {}): JsonSchema {
  return { type: 'array', description, items: of, maxItems: 200, ...more }
}
function flag(description: string, otherwise = false): JsonSchema {
  return { type: 'boolean', description, default: otherwise }
}
function whole(description: string, minimum: number, maximum: number, otherwise?: number): JsonSchema {
  return { type: 'integer', description, minimum, maximum, ...(otherwise === undefined ? {} : { default: otherwise }) }
}
function duration(description: string, otherwise?: string): JsonSchema {
  return text(description, {
    maxLength: 20,
    'x-type': 'duration',
    ...(otherwise === undefined ? {} : { default: otherwise }),
  })
}
function name(pattern: string, says: string): JsonSchema {
  return { type: 'string', maxLength: 64, pattern, 'x-says': says }
}
function named(of: JsonSchema, description: string): JsonSchema {
  return { ...of, description }
}

const PLAIN_NAME = name('^[a-z][a-z0-9_-]*$', 'a name in small letters, digits, - and _')
/** Names that expressions speak. `constructor` and `prototype` are members that every object seems to have. */
const MEMBER_NAME = name('^(?!(constructor|prototype)$)[a-z][a-z0-9_]*$', 'a name in small letters, digits and _')
const ACTION_NAME = name(
  '^[a-z][a-z0-9_]*(\\.[a-z][a-z0-9_]*)*$',
  'a name in small letters, digits and _, with dots between',
)
const TIMEZONE = text('An IANA time zone.', { maxLength: 64, default: 'UTC' })
const LINE_NAME = named(PLAIN_NAME, 'What `because` cites instead of an index, which moves with every edit.')
const MODE: JsonSchema = {
  type: 'string',
  enum: ['enforce', 'report'],
  default: 'enforce',
  description: '`report`: evaluated and recorded; does not decide.',
}
const STATUSES = (description: string, otherwise?: readonly number[]): JsonSchema =>
  list(
    description,
    { type: 'integer', minimum: 400, maximum: 599 },
    otherwise === undefined ? {} : { default: otherwise as Json },
  )

// ---------------------------------------------------------------- backends.yaml

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

function backend(adapters: AdapterSchemas): JsonSchema {
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

// ---------------------------------------------------------------- identity.yaml

const GROUP_NAMES = (description: string): JsonSchema => list(description, PLAIN_NAME)

const IDENTITY = object('Who workloads and people are. Roles and approvals refer only to names defined here.', {
  issuers: map('Whose tokens are believed.', PLAIN_NAME, {
    ...object('One of: `oidc`, `jwks_uri`, `jwks`, `dev`.', {
      oidc: text('An OpenID issuer; its keys are found by discovery.', { maxLength: 500 }),
      jwks_uri: text('Where the keys are.', { maxLength: 500 }),
      jwks: text('A file with the keys, relative to the policy directory.', { maxLength: 500 }),
      dev: { type: 'boolean', const: true, description: 'Signs for the accounts below, under `--dev` only.' },
      issuer: text('The `iss` claim.', { maxLength: 500 }),
      audience: text('The `aud` claim.', { maxLength: 500 }),
      client_id: text('The `aud` claim, as OpenID names it.', { maxLength: 500 }),
      once: flag('A second use of one token is refused.'),
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
        notify: { 'x-later': 'it comes with notifications' },
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
  }),
  sessions: object('Bounds of every session.', {
    lifetime_max: duration('The longest a lineage of sessions lives, renewals included.', '12h'),
    live_per_principal: whole('Live sessions of one principal.', 1, 100_000, 20),
  }),
})

// ---------------------------------------------------------------- guardrails.yaml, budgets.yaml

const GUARDRAILS = object('True for every role, now and later.', {
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

const BUDGET = object(
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

// ---------------------------------------------------------------- actions/*.yaml

const SCALAR: JsonSchema = { type: ['string', 'number', 'boolean'] }

const INPUT_NAME = name(
  '^(?!(constructor|prototype)\\??$)[a-z][a-z0-9_]*\\??$',
  'a name in small letters, digits and _; `?` at the end makes it optional',
)
const A_MEMBER: JsonSchema = { $ref: '#/$defs/member' }

/** One member of an input: the closed subset of JSON Schema. */
const MEMBER = object('A closed subset of JSON Schema.', {
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
const KEPT: JsonSchema = {
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

const ACTION: JsonSchema = {
  $defs: { member: MEMBER, kept: KEPT },
  ...object(
    'One narrow thing that can be asked.',
    {
      action: named(ACTION_NAME, 'Its name.'),
      describe: text('What it does, for the agent that may choose it.'),
      effect: {
        type: 'string',
        enum: ['read', 'write', 'lease'],
        description:
          '`read` changes nothing; `write` is done at most once; `lease` gives out a short-lived credential (later).',
      },
      input: map('The members of the input; `name?` is optional.', INPUT_NAME, A_MEMBER),
      backend: named(PLAIN_NAME, 'Who performs it.'),
      facts: map(
        'Fetched by the gateway before it decides; shown to approvers as facts. A fact may use an earlier one.',
        MEMBER_NAME,
        { type: 'object', description: 'A read request (GET), and:' },
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
        description: "What is sent: the adapter's request, with `${…}` where values are placed.",
      },
      recheck: {
        type: 'object',
        description: 'Asked after a crash or a timeout: did it happen? A read request (GET), and:',
      },
      effects: { 'x-later': 'it comes with reconcile', description: '(later) What reconcile reads.' },
      output: object(
        'What of the answer the agent gets.',
        {
          keep: list('Paths into the answer; `*` is every item or member.', {
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
      lease: { 'x-later': 'leases come with their adapters', description: '(later)' },
      compat: { 'x-later': 'it comes with the Stripe-shaped door', description: '(later)' },
      marks: { 'x-later': 'it comes with marks on sessions', description: '(later)' },
    },
    ['action', 'describe', 'effect', 'backend', 'request', 'output'],
  ),
}

// ---------------------------------------------------------------- roles/*.yaml

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
    notify: { 'x-later': 'it comes with notifications' },
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

const ROLE = object(
  'What an agent is, with its grants.',
  {
    role: named(PLAIN_NAME, 'Its name.'),
    describe: text('What it is for.', { maxLength: 1000 }),
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
    grants: map('What it may ask. Nothing is allowed unless a grant names it.', ACTION_NAME, GRANT),
    delegate: { 'x-later': 'it comes with child sessions' },
  },
  ['role', 'describe', 'issue_to', 'grants'],
)
