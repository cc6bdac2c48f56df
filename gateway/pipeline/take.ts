import { Problem } from '../core/problem.ts'
import type { Call } from '../core/types.ts'
import { askedAgain } from './ask-again.ts'
import { untilFollowed } from './follow.ts'
import type { Reply } from './gateway.ts'
import { hear } from './hear.ts'
import type { Waiting } from './hear.ts'
import { announce } from './house.ts'
import type { House } from './house.ts'
import { replyFor } from './reply.ts'
import { start } from './start.ts'

/** Whoever makes a lease is answered it, so this long it is waited for, whatever they would have waited. */
const WAIT_MS = 10_000
/** Each turn fetches facts: a policy that changes faster waits for the next who asks. */
const TURNS_MAX = 3

/**
 * A held lease that people have let go, and its agent asks for it: today's facts, the policy asked once more (R12), and
 * then it is made, by this process and for this request. Whatever stands in the way leaves it as it is.
 */
export async function take(house: House, asked: Waiting, held: Call, replayed: boolean): Promise<Reply> {
  const asItIs = (call: Call): Promise<Reply> => replyFor(house, call, asked.session, replayed)
  if (house.stopping || house.restored != null) return asItIs(held)
  for (let turn = 0; turn < TURNS_MAX; turn++) {
    const again = await askedAgain(house, held).catch(whyNot)
    if (again === null) return asItIs(held)
    house.step('take.weighed')
    const operation = { op: 'take', call: held.id, session: asked.session.id, ...again } as const
    const taken = await house.quiet.enter(() => house.store.write(operation))
    house.step('take.written')
    switch (taken.kind) {
      case 'stale':
        await untilFollowed(house)
        continue
      case 'no_such_call':
        return asItIs(held)
      case 'started': {
        const { call, begun } = taken
        const { request } = again.bodies
        return inHand(house, asked, call, replayed, () => start(house, announce(house, call), begun, request))
      }
      case 'not_ready':
      case 'held':
      case 'denied':
        return asItIs(announce(house, taken.call))
    }
  }
  return asItIs(held)
}

/** Facts that cannot be had now: it is held still. */
function whyNot(error: unknown): null {
  if (error instanceof Problem) return null
  throw error
}

/**
 * The request that makes a lease is the only one that is ever given it: from the memory of this process, once, after it
 * is durably known that there is one.
 *
 * @param begins starts the call.
 */
export async function inHand(
  house: House,
  { session, request }: Waiting,
  call: Call,
  replayed: boolean,
  begins: () => void,
): Promise<Reply> {
  const hand = house.leases.expect(call.id)
  try {
    begins()
    const wait_ms = Math.max(request.wait_ms, WAIT_MS)
    const heard = await hear(house, { session, request: { ...request, wait_ms } }, call, true)
    // Where replicas share a store its notice may be here before the answer to whoever wrote it, who then gives the login.
    if (heard.call.state === 'done') await house.running.get(call.id)
    const reply = await replyFor(house, heard.call, session, replayed)
    const login = hand.take()
    if (login === null) return reply
    const { problem: _repeats, output_gone: _gone, ...envelope } = reply.envelope
    return { ...reply, problem: null, envelope: { ...envelope, output: login } }
  } finally {
    hand.close()
  }
}
