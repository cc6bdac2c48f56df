import assert from 'node:assert/strict'
import type { Operation, ResultOf } from '../../gateway/core/operations.ts'
import type { Call } from '../../gateway/core/types.ts'
import { bodiesOf, callsByIds } from '../../gateway/store/calls.ts'
import { readLimits } from '../../gateway/store/limits.ts'
import { memory } from '../../gateway/store/memory.ts'
import { readMeta } from '../../gateway/store/meta.ts'
import type { OpenStore } from '../../gateway/store/store.ts'
import type { Batched } from '../../gateway/store/sequencer.ts'
import { readSqlite } from '../../gateway/store/sqlite.ts'
import { admit, daily, done, freshFile, issue, note, open } from './operations.ts'

const person = { id: 'demo:dana', name: 'Dana', groups: ['finance'] }

/** Two people are asked: the call waits. */
function held(session: string, key: string) {
  const asked = admit(session, key, 700)
  const line = { line: 'grants.stripe.refund.approval[0]', count: 1, of: 'finance', expires_ms: 60_000 }
  const need = [{ ...line, passkey: false, when: null, report: false }]
  return { ...asked, plan: { ...asked.plan, need } }
}

describe('what is read from memory', () => {
  const file = freshFile()
  let store: OpenStore
  let session: string
  before(async () => {
    store = await open(file)
    const issued = await store.write(issue())
    assert.ok(issued.kind === 'issued')
    session = issued.session.id
  })
  after(() => store.close())

  /** Every read, as the store answers it and as a connection of its own finds it in the file. */
  async function agrees(call: string): Promise<void> {
    const reader = readSqlite(file)
    try {
      const ids = [daily(0).limit, 'attempts demo:bot', `holds ${session}`, 'a limit without a row']
      assert.deepEqual(
        [await store.call(call), await store.bodies(call), await store.limits(ids), await store.switches()],
        [
          (await callsByIds(reader, [call]))[0] ?? null,
          await bodiesOf(reader, call),
          await readLimits(reader, ids),
          (await readMeta(reader)).switches,
        ],
      )
    } finally {
      await reader.close()
    }
  }

  it('is what stands in the file after each operation', async () => {
    const sent = admit(session, 'memory 1', 300)
    const denied = admit(session, 'memory 2', 900_000)
    const waits = held(session, 'memory 3')
    const rejected = held(session, 'memory 4')
    const unsure = admit(session, 'memory 5', 400)
    const lost: Operation = {
      ...done(unsure.call),
      outcome: { kind: 'unknown', reason: 'no answer', evidence: {} },
      output: null,
    }
    const steps: { readonly operation: Operation; readonly call: string; readonly state: Call['state'] }[] = [
      { operation: sent, call: sent.call, state: 'executing' },
      { operation: done(sent.call), call: sent.call, state: 'done' },
      { operation: done(sent.call), call: sent.call, state: 'done' },
      { operation: denied, call: denied.call, state: 'denied' },
      { operation: waits, call: waits.call, state: 'held' },
      { operation: rejected, call: rejected.call, state: 'held' },
      {
        operation: { op: 'reject', call: rejected.call, person, reason: 'no' },
        call: rejected.call,
        state: 'rejected',
      },
      { operation: unsure, call: unsure.call, state: 'executing' },
      { operation: lost, call: unsure.call, state: 'unknown' },
      {
        operation: {
          op: 'reconcile',
          call: unsure.call,
          attempt: 1,
          found: 'done',
          reason: 'seen',
          evidence: {},
          output: '{"id":"re_2"}',
          replay_ms: 1000,
        },
        call: unsure.call,
        state: 'done',
      },
      {
        operation: { op: 'switch', name: 'all', on: true, reason: 'a drill', person: 'demo:sam' },
        call: sent.call,
        state: 'done',
      },
      // The result names no call, and the held one is cancelled.
      {
        operation: { op: 'session.end', session, reason: 'revoked', by: 'demo:sam' },
        call: waits.call,
        state: 'cancelled',
      },
    ]
    for (const { operation, call, state } of steps) {
      await store.write(operation)
      assert.equal((await store.call(call))?.state, state, operation.op)
      await agrees(call)
    }
  })

  it('is never older than what a batch under way may have committed', () => {
    const remembered = memory()
    const state = {
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
    const answers = (...results: readonly ResultOf<Operation>[]): Batched => ({
      answers: results.map((result) => ({ ok: true, result })),
      sessions: [],
      limits: [],
      switches: { version: 1, positions: {} },
      state,
      alarms: [],
    })
    const freeze: Operation = { op: 'switch', name: 'all', on: true, reason: 'fire', person: 'demo:sam' }
    remembered.update([note('a')], answers({ entry: 'ent_1' }))
    assert.equal(remembered.switches()?.version, 1)

    remembered.begin([note('b'), freeze])
    assert.equal(remembered.switches(), undefined)
    // A tick that the thread sent before it saw the batch.
    remembered.update([], answers())
    assert.equal(remembered.switches(), undefined)

    remembered.update([note('b'), freeze], answers({ entry: 'ent_2' }, { entry: 'ent_3' }))
    assert.equal(remembered.switches()?.version, 1)
  })

  it('forgets what was written longest ago, and everything when nobody knows what a commit left', () => {
    const remembered = memory(1)
    const batch = (call: string, kept: boolean): Batched => ({
      answers: [
        kept
          ? { ok: true, result: { kind: 'settled', call: { id: call, state: 'done' } as Call } }
          : { ok: false, reason: 'in_doubt', message: '' },
      ],
      sessions: [],
      limits: [[`limit of ${call}`, 1, [[0, 2]]]],
      switches: { version: 1, positions: {} },
      state: {
        size: 0,
        root: '',
        at: 0,
        signed: 0,
        broken: null,
        stopped: null,
        unreachable: null,
        behind_ms: null,
        looked: { now: 0, monotonic: 0 },
      },
      alarms: [],
    })
    for (const call of ['b', 'c']) remembered.update([done(call)], batch(call, true))
    assert.deepEqual(
      [remembered.limit('limit of b'), remembered.limit('limit of c')],
      [undefined, { held: 1, buckets: new Map([[0, 2]]) }],
    )
    remembered.keepLimit('read before', { held: 0, buckets: new Map() }, remembered.generation() - 1)
    assert.equal(remembered.limit('read before'), undefined)

    remembered.update([note('lost')], batch('c', false))
    assert.deepEqual([remembered.limit('limit of c'), remembered.switches()], [undefined, undefined])
  })
})
