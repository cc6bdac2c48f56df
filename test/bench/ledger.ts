import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { idFrom } from '../../gateway/core/id.ts'
import type { Admit, IssueSession } from '../../gateway/core/operations.ts'
import type { Want } from '../../gateway/core/types.ts'
import { openStore } from '../../gateway/store/open.ts'
import type { OpenStore } from '../../gateway/store/store.ts'
import { appended } from './fsync.ts'

const AT_ONCE = 64

/** Durable reservations with their record, a second. */
export interface Ledger {
  /** 64 in flight: the writer commits what queued during the last sync. */
  readonly batched: number
  /** One in flight: one commit each. */
  readonly single: number
  /** The bytes of 64 records appended to a file and synced: the least that durability costs. */
  readonly raw: number
}

/** Measures the embedded ledger by itself, without HTTP: `rounds` times each, interleaved, `ms` each time. */
export async function measureLedger(dir: string, rounds: number, ms: number): Promise<Ledger[]> {
  const store = await openStore({
    file: join(dir, 'ledger.db'),
    signer: { name: 'bench', privateKey: generateKeyPairSync('ed25519').privateKey },
    strictClock: false,
    onLate: () => {},
  })
  try {
    const issued = await store.write(issue())
    if (issued.kind !== 'issued') throw new Error('no session')
    const session = issued.session.id
    await perSecond(store, session, AT_ONCE, ms)
    const [entry = {}] = await store.story(await recorded(store, session))
    const group = Buffer.from(JSON.stringify(entry).repeat(AT_ONCE))
    const measured: Ledger[] = []
    for (let round = 0; round < rounds; round++) {
      const batched = await perSecond(store, session, AT_ONCE, ms)
      const single = await perSecond(store, session, 1, ms)
      const count = Math.max(20, Math.round(ms / 2))
      measured.push({ batched, single, raw: (AT_ONCE * count) / appended(dir, count, group).seconds })
    }
    return measured
  } finally {
    await store.close()
  }
}

async function perSecond(store: OpenStore, session: string, at_once: number, ms: number): Promise<number> {
  const began = performance.now()
  let count = 0
  const one = async () => {
    while (performance.now() - began < ms) {
      await recorded(store, session)
      count++
    }
  }
  await Promise.all(Array.from({ length: at_once }, one))
  return count / ((performance.now() - began) / 1000)
}

/** @returns the call that now has its reservation, its bodies and its entry. */
async function recorded(store: OpenStore, session: string): Promise<string> {
  const operation = admit(session)
  const { kind } = await store.write(operation)
  if (kind !== 'started') throw new Error(`the ledger answered ${kind}`)
  return operation.call
}

function want(kind: Want['kind'], limit: string, max: number): Want {
  return {
    limit,
    because: `grants.bench.refund.${kind}`,
    name: kind,
    kind,
    unit: 'USD',
    window: kind === 'holds' ? { kind: 'gauge' } : { kind: 'calendar', every: 'day', timezone: 'UTC' },
    per: 'day',
    by: 'role',
    amount: 1,
    max,
    report: false,
  }
}

/** One reservation of a cent. */
export function admit(session: string, limit = 'lim_budget'): Admit {
  const call = id('call')
  return {
    op: 'admit',
    call,
    session,
    principal: 'demo:bot',
    key: call,
    fingerprint: randomBytes(32).toString('hex'),
    plan: {
      policy: '',
      switches: 0,
      action: 'bench.refund',
      role: 'agent',
      effect: 'write',
      backend: 'bench',
      cost: { unit: 'USD', amount: 1 },
      summary: 'Refund 0.01 USD',
      request: { POST: '/v1/refunds', form: { amount: 1, metadata: { keystay_call: call } } },
      want: [want('budget', limit, 2 ** 50)],
      need: [],
      deny: [],
      reported: [],
      attempts: want('attempts', 'lim_attempts', 300),
      holds: want('holds', 'lim_holds', 10),
      next: [],
      barred: { persons: [], groups: [] },
    },
    bodies: {
      call,
      salt: randomBytes(32).toString('hex'),
      question: '{"at":1,"switches":{}}',
      input: '{"charge":"ch_1","amount":1}',
      facts: '{}',
      request: `{"POST":"/v1/refunds","form":{"amount":1,"metadata":{"keystay_call":"${call}"}}}`,
      output: null,
      earlier: null,
    },
    facts_until: null,
    timeout_ms: 10_000,
  }
}

export function issue(): IssueSession {
  const session = id('ses')
  const whose = { role: 'agent', principal: 'demo:bot', requester: 'demo:bot', acting_for: null, attributes: {} }
  const proof = { token_hash: session, issuer: 'demo', jti: null, proof: '', policy: '', prompt: null }
  return {
    op: 'session.issue',
    session: { id: session, lineage: session, ...whose, ...proof },
    lifetime_ms: 3_600_000,
    live_max: 20,
    once: false,
  }
}

function id(prefix: string): string {
  return idFrom(prefix, Date.now(), randomBytes(10))
}
