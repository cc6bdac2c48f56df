import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import nodeVault from 'node-vault'
import { openSecrets } from '../../gateway/secrets/open.ts'
import { ROOT, startVault } from '../backends/vault.ts'
import type { FakeVault, VaultRequest } from '../backends/vault.ts'

const APPROLE = { role_id: 'role-of-the-tests', secret_id: 'secret-id-of-the-tests' }
const JWT = 'eyJ.fake.token'

describe('the Vault of the tests, for a client that is not ours', () => {
  let vault: FakeVault
  before(async () => {
    vault = await startVault({ approle: APPROLE, kubernetes: { role: 'keystay', jwt: () => JWT }, lease_ms: 60_000 })
    vault.put('kv/pay', { key: 'sk_test_of_a_witness' })
  })
  after(() => vault.close())
  const client = (token?: string): nodeVault.client =>
    nodeVault({ endpoint: vault.url, ...(token === undefined ? {} : { token }) })

  it('tells of its health, and of being sealed', async () => {
    assert.equal((await client().health()).sealed, false)
    vault.sealed(true)
    assert.equal((await client().status()).sealed, true)
    await assert.rejects(client(ROOT).read('kv/data/pay'), /Vault is sealed/)
    vault.honest()
  })

  it('signs in by AppRole and Kubernetes, renews and ends its own token', async () => {
    for (const login of [
      () => client().approleLogin(APPROLE),
      () => client().kubernetesLogin({ role: 'keystay', jwt: JWT }),
    ]) {
      const { auth } = (await login()) as { auth: { client_token: string } }
      const mine = client(auth.client_token)
      assert.equal((await mine.read('kv/data/pay')).data.data.key, 'sk_test_of_a_witness')
      assert.ok((await mine.tokenRenewSelf()).auth.lease_duration > 3500)
      assert.equal((await mine.tokenLookupSelf()).data.id, auth.client_token)
      await mine.tokenRevokeSelf()
      await assert.rejects(mine.read('kv/data/pay'), /permission denied/)
    }
    await assert.rejects(client().approleLogin({ ...APPROLE, secret_id: 'x' }), /invalid role or secret ID/)
  })

  it('keeps versions, and says which path it does not have', async () => {
    await client(ROOT).write('kv/data/new', { data: { key: 'sk_test_new' } })
    assert.equal((await client(ROOT).read('kv/data/new')).data.metadata.version, 1)
    await assert.rejects(client(ROOT).read('kv/data/none'), /Status 404/)
  })

  it('makes, renews and revokes database logins', async () => {
    const root = client(ROOT)
    const lease = (await root.read('database/creds/orders')) as { lease_id: string; data: { username: string } }
    assert.match(lease.data.username, /orders/)
    assert.equal((await root.renew({ lease_id: lease.lease_id })).lease_duration, 60)
    await root.revoke({ lease_id: lease.lease_id })
    assert.deepEqual(vault.leases, [])
    await assert.rejects(root.renew({ lease_id: lease.lease_id }), /lease not found/)
  })
})

/** What we ask of Vault, and under which of its published paths. */
const ASKED: readonly (readonly [RegExp, string, 'get' | 'post'])[] = [
  [/^auth\/approle\/login$/, '/auth/{approle_mount_path}/login', 'post'],
  [/^auth\/kubernetes\/login$/, '/auth/{kubernetes_mount_path}/login', 'post'],
  [/^auth\/jwt\/login$/, '/auth/{jwt_mount_path}/login', 'post'],
  [/^auth\/token\/lookup-self$/, '/auth/token/lookup-self', 'get'],
  [/^auth\/token\/renew-self$/, '/auth/token/renew-self', 'post'],
  [/^auth\/token\/revoke-self$/, '/auth/token/revoke-self', 'post'],
  [/^auth\/token\/create$/, '/auth/token/create', 'post'],
  [/^auth\/token\/create\/[^/]+$/, '/auth/token/create/{role_name}', 'post'],
  [/^auth\/token\/revoke-accessor$/, '/auth/token/revoke-accessor', 'post'],
  [/^[^/]+\/data\/.+$/, '/{kv_v2_mount_path}/data/{path}', 'get'],
  [/^[^/]+\/creds\/[^/]+$/, '/{database_mount_path}/creds/{name}', 'get'],
  [/^sys\/leases\/renew$/, '/sys/leases/renew', 'post'],
  [/^sys\/leases\/revoke$/, '/sys/leases/revoke', 'post'],
]
const PUBLISHED =
  process.env['KEYSTAY_TEST_VAULT_OPENAPI'] ??
  join(import.meta.dirname, '..', '..', '..', 'shared', 'data', 'vault_openapi_1.15.json')

interface Published {
  readonly paths: { readonly [path: string]: { readonly [method: string]: Operation } }
  readonly components: { readonly schemas: { readonly [name: string]: { readonly properties: Properties } } }
}
interface Operation {
  readonly requestBody?: { readonly content: { readonly 'application/json': { readonly schema: { $ref: string } } } }
}
interface Properties {
  readonly [name: string]: { readonly type: string }
}

describe('what we ask of Vault', () => {
  it('is in its published API, path by path and member by member', async function () {
    if (!existsSync(PUBLISHED)) {
      console.log(
        `    Vault's published OpenAPI is not at ${PUBLISHED}: not compared (KEYSTAY_TEST_VAULT_OPENAPI names it)`,
      )
      return this.skip()
    }
    const published = JSON.parse(await readFile(PUBLISHED, 'utf8')) as Published
    const requests = await everything()
    const hit = new Set<string>()
    for (const { method, path, body } of requests) {
      // Kubernetes and JWT are mounted alike: the mount that was asked says which
      const found = ASKED.find(([form]) => form.test(path))
      assert.ok(found, `${method} ${path} is nothing that we ask`)
      const [, template, verb] = found
      assert.equal(method.toLowerCase(), verb, path)
      const operation = published.paths[template]?.[verb]
      assert.ok(operation, `${verb} ${template} is not published`)
      hit.add(template)
      const name = operation.requestBody?.content['application/json'].schema.$ref.split('/').at(-1) ?? ''
      if (operation.requestBody === undefined) assert.equal(body, null, `${path} takes no body`)
      else assert.ok(body, `${path} takes a body`)
      const { properties } = published.components.schemas[name] ?? { properties: {} as Properties }
      for (const [member, value] of Object.entries(body ?? {})) {
        assert.equal(typeof value, properties[member]?.type, `${path}: ${member}`)
      }
    }
    assert.deepEqual(
      ASKED.map(([, template]) => template).filter((template) => !hit.has(template)),
      [],
    )
  })
})

/** Every kind of request that there is. */
async function everything(): Promise<readonly VaultRequest[]> {
  let now = 0
  const folder = await mkdtemp(join(tmpdir(), 'keystay-openapi-'))
  const file = join(folder, 'jwt')
  await writeFile(file, JWT)
  const kubernetes = { role: 'keystay', jwt: () => JWT }
  const vault = await startVault({ now: () => now, approle: APPROLE, kubernetes, lease_ms: 60_000, token_ms: 60_000 })
  vault.put('kv/pay', { key: 'sk_test_of_the_published_api' })
  const { role_id, secret_id } = APPROLE
  const byJwt = { KEYSTAY_VAULT_ROLE: 'keystay', KEYSTAY_VAULT_JWT_FILE: file }
  for (const environment of [
    { VAULT_TOKEN: ROOT },
    { VAULT_TOKEN: ROOT, KEYSTAY_VAULT_LEASE_ROLE: 'keystay-leases' },
    { KEYSTAY_VAULT_ROLE_ID: role_id, KEYSTAY_VAULT_SECRET_ID: secret_id },
    byJwt,
    { ...byJwt, KEYSTAY_VAULT_AUTH: 'jwt' },
  ]) {
    const options = { now: () => now, onEvent: () => {}, environment, look_ms: 5 }
    const secrets = await openSecrets(`vault:${vault.url}`, options)
    await secrets.get('vault://kv/pay#key')
    await secrets.get('vault://database/creds/orders#password')
    const asked = { call: 'call_1', lifetime_s: 60, permit: () => true, note: async () => {} }
    const lent = await secrets.lend('vault://database/creds/orders', asked)
    assert.ok('handle' in lent)
    await secrets.takeBack('vault://database/creds/orders', lent.handle)
    now += 45_000
    await sleep(50)
    await secrets.close()
  }
  await vault.close()
  await rm(folder, { recursive: true })
  return vault.requests
}
