import type { Json, JsonObject, Outcome, Page, Scope } from '../core/types.ts'

/** No list is longer than this many pages; beyond it nobody can tell. */
const PAGES_MAX = 100

export type Read = (request: Json) => Promise<Outcome>

/**
 * Asks page after page. `each` sees every page and may stop.
 *
 * @returns null when the last page was seen (or `each` stopped), else the outcome or reason that ended it: half a list
 * is no answer.
 */
export async function pages(
  read: Read,
  request: Json,
  page: Page | null,
  scope: Scope,
  each: (output: Json) => 'more' | 'stop',
): Promise<Outcome | { kind: 'incomplete'; reason: string } | null> {
  let next = request
  for (let number = 0; number < PAGES_MAX; number++) {
    const outcome = await read(next)
    if (outcome.kind !== 'done') return outcome
    const { output } = outcome
    if (each(output) === 'stop') return null
    if (page === null) {
      const more = member(output, 'has_more') === true
      return more ? { kind: 'incomplete', reason: 'the answer says that there is more' } : null
    }
    const items = member(output, page.items)
    const seen: Scope = { ...scope, output, last: Array.isArray(items) ? (items.at(-1) ?? null) : null }
    const goes = page.while.evaluate(seen)
    if (!goes.ok) return { kind: 'incomplete', reason: goes.error }
    if (goes.value !== true) return null
    const query: { [name: string]: Json } = {}
    for (const [name, expression] of Object.entries(page.next)) {
      const value = expression.evaluate(seen)
      if (!value.ok || value.value === null) return { kind: 'incomplete', reason: 'the next page has no address' }
      query[name] = value.value
    }
    next = { ...(request as JsonObject), query: { ...(member(request, 'query') as JsonObject | undefined), ...query } }
  }
  return { kind: 'incomplete', reason: `there are more than ${PAGES_MAX} pages` }
}

/** An own member of an object, else undefined. */
export function member(value: Json, name: string): Json | undefined {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return undefined
  return Object.hasOwn(value, name) ? (value as JsonObject)[name] : undefined
}
