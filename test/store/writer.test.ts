import assert from 'node:assert/strict'
import type { Operation } from '../../gateway/core/operations.ts'
import type { Batched, State } from '../../gateway/store/sequencer.ts'
import { StoreUnavailable } from '../../gateway/store/store.ts'
import { writerOn } from '../../gateway/store/writer.ts'
import type { WriterOptions } from '../../gateway/store/writer.ts'
import { note } from './operations.ts'

const state: State = {
  size: 0,
  root: '',
  at: 0,
  signed: 0,
  broken: null,
  stopped: null,
  unreachable: null,
  behind_ms: null,
  looked: { now: 0, monotonic: 0 },
}

/** Batches that end when the test says so. */
function batches() {
  const asked: { operations: readonly Operation[]; end: PromiseWithResolvers<Batched> }[] = []
  return {
    asked,
    run(operations: readonly Operation[]) {
      const end = Promise.withResolvers<Batched>()
      asked.push({ operations, end })
      return end.promise
    },
    async close() {},
    /** Ends the oldest batch: each operation gets its place in it. */
    async answer() {
      const batch = asked.shift()
      const answers = (batch?.operations ?? []).map(
        (_, index) => ({ ok: true, result: { entry: `ent_${index}` } }) as const,
      )
      batch?.end.resolve({
        answers,
        sessions: [],
        limits: [],
        switches: { version: 0, positions: {} },
        state,
        alarms: [],
      })
      await new Promise((resolve) => setImmediate(resolve))
    },
  }
}

const options: WriterOptions = { onBatch: () => {}, onLate: () => {}, monotonic: () => performance.now() }
const tick = () => new Promise((resolve) => setImmediate(resolve))

describe('the writer', () => {
  it('sends what queued during one batch in the next one, 64 at most, in order', async () => {
    const source = batches()
    const writer = writerOn(source, options)
    const first = writer.write(note('first'))
    await tick()
    const rest = Array.from({ length: 100 }, (_, n) => writer.write(note(`n${n}`)))
    await tick()
    assert.deepEqual(
      source.asked.map(({ operations }) => operations.length),
      [1],
    )
    await source.answer()
    assert.deepEqual(await first, { entry: 'ent_0' })
    assert.deepEqual(
      source.asked.map(({ operations }) => operations.length),
      [64],
    )
    assert.deepEqual(source.asked[0]?.operations[0], note('n0'))
    await source.answer()
    assert.deepEqual(
      source.asked.map(({ operations }) => operations.length),
      [36],
    )
    await source.answer()
    assert.equal((await Promise.all(rest)).length, 100)
  })

  it('sheds beyond 4,096 waiting operations, and says that it is overloaded', async () => {
    const source = batches()
    const writer = writerOn(source, options)
    void writer.write(note('under way')).catch(() => {})
    await tick()
    const waiting = Array.from({ length: 4096 }, () => writer.write(note('waits')))
    await assert.rejects(
      writer.write(note('too many')),
      (error) => error instanceof StoreUnavailable && error.reason === 'overloaded',
    )
    for (let n = 0; n < 65; n++) await source.answer()
    assert.equal((await Promise.all(waiting)).length, 4096)
  })

  it('gives up at the deadline, and hands over what came of it later', async () => {
    const source = batches()
    const late: [Operation, unknown][] = []
    const writer = writerOn(source, { ...options, deadline_ms: 30, onLate: (...args) => late.push(args) })
    const hanging = writer.write(note('hangs'))
    await tick()
    const queued = writer.write(note('queued'))
    await assert.rejects(hanging, { name: 'StoreUnavailable', reason: 'deadline' })
    await assert.rejects(queued, { name: 'StoreUnavailable', reason: 'unavailable' })
    assert.equal(writer.isOverdue(), true)
    assert.deepEqual(late, [])
    await source.answer()
    assert.deepEqual(late, [[note('hangs'), { entry: 'ent_0' }]])
    assert.equal(writer.isOverdue(), false)
    // What never left the queue is not sent after all.
    assert.deepEqual(source.asked, [])
    const next = writer.write(note('next'))
    await tick()
    await source.answer()
    assert.deepEqual(await next, { entry: 'ent_0' })
  })

  it('tells the state before it tells a result', async () => {
    const source = batches()
    const order: string[] = []
    const writer = writerOn(source, { ...options, onBatch: () => order.push('state') })
    const written = writer.write(note('one')).then(() => order.push('result'))
    await tick()
    await source.answer()
    await written
    assert.deepEqual(order, ['state', 'result'])
  })

  it('leaves in doubt what was under way when the one who writes is gone, and refuses the rest', async () => {
    const source = batches()
    const writer = writerOn(source, options)
    const underway = writer.write(note('under way'))
    await tick()
    const queued = writer.write(note('queued'))
    source.asked[0]?.end.reject(new Error('gone'))
    await assert.rejects(underway, { name: 'StoreUnavailable', reason: 'in_doubt' })
    await assert.rejects(queued, { name: 'StoreUnavailable', reason: 'unavailable' })
    await assert.rejects(writer.write(note('after')), /nothing is written any more: gone/)
    await writer.drain()
  })

  it('answers what waits before it is closed, and takes nothing more', async () => {
    const source = batches()
    const writer = writerOn(source, options)
    const written = [writer.write(note('one')), writer.write(note('two'))]
    const drained = writer.drain()
    await assert.rejects(writer.write(note('after')), /the store is closed/)
    await tick()
    await source.answer()
    await Promise.all([...written, drained])
  })
})
