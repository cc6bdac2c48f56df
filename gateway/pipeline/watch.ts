import { adopt } from './start.ts'
import { announce } from './house.ts'
import type { House } from './house.ts'
import { tend } from './tend.ts'

/** How often it is looked after what nobody sees to. */
const EVERY_MS = 500

/**
 * What goes on by itself: holds whose time is over end; calls whose owner is gone are taken up; and where other processes
 * write too, whoever waits here for a call hears how it stands, also when the notice of it was lost. Every process does
 * all of it: of two that want the same, the ledger lets one.
 *
 * @returns what stops it.
 */
export function watch(house: House, every_ms = EVERY_MS): () => void {
  let busy = false
  const look = async (): Promise<void> => {
    await endHolds(house)
    await takeUp(house)
    await tend(house)
    if (house.store.shared) await tellWaiting(house, house.changes.waiting())
  }
  const timer = setInterval(() => {
    if (busy || house.stopping) return
    busy = true
    void look()
      .catch((error: unknown) => house.log('the ledger could not be looked after', { error: String(error) }))
      .finally(() => (busy = false))
  }, every_ms)
  timer.unref()
  house.leases.onHurry(() => {
    if (!house.stopping) tend(house).catch(() => {})
  })
  house.store.onChanged((calls) => {
    const waiting = new Set(house.changes.waiting())
    // A notice that is lost is made good within half a second.
    tellWaiting(
      house,
      calls.filter((call) => waiting.has(call)),
    ).catch(() => {})
  })
  return () => clearInterval(timer)
}

async function endHolds(house: House): Promise<void> {
  if (!(await house.store.due(house.clock.now()))) return
  const { calls } = await house.store.write({ op: 'expire' })
  for (const call of calls) announce(house, call)
}

async function takeUp(house: House): Promise<void> {
  // Who cannot use the policy that decides would find no backend for them, and give them to people.
  if (house.unusablePolicy?.() != null) return
  for (const call of await house.store.abandoned()) {
    if (house.running.has(call.id)) continue
    house.log('a call that nobody sees to is taken up', { call: call.id, owner: call.owner, state: call.state })
    adopt(house, call)
  }
}

async function tellWaiting(house: House, calls: readonly string[]): Promise<void> {
  for (const id of calls) {
    const call = await house.store.call(id)
    if (call !== null) house.changes.tell(call)
  }
}
