import assert from 'node:assert/strict'
import { byKind, moved, peek, release, reserve, settleRefused, spend, state, use } from '../../gateway/core/limits.ts'
import type { LimitState, Want } from '../../gateway/core/types.ts'
import type { Working } from '../../gateway/core/working.ts'
import { want } from './world.ts'

const AT = Date.parse('2026-11-23T15:00:00Z')
const DAY = Date.parse('2026-11-23T00:00:00Z')
const HOUR: Want['window'] = { kind: 'rolling', length_ms: 3_600_000 }

const budget = want('daily', 30, 100)
const rate = want('rate', 1, 5, { kind: 'rate', unit: 'calls', window: HOUR, per: 'hour' })
const gauge = want('one', 1, 1, { kind: 'serialize', unit: 'calls', window: { kind: 'gauge' }, per: 'at once' })
const watch = want('watched', 7, null, { kind: 'watch' })

type Limits = Pick<Working, 'limits'> & { readonly changed: { readonly limits: Set<string> } }

/** As much of a batch as limits touch. */
function working(limits: { [id: string]: LimitState } = {}): Working {
  const part: Limits = { limits: new Map(Object.entries(limits)), changed: { limits: new Set() } }
  return part as Working
}
const shown = ({ limits }: Working): { [id: string]: [number, [number, number][]] } =>
  Object.fromEntries([...limits].map(([id, { held, buckets }]) => [id, [held, [...buckets]]]))

describe('what a call takes of its limits', () => {
  it('is held, given back, and held again without a trace', () => {
    const batch = working()
    reserve(batch, [budget, rate, gauge])
    assert.deepEqual(shown(batch), { daily: [30, []], rate: [1, []], one: [1, []] })
    reserve(batch, [budget])
    release(batch, [budget, rate])
    assert.deepEqual(shown(batch), { daily: [30, []], rate: [0, []], one: [1, []] })
  })

  it('is written back for every limit that was touched, and for no other', () => {
    const batch = working({ other: { held: 1, buckets: new Map() } })
    reserve(batch, [budget])
    peek(batch, 'other')
    assert.deepEqual([...batch.changed.limits], ['daily'])
  })

  it('is used once it is done, in the bucket of its date; a gauge only counts what is held', () => {
    const batch = working()
    reserve(batch, [budget, rate, gauge])
    spend(batch, [budget, rate, gauge], AT)
    const width = Math.ceil(3_600_000 / 95)
    const bucket = Math.floor(AT / width) * width
    assert.deepEqual(shown(batch), { daily: [0, [[DAY, 30]]], rate: [0, [[bucket, 1]]], one: [0, []] })
  })

  it('is added to what was used before', () => {
    const batch = working({ daily: { held: 0, buckets: new Map([[DAY, 12]]) } })
    use(batch, budget, AT)
    assert.deepEqual(shown(batch), { daily: [0, [[DAY, 42]]] })
  })

  it('is counted by rates alone when the backend refused it', () => {
    const batch = working()
    const wants = [budget, rate, gauge, watch]
    reserve(batch, wants)
    settleRefused(batch, wants, DAY)
    assert.deepEqual(
      Object.entries(shown(batch)).map(([id, [held, buckets]]) => [id, held, buckets.map(([, amount]) => amount)]),
      [
        ['daily', 0, []],
        ['rate', 0, [1]],
        ['one', 0, []],
        ['watched', 0, []],
      ],
    )
    assert.deepEqual(byKind(wants), { calls: [rate], others: [budget, gauge, watch] })
  })

  it('is never given back twice', () => {
    const batch = working({ daily: { held: 30, buckets: new Map() } })
    release(batch, [budget])
    assert.throws(() => release(batch, [budget]), { message: 'daily would hold less than nothing' })
    assert.throws(() => spend(batch, [budget], AT), { message: 'daily would hold less than nothing' })
    assert.deepEqual(shown(batch), { daily: [0, []] })
  })

  it('is named in an entry by limit, amount and window', () => {
    assert.deepEqual(moved([budget, rate]), [
      { limit: 'daily', name: 'daily', amount: 30, unit: 'USD', window: 'day' },
      { limit: 'rate', name: 'rate', amount: 1, unit: 'calls', window: 'hour' },
    ])
  })

  it('is looked at without becoming a limit', () => {
    const batch = working({ daily: { held: 3, buckets: new Map([[DAY, 4]]) } })
    assert.deepEqual(peek(batch, 'daily'), { held: 3, buckets: new Map([[DAY, 4]]) })
    assert.deepEqual(peek(batch, 'new'), { held: 0, buckets: new Map() })
    assert.deepEqual([...batch.limits.keys()], ['daily'])
    assert.equal(state(batch, { limit: 'daily' }), peek(batch, 'daily'))
  })
})
