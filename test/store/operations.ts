import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Signer } from '../../gateway/core/checkpoint-note.ts'
import { idFrom } from '../../gateway/core/id.ts'
import type { Admit, IssueSession, Note, Settle } from '../../gateway/core/operations.ts'
import type { Want } from '../../gateway/core/types.ts'
import { openStore } from '../../gateway/store/open.ts'
import type { OpenStoreOptions } from '../../gateway/store/open.ts'
import type { OpenStore } from '../../gateway/store/store.ts'

/** In a directory of its own, which the end of the run takes away. */
export function freshFile(): string {
  return join(freshDirectory(), 'data', 'keystay.db')
}

const directories: string[] = []

export function freshDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'keystay-store-'))
  directories.push(directory)
  return directory
}

export function newSigner(name = 'keystay.local/test'): Signer {
  return { name, privateKey: generateKeyPairSync('ed25519').privateKey }
}

function newId(prefix: string): string {
  return idFrom(prefix, Date.now(), randomBytes(10))
}

/** A store that a failed test left open would keep its thread, and the run would never end. */
const opened: OpenStore[] = []
if (typeof after === 'function') {
  after(async () => {
    await Promise.all(opened.map((store) => store.close()))
    for (const directory of directories) rmSync(directory, { recursive: true, force: true })
  })
}

export async function open(file: string, options: Partial<OpenStoreOptions> = {}): Promise<OpenStore> {
  const store = await openStore({ file, signer: newSigner(), strictClock: false, onLate: () => {}, ...options })
  opened.push(store)
  return store
}

export function note(text: string): Note {
  return { op: 'note', kind: 'credential.fetched', fields: { text } }
}

export function issue(principal = 'demo:bot', role = 'support-agent'): IssueSession {
  const id = newId('ses')
  const token_hash = createHash('sha256').update(id).digest('hex')
  return {
    op: 'session.issue',
    session: {
      id,
      lineage: id,
      role,
      principal,
      requester: principal,
      acting_for: null,
      attributes: {},
      token_hash,
      issuer: 'demo',
      jti: newId('jti'),
      proof: 'sha256:00',
      policy: '',
      prompt: null,
    },
    lifetime_ms: 3_600_000,
    live_max: 20,
    once: false,
  }
}

export function daily(amount: number, max = 50_000): Want {
  return {
    limit: 'support-agent stripe.refund USD day UTC role',
    because: 'grants.stripe.refund.daily',
    name: 'daily',
    kind: 'budget',
    unit: 'USD',
    window: { kind: 'calendar', every: 'day', timezone: 'UTC' },
    per: 'day',
    by: 'role',
    amount,
    max,
    report: false,
  }
}

/** One refund of this amount, in cents. */
export function admit(session: string, key: string, amount: number, max = 50_000): Admit {
  const call = newId('call')
  const input = JSON.stringify({ charge: 'ch_1', amount, note: 'für Zoë' })
  const gauge = { ...daily(0), window: { kind: 'gauge' as const }, kind: 'holds' as const }
  return {
    op: 'admit',
    call,
    session,
    principal: 'demo:bot',
    key,
    fingerprint: createHash('sha256').update(input).digest('hex'),
    plan: {
      policy: '',
      switches: 0,
      action: 'stripe.refund',
      role: 'support-agent',
      effect: 'write',
      backend: 'stripe',
      cost: { unit: 'USD', amount },
      summary: `Refund ${amount}`,
      request: { form: { amount } },
      want: [daily(amount, max)],
      need: [],
      deny: [],
      reported: [],
      attempts: {
        ...daily(1, 300),
        limit: 'attempts demo:bot',
        kind: 'attempts',
        window: { kind: 'rolling', length_ms: 3_600_000 },
      },
      holds: { ...gauge, limit: `holds ${session}`, amount: 1, max: 10 },
      next: [],
      barred: { persons: [], groups: [] },
    },
    bodies: {
      call,
      salt: randomBytes(32).toString('hex'),
      input,
      question: '{"at":1,"switches":{}}',
      earlier: null,
      facts: '{"charge":{"amount":9000}}',
      request: `{"form":{"amount":${amount}}}`,
      output: null,
    },
    facts_until: null,
    timeout_ms: 10_000,
  }
}

export function done(call: string, attempt = 1): Settle {
  return {
    op: 'settle',
    call,
    attempt,
    outcome: { kind: 'done', output: { id: 're_1' }, evidence: { request_id: 'req_1' } },
    output: '{"id":"re_1","status":"succeeded"}',
    replay_ms: 604_800_000,
  }
}
