import type { Exchange } from '../../adapters/adapter.ts'
import type { Call, Json } from '../core/types.ts'
import { attempt, persist } from './attempt.ts'
import { announce } from './house.ts'
import type { House } from './house.ts'
import { resolve } from './resolve.ts'

/**
 * The second half of a call. This process owns the call from here on, whoever waits for it.
 *
 * @param request as it was recorded, JSON.
 * @param exchange what streams, of a route's call.
 */
export function start(house: House, started: Call, begun: number, request: string | null, exchange?: Exchange): void {
  own(house, started.id, () =>
    placed(house, started, async () => {
      const after = await attempt(house, started, JSON.parse(request ?? 'null') as Json, begun, exchange)
      if (after.state === 'unknown') await resolve(house, after, 'own')
    }),
  )
}

/** It is written down and counts among the calls at its backend until it has settled or waits for people. */
async function placed(house: House, { backend }: Call, work: () => Promise<void>): Promise<void> {
  const leave = house.places.claim(backend)
  try {
    await work()
  } finally {
    leave()
  }
}

/** Takes up a call that nobody runs. If it was executing, it is in doubt from now on. */
export function adopt(house: House, { id, owner }: Pick<Call, 'id' | 'owner'>): void {
  own(house, id, () => takeUp(house, id, owner))
}

/** @param from the owner as it was found; if another was quicker, the call is that one's. */
async function takeUp(house: House, id: string, from: string | null): Promise<void> {
  house.step('recover.taken')
  const result = await persist(house, () => house.store.write({ op: 'take_over', call: id, from }))
  if (!('call' in result)) return
  const call = announce(house, result.call)
  if (call.state === 'unknown') await placed(house, call, () => resolve(house, call, 'found'))
}

/** A fault of ours leaves the call as the ledger says, and the call is taken up again as after a crash. */
function own(house: House, id: string, work: () => Promise<void>): void {
  const untilSettled = async (): Promise<void> => {
    for (
      let task = work, pause_ms = 1000;
      ;
      task = () => takeUp(house, id, house.store.owner), pause_ms = Math.min(pause_ms * 2, 60_000)
    ) {
      try {
        return await task()
      } catch (error) {
        if (house.stopping) return
        house.log('a call met a fault of ours and is taken up again', { call: id, error: String(error) })
        await house.clock.sleep(pause_ms)
      }
    }
  }
  const owned: Promise<void> = untilSettled().finally(() => {
    if (house.running.get(id) === owned) house.running.delete(id)
  })
  house.running.set(id, owned)
}
