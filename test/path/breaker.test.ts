import { deepEqual, equal } from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Adapter, Attempt } from '../../adapters/adapter.ts'
import type { Outcome } from '../../gateway/core/types.ts'
import { openBackends } from '../../gateway/pipeline/execute.ts'
import { backendSpec, canary } from '../suites/adapter.ts'

const DONE: Outcome = { kind: 'done', output: {}, evidence: {} }
const UNKNOWN: Outcome = { kind: 'unknown', reason: 'no answer', evidence: {} }
const STALE: Outcome = { kind: 'not_sent', code: 'permit', reason: 'too old' }
const NO_SECRET: Outcome = { kind: 'not_sent', code: 'secret_unavailable', reason: 'no secret' }
const REFUSED: Outcome = { kind: 'not_sent', code: 'backend_unavailable', reason: 'refused' }

describe('a breaker', () => {
  /** What the backend does next, in order; then it is done. */
  let next: Outcome[]
  /** Attempts that wait for their turn until they are let go, or stopped. */
  let held: { attempt: Attempt; go: (outcome: Outcome) => void }[] | null

  const opened = () => {
    next = []
    held = null
    const adapter: Adapter = {
      name: 'held',
      backend: {},
      request: {},
      connect: () => ({
        send: (_request, attempt) =>
          new Promise((resolve) => {
            if (held === null) return resolve(next.shift() ?? DONE)
            held.push({ attempt, go: resolve })
            attempt.signal.addEventListener('abort', () => resolve({ kind: 'not_sent', reason: 'stopped' }))
          }),
      }),
    }
    const spec = {
      ...backendSpec({ config: {} }),
      name: 'b',
      adapter: 'held',
      breaker: { percent: 50, of: 4, for_ms: 100 },
    }
    const backends = openBackends(new Map([['b', spec]]), new Map([['held', adapter]]), canary)
    let number = 0
    const send = () =>
      backends.send('b', {}, { call: `call_${number++}`, attempt: 1, permit: () => true, stamp: {} }).then(kindOf)
    const ask = async (...outcomes: Outcome[]): Promise<string[]> => {
      next = [...outcomes]
      const kinds: string[] = []
      for (const _ of outcomes) kinds.push(await send())
      return kinds
    }
    return { backends, ask, send, isOpen: () => backends.isOpen('b') }
  }
  const kindOf = (outcome: Outcome): string =>
    outcome.kind === 'not_sent' && 'code' in outcome ? `${outcome.kind} ${outcome.code}` : outcome.kind

  it('opens when half of the last four that ended have failed', async () => {
    const { backends, ask, isOpen } = opened()
    await ask(DONE, DONE, DONE, UNKNOWN)
    equal(isOpen(), false)
    await ask(REFUSED)
    equal(isOpen(), true)
    deepEqual(await ask(DONE), ['not_sent backend_unavailable'])
    await backends.close()
  })

  it('is not told anything by a stale permit or a missing secret, neither to open nor to close', async () => {
    const { backends, ask, isOpen } = opened()
    await ask(UNKNOWN, STALE, NO_SECRET, STALE, NO_SECRET)
    equal(isOpen(), false)
    await ask(UNKNOWN, STALE, DONE, STALE, DONE)
    equal(isOpen(), true, 'two of the four that tell something')
    for (const outcome of [STALE, NO_SECRET]) {
      await sleep(150)
      equal(isOpen(), false, 'one may look')
      await ask(outcome)
      equal(isOpen(), true)
    }
    await sleep(150)
    await ask(DONE)
    equal(isOpen(), false)
    await ask(UNKNOWN, DONE, DONE)
    equal(isOpen(), false, 'it begins anew')
    await backends.close()
  })

  it('counts what has ended, not what began, and frees what has not been sent', async () => {
    const { backends, send, isOpen } = opened()
    held = []
    const all = Promise.all(Array.from({ length: 20 }, send))
    await sleep(0)
    // Four have their permit and are on the wire; the others queue.
    const sent = held.slice(0, 6)
    for (const { attempt } of sent) attempt.permit()
    for (const { go } of sent.slice(0, 4)) go(UNKNOWN)
    await sleep(0)
    equal(isOpen(), true)
    for (const { go } of sent.slice(4)) go(DONE)
    const kinds = Map.groupBy(await all, (kind) => kind)
    deepEqual(
      [...kinds].map(([kind, those]) => [kind, those.length]),
      [
        ['unknown', 4],
        ['done', 2],
        ['not_sent backend_unavailable', 14],
      ],
    )
    await backends.close()
  })
})
