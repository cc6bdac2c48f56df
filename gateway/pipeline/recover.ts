import { adopt } from './start.ts'
import { announce } from './house.ts'
import type { House } from './house.ts'

/**
 * The start is the recovery: every call that started and never settled is run on from where the ledger says it stands.
 * Holds are only watched. @returns how many calls were taken over.
 */
export async function recover(house: House): Promise<number> {
  let taken = 0
  for (const call of await house.store.unfinished()) {
    announce(house, call)
    if (call.state === 'held' || call.state === 'needs_human') continue
    taken++
    adopt(house, call.id)
  }
  return taken
}

/** Nobody holds what nobody grants: sessions of roles that left the policy end, and their held calls with them. */
export async function endSessionsWithoutRole(house: House): Promise<void> {
  const { roles } = house.policy()
  const live = await house.store.sessions({ live_at: house.clock.now(), limit: 10_000 })
  const held = (await house.store.unfinished()).filter(({ state }) => state === 'held')
  const gone = [...live.map(({ id, role }) => ({ id, role })), ...held.map(({ session: id, role }) => ({ id, role }))]
  for (const id of new Set(gone.filter(({ role }) => !roles.has(role)).map((session) => session.id))) {
    await house.store.write({ op: 'session.end', session: id, reason: 'role_removed', by: 'gateway' })
    for (const call of await house.store.calls({ session: id, states: ['cancelled'], limit: 1000 }))
      announce(house, call)
  }
}

/** Holds end by themselves. @returns a function that stops watching. */
export function watchHolds(house: House, every_ms = 500): () => void {
  let busy = false
  const timer = setInterval(() => {
    const now = house.clock.now()
    if (busy || ![...house.holds.values()].some((at) => at <= now)) return
    busy = true
    void house.store
      .write({ op: 'expire' })
      .then(({ calls }) => calls.forEach((call) => announce(house, call)))
      .catch((error: unknown) => house.log('holds could not be ended', { error: String(error) }))
      .finally(() => (busy = false))
  }, every_ms)
  timer.unref()
  return () => clearInterval(timer)
}
