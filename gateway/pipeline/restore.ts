import { Problem } from '../core/problem.ts'
import type { CallState, JsonObject, Person } from '../core/types.ts'
import { announce } from './house.ts'
import type { House } from './house.ts'
import { mayOrRefuse, refusedClick } from './rights.ts'

/** The store was put back from a copy, and entries that its anchor has seen are not in it. */
export interface Restored {
  /** As whoever started it said. */
  readonly reason: string
  readonly anchor: { readonly size: number; readonly root: string; readonly at: number }
  readonly store: { readonly size: number; readonly root: string; readonly at: number }
  /** Who has confirmed, with the reason. A restart asks anew. */
  readonly confirmed: Map<string, string>
  /** From now on the anchor follows this store. */
  readonly accepted: () => Promise<void>
}

/** So many different people with the right to settle. */
const PEOPLE_NEEDED = 2

/** @throws Problem ledger_unavailable while a restored store is not accepted. */
export function refuseWhileRestored(house: House): void {
  if (house.restored == null) return
  const detail =
    'The ledger was restored from an older copy: no write is admitted until two people have confirmed it (keystay restore accept). Nothing was sent and the key is free.'
  throw new Problem('ledger_unavailable', detail, { retry_after: 60 })
}

/**
 * What the copy says is as of its time. Whatever was decided since is not known here, and is not to be repeated: sessions
 * end, since one of them may have been revoked, so calls in doubt are looked up and not sent again; holds end, since they
 * may have been approved and done, or rejected. Budgets stand as they stood then: what the missing calls spent is not in
 * them, and nothing here can ask the backends what happened.
 */
export async function beginRestored(house: House, restored: Restored): Promise<void> {
  const { reason, anchor, store } = restored
  const open = await house.store.unfinished()
  const counts: { [state in CallState]?: number } = {}
  for (const { state } of open) counts[state] = (counts[state] ?? 0) + 1
  const fields: JsonObject = {
    reason,
    anchor: { size: anchor.size, root: anchor.root, at: new Date(anchor.at).toISOString() },
    store: { size: store.size, root: store.root, at: new Date(store.at).toISOString() },
    missing: store.size < anchor.size ? anchor.size - store.size : null,
    open: counts,
    reconciled: 0,
  }
  await house.store.write({ op: 'note', kind: 'store.restored', fields })
  for (;;) {
    const live = await house.store.sessions({ live_at: house.clock.now(), limit: 1000 })
    for (const { id } of live) await endSession(house, id)
    if (live.length < 1000) break
  }
  for (const session of new Set(open.map((call) => call.session))) await endSession(house, session)
  for (const { id } of await house.store.calls({ states: ['held'], limit: 10_000 })) {
    const why = 'the ledger was restored from an older copy'
    const ended = await house.store.write({ op: 'cancel', call: id, by: 'gateway', reason: why })
    if ('call' in ended) announce(house, ended.call)
  }
}

async function endSession(house: House, session: string): Promise<void> {
  await house.store.write({ op: 'session.end', session, reason: 'revoked', by: 'gateway' })
}

/** Two different people accept it, each with a reason: what the missing entries did is theirs to find out. */
export async function acceptRestore(house: House, person: Person, reason: string): Promise<JsonObject> {
  const what = 'accept a restored ledger'
  await mayOrRefuse(house, person, 'settle', what)
  if (reason.trim() === '') throw new Problem('malformed', 'Accepting needs a reason: it goes into the ledger.')
  const { restored } = house
  if (restored == null) throw new Problem('already_decided', 'The ledger is not a restored one that waits for people.')
  const { confirmed } = restored
  if (confirmed.has(person.id)) {
    await refusedClick(house, person, what, 'already_decided')
    throw new Problem('already_decided', 'Your word is counted. One more person must say the same.')
  }
  await house.store.write({ op: 'note', kind: 'store.restore_confirmed', fields: { person: person.id, reason } })
  // Counted once it is written. Of clicks at the same time, one is the second person's.
  const before = confirmed.size
  confirmed.set(person.id, reason)
  if (before < PEOPLE_NEEDED && confirmed.size === PEOPLE_NEEDED) await end(house, restored, person)
  return restoreView(house, restored)
}

async function end(house: House, restored: Restored, last: Person): Promise<void> {
  const { confirmed, anchor, store } = restored
  const fields = { persons: [...confirmed.keys()], anchor: anchor.size, store: store.size }
  try {
    await house.store.write({ op: 'note', kind: 'store.restore_accepted', fields })
  } catch (error) {
    // Not durable, so not accepted: the same person says it again.
    confirmed.delete(last.id)
    throw error
  }
  house.restored = null
  house.log('two people accepted the restored ledger: writes are admitted again', fields)
  await restored.accepted()
}

/** How it stands; `restored: false` where the ledger goes on from its anchor, or there is none. */
export function restoreView(house: House, restored = house.restored ?? null): JsonObject {
  if (restored === null) return { restored: false }
  const { reason, anchor, store, confirmed } = restored
  return {
    restored: true,
    accepted: house.restored == null,
    reason,
    anchor: { size: anchor.size, at: new Date(anchor.at).toISOString() },
    store: { size: store.size, at: new Date(store.at).toISOString() },
    missing: store.size < anchor.size ? anchor.size - store.size : null,
    confirmed: [...confirmed].map(([person, why]) => ({ person, reason: why })),
    needed: PEOPLE_NEEDED,
  }
}
