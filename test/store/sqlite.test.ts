import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { StoreFault } from '../../gateway/store/db.ts'
import { assertDurable, driverOn, openSqlite, readSqlite } from '../../gateway/store/sqlite.ts'
import { databaseSuite } from '../suites/db.ts'
import { freshFile } from './operations.ts'

function place(): string {
  const file = freshFile()
  mkdirSync(dirname(file), { recursive: true })
  return file
}

databaseSuite('sqlite', async () => openSqlite(place()))

describe('a SQLite file', () => {
  it('is written with WAL and synchronous FULL, mode 0600, its WAL too', async () => {
    const file = place()
    const driver = openSqlite(file)
    const pragmas = await driver.transaction(async (db) => {
      await db.run('CREATE TABLE t (a TEXT)')
      return [
        ...(await db.all('PRAGMA synchronous')),
        ...(await db.all('PRAGMA journal_mode')),
        ...(await db.all('PRAGMA foreign_keys')),
      ]
    })
    assert.deepEqual(
      pragmas.map((row) => ({ ...(row as object) })),
      [{ synchronous: 2 }, { journal_mode: 'wal' }, { foreign_keys: 1 }],
    )
    assert.deepEqual(
      [file, `${file}-wal`, `${file}-shm`].map((name) => statSync(name).mode & 0o777),
      [0o600, 0o600, 0o600],
    )
    await driver.close()
  })

  const durable = { journal_mode: 'wal', synchronous: 2, foreign_keys: 1 }
  const weak: readonly (readonly [string, object, RegExp])[] = [
    ['synchronous OFF', { synchronous: 0 }, /synchronous FULL \(2\), and SQLite gives 0/],
    ['synchronous NORMAL', { synchronous: 1 }, /synchronous FULL \(2\), and SQLite gives 1/],
    ['a rollback journal', { journal_mode: 'delete' }, /journal_mode wal, and SQLite gives delete/],
    ['a journal in memory', { journal_mode: 'memory' }, /journal_mode wal/],
    ['no foreign keys', { foreign_keys: 0 }, /foreign_keys/],
    ['no answer', { synchronous: undefined }, /gives undefined/],
  ]
  for (const [name, change, message] of weak) {
    it(`is refused with ${name}`, () => {
      const pragmas: { [name: string]: unknown } = { ...durable, ...change }
      assert.throws(() => assertDurable((pragma) => pragmas[pragma]), message)
    })
  }

  it('says when it is full, rolls back, and takes the next when there is room', async () => {
    const file = place()
    await openSqlite(file).close()
    const database = new DatabaseSync(file)
    database.exec('PRAGMA max_page_count = 8; CREATE TABLE t (a TEXT)')
    const driver = driverOn(database)
    const big = driver.transaction(async (db) => {
      for (let row = 0; row < 100; row++) await db.run('INSERT INTO t (a) VALUES ($1)', ['x'.repeat(2000)])
    })
    await assert.rejects(big, (error) => error instanceof StoreFault && error.kind === 'full')
    await driver.transaction((db) => db.run('INSERT INTO t (a) VALUES ($1)', ['small']))
    assert.deepEqual(
      (await driver.transaction((db) => db.all<{ a: string }>('SELECT a FROM t'))).map(({ a }) => a),
      ['small'],
    )
    await driver.close()
  })

  it('cannot be written through a reader, which sees one moment in a snapshot', async () => {
    const file = place()
    const driver = openSqlite(file)
    await driver.transaction((db) => db.run('CREATE TABLE t (a TEXT)'))
    const reader = readSqlite(file)
    await assert.rejects(reader.run(`INSERT INTO t (a) VALUES ('x')`), /readonly/)
    const counts = await reader.snapshot(async (db) => {
      const count = async () => (await db.all<{ n: number }>('SELECT COUNT(*) AS n FROM t'))[0]?.n
      const before = await count()
      await driver.transaction((writing) => writing.run(`INSERT INTO t (a) VALUES ('x')`))
      return [before, await count()]
    })
    assert.deepEqual(counts, [0, 0])
    assert.equal((await reader.all('SELECT a FROM t')).length, 1)
    await reader.close()
    await driver.close()
  })

  it('is refused when it is a directory or a device, whose mode stays as it is', () => {
    const before = statSync('/dev/null').mode
    for (const path of [dirname(place()), '/dev/null']) assert.throws(() => openSqlite(path), /not a regular file/)
    assert.equal(statSync('/dev/null').mode, before)
  })

  it('is refused when it is no database, and left as it is', () => {
    const file = place()
    writeFileSync(file, 'a letter to my aunt, and long enough to be no header of a database '.repeat(20))
    const before = readFileSync(file)
    assert.throws(() => openSqlite(file), /not a database/)
    assert.deepEqual(readFileSync(file), before)
  })
})
