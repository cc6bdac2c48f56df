import { decidedOf, planOf, waits } from '../../core/notice-plan.ts'
import type { Notice } from '../../core/notice.ts'
import type { Call } from '../../core/types.ts'
import type { House } from '../house.ts'

/** Waits in one operation: a batch has others beside it. */
const AT_ONCE = 25

/** Waits whose end the ledger says by an entry that other calls have too: a last look at the policy that denied. */
const SWEEP_MS = 5000

interface Found {
  readonly call: Call
  readonly at: number
}

/**
 * Finds who is to be told of what. The first look finds every call that waits now, each later one what the ledger has had
 * since. Every process looks; of two that find the same wait, the store keeps one.
 *
 * @param told of dead letters.
 */
export function finding(house: House, told: (dead: readonly Notice[]) => void): () => Promise<void> {
  const { told: store } = house.store
  /** Up to where the ledger was looked at; null: not yet, or nobody was to be told meanwhile. */
  let place: number | null = null
  let swept_at = -Infinity

  return async () => {
    if (house.policy().notify === undefined) {
      place = null
      return
    }
    if (place === null) {
      const from = await store.place()
      for await (const calls of waitingNow(house)) await begin(house, calls, told)
      place = from
    }
    for (;;) {
      const { found, next } = await store.waitsSince(place)
      await begin(house, found, told)
      if (next === place) break
      place = next
    }
    if (house.clock.monotonic() < swept_at + SWEEP_MS) return
    swept_at = house.clock.monotonic()
    const over = await store.waitsToEnd()
    if (over.length > 0) await end(house, over, told)
  }
}

async function* waitingNow(house: House): AsyncGenerator<readonly Found[]> {
  for (let after = ''; ;) {
    const calls = await house.store.told.waitingCalls(after)
    if (calls.length === 0) return
    yield calls.map((call) => ({ call, at: call.updated_at }))
    after = calls.at(-1)?.id ?? after
  }
}

async function begin(house: House, found: readonly Found[], told: (dead: readonly Notice[]) => void): Promise<void> {
  if (found.length === 0) return
  const known = await house.store.told.waits(found.map(({ call }) => call.id))
  const ids = new Set(known.map(({ id }) => id))
  const plans = found.flatMap(({ call, at }) => {
    const plan = planOf(house.policy(), call, at, house.clock.now())
    return plan === null || ids.has(plan.wait.id) ? [] : [plan]
  })
  for (let from = 0; from < plans.length; from += AT_ONCE) {
    const { dead } = await house.store.write({ op: 'wait.begin', waits: plans.slice(from, from + AT_ONCE) })
    told(dead)
  }
  // Another yes let it go, or it was asked anew and nobody is to be told of that.
  const begun = new Set(plans.map(({ wait }) => wait.call))
  const calls = new Map(found.map(({ call }) => [call.id, call]))
  const over = known.filter((wait) => {
    const call = calls.get(wait.call)
    if (wait.over !== null || call === undefined || begun.has(call.id)) return false
    return !waits(call) || decidedOf(wait, call) !== null
  })
  if (over.length > 0) await end(house, [...new Set(over.map(({ call }) => call))], told)
}

/** Who was told is told how it ended. */
export async function end(
  house: House,
  calls: readonly string[],
  told: (dead: readonly Notice[]) => void,
): Promise<void> {
  for (let from = 0; from < calls.length; from += AT_ONCE) {
    const { dead } = await house.store.write({ op: 'wait.end', calls: calls.slice(from, from + AT_ONCE) })
    told(dead)
  }
}
