import assert from 'node:assert/strict'
import { startPostgres } from '../backends/postgres.ts'
import type { Database } from '../backends/postgres.ts'
import { startCutting } from '../backends/cutting-proxy.ts'
import { StoreFault } from '../../gateway/store/db.ts'
import { openPostgres, reopenPostgres } from '../../gateway/store/postgres.ts'
import { databaseSuite } from '../suites/db.ts'

describe('PostgreSQL as a store', function () {
  this.timeout(30_000)
  let server: Database
  before(async () => {
    server = await startPostgres(['log_statement=none'])
  })
  after(() => server?.stop())

  databaseSuite('postgres', async () => openPostgres({ url: await server.fresh() }))

  for (const [setting, value, says] of [
    ['synchronous_commit', 'off', /needs synchronous_commit = on, and the server has off/],
    ['synchronous_commit', 'local', /needs synchronous_commit = on, and the server has local/],
  ] as const) {
    it(`is refused with ${setting} = ${value}, also when only this login has it`, async () => {
      const url = await server.fresh()
      const role = `careless_${value}`
      await server.sql(`CREATE ROLE ${role} LOGIN SUPERUSER PASSWORD 'sk_test_careless'`)
      await server.sql(`ALTER ROLE ${role} SET ${setting} = ${value}`)
      const driver = openPostgres({ url: url.replace(/\/\/[^@]*@/, `//${role}:sk_test_careless@`) })
      await assert.rejects(
        driver.transaction(async () => {}),
        says,
      )
      await driver.close()
    })
  }

  it('writes by one process at a time, and tells the database’s clock', async () => {
    const url = await server.fresh()
    const [one, other] = [openPostgres({ url }), openPostgres({ url })]
    await one.transaction((db) => db.run('CREATE TABLE counter (n BIGINT)'))
    await one.transaction((db) => db.run('INSERT INTO counter (n) VALUES (0)'))
    const add = (driver: typeof one) =>
      driver.transaction(async (db, wall) => {
        assert.ok(Number.isInteger(wall) && Math.abs((wall ?? 0) - Date.now()) < 5000)
        const [row] = await db.all<{ n: number }>('SELECT n FROM counter')
        await db.run('UPDATE counter SET n = $1', [(row?.n ?? 0) + 1])
      })
    await Promise.all(Array.from({ length: 40 }, (_, n) => add(n % 2 === 0 ? one : other)))
    const [row] = await one.transaction((db) => db.all<{ n: number }>('SELECT n FROM counter'))
    assert.equal(row?.n, 40)
    await Promise.all([one.close(), other.close()])
  })

  it('does not wait for ever for a process that stopped in its transaction', async () => {
    const url = await server.fresh()
    const [stopped, other] = [openPostgres({ url }), openPostgres({ url })]
    const resume = Promise.withResolvers<void>()
    const held = Promise.withResolvers<void>()
    const paused = stopped.transaction(async (db) => {
      await db.run('CREATE TABLE left_open (n BIGINT)')
      held.resolve()
      await resume.promise
      await db.run('INSERT INTO left_open (n) VALUES (1)')
    })
    await held.promise
    await other.transaction((db) => db.run('CREATE TABLE another (n BIGINT)'))
    resume.resolve()
    await assert.rejects(paused, (error) => error instanceof StoreFault && error.kind === 'gone')
    // The connection is made again, and nothing of it was kept.
    await assert.rejects(
      stopped.transaction((db) => db.all('SELECT n FROM left_open')),
      /does not exist/,
    )
    await Promise.all([stopped.close(), other.close()])
  })

  it('does not wait for ever for a process that stopped while it read a commit back', async () => {
    const url = await server.fresh()
    const stopped = await reopenPostgres({ url }, () => false)
    const other = openPostgres({ url })
    await other.transaction((db) => db.run('CREATE TABLE t (n BIGINT)'))
    await assert.rejects(
      stopped.all('SELECT n FROM t'),
      (error) => error instanceof StoreFault && error.kind === 'gone',
    )
    await Promise.all([stopped.close(), other.close()])
  })

  it('keeps what it was asked for when the server is told to care less', async () => {
    const driver = openPostgres({ url: await server.fresh() })
    const shown = () => driver.transaction((db) => db.all('SHOW synchronous_commit'))
    await shown()
    await server.sql('ALTER SYSTEM SET synchronous_commit = off')
    await server.sql('SELECT pg_reload_conf(), pg_sleep(0.3)')
    assert.deepEqual(await shown(), [{ synchronous_commit: 'on' }])
    await driver.close()
    await server.sql('ALTER SYSTEM RESET synchronous_commit')
    await server.sql('SELECT pg_reload_conf(), pg_sleep(0.3)')
  })

  describe('a connection that is cut at COMMIT', () => {
    for (const cut of ['before', 'after'] as const) {
      it(`${cut} the server had it: the fault says that it is not known, and a fresh connection knows`, async () => {
        const url = await server.fresh()
        const proxy = await startCutting(server.port)
        const through = url.replace(/:\d+\//, `:${proxy.port}/`)
        const driver = openPostgres({ url: through })
        await driver.transaction((db) => db.run('CREATE TABLE t (n BIGINT)'))
        proxy.cutCommit(cut)
        const lost = driver.transaction((db) => db.run('INSERT INTO t (n) VALUES (1)'))
        await assert.rejects(
          lost,
          (error) => error instanceof StoreFault && error.kind === 'gone' && error.during === 'commit',
        )
        const reader = await reopenPostgres({ url: through }, () => false)
        assert.equal((await reader.all('SELECT n FROM t')).length, cut === 'after' ? 1 : 0)
        await reader.close()
        await driver.transaction((db) => db.run('INSERT INTO t (n) VALUES (2)'))
        await driver.close()
        await proxy.close()
      })
    }
  })
})
