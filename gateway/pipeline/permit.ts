import { frozenBy } from '../core/fold/open.ts'
import type { Call } from '../core/types.ts'
import type { House } from './house.ts'

/** How long a permit lets the first byte leave after the read that gave it (R3). */
export const PERMIT_MS = 700

/**
 * What the adapter asks in the last hook before bytes are written. It began with the transaction that started the
 * attempt, which read session, switches and policy.
 */
export function permitFrom(house: House, begun: number): () => boolean {
  return () => {
    const stands = house.clock.monotonic() - begun <= PERMIT_MS
    if (stands) house.step('attempt.permitted')
    return stands
  }
}

/**
 * One short read renews an old permit. `null`: it stands from now on; else why nothing may be sent any more. `lost`:
 * another process has taken the call over.
 *
 * @throws StoreUnavailable when it cannot be asked.
 */
export async function renewPermit(house: House, call: Call): Promise<'revoked' | 'frozen' | 'lost' | null> {
  const { store } = house
  const reads = [store.session(call.session), store.switchesNow(), store.call(call.id)] as const
  const [session, switches, now] = await Promise.all(reads)
  if (now?.owner !== call.owner || now.attempt !== call.attempt) return 'lost'
  const ended = session?.ended_reason
  if (ended === 'revoked' || ended === 'role_removed') return 'revoked'
  if (!house.policy().roles.has(call.role)) return 'revoked'
  return frozenBy(switches, call.role, call.action, call.effect) === null ? null : 'frozen'
}
