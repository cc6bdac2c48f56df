import { standing } from '../pipeline/actions.ts'
import type { House } from '../pipeline/house.ts'
import { statusOf } from '../pipeline/reply.ts'
import type { Instruments } from './instruments.ts'

/** What scans the store is not read more often, however often we are asked. */
const FRESH_MS = 5_000

/** What is read when somebody asks: from memory each time, from the store at most every few seconds. */
export function reading(house: House, made: Instruments): () => Promise<void> {
  let last: { at: number; read: Promise<void> } | null = null
  return async () => {
    const { digest, backends } = house.policy()
    made.policy.reset()
    made.policy.set({ digest }, 1)
    made.invalid.set(house.invalidPolicy?.() == null ? 0 : 1)
    made.ready.set(house.store.ready().ok && !house.stopping ? 1 : 0)
    made.restored.set(house.restored == null ? 0 : 1)
    made.breaker.reset()
    for (const backend of backends.keys()) made.breaker.set({ backend }, house.backends.isOpen(backend) ? 1 : 0)
    made.places.reset()
    const places = house.places.taken()
    for (const backend of backends.keys()) made.places.set({ backend }, places.get(backend) ?? 0)
    made.waits.set([...house.waits.taken().values()].reduce((sum, count) => sum + count, 0))
    const now = house.clock.monotonic()
    if (last === null || now - last.at >= FRESH_MS) {
      // A store that cannot be read leaves the gauges as they were; the rest is still told.
      const read = fromStore(house, made).catch((error: unknown) => {
        house.log('the metrics could not read the store', { error: String(error) })
      })
      last = { at: now, read }
    }
    await last.read
  }
}

async function fromStore(house: House, made: Instruments): Promise<void> {
  const now = house.clock.now()
  const [unfinished, forPeople, sessions, leases, due, notices] = await Promise.all([
    house.store.unfinished(),
    house.store.calls({ states: ['needs_human'], limit: 10_000 }),
    house.store.sessions({ live_at: now, limit: 10_000 }),
    house.store.leases({}),
    house.store.leases({ due_at: now }),
    house.store.told.counts(),
  ])
  const { roles } = house.policy()
  const limits = await Promise.all(
    [...roles.keys()].map(async (role) => ({ role, views: await standing(house, role) })),
  )

  for (const gauge of [made.open, made.oldest, made.sessions, made.limit_used, made.limit_held, made.limit_max])
    gauge.reset()
  for (const status of ['held', 'running', 'unknown', 'needs_human'] as const) {
    const open = [...unfinished, ...forPeople].filter(({ state }) => statusOf(state) === status)
    made.open.set({ status }, open.length)
    const oldest = open.reduce((at, { created_at }) => Math.min(at, created_at), now)
    made.oldest.set({ status }, (now - oldest) / 1000)
  }
  made.leases.set(leases.length)
  made.leases_due.set(due.length)
  for (const gauge of [made.notices_waiting, made.notices_dead]) {
    gauge.reset()
    for (const channel of house.policy().notify?.channels.keys() ?? []) gauge.set({ channel }, 0)
  }
  for (const { channel, state, count } of notices)
    (state === 'dead' ? made.notices_dead : made.notices_waiting).set({ channel }, count)
  for (const role of roles.keys()) made.sessions.set({ role }, 0)
  for (const { role } of sessions) made.sessions.inc({ role })
  for (const { role, views } of limits) {
    for (const { action, name, unit, used, held, max } of views) {
      const labels = { role, action: String(action), limit: String(name), unit: String(unit) }
      made.limit_used.set(labels, Number(used))
      made.limit_held.set(labels, Number(held))
      made.limit_max.set(labels, Number(max))
    }
  }
}
