import assert from 'node:assert/strict'
import type { Admit, Approve, SessionRow } from '../../gateway/core/operations.ts'
import type { Bodies, Call, JsonObject, LimitState, Need, Plan, Want } from '../../gateway/core/types.ts'
import { fold } from '../../gateway/core/fold.ts'
import type { Operation, ResultOf } from '../../gateway/core/operations.ts'
import type { Working } from '../../gateway/core/working.ts'

/** What a store keeps of an operation is what the fold says it changed. */
const ROWS = ['calls', 'sessions', 'visits', 'consents', 'passkeys', 'leases', 'waits', 'notices'] as const

/** A store that is only memory: every operation is a batch of its own, at a time that the test sets. */
export class World {
  now = Date.parse('2026-11-23T15:00:00Z')
  readonly calls = new Map<string, Call>()
  readonly keys = new Map<string, string>()
  readonly limits = new Map<string, LimitState>()
  readonly sessions = new Map<string, SessionRow>()
  readonly salts = new Map<string, string>()
  readonly entries: { id: string; at: number; kind: string; fields: JsonObject }[] = []
  readonly visits: Working['visits'] = new Map()
  readonly passkeys: Working['passkeys'] = new Map()
  readonly assertions: Working['assertions'] = []
  readonly consents: Working['consents'] = new Map()
  readonly leases: Working['leases'] = new Map()
  /** Keys that have joined a call, with that call. */
  readonly joined: Working['joined'] = new Map()
  readonly waits: Working['waits'] = new Map()
  readonly notices: Working['notices'] = new Map()
  policy = 'sha256:policy'
  /** The process whose batches these are. */
  owner = 'rep_1'
  definitions: ReadonlySet<string> = new Set()
  switches: Working['switches'] = { version: 1, positions: {} }
  closed: Working['closed'] = null
  #ids = 0

  write<O extends Operation>(operation: O): ResultOf<O> {
    const working: Working = {
      now: this.now,
      begun: this.now,
      owner: this.owner,
      policy: this.policy,
      switches: this.switches,
      closed: this.closed,
      definitions: this.definitions,
      calls: this.calls,
      keys: this.keys,
      limits: this.limits,
      sessions: this.sessions,
      live: new Map(),
      proofs: new Set(),
      salts: this.salts,
      visits: this.visits,
      consents: this.consents,
      passkeys: this.passkeys,
      assertions: this.assertions,
      leases: this.leases,
      waits: this.waits,
      notices: this.notices,
      id: () => `ent_${++this.#ids}`,
      entries: [],
      joined: this.joined,
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
    const before = ROWS.map((rows) => new Map<string, unknown>(working[rows]))
    const result = fold(working, operation)
    ROWS.forEach((rows, index) => {
      for (const id of new Set([...working[rows].keys(), ...(before[index]?.keys() ?? [])]))
        if (working[rows].get(id) !== before[index]?.get(id))
          assert.ok(working.changed[rows].has(id), `${operation.op} changes ${rows} and does not have ${id} kept`)
    })
    this.policy = working.policy
    this.switches = working.switches
    this.closed = working.closed
    this.definitions = working.definitions
    this.entries.push(...working.entries)
    return result
  }

  session(id = 'ses_1', more: Partial<SessionRow> = {}): SessionRow {
    const row: SessionRow = {
      id,
      lineage: id,
      role: 'support-agent',
      principal: 'demo:bot',
      requester: 'demo:bot',
      acting_for: null,
      attributes: {},
      issued_at: this.now,
      expires_at: this.now + 30 * 86_400_000,
      token_hash: '',
      issuer: 'demo',
      jti: null,
      proof: '',
      policy: this.policy,
      prompt: null,
      began_at: this.now,
      renews: null,
      renewed_by: null,
      ended_at: null,
      ended_reason: null,
      ...more,
    }
    this.sessions.set(id, row)
    return row
  }

  held(limit: string): number {
    return this.limits.get(limit)?.held ?? 0
  }
  used(limit: string): number {
    return [...(this.limits.get(limit)?.buckets.values() ?? [])].reduce((sum, amount) => sum + amount, 0)
  }
  kinds(): string[] {
    return this.entries.map(({ kind }) => kind)
  }
}

export function want(limit: string, amount: number, max: number | null, more: Partial<Want> = {}): Want {
  return {
    limit,
    because: `grants.stripe.refund.${limit}`,
    name: limit,
    kind: 'budget',
    unit: 'USD',
    window: { kind: 'calendar', every: 'day', timezone: 'UTC' },
    per: 'day',
    by: 'role',
    amount,
    max,
    report: false,
    ...more,
  }
}

export function need(line: string, count: number, of: string, more: Partial<Need> = {}): Need {
  return { line, count, of, expires_ms: 4 * 3_600_000, passkey: false, when: null, report: false, ...more }
}

export function plan(more: Partial<Plan> = {}): Plan {
  const attempts = want('attempts', 1, 300, {
    kind: 'attempts',
    unit: 'attempts',
    window: { kind: 'rolling', length_ms: 3_600_000 },
  })
  const holds = want('holds', 1, 10, { kind: 'holds', unit: 'holds', window: { kind: 'gauge' } })
  return {
    policy: 'sha256:policy',
    switches: 1,
    action: 'stripe.refund',
    role: 'support-agent',
    effect: 'write',
    backend: 'stripe',
    cost: { unit: 'USD', amount: 3000 },
    summary: 'Refund 30.00 USD on ch_1',
    request: { POST: '/v1/refunds', form: { charge: 'ch_1', amount: 3000 } },
    want: [want('daily', 3000, 50_000)],
    need: [],
    deny: [],
    reported: [],
    attempts,
    holds,
    next: ['case.escalate'],
    barred: { persons: ['demo:bot'], groups: ['support-leads'] },
    ...more,
  }
}

export function bodies(call: string): Bodies {
  const bodies = { question: '{}', input: '{"amount":3000}', facts: '{}', request: '{}', output: null, earlier: null }
  return { call, salt: 'ab'.repeat(32), ...bodies }
}

export function admitting(call: string, more: Partial<Admit> = {}): Admit {
  return {
    op: 'admit',
    call,
    session: 'ses_1',
    principal: 'demo:bot',
    key: `key-${call}`,
    fingerprint: 'print',
    plan: plan(),
    facts_until: null,
    bodies: bodies(call),
    timeout_ms: 10_000,
    ...more,
  }
}

export function approving(call: Call, person: string, groups: string[], more: Partial<Approve> = {}): Approve {
  return {
    op: 'approve',
    call: call.id,
    approval: { person, name: person, groups, at: 0, card: call.card ?? '' },
    plan: plan(),
    facts_until: null,
    bodies: { question: '{}', facts: '{}', request: '{}', earlier: '[]' },
    timeout_ms: 10_000,
    ...more,
  }
}
