import type { Call } from '../core/types.ts'
import type { CallFilter, Sought } from '../store/store.ts'
import type { PeopleFilter } from './gateway.ts'
import type { House } from './house.ts'
import { matcher } from './matches.ts'
import { statesOf } from './reply.ts'

/** A page that finds less than it may hold is given out after this long; its cursor goes on where it stopped. */
const PATIENCE_MS = 120
/** One look takes about so long: a store may look on the thread that serves agents. */
const TURN_MS = 8
const FIRST_SIZE = 500
const SIZE_MAX = 20_000

/**
 * Newest first. However long the log is and whatever is sought, a page comes in time: it may be short, or empty, and have a
 * cursor all the same, which is the last call that was looked at.
 */
export async function listOf<View>(
  house: House,
  filter: PeopleFilter,
  view: (call: Call) => View,
): Promise<{ calls: View[]; cursor: string | null }> {
  const { store, clock } = house
  const limit = Math.min(filter.limit ?? 100, 1000)
  const asked = askedOf(filter)
  const matches = matcher(filter)
  const found: View[] = []
  const over = clock.monotonic() + PATIENCE_MS
  let before = filter.cursor
  for (let size = Math.max(FIRST_SIZE, limit); ;) {
    const began = clock.monotonic()
    // More than that is not shown, and much more is long to read; what the store lets through mostly matches.
    const left = matches === null ? limit - found.length : Math.min(size, 2 * (limit - found.length))
    const glance = await store.look({ ...asked, ...(before === undefined ? {} : { before }), limit: left }, size)
    for (const call of glance.calls) {
      if (matches === null || matches(call)) found.push(view(call))
      if (found.length === limit) return { calls: found, cursor: call.id }
    }
    const now = clock.monotonic()
    if (glance.before === null || now >= over) return { calls: found, cursor: glance.before }
    before = glance.before
    size = sizeAfter(size, now - began)
    // Others have their turn.
    await clock.sleep(0)
  }
}

/**
 * All that match, newest first, `most` at most, however long it takes: others have their turn all the while.
 */
export async function everyCall(
  { store, clock }: Pick<House, 'store' | 'clock'>,
  filter: CallFilter,
  most: number,
): Promise<Call[]> {
  const found: Call[] = []
  for (let size = FIRST_SIZE, before: string | null = null; ;) {
    const began = clock.monotonic()
    const glance = await store.look(
      { ...filter, ...(before === null ? {} : { before }), limit: most - found.length },
      size,
    )
    found.push(...glance.calls)
    before = glance.before
    if (before === null || found.length >= most) return found
    size = sizeAfter(size, clock.monotonic() - began)
    await clock.sleep(0)
  }
}

function sizeAfter(size: number, took_ms: number): number {
  const next = Math.round(size * Math.min(4, TURN_MS / Math.max(took_ms, 0.1)))
  return Math.max(100, Math.min(SIZE_MAX, next))
}

/** What of the filter the store looks at itself: exactly, or so that nothing is missed that matches. */
function askedOf(filter: PeopleFilter): CallFilter & Sought {
  const { status, cursor: _cursor, limit: _limit, min, max, q, because, evidence, ...rest } = filter
  const texts = [q, because, evidence].filter((text) => text !== undefined)
  return {
    ...rest,
    ...(status === undefined ? {} : { states: statesOf(status) }),
    ...(min === undefined ? {} : { amount_min: outwards(min, -1) }),
    ...(max === undefined ? {} : { amount_max: outwards(max, 1) }),
    ...(texts.length === 0 ? {} : { texts }),
  }
}

/** A decimal as the nearest number, and a little more. */
function outwards(decimal: string, direction: 1 | -1): number {
  const number = Number(decimal)
  return number + direction * (Math.abs(number) * 1e-9 + 1e-9)
}
