import assert from 'node:assert/strict'
import { adapters } from '../../adapters/index.ts'
import { compile } from '../../gateway/core/compile.ts'
import type { Finding } from '../../gateway/core/types.ts'

const SCHEMAS = Object.fromEntries([...adapters].map(([name, { backend, request }]) => [name, { backend, request }]))

const BACKENDS = `backends:
  warehouse:
    adapter: postgres
    url: postgres://warehouse.example/reports
    auth: { user: broker, password: "age://warehouse" }
  orders:
    adapter: postgres
    url: postgres://orders.example/orders
    auth: { lease: "vault://database/creds/orders" }
  shop: { adapter: http, url: "https://shop.example", auth: { bearer: "age://shop" } }
`
const IDENTITY =
  'issuers: { ci: { jwks_uri: "https://ci.example/keys", issuer: "https://ci.example", audience: keystay } }\n'
const ROLE = `role: analyst
describe: Reads.
issue_to: [{ issuer: ci, where: 'claims.sub == "analyst"' }]
grants: { warehouse.login: }
`
const ACTION = `action: warehouse.login
describe: A login.
effect: lease
backend: warehouse
lease: { roles: [reader], lifetime: 30m, connections: 3 }
`

const compiled = (action: string, backends = BACKENDS) =>
  compile(
    [
      { path: 'action.yaml', text: action },
      { path: 'backends.yaml', text: backends },
      { path: 'identity.yaml', text: IDENTITY },
      { path: 'role.yaml', text: ROLE },
    ],
    SCHEMAS,
  )
const said = ({ file, line, message, hint, severity }: Finding): string =>
  `${severity === 'warning' ? 'warning: ' : ''}${file}:${line} ${message}${hint === undefined ? '' : ` | ${hint}`}`
const findings = (from: string, to: string): string[] => {
  const text = ACTION.replace(from, to)
  assert.notEqual(text, ACTION, from)
  const result = compiled(text)
  return (result.ok ? result.warnings : result.findings).filter(({ file }) => file === 'action.yaml').map(said)
}
const LEAVE_OUT = 'leave it out: the gateway makes the login by `lease:`, answers it once and revokes it'
const NARROW = 'make a role that is granted what the agent needs, and no more'

describe('a lease in a policy', () => {
  it('is compiled with the words of the policy as its request, and nothing of the agent’s', () => {
    const result = compiled(ACTION)
    assert.ok(result.ok, JSON.stringify(result))
    const action = result.policy.actions.get('warehouse.login')
    assert.deepEqual(action?.lease, { from: null, roles: ['reader'], lifetime_ms: 1_800_000, connections: 3 })
    assert.deepEqual(action?.request.render({}), {
      ok: true,
      value: { lease: { roles: ['reader'], connections: 3, lifetime_s: 1800 } },
    })
    const byVault = compiled(
      ACTION.replace('roles: [reader]', 'from: "vault://database/creds/reader"').replace(', connections: 3', ''),
    )
    assert.ok(byVault.ok)
    assert.deepEqual(byVault.policy.actions.get('warehouse.login')?.request.render({}), {
      ok: true,
      value: { lease: { from: 'vault://database/creds/reader', lifetime_s: 1800 } },
    })
    // what a vault makes for us is fetched, what it makes for agents never
    assert.deepEqual(
      [...result.policy.backends.values()].map(({ secrets }) => secrets),
      [
        ['age://warehouse'],
        ['vault://database/creds/orders#username', 'vault://database/creds/orders#password'],
        ['age://shop'],
      ],
    )
  })

  const mistakes: readonly (readonly [from: string, to: string, expected: readonly string[]])[] = [
    [
      'lease: {',
      'leese: {',
      [
        'action.yaml:3 `lease` is missing | write `lease: { roles: [reader], lifetime: 30m }`',
        'action.yaml:5 unknown key `leese` | did you mean `lease`?',
      ],
    ],
    [
      'effect: lease',
      'effect: write',
      [
        'action.yaml:1 `output` is missing',
        'action.yaml:1 `request` is missing',
        'action.yaml:5 `lease` needs `effect: lease` | write `effect: lease`, or leave it out',
      ],
    ],
    [
      'lease: {',
      'request: { read: "select 1" }\noutput: { keep: ["*.a"] }\nreplay: 1d\nlease: {',
      [
        `action.yaml:5 a lease has no \`request\` | ${LEAVE_OUT}`,
        `action.yaml:6 a lease has no \`output\` | ${LEAVE_OUT}`,
        `action.yaml:7 a lease has no \`replay\` | ${LEAVE_OUT}`,
      ],
    ],
    [
      'backend: warehouse',
      'backend: shop',
      ['action.yaml:4 `shop` has adapter `http`, which gives out no logins | name a backend of adapter postgres'],
    ],
    [
      'backend: warehouse',
      'backend: orders',
      [
        "action.yaml:4 the gateway's own login at `orders` is another one tomorrow, and who made a login must drop it | give that backend a login that stays (`auth: { user, password }`), or write `from:` here",
      ],
    ],
    ['roles: [reader], ', '', ['action.yaml:5 `lease` has none of: roles, from | write one of them']],
    [
      'roles: [reader], ',
      'roles: [reader], from: "vault://database/creds/x", ',
      [
        'action.yaml:5 Vault makes this login, with the connections it gives it | leave it out, and say CONNECTION LIMIT in the creation statements of the role in Vault',
        'action.yaml:5 `lease` has more than one of: roles, from | write one of them',
      ],
    ],
    [
      'roles: [reader], lifetime: 30m, connections: 3',
      'from: "vault://database/creds/x#password", lifetime: 30m',
      ['action.yaml:5 `from` must be a ref like vault://database/creds/ROLE, without #'],
    ],
    ['roles: [reader]', 'roles: []', ['action.yaml:5 `roles` is empty']],
    [
      'roles: [reader]',
      'roles: ["reader; drop role x"]',
      ['action.yaml:5 `roles` (an item of it) must be the name of a role: letters, digits, _, $ and -'],
    ],
    [
      'roles: [reader]',
      'roles: [public]',
      ['action.yaml:5 `roles` (an item of it) must be the name of a role: letters, digits, _, $ and -'],
    ],
    [
      'roles: [reader]',
      'roles: [pg_execute_server_program]',
      [
        `action.yaml:5 \`pg_execute_server_program\` reaches out of the database: files, programs or other logins | ${NARROW}`,
      ],
    ],
    [
      'roles: [reader]',
      'roles: [pg_read_all_data]',
      [
        `warning: action.yaml:5 \`pg_read_all_data\` is one of PostgreSQL's own roles, and reaches over every table | ${NARROW}`,
      ],
    ],
    ['lifetime: 30m, ', '', ['action.yaml:5 `lifetime` is missing in `lease`']],
    ['lifetime: 30m', 'lifetime: 30', ['action.yaml:5 `lifetime` must be text, not a number | quote it']],
    [
      'lifetime: 30m',
      'lifetime: 2d',
      ['action.yaml:5 a lease lives from 1s to 24h | a session that needs it longer asks again'],
    ],
    [
      'lifetime: 30m',
      'lifetime: 999ms',
      ['action.yaml:5 a lease lives from 1s to 24h | a session that needs it longer asks again'],
    ],
    ['lifetime: 30m', 'lifetime: 1s', []],
    ['lifetime: 30m', 'lifetime: 24h', []],
    [
      'lifetime: 30m',
      'lifetime: 86401s',
      ['action.yaml:5 a lease lives from 1s to 24h | a session that needs it longer asks again'],
    ],
    ['roles: [reader]', 'roles: [pgreader, my_pg_role]', []],
    ...(
      [
        'pg_read_server_files',
        'pg_write_server_files',
        'pg_signal_backend',
        'pg_signal_autovacuum_worker',
        'pg_create_subscription',
        'pg_checkpoint',
        'pg_maintain',
      ] as const
    ).map(
      (role) =>
        [
          'roles: [reader]',
          `roles: [reader, ${role}]`,
          [`action.yaml:5 \`${role}\` reaches out of the database: files, programs or other logins | ${NARROW}`],
        ] as const,
    ),
    ['connections: 3', 'connections: 0', ['action.yaml:5 `connections` must be at least 1']],
    ['connections: 3', 'conections: 3', ['action.yaml:5 unknown key `conections` | did you mean `connections`?']],
  ]
  for (const [from, to, expected] of mistakes) {
    it(`is judged strictly: ${JSON.stringify(to === '' ? `no ${from}` : to)}`, () => {
      assert.deepEqual(findings(from, to).toSorted(), expected.toSorted())
    })
  }

  it('is not made by a login whose name is another one tomorrow', () => {
    const ours = (user: string) => {
      const result = compiled(ACTION, BACKENDS.replace('user: broker', `user: "${user}"`))
      return result.ok ? [] : result.findings.map(({ message }) => message)
    }
    assert.deepEqual(ours('vault://kv/db#user'), [
      "the gateway's own login at `warehouse` is another one tomorrow, and who made a login must drop it",
    ])
    assert.deepEqual(ours('broker2'), [])
  })

  it('of our own login is the whole of it: no user or password beside it', () => {
    const both = BACKENDS.replace('{ lease:', '{ user: broker, lease:')
    const result = compiled(ACTION, both)
    assert.deepEqual(result.ok ? [] : result.findings.map(said), [
      'backends.yaml:9 `lease` is the whole login: no `user` beside it | keep one of the two',
    ])
  })
})
