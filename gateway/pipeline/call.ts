import canonicalize from 'canonicalize'
import { Problem } from '../core/problem.ts'
import type { Admitted } from '../core/operations.ts'
import type { Action, JsonObject, Policy, Session } from '../core/types.ts'
import { bodiesOf, consider } from './consider.ts'
import { dryRun } from './dry-run.ts'
import { timeoutOf } from './execute.ts'
import type { CallRequest, Reply } from './gateway.ts'
import { announce } from './house.ts'
import type { House } from './house.ts'
import { newId } from './ids.ts'
import { refuse, refusedEarly } from './refuse.ts'
import { repeat, waited } from './repeat.ts'
import { replyFor } from './reply.ts'
import { start } from './start.ts'

/** One call on its way in. */
export interface Asked {
  readonly id: string
  readonly session: Session
  readonly request: CallRequest
  readonly policy: Policy
}

/**
 * The one path. Every call walks it once, in one direction, whatever door it came by:
 *
 *   granted → valid → key looked up → cheap refusals → facts gathered → weighed
 *   → tx 1: admitted, reserved, intent written → executed → tx 2: settled → reply
 *
 * @throws Problem for what is no call's state: 503 before anything was written, key_required.
 */
export async function call(house: House, session: Session, request: CallRequest): Promise<Reply> {
  house.step('call.received')
  const policy = house.policy()
  const asked: Asked = { id: newId(house, 'call'), session, request, policy }
  const action = policy.actions.get(request.action)
  const grant = policy.roles.get(session.role)?.grants.get(request.action)
  if (action === undefined || grant === undefined) {
    const detail = `The role ${session.role} has no action of this name. GET /v1/actions lists what it has.`
    return refuse(house, asked, { code: 'not_granted', detail, because: [] })
  }
  const key = action.effect === 'read' ? null : request.key
  if (key === '' || (key === null && action.effect !== 'read')) {
    throw new Problem('key_required', `${action.name} acts: send an Idempotency-Key that names this one effect.`)
  }
  const unreadable = request.unreadable ?? []
  const errors = unreadable.length > 0 ? unreadable : action.validate(request.input)
  if (errors.length > 0) {
    const detail = `The input has ${errors.length === 1 ? 'one error' : `${errors.length} errors`}: see errors.`
    return refuse(house, asked, { code: 'input_invalid', detail, because: [] }, { action, members: { errors } })
  }
  house.step('call.valid')
  const input = request.input as JsonObject
  const fingerprint = house.store.fingerprint(canonicalize(input) ?? '')

  const bound = key === null ? null : await house.store.callByKey(session.principal, session.role, action.name, key)
  if (bound !== null) return repeat(house, asked, action, bound, fingerprint, input)
  if (house.stopping) throw new Problem('overloaded', 'The gateway is stopping. Nothing was sent and the key is free.')
  const early = await refusedEarly(house, asked, action, grant, input)
  if (early !== null) return refuse(house, asked, early, { action, input })
  if (house.backends.isOpen(action.backend)) {
    throw new Problem(
      'backend_unavailable',
      `${action.backend} fails too often and is left alone for a while. Nothing was sent.`,
    )
  }

  // Stale plans come back: policy, switches or facts changed on the way. Each turn takes one snapshot of them.
  for (let turn = 0; turn < 10; turn++) {
    const considered = await consider(house, asked.id, session, action.name, input)
    if (considered.kind === 'denied') {
      const { because, detail } = considered
      return refuse(house, asked, { code: 'denied', detail, because: [because] }, { action, input })
    }
    const { plan, facts, until } = considered
    if (request.dry_run === true) return dryRun(house, asked, considered, grant)
    house.step('call.weighed')
    const admitted = await house.store.write({
      op: 'admit',
      call: asked.id,
      session: session.id,
      principal: session.principal,
      key,
      fingerprint,
      plan,
      facts_until: until,
      bodies: bodiesOf(house, asked.id, input, facts, plan),
      timeout_ms: timeoutOf(considered.policy, plan.backend),
    })
    house.step('call.admitted')
    if (admitted.kind !== 'stale') return entered(house, asked, action, admitted, fingerprint, input)
  }
  throw new Problem('overloaded', 'Policy or facts changed faster than the call could be decided. Nothing was sent.')
}

async function entered(
  house: House,
  asked: Asked,
  action: Action,
  admitted: Exclude<Admitted, { kind: 'stale' }>,
  fingerprint: string,
  input: JsonObject,
): Promise<Reply> {
  switch (admitted.kind) {
    case 'session':
      throw new Problem(admitted.code, 'The session ended meanwhile. Sign in again; the calls it made go on.')
    case 'bound':
      return repeat(house, asked, action, admitted.call, fingerprint, input)
    case 'denied':
      return replyFor(house, announce(house, admitted.call), asked.session, false)
    case 'held':
      return waited(house, asked, announce(house, admitted.call), false)
    case 'started':
      start(house, announce(house, admitted.call), admitted.begun)
      return waited(house, asked, admitted.call, false)
  }
}
