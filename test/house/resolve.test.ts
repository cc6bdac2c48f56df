import assert from 'node:assert/strict'
import type { Call, Outcome } from '../../gateway/core/types.ts'
import { attempt } from '../../gateway/pipeline/attempt.ts'
import type { House } from '../../gateway/pipeline/house.ts'
import { resolve } from '../../gateway/pipeline/resolve.ts'

/** A call in doubt at a backend that can only be asked, and a clock that remembers what was waited for. */
function doubtful(recheck: object | null = {}): { house: House; call: Call; slept: number[] } {
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
      actions: new Map([['order', { recheck, replay_ms: 0 }]]),
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

describe('before people are asked what became of a call that nobody can look up', () => {
  it('a former owner’s last permit is over: it cannot begin after they have looked', async () => {
    const { house, call, slept } = doubtful(null)
    await resolve(house, call, 'found')
    assert.deepEqual(slept, [700])
  })
})

describe('an attempt whose permit is old', () => {
  /** Sent again until the adapter finds a permit that stands; the process stood still for `paused_ms` first. */
  async function after(paused_ms: number): Promise<{ settled: Outcome; asked: number }> {
    const settled: Outcome[] = []
    let now = paused_ms
    let asked = 0
    const call = { id: 'call_1', state: 'unknown', owner: 'rep_1', attempt: 2, role: 'agent', doubt: [1] }
    const house = {
      store: {
        owner: 'rep_1',
        session: async () => ({ ended_reason: null }),
        switchesNow: async () => ({ version: 0, positions: {} }),
        call: async () => call,
        write: async ({ outcome }: { outcome: Outcome }) => {
          settled.push(outcome)
          return { kind: 'settled', call }
        },
      },
      policy: () => ({ actions: new Map(), roles: new Map([['agent', {}]]) }),
      clock: { now: () => now, monotonic: () => now, sleep: async () => {} },
      scrub: (value: unknown) => value,
      backends: {
        send: async (_name: string, _request: unknown, { permit }: { permit: () => boolean }): Promise<Outcome> => {
          asked++
          now += 100
          if (!permit()) return { kind: 'not_sent', reason: 'an old permit', code: 'permit' }
          return { kind: 'done', output: null, evidence: {} }
        },
      },
      changes: { tell() {} },
      step() {},
    }
    await attempt(house as unknown as House, call as unknown as Call, null, 0)
    return { settled: settled[0] as Outcome, asked }
  }

  it('renews it within the time that was counted on when it began', async () => {
    const { settled, asked } = await after(29_000)
    assert.deepEqual([settled.kind, asked], ['done', 2])
  })

  it('sends nothing any more later on: by then the backend may have forgotten the key of the attempt before', async () => {
    const { settled, asked } = await after(31_000)
    assert.deepEqual([settled.kind, asked], ['not_sent', 1])
  })
})
