import { createHmac } from 'node:crypto'
import { isClosed } from '../core/fold/policy.ts'
import { idFrom } from '../core/id.ts'
import type { Call } from '../core/types.ts'
import {
  bodiesOf,
  callByKey,
  callsByIds,
  callUnnamed,
  filterCalls,
  openCallsBefore,
  unfinishedCalls,
  holdIsDue,
} from './calls.ts'
import { signedHead } from './anchor.ts'
import type { Reader } from './db.ts'
import { newestCheckpoint, storyOf } from './ledger.ts'
import { noRoots, proofOf } from './proof.ts'
import { dueLeases, leasesByCalls, standingLeases } from './leases.ts'
import { readLimits } from './limits.ts'
import { lastUses } from './last-uses.ts'
import { lookAtCalls } from './look.ts'
import { definitionsOf, policyTexts, readMeta, readValues } from './meta.ts'
import {
  countNotices,
  dueNotices,
  filterNotices,
  noticeById,
  noticesOfOthers,
  toldOf,
  waitingCalls,
  waitsSince,
  waitsToEnd,
} from './notices.ts'
import { liveReplicas, SILENT_MS } from './replicas.ts'
import { consentsByIds, consentsByUserCodes, visitsByIds } from './visits.ts'
import { passkeysByIds, passkeysOf } from './passkeys.ts'
import { filterSessions, sessionByTokenHash, sessionIsDue, sessionsByIds } from './sessions.ts'
import type { OpenStore } from './store.ts'
import { tileOf } from './tile.ts'

/** What a store reads. Everything is asked of the database; whoever is alone with it may remember some of it. */
export type Reading = Omit<
  OpenStore,
  'write' | 'owner' | 'shared' | 'now' | 'lastAt' | 'ready' | 'head' | 'close' | 'abandoned' | 'isClosed' | 'onChanged'
> & {
  abandoned(who: Abandoning): Promise<Call[]>
  /** @param now the store's clock, ms. */
  isClosed(now: number): Promise<boolean>
}

export interface Abandoning {
  readonly owner: string
  /** The store's clock, ms. */
  readonly now: number
  /** Other processes may live; else every other owner is gone. */
  readonly shared: boolean
}

/** A process takes up what it lost itself only after this time: a call that it has just started is not lost. */
const LOST_MS = 10_000

/** @throws Error when the store has no key for fingerprints. */
export async function readingFrom(reader: Reader): Promise<Reading> {
  const fingerprintKey = (await readValues(reader, ['fingerprint_key'])).get('fingerprint_key') ?? ''
  if (!/^[0-9a-f]{64}$/.test(fingerprintKey)) throw new Error('the store has no key for fingerprints')
  let hasLooked = false
  const roots = noRoots()
  return {
    call: async (id) => (await callsByIds(reader, [id]))[0] ?? null,
    callByKey: (principal, role, action, key) => callByKey(reader, principal, role, action, key),
    callUnnamed: (unnamed) => callUnnamed(reader, unnamed),
    bodies: (call) => bodiesOf(reader, call),
    calls: (filter) => filterCalls(reader, filter),
    look: (filter, size) => lookAtCalls(reader, filter, size),
    lastUses: (role, actions) => lastUses(reader, role, actions),
    story: (call) => storyOf(reader, call),
    proof: (call) => proofOf(reader, call, roots),
    tile: (tile) => tileOf(reader, tile, roots),
    sessionByToken: (tokenHash) => sessionByTokenHash(reader, tokenHash),
    session: async (id) => (await sessionsByIds(reader, [id]))[0] ?? null,
    sessions: (filter) => filterSessions(reader, filter),
    visit: async (id) => (await visitsByIds(reader, [id]))[0] ?? null,
    async consent(by) {
      const found = 'id' in by ? consentsByIds(reader, [by.id]) : consentsByUserCodes(reader, [by.user_code])
      return (await found)[0] ?? null
    },
    passkeys: (person) => passkeysOf(reader, [person]),
    passkey: async (id) => (await passkeysByIds(reader, [id]))[0] ?? null,
    lease: async (call) => (await leasesByCalls(reader, [call]))[0] ?? null,
    leases: ({ due_at }) => (due_at === undefined ? standingLeases(reader) : dueLeases(reader, due_at)),
    told: {
      place: async () => (await reader.all<{ size: number }>('SELECT size FROM head'))[0]?.size ?? 0,
      waitsSince: (place) => waitsSince(reader, place),
      waitingCalls: (after) => waitingCalls(reader, after),
      waitsToEnd: () => waitsToEnd(reader),
      waits: async (calls) => (await toldOf(reader, calls)).waits,
      due: (channel, now, limit) => dueNotices(reader, channel, now, limit),
      ofOthers: (owner) => noticesOfOthers(reader, owner),
      notice: (id) => noticeById(reader, id),
      notices: (filter) => filterNotices(reader, filter),
      counts: () => countNotices(reader),
    },
    limits: (ids) => readLimits(reader, ids),
    switches: async () => (await readMeta(reader)).switches,
    switchesNow: async () => (await readMeta(reader)).switches,
    definitions: () => definitionsOf(reader),
    unfinished: () => unfinishedCalls(reader),
    due: async (now) => (await holdIsDue(reader, now)) || (await sessionIsDue(reader, now)),
    fingerprint: (text) => createHmac('sha256', fingerprintKey, { encoding: 'hex' }).update(text, 'utf8').digest('hex'),
    isClosed: async (now) => isClosed({ closed: (await readMeta(reader)).closed, now }),
    policy: async () => (await readMeta(reader)).policy,
    policyTexts: (digest) => policyTexts(reader, digest),
    checkpoint: async () => (await newestCheckpoint(reader))?.note ?? null,
    signedHead: () => signedHead(reader),
    vkey: async () => (await readValues(reader, ['vkey'])).get('vkey') ?? '',
    async abandoned({ owner, now, shared }) {
      // Whoever is alone finds at the first look what another left, and after it only what it has lost itself.
      const age_ms = shared ? SILENT_MS : hasLooked ? LOST_MS : null
      hasLooked = true
      // Ids sort by time. Nobody has been silent for long enough about a younger call.
      const old = age_ms === null ? null : idFrom('call', Math.max(0, now - age_ms), new Uint8Array(10))
      const calls = await openCallsBefore(reader, old)
      const live = shared ? await liveReplicas(reader, now) : new Set<string>()
      return calls.filter((call) => {
        if (call.owner === owner) return call.updated_at < now - LOST_MS
        return call.owner === null || !live.has(call.owner)
      })
    },
  }
}
