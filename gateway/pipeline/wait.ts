import type { Call } from '../core/types.ts'
import type { Asked } from './asked.ts'
import type { Reply } from './gateway.ts'
import type { House } from './house.ts'
import { isSettled, replyFor } from './reply.ts'

/** Waits as long as the door allows; the execution goes on whatever the door does. */
export async function waited(
  house: House,
  asked: Pick<Asked, 'session' | 'request'>,
  call: Call,
  replayed: boolean,
): Promise<Reply> {
  const { wait_ms, wait_held = false } = asked.request
  const enough = (now: Call): boolean =>
    isSettled(now) || now.state === 'needs_human' || (!wait_held && now.state === 'held')
  if (enough(call) || wait_ms <= 0) return replyFor(house, call, asked.session, replayed)
  const hears = house.changes.wait(call.id, wait_ms, enough)
  // It may have changed between the read and the wait.
  const now = await house.store.call(call.id)
  if (now !== null && enough(now)) {
    house.changes.tell(now)
    return replyFor(house, now, asked.session, replayed)
  }
  const changed = (await hears) ?? (await house.store.call(call.id)) ?? call
  return replyFor(house, changed, asked.session, replayed)
}
