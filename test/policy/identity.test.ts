import assert from 'node:assert/strict'
import { compile } from '../../gateway/core/compile.ts'
import type { Expression, Policy } from '../../gateway/core/types.ts'
import { changed, schemas } from './company.ts'
import type { Change } from './company.ts'

function compiledWith(changes: readonly Change[], keys = '') {
  const { texts, files } = changed(...changes)
  const compiled = compile(texts, schemas, { files: new Map([...files, ['keys/x.json', keys]]) })
  return compiled.ok
    ? { policy: compiled.policy }
    : { findings: compiled.findings.map(({ line, column, message, hint }) => [`${line}:${column}`, message, hint]) }
}

/** What one more issuer of the company becomes, expressions by their text; or what is wrong. */
function issuerOf(line: string, keys?: string) {
  const { policy, findings } = compiledWith(
    [{ file: 'identity.yaml', from: 'groups:\n', to: `  x: { ${line} }\ngroups:\n` }],
    keys,
  )
  if (findings !== undefined) return findings
  return JSON.parse(JSON.stringify(policy.issuers.get('x'), (_key, value: unknown) => textOf(value))) as object
}
const textOf = (value: unknown): unknown =>
  typeof value === 'object' && value !== null && 'reads' in value ? (value as Expression).text : value

describe('an issuer of a policy', () => {
  const PLAIN = {
    name: 'x',
    client_id: null,
    client_secret: null,
    scope: null,
    once: null,
    person: null,
    display: null,
    groups: null,
    accounts: {},
  }
  const EXAMPLE = { ...PLAIN, issuer: 'https://id.example', audience: 'a' }
  const DEV = { ...PLAIN, issuer: 'keystay:dev:x', audience: 'keystay', keys: { kind: 'dev' } }
  const local = (issuer: string) => ({ ...EXAMPLE, issuer, keys: { kind: 'oidc', issuer } })
  const TAKEN: readonly (readonly [line: string, issuer: object])[] = [
    [
      'oidc: "https://id.example", client_id: c, person: claims.sub, name: claims.name, groups: claims.g, client_secret: "age://idp/c", scope: openid, once: true',
      {
        ...EXAMPLE,
        audience: 'c',
        client_id: 'c',
        client_secret: 'age://idp/c',
        scope: 'openid',
        keys: { kind: 'oidc', issuer: 'https://id.example' },
        once: true,
        person: 'claims.sub',
        display: 'claims.name',
        groups: 'claims.g',
      },
    ],
    [
      'jwks_uri: "https://id.example/keys", issuer: "https://id.example", audience: a, once: false',
      { ...EXAMPLE, once: false, keys: { kind: 'jwks_uri', uri: 'https://id.example/keys' } },
    ],
    [
      'dev: true, accounts: { dana: , omar: { groups: [g] } }',
      {
        ...DEV,
        person: 'claims.sub',
        display: 'claims.name',
        groups: 'claims.groups',
        accounts: { dana: { name: 'dana', groups: [] }, omar: { name: 'omar', groups: ['g'] } },
      },
    ],
    [
      'dev: true, person: claims.p, name: claims.n, groups: claims.g',
      { ...DEV, person: 'claims.p', display: 'claims.n', groups: 'claims.g' },
    ],
    ['oidc: "http://localhost:1", audience: a', local('http://localhost:1')],
    ['oidc: "http://127.0.0.1:1", audience: a', local('http://127.0.0.1:1')],
    ['oidc: "http://[::1]:1", audience: a', local('http://[::1]:1')],
  ]
  for (const [line, issuer] of TAKEN)
    it(`is what it says: ${line}`, () => {
      const { keys, ...rest } = issuerOf(line) as { keys?: unknown }
      const { keys: wanted, ...others } = issuer as { keys?: unknown }
      assert.deepEqual(rest, others)
      assert.deepEqual(keys, wanted)
    })

  const OUT = 'take the line out'
  const NO_HTTPS = ['4:14', 'this is not an https: address', undefined] as const
  const WITH_USER = [
    '4:14',
    'an address in a policy holds no user name or password',
    'keys are public: write it without',
  ] as const
  const OPENLY = ['keys must come over https:', 'whoever can change the answer could sign as this issuer'] as const
  const CLAIMS = ['there is no `clams` here', 'did you mean `claims`?'] as const
  const ONE_OF = 'write one of: age://NAME, env://VARIABLE, file:///PATH, vault://MOUNT/PATH#FIELD, aws://NAME#FIELD'
  const NOBODY = '`scope` is of no use here: people sign in where `oidc`, `client_id` and `person` are said'
  const outside = (path: string) =>
    [
      '4:14',
      `"${path}" is not a path below the policy directory`,
      'write it relative to that directory, without ..',
    ] as const
  const itself = (key: string) =>
    ['4:19', `\`${key}\` cannot be said here: an issuer \`dev: true\` names itself`, OUT] as const
  const REFUSED: readonly (readonly [
    line: string,
    finding: readonly [at: string, message: string, hint: string | undefined],
  ])[] = [
    [
      'oidc: "https://id.example", issuer: "https://id.example", audience: a',
      ['4:36', '`issuer` cannot be said here: `oidc` is the issuer', OUT],
    ],
    ['dev: true, issuer: x', itself('issuer')],
    ['dev: true, audience: x', itself('audience')],
    ['dev: true, client_id: x', itself('client_id')],
    ['jwks: keys/x.json, audience: a', ['4:6', '`issuer` is missing', 'write the `iss` claim of its tokens']],
    [
      'oidc: "https://id.example"',
      ['4:6', '`audience` is missing', 'without one, a token made for another service would be believed'],
    ],
    [
      'oidc: "https://id.example", audience: a, client_id: c',
      ['4:49', '`audience` and `client_id` are two names of one thing', 'keep one'],
    ],
    [
      'oidc: "https://login.example.com", audience: console',
      ['4:3', '`staff` has the same issuer and audience', 'keep one of the two'],
    ],
    ['oidc: "ftp://id.example", audience: a', NO_HTTPS],
    ['oidc: "id.example", audience: a', NO_HTTPS],
    ['oidc: "xhttps://id.example", audience: a', NO_HTTPS],
    ['oidc: "httpsx://id.example", audience: a', NO_HTTPS],
    ['oidc: "https://u@id.example", audience: a', WITH_USER],
    ['oidc: "https://:p@id.example", audience: a', WITH_USER],
    ['oidc: "http://10.0.0.1", audience: a', ['4:14', ...OPENLY]],
    ['oidc: "http://192.168.0.127", audience: a', ['4:14', ...OPENLY]],
    ['oidc: "http://localhost.example", audience: a', ['4:14', ...OPENLY]],
    ['oidc: "http://127.0.0.1.example", audience: a', ['4:14', ...OPENLY]],
    ['jwks_uri: "http://id.example/keys", issuer: "https://id.example", audience: a', ['4:18', ...OPENLY]],
    ['oidc: "https://id.example", audience: a, person: claims.sub, scope: openid', ['4:69', NOBODY, undefined]],
    ['jwks: keys/x.json, issuer: i, client_id: c, person: claims.sub, scope: openid', ['4:72', NOBODY, undefined]],
    ['oidc: "https://id.example", client_id: c, scope: openid', ['4:50', NOBODY, undefined]],
    [
      'oidc: "https://id.example", client_id: c, person: claims.sub, client_secret: hunter2',
      ['4:85', 'this is not a secret ref; a credential never stands in a policy', ONE_OF],
    ],
    ['oidc: "https://id.example", audience: a, person: clams.sub', ['4:57', ...CLAIMS]],
    ['oidc: "https://id.example", audience: a, groups: clams.sub', ['4:57', ...CLAIMS]],
    ['oidc: "https://id.example", audience: a, name: clams.sub', ['4:55', ...CLAIMS]],
    ['jwks: /keys/x.json, issuer: i, audience: a', outside('/keys/x.json')],
    ['jwks: keys//x.json, issuer: i, audience: a', outside('keys//x.json')],
    ['jwks: keys/./x.json, issuer: i, audience: a', outside('keys/./x.json')],
    ['jwks: keys/../keys/x.json, issuer: i, audience: a', outside('keys/../keys/x.json')],
    ['jwks: "keys\\\\x.json", issuer: i, audience: a', outside('keys\\x.json')],
    ['jwks: "keys/x.json\\0", issuer: i, audience: a', outside('keys/x.json\0')],
    ['jwks: keys/, issuer: i, audience: a', outside('keys/')],
  ]
  const KEY = '{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}'
  for (const [line, finding] of REFUSED)
    it(`is refused: ${line}`, () => assert.deepEqual(issuerOf(line, `{"keys":[${KEY}]}`), [finding]))

  const NO_SET = ['keys/x.json: this is not a JWK set', 'it looks like { "keys": [ … ] }'] as const
  const PRIVATE = [
    'keys/x.json: it holds a private or symmetric key',
    'leave only public keys in it: whoever reads the policy could sign',
  ] as const
  const KEYS: readonly (readonly [keys: string, ...finding: (string | undefined)[]])[] = [
    ['{', 'keys/x.json: this is not JSON', undefined],
    ['null', ...NO_SET],
    ['7', ...NO_SET],
    ['[]', ...NO_SET],
    ['{"keys":7}', ...NO_SET],
    ['{"keys":[]}', ...NO_SET],
    ['{"keys":[null]}', ...NO_SET],
    [`{"keys":[${KEY},7]}`, ...NO_SET],
    [`{"keys":[${KEY},{"kty":"OKP","d":"x"}]}`, ...PRIVATE],
    ['{"keys":[{"kty":"x","k":"x"}]}', ...PRIVATE],
    ['{"keys":[{"kty":"oct"}]}', ...PRIVATE],
  ]
  for (const [keys, ...finding] of KEYS)
    it(`is refused with these for its keys: ${keys}`, () =>
      assert.deepEqual(issuerOf('jwks: keys/x.json, issuer: i, audience: a', keys), [['4:14', ...finding]]))
})

describe('what a policy says of people and sessions', () => {
  const said = (from: string, to: string): Pick<Policy, 'people' | 'sessions'> => {
    const { policy } = compiledWith([{ file: 'identity.yaml', from, to }])
    assert.ok(policy !== undefined)
    return { people: policy.people, sessions: policy.sessions }
  }
  const PEOPLE = 'people: { view: [finance, leads], settle: [finance] }\n'
  const nobody = { view: [], freeze: [], settle: [], export: [], metrics: 'token' }

  it('is who may do what, who may read the figures, and how long a passkey must be known', () => {
    assert.deepEqual(said(PEOPLE, PEOPLE).people, { ...nobody, view: ['finance', 'leads'], settle: ['finance'] })
    const all = `people: { freeze: [leads], export: [finance], metrics: open, passkeys: { registered_for: 2h } }\n`
    assert.deepEqual(said(PEOPLE, all).people, {
      ...nobody,
      freeze: ['leads'],
      export: ['finance'],
      metrics: 'open',
      passkeys_after_ms: 7_200_000,
    })
    assert.deepEqual(said(PEOPLE, '').people, nobody)
  })

  it('is how long a session lives and how many live at once, with defaults', () => {
    const own = 'sessions: { lifetime_max: 8h }\n'
    assert.deepEqual(said(own, '').sessions, { lifetime_max_ms: 43_200_000, live_per_principal: 20 })
    assert.deepEqual(said(own, own).sessions, { lifetime_max_ms: 28_800_000, live_per_principal: 20 })
    const few = 'sessions: { live_per_principal: 3 }\n'
    assert.deepEqual(said(own, few).sessions, { lifetime_max_ms: 43_200_000, live_per_principal: 3 })
  })

  it('lets a condition read `groups` only where the issuer says where its tokens list them', () => {
    const where = (issuer: string) =>
      compiledWith([
        {
          file: 'identity.yaml',
          from: 'groups:\n',
          to: `  x: { ${issuer} }\ngroups:\n  them: { issuer: x, where: '"a" in groups' }\n`,
        },
      ])
    assert.ok(where('oidc: "https://id.example", audience: a, groups: claims.g').policy !== undefined)
    assert.ok(where('dev: true').policy !== undefined)
    assert.deepEqual(where('oidc: "https://id.example", audience: a').findings, [
      ['6:37', 'there is no `groups` here', 'known here: claims'],
    ])
  })
})
