import type { Change } from './company.ts'

const NO_LEASE_KEY = 'leave it out: the gateway makes the login by `lease:`, answers it once and revokes it'

/** One thing wrong in the company, and every finding of it: place, message, hint. */
export interface Bad extends Change {
  readonly findings: readonly (readonly [place: string, message: string, hint?: string])[]
}

/** Refused. */
const KEYS_OF_A_ROUTE =
  'the keys here are: route, describe, effect, backend, allow, headers, request_max, record, cost, replay'

export const REFUSED: readonly Bad[] = [
  {
    file: 'actions.yaml',
    from: 'effect: write',
    to: 'effect: write\neffect: read',
    findings: [['actions.yaml:4:1', 'the key `effect` stands here twice', 'keep one of the two']],
  },
  {
    file: 'actions.yaml',
    from: 'effect: write',
    to: 'effect: &e write',
    findings: [
      [
        'actions.yaml:3:9',
        'anchors are not part of the language',
        'write the value where it is needed, or quote it: `&` begins an anchor',
      ],
    ],
  },
  {
    file: 'actions.yaml',
    from: 'effect: write',
    to: 'effect: *e',
    findings: [
      [
        'actions.yaml:3:9',
        'aliases are not part of the language',
        'write the value out, or quote it: `*` begins an alias',
      ],
    ],
  },
  {
    file: 'actions.yaml',
    from: 'effect: write',
    to: 'effect: !!str write',
    findings: [['actions.yaml:3:9', 'tags are not part of the language', 'quote it: `!` begins a tag']],
  },
  {
    file: 'role.yaml',
    from: '"!facts.charge.disputed"',
    to: '!facts.charge.disputed',
    findings: [['role.yaml:21:17', 'tags are not part of the language', 'quote it: `!` begins a tag']],
  },
  {
    file: 'role.yaml',
    from: 'shop.get:\n',
    to: 'shop.get: &x\n  <<: *x\n',
    findings: [
      [
        'role.yaml:12:13',
        'anchors are not part of the language',
        'write the value where it is needed, or quote it: `&` begins an anchor',
      ],
      ['role.yaml:13:3', 'merge keys are not part of the language', 'write the lines out; a role may say `extends:`'],
      [
        'role.yaml:13:7',
        'aliases are not part of the language',
        'write the value out, or quote it: `*` begins an alias',
      ],
    ],
  },
  {
    file: 'role.yaml',
    from: '    rate: 20 per hour',
    to: '    <<: { rate: 20 per hour }',
    findings: [
      ['role.yaml:19:5', 'merge keys are not part of the language', 'write the lines out; a role may say `extends:`'],
    ],
  },
  {
    file: 'actions.yaml',
    from: 'minimum: 1',
    to: 'minimum: .inf',
    findings: [['actions.yaml:6:37', 'this number is not finite', 'write a number in digits']],
  },
  {
    file: 'actions.yaml',
    from: 'minimum: 1',
    to: 'minimum: 12345678901234567890',
    findings: [['actions.yaml:6:37', 'this number is beyond 2^53 and would be changed by reading it', 'quote it']],
  },
  {
    file: 'actions.yaml',
    from: 'minimum: 1',
    to: 'minimum: .nan',
    findings: [['actions.yaml:6:37', 'this number is not finite', 'write a number in digits']],
  },
  {
    file: 'actions.yaml',
    from: 'describe: Refund a charge.',
    to: 'describe: Refund: a charge.',
    findings: [
      [
        'actions.yaml:2:11',
        'nested mappings are not allowed in compact mappings',
        'quote the value: a colon and a space begin a map',
      ],
    ],
  },
  {
    file: 'actions.yaml',
    from: 'describe: Refund a charge.',
    to: 'describe: @refund',
    findings: [['actions.yaml:2:11', 'plain value cannot start with reserved character @', 'quote the text']],
  },
  {
    file: 'actions.yaml',
    from: 'describe: Refund a charge.',
    to: 'describe: "Refund',
    findings: [['actions.yaml:2:18', 'missing closing "quote', 'a quote, bracket or colon is missing here or above']],
  },
  {
    file: 'actions.yaml',
    from: '  charge:\n',
    to: '\tcharge:\n',
    findings: [['actions.yaml:10:1', 'tabs are not allowed as indentation', 'indent with spaces']],
  },
  {
    file: 'backends.yaml',
    from: 'backends:\n',
    to: '%TAG ! x\n---\nbackends:\n',
    findings: [['backends.yaml:1:1', 'directives are not part of the language', 'take the line out']],
  },
  {
    file: 'backends.yaml',
    from: 'backends:\n',
    to: '- backends\n',
    findings: [
      ['actions.yaml:8:10', 'there is no backend `pay`'],
      ['actions.yaml:29:10', 'there is no backend `shop`'],
      ['backends.yaml:1:3', 'implicit keys need to be on a single line'],
    ],
  },
  {
    file: 'backends.yaml',
    from: 'backends:\n',
    to: 'bakends:\n',
    findings: [
      ['actions.yaml:8:10', 'there is no backend `pay`'],
      ['actions.yaml:29:10', 'there is no backend `shop`'],
      ['backends.yaml:1:1', 'no key says what this document is', 'did you mean `backends`?'],
    ],
  },
  {
    file: 'guardrails.yaml',
    from: 'switches: { incident: false }',
    to: 'switches: { incident: no }',
    findings: [['guardrails.yaml:1:23', '`incident` must be true or false, not text', 'write true or false']],
  },
  {
    file: 'actions.yaml',
    from: 'minimum: 1',
    to: 'minimun: 1',
    findings: [['actions.yaml:6:28', 'unknown key `minimun`', 'did you mean `minimum`?']],
  },
  {
    file: 'actions.yaml',
    from: 'effect: write',
    to: 'efect: write',
    findings: [['actions.yaml:3:1', 'unknown key `efect`', 'did you mean `effect`?']],
  },
  {
    file: 'actions.yaml',
    from: 'effect: write',
    to: 'effect: wirte',
    findings: [['actions.yaml:3:9', '`effect` must be one of: read, write, lease', 'did you mean `write`?']],
  },
  {
    file: 'actions.yaml',
    from: 'describe: Refund a charge.\n',
    to: '',
    findings: [['actions.yaml:1:1', '`describe` is missing']],
  },
  {
    file: 'actions.yaml',
    from: 'output: { keep: [id, amount] }',
    to: 'output: { keep: id }',
    findings: [['actions.yaml:22:17', '`keep` must be a list, not text']],
  },
  {
    file: 'role.yaml',
    from: 'grants:',
    to: 'grant:',
    findings: [['role.yaml:11:1', 'unknown key `grant`', 'did you mean `grants`?']],
  },
  {
    file: 'role.yaml',
    from: '    rate: 20 per hour',
    to: '    rat: 20 per hour',
    findings: [['role.yaml:19:5', 'unknown key `rat`', 'did you mean `rate`?']],
  },
  {
    file: 'role.yaml',
    from: '    rate: 20 per hour',
    to: '    rate: 20',
    findings: [['role.yaml:19:11', '`rate` must be text or a map or a list, not a number', 'quote it']],
  },
  {
    file: 'role.yaml',
    from: 'by: 1 of finance, expires',
    to: 'by: finance, expires',
    findings: [['role.yaml:23:52', '`by` must be like `1 of finance`']],
  },
  {
    file: 'backends.yaml',
    from: 'adapter: http\n',
    to: 'adapter: proxy\n',
    findings: [
      [
        'actions.yaml:8:10',
        '`pay` has adapter `proxy`, which is for routes alone',
        'write `route:` instead of `action:`, or name a backend of another adapter',
      ],
    ],
  },
  {
    file: 'backends.yaml',
    from: 'adapter: http\n',
    to: 'adapter: htpp\n',
    findings: [
      [
        'backends.yaml:3:14',
        'no adapter `htpp` in this version; there are: http, postgres, proxy',
        'did you mean `http`?',
      ],
    ],
  },
  {
    file: 'backends.yaml',
    from: 'bearer:',
    to: 'bearr:',
    findings: [['backends.yaml:5:13', 'unknown key `bearr`', 'did you mean `bearer`?']],
  },
  {
    file: 'backends.yaml',
    from: '"vault://kv/pay#key"',
    to: 'sk_live_0123456789abcdef',
    findings: [
      [
        'backends.yaml:5:21',
        '`bearer` must be a secret ref; a credential never stands in a policy',
        'write age://NAME, env://VARIABLE, file:///PATH, vault://MOUNT/PATH#FIELD or aws://NAME#FIELD',
      ],
    ],
  },
  {
    file: 'backends.yaml',
    from: '"vault://kv/pay#key"',
    to: 'vault://kv',
    findings: [['backends.yaml:5:21', 'this is not a secret ref of the form vault://MOUNT/PATH#FIELD']],
  },
  {
    file: 'backends.yaml',
    from: '"vault://kv/pay#key"',
    to: '"s3://bucket/key"',
    findings: [
      [
        'backends.yaml:5:21',
        'this is not a secret ref; a credential never stands in a policy',
        'write one of: age://NAME, env://VARIABLE, file:///PATH, vault://MOUNT/PATH#FIELD, aws://NAME#FIELD',
      ],
    ],
  },
  {
    file: 'backends.yaml',
    from: 'url: https://pay.example.com',
    to: 'url: http://pay.example.com',
    findings: [
      [
        'backends.yaml:4:10',
        'a public address needs https:',
        'write https:, or `private: true` for an address of your own network',
      ],
    ],
  },
  {
    file: 'backends.yaml',
    from: 'url: https://pay.example.com',
    to: 'url: https://10.1.2.3',
    findings: [
      [
        'backends.yaml:4:10',
        '10.1.2.3 is a loopback, private or link-local address',
        'if that is meant, say `private: true`',
      ],
    ],
  },
  {
    file: 'backends.yaml',
    from: 'url: https://pay.example.com',
    to: 'url: https://[::ffff:127.0.0.1]/',
    findings: [
      [
        'backends.yaml:4:10',
        '[::ffff:7f00:1] is a loopback, private or link-local address',
        'if that is meant, say `private: true`',
      ],
    ],
  },
  {
    file: 'backends.yaml',
    from: 'url: https://pay.example.com',
    to: 'url: https://2130706433/',
    findings: [
      [
        'backends.yaml:4:10',
        '127.0.0.1 is a loopback, private or link-local address',
        'if that is meant, say `private: true`',
      ],
    ],
  },
  {
    file: 'backends.yaml',
    from: 'url: https://pay.example.com',
    to: 'url: https://user:hunter22@pay.example.com',
    findings: [
      [
        'backends.yaml:4:10',
        '`url` does not have its form',
        'Origin, and a base path if there is one. No query, no user name. http: only with private: true.',
      ],
    ],
  },
  {
    file: 'backends.yaml',
    from: 'private: true, ',
    to: '',
    findings: [
      [
        'backends.yaml:7:31',
        '127.0.0.1 is a loopback, private or link-local address',
        'if that is meant, say `private: true`',
      ],
    ],
  },
  {
    file: 'backends.yaml',
    from: 'lives: 24h',
    to: 'lives: 24 hours',
    findings: [['backends.yaml:6:52', '"24 hours" is no duration', 'write a number and ms, s, m, h or d: 30s, 4h, 7d']],
  },
  {
    file: 'backends.yaml',
    from: '    idempotency:',
    to: '    retries: 3\n    idempotency:',
    findings: [
      [
        'backends.yaml:6:5',
        'unknown key `retries`',
        'the keys here are: url, auth, headers, adapter, idempotency, request_id, lands_within, timeout, breaker, final, private',
      ],
    ],
  },
  {
    file: 'identity.yaml',
    from: 'oidc: "https://kubernetes.default.svc", audience: keystay',
    to: 'oidc: "https://kubernetes.default.svc"',
    findings: [
      [
        'identity.yaml:2:12',
        '`audience` is missing',
        'without one, a token made for another service would be believed',
      ],
    ],
  },
  {
    file: 'identity.yaml',
    from: 'oidc: "https://kubernetes.default.svc"',
    to: 'oidc: "http://kubernetes.default.svc"',
    findings: [
      ['identity.yaml:2:20', 'keys must come over https:', 'whoever can change the answer could sign as this issuer'],
    ],
  },
  {
    file: 'identity.yaml',
    from: 'oidc: "https://kubernetes.default.svc", ',
    to: '',
    findings: [['identity.yaml:2:12', '`cluster` has none of: oidc, jwks_uri, jwks, dev', 'write one of them']],
  },
  {
    file: 'identity.yaml',
    from: 'oidc: "https://kubernetes.default.svc", ',
    to: 'oidc: "https://kubernetes.default.svc", dev: true, ',
    findings: [
      ['identity.yaml:2:12', '`cluster` has more than one of: oidc, jwks_uri, jwks, dev', 'write one of them'],
    ],
  },
  {
    file: 'identity.yaml',
    from: ', person: claims.sub',
    to: '',
    findings: [
      [
        'identity.yaml:7:18',
        'nobody of the group `finance` can decide: its issuer has no `person:`',
        'write `person: claims.sub` at the issuer',
      ],
      [
        'identity.yaml:7:27',
        'nobody of the group `leads` can decide: its issuer has no `person:`',
        'write `person: claims.sub` at the issuer',
      ],
      [
        'identity.yaml:7:44',
        'nobody of the group `finance` can decide: its issuer has no `person:`',
        'write `person: claims.sub` at the issuer',
      ],
      [
        'role.yaml:23:57',
        'nobody of the group `finance` can decide: its issuer has no `person:`',
        'write `person: claims.sub` at the issuer',
      ],
      [
        'role.yaml:24:80',
        'nobody of the group `finance` can decide: its issuer has no `person:`',
        'write `person: claims.sub` at the issuer',
      ],
    ],
  },
  {
    file: 'identity.yaml',
    from: './keys/staff.json',
    to: '../keys/staff.json',
    findings: [
      [
        'identity.yaml:3:18',
        '"../keys/staff.json" is not a path below the policy directory',
        'write it relative to that directory, without ..',
      ],
    ],
  },
  {
    file: 'identity.yaml',
    from: './keys/staff.json',
    to: './keys/stafff.json',
    findings: [
      ['identity.yaml:3:18', 'the file keys/stafff.json cannot be read', 'paths are relative to the policy directory'],
    ],
  },
  {
    file: 'keys/staff.json',
    from: '"kid":"a"',
    to: '"kid":"a","d":"secret"',
    findings: [
      [
        'identity.yaml:3:18',
        './keys/staff.json: it holds a private or symmetric key',
        'leave only public keys in it: whoever reads the policy could sign',
      ],
    ],
  },
  {
    file: 'identity.yaml',
    from: 'finance: { issuer: staff',
    to: 'finance: { issuer: stuff',
    findings: [['identity.yaml:5:22', 'there is no issuer `stuff`', 'did you mean `staff`?']],
  },
  {
    file: 'identity.yaml',
    from: 'settle: [finance]',
    to: 'settle: [finanse]',
    findings: [['identity.yaml:7:44', 'there is no group `finanse`', 'did you mean `finance`?']],
  },
  {
    file: 'identity.yaml',
    from: '\'"finance" in claims.groups\'',
    to: '\'claims.team.startsWith("fin")\'',
    findings: [
      [
        'identity.yaml:5:60',
        'a prefix of a claim must end in a separator (one of :/.-@)',
        'compare the whole claim with ==, or write "fin:" if that is where a part ends',
      ],
    ],
  },
  {
    file: 'identity.yaml',
    from: '\'"finance" in claims.groups\'',
    to: '\'clams.team == "fin"\'',
    findings: [['identity.yaml:5:37', 'there is no `clams` here', 'did you mean `claims`?']],
  },
  {
    file: 'guardrails.yaml',
    from: 'switches.incident &&',
    to: 'switches.incidnet &&',
    findings: [['guardrails.yaml:4:20', '`switches` has no member `incidnet`', 'did you mean `incident`?']],
  },
  {
    file: 'guardrails.yaml',
    from: '"read"',
    to: '"reed"',
    findings: [['guardrails.yaml:4:49', '"reed" is not one of read, write, lease', 'did you mean "read"?']],
  },
  {
    file: 'guardrails.yaml',
    from: '    else: Frozen.',
    to: '    actions: [pey.*]\n    else: Frozen.',
    findings: [['guardrails.yaml:5:15', 'there is no action `pey.*`', 'did you mean `pay.*`?']],
  },
  {
    file: 'guardrails.yaml',
    from: '    else: Frozen.',
    to: '    timezone: America/NewYork\n    else: Frozen.',
    findings: [['guardrails.yaml:5:15', '"America/NewYork" is not a time zone', 'did you mean `America/New_York`?']],
  },
  {
    file: 'guardrails.yaml',
    from: 'action.effect != "read"',
    to: 'input.amount > 5',
    findings: [
      [
        'guardrails.yaml:4:11',
        '`input.amount` does not exist in shop.get',
        'name the actions that the guardrail is about',
      ],
    ],
  },
  {
    file: 'budgets.yaml',
    from: '2000.00 USD per day',
    to: '2000 USD per day',
    findings: [
      [
        'budgets.yaml:2:22',
        '"2000 USD" does not have exactly the digits of USD',
        'write 2000.00 USD: USD has two digits',
      ],
    ],
  },
  {
    file: 'budgets.yaml',
    from: '2000.00 USD per day',
    to: '2000.00 USD per rolling 2y',
    findings: [['budgets.yaml:2:22', '"rolling 2y" is not a window', 'write rolling 24h, or rolling 30d']],
  },
  {
    file: 'budgets.yaml',
    from: '2000.00 USD per day',
    to: '2000.00 USD',
    findings: [
      [
        'budgets.yaml:2:22',
        '"2000.00 USD" does not say over which time',
        'write 500.00 USD per day, or per rolling 24h',
      ],
    ],
  },
  {
    file: 'actions.yaml',
    from: 'backend: pay\n',
    to: 'backend: pya\n',
    findings: [['actions.yaml:8:10', 'there is no backend `pya`', 'did you mean `pay`?']],
  },
  {
    file: 'actions.yaml',
    from: 'pattern: "^ch_[a-z]{4}$"',
    to: 'pattern: "^(?=ch_)[a-z]{4}$"',
    findings: [
      [
        'actions.yaml:5:36',
        'the pattern cannot be used: error parsing regexp: invalid or unsupported Perl syntax: `(?=`',
        'patterns are RE2: no lookaround, no backreferences, no huge repeats',
      ],
    ],
  },
  {
    file: 'actions.yaml',
    from: '{ type: integer, minimum: 1 }',
    to: '{ type: integer, minLength: 1 }',
    findings: [
      [
        'actions.yaml:6:28',
        '`minLength` says nothing about an integer',
        'for an integer there are: enum, const, minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf',
      ],
    ],
  },
  {
    file: 'actions.yaml',
    from: '{ type: integer, minimum: 1 }',
    to: '{ minimum: 1 }',
    findings: [['actions.yaml:6:3', '`amount` has no type', 'write `type:`, or `enum:` with the values']],
  },
  {
    file: 'actions.yaml',
    from: '{ type: integer, minimum: 1 }',
    to: '{ type: integer, minimum: 5, maximum: 4 }',
    findings: [['actions.yaml:6:37', '`minimum` is more than `maximum`']],
  },
  {
    file: 'actions.yaml',
    from: '{ type: integer, minimum: 1 }',
    to: '{ type: array, items: { type: string }, uniqueItems: true }',
    findings: [
      [
        'actions.yaml:6:64',
        '`uniqueItems` needs a `maxItems` of at most 200',
        'comparing all items with each other must stay cheap',
      ],
    ],
  },
  {
    file: 'actions.yaml',
    from: '  amount: {',
    to: '  constructor: {',
    findings: [
      [
        'actions.yaml:6:3',
        '`constructor` is no good name',
        'write a name in small letters, digits and _; `?` at the end makes it optional',
      ],
    ],
  },
  {
    file: 'actions.yaml',
    from: '  charge:\n    GET',
    to: '  Charge:\n    GET',
    findings: [
      ['actions.yaml:10:3', '`Charge` is no good name', 'did you mean `charge`?'],
      ['actions.yaml:13:46', '`facts` has no member `charge`', 'did you mean `Charge`?'],
      ['role.yaml:17:33', '`facts` has no member `charge`', 'did you mean `Charge`?'],
      ['role.yaml:21:25', '`facts` has no member `charge`', 'did you mean `Charge`?'],
      ['role.yaml:24:54', '`facts` has no member `charge`', 'did you mean `Charge`?'],
    ],
  },
  {
    file: 'actions.yaml',
    from: '/v1/charges/${input.charge}',
    to: '/v1/charges/${input.chrage}',
    findings: [['actions.yaml:11:30', '`input` has no member `chrage`', 'did you mean `charge`?']],
  },
  {
    file: 'actions.yaml',
    from: '/v1/charges/${input.charge}',
    to: '/v1/charges/${facts.charge.id}',
    findings: [['actions.yaml:11:30', '`facts` has no member `charge`']],
  },
  {
    file: 'actions.yaml',
    from: '    GET: /v1/charges/${input.charge}',
    to: '    POST: /v1/charges/${input.charge}',
    findings: [
      ['actions.yaml:11:5', '`POST` could change something; what the gateway asks by itself only reads', 'write GET'],
    ],
  },
  {
    file: 'actions.yaml',
    from: 'minor: input.amount',
    to: 'minor: input.amuont',
    findings: [['actions.yaml:13:22', '`input` has no member `amuont`', 'did you mean `amount`?']],
  },
  {
    file: 'actions.yaml',
    from: 'minor: input.amount',
    to: 'minor: input.charge',
    findings: [['actions.yaml:13:16', 'this yields text, and a whole number is wanted here']],
  },
  {
    file: 'actions.yaml',
    from: 'currency: facts.charge.currency }',
    to: 'currency: USX }',
    findings: [['actions.yaml:13:40', '"USX" is not a currency', 'a currency is an ISO 4217 code such as USD']],
  },
  {
    file: 'actions.yaml',
    from: 'cost: { minor: input.amount, ',
    to: 'cost: { ',
    findings: [['actions.yaml:13:7', '`cost` has none of: minor, decimal, count', 'write one of them']],
  },
  {
    file: 'actions.yaml',
    from: '${cost} on',
    to: '${cots} on',
    findings: [['actions.yaml:14:19', 'there is no `cots` here', 'did you mean `cost`?']],
  },
  {
    file: 'actions.yaml',
    from: 'summary: Refund ${cost} on ${input.charge}',
    to: 'summary: Refund ${input.note?}',
    findings: [['actions.yaml:14:17', 'there is no member to leave out here', 'write has(…) ? … : ""']],
  },
  {
    file: 'actions.yaml',
    from: '  POST: /v1/refunds\n',
    to: '  POST: /v1/refunds\n  GET: /v1/refunds\n',
    findings: [
      ['actions.yaml:16:3', '`request` has more than one of: GET, POST, PUT, PATCH, DELETE', 'write one of them'],
    ],
  },
  {
    file: 'actions.yaml',
    from: '  POST: /v1/refunds\n',
    to: '',
    findings: [['actions.yaml:16:3', '`request` has none of: GET, POST, PUT, PATCH, DELETE', 'write one of them']],
  },
  {
    file: 'actions.yaml',
    from: 'form: { charge: "${input.charge}", amount',
    to: 'form: { charge: "${input.note}", amount',
    findings: [
      ['actions.yaml:17:28', '`input.note` may be absent', 'write ${input.note?} to leave the member out when it is'],
    ],
  },
  {
    file: 'actions.yaml',
    from: 'r.call == call.id',
    to: 'r.call == cal.id',
    findings: [['actions.yaml:21:45', 'there is no `cal` here', 'did you mean `call`?']],
  },
  {
    file: 'actions.yaml',
    from: 'keep: [id, amount]',
    to: 'keep: [id, "a b"]',
    findings: [['actions.yaml:22:22', '`keep` (an item of it) must be a path like id, items.*.sku']],
  },
  {
    file: 'actions.yaml',
    from: 'effect: read',
    to: 'effect: lease',
    findings: [
      ['actions.yaml:26:9', '`lease` is missing', 'write `lease: { roles: [reader], lifetime: 30m }`'],
      ['actions.yaml:30:1', 'a lease has no `request`', NO_LEASE_KEY],
      ['actions.yaml:31:1', 'a lease has no `output`', NO_LEASE_KEY],
    ],
  },
  {
    file: 'actions.yaml',
    from: 'effect: read',
    to: 'effect: read\ncompat: { stripe: x }',
    findings: [['actions.yaml:27:19', '`stripe` must be a map, not text']],
  },
  {
    file: 'actions.yaml',
    from: 'effect: read',
    to: 'effect: read\ncompat: { strpe: { "GET /v1/orders/{order}": {} } }',
    findings: [['actions.yaml:27:11', 'no door has the shape `strpe`', 'did you mean `stripe`?']],
  },
  {
    file: 'actions.yaml',
    from: 'effect: read',
    to: 'effect: read\ncompat: { stripe: { "v1/orders": {} } }',
    findings: [
      [
        'actions.yaml:27:21',
        '`v1/orders` is no good name',
        'write a method and a path, with parameters in braces: GET /v1/charges/{charge}',
      ],
    ],
  },
  {
    file: 'actions.yaml',
    from: 'effect: read',
    to: 'effect: read\ncompat: { stripe: { "GET /v1/orders/{id}": {} } }',
    findings: [
      [
        'actions.yaml:27:21',
        'nothing takes `{id}` of the path',
        'name it as a member of the input, or say `input: { MEMBER: id }`',
      ],
    ],
  },
  {
    file: 'actions.yaml',
    from: 'effect: read',
    to: 'effect: read\ncompat: { stripe: { "GET /v1/{order}/{order}": {} } }',
    findings: [['actions.yaml:27:21', '`{order}` stands twice in the path']],
  },
  {
    file: 'actions.yaml',
    from: 'effect: read',
    to: 'effect: read\ncompat: { stripe: { "GET /v1/orders/{order}": {}, "GET /v1/orders/{id}": { input: { order: id } } } }',
    findings: [['actions.yaml:27:51', 'this is GET /v1/orders/{order} again', 'keep one of the two']],
  },
  {
    file: 'actions.yaml',
    from: 'effect: read',
    to: 'effect: read\ncompat: { stripe: { "GET /v1/orders": { input: { oder: id } } } }',
    findings: [['actions.yaml:27:50', 'the input has no member `oder`', 'did you mean `order`?']],
  },
  {
    file: 'actions.yaml',
    from: 'effect: read',
    to: 'effect: read\ncompat: { stripe: { "GET /v1/orders": { input: { order: { always: x } } } } }',
    findings: [
      ['actions.yaml:27:67', '`order` cannot be this: wanted text, in the form of a uuid, at most 1000 characters'],
    ],
  },
  {
    file: 'actions.yaml',
    from: 'effect: read',
    to: 'effect: read\ncompat: { stripe: { "GET /v1/orders": { input: { order: { form: id } } } } }',
    findings: [['actions.yaml:27:59', 'unknown key `form`', 'did you mean `from`?']],
  },
  {
    file: 'actions.yaml',
    from: 'effect: read',
    to: 'effect: read\ncompat: { stripe: { "GET /v1/orders": { ignore: [order] } } }',
    findings: [['actions.yaml:27:50', '`order` is taken for `order`', 'take it out of `ignore`']],
  },
  {
    file: 'actions.yaml',
    from: 'effect: read',
    to: 'effect: read\ncompat: { stripe: { "GET /v1/orders": { answer: { id: "${ouput.id}" } } } }',
    findings: [['actions.yaml:27:58', 'there is no `ouput` here', 'did you mean `output`?']],
  },
  {
    file: 'actions.yaml',
    from: 'effect: write',
    to: 'effect: write\ncompat: { stripe: { "GET /v1/refunds": {} } }',
    findings: [
      ['actions.yaml:4:21', '`GET` only reads, and clients repeat it as they like', 'write POST, PUT or DELETE'],
    ],
  },
  {
    file: 'actions.yaml',
    from: 'effect: write',
    to: 'effect: write\ncompat: { stripe: { "POST /v1/refunds": { input: { note: metadata, charge: metadata.id } } } }',
    findings: [['actions.yaml:4:58', '`metadata` is taken for `charge` and for `note`', 'take it for one of the two']],
  },
  {
    file: 'actions.yaml',
    from: 'action: shop.get',
    to: 'action: pay.refund',
    findings: [
      ['actions.yaml:24:9', '`pay.refund` is defined already, in actions.yaml', 'keep one of the two'],
      [
        'prompts/agent.md:2:11',
        'the prompt authorizes `shop.get`, which its role does not grant',
        'grant it, or take it out of the prompt',
      ],
      ['role.yaml:12:3', 'there is no action `shop.get`', 'there is: pay.refund'],
      ['role.yaml:25:12', 'there is no action `shop.get`', 'there is: pay.refund'],
    ],
  },
  {
    file: 'actions.yaml',
    from: 'action: shop.get',
    to: 'action: limits',
    findings: [
      [
        'actions.yaml:24:9',
        'as a tool this is called `limits`, and so is a tool of the gateway',
        'choose another name',
      ],
      [
        'prompts/agent.md:2:11',
        'the prompt authorizes `shop.get`, which its role does not grant',
        'grant it, or take it out of the prompt',
      ],
      ['role.yaml:12:3', 'there is no action `shop.get`', 'there are: pay.refund, limits'],
      ['role.yaml:25:12', 'there is no action `shop.get`', 'there is: pay.refund'],
    ],
  },
  {
    file: 'actions.yaml',
    from: 'note?:',
    to: 'request_key?:',
    findings: [
      [
        'actions.yaml:7:3',
        "a tool's arguments have a `request_key` already: the key of the call",
        'choose another name',
      ],
    ],
  },
  {
    file: 'actions.yaml',
    from: 'action: shop.get',
    to: 'route: shop.get',
    findings: [
      ['actions.yaml:24:1', '`allow` is missing'],
      ['actions.yaml:27:1', 'unknown key `input`', KEYS_OF_A_ROUTE],
      [
        'actions.yaml:29:10',
        '`shop` has adapter `http`, which sends whole requests; a route passes them on as they come',
        'name a backend with adapter: proxy',
      ],
      ['actions.yaml:30:1', 'unknown key `request`', KEYS_OF_A_ROUTE],
      ['actions.yaml:31:1', 'unknown key `output`', KEYS_OF_A_ROUTE],
    ],
  },
  {
    file: 'role.yaml',
    from: '  shop.get:\n',
    to: '  shop.gte:\n',
    findings: [
      [
        'prompts/agent.md:2:11',
        'the prompt authorizes `shop.get`, which its role does not grant',
        'grant it, or take it out of the prompt',
      ],
      ['role.yaml:12:3', 'there is no action `shop.gte`', 'did you mean `shop.get`?'],
      ['role.yaml:25:12', '`shop.get` is not granted to this role', 'add `shop.get:` to the grants'],
    ],
  },
  {
    file: 'role.yaml',
    from: 'next: [shop.get]',
    to: 'next: [shop.gte]',
    findings: [['role.yaml:25:12', 'there is no action `shop.gte`', 'did you mean `shop.get`?']],
  },
  {
    file: 'role.yaml',
    from: 'owners: [leads]',
    to: 'owners: [laeds]',
    findings: [['role.yaml:4:10', 'there is no group `laeds`', 'did you mean `leads`?']],
  },
  {
    file: 'role.yaml',
    from: 'America/New_York',
    to: 'America/New York',
    findings: [['role.yaml:5:11', '"America/New York" is not a time zone', 'did you mean `America/New_York`?']],
  },
  {
    file: 'role.yaml',
    from: 'lifetime: 2h',
    to: 'lifetime: 9h',
    findings: [
      [
        'role.yaml:6:22',
        'this is longer than `sessions.lifetime_max`',
        'shorten it, or raise the bound in identity.yaml',
      ],
    ],
  },
  {
    file: 'role.yaml',
    from: '    where: claims.sub == "system:serviceaccount:agents:support"\n',
    to: '',
    findings: [
      ['role.yaml:8:5', 'an issuer needs a `where`', 'without one, everything that it signs for could hold this role'],
    ],
  },
  {
    file: 'role.yaml',
    from: 'claims.sub == "system:serviceaccount:agents:support"',
    to: 'claims.sub.startsWith("system:serviceaccount:agents")',
    findings: [
      [
        'role.yaml:9:34',
        'a prefix of a claim must end in a separator (one of :/.-@)',
        'compare the whole claim with ==, or write "system:serviceaccount:agents:" if that is where a part ends',
      ],
    ],
  },
  {
    file: 'role.yaml',
    from: 'claims.sub == "system:serviceaccount:agents:support"',
    to: 'claims.sub.matches("agents")',
    findings: [
      [
        'role.yaml:9:31',
        'a pattern for a claim must hold both ends, without alternatives',
        'begin it with ^ and end it with $; write alternatives as `claims.sub in [...]`',
      ],
    ],
  },
  {
    file: 'role.yaml',
    from: 'queue: claims.queue',
    to: 'id: claims.queue',
    findings: [['role.yaml:10:14', 'a session has its own `id`', 'choose another name']],
  },
  {
    file: 'role.yaml',
    from: 'issuer: cluster',
    to: 'issuer: clutser',
    findings: [['role.yaml:8:13', 'there is no issuer `clutser`', 'did you mean `cluster`?']],
  },
  {
    file: 'role.yaml',
    from: '    max: 200.00 USD\n',
    to: '',
    findings: [
      ['role.yaml:13:3', 'pay.refund has a cost, so its grant needs `max`', 'write the most at once: max: 50.00 USD'],
    ],
  },
  {
    file: 'role.yaml',
    from: 'max: 200.00 USD\n',
    to: 'max: 200.00 USD or 180.00 EUR\n',
    findings: [
      ['role.yaml:16:31', '`max` allows EUR, and this line does not say how much of it', 'add `or … EUR` to it'],
      ['role.yaml:17:9', '`max` allows EUR, and this line does not say how much of it', 'add `or … EUR` to it'],
      ['role.yaml:18:9', '`max` allows EUR, and this line does not say how much of it', 'add `or … EUR` to it'],
      ['role.yaml:23:18', '`max` allows EUR, and this line does not say how much of it', 'add `or … EUR` to it'],
      ['role.yaml:23:36', '`max` allows EUR, and this line does not say how much of it', 'add `or … EUR` to it'],
      ['role.yaml:24:18', '`max` allows EUR, and this line does not say how much of it', 'add `or … EUR` to it'],
    ],
  },
  {
    file: 'role.yaml',
    from: 'max: 200.00 USD\n',
    to: 'max: 200 USD\n',
    findings: [
      ['role.yaml:14:10', '"200 USD" does not have exactly the digits of USD', 'write 200.00 USD: USD has two digits'],
    ],
  },
  {
    file: 'role.yaml',
    from: 'max: 200.00 USD\n',
    to: 'max: 5 rows\n',
    findings: [['role.yaml:14:10', 'pay.refund costs money, not rows', 'write an amount of money']],
  },
  {
    file: 'role.yaml',
    from: '  shop.get:\n',
    to: '  shop.get: { max: 5.00 USD }\n',
    findings: [
      [
        'role.yaml:12:20',
        'shop.get has no `cost:`, so nothing can be compared with `max`',
        'give the action a cost, or take the line out',
      ],
    ],
  },
  {
    file: 'role.yaml',
    from: '      - goodwill',
    to: '      - godwill',
    findings: [['role.yaml:18:9', 'there is no shared budget `godwill`', 'did you mean `goodwill`?']],
  },
  {
    file: 'role.yaml',
    from: '      - goodwill',
    to: '      - goodwill of facts.charge.customer',
    findings: [
      ['role.yaml:18:18', '`goodwill` is one counter for all', 'write goodwill alone, or give the budget a `by:`'],
    ],
  },
  {
    file: 'role.yaml',
    from: '      - customer-month of facts.charge.customer',
    to: '      - customer-month',
    findings: [
      [
        'role.yaml:17:9',
        '`customer-month` counts by customer, and this does not say whose',
        'write customer-month of facts.x.y',
      ],
    ],
  },
  {
    file: 'role.yaml',
    from: '      - customer-month of facts.charge.customer',
    to: '      - customer-month of facts.charge.custmer',
    findings: [['role.yaml:17:40', '`facts.charge` has no member `custmer`', 'did you mean `customer`?']],
  },
  {
    file: 'role.yaml',
    from: 'rate: 20 per hour',
    to: 'rate: 20 per fortnight',
    findings: [['role.yaml:19:11', '"20 per fortnight" is not a rate', 'write 20 per hour (or per minute, per day)']],
  },
  {
    file: 'role.yaml',
    from: '"!facts.charge.disputed"',
    to: '"!facts.charge.dispute"',
    findings: [['role.yaml:21:32', '`facts.charge` has no member `dispute`', 'did you mean `disputed`?']],
  },
  {
    file: 'role.yaml',
    from: '"!facts.charge.disputed"',
    to: 'facts.charge.customer',
    findings: [['role.yaml:21:17', 'this yields text, and true or false is wanted here']],
  },
  {
    file: 'role.yaml',
    from: '"!facts.charge.disputed"',
    to: 'now.weekday == "sumday"',
    findings: [
      [
        'role.yaml:21:32',
        '"sumday" is not one of monday, tuesday, wednesday, thursday, friday, saturday, sunday',
        'did you mean "sunday"?',
      ],
    ],
  },
  {
    file: 'role.yaml',
    from: '"!facts.charge.disputed"',
    to: 'session.queu == "a"',
    findings: [['role.yaml:21:25', '`session` has no member `queu`', 'did you mean `queue`?']],
  },
  {
    file: 'role.yaml',
    from: 'by: 1 of finance, expires',
    to: 'by: 1 of finanse, expires',
    findings: [['role.yaml:23:57', 'there is no group `finanse`', 'did you mean `finance`?']],
  },
  {
    file: 'role.yaml',
    from: '24h by facts.charge.customer',
    to: '24h by facts.charge.costumer',
    findings: [['role.yaml:24:61', '`facts.charge` has no member `costumer`', 'did you mean `customer`?']],
  },
  {
    file: 'role.yaml',
    from: 'up_to: 150.00 USD',
    to: 'up_to: 40.00 USD',
    findings: [
      ['role.yaml:23:36', 'nothing is above 50.00 USD and up to 40.00 USD', 'write more in `up_to` than in `above`'],
    ],
  },
  {
    file: 'role.yaml',
    from: 'expires: 4h',
    to: 'expires: soon',
    findings: [['role.yaml:23:75', '"soon" is no duration', 'write a number and ms, s, m, h or d: 30s, 4h, 7d']],
  },
  {
    file: 'role.yaml',
    from: 'describe: Answers tickets.',
    to: 'describe: Answers tickets.\nextends: agnt',
    findings: [['role.yaml:3:10', 'there is no role `agnt`']],
  },
  {
    file: 'role.yaml',
    from: 'describe: Answers tickets.',
    to: 'describe: Answers tickets.\nextends: agent',
    findings: [['role.yaml:3:10', '`agent` extends itself, by way of agent']],
  },
  {
    file: 'role.yaml',
    from: 'prompt: prompts/agent.md',
    to: 'prompt: prompts/agnet.md',
    findings: [
      ['role.yaml:3:9', 'the file prompts/agnet.md cannot be read', 'paths are relative to the policy directory'],
    ],
  },
  {
    file: 'prompts/agent.md',
    from: 'pay.refund]',
    to: 'pay.refnd]',
    findings: [
      [
        'prompts/agent.md:2:21',
        'the prompt authorizes `pay.refnd`, which its role does not grant',
        'did you mean `pay.refund`?',
      ],
      [
        'role.yaml:13:3',
        '`pay.refund` is granted, but prompts/agent.md does not authorize it',
        'add it to `actions:` of the prompt, or take the grant out',
      ],
    ],
  },
  {
    file: 'prompts/agent.md',
    from: 'actions:',
    to: 'action:',
    findings: [['prompts/agent.md:2:1', '`actions` is missing', 'did you mean `actions`?']],
  },
  {
    file: 'prompts/agent.md',
    from: '---\nactions',
    to: 'actions',
    findings: [
      [
        'role.yaml:3:9',
        'prompts/agent.md has no front matter',
        'begin the file with a line `---`, then `actions: [ … ]`, then a line `---`',
      ],
    ],
  },
  {
    file: 'backends.yaml',
    from: 'adapter: http\n',
    to: 'adaptor: http\n',
    findings: [['backends.yaml:3:5', '`adapter` is missing', 'did you mean `adapter`?']],
  },
  {
    file: 'backends.yaml',
    from: 'idempotency: { header: Idempotency-Key, lives: 24h }',
    to: 'idempotency: { lives: 24h }',
    findings: [['backends.yaml:6:18', '`header` is missing in `idempotency`']],
  },
  {
    file: 'backends.yaml',
    from: 'idempotency: { header: Idempotency-Key, lives: 24h }',
    to: 'breaker: { open_after: 0.5 }',
    findings: [['backends.yaml:6:28', '`open_after` must be text, not a number', 'quote it']],
  },
  {
    file: 'backends.yaml',
    from: 'idempotency: { header: Idempotency-Key, lives: 24h }',
    to: 'final: [200]',
    findings: [['backends.yaml:6:13', '`final` (an item of it) must be at least 400']],
  },
  {
    file: 'backends.yaml',
    from: 'env://SHOP_KEY',
    to: 'env://SHOP KEY',
    findings: [['backends.yaml:7:105', 'this is not a secret ref of the form env://VARIABLE']],
  },
  {
    file: 'identity.yaml',
    from: 'jwks: ./keys/staff.json, ',
    to: 'jwks: ./keys/staff.json, accounts: { dana: }, ',
    findings: [['identity.yaml:3:37', '`accounts` are of an issuer `dev: true` only']],
  },
  {
    file: 'identity.yaml',
    from: 'audience: keystay }\n',
    to: 'audience: keystay, client_secret: "age://idp/console" }\n',
    findings: [
      [
        'identity.yaml:2:73',
        '`client_secret` is of no use here: people sign in where `oidc`, `client_id` and `person` are said',
      ],
    ],
  },
  {
    file: 'identity.yaml',
    from: 'staff: { jwks',
    to: 'people: { oidc: "https://id.example", client_id: console, person: claims.sub, client_secret: hunter2 }\n  staff: { jwks',
    findings: [
      [
        'identity.yaml:3:96',
        'this is not a secret ref; a credential never stands in a policy',
        'write one of: age://NAME, env://VARIABLE, file:///PATH, vault://MOUNT/PATH#FIELD, aws://NAME#FIELD',
      ],
    ],
  },
  {
    file: 'identity.yaml',
    from: 'staff: { jwks',
    to: 'people: { oidc: "https://id.example", client_id: console, person: claims.sub, scope: profile }\n  staff: { jwks',
    findings: [['identity.yaml:3:88', '`scope` must be openid, and what else the issuer knows, with single blanks']],
  },
  {
    file: 'identity.yaml',
    from: 'staff: { jwks',
    to: 'cluster2: { oidc: "https://kubernetes.default.svc", audience: keystay }\n  staff: { jwks',
    findings: [['identity.yaml:3:3', '`cluster` has the same issuer and audience', 'keep one of the two']],
  },
  {
    file: 'identity.yaml',
    from: 'people: {',
    to: 'sesions: { lifetime_max: 1h }\npeople: {',
    findings: [['identity.yaml:7:1', 'unknown key `sesions`', 'the keys here are: issuers, groups, people, sessions']],
  },
  {
    file: 'keys/staff.json',
    from: '"keys":[',
    to: '"kes":[',
    findings: [['identity.yaml:3:18', './keys/staff.json: this is not a JWK set', 'it looks like { "keys": [ … ] }']],
  },
  {
    file: 'guardrails.yaml',
    from: '    else: Frozen.\n',
    to: '    else: Frozen.\n  - { name: incident, deny: switches.incident, else: Again. }\n',
    findings: [['guardrails.yaml:6:13', 'there is a guardrail `incident` already', 'choose another name']],
  },
  {
    file: 'guardrails.yaml',
    from: 'switches: { incident: false }',
    to: 'switches: { incident: false, all: false }',
    findings: [['guardrails.yaml:1:30', '`all` is a switch of the gateway itself', 'choose another name']],
  },
  {
    file: 'guardrails.yaml',
    from: 'action.effect != "read"',
    to: 'session.role == "agnt"',
    findings: [['guardrails.yaml:4:48', '"agnt" is not one of agent', 'did you mean "agent"?']],
  },
  {
    file: 'budgets.yaml',
    from: 'by: customer',
    to: 'by: role',
    findings: [
      [
        'budgets.yaml:3:60',
        'a shared budget is not counted by role',
        'write the limit at each grant, or take `by:` out',
      ],
    ],
  },
  {
    file: 'budgets.yaml',
    from: 'goodwill:',
    to: 'Goodwill:',
    findings: [
      ['budgets.yaml:2:3', '`Goodwill` is no good name', 'did you mean `goodwill`?'],
      ['role.yaml:18:9', 'there is no shared budget `goodwill`', 'did you mean `Goodwill`?'],
    ],
  },
  {
    file: 'actions.yaml',
    from: '    keep: { amount: integer',
    to: '    backend: shp\n    keep: { amount: integer',
    findings: [['actions.yaml:12:14', 'there is no backend `shp`', 'did you mean `shop`?']],
  },
  {
    file: 'actions.yaml',
    from: 'amount: integer, currency',
    to: 'amount: int, currency',
    findings: [['actions.yaml:12:21', '`amount` must be string, integer, number or boolean']],
  },
  {
    file: 'actions.yaml',
    from: '    keep: { amount: integer, currency: string, customer: string, disputed: boolean }\n',
    to: '',
    findings: [['actions.yaml:11:5', '`keep` is missing in `charge`']],
  },
  {
    file: 'actions.yaml',
    from: 'note?: { type: string, sensitive: true }',
    to: 'note?: { type: string, sensitive: true }\n  note: { type: string }',
    findings: [['actions.yaml:8:3', '`note` stands here twice, once with `?`', 'keep one of the two']],
  },
  {
    file: 'actions.yaml',
    from: 'note?: { type: string, sensitive: true }',
    to: 'note?: { type: string, format: uri }',
    findings: [['actions.yaml:7:34', '`format` must be one of: uuid, date, date-time, email', '`uri` is none of them']],
  },
  {
    file: 'actions.yaml',
    from: 'note?: { type: string, sensitive: true }',
    to: 'note?: { enum: [1, a] }',
    findings: [['actions.yaml:7:18', 'every value of `enum` must be an integer']],
  },
  {
    file: 'actions.yaml',
    from: 'note?: { type: string, sensitive: true }',
    to: 'note?: { type: string, pattern: "^(a{1000}){1000}$" }',
    findings: [
      [
        'actions.yaml:7:35',
        'the pattern cannot be used: error parsing regexp: invalid repeat count: `{1000}`',
        'patterns are RE2: no lookaround, no backreferences, no huge repeats',
      ],
    ],
  },
  {
    file: 'actions.yaml',
    from: 'note?: { type: string, sensitive: true }',
    to: 'note?: { type: object }',
    findings: [['actions.yaml:7:10', 'an object says what it holds', 'write `properties:` with its members']],
  },
  {
    file: 'actions.yaml',
    from: 'note?: { type: string, sensitive: true }',
    to: 'note?: { type: string, pattern: "^[^a]+$" }',
    findings: [['actions.yaml:7:10', 'no example can be made that fits', 'add `example:` with a value that fits']],
  },
  {
    file: 'actions.yaml',
    from: '${cost} on ${input.charge}',
    to: '${cost} ${has(input.note) ? input.note : ""}',
    findings: [
      [
        'actions.yaml:14:10',
        'nested mappings are not allowed in compact mappings',
        'quote the value: a colon and a space begin a map',
      ],
    ],
  },
  {
    file: 'actions.yaml',
    from: 'page: { after: last.id, while: output.has_more }',
    to: 'page: { after: last.id }',
    findings: [['actions.yaml:20:9', '`while` is missing in `page`']],
  },
  {
    file: 'actions.yaml',
    from: 'page: { after: last.id, while: output.has_more }',
    to: 'page: { after: last.id, while: output.has_more, items: "a b" }',
    findings: [['actions.yaml:20:58', '`items` must be a path like data or result.items']],
  },
  {
    file: 'actions.yaml',
    from: 'GET: /v1/refunds?charge=${input.charge}\n',
    to: 'GET: /v1/refunds?charge=${input.charge}\n  json: { a: 1 }\n',
    findings: [
      ['actions.yaml:20:3', '`json` could change something; what the gateway asks by itself only reads', 'write GET'],
    ],
  },
  {
    file: 'actions.yaml',
    from: 'POST: /v1/refunds\n',
    to: 'POST: v1/refunds\n',
    findings: [
      [
        'actions.yaml:16:9',
        '`POST` does not have its form',
        'Path below the backend’s url, with a query if there is one.',
      ],
    ],
  },
  {
    file: 'actions.yaml',
    from: 'POST: /v1/refunds\n',
    to: 'POST: /v1/../admin\n',
    findings: [['actions.yaml:16:9', 'a segment of the path is `.` or `..`']],
  },
  {
    file: 'actions.yaml',
    from: '  form: {',
    to: '  body: {',
    findings: [
      [
        'actions.yaml:17:3',
        'unknown key `body`',
        'the keys here are: GET, POST, PUT, PATCH, DELETE, query, form, json, headers',
      ],
    ],
  },
  {
    file: 'actions.yaml',
    from: 'output: { keep: [id, amount] }',
    to: 'output: { keep: [id, amount] }\nundo: pay.redo',
    findings: [['actions.yaml:23:7', 'there is no action `pay.redo`', 'there are: pay.refund, shop.get']],
  },
  {
    file: 'actions.yaml',
    from: 'output: { keep: [id, amount] }',
    to: 'output: { keep: [id, amount] }\nreplay: 0d',
    findings: [['actions.yaml:23:9', '"0d" is no duration', 'write a number and ms, s, m, h or d: 30s, 4h, 7d']],
  },
  {
    file: 'actions.yaml',
    from: 'output: { keep: [id, amount] }',
    to: 'output: { keep: [id, amount] }\neffects: { GET: /v1/refunds }',
    findings: [['actions.yaml:23:1', '`effects` is not in this version', 'it comes with reconcile']],
  },
  {
    file: 'actions.yaml',
    from: 'cost: { minor: input.amount, currency: facts.charge.currency }',
    to: 'cost: { count: input.amount, of: usd }',
    findings: [
      [
        'actions.yaml:13:34',
        '`usd` is a currency; money is not counted',
        'write `minor:` or `decimal:` with `currency:`',
      ],
    ],
  },
  {
    file: 'actions.yaml',
    from: 'cost: { minor: input.amount, currency: facts.charge.currency }',
    to: 'cost: { minor: input.amount }',
    findings: [['actions.yaml:13:7', '`currency` is missing in `cost`']],
  },
  {
    file: 'role.yaml',
    from: 'role: agent',
    to: 'role: Agent',
    findings: [['role.yaml:1:7', '`role` must be a name in small letters, digits, - and _']],
  },
  {
    file: 'role.yaml',
    from: 'role: agent',
    to: 'tests: agent\nrole: agent',
    findings: [
      [
        'role.yaml:1:1',
        'unknown key `tests`',
        'the keys here are: role, describe, extends, prompt, owners, owners_approve, timezone, session, issue_to, grants',
      ],
    ],
  },
  {
    file: 'role.yaml',
    from: 'role: agent',
    to: 'tests: agent\n---\nrole: agent',
    findings: [['role.yaml:1:1', 'tests stand in a file that ends in .test.yaml', 'move the document there']],
  },
  {
    file: 'role.yaml',
    from: 'max: 200.00 USD\n',
    to: 'max: { limit: 200.00 USD, mode: report }\n',
    findings: [
      ['role.yaml:13:3', 'pay.refund has a cost, so its grant needs `max`', 'write the most at once: max: 50.00 USD'],
    ],
  },
  {
    file: 'role.yaml',
    from: 'max: 200.00 USD\n',
    to: 'max: [200.00 USD, 180.00 EUR]\n',
    findings: [['role.yaml:14:10', 'no unit is named by every `max` that holds, so nothing is allowed']],
  },
  {
    file: 'role.yaml',
    from: '    rate: 20 per hour',
    to: '    rate: 20 per hour\n    holds_max: 0',
    findings: [['role.yaml:20:16', '`holds_max` must be at least 1']],
  },
  {
    file: 'role.yaml',
    from: '    rate: 20 per hour',
    to: '    rate: 20 per hour\n    dry_run: yes',
    findings: [['role.yaml:20:14', '`dry_run` must be true or false, not text', 'write true or false']],
  },
  {
    file: 'role.yaml',
    from: '    rate: 20 per hour',
    to: '    rate: 20 per hour\n    serialize: facts.charge.idd',
    findings: [
      ['role.yaml:20:29', '`facts.charge` has no member `idd`', 'it has: amount, currency, customer, disputed'],
    ],
  },
  {
    file: 'role.yaml',
    from: '    rate: 20 per hour',
    to: '    rate: { limit: 20 per hour, by: requestor }',
    findings: [['role.yaml:19:37', 'a limit does not count by `requestor`', 'did you mean `requester`?']],
  },
  {
    file: 'role.yaml',
    from: '    rate: 20 per hour',
    to: '    rate: 20 per hour\n    delegate: x',
    findings: [['role.yaml:20:5', '`delegate` is not in this version', 'it comes with child sessions']],
  },
  {
    file: 'role.yaml',
    from: '500.00 USD per day }',
    to: '500.00 USD per dya }',
    findings: [['role.yaml:16:31', '"dya" is not a window', 'write day, week, month, or rolling 24h']],
  },
  {
    file: 'role.yaml',
    from: 'by: 1 of finance, expires',
    to: 'by: 11 of finance, expires',
    findings: [['role.yaml:23:52', '`by` must be like `1 of finance`']],
  },
  {
    file: 'role.yaml',
    from: '  - issuer: cluster\n',
    to: '  - issuer: cluster\n    group: finance\n',
    findings: [
      ['role.yaml:8:5', '`issue_to` (an item of it) has more than one of: issuer, group', 'write one of them'],
    ],
  },
  {
    file: 'role.yaml',
    from: 'claims.sub == "system:serviceaccount:agents:support"',
    to: 'claims.email.endsWith("example.com")',
    findings: [
      [
        'role.yaml:9:34',
        'a suffix of a claim must begin with a separator (one of :/.-@)',
        'compare the whole claim with ==, or write "@example.com" if that is where a part begins',
      ],
    ],
  },
  {
    file: 'role.yaml',
    from: 'claims.sub == "system:serviceaccount:agents:support"',
    to: 'claims.sub.startsWith(claims.prefix)',
    findings: [['role.yaml:9:40', 'what `startsWith` compares a claim with must be a text in quotes']],
  },
  {
    file: 'role.yaml',
    from: 'claims.sub == "system:serviceaccount:agents:support"',
    to: '[claims.sub',
    findings: [
      [
        'role.yaml:10:5',
        'flow sequence in block collection must be sufficiently indented and end with a ]',
        'the lines of one map or list begin in the same column',
      ],
    ],
  },
  {
    file: 'role.yaml',
    from: 'prompt: prompts/agent.md',
    to: 'prompt: { file: /etc/passwd, required: true }',
    findings: [
      [
        'role.yaml:3:17',
        '"/etc/passwd" is not a path below the policy directory',
        'write it relative to that directory, without ..',
      ],
    ],
  },
  {
    file: 'prompts/agent.md',
    from: 'shop.get, pay.refund',
    to: 'pay.refund',
    findings: [
      [
        'role.yaml:12:3',
        '`shop.get` is granted, but prompts/agent.md does not authorize it',
        'add it to `actions:` of the prompt, or take the grant out',
      ],
    ],
  },
  {
    file: 'prompts/agent.md',
    from: 'actions: [',
    to: 'actions: &a [',
    findings: [
      [
        'prompts/agent.md:2:10',
        'anchors are not part of the language',
        'write the value where it is needed, or quote it: `&` begins an anchor',
      ],
    ],
  },
  {
    file: 'actions.yaml',
    from: 'page: { after: last.id, while: output.has_more }',
    to: 'page: { while: output.has_more }',
    findings: [
      [
        'actions.yaml:20:3',
        '`page` does not say what the next request adds',
        'write a query member, like `starting_after: last.id`',
      ],
    ],
  },
  {
    file: 'actions.yaml',
    from: '{ keep: [id, amount] }',
    to: '{ keep: [id, amount], stroe: x }',
    findings: [['actions.yaml:22:31', 'unknown key `stroe`', 'the keys here are: keep']],
  },
  {
    file: 'actions.yaml',
    from: '  amount: {',
    to: '  __proto__: {',
    findings: [['actions.yaml:6:3', '`__proto__` cannot be a key', 'choose another name']],
  },
  {
    file: 'actions.yaml',
    from: 'note?: { type: string, sensitive: true }',
    to: 'note: { type: string, sensitive: true, maxLength: 50 }\n  more: { type: strng }',
    findings: [
      [
        'actions.yaml:8:17',
        '`type` must be one of: string, integer, number, boolean, array, object',
        'did you mean `string`?',
      ],
    ],
  },
  {
    file: 'role.yaml',
    from: 'by: 1 of finance, expires: 4h',
    to: 'by: 1 of finance, expires: 4h, when: input.amuont > 5',
    findings: [['role.yaml:23:91', '`input` has no member `amuont`', 'did you mean `amount`?']],
  },
  {
    file: 'role.yaml',
    from: '    next: [shop.get]',
    to: '    next: [pay.refund]',
    findings: [['role.yaml:25:12', 'an action is no way out of itself']],
  },
  {
    file: 'role.yaml',
    from: 'issue_to:\n',
    to: 'issue_to:\n  - { group: lead }\n',
    findings: [['role.yaml:8:14', 'there is no group `lead`', 'did you mean `leads`?']],
  },
  {
    file: 'actions.yaml',
    from: `facts:
  charge:
    GET: /v1/charges/\${input.charge}
    keep: { amount: integer, currency: string, customer: string, disputed: boolean }
`,
    to: 'facts: {}\n',
    findings: [
      ['actions.yaml:10:46', '`facts` has no member `charge`'],
      ['role.yaml:17:33', '`facts` has no member `charge`'],
      ['role.yaml:21:25', '`facts` has no member `charge`'],
      ['role.yaml:24:54', '`facts` has no member `charge`'],
    ],
  },
  {
    file: 'role.yaml',
    from: '      - goodwill',
    to: '      - { name: daily, limit: goodwill }',
    findings: [['role.yaml:18:17', 'another line of this grant is cited `daily` already', 'choose another name']],
  },
  {
    file: 'role.yaml',
    from: '      - goodwill',
    to: '      - goodwill\n      - goodwill',
    findings: [['role.yaml:19:9', 'another line of this grant is cited `goodwill` already', 'give it a `name:`']],
  },
  {
    file: 'role.yaml',
    from: 'limit: 500.00 USD per day }',
    to: 'limit: 500.00 USD per day by session, by: requester }',
    findings: [['role.yaml:16:62', '`limit` says already what it counts by', 'take one of the two out']],
  },
  {
    file: 'role.yaml',
    from: '    rate: 20 per hour',
    to: '    rate: { limit: 20 per hour by session, by: requester }',
    findings: [['role.yaml:19:44', '`limit` says already what it counts by', 'take one of the two out']],
  },
  {
    file: 'role.yaml',
    from: 'max: 200.00 USD\n',
    to: 'max: 200,00 USD\n',
    findings: [['role.yaml:14:10', '"200,00" is not an amount', 'write 200.00 USD: with a point']],
  },
  {
    file: 'role.yaml',
    from: 'describe: Answers tickets.\n',
    to: '',
    findings: [['role.yaml:1:1', '`describe` is missing']],
  },
  {
    file: 'role.yaml',
    from: 'describe: Answers',
    to: 'descrbe: Answers',
    findings: [['role.yaml:2:1', 'unknown key `descrbe`', 'did you mean `describe`?']],
  },
  {
    file: 'role.yaml',
    from: 'describe: Answers tickets.',
    to: 'describe: Answers\u202e tickets.',
    findings: [
      [
        'role.yaml:2:18',
        'an invisible character (U+202E) stands here',
        'take it out, or write it as an escape in double quotes',
      ],
    ],
  },
  {
    file: 'role.yaml',
    from: 'describe: Answers tickets.',
    to: 'describe: Answers\0 tickets.',
    findings: [
      [
        'role.yaml:2:18',
        'an invisible character (U+0000) stands here',
        'take it out, or write it as an escape in double quotes',
      ],
    ],
  },
  {
    file: 'role.yaml',
    from: 'describe: Answers tickets.',
    to: 'describe: Answers \ufffd tickets.',
    findings: [['role.yaml:2:19', 'this is not text in UTF-8', 'save the file as UTF-8']],
  },
  ...[
    ['017', 'write a number in digits, without zeros before it'],
    ['0o17', 'write 15'],
    ['0x10', 'write 16'],
    ['1e3', 'write 1000'],
    ['+7', 'write 7'],
  ].map(([written, hint = '']): Bad => ({
    file: 'role.yaml',
    from: '    rate: 20 per hour',
    to: `    rate: 20 per hour\n    attempts: ${written}`,
    findings: [['role.yaml:20:15', 'this number is not written in plain digits', hint]],
  })),
  {
    file: 'role.yaml',
    from: '    rate: 20 per hour',
    to: '    rate: 20 per hour\n    attempts: "20"',
    findings: [['role.yaml:20:15', '`attempts` must be a whole number, not text', 'write 20 without quotes']],
  },
  {
    file: 'actions.yaml',
    from: 'cost: { minor: input.amount, currency: facts.charge.currency }',
    to: 'cost: 5.00 USD',
    findings: [['actions.yaml:13:7', '`cost` must be a map, not text']],
  },
  {
    file: 'actions.yaml',
    from: 'cost: { minor: input.amount, currency: facts.charge.currency }',
    to: 'cost: { minor: input.amount, currency: usd }',
    findings: [['actions.yaml:13:40', 'there is no `usd` here', 'a currency is written in capitals: USD']],
  },
  {
    file: 'actions.yaml',
    from: '    keep: { amount',
    to: '    headers: { Authorization: "${input.charge}" }\n    keep: { amount',
    findings: [['actions.yaml:12:16', '`Authorization` is no good name', 'it cannot be used here']],
  },
]

/** Loads, with a warning. */
export const WARNED: readonly Bad[] = [
  {
    file: 'actions.yaml',
    from: 'pattern: "^ch_[a-z]{4}$"',
    to: 'pattern: "[a-z]{4}"',
    findings: [
      [
        'actions.yaml:5:36',
        'the pattern is not anchored: any text with such a part fits',
        'begin it with ^ and end it with $',
      ],
    ],
  },
  {
    file: 'role.yaml',
    from: '      - goodwill\n',
    to: '',
    findings: [
      ['budgets.yaml:2:3', 'no grant draws from `goodwill`', 'write `budget: goodwill` at a grant, or take it out'],
    ],
  },
  {
    file: 'role.yaml',
    from: '      - { above: 100.00 USD per rolling 24h by facts.charge.customer, by: 1 of finance }\n',
    to: '',
    findings: [
      [
        'role.yaml:22:5',
        'people are asked by the money of one call only: many small calls ask nobody',
        'add a line like: above: 100.00 USD per rolling 24h',
      ],
    ],
  },
]
