import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { openSecrets } from '../../gateway/secrets/open.ts'
import type { SecretEvent, SecretOptions, Secrets } from '../../gateway/secrets/open.ts'
import { certificateFor } from '../backends/certificate.ts'
import { ROOT, startVault } from '../backends/vault.ts'
import type { FakeVault, VaultOptions } from '../backends/vault.ts'

const KEY = 'sk_test_c4n4ry_kept_in_vault'
const HOUR = 3_600_000
const APPROLE = { role_id: 'role-of-the-tests', secret_id: 'secret-id-of-the-tests' }
const BY_APPROLE = { KEYSTAY_VAULT_ROLE_ID: APPROLE.role_id, KEYSTAY_VAULT_SECRET_ID: APPROLE.secret_id }

describe('secrets in Vault', () => {
  let vault: FakeVault
  let folder: string
  let now: number
  let events: SecretEvent[]
  let opened: Secrets[]

  const start = async (options: VaultOptions = {}): Promise<void> => {
    vault = await startVault({ now: () => now, approle: APPROLE, ...options })
    vault.put('kv/pay', { key: KEY, id: 'acct_1', number: 5 })
  }
  const open = async (environment: NodeJS.ProcessEnv = { VAULT_TOKEN: ROOT }, more: Partial<SecretOptions> = {}) => {
    const onEvent = (event: SecretEvent): void => void events.push(event)
    // time passes by hand; what runs out is looked at often
    const options = { now: () => now, onEvent, environment, look_ms: 5, ...more }
    const secrets = await openSecrets(`vault:${vault.url}`, options)
    opened.push(secrets)
    return secrets
  }
  const value = async (secrets: Secrets, ref: string): Promise<string> => (await secrets.get(ref)).open()
  const asked = (path: string): number => vault.requests.filter((request) => request.path === path).length
  /** Lets time pass in steps, as it does. */
  const pass = async (ms: number, step_ms = 300_000): Promise<void> => {
    for (let left = ms; left > 0; left -= step_ms) {
      now += Math.min(left, step_ms)
      await sleep(12)
    }
  }

  beforeEach(async () => {
    now = 1_000_000
    events = []
    opened = []
    folder = await mkdtemp(join(tmpdir(), 'keystay-vault-'))
  })
  afterEach(async () => {
    vault?.honest()
    await Promise.all(opened.map((secrets) => secrets.close()))
    await vault?.close()
    await rm(folder, { recursive: true })
  })

  it('are fields of KV version 2, of one answer where they are asked for together; a new version needs no restart', async () => {
    await start()
    vault.put('team/kv/deep/path.of-it', { 'a field': KEY, key: KEY })
    const secrets = await open()
    const both = await Promise.all([value(secrets, 'vault://kv/pay#key'), value(secrets, 'vault://kv/pay#id')])
    assert.deepEqual([both, asked('kv/data/pay')], [[KEY, 'acct_1'], 1])
    assert.equal(await value(secrets, 'vault://team%2Fkv/deep/path.of-it#key'), KEY)
    vault.put('kv/pay', { key: `${KEY}-2`, id: 'acct_1' })
    now += 300_000
    assert.equal(await value(secrets, 'vault://kv/pay#key'), `${KEY}-2`)
    assert.equal(await value(secrets, 'vault://kv/pay#id'), 'acct_1')
    assert.deepEqual(
      events.filter(({ kind }) => kind === 'credential.rotated'),
      [{ kind: 'credential.rotated', ref: 'vault://kv/pay#key' }],
    )
    assert.ok(vault.requests.every(({ headers }) => headers['x-vault-request'] === 'true'))
    assert.equal(secrets.scrub.text(`${ROOT} ${KEY}-2`), '[secret] [secret]')
  })

  it('are in a namespace, where one is named', async () => {
    await start({ namespace: 'team/a' })
    await assert.rejects(open(), /404/)
    const secrets = await open({ VAULT_TOKEN: ROOT, VAULT_NAMESPACE: 'team/a' })
    assert.equal(await value(secrets, 'vault://kv/pay#key'), KEY)
  })

  it('come over TLS from whom VAULT_CACERT vouches for, and from nobody else', async () => {
    const { cert, key } = certificateFor(['localhost'])
    await start({ tls: { cert, key } })
    const file = join(folder, 'ca.pem')
    await assert.rejects(open(), /Vault cannot be reached: the TLS handshake failed \([A-Z_]+\)/)
    await writeFile(file, certificateFor(['localhost']).cert)
    await assert.rejects(open({ VAULT_TOKEN: ROOT, VAULT_CACERT: file }), /the TLS handshake failed/)
    await writeFile(file, cert)
    assert.equal(await value(await open({ VAULT_TOKEN: ROOT, VAULT_CACERT: file }), 'vault://kv/pay#key'), KEY)
  })

  describe('are signed in for', () => {
    it('by a token in a file that somebody else keeps fresh', async () => {
      await start()
      const file = join(folder, 'token')
      vault.issue({ value: 'hvs.first-fake-token', lives_ms: 1000 })
      await writeFile(file, 'hvs.first-fake-token\n', { mode: 0o600 })
      const secrets = await open({ KEYSTAY_VAULT_TOKEN_FILE: file }, { lifetime_ms: 100 })
      vault.issue({ value: 'hvs.second-fake-token', lives_ms: HOUR })
      await writeFile(file, 'hvs.second-fake-token\n')
      now += 1000
      assert.equal(await value(secrets, 'vault://kv/pay#key'), KEY)
      assert.equal(secrets.scrub.text('hvs.first-fake-token hvs.second-fake-token'), '[secret] [secret]')
      // given, so not ours to revoke
      await secrets.close()
      assert.ok(vault.tokens.includes('hvs.second-fake-token'))
    })

    it('by AppRole, the secret id in the environment or in a file; the token is revoked at the end', async () => {
      await start()
      const file = join(folder, 'secret-id')
      await writeFile(file, APPROLE.secret_id, { mode: 0o600 })
      const { role_id } = APPROLE
      for (const environment of [BY_APPROLE, { KEYSTAY_VAULT_ROLE_ID: role_id, KEYSTAY_VAULT_SECRET_ID_FILE: file }]) {
        const secrets = await open(environment)
        assert.equal(await value(secrets, 'vault://kv/pay#key'), KEY)
        assert.equal(secrets.scrub.text(APPROLE.secret_id), '[secret]')
        assert.equal(vault.tokens.length, 2)
        await secrets.close()
        assert.deepEqual(vault.tokens, [ROOT])
      }
    })

    for (const [method, mount] of [
      ['kubernetes', 'kubernetes'],
      ['jwt', 'clusters/jwt-eu'],
    ] as const) {
      it(`by ${method} at auth/${mount}, with the projected token of the moment`, async () => {
        let jwt = 'eyJ.first.fake-token'
        await start({ kubernetes: { role: 'keystay', jwt: () => jwt }, token_ms: HOUR, tokenLast_ms: HOUR })
        const KEYSTAY_VAULT_JWT_FILE = join(folder, 'jwt')
        // as a cluster leaves it
        await writeFile(KEYSTAY_VAULT_JWT_FILE, `${jwt}\n`, { mode: 0o644 })
        const more = { KEYSTAY_VAULT_AUTH: method, KEYSTAY_VAULT_MOUNT: mount }
        const environment = { KEYSTAY_VAULT_ROLE: 'keystay', KEYSTAY_VAULT_JWT_FILE, ...more }
        if (mount !== method) {
          await assert.rejects(open({ ...environment, KEYSTAY_VAULT_ROLE: 'other' }), /refuses our sign-in/)
          // the fake knows mounts of one segment, Vault any: only the path of the request matters here
          await assert.rejects(open(environment))
          assert.equal(vault.requests.at(-1)?.path, `auth/${mount}/login`)
          return
        }
        const secrets = await open(environment)
        jwt = 'eyJ.second.fake-token'
        await writeFile(KEYSTAY_VAULT_JWT_FILE, jwt)
        await pass(HOUR)
        assert.equal(await value(secrets, 'vault://kv/pay#key'), KEY)
        assert.equal(asked('auth/kubernetes/login'), 2)
        assert.equal(secrets.scrub.text(`eyJ.first.fake-token ${jwt}`), '[secret] [secret]')
      })
    }

    it('by a token that is renewed at two thirds, and by another once it cannot be', async () => {
      await start({ token_ms: HOUR, tokenLast_ms: 2 * HOUR })
      const secrets = await open(BY_APPROLE)
      await pass(HOUR * 0.6)
      assert.equal(asked('auth/token/renew-self'), 0)
      await pass(HOUR * 0.1)
      assert.equal(asked('auth/token/renew-self'), 1)
      await pass(HOUR * 1.4)
      assert.equal(asked('auth/approle/login'), 2)
      assert.equal(await value(secrets, 'vault://kv/pay#key'), KEY)
      assert.deepEqual(
        events.filter(({ kind }) => kind === 'credential.failed'),
        [],
      )
    })

    it('anew when the token is gone before its time; a 403 about the secret alone signs in nobody', async () => {
      await start()
      vault.put('kv/other', { key: KEY })
      const secrets = await open(BY_APPROLE)
      for (const token of vault.tokens) if (token !== ROOT) vault.revoke(token)
      assert.equal(await value(secrets, 'vault://kv/pay#key'), KEY)
      assert.equal(asked('auth/approle/login'), 2)
      vault.lie(({ path }, response) => {
        if (path !== 'kv/data/other') return false
        response.writeHead(403, { 'content-type': 'application/json' }).end('{"errors":["permission denied"]}')
        return true
      })
      await assert.rejects(value(secrets, 'vault://kv/other#key'), /our token may not do this \(403\)/)
      assert.equal(asked('auth/approle/login'), 2)
    })
  })

  it('are not looked for where a redirect leads', async () => {
    const elsewhere = await startVault()
    await start()
    const secrets = await open()
    vault.lie(({ path }, response) => {
      response.writeHead(307, { location: `${elsewhere.url}/v1/${path}` }).end()
      return true
    })
    await assert.rejects(secrets.get('vault://kv/pay#key'), /307, a redirect, which is not followed/)
    assert.equal(elsewhere.requests.length, 0)
    await elsewhere.close()
  })

  const environments: readonly [string, NodeJS.ProcessEnv, RegExp][] = [
    ['nothing', {}, /needs a way to sign in/],
    ['two ways at once', { VAULT_TOKEN: ROOT, ...BY_APPROLE }, /VAULT_TOKEN and KEYSTAY_VAULT_ROLE_ID are both set/],
    [
      'a way that is none',
      { KEYSTAY_VAULT_AUTH: 'ldap', VAULT_TOKEN: ROOT },
      /none of token, approle, kubernetes, jwt/,
    ],
    ['no role', { KEYSTAY_VAULT_AUTH: 'kubernetes' }, /KEYSTAY_VAULT_ROLE is not set/],
    ['no proof', { KEYSTAY_VAULT_AUTH: 'jwt', KEYSTAY_VAULT_ROLE: 'r' }, /KEYSTAY_VAULT_JWT_FILE is not set/],
    ['a proof that is not there', { KEYSTAY_VAULT_ROLE: 'r', KEYSTAY_VAULT_JWT_FILE: '/no/such' }, /cannot be read/],
    ['a mount that climbs', { KEYSTAY_VAULT_MOUNT: '../sys', ...BY_APPROLE }, /is no path/],
    ['a token that is none', { VAULT_TOKEN: 'hvs.fake-token-nobody-gave' }, /refuses the token of VAULT_TOKEN/],
    ['a token with a line end in it', { VAULT_TOKEN: 'hvs.fake\nx-evil: 1' }, /characters that no token has/],
    ['a token file that others read', { KEYSTAY_VAULT_TOKEN_FILE: '/etc/passwd' }, /can be read or changed by others/],
    [
      'a wrong secret id',
      { ...BY_APPROLE, KEYSTAY_VAULT_SECRET_ID: 'wrong-secret-id' },
      /refuses our sign-in by AppRole/,
    ],
    ['a namespace with a line end', { VAULT_TOKEN: ROOT, VAULT_NAMESPACE: 'a\r\nb' }, /VAULT_NAMESPACE/],
    ['an authority that is not there', { VAULT_TOKEN: ROOT, VAULT_CACERT: '/no/such' }, /VAULT_CACERT/],
    ['an authority that is none', { VAULT_TOKEN: ROOT, VAULT_CACERT: '/etc/passwd' }, /holds no certificate/],
  ]
  for (const [what, environment, message] of environments) {
    it(`are not opened with ${what}, and no value of it is told`, async () => {
      await start()
      await assert.rejects(open(environment), (error: Error) => {
        assert.match(error.message, message)
        return !/hvs\.fake|wrong-secret-id|secret-id-of/.test(error.message)
      })
    })
  }

  const refs: readonly [string, RegExp][] = [
    ['vault://kv', /no path of Vault/],
    ['vault://kv#key', /no path of Vault/],
    ['vault://kv/#key', /no path of Vault/],
    ['vault:///pay#key', /no path of Vault/],
    ['vault://kv/pay', /names no field/],
    ['vault://kv/pay#', /names no field/],
    ['vault://kv/../sys/seal#key', /no path of Vault/],
    ['vault://kv/./pay#key', /no path of Vault/],
    ['vault://kv/%2e%2e/sys#key', /no path of Vault/],
    ['vault://..%2Fsys/pay#key', /no path of Vault/],
    ['vault://kv//pay#key', /no path of Vault/],
    ['vault://kv/pay/#key', /no path of Vault/],
    ['vault://kv/pay?version=1#key', /no path of Vault/],
    ['vault://kv/pay#x#key', /no path of Vault/],
    ['vault://kv/p%61y#key', /no path of Vault/],
    ['vault://kv\\pay/x#key', /no path of Vault/],
    ['vault://kv/pay\r\nx-vault-token:y#key', /no path of Vault/],
    ['vault://kv/pay x#key', /no path of Vault/],
    ['vault://kv/päy#key', /no path of Vault/],
    [`vault://kv/${'a'.repeat(256)}#key`, /no path of Vault/],
    ['vault://kv/pay#no such', /names no field/],
    ['vault://kv/none#key', /no such secret/],
    ['vault://kv/deleted#key', /no such secret/],
    ['vault://kv/pay#none', /no such field/],
    ['vault://kv/pay#constructor', /no such field/],
    ['vault://kv/pay#__proto__', /no such field/],
    ['vault://kv/pay#number', /not a text/],
    ['vault://kv/empty#key', /empty/],
    ['vault://database/creds/none-granted/x#password', /no such secret/],
  ]
  it('refuse what is no ref, no secret or no text; each is told once, and nothing is asked that a ref could bend', async () => {
    await start()
    vault.put('kv/deleted', { key: KEY })
    vault.put('kv/deleted', null)
    vault.put('kv/empty', { key: '' })
    const secrets = await open()
    for (const [ref, reason] of refs) {
      events.length = 0
      const before = vault.requests.length
      await assert.rejects(secrets.get(ref), (error: Error) => {
        assert.equal(error.name, 'SecretUnavailable', ref)
        assert.match(error.message, reason, `${ref}: ${error.message}`)
        return !error.message.includes('c4n4ry')
      })
      assert.deepEqual(
        events.map(({ kind }) => kind),
        ['credential.failed'],
        ref,
      )
      if (/no path|names no/.test(reason.source)) assert.equal(vault.requests.length, before, ref)
    }
  })

  describe('that Vault makes for us', () => {
    const REF = 'vault://database/creds/orders'
    const login = (secrets: Secrets): Promise<string[]> =>
      Promise.all([value(secrets, `${REF}#username`), value(secrets, `${REF}#password`)])

    it('are of one lease, renewed at two thirds though nobody asks, and revoked when we stop', async () => {
      await start({ lease_ms: HOUR })
      const secrets = await open(BY_APPROLE)
      const [user, password] = await login(secrets)
      const [lease] = vault.leases
      assert.deepEqual([user, password, vault.leases.length], [lease?.username, lease?.password, 1])
      await pass(HOUR * 0.6)
      assert.equal(lease?.renewals, 0)
      await pass(HOUR * 3)
      assert.deepEqual(await login(secrets), [user, password])
      assert.ok((lease?.renewals ?? 0) >= 4, `${lease?.renewals} renewals`)
      assert.equal(asked('database/creds/orders'), 1)
      await secrets.close()
      assert.deepEqual([vault.leases.length, vault.tokens], [0, [ROOT]])
    })

    it('are others, both of them, when a lease meets the end of its renewals, before it ends', async () => {
      await start({ lease_ms: HOUR, leaseLast_ms: 2 * HOUR })
      const secrets = await open()
      const [user] = await login(secrets)
      await pass(1.9 * HOUR)
      const [next, password] = await login(secrets)
      assert.notEqual(next, user)
      assert.equal(password, vault.leases.find(({ username }) => username === next)?.password)
      assert.deepEqual(
        events.filter(({ kind }) => kind === 'credential.rotated').map(({ ref }) => ref),
        [`${REF}#username`, `${REF}#password`],
      )
    })

    it('are others before the token ends that they were made with', async () => {
      await start({ lease_ms: 24 * HOUR, token_ms: HOUR, tokenLast_ms: HOUR })
      const secrets = await open(BY_APPROLE)
      const seen = new Set<string | undefined>()
      for (let hours = 0; hours < 3; hours += 0.1) {
        await pass(HOUR / 10, HOUR / 10)
        const [user] = await login(secrets)
        seen.add(user)
        // the fake forgets a lease with its token, as Vault does
        assert.ok(
          vault.leases.some(({ username }) => username === user),
          `after ${hours} h`,
        )
      }
      assert.ok(seen.size >= 3 && seen.size <= 6, `${seen.size} logins`)
    })

    it('are others once somebody revoked the lease: at its renewal, or as soon as the backend says so', async () => {
      await start({ lease_ms: HOUR })
      const secrets = await open()
      const old = await secrets.get(`${REF}#password`)
      vault.lie(({ path }, response) => {
        if (path !== 'sys/leases/renew') return false
        response.writeHead(400, { 'content-type': 'application/json' }).end('{"errors":["lease not found"]}')
        return true
      })
      assert.equal(await secrets.refused(old), true)
      const second = await secrets.get(`${REF}#password`)
      assert.notEqual(second.open(), old.open())
      await pass(HOUR * 0.7)
      assert.notEqual(await value(secrets, `${REF}#password`), second.open())
    })

    it('are revoked when no policy names them any more, and those alone', async () => {
      await start()
      const secrets = await open()
      await login(secrets)
      await value(secrets, 'vault://database/creds/reports#password')
      await secrets.keep([`${REF}#password`, 'vault://kv/pay#key'])
      assert.deepEqual(
        vault.leases.map(({ role }) => role),
        ['orders'],
      )
      await login(secrets)
      assert.equal(asked('database/creds/orders'), 1)
      await secrets.close()
      assert.deepEqual([vault.leases.length, vault.tokens], [0, [ROOT]])
    })

    it('leave nothing behind when the gateway stops while they are made', async () => {
      await start()
      const secrets = await open()
      let release = (): void => {}
      const held = new Promise<void>((resolve) => (release = resolve))
      vault.lie(({ path }, response) => {
        if (path !== 'database/creds/orders') return false
        const data = { username: 'u', password: 'late-fake-password' }
        const lease = { lease_id: 'database/creds/orders/late', lease_duration: 60, renewable: true, data }
        void held.then(() => response.writeHead(200).end(JSON.stringify(lease)))
        return true
      })
      const late = assert.rejects(login(secrets), /stopping/)
      while (asked('database/creds/orders') === 0) await sleep(5)
      const closed = secrets.close()
      release()
      await Promise.all([late, closed])
      const revoked = vault.requests
        .filter(({ path }) => path === 'sys/leases/revoke')
        .map(({ body }) => body?.['lease_id'])
      assert.deepEqual(revoked, ['database/creds/orders/late'])
    })
  })

  it('survive ten minutes without Vault as long as they live, are then unavailable, and come back by themselves', async () => {
    await start({ lease_ms: HOUR })
    vault.put('kv/seldom', { key: KEY })
    const secrets = await open(BY_APPROLE)
    const LEASE = 'vault://database/creds/orders#password'
    const leased = await value(secrets, LEASE)
    await value(secrets, 'vault://kv/pay#key')
    await vault.close()
    const said: [number, string][] = []
    for (let second = 0; second < 600; second += 5) {
      now += 5000
      await sleep(1)
      assert.equal(await value(secrets, LEASE), leased)
      const got = await value(secrets, 'vault://kv/pay#key').catch((error: Error) => error.name)
      if (said.at(-1)?.[1] !== got) said.push([second, got])
    }
    assert.deepEqual(said, [
      [0, KEY],
      [295, 'SecretUnavailable'],
    ])
    await assert.rejects(value(secrets, 'vault://kv/pay#key'), /Vault cannot be reached: it refuses connections/)
    // the failure is told once a minute and ref, however often it is met
    const failed = events.filter(({ kind }) => kind === 'credential.failed')
    assert.ok(failed.length >= 5 && failed.length <= 8, `${failed.length} entries`)

    await vault.listen()
    vault.sealed(true)
    now += 1000
    await assert.rejects(value(secrets, 'vault://kv/pay#key'), /sealed or being repaired \(503\)/)
    vault.sealed(false)
    now += 1000
    assert.equal(await value(secrets, 'vault://kv/pay#key'), KEY)
    await pass(HOUR)
    assert.equal(await value(secrets, LEASE), leased)
  })
})
