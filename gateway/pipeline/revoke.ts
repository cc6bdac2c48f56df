import type { LeaseRow } from '../core/lease.ts'
import type { House } from './house.ts'

/** A login to take away, as far as it is known. */
export type Revoking = Pick<LeaseRow, 'call' | 'backend' | 'role' | 'session'> &
  Partial<Pick<LeaseRow, 'place' | 'from' | 'handle'>>

export interface NotGone {
  /** In words without a value. */
  readonly reason: string
  /** Nobody can log in with it any more, and it has no connection; what keeps its name from being dropped. */
  readonly left: string | null
}

/** @returns null once it is certain that nothing of it is left; else why not. */
export async function revoke(house: House, lease: Revoking): Promise<NotGone | null> {
  const { call, backend, role, session, place = null, from = null, handle = null } = lease
  house.step('lease.revokes')
  const outcome = await house.backends.send(
    backend,
    { revoke: { place, from, handle } },
    {
      call,
      attempt: 0,
      permit: () => true,
      stamp: { 'Keystay-Call': call, 'Keystay-Role': role, 'Keystay-Session': session },
      aside: true,
    },
  )
  house.step('lease.revoked')
  if (outcome.kind === 'done') return null
  if (outcome.kind !== 'refused') return { reason: outcome.reason, left: null }
  const { left } = outcome.evidence
  return { reason: outcome.message, left: typeof left === 'string' ? left : null }
}
