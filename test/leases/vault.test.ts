import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT, startVault } from '../backends/vault.ts'
import type { FakeVault } from '../backends/vault.ts'
import { entriesOf } from '../house/entries.ts'
import { house } from '../house/gateway.ts'
import type { Answer, House } from '../house/gateway.ts'
import { verifyStore } from '../../gateway/store/verify.ts'
import { lendingCompany, until } from './company.ts'

const action = (name: string, role: string): string =>
  `action: vault.${name}\ndescribe: A login that Vault makes.\neffect: lease\nbackend: warehouse\nlease: { from: "vault://database/creds/${role}", lifetime: 10m }\n`

describe('a login that Vault makes for an agent', () => {
  let vault: FakeVault
  let where: Awaited<ReturnType<typeof lendingCompany>>
  let gate: House
  let token: string
  let keys = 0
  const before_ = process.env['VAULT_TOKEN']

  before(async () => {
    process.env['VAULT_TOKEN'] = ROOT
    vault = await startVault()
    // nothing of it asks the database
    where = await lendingCompany(9, {
      'actions/vault.yaml': [action('login', 'orders'), action('forbidden', 'forbidden')].join('---\n'),
      'roles/reader.yaml': `role: reader
describe: Reads by a login of Vault.
issue_to: [{ issuer: demo, where: 'claims.sub == "bot"' }]
grants: { vault.login: , vault.forbidden: }
`,
    })
    gate = await house(where, { secrets: `vault:${vault.url},env:` })
  })
  beforeEach(async () => {
    token = await gate.token('bot', 'reader')
  })
  afterEach(async () => {
    vault.honest()
    await gate.agent('/v1/session', { method: 'DELETE', headers: { authorization: `Bearer ${token}` } })
    await until('nothing is left', () => vault.leases.length === 0)
    assert.deepEqual(vault.tokens, [ROOT])
  })
  after(async () => {
    if (before_ === undefined) delete process.env['VAULT_TOKEN']
    else process.env['VAULT_TOKEN'] = before_
    await gate?.stop()
    await vault?.close()
    if (where !== undefined) assert.deepEqual((await verifyStore(join(where.dir, 'keystay.db'))).problems, [])
    await where?.remove()
  })

  const ask = (name = 'login', key = `k${++keys}`): Promise<Answer> => gate.call(token, `vault.${name}`, {}, key)
  const paths = (from: number): string[] => vault.requests.slice(from).map(({ method, path }) => `${method} ${path}`)

  it('is asked for with a token of its own, answered once, and taken back by its lease at the end of the session', async () => {
    const from = vault.requests.length
    const answer = await ask('login', 'once')
    assert.deepEqual([answer.status, answer.body.status], [200, 'done'], answer.text)
    const { user, password, host, port, database, expires_at } = answer.body.output
    const [lease] = vault.leases
    assert.deepEqual([user, password], [lease?.username, lease?.password])
    assert.deepEqual([host, port, database], ['127.0.0.1', 9, 'postgres'])
    assert.ok(Math.abs(Date.parse(expires_at) - Date.now() - 600_000) < 5000)
    assert.notEqual(lease?.token, ROOT)
    assert.deepEqual(answer.body.evidence.lease_id, lease?.id)
    const again = await ask('login', 'once')
    assert.deepEqual([again.status, again.body.code], [409, 'lease_already_given'])
    const [create] = vault.requests.slice(from).filter(({ path }) => path === 'auth/token/create')
    const { display_name, meta, ttl, explicit_max_ttl, renewable } = create?.body ?? {}
    assert.deepEqual(
      { display_name, meta, ttl, explicit_max_ttl, renewable },
      {
        display_name: `keystay-${answer.body.call}`,
        meta: { keystay_call: answer.body.call },
        ttl: '600s',
        explicit_max_ttl: '600s',
        renewable: false,
      },
    )
    await gate.agent('/v1/session', { method: 'DELETE', headers: { authorization: `Bearer ${token}` } })
    await until('it is taken back', () => vault.leases.length === 0 && vault.tokens.length === 1)
    assert.deepEqual(
      paths(from).filter((path) => !path.includes('lookup-self')),
      [
        'POST auth/token/create',
        'GET database/creds/orders',
        'POST sys/leases/revoke',
        'POST auth/token/revoke-accessor',
      ],
    )
    assert.deepEqual(vault.requests.findLast(({ path }) => path === 'sys/leases/revoke')?.body, {
      lease_id: lease?.id,
      sync: true,
    })
    await until('it is written down', () => entriesOf(where.dir).some(({ kind }) => kind === 'lease.revoked'))
    const written = ['keystay.db', 'keystay.db-wal']
      .map((file) => readFileSync(join(where.dir, file), 'latin1'))
      .join('')
    assert.ok(written.includes(user) && !written.includes(password) && !written.includes(String(lease?.token)))
    assert.ok(!gate.log.join('\n').includes(password))
  })

  it('whose answer is lost is taken back by what was written down before, and never asked for again', async () => {
    const from = vault.requests.length
    let made = 0
    vault.lie(({ path, headers }, response) => {
      if (path !== 'database/creds/orders' || headers['x-vault-request'] === undefined) return false
      const own = { 'x-vault-token': String(headers['x-vault-token']) }
      void fetch(`${vault.url}/v1/${path}`, { headers: own }).then(() => {
        made = vault.leases.length
        response.destroy()
      })
      return true
    })
    const answer = await ask('login', 'lost')
    assert.equal(made, 1)
    assert.deepEqual([answer.status, answer.body.code], [424, 'backend_refused'], answer.text)
    assert.match(answer.body.detail, /revoked before anybody had it/)
    assert.deepEqual([vault.leases.length, vault.tokens], [0, [ROOT]])
    vault.honest()
    assert.equal((await ask('login', 'lost')).body.code, 'backend_refused')
    const asked = vault.requests.slice(from).filter(({ path, headers }) => {
      return path === 'database/creds/orders' && headers['x-vault-request'] !== undefined
    })
    assert.equal(asked.length, 1)
  })

  it('that Vault does not give is refused; a Vault that is sealed leaves the key free', async () => {
    const refused = await ask('forbidden')
    assert.deepEqual([refused.status, refused.body.code], [424, 'backend_refused'], refused.text)
    assert.deepEqual(vault.tokens, [ROOT])
    vault.sealed(true)
    const sealed = await ask('login', 'later')
    assert.deepEqual([sealed.status, sealed.body.code], [503, 'secret_unavailable'], sealed.text)
    vault.honest()
    assert.equal((await ask('login', 'later')).body.status, 'done')
  })

  it('is taken back as soon as Vault is there again', async () => {
    assert.equal((await ask()).body.status, 'done')
    vault.sealed(true)
    await gate.agent('/v1/session', { method: 'DELETE', headers: { authorization: `Bearer ${token}` } })
    await until('it fails', () => gate.log.some((line) => line.includes('could not be revoked')))
    assert.equal(vault.leases.length, 1)
    vault.honest()
    await until('it is taken back', () => vault.leases.length === 0)
  })
})
