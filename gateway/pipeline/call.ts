import canonicalize from 'canonicalize'
import type { Exchange } from '../../adapters/adapter.ts'
import { Problem } from '../core/problem.ts'
import { isListed, listedInWords } from '../core/route.ts'
import type { Admit, Admitted } from '../core/operations.ts'
import type { JsonObject, Session } from '../core/types.ts'
import type { Asked } from './asked.ts'
import { bodiesOf, consider } from './consider.ts'
import { dryRun } from './dry-run.ts'
import { refusedEarly } from './early.ts'
import { timeoutOf } from './execute.ts'
import { untilFollowed } from './follow.ts'
import type { CallRequest, Reply } from './gateway.ts'
import { announce } from './house.ts'
import type { House } from './house.ts'
import { newId } from './ids.ts'
import { invalid, invalidMembers } from './invalid.ts'
import { boundBefore, boundTo, joinOf, untilHeard } from './join.ts'
import { inPlace, Shed } from './places.ts'
import { refuse, repeat } from './refuse.ts'
import type { Known } from './refuse.ts'
import { replyFor } from './reply.ts'
import { refuseWhileRestored } from './restore.ts'
import { start } from './start.ts'
import { inHand } from './take.ts'
import { waited } from './wait.ts'

/**
 * The one path. Every call walks it once, in one direction, whatever door it came by:
 *
 *   granted → valid → key looked up (before a backend is asked) → cheap refusals → facts gathered → weighed
 *   → tx 1: admitted, reserved, intent written → executed → tx 2: settled → reply
 *
 * @throws Problem for what is no call's state: 503 before anything was written, key_required.
 */
export async function call(
  house: House,
  session: Session,
  request: CallRequest,
  id = newId(house, 'call'),
): Promise<Reply> {
  house.step('call.received')
  const policy = house.policy()
  const asked: Asked = { id, session, request, policy }
  const action = policy.actions.get(request.action)
  const grant = policy.roles.get(session.role)?.grants.get(request.action)
  // A route is none of the actions that a door with whole inputs has, and the other way round.
  const elsewhere = (action?.route === undefined) !== (request.exchange === undefined)
  if (action === undefined || grant === undefined || elsewhere) {
    const detail = `The role ${session.role} has no action of this name. Its list of actions says what it has.`
    return refuse(house, asked, { code: 'not_granted', detail, because: [] })
  }
  const key = action.effect === 'read' || request.dry_run === true ? null : request.key
  const keyless = action.effect === 'read' || request.dry_run === true || request.unnamed !== undefined
  if (key === '' || (key === null && !keyless)) {
    throw new Problem('key_required', `${action.name} acts: send an Idempotency-Key that names this one effect.`)
  }
  if (action.route !== undefined && !isListed(action.route, request.input)) {
    const detail = `${action.name} lets nothing through but: ${listedInWords(action.route)}.`
    return refuse(house, asked, { code: 'not_granted', detail, because: [] }, { action })
  }
  const errors = invalid(action, request)
  if (errors.length > 0) {
    const detail = `The input has ${errors.length === 1 ? 'one error' : `${errors.length} errors`}: see errors.`
    return refuse(
      house,
      asked,
      { code: 'input_invalid', detail, because: [] },
      { action, members: invalidMembers(errors) },
    )
  }
  house.step('call.valid')
  const input = request.input as JsonObject
  const fingerprint = house.store.fingerprint(canonicalize(input) ?? '')
  const keyed = { key, fingerprint, ...joinOf(action, request) }
  const known: Known = { action, input, keyed }

  // A bound key answers first, whatever else says no. The deciding transaction looks it up; here only what asks a backend,
  // or turns the call away without asking the ledger, must know before.
  const away = house.stopping || house.restored != null || house.places.isFull(action.backend)
  const bound = away || action.facts.length > 0 ? await boundBefore(house, asked, keyed) : null
  if (bound !== null) return repeat(house, asked, bound, fingerprint, known)
  if (house.stopping) throw new Problem('overloaded', 'The gateway is stopping. Nothing was sent and the key is free.')
  if (action.effect !== 'read') refuseWhileRestored(house)
  if (house.places.isFull(action.backend)) throw new Shed(action.backend)
  const early = await refusedEarly(house, asked, action, grant, input)
  if (early !== null) return refuse(house, asked, early, known)
  if (house.backends.isOpen(action.backend)) {
    const detail = `${action.backend} fails too often and is left alone for a while. Nothing was sent.`
    return refuse(house, asked, { code: 'backend_unavailable', detail, because: [] }, known)
  }

  // Stale plans come back: policy, switches or facts changed on the way. Each turn takes one snapshot of them.
  for (let turn = 0; turn < TURNS_MAX; turn++) {
    // The input was held to the policy of the beginning: under another one all of it is asked anew.
    if (house.policy() !== policy) return call(house, session, request, id)
    const considered = await consider(house, asked.id, session, action.name, input)
    if (considered.kind === 'denied') {
      const { because, detail } = considered
      return refuse(house, asked, { code: 'denied', detail, because: [because] }, known)
    }
    if (considered.kind === 'unavailable') {
      const detail = `${considered.detail}. Nothing was sent.`
      return refuse(house, asked, { code: considered.code, detail, because: [] }, known)
    }
    const { plan, question, until } = considered
    if (request.dry_run === true) return dryRun(house, asked, considered, grant, known)
    house.step('call.weighed')
    const operation: Admit = {
      op: 'admit',
      call: asked.id,
      session: session.id,
      principal: session.principal,
      ...keyed,
      plan,
      facts_until: until,
      bodies: bodiesOf(house, asked.id, { input, question, request: plan.request }),
      timeout_ms: timeoutOf(considered.policy, plan.backend),
    }
    const write = () => house.quiet.enter(() => house.store.write(operation))
    const admitted = await inPlace(house.places, plan.backend, write).catch(async (error: unknown) => {
      // Who asked before has an answer also while nothing can be written.
      const call = await boundTo(house, asked, keyed)
      if (call === null || call.id === asked.id) throw error
      return { kind: 'bound', call, same: call.fingerprint === fingerprint } as const
    })
    house.step('call.admitted')
    if (admitted.kind === 'stale') await untilFollowed(house)
    else if (admitted.kind === 'telling') {
      await untilHeard(house)
      return call(house, session, request, id)
    } else return entered(house, asked, admitted, known, operation.bodies.request)
  }
  const detail = 'Facts, policy or switches changed faster than the call could be decided. Nothing was sent.'
  return refuse(house, asked, { code: 'backend_unavailable', detail, because: [] }, known)
}

/** Each turn asks the backend again: one that is slower than its facts stay fresh is not asked for ever. */
const TURNS_MAX = 3

async function entered(
  house: House,
  asked: Asked,
  admitted: Exclude<Admitted, { kind: 'stale' | 'telling' }>,
  known: Known,
  request: string | null,
): Promise<Reply> {
  switch (admitted.kind) {
    case 'session':
      throw new Problem(admitted.code, 'The session ended meanwhile. Sign in again; the calls it made go on.')
    case 'bound':
      return repeat(house, asked, admitted.call, known.keyed?.fingerprint ?? '', known)
    case 'denied':
      return replyFor(house, announce(house, admitted.call), asked.session, false)
    case 'held':
      return waited(house, asked, announce(house, admitted.call), false)
    case 'started': {
      const { call, begun } = admitted
      const route = known.action?.route
      const streams = asked.request.exchange !== undefined && route !== undefined
      if (streams) return streamed(house, asked, admitted, request, { ...asked.request.exchange, route })
      const begins = (): void => start(house, announce(house, call), begun, request)
      if (call.effect === 'lease') return inHand(house, asked, call, false, begins)
      begins()
      return waited(house, asked, call, false, true)
    }
  }
}

/** A stream has nothing to wait for but its own end: the answer is on its way by then, or never began. */
async function streamed(
  house: House,
  { session }: Asked,
  { call, begun }: Extract<Admitted, { kind: 'started' }>,
  request: string | null,
  exchange: Exchange,
): Promise<Reply> {
  start(house, announce(house, call), begun, request, exchange)
  await house.running.get(call.id)
  return replyFor(house, (await house.store.call(call.id)) ?? call, session, false)
}
