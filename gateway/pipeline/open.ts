import { Problem } from '../core/problem.ts'
import type { Call, Session } from '../core/types.ts'
import { actionsOf, routesOf } from './actions.ts'
import { call } from './call.ts'
import type { Gateway } from './gateway.ts'
import { announce } from './house.ts'
import type { House } from './house.ts'
import { newId } from './ids.ts'
import { told } from './join.ts'
import { passkeyGateway } from './passkeys.ts'
import { everyCall } from './list.ts'
import { peopleGateway } from './people.ts'
import { endSessionsWithoutRole, recover } from './recover.ts'
import { refusedRequests } from './refused-requests.ts'
import { waited } from './wait.ts'
import { watch } from './watch.ts'
import { replyFor, statesOf } from './reply.ts'

/** Opens the corridor: takes up what nobody sees to, then and ever after, and answers to doors. */
export async function openGateway(
  house: House,
): Promise<{ gateway: Gateway; taken: number; stop: (drain_ms: number) => Promise<void> }> {
  await endSessionsWithoutRole(house)
  const taken = await recover(house)
  const unwatch = watch(house)
  const refused = refusedRequests(house)
  return {
    gateway: gatewayOf(house, refused.count),
    taken,
    /** No new calls; running ones may end. What has not ended by then is found executing at the next start. */
    async stop(drain_ms) {
      house.stopping = true
      unwatch()
      const over = house.clock.monotonic() + drain_ms
      // What runs may still be joined by what was admitted a moment ago.
      while (house.running.size > 0 && house.clock.monotonic() < over) {
        const left_ms = over - house.clock.monotonic()
        await Promise.race([Promise.allSettled(house.running.values()), house.clock.sleep(left_ms)])
      }
      await refused.stop()
    },
  }
}

function gatewayOf(house: House, count: (code: string, source: string) => void): Gateway {
  /** Of the same principal and role, whatever session: calls outlive sessions; all others are unknown. */
  const own = async (session: Session, id: string): Promise<Call> => {
    const found = await house.store.call(id)
    if (found === null || found.principal !== session.principal || found.role !== session.role) {
      throw new Problem('no_such_call', 'There is no such call of yours.')
    }
    return found
  }
  return {
    policy: house.policy,
    actions: (session) => actionsOf(house, session),
    routes: (session) => routesOf(house, session),
    async call(session, request) {
      const id = newId(house, 'call')
      return told(house, request, await call(house, session, request, id), id)
    },
    async show(session, id, wait_ms) {
      const found = await own(session, id)
      const request = { action: found.action, input: {}, key: null, wait_ms, wait_held: true }
      return waited(house, { session, request }, found, false)
    },
    async list(session, filter) {
      const asked = {
        principal: session.principal,
        role: session.role,
        ...(filter.status === undefined ? {} : { states: statesOf(filter.status) }),
        ...(filter.key === undefined ? {} : { key: filter.key }),
        ...(filter.since === undefined ? {} : { since: filter.since }),
      }
      // A key that none of a million calls has must not stop the others while it is looked for.
      const calls = await everyCall(house, asked, Math.min(filter.limit ?? 100, 1000))
      return Promise.all(calls.map((found) => replyFor(house, found, session, false)))
    },
    async cancel(session, id) {
      const found = await own(session, id)
      const by = session.principal
      const result = await house.store.write({ op: 'cancel', call: found.id, by, reason: 'cancelled by its principal' })
      if (result.kind === 'no_such_call') throw new Problem('no_such_call', 'There is no such call of yours.')
      return replyFor(house, announce(house, result.call), session, false)
    },
    people: peopleGateway(house),
    passkeys: passkeyGateway(house),
    notReady() {
      const { ok, reason } = house.store.ready()
      if (!ok) return reason ?? 'The ledger is not ready.'
      if (house.stopping) return 'The gateway is stopping.'
      const unusable = house.unusablePolicy?.() ?? null
      return unusable === null ? null : `The policy that another replica loaded cannot be used here: ${unusable}`
    },
    refused: count,
  }
}
