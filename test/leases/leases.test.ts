import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { PASSWORD, startPostgres } from '../backends/postgres.ts'
import type { Database } from '../backends/postgres.ts'
import { startProxy } from '../backends/postgres-proxy.ts'
import type { Proxy } from '../backends/postgres-proxy.ts'
import { entriesOf } from '../house/entries.ts'
import type { Entry } from '../house/entries.ts'
import { house } from '../house/gateway.ts'
import type { Answer, House } from '../house/gateway.ts'
import { standingLeases } from '../../gateway/store/leases.ts'
import { openReader } from '../../gateway/store/open-reader.ts'
import { verifyStore } from '../../gateway/store/verify.ts'
import { callOf, ended, furnish, lendingCompany, logIn, logins, serverLog, until } from './company.ts'
import type { Login } from './company.ts'

describe('a login that is leased', function () {
  this.timeout(60_000)
  let database: Database
  let proxy: Proxy
  let where: Awaited<ReturnType<typeof lendingCompany>>
  let gate: House
  let keys = 0

  before(async () => {
    database = await startPostgres(['log_statement=all', 'logging_collector=on', 'log_destination=jsonlog'])
    await furnish(database)
    proxy = await startProxy(database.port)
    where = await lendingCompany(proxy.port)
    gate = await house(where, { lookEvery_ms: 50 })
  })
  after(async () => {
    await gate?.stop()
    if (where !== undefined) assert.deepEqual((await verifyStore(join(where.dir, 'keystay.db'))).problems, [])
    await proxy?.close()
    await database?.stop()
    await where?.remove()
  })

  const sign = (account = 'bot'): Promise<string> => gate.token(account, 'analyst')
  const ask = (token: string, action = 'login', key = `k${++keys}`): Promise<Answer> =>
    gate.call(token, `warehouse.${action}`, {}, key)
  const given = (answer: Answer): Login => {
    assert.deepEqual([answer.status, answer.body?.status], [200, 'done'], answer.text)
    return answer.body.output as Login
  }
  const exchanged = async (more: { [name: string]: string }): Promise<{ access_token: string; session: string }> => {
    const form = {
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: await gate.person('bot'),
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      scope: 'role:analyst',
    }
    return (await gate.agent('/oauth/token', { method: 'POST', body: new URLSearchParams({ ...form, ...more }) })).body
  }
  const end = (token: string): Promise<Answer> =>
    gate.agent('/v1/session', { method: 'DELETE', headers: { authorization: `Bearer ${token}` } })
  const about = (call: string): Entry[] => entriesOf(where.dir).filter((entry) => entry['call'] === call)

  it('has the rights of its roles and no others, as many connections as it says, and ends by itself', async () => {
    const token = await sign()
    const answer = await ask(token)
    const login = given(answer)
    assert.match(login.user, /^keystay_call_[0-9a-z]{26}$/)
    assert.equal(login.user, `keystay_${answer.body.call.toLowerCase()}`)
    assert.match(login.password, /^[A-Za-z0-9_-]{43}$/)
    assert.deepEqual(
      [login.host, login.port, login.database, login.sslmode],
      ['127.0.0.1', proxy.port, 'postgres', 'disable'],
    )
    const [one, other] = [await logIn(login), await logIn(login)]
    assert.deepEqual((await one.query('select sum(total)::int as sum from sales')).rows, [{ sum: 30 }])
    await assert.rejects(one.query('select * from salaries'), { code: '42501' })
    await assert.rejects(one.query('delete from sales'), { code: '42501' })
    await assert.rejects(one.query('set role reporting_reader'), { code: '42501' })
    await assert.rejects(one.query('create table mine (id int)'), { code: '42501' })
    await assert.rejects(one.query('create role friend'), { code: '42501' })
    await assert.rejects(one.query(`alter role current_user valid until 'infinity'`), { code: '42501' })
    await assert.rejects(one.query('alter role current_user connection limit 10'), { code: '42501' })
    await assert.rejects(logIn(login), { code: '53300' })
    const [role] = await database.sql('select * from pg_roles where rolname = $1', [login.user])
    const { rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls, rolconnlimit, rolvaliduntil } =
      role ?? {}
    assert.deepEqual(
      [rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls, rolconnlimit],
      [false, false, false, false, false, 2],
    )
    const off = Math.abs(Date.parse(login.expires_at) - new Date(String(rolvaliduntil)).getTime())
    assert.ok(off < 2000, `${off} ms between what the server and the answer say`)
    await Promise.all([one.end(), other.end()])
    await end(token)
    await until('it is gone', async () => !(await logins(database)).includes(login.user))
  })

  it('sees the rows of its own login alone, whatever it calls itself', async () => {
    const token = await sign()
    const [mine, theirs] = [await logIn(given(await ask(token))), await logIn(given(await ask(token)))]
    await mine.query(`insert into notes (text) values ('mine')`)
    await theirs.query(`insert into notes (text) values ('theirs')`)
    await assert.rejects(mine.query(`insert into notes values ('postgres', 'forged')`), { code: '42501' })
    await mine.query(`set application_name = 'postgres'`)
    await mine.query(`set session characteristics as transaction read write`)
    assert.deepEqual((await mine.query('select text from notes')).rows, [{ text: 'mine' }])
    assert.deepEqual((await theirs.query('select text from notes')).rows, [{ text: 'theirs' }])
    await Promise.all([mine.end(), theirs.end()])
    await end(token)
  })

  it('is dead within a second of the revocation of its session, though it has a connection in a transaction', async () => {
    const token = await sign()
    const session = (await gate.agent('/v1/session', { headers: { authorization: `Bearer ${token}` } })).body.session
    const login = given(await ask(token))
    const client = await logIn(login)
    // Its own row of the server is locked by it: what revokes it must not wait for that.
    await client.query("begin; create temporary table mine (id int); alter role current_user password 'mine'")
    const over = ended(client)
    await gate.admin('sam', 'POST', `/admin/v1/sessions/${session}/revoke`)
    const took_ms = await over
    assert.ok(took_ms < 1000, `${took_ms} ms`)
    await until('it is dropped', async () => !(await logins(database)).includes(login.user))
    await assert.rejects(logIn(login), { code: '28P01' })
    const kinds = about(session === '' ? '' : callOf(login)).map(({ kind, reason }) => [kind, reason])
    assert.deepEqual(kinds, [
      ['call.started', undefined],
      ['call.settled', undefined],
      ['lease.issued', undefined],
      ['lease.revoked', 'revoked'],
    ])
  })

  const endings: readonly [string, string, (token: string) => Promise<unknown>][] = [
    ['its agent logs out', 'logout', (token) => end(token)],
    ['its time is over', 'expired', async () => {}],
    ['its session expires', 'session_expired', async () => {}],
  ]
  for (const [what, reason, how] of endings) {
    it(`is revoked when ${what}`, async () => {
      const token = reason === 'session_expired' ? (await exchanged({ requested_ttl: '1' })).access_token : await sign()
      const login = given(await ask(token, reason === 'expired' ? 'brief' : 'login'))
      const client = await logIn(login)
      const over = ended(client)
      await how(token)
      await over
      await until('it is written down', () => about(callOf(login)).some(({ kind }) => kind === 'lease.revoked'))
      assert.deepEqual(
        about(callOf(login)).flatMap(({ kind, reason: why }) => (kind === 'lease.revoked' ? [why] : [])),
        [reason],
      )
      assert.ok(!(await logins(database)).includes(login.user))
    })
  }

  it('goes on in the renewal of its session, and ends with that', async () => {
    const first = await exchanged({})
    const login = given(await ask(first.access_token))
    const second = await exchanged({ session: first.session })
    await gate.agent('/v1/session', { headers: { authorization: `Bearer ${second.access_token}` } })
    assert.equal((await end(first.access_token)).body.code, 'session_revoked')
    const client = await logIn(login)
    const over = ended(client)
    // longer than it takes to be looked at
    await sleep(600)
    await client.query('select 1')
    await end(second.access_token)
    await over
    await until('it is gone', async () => !(await logins(database)).includes(login.user))
  })

  it('is answered once: a repeat of its key is told so, and its password is in no table, log or entry', async () => {
    const token = await sign()
    const first = await ask(token, 'login', 'once')
    const login = given(first)
    const again = await ask(token, 'login', 'once')
    assert.deepEqual([again.status, again.body.code, again.body.call], [409, 'lease_already_given', first.body.call])
    assert.equal(again.headers.get('idempotency-replayed'), 'true')
    const shown = await gate.show(token, first.body.call)
    assert.deepEqual([shown.status, shown.body.status, shown.body.problem.code], [200, 'done', 'lease_already_given'])
    assert.equal(shown.body.output, undefined)
    assert.deepEqual(
      [shown.body.evidence.login, shown.body.evidence.expires_at, shown.body.evidence.lifetime_s],
      [login.user, login.expires_at, 1800],
    )
    const client = await logIn(login)
    await client.query('select 1')
    await client.end()
    const story = await gate.admin('dana', 'GET', `/admin/v1/calls/${first.body.call}`)
    const everything = [
      again.text,
      shown.text,
      story.text,
      (await gate.agent('/v1/calls', { headers: { authorization: `Bearer ${token}` } })).text,
      gate.log.join('\n'),
      ...['keystay.db', 'keystay.db-wal'].map((file) => readFileSync(join(where.dir, file), 'latin1')),
      JSON.stringify(await serverLog(database)),
      JSON.stringify(await database.sql('select * from pg_authid')),
    ].join('\n')
    assert.ok(everything.includes(login.user))
    assert.ok(!everything.includes(login.password), 'the password stands somewhere')
    const issued = about(first.body.call).find(({ kind }) => kind === 'lease.issued')
    assert.deepEqual(
      { ...issued, id: '', at: '', session: '' },
      {
        id: '',
        at: '',
        kind: 'lease.issued',
        call: first.body.call,
        session: '',
        role: 'analyst',
        principal: 'demo:bot',
        action: 'warehouse.login',
        effect: 'lease',
        backend: 'warehouse',
        login: login.user,
        place: `127.0.0.1:${proxy.port}/postgres`,
        lifetime_s: 1800,
        expires_at: login.expires_at,
      },
    )
    await end(token)
  })

  it('is found in the log of the server: its statements by its login, and by its session where nothing else is said', async () => {
    const token = await sign()
    const session = (await gate.agent('/v1/session', { headers: { authorization: `Bearer ${token}` } })).body.session
    const login = given(await ask(token))
    const client = await logIn(login)
    await client.query('select 42 as the_answer from sales')
    await client.end()
    await until('it is logged', async () =>
      (await serverLog(database)).some(({ user, message, application_name }) => {
        return (
          user === login.user && String(message).includes('the_answer') && application_name === `keystay ${session}`
        )
      }),
    )
    await end(token)
  })

  it('needs a key; what the server does not give is refused, and nothing is left of it', async () => {
    const token = await sign()
    const keyless = await gate.call(token, 'warehouse.login', {})
    assert.deepEqual([keyless.status, keyless.body.code], [400, 'key_required'])
    const refused = await ask(token, 'unknown')
    assert.deepEqual([refused.status, refused.body.code], [424, 'backend_refused'], refused.text)
    assert.ok(!(await logins(database)).includes(`keystay_${refused.body.call.toLowerCase()}`))
    const dry = await gate.call(token, 'warehouse.login', {}, undefined, { 'keystay-dry-run': 'true' })
    assert.deepEqual(dry.body.dry_run.request, {
      lease: { roles: ['reporting_reader'], connections: 2, lifetime_s: 1800 },
    })
  })

  it('counts in a budget, and is stopped by a freeze, which ends none that stands', async () => {
    const token = await sign('other-bot')
    const login = given(await ask(token, 'counted'))
    const spent = await ask(token, 'counted')
    assert.deepEqual(
      [spent.status, spent.body.code, spent.body.because],
      [403, 'denied', ['grants.warehouse.counted.budget[0]']],
    )
    await gate.admin('sam', 'PUT', '/admin/v1/switches/all', { on: true, reason: 'an incident' })
    const frozen = await ask(token)
    assert.deepEqual([frozen.status, frozen.body.code], [403, 'frozen'])
    const client = await logIn(login)
    await client.query('select 1')
    await gate.admin('sam', 'PUT', '/admin/v1/switches/all', { on: false, reason: 'it is over' })
    await client.end()
    await end(token)
  })

  it('that people must approve is made when its agent comes for it, and given to that request alone', async () => {
    const token = await sign()
    const held = await ask(token, 'guarded', 'held')
    assert.deepEqual([held.status, held.body.status], [202, 'held'])
    const before = await logins(database)
    const approved = await gate.approve('dana', held.body.call)
    assert.deepEqual([approved.status, approved.body.status], [200, 'held'], approved.text)
    assert.deepEqual(await logins(database), before)
    assert.equal((await gate.approve('omar', held.body.call)).body.code, 'already_decided')
    const other = await gate.show(await sign(), held.body.call)
    assert.equal(other.body.status, 'held', 'another session of the same principal is not who asked')
    const login = given(await ask(token, 'guarded', 'held'))
    await (await logIn(login)).end()
    assert.equal((await ask(token, 'guarded', 'held')).body.code, 'lease_already_given')
    assert.deepEqual(
      about(held.body.call).map(({ kind }) => kind),
      ['call.held', 'call.approved', 'approval.refused', 'call.started', 'call.settled', 'lease.issued'],
    )
    await end(token)
  })

  it('that people approve while its agent waits is given to who waits', async () => {
    const token = await sign()
    const held = await ask(token, 'guarded')
    const waiting = gate.show(token, held.body.call, 20)
    await gate.approve('dana', held.body.call)
    given(await waiting)
    await end(token)
  })

  it('whose session ended before anybody came for it is never made', async () => {
    const token = await sign()
    const held = await ask(token, 'guarded')
    await gate.approve('dana', held.body.call)
    const session = (await gate.agent('/v1/session', { headers: { authorization: `Bearer ${token}` } })).body.session
    await gate.admin('sam', 'POST', `/admin/v1/sessions/${session}/revoke`)
    const shown = await gate.show(await sign(), held.body.call)
    assert.equal(shown.body.status, 'cancelled')
    assert.ok(!(await logins(database)).includes(`keystay_${held.body.call.toLowerCase()}`))
  })

  for (const cut of ['lost_answer', 'lost_request'] as const) {
    it(`of which nobody knows whether it was made (${cut}) is revoked, and never made again`, async () => {
      const token = await sign()
      const key = `doubt-${cut}`
      proxy.cut(cut)
      const first = await ask(token, 'login', key)
      const again = await ask(token, 'login', key)
      for (const { status, body } of [first, again]) {
        assert.deepEqual([status, body.code], [424, 'backend_refused'])
        assert.match(body.detail, /revoked before anybody had it: ask again under a new key/)
      }
      assert.ok(!(await logins(database)).includes(`keystay_${first.body.call.toLowerCase()}`))
      assert.deepEqual(
        about(first.body.call).map(({ kind, outcome }) => [kind, outcome]),
        [
          ['call.started', undefined],
          ['call.unknown', undefined],
          ['call.reconciled', 'refused'],
        ],
      )
      await end(token)
    })
  }

  it('is shut for good where it owns something in another database, and the ledger says what is left', async () => {
    await database.sql('create database elsewhere')
    const token = await sign()
    const login = given(await ask(token))
    const admin = { ...login, user: 'postgres', password: PASSWORD, port: database.port, database: 'elsewhere' }
    const there = await logIn(admin)
    await there.query(`grant create on schema public to "${login.user}"`)
    const theirs = await logIn({ ...login, port: database.port, database: 'elsewhere' })
    await theirs.query('create table kept (id int); create table kept_too (id int)')
    const over = ended(theirs)
    await end(token)
    await over
    await until('its end is written down', () => about(callOf(login)).some(({ kind }) => kind === 'lease.revoked'))
    const [entry] = about(callOf(login)).filter(({ kind }) => kind === 'lease.revoked')
    assert.deepEqual([entry?.['reason'], entry?.['left']], ['logout', '3 objects in database elsewhere'])
    assert.ok((await logins(database)).includes(login.user))
    await assert.rejects(logIn(login), /not permitted to log in|authentication failed/)
    // Nobody tends it any more.
    const reader = openReader(`sqlite:${join(where.dir, 'keystay.db')}`)
    const standing = await standingLeases(reader)
    await reader.close()
    assert.ok(!standing.some(({ call }) => call === callOf(login)))
    await there.query(`drop owned by "${login.user}"; drop role "${login.user}"`)
    await there.end()
  })

  it('is revoked when its role leaves the policy', async () => {
    const login = given(await ask(await sign()))
    await rm(join(where.policies, 'roles/analyst.yaml'))
    await until('it is gone', async () => !(await logins(database)).includes(login.user))
    await until('it is written down', () => about(callOf(login)).some(({ reason }) => reason === 'role_removed'))
  })
})
