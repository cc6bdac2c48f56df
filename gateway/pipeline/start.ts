import type { Call, Json } from '../core/types.ts'
import { attempt } from './attempt.ts'
import type { House } from './house.ts'
import { resolve } from './resolve.ts'

/** The second half of a call. It owns the call from here on, whoever waits for it. */
export function start(house: House, started: Call, begun: number): void {
  own(house, started.id, async () => {
    const bodies = await house.store.bodies(started.id)
    const request = JSON.parse(bodies?.request ?? 'null') as Json
    const after = await attempt(house, started, request, begun)
    if (after.state === 'unknown') await resolve(house, after, 'own')
  })
}

/** Runs work that owns a call; a fault of ours leaves the call as the ledger says, and recovery takes it up. */
export function own(house: House, id: string, work: () => Promise<void>): void {
  const owned: Promise<void> = work()
    .catch((error: unknown) => house.log('a call ended in a fault of ours', { call: id, error: String(error) }))
    .finally(() => {
      if (house.running.get(id) === owned) house.running.delete(id)
    })
  house.running.set(id, owned)
}
