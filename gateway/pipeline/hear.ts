import { isReady } from '../core/lease.ts'
import type { Call } from '../core/types.ts'
import type { Asked } from './asked.ts'
import type { Told } from './changes.ts'
import type { House } from './house.ts'
import { isSettled } from './reply.ts'

/** Who waits, and how long. */
export type Waiting = Pick<Asked, 'session' | 'request'>

/**
 * Waits as long as the door allows; the execution goes on whatever the door does.
 *
 * @param begun started in this very turn: only its own end can change it, and that is heard.
 */
export async function hear(house: House, asked: Waiting, call: Call, begun = false): Promise<Told> {
  const { wait_ms, wait_held = false } = asked.request
  const enough = (now: Call): boolean =>
    isSettled(now) || now.state === 'needs_human' || isMine(asked, now) || (!wait_held && now.state === 'held')
  if (enough(call) || wait_ms <= 0) return { call, output: null }
  // The wait is a courtesy: where too many have it already, the state as it stands is the answer.
  const leave = house.waits.take(call.state === 'held' ? '(people)' : call.backend)
  if (leave === null) return { call, output: null }
  return hearIn(house, asked, call, enough, begun).finally(leave)
}

/** A held lease that people have let go, and the agent that it is for is here. */
export function isMine({ session }: Pick<Asked, 'session'>, call: Call): boolean {
  return isReady(call) && call.lineage === session.lineage
}

async function hearIn(
  house: House,
  asked: Waiting,
  call: Call,
  enough: (call: Call) => boolean,
  begun: boolean,
): Promise<Told> {
  const hears = house.changes.wait(call.id, asked.request.wait_ms, enough)
  // It may have changed between the read and the wait.
  const now = begun ? null : await house.store.call(call.id)
  if (now !== null && enough(now)) {
    house.changes.tell(now)
    return { call: now, output: null }
  }
  return (await hears) ?? { call: (await house.store.call(call.id)) ?? call, output: null }
}
