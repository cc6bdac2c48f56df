import type { Track } from './track.ts'

/** Whose session was revoked and what people have frozen, in true time. */
export interface Stops {
  revoked(session: string): void
  switched(name: string, on: boolean): void
  isFrozen(name: string): boolean
  /** @returns why no first byte of this call may leave now; null: it may. */
  forbids(track: Pick<Track, 'session' | 'role' | 'action'>, at: number): string | null
}

/** I7: no first byte later than this after a revocation or a freeze. */
const WITHIN_MS = 1000

export function stops(now: () => number): Stops {
  const revoked = new Map<string, number>()
  const frozen = new Map<string, number>()
  return {
    revoked: (session) => void revoked.set(session, now()),
    switched(name, on) {
      if (on) frozen.set(name, frozen.get(name) ?? now())
      else frozen.delete(name)
    },
    isFrozen: (name) => frozen.has(name),
    forbids({ session, role, action }, at) {
      const ended = revoked.get(session)
      if (ended !== undefined && at - ended > WITHIN_MS) return `${at - ended} ms after its session was revoked`
      for (const name of ['all', `role:${role}`, `action:${action}`]) {
        const since = frozen.get(name)
        if (since !== undefined && at - since > WITHIN_MS) return `${at - since} ms after ${name} was frozen`
      }
      return null
    },
  }
}
