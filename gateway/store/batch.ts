import type { Operation, ResultOf, SessionRow, Switches } from '../core/operations.ts'
import type { Call, Want } from '../core/types.ts'
import { keyName } from '../core/working.ts'
import type { NewEntry, Touches, Working } from '../core/working.ts'
import {
  callsByIds,
  callsByKeys,
  callsToJoin,
  dueCalls,
  joinedCalls,
  openCallsOfLineages,
  saltsOf,
  writeBodies,
  writeCalls,
  writeJoined,
} from './calls.ts'
import { StoreFault, together } from './db.ts'
import type { Db, Driver } from './db.ts'
import { appendEntries, readHead } from './ledger.ts'
import type { Head } from './ledger.ts'
import { loadLimits, writeLimits } from './limits.ts'
import type { LimitNow, LoadedLimits } from './limits.ts'
import { leasesByCalls, sessionsOfLeases, writeLeases } from './leases.ts'
import { toldOf, writeTold } from './notices.ts'
import { definitionsOf, readMeta, writePolicies, writeValues } from './meta.ts'
import type { Meta } from './meta.ts'
import { passkeysByIds, passkeysOf, writeAssertions, writePasskeys } from './passkeys.ts'
import {
  dueSessions,
  liveSessions,
  renewalsOf,
  sessionsByIds,
  sessionsOfLineages,
  usedProofs,
  writeSessions,
} from './sessions.ts'
import { consentsByIds, consentsByUserCodes, visitsByIds, writeConsents, writeVisits } from './visits.ts'

/** The state machine, as the batch sees it. */
export interface Folding {
  readonly fold: (working: Working, operation: Operation) => ResultOf<Operation>
  readonly touches: (operation: Operation) => Touches
}

/** The clock and the ids of one batch, and what must be written before its operations. */
export interface Moment {
  readonly now: number
  readonly begun: number
  /** This process, as calls name their owner. */
  readonly owner: string
  /** Why nothing may be admitted now (R14), or null. */
  readonly refusal: string | null
  /** A fresh `ent_…`. */
  readonly id: () => string
  /** An entry that the writer itself has to say: the clock jumped. */
  readonly notes: readonly { readonly kind: string; readonly fields: NewEntry['fields'] }[]
}

export interface Folded {
  /** In the order of the operations. */
  readonly results: readonly Result[]
  readonly sessions: readonly SessionRow[]
  readonly limits: readonly LimitNow[]
  readonly switches: Switches
  readonly head: Head
  /** Ids of the batch's entries. */
  readonly entries: readonly string[]
}

/** `clock`: the batch's clock admits nothing, and the operation was not folded. */
export type Result =
  | { readonly kind: 'folded'; readonly result: ResultOf<Operation> }
  | { readonly kind: 'clock'; readonly why: string }

/** What would begin an effect; the rest ends one or moves none. */
const ADMITTING: ReadonlySet<Operation['op']> = new Set(['admit', 'approve', 'take', 'start'])

/** The commit failed after everything was written: it may be durable all the same, and must be read back (R9). */
export class CommitLost extends Error {
  override readonly name = 'CommitLost'
  readonly folded: Folded
  readonly fault: StoreFault
  constructor(folded: Folded, fault: StoreFault) {
    super(fault.message, { cause: fault })
    this.folded = folded
    this.fault = fault
  }
}

/**
 * One batch, one transaction: load what the operations touch, fold them in arrival order, write back what changed. Were
 * we to crash before the commit, none of it happened; after it, all of it did, and nobody was answered yet.
 *
 * @param begin the clock and ids, once the turn has come: from the newest `at`, and the database's clock where it has one.
 * @param step the kill harness listens: `batch.loaded`, `batch.written`, `batch.committed`.
 * @throws CommitLost; or a StoreFault or the error of a fold, and then nothing was kept.
 */
export async function runBatch(
  driver: Driver,
  operations: readonly Operation[],
  folding: Folding,
  begin: (head: Head, wall: number | null) => Moment,
  step: (name: string) => void,
): Promise<Folded> {
  let folded: Folded | undefined
  try {
    await driver.transaction(async (db, wall) => {
      const head = await readHead(db)
      const moment = begin(head, wall)
      const loaded = await load(db, operations, folding, moment, head)
      step('batch.loaded')
      folded = await foldAll(db, operations, folding, moment, loaded)
      await driver.tell?.(db, [...loaded.working.changed.calls])
      step('batch.written')
    })
  } catch (error) {
    if (folded !== undefined && error instanceof StoreFault && error.during === 'commit') {
      throw new CommitLost(folded, error)
    }
    throw error
  }
  step('batch.committed')
  return folded as Folded
}

async function foldAll(
  db: Db,
  operations: readonly Operation[],
  folding: Folding,
  moment: Moment,
  loaded: Loaded,
): Promise<Folded> {
  const { working } = loaded
  for (const { kind, fields } of moment.notes) {
    working.entries.push({ id: working.id(), at: working.now, kind, call: null, session: null, fields })
  }
  const results = operations.map((operation): Result => {
    if (moment.refusal !== null && ADMITTING.has(operation.op)) return { kind: 'clock', why: moment.refusal }
    return { kind: 'folded', result: folding.fold(working, operation) }
  })
  const head = await writeBack(db, operations, loaded)
  const sessions = [...working.changed.sessions].map((id) => must(working.sessions.get(id), id))
  const limits = [...working.changed.limits].map((id): LimitNow => {
    const { held, buckets } = must(working.limits.get(id), id)
    return [id, held, [...buckets]]
  })
  return { results, sessions, limits, switches: working.switches, head, entries: working.entries.map(({ id }) => id) }
}

interface Loaded {
  readonly working: Working
  readonly head: Head
  readonly meta: Meta
  readonly limits: LoadedLimits
  /** Ids of the calls that have a row. */
  readonly known: ReadonlySet<string>
}

/**
 * In one fixed order: keys and calls, then their limits, sessions and what stands alone. What does not need another's
 * answer is asked at once: over a network each answer costs a round trip.
 */
async function load(
  db: Db,
  operations: readonly Operation[],
  folding: Folding,
  moment: Moment,
  head: Head,
): Promise<Loaded> {
  const touched = operations.map(folding.touches)
  const every = <T>(of: (one: Touches) => readonly T[] | T | undefined): T[] => {
    return touched.flatMap((one) => of(one) ?? [])
  }
  const due = touched.some((one) => one.due === true)
  const unnamed = every((one) => one.unnamed)
  const [joined, ...found] = await together([
    joinedCalls(db, unnamed),
    callsToJoin(db, unnamed),
    callsByKeys(
      db,
      every(({ keys }) => keys),
    ),
    callsByIds(
      db,
      every(({ calls }) => calls),
    ),
    openCallsOfLineages(
      db,
      every(({ lineageOf }) => lineageOf),
    ),
    due ? dueCalls(db, moment.now) : [],
  ])
  const calls = new Map([...found.flat(), ...joined.values()].map((call) => [call.id, call]))

  const reserved = [...calls.values()].flatMap(({ reserve }) => reserve.map(({ limit }) => limit))
  const owners = [...calls.values()].map(({ session }) => session)
  const [
    limits,
    named,
    meta,
    definitions,
    live,
    proofs,
    salts,
    visits,
    consents,
    typed,
    passkeys,
    theirs,
    leases,
    told,
    ...more
  ] = await together([
    loadLimits(db, [...every(({ limits }) => limits), ...reserved], moment.now),
    sessionsByIds(db, [...every(({ sessions }) => sessions), ...owners]),
    readMeta(db),
    touched.some(({ definitions }) => definitions === true) ? definitionsOf(db) : new Set<string>(),
    liveSessions(
      db,
      every(({ livePrincipal }) => livePrincipal),
      moment.now,
    ),
    usedProofs(
      db,
      every(({ proofs }) => proofs),
    ),
    saltsOf(db, [...calls.keys()]),
    visitsByIds(
      db,
      every(({ visits }) => visits),
    ),
    consentsByIds(
      db,
      every(({ consents }) => consents),
    ),
    consentsByUserCodes(
      db,
      every(({ userCode }) => userCode),
    ),
    passkeysByIds(
      db,
      every(({ passkeys }) => passkeys),
    ),
    passkeysOf(
      db,
      every(({ passkeysOf }) => passkeysOf),
    ),
    leasesByCalls(db, [...every(({ leases }) => leases), ...every(({ leaseEnd }) => leaseEnd)]),
    toldOf(
      db,
      every((one) => one.told),
    ),
    sessionsOfLeases(
      db,
      every(({ leaseEnd }) => leaseEnd),
    ),
    sessionsOfLineages(
      db,
      every(({ lineageOf }) => lineageOf),
    ),
    renewalsOf(
      db,
      every(({ renewalOf }) => renewalOf),
    ),
    due ? dueSessions(db, moment.now) : [],
  ])
  const working: Working = {
    now: moment.now,
    begun: moment.begun,
    owner: moment.owner,
    policy: meta.policy,
    switches: meta.switches,
    closed: meta.closed,
    definitions,
    calls,
    // A key that names a call does so whatever it has joined before.
    keys: new Map([...[...joined].map(([name, { id }]) => [name, id] as const), ...keysOf(calls.values())]),
    limits: limits.states,
    sessions: new Map([named, ...more].flat().map((session) => [session.id, session])),
    live,
    proofs,
    salts,
    visits: new Map(visits.map((visit) => [visit.id, visit])),
    consents: new Map([...consents, ...typed].map((consent) => [consent.id, consent])),
    passkeys: new Map([...passkeys, ...theirs].map((passkey) => [passkey.id, passkey])),
    assertions: [],
    leases: new Map(leases.map((lease) => [lease.call, lease])),
    waits: new Map(told.waits.map((wait) => [wait.id, wait])),
    notices: new Map(told.notices.map((notice) => [notice.id, notice])),
    id: moment.id,
    entries: [],
    joined: new Map(),
    bodies: new Map(),
    texts: [],
    changed: {
      calls: new Set(),
      limits: new Set(),
      sessions: new Set(),
      visits: new Set(),
      consents: new Set(),
      passkeys: new Set(),
      leases: new Set(),
      waits: new Set(),
      notices: new Set(),
      switches: false,
      definitions: false,
    },
  }
  return { working, head, meta, limits, known: new Set(calls.keys()) }
}

/** One statement a table, all at once. @returns the head after the batch. */
async function writeBack(db: Db, operations: readonly Operation[], loaded: Loaded): Promise<Head> {
  const { working, head, meta, limits, known } = loaded
  const { changed } = working
  const [next] = await together([
    appendEntries(db, head, working.entries),
    writePolicies(db, working.texts, working.now),
    writeCalls(
      db,
      [...changed.calls].map((id) => must(working.calls.get(id), id)),
      (id) => !known.has(id),
    ),
    writeJoined(db, working.joined),
    writeBodies(db, [...working.bodies.values()], working.salts),
    writeLimits(db, limits, changed.limits, wantsOf(operations, working.calls.values())),
    writeSessions(
      db,
      [...changed.sessions].map((id) => must(working.sessions.get(id), id)),
    ),
    writeVisits(db, changed.visits, working.visits, working.now),
    writeConsents(
      db,
      [...changed.consents].map((id) => must(working.consents.get(id), id)),
      working.now,
    ),
    writePasskeys(db, changed.passkeys, working.passkeys),
    writeAssertions(db, working.assertions),
    writeLeases(
      db,
      [...changed.leases].map((id) => must(working.leases.get(id), id)),
    ),
    writeTold(
      db,
      [...changed.waits].map((id) => must(working.waits.get(id), id)),
      [...changed.notices].map((id) => must(working.notices.get(id), id)),
      working.now,
    ),
    writeValues(db, [
      ...(working.policy === meta.policy ? [] : [['policy', working.policy] as const]),
      ...(working.closed === meta.closed
        ? []
        : [['closed', working.closed === null ? '' : JSON.stringify(working.closed)] as const]),
      ...(changed.definitions ? [['definitions', JSON.stringify([...working.definitions])] as const] : []),
      ...(changed.switches ? [['switches', JSON.stringify(working.switches)] as const] : []),
    ]),
  ])
  return next
}

function keysOf(calls: Iterable<Call>): Map<string, string> {
  const keys = new Map<string, string>()
  for (const { id, bound, principal, role, action, key } of calls) {
    if (bound && key !== null) keys.set(keyName(principal, role, action, key), id)
  }
  return keys
}

/** Whoever names a limit says what window it has. */
function wantsOf(operations: readonly Operation[], calls: Iterable<Call>): Map<string, Want> {
  const wants = new Map<string, Want>()
  for (const { reserve } of calls) for (const want of reserve) wants.set(want.limit, want)
  for (const operation of operations) {
    if (!('plan' in operation)) continue
    const { want, attempts, holds } = operation.plan
    for (const named of [...want, attempts, holds]) wants.set(named.limit, named)
  }
  return wants
}

function must<T>(value: T | undefined, id: string): T {
  if (value === undefined) throw new Error(`${id} was changed and is not there`)
  return value
}
