import type { LeaseRow } from '../core/lease.ts'
import { persist } from './attempt.ts'
import type { House } from './house.ts'
import { revoke } from './revoke.ts'

/** Revocations at a time: each is a connection to its backend. */
const AT_ONCE = 16
/** After a revocation that failed: this long, then twice as long, up to half a minute. */
const AGAIN_MS = 500
const AGAIN_MAX_MS = 30_000
/** A login that is shut and cannot be dropped is tried so often: nothing that it could do makes another end likely. */
const LEFT_TRIES = 3

/**
 * Revokes every login that must be gone: its time is over, no session of its lineage lives, or nobody was there to take
 * it. Every process looks; of two that revoke the same, both find it gone, and the ledger says so once. What fails is
 * tried again for as long as it stands, by whichever process lives.
 *
 * @returns once the revocations have begun.
 */
export async function tend(house: House): Promise<void> {
  const { leases, store } = house
  // Most companies lend nothing: they are not asked for it twice a second.
  if (!leases.standing && !lends(house)) return
  const due = await store.leases({ due_at: house.clock.now() })
  leases.standing = due.length > 0 || (await store.leases({})).length > 0
  const untaken = await Promise.all([...leases.untaken].map((call) => store.lease(call)))
  const all = new Map([...due, ...untaken].flatMap((lease) => (lease === null ? [] : [[lease.call, lease]])))
  for (const call of leases.ending.keys()) if (!all.has(call)) leases.ending.delete(call)
  const mine = running.get(house) ?? new Set()
  running.set(house, mine)
  for (const lease of all.values()) {
    const ending = leases.ending.get(lease.call)
    if (mine.has(lease.call) || (ending !== undefined && house.clock.monotonic() < ending.next_at)) continue
    // The first that ends makes room, and it is looked again.
    if (mine.size >= AT_ONCE) break
    begin(house, lease, mine)
  }
}

/** Calls whose login this process is revoking at this moment. */
const running = new WeakMap<House, Set<string>>()

function begin(house: House, lease: LeaseRow, mine: Set<string>): void {
  mine.add(lease.call)
  end(house, lease)
    .catch((error: unknown) => {
      if (!house.stopping)
        house.log('the end of a login could not be written down', { call: lease.call, error: String(error) })
    })
    .finally(() => {
      const full = mine.size >= AT_ONCE
      mine.delete(lease.call)
      if (full) house.leases.hurry()
    })
}

async function end(house: House, lease: LeaseRow): Promise<void> {
  const { leases } = house
  const { call, login, backend } = lease
  const still = await revoke(house, lease)
  const tries = (leases.ending.get(call)?.tries ?? 0) + 1
  // Whoever may drop what it owns elsewhere is nobody of ours: the login is over, and the ledger says what is left of it.
  const isLeft = still !== null && still.left !== null && tries >= LEFT_TRIES
  if (still !== null && !isLeft) {
    const { reason } = still
    const next_at = house.clock.monotonic() + Math.min(AGAIN_MS * 2 ** (tries - 1), AGAIN_MAX_MS)
    leases.ending.set(call, { tries, next_at, reason })
    house.log('a login could not be revoked and is tried again', { call, login, backend, reason, tries })
    return
  }
  const untaken = leases.untaken.has(call)
  await persist(house, () =>
    house.store.write({
      op: 'lease.end',
      call,
      ...(untaken ? { reason: 'not_taken' as const } : {}),
      ...(still?.left == null ? {} : { left: still.left }),
    }),
  )
  if (still !== null)
    house.log('a login is shut for good, and its name stands', { call, login, backend, reason: still.reason })
  leases.ending.delete(call)
  leases.untaken.delete(call)
}

function lends(house: House): boolean {
  return [...house.policy().actions.values()].some(({ effect }) => effect === 'lease')
}
