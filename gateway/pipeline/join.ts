import type { Admit } from '../core/operations.ts'
import type { Unnamed } from '../core/join.ts'
import type { Action, Call } from '../core/types.ts'
import type { Asked } from './asked.ts'
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
  const found = await house.store.callUnnamed(unnamed)
  if (found === null || found.kind === 'bound') return found?.call ?? null
  const joined = await house.store.write({ op: 'join', ...unnamed })
  return joined.kind === 'joined' ? announce(house, joined.call) : null
}

/** The call that its key names. */
export async function boundTo({ store }: House, asked: Asked, keyed: Keyed): Promise<Call | null> {
  const { principal, role, action, key } = unnamedOf(asked, keyed)
  if (key === null) return null
  if (keyed.join !== 'invented') return store.callByKey(principal, role, action, key)
  const found = await store.callUnnamed(unnamedOf(asked, keyed))
  return found?.kind === 'bound' ? found.call : null
}

/**
 * What came of a call is written down as told before it is: were we to crash in between, the request's own repeat gets
 * it, and whoever asks anew does not get it a second time. Who has hung up was told nothing.
 */
export async function told(house: House, { unnamed }: CallRequest, reply: Reply): Promise<Reply> {
  if (unnamed === undefined || reply.owed !== true || unnamed.gone()) return reply
  house.step('join.tells')
  await house.store.write({ op: 'hand_out', call: reply.envelope.call })
  house.step('join.told')
  return reply
}

function unnamedOf({ session, request }: Asked, { key, fingerprint }: Keyed): Unnamed {
  return { principal: session.principal, role: session.role, action: request.action, key, fingerprint }
}
