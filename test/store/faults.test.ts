import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fold, touches } from '../../gateway/core/fold.ts'
import { StoreFault } from '../../gateway/store/db.ts'
import type { Driver, FaultKind } from '../../gateway/store/db.ts'
import { openSequencer } from '../../gateway/store/sequencer.ts'
import type { Batched, Sequencer, SequencerParts } from '../../gateway/store/sequencer.ts'
import { driverOn, openSqlite, readSqlite } from '../../gateway/store/sqlite.ts'
import { verifyStore } from '../../gateway/store/verify.ts'
import { freshFile, newSigner, note } from './operations.ts'

const clock = { wall: Date.now, monotonic: () => performance.now() }

function parts(file: string, driver: Driver): SequencerParts {
  return {
    driver,
    reopen: async () => readSqlite(file),
    owner: 'rep_1',
    folding: { fold, touches },
    clock,
    random: randomBytes,
    signer: newSigner(),
    origin: 'keystay.local/test',
    strictClock: false,
    step: () => {},
  }
}

function place(): string {
  const file = freshFile()
  mkdirSync(dirname(file), { recursive: true })
  return file
}

const outcomes = ({ answers }: Batched) => answers.map((answer) => (answer.ok ? 'kept' : answer.reason))
const size = async (file: string) => (await verifyStore(file)).entries

describe('a full disk', () => {
  let database: DatabaseSync
  let sequencer: Sequencer
  const file = place()
  before(async () => {
    await openSqlite(file).close()
    database = new DatabaseSync(file)
    database.exec('PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0')
    sequencer = await openSequencer(parts(file, driverOn(database)))
  })
  after(() => sequencer.close())

  it('refuses what does not fit, keeps what did, and goes on when there is room', async () => {
    assert.deepEqual(outcomes(await sequencer.run([note('before')])), ['kept'])
    const pages = Object.values(database.prepare('PRAGMA page_count').get() ?? {})[0]
    database.exec(`PRAGMA max_page_count = ${Number(pages) + 2}`)
    const big = note('x'.repeat(60_000))
    const full = await sequencer.run([big, note('in the same batch')])
    assert.deepEqual(outcomes(full), ['unavailable', 'unavailable'])
    assert.match(full.alarms.join(), /database or disk is full/)
    assert.equal(full.state.broken, null)
    assert.equal(await size(file), 1)
    assert.deepEqual(outcomes(await sequencer.run([note('small')])), ['kept'])
    database.exec('PRAGMA max_page_count = 100000')
    assert.deepEqual(outcomes(await sequencer.run([big])), ['kept'])
    assert.deepEqual([(await verifyStore(file)).problems, await size(file)], [[], 3])
  })
})

/** A driver whose next commit fails: before anything was kept, or after everything was. */
function faulty(driver: Driver): Driver & { arm: (when: 'before' | 'after', kind: FaultKind) => void } {
  let armed: { when: 'before' | 'after'; kind: FaultKind } | null = null
  const rolledBack = new Error('rolled back')
  return {
    ...driver,
    arm: (when, kind) => (armed = { when, kind }),
    async transaction(work) {
      if (armed === null) return driver.transaction(work)
      const { when, kind } = armed
      armed = null
      const fault = new StoreFault(kind, 'commit', new Error(`the disk said no (${kind})`))
      if (when === 'after') await driver.transaction(work)
      else {
        const failed = driver.transaction(async (db) => {
          await work(db, null)
          throw rolledBack
        })
        await failed.catch((error: unknown) => assert.equal(error, rolledBack))
      }
      throw fault
    },
  }
}

describe('a commit that fails', () => {
  const cases: readonly (readonly [string, 'before' | 'after', FaultKind, string, number, boolean])[] = [
    ['the storage failed and nothing was kept', 'before', 'io', 'unavailable', 1, true],
    ['the storage failed and it was kept: the answer was lost', 'after', 'io', 'kept', 3, true],
    ['the disk was full and nothing was kept', 'before', 'full', 'unavailable', 1, false],
    ['the disk was full and it was kept', 'after', 'full', 'kept', 3, false],
    ['it lost against another and nothing was kept', 'before', 'busy', 'unavailable', 1, false],
  ]
  for (const [name, when, kind, outcome, entries, broken] of cases) {
    it(`is read back when ${name}`, async () => {
      const file = place()
      const driver = faulty(openSqlite(file))
      const sequencer = await openSequencer(parts(file, driver))
      await sequencer.run([note('before')])
      driver.arm(when, kind)
      const batched = await sequencer.run([note('one'), note('two')])
      assert.deepEqual(outcomes(batched), [outcome, outcome])
      assert.equal(batched.state.size, entries)
      assert.equal(batched.state.broken !== null, broken)
      const next = await sequencer.run([note('next')])
      // A failed sync is never retried: after it, only a restart writes again.
      assert.deepEqual(outcomes(next), [broken ? 'unavailable' : 'kept'])
      if (broken) assert.match(next.state.broken ?? '', /a restart reads what is there/)
      await sequencer.close()
      const report = await verifyStore(file)
      assert.deepEqual([report.problems, report.entries], [[], entries + (broken ? 0 : 1)])
    })
  }

  it('is in doubt when it cannot be read back, and nothing is written any more', async () => {
    const file = place()
    const driver = faulty(openSqlite(file))
    const sequencer = await openSequencer({
      ...parts(file, driver),
      reopen: async () => {
        throw new Error('no connection')
      },
    })
    driver.arm('after', 'io')
    const batched = await sequencer.run([note('one')])
    assert.deepEqual(outcomes(batched), ['in_doubt'])
    assert.deepEqual(outcomes(await sequencer.run([note('next')])), ['unavailable'])
    await sequencer.close()
  })

  it('does not lose sight of a jump of the clock', async () => {
    const file = place()
    const driver = faulty(openSqlite(file))
    let wall = Date.now()
    const sequencer = await openSequencer({ ...parts(file, driver), clock: { wall: () => wall, monotonic: () => 0 } })
    wall += 60_000
    driver.arm('before', 'full')
    assert.deepEqual(outcomes(await sequencer.run([note('one')])), ['unavailable'])
    const { state } = await sequencer.run([note('two')])
    assert.equal(state.size, 2)
    await sequencer.close()
  })
})
