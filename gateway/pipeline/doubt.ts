import type { Call } from '../core/types.ts'
import { persist } from './attempt.ts'
import { announce } from './house.ts'
import type { House } from './house.ts'
import { PERMIT_MS } from './permit.ts'
import { revoke } from './revoke.ts'

/** A server that cannot be asked is asked again, up to this long; then people must look. */
const TRIES_MS = 15 * 60_000

/**
 * What becomes of a lease in doubt: nobody has the password, so it is revoked and never made again. What still travels
 * of the attempt may land after that, so it is revoked once more when nothing can land any more (R7), and only then it
 * is certain that there is none.
 */
export async function resolveLease(house: House, doubtful: Call, whose: 'own' | 'found'): Promise<Call> {
  const spec = house.policy().backends.get(doubtful.backend)
  const begins_within_ms = whose === 'found' ? PERMIT_MS : 0
  if (spec === undefined) {
    // Nor are people asked while it has not even begun.
    await house.clock.sleep(begins_within_ms)
    return conclude(house, doubtful, 'cannot_tell', `there is no backend ${doubtful.backend} any more to revoke it at`)
  }
  const noted = await house.store.lease(doubtful.id)
  const { id: call, backend, role, session } = doubtful
  const lease = { call, backend, role, session, ...(noted === null ? {} : kept(noted)) }
  await revoke(house, lease)
  await house.clock.sleep(begins_within_ms + spec.timeout_ms + spec.lands_within_ms)
  const over = house.clock.monotonic() + TRIES_MS
  for (let pause_ms = 500; !house.stopping; pause_ms = Math.min(pause_ms * 2, 30_000)) {
    const reason = (await revoke(house, lease))?.reason ?? null
    if (reason === null) {
      return conclude(
        house,
        doubtful,
        'refused',
        'The login was revoked before anybody had it: ask again under a new key',
      )
    }
    house.log('a login in doubt could not be revoked and is tried again', { call, backend, reason })
    if (house.clock.monotonic() > over)
      return conclude(house, doubtful, 'cannot_tell', `it could not be revoked: ${reason}`)
    await house.clock.sleep(pause_ms)
  }
  return doubtful
}

function kept({ place, from, handle }: { place: string; from: string | null; handle: string | null }) {
  return { place, from, handle }
}

async function conclude(house: House, call: Call, found: 'refused' | 'cannot_tell', reason: string): Promise<Call> {
  const operation = {
    op: 'reconcile',
    call: call.id,
    attempt: call.attempt,
    found,
    reason,
    evidence: {},
    output: null,
    replay_ms: 0,
    lease: true,
  } as const
  const result = await persist(house, () => house.store.write(operation))
  house.step('resolve.concluded')
  return 'call' in result ? announce(house, result.call) : call
}
