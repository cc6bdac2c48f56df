import type { LeaseRow } from '../core/lease.ts'
import type { House } from './house.ts'

/** A login to take away, as far as it is known. */
export type Revoking = Pick<LeaseRow, 'call' | 'backend' | 'role' | 'session'> &
  Partial<Pick<LeaseRow, 'place' | 'from' | 'handle'>>

/** @returns null once it is certain that nothing of it is left; else why not, in words without a value. */
export async function revoke(house: House, lease: Revoking): Promise<string | null> {
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
  return outcome.kind === 'refused' ? outcome.message : outcome.reason
}
