import assert from 'node:assert/strict'
import { fold } from '../../gateway/core/fold.ts'
import { digestOf } from '../../gateway/core/entry.ts'
import type { Operation, ResultOf, SessionRow } from '../../gateway/core/operations.ts'
import type { Call, JsonObject, LimitState, Outcome, Plan } from '../../gateway/core/types.ts'
import type { Working } from '../../gateway/core/working.ts'
import { admitting, approving, need, plan, want, World } from './world.ts'

const AT = Date.parse('2026-11-23T15:00:00Z')
const SALT = 'ab'.repeat(32)
const hmac = (text: string): string => digestOf(SALT, text)

/** A batch that remembers everything that its operations left behind. */
class Batch {
  now = AT
  begun = 77
  readonly working: Working
  #ids = 0

  constructor() {
    const session = new World().session()
    this.working = {
      now: this.now,
      begun: this.begun,
      owner: 'rep_1',
      closed: null,
      policy: 'sha256:policy',
      switches: { version: 1, positions: {} },
      definitions: new Set(),
      calls: new Map(),
      keys: new Map(),
      limits: new Map<string, LimitState>(),
      sessions: new Map<string, SessionRow>([['ses_1', session]]),
      live: new Map(),
      proofs: new Set(),
      salts: new Map(),
      visits: new Map(),
      consents: new Map(),
      passkeys: new Map(),
      assertions: [],
      leases: new Map(),
      waits: new Map(),
      notices: new Map(),
      id: () => `ent_${++this.#ids}`,
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
  }
  do<O extends Operation>(operation: O): ResultOf<O> {
    Object.assign(this.working, { now: this.now })
    return fold(this.working, operation)
  }
  /** What was written last. */
  entry() {
    const entry = this.working.entries.at(-1)
    return entry === undefined ? assert.fail('nothing was written') : entry
  }
  fields(): JsonObject {
    return this.entry().fields
  }
  call(id = 'call_1'): Call {
    return this.working.calls.get(id) ?? assert.fail(`no ${id}`)
  }
  held(limit: string): number {
    return this.working.limits.get(limit)?.held ?? 0
  }
  used(limit: string): number {
    return [...(this.working.limits.get(limit)?.buckets.values() ?? [])].reduce((sum, amount) => sum + amount, 0)
  }
}

const RATE = want('rate', 1, 5, {
  kind: 'rate',
  unit: 'calls',
  window: { kind: 'rolling', length_ms: 3_600_000 },
  per: 'hour',
})
const TWO = plan({ want: [want('daily', 3000, 50_000), RATE] })
const HOLD: Partial<Plan> = { want: TWO.want, need: [need('approval[0]', 1, 'finance')] }

const ABOUT = {
  call: 'call_1',
  session: 'ses_1',
  role: 'support-agent',
  principal: 'demo:bot',
  action: 'stripe.refund',
  effect: 'write',
}
const COST = { unit: 'USD', amount: 3000 }
const MONEY = { limit: 'daily', name: 'daily', amount: 3000, unit: 'USD', window: 'day' }
const CALLS = { limit: 'rate', name: 'rate', amount: 1, unit: 'calls', window: 'hour' }
const PLACE = { limit: 'holds', name: 'holds', amount: 1, unit: 'holds', window: 'day' }
const DIGESTS = { question: hmac('{}'), input: hmac('{"amount":3000}'), facts: hmac('{}'), request: hmac('{}') }
const DATED = '2026-11-23T15:00:00.000Z'
const DONE: Outcome = { kind: 'done', output: null, evidence: { request_id: 'req_1' } }
const DOUBT: Outcome = { kind: 'unknown', reason: 'timeout', evidence: { status: 500 } }

const settle = (attempt: number, outcome: Outcome, output: string | null = null) =>
  ({ op: 'settle', call: 'call_1', attempt, outcome, output, replay_ms: 1000 }) as const
const reconcile = (found: 'done' | 'refused' | 'cannot_tell', output: string | null = null) =>
  ({
    op: 'reconcile',
    call: 'call_1',
    attempt: 1,
    found,
    reason: 'looked up',
    evidence: { found: 1 },
    output,
    replay_ms: 1000,
  }) as const

/** A second later, so that a time that was not set anew shows. */
function later(batch: Batch): Batch {
  batch.now += 1000
  return batch
}
function running(more: Partial<Plan> = {}): Batch {
  const batch = new Batch()
  assert.equal(batch.do(admitting('call_1', { plan: plan({ want: TWO.want, ...more }) })).kind, 'started')
  return later(batch)
}
function held(more: Partial<Plan> = {}): Batch {
  const batch = new Batch()
  assert.equal(batch.do(admitting('call_1', { plan: plan({ ...HOLD, ...more }) })).kind, 'held')
  return later(batch)
}
function inDoubt(more: Partial<Plan> = {}): Batch {
  const batch = running(more)
  batch.do(settle(1, DOUBT))
  return later(batch)
}
/** The last entry as a whole, and what the call became: all that is not named stayed as it was. */
function became(batch: Batch, before: Call, kind: string, fields: JsonObject, changes: Partial<Call>): void {
  const entry = batch.entry()
  assert.deepEqual([entry.kind, entry.at, entry.call, entry.session], [kind, batch.now, 'call_1', 'ses_1'])
  assert.deepEqual(entry.fields, { ...ABOUT, ...fields })
  assert.deepEqual(batch.call(), { ...before, ...changes, entry: entry.id, updated_at: batch.now })
}
const counts = (batch: Batch) => ['daily', 'rate', 'holds'].map((limit) => [batch.held(limit), batch.used(limit)])

describe('what an operation leaves behind', () => {
  it('a call that starts', () => {
    const batch = new Batch()
    const result = batch.do(admitting('call_1', { plan: TWO, timeout_ms: 4000 }))
    assert.deepEqual(result, { kind: 'started', call: batch.call(), begun: 77 })
    const { kind, at, call, session } = batch.entry()
    assert.deepEqual({ kind, at, call, session }, { kind: 'call.started', at: AT, call: 'call_1', session: 'ses_1' })
    assert.deepEqual(batch.fields(), {
      ...ABOUT,
      attempt: 1,
      policy: 'sha256:policy',
      cost: COST,
      digests: DIGESTS,
      reserve: [MONEY, CALLS],
    })
    assert.deepEqual(batch.call(), {
      id: 'call_1',
      state: 'executing',
      action: 'stripe.refund',
      role: 'support-agent',
      effect: 'write',
      backend: 'stripe',
      principal: 'demo:bot',
      requester: 'demo:bot',
      session: 'ses_1',
      lineage: 'ses_1',
      key: 'key-call_1',
      bound: true,
      fingerprint: 'print',
      policy: 'sha256:policy',
      summary: 'Refund 30.00 USD on ch_1',
      cost: COST,
      reserve: TWO.want,
      need: [],
      approvals: [],
      card: null,
      expires_at: null,
      attempt: 1,
      doubt: [],
      owner: 'rep_1',
      intent_at: AT,
      not_after: AT + 4000,
      created_at: AT,
      updated_at: AT,
      code: null,
      detail: null,
      because: [],
      next: ['case.escalate'],
      retry_at: null,
      evidence: {},
      settles: [],
      barred: { persons: ['demo:bot'], groups: ['support-leads'] },
      replay_until: null,
      entry: 'ent_1',
    })
    assert.deepEqual(batch.working.keys.size, 1)
  })

  it('a call without a key, and one that costs nothing', () => {
    const batch = new Batch()
    batch.do(admitting('call_1', { plan: plan({ cost: null }), key: null }))
    assert.deepEqual([batch.call().bound, batch.call().key, batch.fields()['cost']], [false, null, null])
    assert.equal(batch.working.keys.size, 0)
    later(batch).do(settle(1, DONE))
    assert.equal(batch.fields()['cost'], null)
  })

  it('lines in report mode that would have said no', () => {
    const report = want('quiet', 2, 1, { report: true, because: 'quiet line' })
    for (const more of [{}, HOLD, { deny: [{ because: 'x', message: 'no' }] }]) {
      const batch = new Batch()
      batch.do(admitting('call_1', { plan: plan({ ...more, want: [report] }) }))
      assert.deepEqual(batch.fields()['reported'], ['quiet line'])
    }
  })

  it('an answer', () => {
    const batch = running()
    const before = batch.call()
    assert.deepEqual(batch.do(settle(1, DONE, '{"id":1}')), { kind: 'settled', call: batch.call() })
    const fields = {
      attempt: 1,
      outcome: 'done',
      cost: COST,
      evidence: { request_id: 'req_1' },
      digests: { output: hmac('{"id":1}') },
      spend: [MONEY, CALLS],
      dated: DATED,
    }
    const changes = { state: 'done', evidence: { request_id: 'req_1' }, replay_until: batch.now + 1000 } as const
    became(batch, before, 'call.settled', fields, changes)
    assert.equal(batch.working.bodies.get('call_1')?.output, '{"id":1}')
    assert.equal(batch.working.bodies.get('call_1')?.input, '{"amount":3000}')
    assert.deepEqual(counts(batch), [
      [0, 3000],
      [0, 1],
      [0, 0],
    ])
  })

  it('an answer without a body to keep', () => {
    const batch = running()
    batch.do(settle(1, DONE))
    assert.deepEqual(batch.fields()['digests'], {})
    assert.equal(batch.working.bodies.get('call_1')?.output, null)
  })

  it('an answer after doubt, which it ends', () => {
    const batch = inDoubt()
    const before = batch.call()
    assert.deepEqual([before.detail, before.doubt], ['timeout', [1]])
    batch.do(settle(1, DONE))
    assert.deepEqual([batch.call().state, batch.call().detail, batch.call().doubt], ['done', null, []])
  })

  it('a certain no of the backend', () => {
    const batch = running()
    const before = batch.call()
    batch.do(
      settle(1, { kind: 'refused', status: 422, message: 'no such charge', evidence: { a: 1 }, retry_after_s: 7 }),
    )
    const fields = {
      attempt: 1,
      outcome: 'refused',
      status: 422,
      cost: COST,
      evidence: { a: 1 },
      spend: [CALLS],
      release: [MONEY],
      dated: DATED,
    }
    became(batch, before, 'call.settled', fields, {
      state: 'refused',
      code: 'backend_refused',
      detail: 'no such charge',
      retry_at: batch.now + 7000,
      evidence: { a: 1, status: 422 },
    })
    assert.deepEqual(counts(batch), [
      [0, 0],
      [0, 1],
      [0, 0],
    ])
  })

  it('a certain no that comes late, of the very attempt that was in doubt', () => {
    const batch = inDoubt()
    batch.do(settle(1, { kind: 'refused', status: 404, message: 'no', evidence: {} }))
    assert.deepEqual([batch.call().state, batch.call().doubt], ['refused', []])
    const again = inDoubt()
    again.do(settle(1, DOUBT))
    assert.deepEqual([again.call().state, again.call().doubt], ['unknown', [1]])
  })

  it('no body where none was kept', () => {
    const ends: ((batch: Batch) => void)[] = [
      (batch) => batch.do(settle(1, DONE)),
      (batch) => {
        batch.do(settle(1, DOUBT))
        batch.do(reconcile('done'))
      },
    ]
    for (const end of ends) {
      const batch = running()
      batch.working.bodies.clear()
      end(batch)
      assert.deepEqual([batch.call().state, batch.working.bodies.size], ['done', 0])
    }
  })

  it('a certain no without a time to come back, of a call without a cost', () => {
    const batch = running({ cost: null })
    batch.do(settle(1, { kind: 'refused', status: 400, message: 'no', evidence: {} }))
    assert.deepEqual([batch.call().retry_at, batch.fields()['cost']], [null, null])
  })

  it('an attempt that was not sent', () => {
    for (const [code, told] of [
      ['secret_unavailable', 'secret_unavailable'],
      ['backend_unavailable', 'backend_unavailable'],
      [undefined, 'backend_unavailable'],
    ] as const) {
      const batch = running()
      const before = batch.call()
      batch.do(settle(1, { kind: 'not_sent', reason: 'refused', ...(code === undefined ? {} : { code }) }))
      const fields = { attempt: 1, reason: 'refused', code: told, release: [MONEY, CALLS] }
      became(batch, before, 'call.not_sent', fields, {
        state: 'not_sent',
        bound: false,
        code: told,
        detail: 'refused',
      })
      assert.equal(batch.working.keys.size, 0)
      assert.deepEqual(counts(batch).flat(), [0, 0, 0, 0, 0, 0])
    }
  })

  it('an attempt in doubt, which keeps what it holds', () => {
    const batch = running()
    const before = batch.call()
    batch.do(settle(1, DOUBT))
    const fields = { attempt: 1, reason: 'timeout', evidence: { status: 500 } }
    became(batch, before, 'call.unknown', fields, {
      state: 'unknown',
      doubt: [1],
      detail: 'timeout',
      evidence: { status: 500 },
    })
    assert.deepEqual(counts(batch)[0], [3000, 0])
  })

  it('a further attempt, and what it may not settle', () => {
    const batch = inDoubt()
    const before = batch.call()
    const start = { op: 'start', call: 'call_1', attempt: 1, timeout_ms: 500, until: batch.now + 1 } as const
    assert.deepEqual(batch.do(start), { kind: 'started', call: batch.call(), begun: 77 })
    became(batch, before, 'call.started', { attempt: 2, reserve: [] }, { attempt: 2, not_after: batch.now + 500 })
    assert.deepEqual(batch.do(start), { kind: 'refused', reason: 'fenced', call: batch.call() })
    later(batch).do(settle(2, { kind: 'refused', status: 400, message: 'no', evidence: { b: 2 } }))
    assert.deepEqual(batch.fields(), {
      ...ABOUT,
      attempt: 2,
      reason: 'attempt 2 was refused (400)',
      evidence: { b: 2 },
    })
    assert.deepEqual([batch.call().state, batch.call().doubt], ['unknown', [1]])
    later(batch).do(settle(2, { kind: 'not_sent', reason: 'refused' }))
    assert.deepEqual(batch.fields(), {
      ...ABOUT,
      attempt: 2,
      reason: 'attempt 2 was not sent: refused',
      evidence: {},
    })
    later(batch).do(settle(2, DOUBT))
    assert.deepEqual(batch.call().doubt, [1, 2])
  })

  it('no further attempt when it is too late, over, unknown or forbidden', () => {
    const start = (batch: Batch, until = batch.now + 1) => {
      const started = batch.do({ op: 'start', call: 'call_1', attempt: 1, timeout_ms: 500, until })
      return started.kind === 'refused' ? started.reason : started.kind
    }
    const late = inDoubt()
    assert.deepEqual([start(late, late.now), start(late, late.now - 1)], ['too_late', 'too_late'])
    assert.equal(start(running()), 'state')
    for (const [ended_reason, expected] of [
      ['revoked', 'revoked'],
      ['role_removed', 'revoked'],
      ['logout', 'started'],
      ['renewed', 'started'],
    ] as const) {
      const batch = inDoubt()
      batch.working.sessions.set('ses_1', { ...new World().session(), ended_at: 1, ended_reason })
      assert.equal(start(batch), expected)
    }
    const gone = inDoubt()
    gone.working.sessions.clear()
    assert.equal(start(gone), 'started')
    const frozen = inDoubt()
    frozen.do({ op: 'switch', name: 'action:stripe.refund', on: true, reason: 'x', person: 'demo:sam' })
    assert.equal(start(frozen), 'frozen')
    const written = frozen.working.entries.length
    assert.equal(start(frozen), 'frozen')
    assert.equal(frozen.working.entries.length, written)
    assert.throws(() => start(new Batch()), { message: 'call_1 was not loaded' })
  })

  it('what a lookup found: it happened', () => {
    const batch = inDoubt()
    const before = batch.call()
    assert.deepEqual(batch.do(reconcile('done', '{"id":2}')), { kind: 'settled', call: batch.call() })
    const evidence = { status: 500, found: 1 }
    const fields = {
      outcome: 'done',
      by: 'recheck',
      reason: 'looked up',
      cost: COST,
      evidence,
      digests: { output: hmac('{"id":2}') },
      spend: [MONEY, CALLS],
      dated: DATED,
    }
    became(batch, before, 'call.reconciled', fields, {
      state: 'done',
      detail: null,
      doubt: [],
      evidence,
      replay_until: batch.now + 1000,
    })
    assert.equal(batch.working.bodies.get('call_1')?.output, '{"id":2}')
    assert.equal(batch.working.bodies.get('call_1')?.input, '{"amount":3000}')
    assert.deepEqual(counts(batch).flat(), [0, 3000, 0, 1, 0, 0])
  })

  it('what a lookup found: it did not happen', () => {
    const batch = inDoubt({ cost: null })
    const before = batch.call()
    batch.do(reconcile('refused'))
    const evidence = { status: 500, found: 1 }
    const fields = {
      outcome: 'refused',
      by: 'recheck',
      reason: 'looked up',
      cost: null,
      evidence,
      digests: {},
      spend: [CALLS],
      release: [MONEY],
      dated: DATED,
    }
    became(batch, before, 'call.reconciled', fields, {
      state: 'refused',
      code: 'backend_refused',
      detail: 'looked up',
      doubt: [],
      evidence,
      replay_until: null,
    })
    assert.equal(batch.working.bodies.get('call_1')?.output, null)
    assert.deepEqual(counts(batch).flat(), [0, 0, 0, 1, 0, 0])
  })

  it('what a lookup could not tell', () => {
    const batch = inDoubt()
    const before = batch.call()
    assert.deepEqual(batch.do(reconcile('cannot_tell')), { kind: 'settled', call: batch.call() })
    became(batch, before, 'call.needs_human', { reason: 'looked up' }, { state: 'needs_human', detail: 'looked up' })
    assert.equal(batch.do(reconcile('done')).kind, 'fenced')
    assert.equal(new Batch().do(reconcile('done')).kind, 'no_such_call')
    assert.equal(inDoubt().do({ ...reconcile('done'), attempt: 2 }).kind, 'fenced')
    assert.equal(running().do(reconcile('done')).kind, 'fenced')
  })

  it('a take-over', () => {
    const reason = 'the gateway stopped while the call ran'
    const batch = running()
    const before = batch.call()
    assert.deepEqual(batch.do({ op: 'take_over', call: 'call_1', from: 'rep_1' }), {
      kind: 'settled',
      call: batch.call(),
    })
    const changes = { state: 'unknown', doubt: [1], detail: reason, evidence: {} } as const
    became(batch, before, 'call.unknown', { attempt: 1, reason, evidence: {} }, changes)
    assert.equal(batch.do({ op: 'take_over', call: 'call_1', from: 'rep_0' }).kind, 'fenced')
    assert.equal(new Batch().do({ op: 'take_over', call: 'call_1', from: 'rep_1' }).kind, 'no_such_call')
    const read = running({ effect: 'read' })
    read.do({ op: 'take_over', call: 'call_1', from: 'rep_1' })
    assert.deepEqual([read.entry().kind, read.call().state, read.call().detail], ['call.not_sent', 'not_sent', reason])
  })

  it('an end that nobody waits for', () => {
    const fenced = running()
    const before = fenced.call()
    for (const one of [settle(2, DONE), settle(0, DONE)]) {
      assert.deepEqual(fenced.do(one), { kind: 'fenced', call: before })
    }
    assert.equal(held().do(settle(0, DONE)).kind, 'fenced')
    assert.deepEqual(new Batch().do(settle(1, DONE)), { kind: 'no_such_call' })
  })
})

describe('what people leave behind', () => {
  const card = (batch: Batch) => batch.call().card ?? ''
  const dana = { id: 'demo:dana', name: 'Dana', groups: ['finance'] }
  const NEED = { line: 'approval[0]', count: 1, of: 'finance', passkey: false }

  it('a hold', () => {
    const batch = new Batch()
    assert.deepEqual(batch.do(admitting('call_1', { plan: plan(HOLD) })), { kind: 'held', call: batch.call() })
    const expires_at = AT + 4 * 3_600_000
    const { kind, call: about, session } = batch.entry()
    assert.deepEqual({ kind, about, session }, { kind: 'call.held', about: 'call_1', session: 'ses_1' })
    assert.deepEqual(batch.fields(), {
      ...ABOUT,
      policy: 'sha256:policy',
      cost: COST,
      need: [{ line: 'approval[0]', count: 1, of: 'finance' }],
      card: card(batch),
      expires_at: new Date(expires_at).toISOString(),
      digests: DIGESTS,
      reserve: [MONEY, CALLS, PLACE],
    })
    const { state, bound, reserve, need: needs, approvals, attempt, intent_at } = batch.call()
    assert.deepEqual(
      { state, bound, needs, approvals, attempt, intent_at, expires_at: batch.call().expires_at },
      {
        state: 'held',
        bound: true,
        needs: [{ ...NEED, have: 0 }],
        approvals: [],
        attempt: 0,
        intent_at: null,
        expires_at,
      },
    )
    assert.deepEqual(reserve, [...TWO.want, plan().holds])
    assert.match(card(batch), /^hmac-sha256:[0-9a-f]{64}$/)
  })

  it('a hold of a call without key and cost', () => {
    const batch = new Batch()
    batch.do(admitting('call_1', { plan: plan({ ...HOLD, cost: null }), key: null }))
    assert.deepEqual([batch.call().state, batch.call().bound, batch.fields()['cost']], ['held', false, null])
    assert.equal(batch.working.keys.size, 0)
  })

  it('a yes that is enough, and the start', () => {
    const batch = held()
    const before = batch.call()
    const result = batch.do(approving(before, 'demo:dana', ['finance'], { plan: plan(HOLD), timeout_ms: 400 }))
    assert.deepEqual(result, { kind: 'started', call: batch.call(), begun: 77 })
    const [approved, started] = batch.working.entries.slice(-2)
    const digests = { question: hmac('{}'), facts: hmac('{}'), request: hmac('{}'), earlier: hmac('[]') }
    assert.deepEqual([approved?.kind, approved?.call, approved?.session], ['call.approved', 'call_1', 'ses_1'])
    assert.deepEqual(approved?.fields, {
      ...ABOUT,
      person: 'demo:dana',
      groups: ['finance'],
      card: before.card,
      policy: 'sha256:policy',
      have: [{ line: 'approval[0]', have: 1 }],
      digests,
      release: [MONEY, CALLS, PLACE],
      reserve: [MONEY, CALLS],
    })
    assert.deepEqual([started?.kind, started?.fields['reserve']], ['call.started', []])
    assert.deepEqual(batch.call(), {
      ...before,
      state: 'executing',
      reserve: TWO.want,
      need: [{ ...NEED, have: 1 }],
      approvals: [{ person: 'demo:dana', name: 'demo:dana', groups: ['finance'], at: batch.now, card: before.card }],
      card: null,
      expires_at: null,
      attempt: 1,
      owner: 'rep_1',
      intent_at: batch.now,
      not_after: batch.now + 400,
      updated_at: batch.now,
      entry: started?.id,
    })
    assert.deepEqual(counts(batch).flat(), [3000, 0, 1, 0, 0, 0])
  })

  it('a yes that is not enough yet', () => {
    const needs = { ...HOLD, need: [need('approval[0]', 2, 'finance')] }
    const batch = held(needs)
    const before = batch.call()
    const result = batch.do(approving(before, 'demo:dana', ['finance'], { plan: plan(needs) }))
    assert.deepEqual(result, { kind: 'held', call: batch.call() })
    assert.deepEqual(
      [batch.call().need.map(({ have }) => have), batch.call().card, batch.call().expires_at],
      [[1], before.card, before.expires_at],
    )
    assert.equal(
      batch.do(approving(batch.call(), 'demo:dana', ['finance'], { plan: plan(needs) })).kind,
      'already_decided',
    )
  })

  it('a yes to what has changed', () => {
    const batch = held()
    const before = batch.call()
    const other = plan({
      ...HOLD,
      request: { POST: '/v1/refunds', form: { charge: 'ch_1', amount: 1 } },
      reported: ['r'],
    })
    const result = batch.do(approving(before, 'demo:dana', ['finance'], { plan: other }))
    assert.deepEqual(result, { kind: 'card_changed', call: batch.call() })
    const fields = batch.fields()
    assert.deepEqual(
      [fields['again'], fields['release'], fields['reserve'], fields['reported']],
      ['what would be approved has changed', [MONEY, CALLS, PLACE], [MONEY, CALLS, PLACE], ['r']],
    )
    assert.deepEqual([batch.call().approvals, batch.call().need.map(({ have }) => have)], [[], [0]])
    assert.notEqual(batch.call().card, before.card)
    assert.equal(batch.call().expires_at, batch.now + 4 * 3_600_000)
    assert.deepEqual(counts(batch).flat(), [3000, 0, 1, 0, 1, 0])
  })

  it('a yes to another request about which the policy asks nobody: they still see it first', () => {
    const batch = held()
    const before = batch.call()
    const other = plan({ want: TWO.want, request: { POST: '/v1/other' } })
    assert.equal(batch.do(approving(before, 'demo:dana', ['finance'], { plan: other })).kind, 'card_changed')
    assert.deepEqual(batch.call().need, before.need)
    assert.equal(batch.call().expires_at, before.expires_at)
    assert.deepEqual(batch.call().reserve, [...TWO.want, plan().holds])
  })

  it('a yes that comes after the policy asks nobody any more runs what was shown', () => {
    const batch = held()
    const before = batch.call()
    assert.equal(
      batch.do(approving(before, 'demo:dana', ['finance'], { plan: plan({ want: TWO.want }) })).kind,
      'started',
    )
    assert.deepEqual(batch.call().need, [{ ...NEED, have: 1 }])
  })

  it('a yes that the policy denies today', () => {
    const batch = held()
    const before = batch.call()
    const deny = [{ because: 'guardrails.x', message: 'not today' }]
    const other = plan({ ...HOLD, deny, policy: 'sha256:policy', reported: ['r'] })
    assert.deepEqual(batch.do(approving(before, 'demo:dana', ['finance'], { plan: other })), {
      kind: 'denied',
      call: batch.call(),
    })
    const fields = {
      person: 'demo:dana',
      groups: ['finance'],
      card: before.card,
      policy: 'sha256:policy',
      code: 'denied',
      because: ['guardrails.x'],
      recheck: true,
      digests: { question: hmac('{}'), facts: hmac('{}'), request: hmac('{}'), earlier: hmac('[]') },
      release: [MONEY, CALLS, PLACE],
      reported: ['r'],
    }
    assert.deepEqual([batch.entry().kind, batch.fields()], ['call.denied', { ...ABOUT, ...fields }])
    const { state, code, because, detail, card: shown, expires_at, retry_at } = batch.call()
    assert.deepEqual(
      { state, code, because, detail, shown, expires_at, retry_at },
      {
        state: 'denied',
        code: 'denied',
        because: ['guardrails.x'],
        detail: 'guardrails.x: not today',
        shown: null,
        expires_at: null,
        retry_at: null,
      },
    )
    assert.deepEqual(counts(batch).flat(), [0, 0, 0, 0, 0, 0])
  })

  it('nothing, where the yes does not count', () => {
    const yes = (batch: Batch, more: Partial<Plan> = {}, person = 'demo:dana', groups = ['finance']) =>
      batch.do(approving(batch.call(), person, groups, { plan: plan({ ...HOLD, ...more }) }))
    const unchanged = (kind: string, batch: Batch, more: Partial<Plan> = {}, ...who: [string?, string[]?]) => {
      const [before, written] = [batch.call(), batch.working.entries.length]
      const answer = yes(batch, more, ...who)
      assert.deepEqual([answer.kind, batch.call(), batch.working.entries.length], [kind, before, written])
    }
    unchanged('own_call', held(), {}, 'demo:bot')
    unchanged('own_call', held(), {}, 'demo:lee', ['finance', 'support-leads'])
    // By today's policy, or by that of the day it was asked: whoever is barred by either is.
    unchanged('own_call', held(), { barred: { persons: ['demo:dana'], groups: [] } })
    unchanged('own_call', held({ barred: { persons: ['demo:dana'], groups: [] } }), {
      barred: { persons: [], groups: [] },
    })
    unchanged('not_eligible', held(), {}, 'demo:dana', ['legal'])
    unchanged('stale', held(), { policy: 'sha256:other' })
    unchanged('stale', held(), { switches: 9 })
    unchanged('already_decided', running())
    unchanged('already_decided', inDoubt())
    const card = held()
    const wrong = { ...card.call(), card: 'another' }
    assert.equal(card.do(approving(wrong, 'demo:dana', ['finance'])).kind, 'card_changed')
    const frozen = held()
    frozen.do({ op: 'switch', name: 'all', on: true, reason: 'fire', person: 'demo:sam' })
    unchanged('frozen', frozen, { switches: 2 })
    const none = { ...held().call(), id: 'call_9' }
    assert.deepEqual(held().do(approving(none, 'demo:dana', ['finance'])), { kind: 'no_such_call' })
  })

  it('an end, where the yes comes too late', () => {
    const yes = (batch: Batch) => batch.do(approving(batch.call(), 'demo:dana', ['finance'], { plan: plan(HOLD) }))
    const late = held()
    late.now = AT + 4 * 3_600_000
    assert.deepEqual(yes(late), { kind: 'expired', call: late.call() })
    assert.deepEqual([late.call().state, late.entry().kind], ['expired', 'call.expired'])
    assert.deepEqual(yes(late), { kind: 'expired', call: late.call() })
    for (const reason of ['revoked', 'role_removed'] as const) {
      const batch = held()
      batch.working.sessions.set('ses_1', { ...new World().session(), ended_at: 1, ended_reason: reason })
      assert.deepEqual(yes(batch), { kind: 'cancelled', call: batch.call() })
      assert.deepEqual([batch.fields()['by'], batch.fields()['reason']], ['gateway', 'the session was revoked'])
      assert.equal(batch.call().detail, 'the session was revoked')
      assert.deepEqual(yes(batch), { kind: 'cancelled', call: batch.call() })
    }
    const ended = held()
    ended.working.sessions.set('ses_1', { ...new World().session(), ended_at: 1, ended_reason: 'logout' })
    assert.equal(yes(ended).kind, 'started')
    const gone = held()
    gone.working.sessions.clear()
    assert.equal(yes(gone).kind, 'started')
  })

  it('a yes or a no of either group, where two are asked', () => {
    const two = { ...HOLD, need: [need('a', 1, 'finance'), need('b', 1, 'legal')] }
    for (const group of ['finance', 'legal']) {
      const batch = held(two)
      const yes = approving(batch.call(), 'demo:dana', [group], { plan: plan(two) })
      assert.equal(batch.do(yes).kind, 'held')
      const person = { id: 'demo:omar', name: 'Omar', groups: [group] }
      assert.equal(batch.do({ op: 'reject', call: 'call_1', person, reason: 'x' }).kind, 'rejected')
    }
  })

  it('a yes that is denied without lines in report mode', () => {
    const batch = held()
    const deny = [{ because: 'x', message: 'no' }]
    batch.do(approving(batch.call(), 'demo:dana', ['finance'], { plan: plan({ ...HOLD, deny }) }))
    const { call, session, fields } = batch.entry()
    assert.deepEqual([call, session, 'reported' in fields], ['call_1', 'ses_1', false])
  })

  it('a no', () => {
    const batch = held()
    const before = batch.call()
    const reject = { op: 'reject', call: 'call_1', person: dana, reason: 'too much' } as const
    assert.deepEqual(batch.do(reject), { kind: 'rejected', call: batch.call() })
    const fields = { person: 'demo:dana', reason: 'too much', release: [MONEY, CALLS, PLACE] }
    const ended = { state: 'rejected', code: 'rejected', card: null, expires_at: null } as const
    became(batch, before, 'call.rejected', fields, { ...ended, detail: 'Rejected by Dana: too much' })
    assert.deepEqual(counts(batch).flat(), [0, 0, 0, 0, 0, 0])
    assert.equal(batch.do(reject).kind, 'already_decided')
    assert.equal(new Batch().do(reject).kind, 'no_such_call')
  })

  it('a no of who may not decide, and one that is too late', () => {
    const says = (batch: Batch, id: string, groups: string[]) =>
      batch.do({ op: 'reject', call: 'call_1', person: { id, name: id, groups }, reason: 'x' }).kind
    const batch = held()
    assert.equal(says(batch, 'demo:bot', ['finance']), 'own_call')
    assert.equal(says(batch, 'demo:dana', ['legal', 'x']), 'not_eligible')
    assert.equal(says(batch, 'demo:dana', ['support-leads', 'finance']), 'own_call')
    batch.now = AT + 4 * 3_600_000 - 1
    assert.equal(batch.call().state, 'held')
    batch.now += 1
    assert.equal(says(batch, 'demo:dana', ['finance']), 'expired')
    assert.equal(says(batch, 'demo:dana', ['finance']), 'expired')
    assert.deepEqual([batch.entry().kind, batch.call().detail], ['call.expired', 'Nobody decided in time.'])
  })

  it('an expiry', () => {
    const batch = held()
    const before = batch.call()
    assert.deepEqual(batch.do({ op: 'expire' }), { calls: [], next: null, ended: 0 })
    batch.now = AT + 4 * 3_600_000
    assert.deepEqual(batch.do({ op: 'expire' }), { calls: [batch.call()], next: null, ended: 0 })
    became(
      batch,
      before,
      'call.expired',
      { release: [MONEY, CALLS, PLACE] },
      {
        state: 'expired',
        code: 'expired',
        detail: 'Nobody decided in time.',
        card: null,
        expires_at: null,
      },
    )
    assert.deepEqual(running().do({ op: 'expire' }), { calls: [], next: null, ended: 0 })
    const other = running()
    other.working.calls.set('call_1', { ...other.call(), expires_at: 1 })
    assert.deepEqual(other.do({ op: 'expire' }), { calls: [], next: null, ended: 0 })
    const endless = held()
    endless.working.calls.set('call_1', { ...endless.call(), expires_at: null })
    endless.now = AT + 1e9
    assert.deepEqual(endless.do({ op: 'expire' }), { calls: [], next: null, ended: 0 })
  })

  it('a call that is taken back', () => {
    const batch = held()
    const before = batch.call()
    const cancel = { op: 'cancel', call: 'call_1', by: 'demo:bot', reason: 'a mistake' } as const
    assert.deepEqual(batch.do(cancel), { kind: 'cancelled', call: batch.call() })
    const fields = { by: 'demo:bot', reason: 'a mistake', release: [MONEY, CALLS, PLACE] }
    const ended = { state: 'cancelled', code: 'cancelled', card: null, expires_at: null } as const
    became(batch, before, 'call.cancelled', fields, { ...ended, detail: 'a mistake' })
    assert.equal(batch.do(cancel).kind, 'not_held')
    assert.equal(new Batch().do(cancel).kind, 'no_such_call')
    assert.equal(running().do(cancel).kind, 'not_held')
    assert.equal(running().do({ ...cancel, attempt: 2 }).kind, 'not_held')
    assert.equal(running().do({ ...cancel, attempt: 1 }).kind, 'cancelled')
    assert.equal(inDoubt().do({ ...cancel, attempt: 1 }).kind, 'not_held')
    const late = held()
    late.now = AT + 4 * 3_600_000
    assert.deepEqual([late.do(cancel).kind, late.call().state], ['not_held', 'expired'])
    // Only where no attempt of it is in doubt, and only the one that runs.
    for (const change of [{ doubt: [0] }, { state: 'done' as const }]) {
      const batch_ = running()
      batch_.working.calls.set('call_1', { ...batch_.call(), ...change })
      assert.equal(batch_.do({ ...cancel, attempt: 1 }).kind, 'not_held')
    }
    const waiting = running()
    waiting.working.calls.set('call_1', { ...waiting.call(), state: 'intent', expires_at: 1 })
    assert.deepEqual([waiting.do(cancel).kind, waiting.call().state], ['cancelled', 'cancelled'])
  })

  it('two words about what nobody could find out', () => {
    for (const outcome of ['done', 'refused'] as const) {
      const batch = inDoubt()
      batch.do(reconcile('cannot_tell'))
      const before = later(batch).call()
      const word = (id: string, says: 'done' | 'refused', groups = ['finance']) =>
        batch.do({
          op: 'person_settles',
          call: 'call_1',
          person: { id, name: id, groups },
          outcome: says,
          reason: 'seen',
        })
      assert.equal(word('demo:bot', outcome).kind, 'own_call')
      assert.equal(word('demo:lee', outcome, ['support-leads']).kind, 'own_call')
      assert.deepEqual(word('demo:dana', outcome), { kind: 'one_more', call: batch.call() })
      const first = { person: 'demo:dana', outcome, reason: 'seen', at: batch.now }
      const fields = { person: 'demo:dana', says: outcome, reason: 'seen' }
      became(batch, before, 'call.needs_human', fields, { settles: [first] })
      assert.equal(word('demo:dana', outcome).kind, 'same_person')
      const between = later(batch).call()
      assert.deepEqual(word('demo:omar', outcome), { kind: 'settled', call: batch.call() })
      const second = { person: 'demo:omar', outcome, reason: 'seen', at: batch.now }
      const moves: JsonObject = outcome === 'done' ? { spend: [MONEY, CALLS] } : { spend: [CALLS], release: [MONEY] }
      const by = ['demo:dana', 'demo:omar']
      became(
        batch,
        between,
        'call.reconciled',
        { outcome, by, reason: 'seen', cost: COST, ...moves, dated: DATED },
        {
          state: outcome,
          code: outcome === 'done' ? null : 'backend_refused',
          settles: [first, second],
          detail:
            outcome === 'done' ? 'Two people found that it happened.' : 'Two people found that it did not happen.',
          doubt: [],
        },
      )
      assert.deepEqual(counts(batch).flat(), outcome === 'done' ? [0, 3000, 0, 1, 0, 0] : [0, 0, 0, 1, 0, 0])
      assert.equal(word('demo:omar', outcome).kind, 'not_open')
    }
  })

  it('a word that was changed: the two must be the same', () => {
    const batch = inDoubt()
    batch.do(reconcile('cannot_tell'))
    const word = (id: string, outcome: 'done' | 'refused') =>
      batch.do({ op: 'person_settles', call: 'call_1', person: { id, name: id, groups: [] }, outcome, reason: 'x' })
        .kind
    assert.deepEqual(
      [word('a', 'done'), word('b', 'refused'), word('a', 'refused')],
      ['one_more', 'one_more', 'settled'],
    )
    assert.deepEqual(
      [batch.call().state, batch.call().settles.map(({ person, outcome }) => [person, outcome])],
      [
        'refused',
        [
          ['b', 'refused'],
          ['a', 'refused'],
        ],
      ],
    )
    const free = inDoubt({ cost: null })
    free.do(reconcile('cannot_tell'))
    for (const id of ['a', 'b']) {
      const person = { id, name: id, groups: [] }
      free.do({ op: 'person_settles', call: 'call_1', person, outcome: 'done', reason: 'x' })
    }
    assert.deepEqual([free.call().state, free.fields()['cost']], ['done', null])
    const none = { op: 'person_settles', call: 'x', person: { ...dana }, outcome: 'done', reason: 'x' } as const
    assert.equal(batch.do(none).kind, 'no_such_call')
  })
})

describe('what a refusal leaves behind', () => {
  it('a line that said no', () => {
    const batch = new Batch()
    const deny = [
      { because: 'guardrails.x', message: 'not today' },
      { because: 'guardrails.y', message: 'never' },
    ]
    const result = batch.do(admitting('call_1', { plan: plan({ deny }) }))
    assert.deepEqual(result, { kind: 'denied', call: batch.call() })
    const { kind, call: about, session } = batch.entry()
    assert.deepEqual({ kind, about, session }, { kind: 'call.denied', about: 'call_1', session: 'ses_1' })
    assert.deepEqual(batch.fields(), {
      ...ABOUT,
      code: 'denied',
      because: ['guardrails.x', 'guardrails.y'],
      policy: 'sha256:policy',
      digests: DIGESTS,
      spend: [{ limit: 'attempts', name: 'attempts', amount: 1, unit: 'attempts', window: 'day' }],
    })
    const { state, code, because, detail, bound } = batch.call()
    assert.deepEqual(
      { state, code, because, detail, bound },
      {
        state: 'denied',
        code: 'denied',
        because: ['guardrails.x', 'guardrails.y'],
        detail: 'guardrails.x: not today',
        bound: false,
      },
    )
    assert.equal(batch.used('attempts'), 1)
  })

  it('a refusal that no plan could be made for', () => {
    for (const [code, charged] of [
      ['denied', 1],
      ['not_granted', 1],
      ['input_invalid', 0],
      ['key_reused', 0],
      ['frozen', 0],
      ['backend_unavailable', 0],
    ] as const) {
      const batch = new Batch()
      const refuse = { code, detail: 'so it is', because: [], retry_at: 5, dry_run: 'deny' } as const
      batch.do(admitting('call_1', { refuse }))
      const { code: told, because, detail, retry_at } = batch.call()
      assert.deepEqual(
        { told, because, detail, retry_at },
        { told: code, because: [], detail: 'so it is', retry_at: 5 },
      )
      assert.deepEqual([batch.used('attempts'), batch.fields()['spend'] === undefined], [charged, charged === 0])
      assert.equal(batch.fields()['dry_run'], 'deny')
    }
  })

  it('a refusal that names its lines', () => {
    const batch = new Batch()
    const refuse = { code: 'denied', detail: 'no such charge', because: ['facts.charge', 'facts.item'] } as const
    batch.do(admitting('call_1', { refuse }))
    assert.deepEqual(batch.fields()['because'], ['facts.charge', 'facts.item'])
    assert.equal(batch.call().detail, 'facts.charge: no such charge')
    assert.equal(batch.fields()['dry_run'], undefined)
  })

  it('no digest without the salt that was drawn for it', () => {
    const batch = running()
    batch.working.salts.clear()
    assert.throws(() => batch.do(settle(1, DONE, '{}')), { message: 'the salt of call_1 was not loaded' })
  })

  it('a guess too many', () => {
    const attempts = want('attempts', 1, 0, { kind: 'attempts', because: 'grants.x.attempts' })
    const batch = new Batch()
    batch.do(admitting('call_1', { plan: plan({ attempts }) }))
    const { code, detail, retry_at, because } = batch.call()
    assert.deepEqual(
      { code, detail, retry_at, because },
      {
        code: 'rate_limited',
        detail: 'grants.x.attempts: Too many refused attempts: 0 per hour.',
        retry_at: Date.parse('2026-11-24T00:00:00Z'),
        because: ['grants.x.attempts'],
      },
    )
    assert.deepEqual([batch.fields()['spend'], batch.used('attempts')], [undefined, 0])
  })

  it('a freeze, by whatever it names', () => {
    for (const [name, said] of [
      ['all', 'all'],
      ['role:support-agent', 'role support-agent'],
      ['action:stripe.refund', 'action stripe.refund'],
    ] as const) {
      const batch = new Batch()
      batch.do({ op: 'switch', name, on: true, reason: 'fire', person: 'demo:sam' })
      batch.do(admitting('call_1', { plan: plan({ switches: 2 }) }))
      const { code, detail, because, retry_at } = batch.call()
      assert.deepEqual([code, because, retry_at], ['frozen', [`switches.${name}`], null])
      assert.equal(detail, `switches.${name}: People have frozen ${said}: fire`)
      assert.equal(batch.used('attempts'), 0)
      batch.do({ op: 'switch', name, on: false, reason: 'out', person: 'demo:sam' })
      assert.equal(batch.do(admitting('call_2', { plan: plan({ switches: 3 }) })).kind, 'started')
    }
    const other = new Batch()
    other.do({ op: 'switch', name: 'role:other', on: true, reason: 'fire', person: 'demo:sam' })
    assert.equal(other.do(admitting('call_1', { plan: plan({ switches: 2 }) })).kind, 'started')
  })

  it('nothing, where the plan is too old to be decided', () => {
    for (const more of [
      { plan: plan({ policy: 'sha256:other' }) },
      { plan: plan({ switches: 0 }) },
      { facts_until: 76 },
    ]) {
      const batch = new Batch()
      assert.deepEqual(batch.do(admitting('call_1', more)), { kind: 'stale' })
      assert.deepEqual([batch.working.entries, batch.working.calls.size], [[], 0])
    }
    assert.equal(new Batch().do(admitting('call_1', { facts_until: 77 })).kind, 'started')
  })

  it('nothing, where the session is over', () => {
    const session = new World().session()
    for (const [more, code] of [
      [{ ended_at: 1, ended_reason: 'logout' }, 'session_revoked'],
      [{ expires_at: AT }, 'session_expired'],
    ] as const) {
      const batch = new Batch()
      batch.working.sessions.set('ses_1', { ...session, ...more })
      assert.deepEqual(batch.do(admitting('call_1')), { kind: 'session', code })
    }
    const batch = new Batch()
    batch.working.sessions.delete('ses_1')
    assert.deepEqual(batch.do(admitting('call_1')), { kind: 'session', code: 'session_revoked' })
    batch.working.sessions.set('ses_1', { ...session, expires_at: AT + 1 })
    assert.equal(batch.do(admitting('call_1')).kind, 'started')
  })
})

describe('what a session leaves behind', () => {
  const draft = {
    id: 'ses_2',
    lineage: 'ses_1',
    role: 'support-agent',
    principal: 'demo:bot',
    requester: 'demo:dana',
    acting_for: null,
    attributes: { queue: 'q' },
    token_hash: 'hash',
    issuer: 'demo',
    jti: 'jti-1',
    proof: 'sha256:proof',
    policy: 'sha256:policy',
    prompt: 'sha256:prompt',
  }
  const issue = { op: 'session.issue', session: draft, lifetime_ms: 90_500, live_max: 2, once: true } as const

  it('its beginning', () => {
    const batch = new Batch()
    const lineage = { began_at: AT, renews: null, renewed_by: null }
    const row = { ...draft, ...lineage, issued_at: AT, expires_at: AT + 90_500, ended_at: null, ended_reason: null }
    assert.deepEqual(batch.do(issue), { kind: 'issued', session: row, entry: 'ent_1' })
    const { attributes: _attributes, token_hash: _hash, id: session, ...told } = draft
    assert.deepEqual(batch.fields(), { ...told, session, lifetime_s: 90 })
    assert.deepEqual([batch.entry().kind, batch.entry().session, batch.entry().call], ['session.issued', 'ses_2', null])
    const { sessions, changed, live, proofs } = batch.working
    assert.deepEqual(
      [sessions.get('ses_2'), [...changed.sessions], live.get('demo:bot'), [...proofs]],
      [row, ['ses_2'], 1, ['demo jti-1']],
    )
  })

  it('nothing, where the proof was used, has no id, or there are too many', () => {
    const batch = new Batch()
    assert.equal(batch.do(issue).kind, 'issued')
    assert.deepEqual(batch.do(issue), { kind: 'proof_used' })
    assert.deepEqual(batch.do({ ...issue, session: { ...draft, jti: null } }), { kind: 'proof_used' })
    assert.equal(batch.do({ ...issue, once: false }).kind, 'issued')
    assert.deepEqual(batch.do({ ...issue, once: false }), { kind: 'too_many' })
    assert.equal(batch.do({ ...issue, once: false, live_max: 3, session: { ...draft, jti: null } }).kind, 'issued')
    assert.deepEqual([...batch.working.proofs], ['demo jti-1'])
    assert.equal(batch.working.entries.length, 3)
  })

  it('a refusal', () => {
    const batch = new Batch()
    batch.do({ op: 'session.deny', role: 'r', principal: 'p', issuer: 'i', reason: 'prompt' })
    assert.deepEqual(
      [batch.entry().kind, batch.fields(), batch.entry().session],
      ['session.denied', { role: 'r', requester: 'p', issuer: 'i', reason: 'prompt' }, null],
    )
  })

  it('its end, and what happens to what waited', () => {
    for (const [reason, state] of [
      ['logout', 'held'],
      ['revoked', 'cancelled'],
      ['role_removed', 'cancelled'],
    ] as const) {
      const batch = held()
      batch.do(admitting('call_2'))
      const end = { op: 'session.end', session: 'ses_1', reason, by: 'demo:sam' } as const
      const result = batch.do(end)
      const row = batch.working.sessions.get('ses_1')
      const cancelled = state === 'cancelled' ? [batch.call()] : []
      assert.deepEqual(result, { kind: 'ended', session: row, cancelled })
      assert.deepEqual([row?.ended_at, row?.ended_reason], [batch.now, reason])
      assert.deepEqual([...batch.working.changed.sessions], ['ses_1'])
      const entry = batch.working.entries.find(({ kind }) => kind === 'session.ended')
      const principal = 'demo:bot'
      assert.deepEqual(entry?.fields, { session: 'ses_1', role: 'support-agent', principal, reason, by: 'demo:sam' })
      assert.equal(entry?.session, 'ses_1')
      assert.deepEqual([batch.call().state, batch.call('call_2').state], [state, 'executing'])
      if (state === 'cancelled') {
        assert.equal(batch.call().detail, `the session was ended: ${reason}`)
        assert.equal(batch.fields()['by'], 'demo:sam')
      }
      assert.deepEqual(batch.do(end), { kind: 'already', session: row })
      const revoked = batch.do({ ...end, reason: 'revoked' })
      assert.equal(revoked.kind, reason === 'logout' ? 'ended' : 'already')
    }
    const none = { op: 'session.end', session: 'ses_9', reason: 'logout', by: 'x' } as const
    assert.deepEqual(new Batch().do(none), { kind: 'no_such_session' })
  })

  it('its end, before a call was sent that is about to be', () => {
    const batch = running()
    batch.working.calls.set('call_1', { ...batch.call(), state: 'intent' })
    batch.do({ op: 'session.end', session: 'ses_1', reason: 'revoked', by: 'demo:sam' })
    assert.equal(batch.call().state, 'cancelled')
  })

  it('no end of another one’s calls', () => {
    const batch = held()
    batch.do({ ...issue, session: { ...draft, lineage: 'ses_2' } })
    batch.do({ op: 'session.end', session: 'ses_2', reason: 'revoked', by: 'demo:sam' })
    assert.equal(batch.call().state, 'held')
  })

  it('the person acted for, in every entry about it and its calls', () => {
    const batch = new Batch()
    const actor = { issuer: 'staff', jti: 'jti-p', proof: 'sha256:person' }
    const acting = { lineage: 'ses_2', principal: 'demo:bot#staff:dana', acting_for: 'staff:dana', actor }
    batch.do({ ...issue, session: { ...draft, ...acting } })
    assert.deepEqual([batch.fields()['acting_for'], batch.fields()['actor']], ['staff:dana', actor])
    assert.deepEqual([...batch.working.proofs], ['demo jti-1', 'staff jti-p'])
    const call = { session: 'ses_2', principal: 'demo:bot#staff:dana', plan: plan(HOLD) }
    assert.equal(batch.do(admitting('call_1', call)).kind, 'held')
    batch.do({ op: 'session.end', session: 'ses_2', reason: 'revoked', by: 'demo:sam' })
    batch.do({ op: 'session.deny', role: 'r', principal: 'demo:bot#staff:dana', issuer: 'demo', reason: 'x' })
    assert.deepEqual(
      batch.working.entries.map(({ kind, fields }) => [kind, fields['acting_for']]),
      ['session.issued', 'call.held', 'session.ended', 'call.cancelled', 'session.denied'].map((kind) => [
        kind,
        'staff:dana',
      ]),
    )
    assert.equal(batch.fields()['requester'], 'demo:bot')
  })

  it('no second use of the proof of the person acted for, where their issuer says once', () => {
    const batch = new Batch()
    const actor = { issuer: 'staff', jti: 'jti-p', proof: 'sha256:person' }
    const acting = { ...issue, once: false, actor_once: true, session: { ...draft, actor } }
    assert.equal(batch.do(acting).kind, 'issued')
    assert.deepEqual(batch.do(acting), { kind: 'proof_used' })
    assert.equal(batch.do({ ...acting, actor_once: false }).kind, 'issued')
  })

  it('a switch', () => {
    const batch = new Batch()
    batch.do({ op: 'switch', name: 'all', on: true, reason: 'fire', person: 'demo:sam' })
    batch.do({ op: 'switch', name: 'x', on: false, reason: 'out', person: 'demo:sam' })
    assert.deepEqual(batch.working.switches, {
      version: 3,
      positions: {
        all: { on: true, reason: 'fire', person: 'demo:sam', at: AT },
        x: { on: false, reason: 'out', person: 'demo:sam', at: AT },
      },
    })
    assert.equal(batch.working.changed.switches, true)
    assert.deepEqual(batch.entry().fields, { name: 'x', on: false, reason: 'out', person: 'demo:sam' })
    assert.equal(batch.entry().kind, 'switch.set')
  })

  it('a policy', () => {
    const batch = new Batch()
    const texts = [{ path: 'roles/a.yaml', text: 'role: a' }]
    batch.do({ op: 'policy', digest: 'sha256:next', texts })
    assert.deepEqual(batch.fields(), { policy: 'sha256:next', before: 'sha256:policy', files: ['roles/a.yaml'] })
    assert.deepEqual([batch.entry().kind, batch.working.policy], ['policy.loaded', 'sha256:next'])
    assert.deepEqual(batch.working.texts, [{ digest: 'sha256:next', texts }])
    assert.equal(batch.working.changed.definitions, false)
    const first = new Batch()
    first.working.policy = ''
    first.do({ op: 'policy', digest: 'sha256:first', texts: [], definitions: ['a'] })
    assert.deepEqual(first.fields(), { policy: 'sha256:first', before: null, files: [] })
    assert.deepEqual([[...first.working.definitions], first.working.changed.definitions], [['a'], true])
  })
})

describe('a limit that a policy makes new', () => {
  const NEW = want('new', 3000, 50_000)
  const load = (batch: Batch, more: { known?: string[]; limit?: typeof NEW; calls?: string[] } = {}) => {
    batch.working.definitions = new Set(more.known ?? [])
    const seeds = (more.calls ?? ['call_1']).map((call) => ({
      call,
      wants: [{ definition: 'new one', want: more.limit ?? NEW }],
    }))
    batch.do({ op: 'policy', digest: 'sha256:next', texts: [], definitions: ['new one'], seeds, fresh: ['new one'] })
    return batch.fields()['seeded']
  }
  const row = (held_: number, used: number) => [
    { limit: 'new', name: 'new', unit: 'USD', window: 'day', held: held_, used },
  ]

  it('begins with what open calls hold, which give it back when they end', () => {
    const human = inDoubt()
    human.do(reconcile('cannot_tell'))
    for (const batch of [running(), held(), inDoubt(), human]) {
      assert.deepEqual(load(batch), row(3000, 0))
      assert.deepEqual([batch.held('new'), batch.used('new')], [3000, 0])
      assert.equal(batch.call().reserve.at(-1)?.limit, 'new')
    }
    const batch = running()
    load(batch)
    batch.do(settle(1, DONE))
    assert.deepEqual([batch.held('new'), batch.used('new')], [0, 3000])
  })

  it('begins with what done calls used, and rates with refused ones too', () => {
    const batch = running()
    batch.do(settle(1, DONE))
    assert.deepEqual(load(batch), row(0, 3000))
    const refused = running()
    refused.do(settle(1, { kind: 'refused', status: 400, message: 'no', evidence: {} }))
    assert.deepEqual(load(refused), row(0, 0))
    assert.deepEqual(load(refused, { limit: { ...NEW, kind: 'rate' } }), row(0, 3000))
    assert.deepEqual(load(refused, { limit: { ...NEW, window: { kind: 'gauge' } } }), row(0, 0))
    const gauge = running()
    gauge.do(settle(1, DONE))
    assert.deepEqual(load(gauge, { limit: { ...NEW, window: { kind: 'gauge' } } }), row(0, 0))
  })

  it('counts on the day of the intent, or where that is not known of the call', () => {
    const yesterday = AT - 86_400_000
    for (const [intent_at, day] of [
      [AT, '2026-11-23T00:00:00Z'],
      [null, '2026-11-22T00:00:00Z'],
    ] as const) {
      const batch = running()
      batch.do(settle(1, DONE))
      batch.working.calls.set('call_1', { ...batch.call(), intent_at, created_at: yesterday })
      load(batch)
      assert.deepEqual([...(batch.working.limits.get('new')?.buckets ?? [])], [[Date.parse(day), 3000]])
    }
  })

  it('is not seeded where it was known, or the call is gone', () => {
    const batch = running()
    assert.equal(load(batch, { known: ['new one'] }), undefined)
    assert.equal(load(batch, { calls: ['call_9'] }), undefined)
    assert.deepEqual([batch.held('new'), batch.used('new')], [0, 0])
  })

  it('forgets what it counted long ago, once', () => {
    const batch = running()
    batch.do(settle(1, DONE))
    batch.working.limits.set('new', { held: 0, buckets: new Map([[Date.parse('2026-11-23T00:00:00Z'), 7]]) })
    assert.deepEqual(load(batch, { calls: ['call_1', 'call_1'] }), row(0, 6000))
    assert.equal(batch.used('new'), 6000)
  })

  it('is not held twice by one call', () => {
    const batch = running()
    assert.deepEqual(load(batch, { calls: ['call_1', 'call_1'] }), row(3000, 0))
  })
})
