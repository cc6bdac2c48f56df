import canonicalize from 'canonicalize'
import type { Admit } from '../core/operations.ts'
import { Problem } from '../core/problem.ts'
import type { ProblemMembers } from '../core/problem.ts'
import type { Action, Call, JsonObject } from '../core/types.ts'
import type { Asked } from './asked.ts'
import { bodiesOf } from './consider.ts'
import type { Reply } from './gateway.ts'
import { announce } from './house.ts'
import type { House } from './house.ts'
import { untilHeard } from './join.ts'
import type { Keyed } from './join.ts'
import { replyFor } from './reply.ts'
import { unplanned } from './unplanned.ts'
import { waited } from './wait.ts'

export type Refusal = NonNullable<Admit['refuse']>

/** What is known of a call by the time it is refused. */
export interface Known {
  readonly action?: Action
  /** Set once it was validated; what never was is not kept. */
  readonly input?: JsonObject
  /** Set: if the key came to name a call meanwhile, that call's state is the answer. */
  readonly keyed?: Keyed
  readonly members?: ProblemMembers
}

/** Writes a refusal down: every request of a live session has its entry (I14). The key stays as it was. */
export async function refuse(house: House, asked: Asked, refusal: Refusal, known: Known = {}): Promise<Reply> {
  const { session, id } = asked
  const { action, input, keyed } = known
  const plan = unplanned(house, asked, action ?? null, (await house.store.switches()).version)
  const admitted = await house.store.write({
    op: 'admit',
    call: id,
    session: session.id,
    principal: session.principal,
    ...(keyed ?? { key: null, fingerprint: '' }),
    plan,
    facts_until: null,
    bodies: bodiesOf(house, id, { input: input ?? null }),
    refuse: refusal,
    timeout_ms: 0,
  })
  switch (admitted.kind) {
    case 'session':
      throw new Problem(admitted.code, 'The session ended meanwhile. Sign in again.')
    case 'bound':
      return repeat(house, asked, admitted.call, keyed?.fingerprint ?? '', known)
    case 'telling':
      await untilHeard(house)
      return refuse(house, asked, refusal, known)
    case 'denied':
      return replyFor(house, announce(house, admitted.call), session, false, known.members)
    default:
      throw new Error(`a refusal was answered ${admitted.kind}`)
  }
}

/** A bound key answers with the call's state now; another input under it is refused and named. */
export async function repeat(
  house: House,
  asked: Asked,
  bound: Call,
  fingerprint: string,
  { action, input }: Known,
): Promise<Reply> {
  if (bound.fingerprint === fingerprint) return waited(house, asked, bound, true)
  const members = await differing(house, bound, input ?? {})
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
