import assert from 'node:assert/strict'
import { join } from 'node:path'
import pg from 'pg'
import type { Answer, House } from '../house/gateway.ts'
import { house } from '../house/gateway.ts'
import { startPostgres } from '../backends/postgres.ts'
import type { Database } from '../backends/postgres.ts'
import { modern } from '../doors/mcp.ts'
import { gatewayProcess } from '../kill/process.ts'
import type { GatewayProcess } from '../kill/process.ts'
import { checkLeases } from '../../gateway/cli/doctor/leases.ts'
import { verifyStore } from '../../gateway/store/verify.ts'
import { callOf, ended, furnish, lendingCompany, logIn, logins, until } from './company.ts'
import type { Login } from './company.ts'

describe('logins that are leased', function () {
  this.timeout(60_000)
  let database: Database
  let where: Awaited<ReturnType<typeof lendingCompany>>
  const stores: string[] = []
  /** The store of this test's replicas. */
  const store = (): string => stores.at(-1) ?? ''
  let keys = 0

  before(async () => {
    database = await startPostgres(['log_statement=none'])
    await furnish(database)
  })
  beforeEach(async () => {
    where = await lendingCompany(database.port)
  })
  afterEach(async () => {
    await where.remove()
    assert.deepEqual(await logins(database), [], 'a login was left')
  })
  after(async () => {
    for (const one of stores) assert.deepEqual((await verifyStore(one)).problems, [])
    await database?.stop()
  })
  const onPostgres = async (): Promise<void> => void stores.push(await database.fresh())

  const replica = (): Promise<House> =>
    house(where, { store: store(), ledgerKey: `file://${join(where.dir, 'keystay.db.ledger-key')}`, lookEvery_ms: 50 })
  const ask = (gate: Pick<House, 'call'>, token: string, action = 'login', key = `k${++keys}`): Promise<Answer> =>
    gate.call(token, `warehouse.${action}`, {}, key)
  const given = ({ status, body, text }: Answer): Login => {
    assert.deepEqual([status, body?.status], [200, 'done'], text)
    return body.output as Login
  }
  const revokeAt = async (gate: Omit<House, 'running' | 'stop' | 'log'>, token: string): Promise<void> => {
    const { session } = (await gate.agent('/v1/session', { headers: { authorization: `Bearer ${token}` } })).body
    await gate.admin('sam', 'POST', `/admin/v1/sessions/${session}/revoke`)
  }
  const rows = async (text: string): Promise<{ [column: string]: unknown }[]> => {
    const client = new pg.Client({ connectionString: store() })
    await client.connect()
    try {
      return (await client.query(text)).rows
    } finally {
      await client.end()
    }
  }
  const written = async (): Promise<string[]> => {
    const found = await rows(`select bytes from entries where kind = 'lease.revoked' order by idx`)
    return found.map(({ bytes }) => (JSON.parse(String(bytes)) as { reason: string }).reason)
  }

  it('are made by one, revoked by another, and approved elsewhere than where the agent waits', async () => {
    await onPostgres()
    const [one, other] = [await replica(), await replica()]
    try {
      const token = await one.token('bot', 'analyst')
      const login = given(await ask(one, token))
      const client = await logIn(login)
      const over = ended(client)
      const held = await ask(other, token, 'guarded')
      const waiting = one.show(token, held.body.call, 20)
      await other.approve('dana', held.body.call)
      const approved = given(await waiting)
      await revokeAt(other, token)
      const took_ms = await over
      assert.ok(took_ms < 1000, `${took_ms} ms`)
      await until('both are written down', async () => (await written()).length === 2)
      assert.deepEqual(await written(), ['revoked', 'revoked'])
      const text = JSON.stringify(
        await Promise.all(['entries', 'calls', 'bodies', 'leases', 'sessions'].map((name) => rows(`table ${name}`))),
      )
      assert.ok(text.includes(login.user))
      for (const { password } of [login, approved]) assert.ok(!text.includes(password))
    } finally {
      await Promise.all([one.stop(), other.stop()])
    }
  })

  it('are given over MCP as over REST', async () => {
    await onPostgres()
    const gate = await replica()
    try {
      const token = await gate.token('bot', 'analyst')
      const params = { name: 'warehouse_login', arguments: { request_key: 'over-mcp' } }
      const answer = await modern(gate.running.agentUrl, `Bearer ${token}`, 'tools/call', params)
      const { structuredContent, isError } = answer.body.result
      assert.deepEqual([structuredContent.status, isError ?? false], ['done', false], answer.text)
      await (await logIn(structuredContent.output as Login)).end()
      const again = await modern(gate.running.agentUrl, `Bearer ${token}`, 'tools/call', params)
      assert.equal(again.body.result.structuredContent.code, 'lease_already_given')
      assert.ok(!again.text.includes(structuredContent.output.password))
      const rest = await gate.call(token, 'warehouse.login', {}, 'over-mcp')
      assert.equal(rest.body.code, 'lease_already_given')
      await revokeAt(gate, token)
      await until('it is gone', async () => (await logins(database)).length === 0)
    } finally {
      await gate.stop()
    }
  })

  it('whose server cannot be reached are revoked once it can be, also by who comes after a crash', async () => {
    await onPostgres()
    const gate = await gatewayProcess({ ...where, store: store() })
    const token = await gate.token('bot', 'analyst')
    const login = given(await ask(gate, token, 'login', 'given'))
    await database.sql('alter role broker nologin')
    await revokeAt(gate, token)
    gate.child.kill('SIGKILL')
    await gate.died(5000)
    const next = await replica()
    try {
      await until('it is tried', () => next.log.some((line) => line.includes('could not be revoked')))
      const metrics = (await next.admin('sam', 'GET', '/metrics')).text
      assert.match(metrics, /^keystay_leases_overdue 1$/m)
      const [finding] = await checkLeases(store())
      assert.equal(finding?.message, `${login.user} (${callOf(login)}) must be gone by now and is not revoked`)
      assert.deepEqual(await written(), [])
      assert.deepEqual(await logins(database), [login.user])
      const again = await ask(next, await next.token('bot', 'analyst'), 'login', 'given')
      assert.equal(again.body.code, 'lease_already_given')
      await database.sql('alter role broker login')
      await until('it is gone', async () => (await written()).length === 1)
    } finally {
      await next.stop()
    }
  })

  const deaths: readonly (readonly [string, string])[] = [
    ['attempt.permitted', 'between the intent and the making'],
    ['attempt.answered', 'when it was made, and that is not written down'],
  ]
  for (const [step, when] of deaths) {
    it(`are swept where the process dies ${when}`, async () => {
      let gate: GatewayProcess = await gatewayProcess(where)
      const token = await gate.token('bot', 'analyst')
      await gate.arm(step, 1)
      const lost = ask(gate, token, 'login', 'dies').catch(() => null)
      assert.equal(await gate.died(5000), true, `it must die at ${step}`)
      await lost
      gate = await gatewayProcess(where)
      try {
        const mine = await gate.token('bot', 'analyst')
        const { body } = await gate.call(mine, 'warehouse.login', {}, 'dies', { prefer: 'wait=20' })
        assert.deepEqual([body.code, body.status], ['backend_refused', 424])
        assert.deepEqual(await logins(database), [])
      } finally {
        await gate.stop()
      }
      assert.deepEqual((await verifyStore(join(where.dir, 'keystay.db'))).problems, [])
    })
  }
})
