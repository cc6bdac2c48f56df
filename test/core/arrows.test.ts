import assert from 'node:assert/strict'
import type { Call, CallState } from '../../gateway/core/types.ts'
import { mark, put } from '../../gateway/core/working.ts'
import type { Working } from '../../gateway/core/working.ts'
import { admitting, World } from './world.ts'

const STATES: readonly CallState[] = [
  'denied',
  'held',
  'intent',
  'executing',
  'unknown',
  'needs_human',
  'done',
  'refused',
  'rejected',
  'expired',
  'cancelled',
  'not_sent',
]
/** Where each state may go; what is over goes nowhere. */
const ARROWS: { readonly [from in CallState | 'received']?: readonly CallState[] } = {
  received: ['denied', 'held', 'intent', 'executing'],
  held: ['held', 'intent', 'executing', 'denied', 'rejected', 'expired', 'cancelled'],
  intent: ['intent', 'executing', 'cancelled', 'not_sent'],
  executing: ['executing', 'intent', 'not_sent', 'done', 'refused', 'unknown', 'cancelled'],
  unknown: ['unknown', 'done', 'refused', 'needs_human'],
  needs_human: ['needs_human', 'done', 'refused'],
}

describe('a call', () => {
  const made = new World()
  made.session()
  made.write(admitting('call_1'))
  const call = made.calls.get('call_1') ?? assert.fail()
  const working = (before: Call | null): Working =>
    ({
      calls: new Map(before === null ? [] : [[before.id, before]]),
      keys: new Map(),
      changed: { calls: new Set() },
    }) as unknown as Working

  for (const from of ['received', ...STATES] as const)
    it(`that is ${from} becomes ${ARROWS[from]?.join(', ') ?? 'nothing else'}`, () => {
      const before = from === 'received' ? null : { ...call, state: from }
      const reached = STATES.filter((state) => {
        const there = working(before)
        try {
          put(there, { ...call, state })
        } catch (error) {
          assert.equal((error as Error).message, `no arrow from ${from} to ${state} (call_1)`)
          assert.equal(there.calls.get('call_1'), before ?? undefined)
          return false
        }
        return there.changed.calls.has('call_1')
      })
      assert.deepEqual(reached.toSorted(), [...(ARROWS[from] ?? [])].toSorted())
    })

  it('gives back its own key when it is bound no more, and nobody else’s', () => {
    const there = working(call)
    const name = JSON.stringify([call.principal, call.role, call.action, call.key])
    put(there, { ...call, bound: true })
    assert.deepEqual([...there.keys], [[name, 'call_1']])
    put(there, { ...call, bound: false })
    assert.deepEqual([...there.keys], [])
    there.keys.set(name, 'call_2')
    put(there, { ...call, bound: false })
    assert.deepEqual([...there.keys], [[name, 'call_2']])
    const keyless = working({ ...call, key: null })
    put(keyless, { ...call, key: null, bound: true })
    assert.equal(keyless.keys.size, 0)
  })

  it('keeps its state where it is only marked', () => {
    const there = working(call)
    assert.equal(mark(there, { ...call, join: 'owed' }).join, 'owed')
    assert.throws(() => mark(there, { ...call, state: 'done' }), /a mark would change the state of call_1/)
    assert.throws(() => mark(working(null), call), /a mark would change the state of call_1/)
  })
})
