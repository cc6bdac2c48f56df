import { adopt } from './start.ts'
import { announce } from './house.ts'
import type { House } from './house.ts'

/**
 * The start is the recovery: every call that started, never settled and has no living owner is run on from where the
 * ledger says it stands. @returns how many calls were taken over.
 */
export async function recover(house: House): Promise<number> {
  const left = await house.store.abandoned()
  for (const call of left) adopt(house, call)
  return left.length
}

/** Nobody holds what nobody grants: sessions of roles that left the policy end, and their held calls with them. */
export async function endSessionsWithoutRole(house: House): Promise<void> {
  const { roles } = house.policy()
  const live = await house.store.sessions({ live_at: house.clock.now(), limit: 10_000 })
  const held = (await house.store.unfinished()).filter(({ state }) => state === 'held')
  const gone = [...live.map(({ id, role }) => ({ id, role })), ...held.map(({ session: id, role }) => ({ id, role }))]
  for (const id of new Set(gone.filter(({ role }) => !roles.has(role)).map((session) => session.id))) {
    const ended = await house.store.write({ op: 'session.end', session: id, reason: 'role_removed', by: 'gateway' })
    if (ended.kind === 'ended') for (const call of ended.cancelled) announce(house, call)
  }
}
