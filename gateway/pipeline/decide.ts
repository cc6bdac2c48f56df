import { sha256Of } from '../core/assertion.ts'
import type { Assertion } from '../core/passkey.ts'
import { Problem } from '../core/problem.ts'
import type { Code } from '../core/problem.ts'
import { notToApprove } from '../core/fold/people.ts'
import type { Approve } from '../core/operations.ts'
import type { Approval, Call, Person } from '../core/types.ts'
import { askedAgain } from './ask-again.ts'
import { untilFollowed } from './follow.ts'
import { start } from './start.ts'
import { announce } from './house.ts'
import type { House } from './house.ts'
import { signedCard, withoutOne } from './passkeys.ts'
import { isSettled } from './reply.ts'
import { refuseWhileRestored } from './restore.ts'
import { mayOrRefuse, refusedClick } from './rights.ts'

/** How long a person's click waits for the call that it let go. */
const SETTLE_WAIT_MS = 10_000

const SAYS: { readonly [kind: string]: string } = {
  own_call: 'You requested this call, own its role or act in it: others decide.',
  not_eligible: 'None of the groups that this call waits for is yours.',
  already_decided: 'This call does not wait for you any more.',
  card_changed: 'What would be done has changed since you saw it. Look at the call again, then decide.',
  frozen: 'People have frozen this. The call waits; it can be approved after the thaw.',
  expired: 'The time to decide is over.',
  cancelled: 'The call was cancelled.',
  rejected: 'The call was rejected.',
}

/**
 * One more yes: facts are fetched today, the policy asked again, and both are bound to the card that was seen (R12).
 * Facts that cannot be fetched: 503, and the call is still held.
 */
export async function approve(
  house: House,
  person: Person,
  id: string,
  card: string,
  /** What a passkey of theirs signed the card with; it is checked whether or not the policy asks for one. */
  assertion?: Assertion,
): Promise<Call> {
  refuseWhileRestored(house)
  for (let turn = 0; turn < 10; turn++) {
    const call = await callOf(house, id)
    if (call.state !== 'held') return decided(house, person, call)
    // Nobody makes the gateway ask a backend whose yes would not count.
    const approval = { person: person.id, name: person.name, groups: person.groups, at: 0, card }
    const refusal = notToApprove(call, approval, await house.store.switches())
    if (refusal === 'passkey_required' && assertion === undefined) return unsigned(house, person, call)
    if (refusal !== null && refusal !== 'passkey_required') return no(house, person, refusal, call)
    const signed = assertion === undefined ? null : await signedCard(house, person, assertion, card)
    if (signed !== null && !signed.ok) return unsigned(house, person, call, signed.why)
    const asked = await askedAgain(house, call)
    house.step('approve.weighed')
    const operation: Approve = { op: 'approve', call: id, ...withWord(approval, signed), ...asked }
    const approved = await house.quiet.enter(() => house.store.write(operation))
    house.step('approve.written')
    switch (approved.kind) {
      case 'stale':
        await untilFollowed(house)
        continue
      case 'no_such_call':
        throw new Problem('no_such_call', 'There is no such call.')
      case 'started':
        start(house, announce(house, approved.call), approved.begun, operation.bodies.request)
        return (await house.changes.wait(id, SETTLE_WAIT_MS, settledOrUnsure))?.call ?? approved.call
      case 'held':
      case 'denied':
        return announce(house, approved.call)
      case 'passkey_required':
        return unsigned(house, person, approved.call, approved.why)
      default:
        announce(house, approved.call)
        return no(house, person, approved.kind, approved.call)
    }
  }
  throw new Problem('overloaded', 'Policy or facts changed faster than the call could be decided. It is still held.')
}

export async function reject(house: House, person: Person, id: string, reason: string): Promise<Call> {
  if (reason.trim() === '') throw new Problem('malformed', 'A rejection needs a reason: the agent is told.')
  const result = await house.store.write({ op: 'reject', call: id, person, reason })
  if (result.kind === 'no_such_call') throw new Problem('no_such_call', 'There is no such call.')
  announce(house, result.call)
  return result.kind === 'rejected' ? result.call : no(house, person, result.kind, result.call)
}

/** Two different people with the same word settle a needs_human call. */
export async function settleByPerson(
  house: House,
  person: Person,
  id: string,
  outcome: 'done' | 'refused',
  reason: string,
): Promise<Call> {
  await mayOrRefuse(house, person, 'settle', 'settle a call')
  if (reason.trim() === '')
    throw new Problem('malformed', 'Settling needs a reason: it is the proof that was looked at.')
  const result = await house.store.write({ op: 'person_settles', call: id, person, outcome, reason })
  if (result.kind === 'no_such_call') throw new Problem('no_such_call', 'There is no such call.')
  announce(house, result.call)
  if (result.kind === 'settled' || result.kind === 'one_more') return result.call
  return no(house, person, result.kind === 'own_call' ? 'own_call' : 'already_decided', result.call)
}

/** The approval names what signed it by digest; the operation brings what is kept, and what the transaction looks at again. */
function withWord(
  approval: Approval,
  signed: Awaited<ReturnType<typeof signedCard>> | null,
): Pick<Approve, 'approval' | 'passkey'> {
  if (signed === null || !signed.ok) return { approval }
  const { word, text } = signed
  const passkey = { credential: `sha256:${word.passkey}`, digest: sha256Of(text, 'utf8') }
  return { approval: { ...approval, passkey }, passkey: { ...word, text } }
}

/** No passkey signed the card, or not so that it counts. */
async function unsigned(house: House, person: Person, call: Call, why?: string): Promise<never> {
  await refusedClick(house, person, 'decide about a call', 'passkey_required', call.id, why)
  const detail = why === undefined ? withoutOne(house, call) : `The passkey’s yes is refused: ${why}.`
  throw new Problem('passkey_required', detail, { call: call.id })
}

async function decided(house: House, person: Person, call: Call): Promise<never> {
  const code = call.state === 'expired' || call.state === 'cancelled' ? call.state : 'already_decided'
  return no(house, person, code, call)
}

async function no(house: House, person: Person, code: Code, call: Call): Promise<never> {
  await refusedClick(house, person, 'decide about a call', code, call.id)
  throw new Problem(code, SAYS[code] ?? 'This cannot be done.', { call: call.id })
}

export async function callOf(house: House, id: string): Promise<Call> {
  const call = await house.store.call(id)
  if (call === null) throw new Problem('no_such_call', 'There is no such call.')
  return call
}

function settledOrUnsure(call: Call): boolean {
  return isSettled(call) || call.state === 'unknown' || call.state === 'needs_human'
}
