import type { Call, Json } from '../core/types.ts'
import { attempt, persist } from './attempt.ts'
import { announce } from './house.ts'
import type { House } from './house.ts'
import { resolve } from './resolve.ts'

/** The second half of a call. This process owns the call from here on, whoever waits for it. */
export function start(house: House, started: Call, begun: number): void {
  own(house, started.id, async () => {
    const bodies = await house.store.bodies(started.id)
    const request = JSON.parse(bodies?.request ?? 'null') as Json
    const after = await attempt(house, started, request, begun)
    if (after.state === 'unknown') await resolve(house, after, 'own')
  })
}

/** Takes up a call that nobody here runs. If it was executing, it is in doubt from now on. */
export function adopt(house: House, id: string): void {
  own(house, id, () => takeUp(house, id))
}

async function takeUp(house: House, id: string): Promise<void> {
  house.step('recover.taken')
  const result = await persist(house, () => house.store.write({ op: 'take_over', call: id }))
  if (!('call' in result)) return
  const call = announce(house, result.call)
  if (call.state === 'unknown') await resolve(house, call, 'found')
}

/** A fault of ours leaves the call as the ledger says, and the call is taken up again as after a crash. */
function own(house: House, id: string, work: () => Promise<void>): void {
  const untilSettled = async (): Promise<void> => {
    for (
      let task = work, pause_ms = 1000;
      ;
      task = () => takeUp(house, id), pause_ms = Math.min(pause_ms * 2, 60_000)
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
