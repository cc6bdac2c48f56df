import type { Admit } from '../core/operations.ts'
import type { Unnamed } from '../core/join.ts'
import { isBeingTold } from '../core/join.ts'
import { Problem } from '../core/problem.ts'
import type { Action, Call } from '../core/types.ts'
import type { Asked } from './asked.ts'
import { persist } from './attempt.ts'
import type { CallRequest, Reply } from './gateway.ts'
import { announce } from './house.ts'
import type { House } from './house.ts'

/** How a request names its effect, or that it does not. */
export type Keyed = Pick<Admit, 'key' | 'fingerprint' | 'join'>

/** Requests without a key of the agent's own come to actions that stand at a door of another shape. */
export function joinOf(action: Action, { unnamed, dry_run }: CallRequest): Pick<Admit, 'join'> {
  if (action.effect === 'read' || dry_run === true) return {}
  if (unnamed !== undefined) return { join: 'invented' }
  return Object.keys(action.compat ?? {}).length > 0 ? { join: 'named' } : {}
}

/** The call that this request is about already, before a backend is asked for anything; it may have joined it by this. */
export async function boundBefore(house: House, asked: Asked, keyed: Keyed): Promise<Call | null> {
  if (keyed.join !== 'invented') return boundTo(house, asked, keyed)
  const unnamed = unnamedOf(asked, keyed)
  for (;;) {
    const found = await house.store.callUnnamed(unnamed)
    if (found === null || found.kind === 'bound') return found?.call ?? null
    const isOnItsWay = isBeingTold(found.call, house.clock.now())
    const joined = isOnItsWay ? null : await house.store.write({ op: 'join', ...unnamed, by: asked.id })
    if (joined?.kind === 'joined') return announce(house, joined.call)
    if (joined?.kind === 'alone') return null
    await untilHeard(house)
  }
}

/**
 * What came of an equal call is on its way to another request: a moment later it is known whether that one heard it.
 *
 * @throws Problem overloaded while the gateway stops.
 */
export async function untilHeard(house: House): Promise<void> {
  if (house.stopping) throw new Problem('overloaded', 'The gateway is stopping. Nothing was sent.')
  await house.clock.sleep(LOOK_MS)
}

const LOOK_MS = 20

/** The call that its key names. */
export async function boundTo({ store }: House, asked: Asked, keyed: Keyed): Promise<Call | null> {
  const { principal, role, action, key } = unnamedOf(asked, keyed)
  if (key === null) return null
  if (keyed.join !== 'invented') return store.callByKey(principal, role, action, key)
  const found = await store.callUnnamed(unnamedOf(asked, keyed))
  return found?.kind === 'bound' ? found.call : null
}

/**
 * Before what came of a call is told, that it is on its way is written down, and after it whether it was heard. Were we to
 * crash in between, the request's own repeat gets it, or else whoever asks anew. Who has hung up was told nothing.
 *
 * @param by the request.
 */
export async function told(house: House, { unnamed }: CallRequest, reply: Reply, by: string): Promise<Reply> {
  if (unnamed === undefined || reply.owed === undefined) return reply
  const { call } = reply.envelope
  if (!unnamed.gone() && reply.owed.to !== by) {
    house.step('join.tells')
    await house.store.write({ op: 'hand_out', call, by }).catch((error: unknown) => {
      // Whether it was kept nobody knows, and whoever asked is told that the ledger does not answer.
      went(house, call, by, Promise.resolve(false))
      throw error
    })
    house.step('join.told')
  }
  went(house, call, by, unnamed.heard())
  return reply
}

function went(house: House, call: string, by: string, heard: Promise<boolean>): void {
  const name = `${call} told to ${by}`
  const write = (isHeard: boolean) =>
    persist(house, () => house.store.write({ op: 'hand_out', call, by, went: isHeard ? 'told' : 'back' }))
  const written = heard
    .then(write)
    // Whoever asks for the same next waits, and is told.
    .catch((error: unknown) =>
      house.log('whether an answer was heard is not written down', { call, error: String(error) }),
    )
    .finally(() => house.running.delete(name))
  house.running.set(name, written)
}

function unnamedOf({ session, request }: Asked, { key, fingerprint }: Keyed): Unnamed {
  return { principal: session.principal, role: session.role, action: request.action, key, fingerprint }
}
