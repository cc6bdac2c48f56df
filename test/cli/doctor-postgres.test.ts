import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startPostgres } from '../backends/postgres.ts'
import type { Database } from '../backends/postgres.ts'
import { startLying } from '../backends/lying.ts'
import { company } from '../house/company.ts'
import { house } from '../house/gateway.ts'
import { keystay } from './keystay.ts'

describe('keystay doctor on a store that replicas share', function () {
  this.timeout(60_000)
  let server: Database
  let dir: string
  before(async () => {
    server = await startPostgres(['log_statement=none'])
    dir = await mkdtemp(join(tmpdir(), 'keystay-doctor-'))
  })
  after(async () => {
    await server?.stop()
    await rm(dir, { recursive: true, force: true })
  })

  const said = async (store: string, checks: readonly string[], key = join(dir, 'key')): Promise<string[]> => {
    const { out } = await keystay(['doctor', '--json', '--dev', '--store', store, '--ledger-key', `file://${key}`])
    const { findings } = JSON.parse(out) as { findings: { level: string; check: string; message: string }[] }
    return findings.filter(({ check }) => checks.includes(check)).map((one) => `${one.level} ${one.message}`)
  }

  it('says whether the server is durable for this login, and makes no table', async () => {
    const store = await server.fresh()
    const [ok = '', none = '', ...more] = await said(store, ['store', 'ledger', 'limits'])
    assert.match(ok, /^ok PostgreSQL at 127.0.0.1:\d+\/fresh_1: synchronous_commit, fsync and full_page_writes are on/)
    assert.deepEqual([none, more], ['ok the ledger is not there yet: the first start makes it', []])
    const verified = await keystay(['ledger', 'verify', '--store', store])
    assert.deepEqual(
      [verified.exit, verified.err],
      [2, 'keystay: there is no ledger in this database: no gateway has served from it yet.\n'],
    )
    await server.sql(`CREATE ROLE hasty LOGIN SUPERUSER PASSWORD 'sk_test_hasty'`)
    await server.sql(`ALTER ROLE hasty SET synchronous_commit = off`)
    const hasty = await said(store.replace(/\/\/[^@]*@/, '//hasty:sk_test_hasty@'), ['store', 'ledger', 'limits'])
    assert.equal(hasty.length, 1)
    assert.match(hasty[0] ?? '', /^fail .*needs synchronous_commit = on/)
    assert.match((await said(store.replace(/:\d+\//, ':1/'), ['store']))[0] ?? '', /^fail .*ECONNREFUSED/)
  })

  it('adds every limit up from the entries of a ledger that is served', async () => {
    const pay = await startLying()
    const where = await company({ pay: pay.url, shop: pay.url, blind: pay.url })
    const store = await server.fresh()
    const key = join(where.dir, 'ledger-key')
    const gate = await house(where, { store, ledgerKey: `file://${key}` })
    try {
      const done = await gate.call(await gate.token(), 'pay.refund', { charge: 'ch_1', amount: 700 }, 'k')
      assert.equal(done.status, 200)
      const found = await said(store, ['ledger', 'limits'], key)
      assert.match(found.join('\n'), /^ok \d+ entries, checkpoint signed at \d+\nok 1 limit .*, 1 call as/)
    } finally {
      await gate.stop()
      await pay.close()
      await where.remove()
    }
  })
})
