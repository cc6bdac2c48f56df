import { once } from '../admit.ts'
import { state, use } from '../limits.ts'
import type { LoadPolicy, PolicyClosed, PolicyLoaded, Seed } from '../operations.ts'
import type { Call, JsonObject, Want } from '../types.ts'
import { put, write } from '../working.ts'
import type { Working } from '../working.ts'

/** Whoever closed the policy and neither loaded one nor closed it again in this time is gone. */
const CLOSED_MS = 10_000

/** From here on every plan is stale, until this process loads a policy or is taken for gone; asking again keeps it closed. */
export function policyClosed(working: Working): PolicyClosed {
  if (isClosedByAnother(working)) return { kind: 'again' }
  const since = isClosed(working) ? (working.closed?.since ?? working.now) : working.now
  working.closed = { owner: working.owner, since, at: working.now }
  return { kind: 'closed', since }
}

/** @returns true while nothing is admitted. Who closed the policy and is gone stops nobody. */
export function isClosed({ closed, now }: Pick<Working, 'closed' | 'now'>): boolean {
  return closed !== null && now < closed.at + CLOSED_MS
}

function isClosedByAnother(working: Working): boolean {
  return isClosed(working) && working.closed?.owner !== working.owner
}

/** Were its seeds read while others could admit calls, or the policy was loaded meanwhile, they would miss some. */
function isOutrun(working: Working, { definitions = [], fresh = [], closed }: LoadPolicy): boolean {
  if (isClosedByAnother(working)) return true
  if (closed !== undefined && !(isClosed(working) && working.closed?.since === closed)) return true
  const known = working.definitions
  return known.size > 0 && definitions.some((name) => !known.has(name) && !fresh.includes(name))
}

/**
 * Plans weighed under the one before go back to be weighed again. Limits that this policy makes new begin with what the
 * calls of their window took, in this very transaction: an edit is no way to a fresh budget.
 */
export function policyLoaded(working: Working, operation: LoadPolicy): PolicyLoaded {
  const { digest, texts, definitions, seeds = [] } = operation
  if (isOutrun(working, operation)) return { kind: 'again' }
  const before = working.policy
  working.closed = null
  working.policy = digest
  working.texts.push({ digest, texts })
  const seeded = seedLimits(working, seeds)
  if (definitions !== undefined) {
    working.definitions = new Set(definitions)
    working.changed.definitions = true
  }
  const entry = write(working, 'policy.loaded', {
    policy: digest,
    before: before === '' ? null : before,
    files: texts.map(({ path }) => path),
    ...(seeded.length > 0 ? { seeded } : {}),
  })
  return { kind: 'loaded', entry }
}

function seedLimits(working: Working, seeds: readonly Seed[]): JsonObject[] {
  const known = working.definitions
  const begun = new Set<string>()
  const moves = new Map<string, { want: Want; held: number; used: number }>()
  for (const seed of seeds) {
    const call = working.calls.get(seed.call)
    if (call === undefined) continue
    const fresh = once(seed.wants.filter(({ definition }) => !known.has(definition)).map(({ want }) => want))
    const taken: Want[] = []
    for (const want of fresh) {
      const limit = state(working, want)
      // What it counted under a policy of long ago is not the whole of its window.
      if (!begun.has(want.limit)) for (const bucket of limit.buckets.keys()) limit.buckets.set(bucket, 0)
      begun.add(want.limit)
      const move = moves.get(want.limit) ?? { want, held: 0, used: 0 }
      moves.set(want.limit, move)
      if (isOpen(call) && !call.reserve.some((mine) => mine.limit === want.limit)) {
        limit.held += want.amount
        move.held += want.amount
        taken.push(want)
      } else if (isSpent(call, want)) {
        use(working, want, call.intent_at ?? call.created_at)
        move.used += want.amount
      }
    }
    if (taken.length > 0) put(working, { ...call, reserve: [...call.reserve, ...taken] })
  }
  return [...moves.values()].map(({ want, held, used }) => {
    return { limit: want.limit, name: want.name, unit: want.unit, window: want.per, held, used }
  })
}

function isOpen({ state: now }: Call): boolean {
  return now === 'held' || now === 'intent' || now === 'executing' || now === 'unknown' || now === 'needs_human'
}

function isSpent({ state: now }: Call, { kind, window }: Want): boolean {
  if (window.kind === 'gauge') return false
  return now === 'done' || (now === 'refused' && kind === 'rate')
}
