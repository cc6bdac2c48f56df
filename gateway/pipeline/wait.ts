import type { Call } from '../core/types.ts'
import type { Reply } from './gateway.ts'
import { hear, isMine } from './hear.ts'
import type { Waiting } from './hear.ts'
import type { House } from './house.ts'
import { replyFor } from './reply.ts'
import { take } from './take.ts'

/**
 * The call as it stands after so long a wait as the door allows. A lease that people have let go is made now, where the
 * agent that it is for is the one who asks.
 *
 * @param begun started in this very turn: only its own end can change it, and that is heard.
 */
export async function waited(
  house: House,
  asked: Waiting,
  call: Call,
  replayed: boolean,
  begun = false,
): Promise<Reply> {
  const heard = await hear(house, asked, call, begun)
  if (isMine(asked, heard.call)) return take(house, asked, heard.call, replayed)
  return replyFor(house, heard.call, asked.session, replayed, {}, heard.output)
}
