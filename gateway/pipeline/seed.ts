import type { LoadPolicy, Seed } from '../core/operations.ts'
import type { Call, CallState, JsonObject, Policy, Question, Window } from '../core/types.ts'
import { definitionIn, definitionsOf, weigh } from '../core/weigh.ts'
import type { Store } from '../store/store.ts'
import { limitId } from './consider.ts'
import type { Clock } from './house.ts'
import { sessionOf } from './session.ts'

/** A hold may be that much older than the intent that dates it. */
const HOLD_MS = 31 * 86_400_000
const PAGE = 500

/** Among the definitions of every policy: a policy without limits was loaded too. */
const LOADED = 'policy'

const COUNTED: readonly CallState[] = ['held', 'intent', 'executing', 'unknown', 'needs_human', 'done', 'refused']

/** How often it is tried while other processes load policies too, and how long between two tries. */
const TURNS_MAX = 100
const PAUSE_MS = 200

/** How often it is said that the policy is still being loaded. */
const SAY_EVERY_MS = 2000

/**
 * Makes a policy the one that decides, with what earlier calls take of the limits it makes new: they are weighed again
 * under it, on the facts that decided then. No call may be admitted meanwhile, or it is missed: in this process quiet.ts
 * sees to that, in others the closed policy.
 *
 * @param write the store's, which may try until it is answered.
 */
export async function load(
  store: Store,
  policy: Policy,
  clock: Pick<Clock, 'now' | 'sleep'>,
  write: Store['write'] = store.write,
): Promise<void> {
  for (let turn = 0; turn < TURNS_MAX; turn++) {
    if (turn > 0) await clock.sleep(PAUSE_MS)
    const operation = await loading(store, policy, clock, write)
    if (operation !== null && (await write(operation)).kind === 'loaded') return
  }
  throw new Error('other processes load policies all the time; nothing was changed')
}

/** @returns null while another process is loading one. */
async function loading(
  store: Store,
  policy: Policy,
  clock: Pick<Clock, 'now'>,
  write: Store['write'],
): Promise<LoadPolicy | null> {
  const now = clock.now()
  const { digest, texts } = policy
  const all = definitionsOf(policy)
  const known = await store.definitions()
  const fresh = new Map([...all].filter(([name]) => !known.has(name)))
  const operation = { op: 'policy', digest, texts, definitions: [LOADED, ...all.keys()] } as const
  // Nothing was defined before: there is no earlier policy, and so no call.
  if (known.size === 0 || fresh.size === 0) return operation
  const closing = store.shared ? await write({ op: 'policy.close' }) : null
  if (closing?.kind === 'again') return null
  const seeds = await seedsOf(store, policy, fresh, now, closing === null ? async () => {} : keptClosed(clock, write))
  const loaded = { ...operation, seeds, fresh: [LOADED, ...fresh.keys()] }
  return closing === null ? loaded : { ...loaded, closed: closing.since }
}

/** Reading seeds may take minutes; who says nothing for ten seconds is taken for gone, and the others admit again. */
function keptClosed(clock: Pick<Clock, 'now'>, write: Store['write']): () => Promise<void> {
  let said = clock.now()
  return async () => {
    if (clock.now() < said + SAY_EVERY_MS) return
    said = clock.now()
    await write({ op: 'policy.close' })
  }
}

async function seedsOf(
  store: Store,
  policy: Policy,
  fresh: ReadonlyMap<string, { window: Window; grants: readonly { role: string; action: string }[] }>,
  now: number,
  each: () => Promise<void>,
): Promise<Seed[]> {
  const since = now - HOLD_MS - Math.max(...[...fresh.values()].map(({ window }) => lengthOf(window)))
  const pairs = new Map(
    [...fresh.values()].flatMap(({ grants }) => grants.map((grant) => [JSON.stringify(grant), grant])),
  )
  const seeds: Seed[] = []
  for (const { role, action } of pairs.values()) {
    for (let before: string | undefined, more = true; more;) {
      const calls = await store.calls({
        role,
        action,
        states: COUNTED,
        since,
        limit: PAGE,
        ...(before === undefined ? {} : { before }),
      })
      for (const call of calls) {
        await each()
        const wants = (await wantsOf(store, policy, call)).filter(({ definition }) => fresh.has(definition))
        if (wants.length > 0) seeds.push({ call: call.id, wants })
      }
      before = calls.at(-1)?.id
      more = calls.length === PAGE
    }
  }
  return seeds
}

/** What a call would take today, on what it was decided on then; nothing where its bodies were erased. */
async function wantsOf(store: Store, policy: Policy, call: Call): Promise<Seed['wants']> {
  const [bodies, session] = [await store.bodies(call.id), await store.session(call.session)]
  if (bodies === null || bodies.input === null || session === null) return []
  const { at = call.created_at, switches = {} } = JSON.parse(bodies.question ?? '{}') as Partial<Question>
  const question: Question = {
    at,
    call: call.id,
    session: sessionOf(session),
    action: call.action,
    input: JSON.parse(bodies.input) as JsonObject,
    facts: JSON.parse(bodies.facts ?? '{}') as JsonObject,
    switches,
  }
  const { want } = weigh(policy, question, { switches_version: 0, identify: (text) => text })
  return want.map((taken) => {
    return { definition: definitionIn(taken.limit), want: { ...taken, limit: limitId(store, taken.limit) } }
  })
}

function lengthOf(window: Window): number {
  if (window.kind === 'rolling') return window.length_ms
  if (window.kind === 'gauge') return 0
  return { day: 2, week: 8, month: 32 }[window.every] * 86_400_000
}
