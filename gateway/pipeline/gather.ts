import type { Action, Fact, Json, JsonObject, Outcome, Question, Scope } from '../core/types.ts'
import { keepTyped } from '../core/redact.ts'
import { scopeOf } from '../core/scope.ts'
import type { House } from './house.ts'
import { inPlace } from './places.ts'
import { member, pages } from './pages.ts'

/** Facts older than this at the deciding transaction are fetched again. */
export const FACTS_MS = 2000

export type Gathered =
  | { readonly kind: 'facts'; readonly facts: JsonObject; readonly until: number | null }
  /** The backend's certain no, or an answer that is no fact: the call is denied. */
  | { readonly kind: 'denied'; readonly because: string; readonly detail: string }
  | {
      readonly kind: 'unavailable'
      readonly code: 'backend_unavailable' | 'secret_unavailable'
      readonly detail: string
    }

/** Fetches what the decision is made on, with the gateway's own credential, one fact after the other. */
export async function gather(
  house: House,
  action: Action,
  question: Omit<Question, 'facts'>,
  timezone: string,
): Promise<Gathered> {
  const facts: { [name: string]: Json } = {}
  // Their age counts from the arrival of the first.
  let until: number | null = null
  for (const fact of action.facts) {
    const scope = scopeOf({ ...question, facts }, action, timezone)
    const because = `facts.${fact.name}`
    const request = fact.request.render(scope)
    if (!request.ok) return { kind: 'denied', because, detail: request.error }
    const answer = await fetchFact(house, fact, request.value, scope, question)
    if ('code' in answer) return { kind: 'unavailable', ...answer }
    if ('detail' in answer) return { kind: 'denied', because, detail: answer.detail }
    until ??= house.clock.monotonic() + FACTS_MS
    facts[fact.name] = answer.value
  }
  return { kind: 'facts', facts, until }
}

type Fetched =
  | { value: Json }
  | { detail: string }
  | { code: 'backend_unavailable' | 'secret_unavailable'; detail: string }

async function fetchFact(
  house: House,
  fact: Fact,
  request: Json,
  scope: Scope,
  question: Omit<Question, 'facts'>,
): Promise<Fetched> {
  let whole: Json = null
  let half = false
  const read = (asked: Json): Promise<Outcome> =>
    inPlace(house.places, fact.backend, () => ask(house, fact.backend, asked, question))
  const end = await pages(read, request, fact.page, scope, (output) => {
    whole = fact.page === null ? output : joined(whole, output, fact.page.items)
    if (fact.complete !== null) {
      const judged = fact.complete.evaluate({ ...scope, output })
      half = !judged.ok || judged.value !== true
      return 'stop'
    }
    return 'more'
  })
  if (half) return { detail: `${fact.name}: the answer is not complete` }
  if (end !== null) {
    if (end.kind === 'refused') {
      if (fact.absent.includes(end.status)) return { value: null }
      return { detail: `${fact.name} could not be read: the backend answered ${end.status}` }
    }
    if (end.kind === 'incomplete') return { detail: `${fact.name}: ${end.reason}` }
    const code = end.kind === 'not_sent' && end.code === 'secret_unavailable' ? end.code : 'backend_unavailable'
    return { code, detail: `${fact.name} could not be fetched: ${'reason' in end ? end.reason : 'no answer'}` }
  }
  const kept = keepTyped(house.scrub(whole), fact.keep, `facts.${fact.name}`)
  return kept.ok ? { value: kept.value } : { detail: kept.message }
}

/** One read of the gateway's own. It needs no permit: it has no effect. */
export function ask(
  house: House,
  backend: string,
  request: Json,
  about: { call: string; session: { id: string; role: string }; policy?: string },
): Promise<Outcome> {
  const stamp = { 'Keystay-Call': about.call, 'Keystay-Role': about.session.role, 'Keystay-Session': about.session.id }
  const { call, policy } = about
  const deciding = policy === undefined ? {} : { policy }
  return house.backends.send(backend, request, { call, attempt: 0, permit: () => true, stamp, ...deciding })
}

/** The pages of a list as one answer: the last page's members, with all items. */
function joined(before: Json, output: Json, items: string): Json {
  const sofar = before === null ? [] : member(before, items)
  const more = member(output, items)
  if (!Array.isArray(more) || !Array.isArray(sofar)) return output
  return { ...(output as JsonObject), [items]: [...sofar, ...more] }
}
