import assert from 'node:assert/strict'
import type { Call } from '../../gateway/core/types.ts'
import type { House } from '../../gateway/pipeline/house.ts'
import { resolve } from '../../gateway/pipeline/resolve.ts'

/** A call in doubt at a backend that can only be asked, and a clock that remembers what was waited for. */
function doubtful(): { house: House; call: Call; slept: number[] } {
  const slept: number[] = []
  const call = {
    id: 'call_1',
    state: 'unknown',
    owner: 'rep_1',
    attempt: 1,
    action: 'order',
    backend: 'shop',
    role: 'agent',
  }
  const house = {
    store: {
      owner: 'rep_1',
      bodies: async () => null,
      session: async () => null,
      write: async () => ({ kind: 'settled', call: { ...call, state: 'needs_human' } }),
    },
    policy: () => ({
      backends: new Map([['shop', { timeout_ms: 500, lands_within_ms: 200, idempotency: null }]]),
      actions: new Map([['order', { recheck: {}, replay_ms: 0 }]]),
      roles: new Map(),
    }),
    clock: { now: () => 0, monotonic: () => 0, sleep: async (ms: number) => void slept.push(ms) },
    backends: { isOpen: () => false },
    changes: { tell() {} },
    step() {},
    stopping: false,
  }
  return { house: house as unknown as House, call: call as unknown as Call, slept }
}

describe('before a backend is asked what became of a call', () => {
  it('nothing of our own attempt can land any more', async () => {
    const { house, call, slept } = doubtful()
    await resolve(house, call, 'own')
    assert.deepEqual(slept, [500 + 200])
  })

  it('nothing of a former owner’s can, which may have begun as long as its last permit stood', async () => {
    const { house, call, slept } = doubtful()
    await resolve(house, call, 'found')
    assert.deepEqual(slept, [700 + 500 + 200])
  })
})
