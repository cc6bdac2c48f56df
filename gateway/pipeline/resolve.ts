import type { Call, Json, JsonObject, Lookup, Policy, Question, Scope } from '../core/types.ts'
import { scopeOf } from '../core/scope.ts'
import { attempt, persist } from './attempt.ts'
import { resolveLease } from './doubt.ts'
import { timeoutOf } from './execute.ts'
import { ask } from './gather.ts'
import { announce } from './house.ts'
import type { House } from './house.ts'
import { pages } from './pages.ts'
import { PERMIT_MS } from './permit.ts'
import { sessionOf } from './session.ts'

/** The same request under the same backend key: at most this many attempts per owner (R7). */
const ATTEMPTS_MAX = 3
/** A backend that cannot be asked is asked again, this often. */
const LOOKUPS_MAX = 5
/** How long each try waits for a backend that is left alone, and how soon it looks again, at least. */
const LEFT_ALONE_MS = 15 * 60_000
const LOOK_AGAIN_MS = 500

/**
 * What becomes of a call in doubt: sent again where the backend recognises repeats, else looked up where the action says
 * how, else people. It keeps its reservation all the while (R6), and each turn goes on from what the ledger says now:
 * once another process owns the call, it is no longer ours to resolve.
 */
export async function resolve(house: House, doubtful: Call, whose: 'own' | 'found'): Promise<void> {
  if (doubtful.effect === 'lease') return void (await resolveLease(house, doubtful, whose))
  let call = doubtful
  let left = ATTEMPTS_MAX - (whose === 'own' ? 1 : 0)
  for (let turn = 0; call.state === 'unknown' && call.owner === house.store.owner && !house.stopping; turn++) {
    const until = repeatableUntil(house, call)
    if (left === 0 || house.clock.now() >= until) {
      call = await look(house, call, whose)
      continue
    }
    if (turn > 0) await house.clock.sleep(Math.min(500 * 2 ** turn, 4000))
    await untilAsked(house, call.backend)
    if (house.stopping) return
    const again = await repeatOnce(house, call, until)
    if (again.kind === 'call') {
      call = again.call
      left--
    } else if (again.kind === 'frozen' && house.policy().actions.get(call.action)?.recheck == null) {
      // Nobody can be asked and the thaw resumes: wait for it as long as the backend's key lives.
      await house.clock.sleep(1000)
    } else left = 0
  }
}

/**
 * Wall clock, ms, until which the same request may go again: the backend recognises repeats, its key is alive by the
 * intent's date for the whole of an attempt, the policy still grants the action, and no restored ledger waits for people.
 * 0: never.
 */
function repeatableUntil(house: House, call: Call): number {
  const policy = house.policy()
  const spec = policy.backends.get(call.backend)
  if (spec === undefined || spec.idempotency === null || house.restored != null) return 0
  if (policy.roles.get(call.role)?.grants.has(call.action) !== true) return 0
  return (call.intent_at ?? 0) + spec.idempotency.lives_ms - timeoutOf(policy, call.backend)
}

async function repeatOnce(
  house: House,
  call: Call,
  until: number,
): Promise<{ kind: 'call'; call: Call } | { kind: 'frozen' | 'over' }> {
  const request = await requestOf(house, call)
  if (request === null) return { kind: 'over' }
  const timeout_ms = timeoutOf(house.policy(), call.backend)
  const operation = { op: 'start', call: call.id, attempt: call.attempt, timeout_ms, until } as const
  const started = await persist(house, () => house.store.write(operation))
  house.step('resolve.started')
  if (started.kind === 'started') {
    return { kind: 'call', call: await attempt(house, announce(house, started.call), request, started.begun) }
  }
  // Fenced by a write of ours whose answer was late: that attempt was never sent, and the next one follows it.
  if (started.reason === 'fenced' || started.reason === 'state') return { kind: 'call', call: started.call }
  return { kind: started.reason === 'frozen' ? 'frozen' : 'over' }
}

/** The bytes that were recorded, never rendered anew. */
async function requestOf(house: House, call: Call): Promise<Json> {
  const kept = (await house.store.bodies(call.id))?.request
  return kept === undefined || kept === null ? null : (JSON.parse(kept) as Json)
}

/**
 * Asks the backend, only once nothing of any attempt can still land (R7): whatever ended an attempt early here says
 * nothing about what still travels. The last attempt was sent before now; that of an owner who lost the call may yet
 * begin, as long as the permit lasts that was given before.
 */
async function look(house: House, call: Call, whose: 'own' | 'found'): Promise<Call> {
  const policy = house.policy()
  const recheck = policy.actions.get(call.action)?.recheck ?? null
  const spec = policy.backends.get(call.backend)
  const begins_within_ms = whose === 'found' ? PERMIT_MS : 0
  if (recheck === null || spec === undefined) {
    // Nor are people asked while it has not even begun.
    await house.clock.sleep(begins_within_ms)
    return conclude(house, call, 'cannot_tell', 'the backend cannot be asked what became of it')
  }
  await house.clock.sleep(begins_within_ms + spec.timeout_ms + spec.lands_within_ms)
  for (let tries = 0; tries < LOOKUPS_MAX && !house.stopping; tries++) {
    if (tries > 0) await house.clock.sleep(1000 * 2 ** tries)
    await untilAsked(house, call.backend)
    const found = await lookup(house, policy, call, recheck)
    house.step('resolve.looked')
    if (found === 'unreachable') continue
    if (found === 'cannot_tell') {
      return conclude(house, call, found, 'the backend was asked and its answer does not tell')
    }
    const reason =
      found === 'done' ? 'the backend says that it happened' : 'the backend has no record of it: nothing happened'
    return conclude(house, call, found, reason)
  }
  if (house.stopping) return call
  return conclude(house, call, 'cannot_tell', 'the backend could not be asked what became of it')
}

/**
 * A backend that is left alone is asked nothing: a try that is refused here tells nothing, and would be one fewer when
 * the backend is back. So a call in doubt outlives an outage of this long, and only then it is people's. It has few
 * tries, and a new call has all of them: who finds out whether the backend is back is rather a new one, so this looks
 * twice before it goes, and not when all others do.
 */
async function untilAsked(house: House, backend: string): Promise<void> {
  const over = house.clock.monotonic() + LEFT_ALONE_MS
  if (!house.backends.isOpen(backend)) return
  for (let clear = 0; clear < 2 && !house.stopping && house.clock.monotonic() < over;) {
    await house.clock.sleep(LOOK_AGAIN_MS * (1 + (house.random(1)[0] ?? 0) / 64))
    clear = house.backends.isOpen(backend) ? 0 : clear + 1
  }
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
  const about = { call: call.id, session: { id: call.session, role: call.role }, policy: call.policy }
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
): Promise<Call> {
  const replay_ms = house.policy().actions.get(call.action)?.replay_ms ?? 0
  const { id, attempt: number } = call
  const operation = {
    op: 'reconcile',
    call: id,
    attempt: number,
    found,
    reason,
    evidence: {},
    output: null,
    replay_ms,
  } as const
  const result = await persist(house, () => house.store.write(operation))
  house.step('resolve.concluded')
  return 'call' in result ? announce(house, result.call) : call
}
