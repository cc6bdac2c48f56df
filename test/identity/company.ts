import { createPublicKey, generateKeyPairSync, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import type {
  Evaluated,
  Expression,
  Group,
  Issuer,
  Json,
  JsonObject,
  Policy,
  Role,
  Scope,
} from '../../gateway/core/types.ts'

export const NOW = Date.UTC(2026, 10, 23, 15, 0, 0)
export const SECONDS = NOW / 1000

// ---------------------------------------------------------------- keys and tokens

export const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
export const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
export const ec384 = generateKeyPairSync('ec', { namedCurve: 'P-384' })
export const ed = generateKeyPairSync('ed25519')
export const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' })

export function jwk(key: KeyObject, more: JsonObject): JsonObject {
  return { ...(key.export({ format: 'jwk' }) as JsonObject), ...more }
}

/** A JWS of whatever bytes: tests of refusals need ones that no library would make. */
export function jws(header: object | string, payload: object | string, signer: (input: Buffer) => Buffer): string {
  const [head, body] = [header, payload].map((part) => (typeof part === 'string' ? part : JSON.stringify(part)))
  const input = `${base64url(head ?? '')}.${base64url(body ?? '')}`
  return `${input}.${signer(Buffer.from(input)).toString('base64url')}`
}

export function base64url(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64url')
}

export const byRsa = (input: Buffer): Buffer => sign('sha256', input, rsa.privateKey)
export const byEc = (input: Buffer): Buffer => sign('sha256', input, { key: ec.privateKey, dsaEncoding: 'ieee-p1363' })
export const byEc384 = (input: Buffer): Buffer =>
  sign('sha384', input, { key: ec384.privateKey, dsaEncoding: 'ieee-p1363' })
export const byEd = (input: Buffer): Buffer => sign(null, input, ed.privateKey)
export const byStranger = (input: Buffer): Buffer =>
  sign('sha256', input, { key: stranger.privateKey, dsaEncoding: 'ieee-p1363' })

export const publicPem = createPublicKey(rsa.privateKey).export({ format: 'pem', type: 'spki' }).toString()

// ---------------------------------------------------------------- a policy, built by hand

/** What an expression compiles to, without the compiler. */
export function expression(text: string, evaluate: (scope: Scope) => Json | undefined): Expression {
  const run = (scope: Scope): Evaluated => {
    try {
      const value = evaluate(scope)
      return value === undefined ? { ok: false, error: 'no such field' } : { ok: true, value }
    } catch (error) {
      return { ok: false, error: String(error) }
    }
  }
  return { text, evaluate: run, reads: [] }
}

const claim = (name: string): Expression =>
  expression(`claims.${name}`, (scope) => (scope['claims'] as JsonObject)[name])
const subjectIs = (subject: string): Expression =>
  expression(`claims.sub == "${subject}"`, (scope) => (scope['claims'] as JsonObject)['sub'] === subject)
const listsGroup = (group: string): Expression =>
  expression(`"${group}" in claims.groups`, (scope) =>
    ((scope['claims'] as JsonObject)['groups'] as readonly string[]).includes(group),
  )

function issuer(name: string, more: Partial<Issuer> & Pick<Issuer, 'keys'>): Issuer {
  return {
    name,
    issuer: `https://${name}.example`,
    audience: 'keystay',
    once: null,
    person: null,
    display: null,
    groups: null,
    accounts: {},
    ...more,
  }
}

const keys = (...list: JsonObject[]): Issuer['keys'] => ({ kind: 'jwks', keys: { keys: list } })
const people = { person: claim('sub'), display: claim('name'), groups: claim('groups') }

const ISSUERS: readonly Issuer[] = [
  issuer('ci', {
    keys: keys(jwk(rsa.publicKey, { kid: 'rsa-1', alg: 'RS256', use: 'sig' }), jwk(ec.publicKey, { kid: 'ec-1' })),
  }),
  issuer('spire', {
    keys: keys(
      jwk(ec.publicKey, { kid: 'svid', use: 'jwt-svid' }),
      jwk(stranger.publicKey, { kid: 'x509', use: 'x509-svid' }),
      jwk(stranger.publicKey, { kid: 'enc', use: 'enc' }),
    ),
  }),
  issuer('twins', { keys: keys(jwk(ec.publicKey, {}), jwk(stranger.publicKey, {})) }),
  issuer('large', { keys: keys(jwk(ec384.publicKey, { kid: 'ec-384' }), jwk(ed.publicKey, { kid: 'ed' })) }),
  issuer('careless', { keys: keys(jwk(ec.privateKey, { kid: 'private' })) }),
  issuer('single', { keys: keys(jwk(ec.publicKey, { kid: 'ec-1' })), once: true }),
  issuer('staff', {
    keys: keys(jwk(ec.publicKey, { kid: 'ec-1' })),
    audience: 'console',
    client_id: 'console',
    ...people,
  }),
  issuer('hr', {
    keys: keys(jwk(ec.publicKey, { kid: 'ec-1' })),
    ...people,
    person: claim('employee'),
  }),
  issuer('demo', {
    keys: { kind: 'dev' },
    ...people,
    accounts: {
      'support-bot': {},
      dana: { name: 'Dana', groups: ['finance'] },
      sam: { name: 'Sam', groups: ['security'] },
    },
  }),
]

const GROUPS: readonly Group[] = [
  { name: 'support-leads', issuer: 'staff', where: listsGroup('support-leads') },
  { name: 'finance', issuer: 'staff', where: listsGroup('finance') },
  { name: 'demo-finance', issuer: 'demo', where: listsGroup('finance') },
]

export const PROMPT = `sha256:${'ab'.repeat(32)}`

function role(name: string, more: Partial<Role> = {}): Role {
  return {
    name,
    describe: name,
    owners: [],
    owners_approve: false,
    timezone: 'UTC',
    lifetime_ms: 7_200_000,
    issue_to: [],
    grants: new Map(),
    prompt: null,
    ...more,
  }
}

const ROLES: readonly Role[] = [
  role('support-agent', {
    issue_to: [
      { issuer: 'ci', group: null, where: subjectIs('agents:support'), carry: { queue: claim('queue') } },
      { issuer: 'ci', group: null, where: subjectIs('agents:plain'), carry: {} },
      { issuer: 'demo', group: null, where: subjectIs('support-bot'), carry: {} },
      { issuer: 'staff', group: null, where: subjectIs('u-7'), carry: {} },
      { issuer: 'hr', group: null, where: subjectIs('login-3'), carry: {} },
      { issuer: null, group: 'support-leads', where: null, carry: {} },
      { issuer: 'single', group: null, where: subjectIs('agents:support'), carry: {} },
    ],
  }),
  role('tied', {
    prompt: { file: 'prompts/tied.md', digest: PROMPT, required: true },
    issue_to: [{ issuer: 'ci', group: null, where: subjectIs('agents:support'), carry: {} }],
  }),
  role('untied', {
    prompt: { file: 'prompts/untied.md', digest: PROMPT, required: false },
    lifetime_ms: 86_400_000,
    issue_to: [{ issuer: 'ci', group: null, where: subjectIs('agents:support'), carry: {} }],
  }),
  role('no-where', { issue_to: [{ issuer: 'ci', group: null, where: null, carry: {} }] }),
  role('demo-finance', { issue_to: [{ issuer: null, group: 'demo-finance', where: null, carry: {} }] }),
]

function byName<Named extends { readonly name: string }>(list: readonly Named[]): ReadonlyMap<string, Named> {
  return new Map(list.map((one) => [one.name, one]))
}

export const POLICY: Policy = {
  digest: `sha256:${'0'.repeat(64)}`,
  texts: [],
  backends: new Map(),
  actions: new Map(),
  roles: byName(ROLES),
  guardrails: [],
  switches: new Map(),
  issuers: byName(ISSUERS),
  groups: byName(GROUPS),
  people: { view: [], freeze: [], settle: [], export: [], metrics: 'token' },
  sessions: { lifetime_max_ms: 43_200_000, live_per_principal: 3 },
}

export function issuerNamed(name: string): Issuer {
  const found = POLICY.issuers.get(name)
  if (found === undefined) throw new Error(`no issuer ${name}`)
  return found
}
