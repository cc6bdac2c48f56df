import { createHash, createHmac } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'
import canonicalize from 'canonicalize'
import type { Signer } from '../../../gateway/core/checkpoint-note.ts'
import { definitionsOf, weigh } from '../../../gateway/core/weigh.ts'
import { fold, touches } from '../../../gateway/core/fold.ts'
import { idFrom } from '../../../gateway/core/id.ts'
import type { Admit, Approve, IssueSession, Operation, SessionRow } from '../../../gateway/core/operations.ts'
import { principalOf } from '../../../gateway/core/principal.ts'
import type { Call, JsonObject, Policy, Question } from '../../../gateway/core/types.ts'
import { openSequencer } from '../../../gateway/store/sequencer.ts'
import type { Answer, Sequencer } from '../../../gateway/store/sequencer.ts'
import { driverOn, openSqlite, readSqlite } from '../../../gateway/store/sqlite.ts'
import { readValues } from '../../../gateway/store/meta.ts'
import { ACTIONS, actionAt, ASKS_ABOVE, grantsOf, looksOnly, MOST, roleAt, ROLES } from './company.ts'

const DAY_MS = 86_400_000
export const DAYS = 90
const SESSIONS = 5000
const LIFETIME_MS = 43_200_000
/** Calls that one transaction opens: they have one time. */
const BATCH = 250
/** The last role and what it is granted, which nothing else is, were used up to here. */
const OLD_DAYS = 5
const WORKLOADS = 50
/** One session a day, and a third of all calls: few sessions, and many calls. */
export const NIGHTLY = 'demo:nightly'

/** What becomes of a call, and how many of a million; the rest is done at once. `old`: in the first days alone. */
const ENDS = {
  denied: 80_000,
  approved: 30_000,
  refused: 5000,
  expired: 500,
  not_sent: 1000,
  rejected: 300,
  cancelled: 100,
  held: 200,
  needs_human: 20,
  unknown: 10,
} as const
type End = keyof typeof ENDS | 'done'

export interface Spread {
  readonly calls: number
  /** ms; the last call is as old as that. */
  readonly until: number
}

/**
 * Writes the calls of ninety days through the store's own writer: what was asked is weighed by the policy, admitted, approved,
 * settled and ended by the operations that the gateway would have written, under a clock of its own. So each call has its
 * entries, its bodies and what it took of limits, and the ledger verifies. The disk is not waited for.
 */
export async function writeCalls(
  file: string,
  policy: Policy,
  signer: Signer,
  { calls, until }: Spread,
  say: (line: string) => void = () => {},
): Promise<void> {
  const random = randomFrom(11)
  const began = until - DAYS * DAY_MS
  let now = began
  // Durable once the last page is in its place; a gateway that asks finds what it asks for.
  openSqlite(file)
    .close()
    .catch(() => {})
  const database = new DatabaseSync(file)
  database.exec(
    'PRAGMA synchronous = OFF; PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -262144; PRAGMA foreign_keys = ON',
  )
  const driver = driverOn(database)
  const sequencer = await openSequencer({
    driver,
    reopen: async () => readSqlite(file),
    owner: idFrom('rep', began, bytes(random, 10)),
    folding: { fold, touches },
    clock: { wall: () => now, monotonic: () => now - began },
    random: (count) => bytes(random, count),
    signer,
    origin: signer.name,
    strictClock: false,
    step: () => {},
  })
  const key = (await driver.transaction((db) => readValues(db, ['fingerprint_key']))).get('fingerprint_key') ?? ''
  const house = houseOf(policy, key, random)
  await all(sequencer, [
    {
      op: 'policy',
      digest: policy.digest,
      texts: policy.texts,
      definitions: ['policy', ...definitionsOf(policy).keys()],
    },
  ])

  const sessions: SessionRow[] = []
  let waiting: { readonly at: number; readonly operation: Operation }[] = []
  let told = performance.now()
  for (let first = 0; first < calls; first += BATCH) {
    now = Math.floor(began + (DAYS * DAY_MS * first) / calls)
    const due = waiting.filter(({ at }) => at <= now)
    waiting = waiting.filter(({ at }) => at > now)
    const begun = sessionsUntil(now, began, sessions.length)
    for (const answer of await all(sequencer, [
      { op: 'expire' },
      ...due.map(({ operation }) => operation),
      ...begun.map((at) => house.session(at)),
    ]))
      if (answer.ok && 'session' in answer.result && answer.result.kind === 'issued')
        sessions.push(answer.result.session)
    const live = sessions.slice(-30).filter(({ expires_at }) => expires_at > now + 60_000)
    const asked = Array.from({ length: Math.min(BATCH, calls - first) }, (_, n) => {
      const at = first + n
      return house.asked(at, now, endOf(at, calls, random), chosen(live, random), (now - began) / DAY_MS)
    })
    const admitted = await all(
      sequencer,
      asked.map(({ admit }) => admit),
    )
    const next: Operation[] = []
    for (const [place, { admit, end }] of asked.entries()) {
      const answer = admitted[place]
      if (answer?.ok !== true || !('call' in answer.result)) throw new Error(`not admitted: ${JSON.stringify(answer)}`)
      const { call } = answer.result as { readonly call: Call }
      const follows = house.after(call, admit, end, now)
      next.push(...follows.now)
      waiting.push(...follows.later)
    }
    now += 40
    await all(sequencer, next)
    if (first % 2000 < BATCH) await sequencer.tick()
    if (performance.now() - told > 5000) {
      told = performance.now()
      say(`${first} calls`)
    }
  }
  await all(
    sequencer,
    waiting.map(({ operation }) => operation),
  )
  await driver.tidy()
  await sequencer.close()
  const last = new DatabaseSync(file)
  last.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  last.close()
}

async function all(sequencer: Sequencer, operations: readonly Operation[]): Promise<readonly Answer[]> {
  if (operations.length === 0) return []
  const { answers } = await sequencer.run(operations)
  const wrong = answers.find(({ ok }) => !ok)
  if (wrong !== undefined) throw new Error(JSON.stringify(wrong))
  await sequencer.tidyIfDue()
  return answers
}

/** Which sessions have begun by then and are not there yet. */
function sessionsUntil(now: number, began: number, there: number): number[] {
  const due = Math.min(SESSIONS, 1 + Math.floor(((now - began) / (DAYS * DAY_MS)) * SESSIONS))
  return Array.from({ length: Math.max(0, due - there) }, (_, n) => there + n)
}

function chosen(live: readonly SessionRow[], random: () => number): SessionRow {
  const nightly = random() < 0.33 ? live.find(({ requester }) => requester === NIGHTLY) : undefined
  const session = nightly ?? live[Math.floor(random() * live.length)]
  if (session === undefined) throw new Error('nobody is signed in')
  return session
}

/** Rejected ones are old alone, and holds that stand are young alone, as they would be. */
function endOf(at: number, calls: number, random: () => number): End {
  const age = at / calls
  let dice = random() * 1_000_000
  for (const [end, share] of Object.entries(ENDS) as [keyof typeof ENDS, number][]) {
    const part =
      end === 'rejected' ? (age < 0.1 ? share * 10 : 0) : end === 'held' ? (age > 0.9 ? share * 10 : 0) : share
    if (dice < part) return end
    dice -= part
  }
  return 'done'
}

/** What the pipeline does between a request and the store, of one policy and one store. */
function houseOf(policy: Policy, fingerprintKey: string, random: () => number) {
  const hmac = (text: string) =>
    createHmac('sha256', fingerprintKey, { encoding: 'hex' }).update(text, 'utf8').digest('hex')
  const names = new Map<string, string>()
  const identify = (text: string): string => {
    let name = names.get(text)
    if (name === undefined) {
      name = `lim_${hmac(text).slice(0, 26)}`
      if (names.size > 20_000) names.clear()
      names.set(text, name)
    }
    return name
  }
  const texts = (length: number) => bytes(random, length).toString('hex')

  return {
    session(at: number): IssueSession {
      const id = idFrom('ses', Date.parse('2026-01-01') + at, bytes(random, 10))
      const nightly = at % Math.floor(SESSIONS / DAYS) === 0
      const requester = nightly ? NIGHTLY : `demo:workload-${at % WORKLOADS}`
      const acting_for = at % 4 === 1 ? 'demo:sam' : null
      const role = roleAt(
        at < (SESSIONS * OLD_DAYS) / DAYS && at % 3 === 0 ? ROLES - 1 : Math.floor(random() ** 2 * (ROLES - 1)),
      )
      return {
        op: 'session.issue',
        session: {
          id,
          lineage: id,
          role,
          principal: principalOf(requester, acting_for),
          requester,
          acting_for,
          attributes: {},
          token_hash: createHash('sha256').update(id).digest('hex'),
          issuer: 'demo',
          jti: texts(16),
          proof: `sha256:${texts(32)}`,
          policy: policy.digest,
          prompt: null,
        },
        lifetime_ms: nightly ? DAY_MS : LIFETIME_MS,
        live_max: 100_000,
        once: false,
      }
    },

    asked(
      at: number,
      now: number,
      wish: End,
      session: SessionRow,
      days: number,
    ): { readonly admit: Admit; readonly end: End } {
      const grants = grantsOf(Number(session.role.slice(-2)))
      const number =
        days > OLD_DAYS + 1 && grants[0] === ACTIONS - 2
          ? grants[0]
          : (grants[Math.floor(random() ** 2 * grants.length)] ?? 0)
      const looks = looksOnly(number)
      // Who only looks is asked nothing and refused nothing.
      const end =
        looks && ['denied', 'approved', 'held', 'rejected', 'expired', 'cancelled'].includes(wish) ? 'done' : wish
      const asks = ['approved', 'held', 'rejected', 'expired', 'cancelled'].includes(end)
      const amount =
        end === 'denied'
          ? MOST + 1 + Math.floor(random() * MOST)
          : asks
            ? ASKS_ABOVE + 1 + Math.floor(random() * (MOST - ASKS_ABOVE))
            : 1 + Math.floor(random() ** 3 * ASKS_ABOVE)
      const input: JsonObject = looks
        ? { order: `or_${at}` }
        : { order: `or_${at}`, amount, note: `Order ${at}: the customer says that it never came.` }
      const call = idFrom('call', now, bytes(random, 10))
      const question: Question = {
        at: now,
        call,
        session: {
          id: session.id,
          lineage: session.lineage,
          role: session.role,
          principal: session.principal,
          requester: session.requester,
          acting_for: session.acting_for,
          attributes: session.attributes,
          issued_at: session.issued_at,
          expires_at: session.expires_at,
        },
        action: actionAt(number),
        input,
        facts: {},
        switches: { incident: false },
      }
      const weighed = weigh(policy, question, { switches_version: 0, identify })
      // A company that is asked less: a hold that ends by itself does so within a day.
      const plan =
        end === 'expired'
          ? { ...weighed, need: weighed.need.map((need) => ({ ...need, expires_ms: DAY_MS })) }
          : weighed
      return {
        end,
        admit: {
          op: 'admit',
          call,
          session: session.id,
          principal: session.principal,
          key: looks ? null : `T-${at}/refund-1`,
          fingerprint: hmac(canonicalize(input) ?? ''),
          plan,
          facts_until: null,
          bodies: {
            call,
            salt: texts(32),
            question: JSON.stringify({ at: now, switches: question.switches }),
            input: JSON.stringify(input),
            facts: '{}',
            request: JSON.stringify(plan.request),
            output: null,
            earlier: null,
          },
          timeout_ms: 5000,
        },
      }
    },

    /** What follows at once, and what follows later. */
    after(
      call: Call,
      admit: Admit,
      end: End,
      now: number,
    ): { now: Operation[]; later: { at: number; operation: Operation }[] } {
      const replay_ms = policy.actions.get(call.action)?.replay_ms ?? 0
      const evidence = (status: number): JsonObject => ({ status, request_id: `req_${texts(8)}` })
      const attempt = { op: 'settle', call: call.id, attempt: 1, output: null, replay_ms } as const
      const looks = admit.key === null
      const output: JsonObject = looks
        ? { id: String(JSON.parse(admit.bodies.input ?? '{}').order), amount: 1200 }
        : { id: `re_${texts(6)}`, amount: call.cost?.amount ?? 0, status: 'succeeded' }
      const done: Operation = {
        ...attempt,
        outcome: { kind: 'done', output, evidence: evidence(200) },
        output: JSON.stringify(output),
      }
      if (call.state === 'denied') return { now: [], later: [] }
      if (call.state === 'held') {
        if (end === 'cancelled')
          return {
            now: [],
            later: [
              {
                at: now + 60_000,
                operation: { op: 'cancel', call: call.id, by: call.principal, reason: 'cancelled by its principal' },
              },
            ],
          }
        if (end === 'rejected')
          return {
            now: [],
            later: [
              {
                at: now + 600_000,
                operation: { op: 'reject', call: call.id, person: OMAR, reason: 'The order was delivered.' },
              },
            ],
          }
        if (end !== 'approved') return { now: [], later: [] }
        const { question, facts, request } = admit.bodies
        const earlier = JSON.stringify([{ question, facts, request }])
        const approve: Approve = {
          op: 'approve',
          call: call.id,
          approval: { person: 'demo:dana', name: 'Dana', groups: ['finance'], at: now, card: call.card ?? '' },
          plan: admit.plan,
          facts_until: null,
          bodies: { question, facts, request, earlier },
          timeout_ms: 5000,
        }
        // In one batch, in this order: the attempt that it starts ends.
        return {
          now: [],
          later: [
            { at: now + 300_000, operation: approve },
            { at: now + 300_000, operation: done },
          ],
        }
      }
      if (end === 'refused')
        return {
          now: [
            {
              ...attempt,
              outcome: {
                kind: 'refused',
                status: 402,
                message: 'This order was paid back already.',
                evidence: evidence(402),
              },
            },
          ],
          later: [],
        }
      if (end === 'not_sent')
        return {
          now: [{ ...attempt, outcome: { kind: 'not_sent', reason: 'the backend refused the connection' } }],
          later: [],
        }
      if (end !== 'unknown' && end !== 'needs_human') return { now: [done], later: [] }
      const unknown: Operation = {
        ...attempt,
        outcome: { kind: 'unknown', reason: 'no answer within 5000 ms', evidence: {} },
      }
      const asked: Operation = {
        op: 'reconcile',
        call: call.id,
        attempt: 1,
        found: 'cannot_tell',
        reason: 'the backend cannot be asked what became of it',
        evidence: {},
        output: null,
        replay_ms,
      }
      return { now: end === 'unknown' ? [unknown] : [unknown, asked], later: [] }
    },
  }
}

const OMAR = { id: 'demo:omar', name: 'Omar', groups: ['finance'] }

/** mulberry32: the same calls each time. */
function randomFrom(state: number): () => number {
  let seed = state
  return () => {
    seed = (seed + 0x6d2b79f5) | 0
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

function bytes(random: () => number, count: number): Buffer {
  const made = Buffer.alloc(count)
  for (let at = 0; at < count; at++) made[at] = random() * 256
  return made
}
