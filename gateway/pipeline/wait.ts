import type { Call } from '../core/types.ts'
import type { Asked } from './asked.ts'
import type { Reply } from './gateway.ts'
import type { House } from './house.ts'
import { isSettled, replyFor } from './reply.ts'

/**
 * Waits as long as the door allows; the execution goes on whatever the door does.
 *
 * @param begun started in this very turn: only its own end can change it, and that is heard.
 */
export async function waited(
  house: House,
  asked: Pick<Asked, 'session' | 'request'>,
  call: Call,
  replayed: boolean,
  begun = false,
): Promise<Reply> {
  const { wait_ms, wait_held = false } = asked.request
  const enough = (now: Call): boolean =>
    isSettled(now) || now.state === 'needs_human' || (!wait_held && now.state === 'held')
  if (enough(call) || wait_ms <= 0) return replyFor(house, call, asked.session, replayed)
  // The wait is a courtesy: where too many have it already, the state as it stands is the answer.
  const leave = house.waits.take(call.state === 'held' ? '(people)' : call.backend)
  if (leave === null) return replyFor(house, call, asked.session, replayed)
  return waitedIn(house, asked, call, replayed, enough, begun).finally(leave)
}

async function waitedIn(
  house: House,
  asked: Pick<Asked, 'session' | 'request'>,
  call: Call,
  replayed: boolean,
  enough: (call: Call) => boolean,
  begun: boolean,
): Promise<Reply> {
  const hears = house.changes.wait(call.id, asked.request.wait_ms, enough)
  // It may have changed between the read and the wait.
  const now = begun ? null : await house.store.call(call.id)
  if (now !== null && enough(now)) {
    house.changes.tell(now)
    return replyFor(house, now, asked.session, replayed)
  }
  const heard = await hears
  if (heard !== null) return replyFor(house, heard.call, asked.session, replayed, {}, heard.output)
  return replyFor(house, (await house.store.call(call.id)) ?? call, asked.session, replayed)
}
