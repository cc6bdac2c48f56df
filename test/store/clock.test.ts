import assert from 'node:assert/strict'
import { behindBy, clockReader } from '../../gateway/store/clock.ts'
import type { OpenStore } from '../../gateway/store/store.ts'
import { exportLedger } from '../../gateway/store/export.ts'
import { verifyStore } from '../../gateway/store/verify.ts'
import { admit, done, freshFile, issue, newSigner, note, open } from './operations.ts'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'

const START = Date.parse('2026-11-23T15:00:00Z')
let wall = START
let monotonic = 0
const pass = (ms: number) => {
  wall += ms
  monotonic += ms
}
const options = { now: () => wall, inline: { monotonic: () => monotonic } }

async function entries(file: string): Promise<{ kind: string; at: string; gap_ms?: number }[]> {
  const stream = new PassThrough()
  const lines = text(stream)
  await exportLedger(file, { stream })
  stream.end()
  return (await lines)
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
}

async function session(store: OpenStore): Promise<string> {
  const issued = await store.write(issue())
  assert.ok(issued.kind === 'issued')
  return issued.session.id
}

describe('the clock', () => {
  it('never goes below the last committed time, and says how far it is behind', () => {
    const read = clockReader({ wall: () => wall, monotonic: () => monotonic })
    assert.deepEqual(read(0), { now: START, monotonic: 0, jumped_ms: null, behind_ms: null })
    assert.deepEqual(read(START + 5000).now, START + 5000)
    assert.deepEqual([read(START + 5000).behind_ms, read(START + 5001).behind_ms], [null, 5001])
    assert.deepEqual([behindBy(10, 5010), behindBy(10, 5011)], [null, 5001])
  })

  it('sees a jump of more than five seconds once, and drift never', () => {
    let [at, ran] = [START, 0]
    const read = clockReader({ wall: () => at, monotonic: () => ran })
    const jumps = []
    // Each step: how much the wall and the monotonic clock move.
    for (const [wallMoves, runs] of [
      [0, 0],
      [1000, 1000],
      [6000, 999],
      [1000, 1000],
      [6001, 1000],
      [1000, 1000],
      [-60_000, 1000],
      [60_000, 60_000],
    ] as const) {
      at += wallMoves
      ran += runs
      jumps.push(read(0).jumped_ms)
    }
    assert.deepEqual(jumps, [null, null, 5001, null, 5001, null, null, null])
    for (let hour = 0; hour < 10_000; hour++) {
      at += 3_600_400
      ran += 3_600_000
      assert.equal(read(0).jumped_ms, null)
    }
  })
})

describe('a store whose clock is set', () => {
  beforeEach(() => {
    wall = START
    monotonic = 0
  })

  it('back: time stands still, nothing is admitted until it has caught up, and what was sent still settles', async () => {
    const file = freshFile()
    const lines: string[] = []
    const store = await open(file, { ...options, log: (line) => lines.push(line) })
    const ses = await session(store)
    const started = await store.write(admit(ses, 'before', 100))
    assert.ok(started.kind === 'started')
    pass(1000)
    await store.write(note('last'))
    assert.equal(store.lastAt(), START + 1000)

    wall -= 3_600_000
    assert.deepEqual(store.ready(), { ok: false, reason: 'the clock is 3600000 ms behind the ledger' })
    await assert.rejects(store.write(admit(ses, 'while', 100)), { name: 'StoreUnavailable', reason: 'clock' })
    const settled = await store.write(done(started.call.id))
    assert.ok(settled.kind === 'settled')
    assert.equal(settled.call.updated_at, START + 1000)
    assert.equal(store.lastAt(), START + 1000)

    pass(3_596_000)
    assert.deepEqual(store.ready(), { ok: true })
    assert.equal((await store.write(admit(ses, 'after', 100))).kind, 'started')
    assert.equal(store.lastAt(), START + 1000)
    pass(10_000)
    await store.write(note('later'))
    assert.equal(store.lastAt(), wall)
    await store.close()
    assert.deepEqual((await verifyStore(file)).problems, [])
    assert.equal(lines.filter((line) => line.includes('behind')).length, 1)
  })

  it('back while it was closed: it opens, and is not ready', async () => {
    const file = freshFile()
    const signer = newSigner()
    const first = await open(file, { ...options, signer })
    await first.write(note('one'))
    await first.close()
    wall -= 60_000
    const second = await open(file, { ...options, signer })
    assert.deepEqual(second.ready(), { ok: false, reason: 'the clock is 60000 ms behind the ledger' })
    await second.close()
  })

  it('forward: an entry says so, and work goes on', async () => {
    const file = freshFile()
    const store = await open(file, options)
    const ses = await session(store)
    wall += 60_000
    pass(100)
    assert.equal((await store.write(admit(ses, 'after', 100))).kind, 'started')
    pass(100)
    await store.write(note('later'))
    await store.close()
    const kinds = (await entries(file)).map(({ kind, gap_ms }) => (gap_ms === undefined ? kind : `${kind} ${gap_ms}`))
    assert.deepEqual(kinds, ['session.issued', 'clock.jumped 60000', 'call.started', 'credential.fetched'])
  })

  it('forward with a strict clock: nothing is admitted before a restart, and what was sent still settles', async () => {
    const file = freshFile()
    const signer = newSigner()
    const store = await open(file, { ...options, strictClock: true, signer })
    const ses = await session(store)
    const started = await store.write(admit(ses, 'before', 100))
    assert.ok(started.kind === 'started')
    wall += 60_000
    const jumped = await Promise.allSettled([store.write(admit(ses, 'at', 100)), store.write(done(started.call.id))])
    assert.deepEqual(
      jumped.map(({ status }) => status),
      ['rejected', 'fulfilled'],
    )
    pass(100_000)
    assert.equal(store.ready().ok, false)
    const approve = { op: 'start', call: started.call.id, attempt: 1, timeout_ms: 1000, until: Infinity } as const
    await assert.rejects(store.write(approve), { name: 'StoreUnavailable', reason: 'clock' })
    await store.close()
    assert.equal((await entries(file)).filter(({ kind }) => kind === 'clock.jumped').length, 1)

    const again = await open(file, { ...options, strictClock: true, signer })
    assert.deepEqual(again.ready(), { ok: true })
    assert.equal((await again.write(admit(ses, 'restarted', 100))).kind, 'started')
    await again.close()
  })

  it('forward while nothing is asked: it is seen within a second', async () => {
    const file = freshFile()
    const store = await open(file, options)
    wall += 60_000
    const deadline = performance.now() + 2000
    while ((await store.head()).size === 0 && performance.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 20))
    await store.close()
    assert.deepEqual(
      (await entries(file)).map(({ kind }) => kind),
      ['clock.jumped'],
    )
  })
})
