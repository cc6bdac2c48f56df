import assert from 'node:assert/strict'
import { join } from 'node:path'
import { admit } from '../../gateway/core/admit.ts'
import { compile } from '../../gateway/core/compile.ts'
import type { Decision, JsonObject, LimitState, Plan, Policy, Question } from '../../gateway/core/types.ts'
import { weigh } from '../../gateway/core/weigh.ts'
import { loadPolicy } from '../../gateway/policy-dir.ts'
import { schemas } from './company.ts'

const POLICIES = join(import.meta.dirname, '../../policies')

const AT = Date.parse('2026-11-23T15:00:00Z')

describe('the example company', () => {
  let policy: Policy
  before(async () => {
    const loaded = await loadPolicy(POLICIES)
    assert.ok(loaded.ok, JSON.stringify(loaded))
    assert.deepEqual(loaded.warnings, [])
    policy = loaded.policy
  })

  it('has three roles and six actions', () => {
    assert.deepEqual([...policy.roles.keys()].sort(), ['order-desk', 'returns-night', 'support-agent'])
    assert.deepEqual(
      [...policy.actions.values()].map(({ name, effect, backend }) => `${name} ${effect} ${backend}`),
      [
        'case.escalate write orders',
        'case.get read orders',
        'orders.get read orders',
        'orders.cancel write orders',
        'stripe.refund write stripe',
        'stripe.get_charge read stripe',
      ],
    )
  })

  it('reaches two sandboxes on loopback, each with its secret by name', () => {
    assert.deepEqual(
      [...policy.backends.values()].map(({ config: _config, ...rest }) => rest),
      [
        {
          name: 'stripe',
          adapter: 'http',
          timeout_ms: 10_000,
          lands_within_ms: 30_000,
          idempotency: { header: 'Idempotency-Key', lives_ms: 86_400_000 },
          request_id: 'Request-Id',
          final: [400, 401, 403, 404, 405, 410, 413, 415, 422],
          private: true,
          breaker: { percent: 50, of: 20, for_ms: 30_000 },
          secrets: ['age://stripe/restricted_key'],
        },
        {
          name: 'orders',
          adapter: 'http',
          timeout_ms: 5000,
          lands_within_ms: 10_000,
          idempotency: null,
          request_id: null,
          final: [400, 401, 403, 404, 405, 409, 410, 413, 415, 422],
          private: true,
          breaker: { percent: 50, of: 20, for_ms: 30_000 },
          secrets: ['age://orders/write_key'],
        },
      ],
    )
    assert.equal(policy.backends.get('stripe')?.config['url'], 'http://127.0.0.1:4242')
  })

  it('believes an issuer of its own, for people and workloads', () => {
    const demo = policy.issuers.get('demo')
    assert.ok(demo !== undefined)
    const { person, display, groups, ...rest } = demo
    assert.deepEqual(rest, {
      name: 'demo',
      issuer: 'keystay:dev:demo',
      audience: 'keystay',
      client_id: null,
      client_secret: null,
      scope: null,
      keys: { kind: 'dev' },
      once: null,
      accounts: {
        dana: { name: 'Dana', groups: ['finance'] },
        omar: { name: 'Omar', groups: ['finance'] },
        sam: { name: 'Sam', groups: ['security'] },
        lee: { name: 'Lee', groups: ['support-leads'] },
        'support-bot': { name: 'support-bot', groups: [] },
        'night-bot': { name: 'night-bot', groups: [] },
        'order-bot': { name: 'order-bot', groups: [] },
      },
    })
    assert.deepEqual([person?.text, display?.text, groups?.text], ['claims.sub', 'claims.name', 'claims.groups'])
    assert.deepEqual(policy.people, {
      view: ['finance', 'security', 'support-leads'],
      freeze: ['security'],
      settle: ['finance'],
      export: ['finance'],
      metrics: 'token',
    })
    assert.deepEqual(policy.sessions, { lifetime_max_ms: 43_200_000, live_per_principal: 20 })
    const dana = { claims: { sub: 'dana', name: 'Dana', groups: ['finance'] } }
    const member = [...policy.groups.values()].map(({ name, where }) => [name, where.evaluate(dana)])
    assert.deepEqual(member, [
      ['support-leads', { ok: true, value: false }],
      ['finance', { ok: true, value: true }],
      ['security', { ok: true, value: false }],
    ])
  })

  it('says of each line of the refund grant how it is cited', () => {
    const grant = policy.roles.get('support-agent')?.grants.get('stripe.refund')
    const night = policy.roles.get('returns-night')?.grants.get('stripe.refund')
    const cited = (lines: readonly { because: string; owner: string }[] = []): string[] =>
      lines.map(({ because, owner }) => `${because} of ${owner}`)
    assert.deepEqual(
      [...cited(grant?.max), ...cited(grant?.limits), ...cited(grant?.require), ...cited(grant?.approval)],
      [
        'grants.stripe.refund.max of support-agent',
        'grants.stripe.refund.daily of support-agent',
        'grants.stripe.refund.customer-month of support-agent',
        'grants.stripe.refund.goodwill of support-agent',
        'grants.stripe.refund.rate of support-agent',
        'grants.stripe.refund.require[0] of support-agent',
        'grants.stripe.refund.require[1] of support-agent',
        'grants.stripe.refund.approval[0] of support-agent',
        'grants.stripe.refund.approval[1] of support-agent',
        'grants.stripe.refund.approval[2] of support-agent',
      ],
    )
    assert.deepEqual(
      [...cited(night?.max), ...cited(night?.limits)],
      [
        'grants.stripe.refund.max of returns-night',
        'roles.support-agent.grants.stripe.refund.max of support-agent',
        'grants.stripe.refund.budget[0] of returns-night',
        'roles.support-agent.grants.stripe.refund.daily of support-agent',
        'roles.support-agent.grants.stripe.refund.customer-month of support-agent',
        'roles.support-agent.grants.stripe.refund.goodwill of support-agent',
        'roles.support-agent.grants.stripe.refund.rate of support-agent',
      ],
    )
    assert.deepEqual(
      grant?.limits.map(({ name, kind, max, per, by }) => [
        name,
        kind,
        max,
        per,
        by.kind === 'fact' ? by.value.text : by.kind,
      ]),
      [
        ['daily', 'budget', { USD: 50_000 }, 'day', 'role'],
        ['customer-month', 'budget', { USD: 30_000, EUR: 27_000 }, 'rolling 30d', 'facts.charge.customer'],
        ['goodwill', 'budget', { USD: 200_000, EUR: 180_000 }, 'day', 'role'],
        ['rate', 'rate', { calls: 20 }, 'hour', 'role'],
      ],
    )
  })

  it('ties its roles to prompts, and lets a child inherit all but who may hold it', () => {
    const support = policy.roles.get('support-agent')
    const night = policy.roles.get('returns-night')
    assert.match(support?.prompt?.digest ?? '', /^sha256:[0-9a-f]{64}$/)
    assert.equal(support?.prompt?.file, 'prompts/support-agent.md')
    assert.deepEqual([...(night?.grants.keys() ?? [])].sort(), [...(support?.grants.keys() ?? [])].sort())
    assert.deepEqual(night?.owners, ['support-leads'])
    assert.deepEqual(
      night?.issue_to.map(({ issuer, group, where }) => [issuer, group, where?.text]),
      [['demo', null, 'claims.sub == "night-bot"']],
    )
    assert.equal(night?.lifetime_ms, 3_600_000)
  })

  it('decides the transcript: $30 goes, $900 does not, $120 waits for one of finance and then goes', () => {
    const used = new Map<string, LimitState>()
    const first = decide(policy, question({ amount: 3000 }), used)
    assert.equal(first.decision.verdict, 'allow')
    for (const { limit, amount } of first.plan.want) used.set(limit, { held: amount, buckets: new Map() })

    const second = decide(policy, question({ amount: 90_000 }), used).decision
    assert.equal(second.verdict, 'deny')
    assert.ok(second.verdict === 'deny')
    assert.deepEqual(second.because[0]?.because, 'grants.stripe.refund.max')
    assert.match(second.because[0]?.message ?? '', /^never more than 200\.00 USD at once/)

    const third = decide(policy, question({ amount: 12_000 }), used)
    assert.ok(third.decision.verdict === 'hold')
    assert.ok(
      third.decision.need.every(({ count, of }) => count === 1 && of === 'finance'),
      JSON.stringify(third.decision.need),
    )
    assert.equal(third.decision.expires_ms, 14_400_000)
    assert.equal(third.plan.summary, 'Refund 120.00 USD on ch_Demo00000003')

    const dana = { person: 'demo:dana', name: 'Dana', groups: ['finance'], at: AT, card: 'x' }
    assert.equal(decide(policy, question({ amount: 12_000 }), used, [dana]).decision.verdict, 'allow')
    assert.equal(
      decide(policy, question({ amount: 12_000 }), used, [{ ...dana, groups: ['support-leads'] }]).decision.verdict,
      'hold',
    )
  })

  it('sends what was asked, with the call in the metadata', () => {
    const { plan } = decide(policy, question({ amount: 3000 }), new Map())
    assert.deepEqual(plan.request, {
      POST: '/v1/refunds',
      form: {
        charge: 'ch_Demo00000003',
        amount: 3000,
        reason: 'duplicate',
        metadata: { keystay_call: 'call_1', keystay_role: 'support-agent' },
      },
    })
  })

  it('freezes everything but reads during an incident', () => {
    const frozen = { ...question({ amount: 3000 }), switches: { incident: true } }
    assert.deepEqual(weighed(policy, frozen).deny, [
      { because: 'guardrails.incident', message: 'Changes are frozen until the incident is closed.' },
    ])
  })

  it('counts a child in the counters of its parent, and a shared budget in one counter for all roles', () => {
    const limitsOf = (role: string): Map<string, string> => {
      const asked = question({ amount: 1000 })
      const { want } = weighed(policy, { ...asked, session: { ...asked.session, role } })
      return new Map(want.map(({ name, limit }) => [name, limit]))
    }
    const [parent, child] = [limitsOf('support-agent'), limitsOf('returns-night')]
    for (const name of ['daily', 'customer-month', 'goodwill', 'rate'])
      assert.equal(child.get(name), parent.get(name), name)
    assert.notEqual(child.get('budget[0]'), undefined)
  })

  it('compiles again from the texts that it kept, to the same digest', () => {
    const again = compile(policy.texts.toReversed(), schemas)
    assert.ok(again.ok)
    assert.equal(again.policy.digest, policy.digest)
    assert.deepEqual(again.policy.texts, policy.texts)
    assert.ok(policy.texts.some(({ path }) => path === 'prompts/support-agent.md'))
    const other = compile(
      policy.texts.map(({ path, text }) => ({ path, text: path.endsWith('.md') ? `${text}\n` : text })),
      schemas,
    )
    assert.ok(other.ok)
    assert.notEqual(other.policy.digest, policy.digest)
  })
})

function question(input: JsonObject): Question {
  const charge = {
    id: 'ch_Demo00000003',
    amount: 18_000,
    amount_refunded: 0,
    currency: 'usd',
    customer: 'cus_1',
    disputed: false,
  }
  return {
    at: AT,
    call: 'call_1',
    session: {
      id: 'ses_1',
      lineage: 'ses_1',
      role: 'support-agent',
      principal: 'demo:support-bot',
      requester: 'demo:support-bot',
      acting_for: null,
      attributes: {},
      issued_at: AT,
      expires_at: AT + 1000,
    },
    action: 'stripe.refund',
    input: { charge: 'ch_Demo00000003', reason: 'duplicate', ...input },
    facts: { charge },
    switches: { incident: false },
  }
}

function weighed(policy: Policy, asked: Question): Plan {
  return weigh(policy, asked, { switches_version: 1, identify: (text) => text })
}

function decide(
  policy: Policy,
  asked: Question,
  used: ReadonlyMap<string, LimitState>,
  approvals: Parameters<typeof admit>[1]['approvals'] = [],
): { plan: Plan; decision: Decision } {
  const plan = weighed(policy, asked)
  const limit = (id: string): LimitState => used.get(id) ?? { held: 0, buckets: new Map() }
  return { plan, decision: admit(plan, { now: AT, limit, approvals, own: [] }) }
}
