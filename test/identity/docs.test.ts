import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { cp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { exportJWK, SignJWT } from 'jose'
import { loadPolicy } from '../../gateway/policy-dir.ts'
import { company, writePolicies } from '../house/company.ts'
import { house } from '../house/gateway.ts'
import type { House } from '../house/gateway.ts'
import { visitor } from './visitor.ts'

const ROOT = join(import.meta.dirname, '../..')

interface Example {
  /** The page's files, by path below policies/. */
  readonly files: { readonly [path: string]: string }
  readonly role: string
  readonly claims: Claims
  readonly person: Claims | null
}
type Claims = { readonly [claim: string]: unknown }

/** How each issuer signs and publishes, who comes of it, and whose tokens it signs too. */
const ISSUERS: {
  readonly [heading: string]: {
    readonly alg: 'RS256' | 'ES256'
    readonly header?: object
    readonly key?: object
    readonly requester: string
    readonly attributes?: object
    readonly strangers: readonly Claims[]
  }
} = {
  Kubernetes: {
    alg: 'RS256',
    requester: 'cluster:system:serviceaccount:agents:support',
    attributes: { pod: 'support-7d9f' },
    strangers: [
      { sub: 'system:serviceaccount:agents:support-evil' },
      { sub: 'system:serviceaccount:default:support' },
      { aud: ['https://kubernetes.default.svc.cluster.local'] },
      { 'kubernetes.io': {} },
    ],
  },
  'GitHub Actions': {
    alg: 'RS256',
    header: { typ: 'JWT', x5t: 'cdef' },
    requester: 'actions:repo:acme/support-agent:environment:production',
    attributes: { run: '9184561' },
    strangers: [
      { repository_id: '7402140', sub: 'repo:acme-evil/support-agent:environment:production' },
      { repository_id: 740214 },
      { environment: 'staging' },
      { environment: undefined },
      { jti: undefined },
      { aud: 'https://github.com/acme' },
    ],
  },
  AWS: {
    alg: 'RS256',
    header: { typ: 'JWT' },
    requester: 'aws:arn:aws:iam::123456789012:role/support-agent',
    attributes: { function: 'arn:aws:lambda:eu-central-1:123456789012:function:support' },
    strangers: [
      { sub: 'arn:aws:iam::123456789012:role/support-agent-evil' },
      { sub: 'arn:aws:iam::210987654321:role/support-agent' },
      { aud: 'https://api.acme.example' },
      { 'https://sts.amazonaws.com/': {} },
    ],
  },
  'Google Cloud': {
    alg: 'RS256',
    header: { typ: 'JWT' },
    requester: 'google:113774264463038321964',
    attributes: { project: 'acme-agents' },
    strangers: [
      // Whoever has a Google account can have a token for any audience: the subject alone says whose it is.
      { sub: '113774264463038321965' },
      { sub: '113774264463038321965', email: 'support@acme-agents.iam.gserviceaccount.com', email_verified: true },
      { aud: 'https://keystay.evil.example' },
      { google: undefined },
    ],
  },
  Azure: {
    alg: 'RS256',
    header: { typ: 'JWT', x5t: 'cdef' },
    requester: 'entra:7f0c2b5e-3f43-4a7c-9a0c-5b1a6a1f6c11',
    strangers: [
      { oid: '00000000-3f43-4a7c-9a0c-5b1a6a1f6c11', sub: '00000000-3f43-4a7c-9a0c-5b1a6a1f6c11' },
      { idtyp: 'user' },
      { idtyp: undefined },
      { aud: '00000003-0000-0000-c000-000000000000' },
      { iss: 'https://login.microsoftonline.com/common/v2.0' },
    ],
  },
  SPIFFE: {
    alg: 'ES256',
    header: { typ: 'JWT' },
    key: { use: 'jwt-svid', alg: undefined },
    requester: 'spire:spiffe://acme.example/ns/agents/sa/support',
    strangers: [
      { sub: 'spiffe://evil.example/ns/agents/sa/support' },
      { sub: 'spiffe://acme.example/ns/agents/sa/support/x' },
      { iss: undefined },
    ],
  },
  'Any OpenID provider': {
    alg: 'RS256',
    header: { typ: 'at+jwt' },
    requester: 'services:support-agent',
    attributes: { queue: 'orders' },
    strangers: [
      { client_id: 'other' },
      { queue: undefined },
      { aud: 'keystay-console' },
      { iss: 'https://login.acme.example' },
    ],
  },
  'A file of keys': {
    alg: 'ES256',
    requester: 'ci:jobs/nightly',
    strangers: [{ sub: 'jobs/nightly2' }, { iss: 'https://ci.acme.example/' }],
  },
}

const pairs = {
  RS256: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
}

describe('the page about identity', () => {
  let examples: Map<string, Example>
  let server: Server
  let base = ''
  /** What the issuer of the running example publishes. */
  let published: { readonly issuer: string; readonly keys: object } = { issuer: '', keys: {} }

  before(async () => {
    examples = await examplesOf(join(ROOT, 'docs/identity.md'))
    server = createServer((request, response) => {
      const discovery = request.url?.endsWith('/.well-known/openid-configuration') === true
      const document = { issuer: published.issuer, jwks_uri: `${base}/keys` }
      response.end(JSON.stringify(discovery ? document : published.keys))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  after(() => {
    server.closeAllConnections()
    server.close()
  })

  it('has an example for each kind of issuer, and each is tested here', () =>
    assert.deepEqual([...examples.keys()], Object.keys(ISSUERS)))

  for (const [heading, { alg, header = {}, key = {}, requester, attributes = {}, strangers }] of Object.entries(
    ISSUERS,
  )) {
    describe(`its example of ${heading}`, () => {
      let example: Example
      let where: Awaited<ReturnType<typeof company>>
      let gate: House
      let visit: ReturnType<typeof visitor>

      before(async () => {
        example = examples.get(heading) ?? assert.fail(heading)
        where = await company({ pay: base, shop: base, blind: base })
        await rm(where.policies, { recursive: true })
        await cp(join(ROOT, 'policies/actions/orders.yaml'), join(where.policies, 'actions/orders.yaml'))
        await writePolicies(where.policies, { ...example.files, 'backends.yaml': backends(base) })
      })
      after(async () => {
        await gate?.stop()
        await where.remove()
      })

      it('loads as it stands, without a warning', async () => {
        const loaded = await loadPolicy(where.policies)
        assert.deepEqual(loaded.ok ? loaded.warnings : loaded.findings, [])
        assert.ok(loaded.ok && loaded.policy.roles.has(example.role))
      })

      it('opens a session with the token that it shows', async () => {
        const { privateKey, publicKey } = pairs[alg]
        const keys = { keys: [{ ...(await exportJWK(publicKey)), kid: 'the-key', alg, ...key }] }
        published = { issuer: here(example.claims)['iss'] as string, keys }
        await writePolicies(where.policies, {
          ...Object.fromEntries(Object.entries(example.files).map(([path, text]) => [path, moved(text)])),
          ...(example.files['ci-keys.json'] === undefined ? {} : { 'ci-keys.json': JSON.stringify(keys) }),
        })
        gate = await house(where, { dev: false })
        visit = visitor(gate.running)
        const token = await visit.session(await mint(privateKey, here(example.claims)), example.role)
        const { body } = await visit.about(token)
        assert.deepEqual([body.requester, body.attributes], [requester, attributes])
      })

      for (const stranger of strangers) {
        it(`opens none for ${JSON.stringify(stranger)}`, async () => {
          const claims = { ...here({ ...example.claims, jti: 'another', ...stranger }) }
          const { status, body } = await visit.exchange(await mint(pairs[alg].privateKey, claims), example.role)
          assert.deepEqual([status, Object.hasOwn(body, 'access_token')], [400, false])
        })
      }

      it('opens none for a signature of somebody else, nor a second one where it says once', async () => {
        const other = alg === 'RS256' ? generateKeyPairSync('rsa', { modulusLength: 2048 }) : otherEc
        const forged = await mint(other.privateKey, here(example.claims))
        assert.equal((await visit.exchange(forged, example.role)).status, 400)
        const once = /once: true/.test(example.files['identity.yaml'] ?? '')
        const again = await visit.exchange(await mint(pairs[alg].privateKey, here(example.claims)), example.role)
        assert.equal(again.status, once ? 400 : 200)
      })

      it('lets people in where it shows any, with the rights of their groups', async () => {
        if (example.person === null) return
        const person = await mint(pairs[alg].privateKey, here(example.person), {})
        assert.equal((await visit.admin(person, 'GET', '/admin/v1/calls')).status, 200)
        const frozen = { on: true, reason: 'try' }
        assert.equal((await visit.admin(person, 'PUT', '/admin/v1/switches/all', frozen)).status, 403)
        const foreign = await mint(pairs[alg].privateKey, here({ ...example.person, azp: 'another-client' }), {})
        assert.equal((await visit.admin(foreign, 'GET', '/admin/v1/calls')).status, 401)
      })

      const mint = (signer: KeyObject, claims: Claims, head: object = header): Promise<string> =>
        new SignJWT({ ...claims })
          .setProtectedHeader({ alg, kid: 'the-key', ...head })
          .setIssuedAt()
          .setExpirationTime('5m')
          .sign(signer)
    })
  }

  /** The example's addresses, answered by this test. */
  const moved = (text: string) =>
    text.replaceAll(/https:\/\/(?=kubernetes|token|spire|login|accounts|f3b0)[a-z0-9.-]+/g, base)
  const here = (claims: Claims): Claims => JSON.parse(moved(JSON.stringify(claims))) as Claims

  it('shows a key of a file whose private half nobody has: not one of this test, and of no RFC', async () => {
    const { keys } = JSON.parse(examples.get('A file of keys')?.files['ci-keys.json'] ?? '') as { keys: object[] }
    const known = ['f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU', (await exportJWK(pairs.ES256.publicKey)).x]
    assert.ok(keys.length === 1 && keys.every((key) => 'x' in key && !('d' in key) && !known.includes(String(key.x))))
  })
})

const otherEc = generateKeyPairSync('ec', { namedCurve: 'P-256' })

function backends(url: string): string {
  return `backends:\n  orders: { adapter: http, url: "${url}", private: true, auth: { bearer: "env://KEYSTAY_TEST_KEY" }, lands_within: 1s }\n`
}

async function examplesOf(page: string): Promise<Map<string, Example>> {
  const text = await readFile(page, 'utf8')
  const part = text.split(/^## /m).find((one) => one.startsWith('Examples\n')) ?? ''
  const sections = part.split(/^### /m).slice(1)
  return new Map(sections.map((section) => [section.split('\n')[0] ?? '', exampleOf(section)]))
}

function exampleOf(section: string): Example {
  const yaml = [...section.matchAll(/```yaml\n# policies\/(\S+)\n([^]*?)```/g)]
  const json = [...section.matchAll(/<!-- (.+) -->\n\n```json\n([^]*?)```/g)]
  const named = (name: RegExp) => json.find(([, comment = '']) => name.test(comment)) ?? []
  const [, said = '', claims = ''] = named(/^claims: /)
  const [, , person = null] = named(/^claims of a person/)
  const beside = json.filter(([, comment = '']) => comment.startsWith('policies/'))
  return {
    files: Object.fromEntries([
      ...yaml.map(([, path, text]) => [path, text]),
      ...beside.map(([, comment = '', text]) => [comment.replace('policies/', ''), text]),
    ]),
    role: said.replace('claims: ', ''),
    claims: JSON.parse(claims) as Claims,
    person: person === null || person === undefined ? null : (JSON.parse(person) as Claims),
  }
}
