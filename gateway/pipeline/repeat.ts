import canonicalize from 'canonicalize'
import type { Action, Call, JsonObject } from '../core/types.ts'
import type { Asked } from './call.ts'
import type { Reply } from './gateway.ts'
import type { House } from './house.ts'
import { refuse } from './refuse.ts'
import { isSettled, replyFor } from './reply.ts'

/** A bound key answers with the call's state now; another input under it is refused and named. */
export async function repeat(
  house: House,
  asked: Asked,
  action: Action,
  bound: Call,
  fingerprint: string,
  input: JsonObject,
): Promise<Reply> {
  if (bound.fingerprint === fingerprint) return waited(house, asked, bound, true)
  const members = await differing(house, bound, input)
  const which = members.length === 0 ? 'the input' : members.map((name) => `input.${name}`).join(', ')
  const detail = `This key names ${bound.id}, which differs in ${which}. A key names one effect: use a new one for another.`
  const errors = members.map((name) => ({
    path: `input.${name}`,
    got: 'another value',
    want: `the value of ${bound.id}`,
  }))
  return refuse(house, asked, { code: 'key_reused', detail, because: [] }, { action, members: { errors } })
}

async function differing(house: House, bound: Call, input: JsonObject): Promise<string[]> {
  const kept = (await house.store.bodies(bound.id))?.input
  if (kept === undefined || kept === null) return []
  const before = JSON.parse(kept) as JsonObject
  const names = new Set([...Object.keys(before), ...Object.keys(input)])
  return [...names].filter((name) => canonicalize(before[name]) !== canonicalize(input[name])).sort()
}

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
