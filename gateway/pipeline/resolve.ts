import type { Call, Json, JsonObject, Lookup, Policy, Question, Scope } from '../core/types.ts'
import { scopeOf } from '../core/scope.ts'
import { attempt, persist } from './attempt.ts'
import { timeoutOf } from './execute.ts'
import { ask } from './gather.ts'
import { announce } from './house.ts'
import type { House } from './house.ts'
import { pages } from './pages.ts'
import { sessionOf } from './session.ts'

/** The same request under the same backend key: at most this many attempts per owner (R7). */
const ATTEMPTS_MAX = 3
/** A backend that cannot be asked is asked again, this often. */
const LOOKUPS_MAX = 5

/**
 * What becomes of a call in doubt: sent again where the backend recognises repeats, else looked up where the action says
 * how, else people. It keeps its reservation all the while (R6).
 *
 * `found`: this process did not start the attempt. It waits the attempt's whole time from now on before a lookup (R14).
 */
export async function resolve(house: House, doubtful: Call, whose: 'own' | 'found'): Promise<void> {
  let call = doubtful
  for (let tries = 0; call.state === 'unknown' && tries < ATTEMPTS_MAX - (whose === 'own' ? 1 : 0); tries++) {
    if (!mayRepeat(house, call)) break
    if (tries > 0) await house.clock.sleep(500 * 2 ** tries)
    const again = await repeatOnce(house, call)
    if (again === null) break
    call = again
  }
  if (call.state !== 'unknown' || house.stopping) return
  await look(house, call, whose)
}

/** Idempotent backend, its key alive by the intent's date; session and policy are read in the transaction that starts. */
function mayRepeat(house: House, call: Call): boolean {
  const policy = house.policy()
  const spec = policy.backends.get(call.backend)
  if (spec === undefined || spec.idempotency === null || house.stopping) return false
  if (policy.roles.get(call.role)?.grants.has(call.action) !== true) return false
  const age_ms = house.clock.now() - (call.intent_at ?? 0)
  return age_ms >= 0 && age_ms + timeoutOf(policy, call.backend) < spec.idempotency.lives_ms
}

async function repeatOnce(house: House, call: Call): Promise<Call | null> {
  const timeout_ms = timeoutOf(house.policy(), call.backend)
  const operation = { op: 'start', call: call.id, attempt: call.attempt, timeout_ms } as const
  const started = await persist(house, () => house.store.write(operation))
  house.step('resolve.started')
  if (started.kind === 'refused') return null
  const request = await requestOf(house, call)
  if (request === null) return null
  return attempt(house, announce(house, started.call), request, started.begun)
}

/** The bytes that were recorded, never rendered anew. */
async function requestOf(house: House, call: Call): Promise<Json> {
  const kept = (await house.store.bodies(call.id))?.request
  return kept === undefined || kept === null ? null : (JSON.parse(kept) as Json)
}

/** Only once nothing of any attempt can still land: the last one ended before now, one of another process may still run. */
async function look(house: House, call: Call, whose: 'own' | 'found'): Promise<void> {
  const policy = house.policy()
  const recheck = policy.actions.get(call.action)?.recheck ?? null
  if (recheck === null) return conclude(house, call, 'cannot_tell', 'the backend cannot be asked what became of it')
  const spec = policy.backends.get(call.backend)
  const attempt_ms = whose === 'found' ? (spec?.timeout_ms ?? 0) : 0
  await house.clock.sleep(attempt_ms + (spec?.lands_within_ms ?? 0))
  for (let tries = 0; tries < LOOKUPS_MAX && !house.stopping; tries++) {
    if (tries > 0) await house.clock.sleep(1000 * 2 ** tries)
    const found = await lookup(house, policy, call, recheck)
    house.step('resolve.looked')
    if (found === 'unreachable') continue
    if (found === 'cannot_tell')
      return conclude(house, call, found, 'the backend was asked and its answer does not tell')
    const reason =
      found === 'done' ? 'the backend says that it happened' : 'the backend has no record of it: nothing happened'
    return conclude(house, call, found, reason)
  }
  if (!house.stopping) await conclude(house, call, 'cannot_tell', 'the backend could not be asked what became of it')
}

async function lookup(
  house: House,
  policy: Policy,
  call: Call,
  recheck: Lookup,
): Promise<'done' | 'refused' | 'cannot_tell' | 'unreachable'> {
  const scope = await lookupScope(house, policy, call)
  if (scope === null) return 'cannot_tell'
  const request = recheck.request.render(scope)
  if (!request.ok) return 'cannot_tell'
  let answer: 'done' | 'refused' | 'cannot_tell' = 'refused'
  const about = { call: call.id, session: { id: call.session, role: call.role } }
  const end = await pages(
    (asked) => ask(house, call.backend, asked, about),
    request.value,
    recheck.page,
    scope,
    (output) => {
      const judged = recheck.happened.evaluate({ ...scope, output })
      if (!judged.ok) answer = 'cannot_tell'
      else if (judged.value === true) answer = 'done'
      return answer === 'refused' ? 'more' : 'stop'
    },
  )
  if (end === null) return answer
  return end.kind === 'not_sent' || end.kind === 'unknown' ? 'unreachable' : 'cannot_tell'
}

async function lookupScope(house: House, policy: Policy, call: Call): Promise<Scope | null> {
  const action = policy.actions.get(call.action)
  const bodies = await house.store.bodies(call.id)
  const session = await house.store.session(call.session)
  if (action === undefined || session === null || bodies === null || bodies.input === null) return null
  const input = JSON.parse(bodies.input) as JsonObject
  const facts = JSON.parse(bodies.facts ?? '{}') as JsonObject
  const at = house.clock.now()
  const question: Question = {
    at,
    call: call.id,
    session: sessionOf(session),
    action: call.action,
    input,
    facts,
    switches: {},
  }
  return scopeOf(question, action, policy.roles.get(call.role)?.timezone ?? 'UTC')
}

async function conclude(
  house: House,
  call: Call,
  found: 'done' | 'refused' | 'cannot_tell',
  reason: string,
): Promise<void> {
  const replay_ms = house.policy().actions.get(call.action)?.replay_ms ?? 0
  const operation = {
    op: 'reconcile',
    call: call.id,
    attempt: call.attempt,
    found,
    reason,
    evidence: {},
    output: null,
    replay_ms,
  } as const
  const result = await persist(house, () => house.store.write(operation))
  house.step('resolve.concluded')
  if ('call' in result) announce(house, result.call)
}
