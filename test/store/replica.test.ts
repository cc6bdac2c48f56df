import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { startCutting } from '../backends/cutting-proxy.ts'
import { startPostgres } from '../backends/postgres.ts'
import type { Database } from '../backends/postgres.ts'
import { fold, touches } from '../../gateway/core/fold.ts'
import { openPostgres, readPostgres, reopenPostgres } from '../../gateway/store/postgres.ts'
import { openReplica } from '../../gateway/store/replica.ts'
import type { ReplicaOptions } from '../../gateway/store/replica.ts'
import type { OpenStore } from '../../gateway/store/store.ts'
import { issue, newSigner, note } from './operations.ts'

describe('a store that several processes share', function () {
  this.timeout(30_000)
  let server: Database
  const stores: OpenStore[] = []
  before(async () => {
    server = await startPostgres(['log_statement=none'])
  })
  after(() => server?.stop())
  afterEach(async () => {
    await Promise.all(stores.splice(0).map((store) => store.close()))
  })

  const open = async (url: string, more: Partial<ReplicaOptions> = {}): Promise<OpenStore> => {
    const store = await openReplica({
      driver: openPostgres({ url }),
      reader: readPostgres({ url }),
      reopen: (given) => reopenPostgres({ url }, given),
      signer: newSigner(),
      strictClock: false,
      onLate: () => {},
      ...more,
    })
    stores.push(store)
    return store
  }

  it('lives on when a connection is cut that somebody reads a snapshot on, whether or not a question is out', async () => {
    const url = await server.fresh()
    const proxy = await startCutting(server.port)
    const reader = readPostgres({ url: url.replace(/:\d+\//, `:${proxy.port}/`) })
    const cut = reader.snapshot(async () => {
      proxy.cutAll()
      await sleep(100)
      return 'unharmed'
    })
    assert.equal(await cut, 'unharmed')
    assert.deepEqual(await reader.all('SELECT 1 AS one'), [{ one: 1 }])
    await reader.close()
    await proxy.close()
  })

  it('reads a commit back also when that connection is cut too', async () => {
    const url = await server.fresh()
    const proxy = await startCutting(server.port)
    const through = url.replace(/:\d+\//, `:${proxy.port}/`)
    let cuts = 0
    const store = await open(through, {
      async reopen(given) {
        const reader = await reopenPostgres({ url: through }, given)
        if (++cuts > 1) return reader
        proxy.cutAll()
        await sleep(50)
        return reader
      },
    })
    proxy.cutCommit('after')
    await store.write(note('kept'))
    assert.deepEqual([cuts, store.ready()], [2, { ok: true }])
    await store.close()
    await proxy.close()
  })

  it('writes nothing more where entries are gone that it has seen: another copy answers', async () => {
    const url = await server.fresh()
    const name = new URL(url).pathname.slice(1)
    const alone = async (work: () => Promise<unknown>): Promise<void> => {
      await server.sql(`ALTER DATABASE ${name} ALLOW_CONNECTIONS false`)
      await server.sql(`SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity WHERE datname = '${name}'`)
      await work()
      await server.sql(`ALTER DATABASE ${name} ALLOW_CONNECTIONS true`)
    }
    const store = await open(url)
    await alone(async () => {
      await server.sql(`CREATE DATABASE behind TEMPLATE ${name}`)
      for (let tries = 0; tries < 100 && store.ready().ok; tries++) await sleep(50)
      assert.match(store.ready().reason ?? '', /the database cannot be reached/)
    })
    // Until it is connected again.
    for (let tries = 0; tries < 100; tries++) {
      const kept = await store.write(note('lost')).catch(() => null)
      if (kept !== null) break
      await sleep(50)
    }
    const { size } = await store.head()
    await alone(async () => {
      await server.sql(`ALTER DATABASE ${name} RENAME TO lost`)
      await server.sql(`ALTER DATABASE behind RENAME TO ${name}`)
    })
    const another = /0 entries, and this process has seen 1 of another/
    // First it only knows that its connection is gone.
    for (let tries = 0; tries < 200 && !another.test(store.ready().reason ?? ''); tries++) await sleep(50)
    assert.match(store.ready().reason ?? '', another)
    await assert.rejects(store.write(note('forked')), { name: 'StoreUnavailable' })
    assert.equal((await store.head()).size, size)
  })

  it('answers a batch’s others when one of it contradicts a row, though the server refuses all that follow', async () => {
    const store = await open(await server.fresh(), {
      folding: {
        touches,
        fold(working, operation) {
          // A policy without a digest is no row.
          if (operation.op === 'note' && operation.kind === 'bad')
            working.texts.push({ digest: null as never, texts: [] })
          return fold(working, operation)
        },
      },
    })
    const bad = { op: 'note', kind: 'bad', fields: {} } as const
    const answers = await Promise.allSettled([store.write(note('one')), store.write(bad), store.write(note('two'))])
    assert.deepEqual(
      answers.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    )
  })

  for (const [name, text] of [
    ['a NUL', 'demo:a\0b'],
    ['half a surrogate pair', 'demo:\ud800'],
  ] as const) {
    it(`refuses a text with ${name}, which no row can hold, and takes nobody along`, async () => {
      const store = await open(await server.fresh())
      const asked = [store.write(note('one')), store.write(issue(text)), store.write(note('two'))]
      const answers = await Promise.allSettled(asked)
      assert.deepEqual(
        answers.map(({ status }) => status),
        ['fulfilled', 'rejected', 'fulfilled'],
      )
    })
  }

  it('is begun by one ledger key, also when two with different ones begin at once', async () => {
    const url = await server.fresh()
    const begun = await Promise.allSettled([open(url), open(url)])
    const refused = begun.flatMap((one) => (one.status === 'rejected' ? [String(one.reason)] : []))
    assert.equal(refused.length, 1)
    assert.match(refused[0] ?? '', /another ledger key|another process has begun/)
  })
})
