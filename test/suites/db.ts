import assert from 'node:assert/strict'
import { insert, select, StoreFault } from '../../gateway/store/db.ts'
import type { Driver } from '../../gateway/store/db.ts'
import { migrate } from '../../gateway/store/schema.ts'

/** What every database driver must do, whatever it is: one body, called with a way to open a fresh database. */
export function databaseSuite(name: string, open: () => Promise<Driver>): void {
  describe(`the database ${name}`, () => {
    let driver: Driver
    before(async () => {
      driver = await open()
      await driver.transaction((db) => db.run('CREATE TABLE t (id TEXT PRIMARY KEY, n BIGINT, note TEXT)'))
    })
    beforeEach(() => driver.transaction((db) => db.run('DELETE FROM t')))
    after(() => driver.close())

    const all = () =>
      driver.transaction((db) =>
        db.all<{ id: string; n: number; note: string | null }>('SELECT id, n, note FROM t ORDER BY id'),
      )

    it('keeps texts, integers up to 2^53 - 1 and nulls as they are', async () => {
      const rows = [
        ['a', Number.MAX_SAFE_INTEGER, 'für Zoë \u0001\u2028 🙂 $1 ?'],
        ['b', -1, null],
      ] as const
      await driver.transaction((db) => insert(db, 'INSERT INTO t (id, n, note) VALUES', rows))
      assert.deepEqual(
        (await all()).map(({ id, n, note }) => [id, n, note]),
        rows,
      )
    })

    it('keeps nothing of a transaction whose work throws, and passes the error through', async () => {
      const error = new Error('a bug')
      const failed = driver.transaction(async (db) => {
        await db.run(`INSERT INTO t (id, n) VALUES ('a', 1)`)
        throw error
      })
      await assert.rejects(failed, error)
      assert.deepEqual(await all(), [])
    })

    it('keeps nothing of a transaction that contradicts what is there, and says so', async () => {
      await driver.transaction((db) => db.run(`INSERT INTO t (id, n) VALUES ('a', 1)`))
      const failed = driver.transaction((db) =>
        insert(db, 'INSERT INTO t (id, n) VALUES', [
          ['b', 2],
          ['a', 3],
        ]),
      )
      await assert.rejects(
        failed,
        (error) => error instanceof StoreFault && error.kind === 'constraint' && error.during === 'work',
      )
      assert.deepEqual(
        (await all()).map(({ id, n }) => [id, n]),
        [['a', 1]],
      )
    })

    it('runs one transaction at a time, in the order they were asked for', async () => {
      const add = (n: number) =>
        driver.transaction(async (db) => {
          const [row] = await db.all<{ n: number }>('SELECT COALESCE(MAX(n), 0) AS n FROM t')
          await new Promise((resolve) => setImmediate(resolve))
          await db.run('INSERT INTO t (id, n) VALUES ($1, $2)', [`row ${n}`, (row?.n ?? 0) + 1])
          return n
        })
      assert.deepEqual(await Promise.all([1, 2, 3].map(add)), [1, 2, 3])
      assert.deepEqual(
        (await all()).map(({ id, n }) => [id, n]),
        [
          ['row 1', 1],
          ['row 2', 2],
          ['row 3', 3],
        ],
      )
    })

    it('says how many rows it changed', async () => {
      await driver.transaction((db) =>
        insert(db, 'INSERT INTO t (id, n) VALUES', [
          ['a', 1],
          ['b', 1],
          ['c', 2],
        ]),
      )
      assert.equal(await driver.transaction((db) => db.run('UPDATE t SET n = $1 WHERE n = $2', [5, 1])), 2)
      assert.equal(await driver.transaction((db) => db.run('UPDATE t SET n = $1 WHERE n = $2', [5, 1])), 0)
    })

    it('inserts and finds more rows than fit into one statement', async () => {
      const rows = Array.from({ length: 700 }, (_, n) => [String(n).padStart(4, '0'), n] as const)
      const found = await driver.transaction(async (db) => {
        await insert(db, 'INSERT INTO t (id, n) VALUES', rows)
        return select<{ n: number }>(
          db,
          'SELECT n FROM t WHERE id IN',
          rows.map(([id]) => id),
        )
      })
      assert.deepEqual(
        found.map(({ n }) => n).sort((one, other) => one - other),
        rows.map(([, n]) => n),
      )
    })

    it('finds nothing for an empty list, and each row once', async () => {
      const found = await driver.transaction(async (db) => {
        await insert(db, 'INSERT INTO t (id, n) VALUES', [
          ['a', 1],
          ['b', 2],
          ['c', 3],
        ])
        const head = 'SELECT id FROM t WHERE id IN'
        return [await select(db, head, []), (await select(db, head, ['a', 'b', 'c'], 'ORDER BY id')).length]
      })
      assert.deepEqual(found, [[], 3])
    })

    it('makes its schema once, and refuses one of a newer version', async () => {
      await migrate(driver)
      await migrate(driver)
      const [made] = await driver.transaction((db) => db.all<{ version: number }>('SELECT version FROM schema_version'))
      await driver.transaction((db) => db.run('UPDATE schema_version SET version = 999'))
      await assert.rejects(migrate(driver), /schema version 999.*run the newer Keystay/)
      await driver.transaction((db) => db.run('UPDATE schema_version SET version = $1', [made?.version ?? 0]))
    })
  })
}
