import assert from 'node:assert/strict'
import { admit, reportedBy } from '../../gateway/core/admit.ts'
import { compile, formatFinding } from '../../gateway/core/compile.ts'
import { testPolicy } from '../../gateway/core/policy-test.ts'
import type { JsonObject, LimitState, Plan, Policy, Question } from '../../gateway/core/types.ts'
import { weigh } from '../../gateway/core/weigh.ts'
import { schemas } from './company.ts'
import { FEATURES, FEATURE_FILES } from './features.ts'

const AT = Date.parse('2026-11-23T15:00:00Z')

function compiled(change: (text: string) => string = (text) => text): Policy {
  const texts = Object.entries(FEATURES).map(([path, text]) => ({
    path,
    text: path === 'roles.yaml' ? change(text) : text,
  }))
  const policy = compile(texts, schemas, { files: new Map(Object.entries(FEATURE_FILES)) })
  assert.ok(policy.ok, JSON.stringify(policy))
  return policy.policy
}

function planned(policy: Policy, role: string, input: JsonObject, facts: JsonObject): Plan {
  const session = {
    id: 'ses_1',
    lineage: 'ses_1',
    role,
    principal: 'cluster:a',
    requester: 'cluster:a',
    acting_for: null,
    attributes: {},
    issued_at: AT,
    expires_at: AT + 1000,
  }
  const question: Question = { at: AT, call: 'call_1', session, action: 'pay.refund', input, facts, switches: {} }
  return weigh(policy, question, { switches_version: 1, identify: (text) => text })
}

describe('what the language has', () => {
  const { cases, findings } = testPolicy(compiled())

  it('is told by tables without a mistake', () => {
    assert.deepEqual(findings.map(formatFinding), [])
    assert.equal(cases.length, 35)
  })

  for (const { role, it: says, differs, got } of cases)
    it(`${role} ${says}`, () => assert.equal(differs, '', JSON.stringify(got)))

  const BREAKS: readonly (readonly [from: string, to: string, fails: number])[] = [
    ['40.00 EUR or 5000 JPY\n', '41.00 EUR or 5000 JPY\n', 1],
    ['up_to: 30.00 USD', 'up_to: 29.00 USD', 1],
    ['40.00 USD or 36.00 EUR or 4000 JPY per rolling', '41.00 USD or 36.00 EUR or 4000 JPY per rolling', 2],
    ['max: 5 rows', 'max: 6 rows', 1],
    ['budget: 12 rows', 'budget: 13 rows', 1],
    ['    serialize: input.charge\n', '', 1],
    ['holds_max: 2', 'holds_max: 3', 1],
    ['attempts: 3', 'attempts: 4', 1],
    ['limit: 20.00 USD, mode: report', 'limit: 20.00 USD', 1],
    ['per day, mode: report', 'per day', 1],
    ['name: seen, mode: report', 'name: seen', 1],
    ['by: 2 of security, mode: report', 'by: 2 of security', 3],
  ]
  for (const [from, to, fails] of BREAKS) {
    it(`is missed when it is not there: ${from.trim()} as ${to.trim() || 'nothing'}`, () => {
      const broken = testPolicy(compiled((text) => text.replace(from, () => to)))
      const failed = broken.cases.filter(({ ok }) => !ok).length + broken.findings.length
      assert.ok(failed >= fails, `${failed}`)
    })
  }

  it('records what lines in report mode would have done', () => {
    const plan = planned(compiled(), 'bounded', { charge: 'ch_1', amount: 2500 }, { charge: null })
    const states = new Map<string, LimitState>()
    for (const want of plan.want) states.set(want.limit, { held: want.max ?? 4500, buckets: new Map() })
    const serialized = plan.want.find(({ kind }) => kind === 'serialize')
    states.set(serialized?.limit ?? '', { held: 0, buckets: new Map() })
    const use = {
      now: AT,
      limit: (id: string) => states.get(id) ?? { held: 0, buckets: new Map() },
      approvals: [],
      own: [],
    }
    assert.equal(admit(plan, use).verdict, 'hold')
    assert.deepEqual(reportedBy(plan, use).sort(), [
      'grants.pay.refund.over-time',
      'grants.pay.refund.quick',
      'grants.pay.refund.seen',
      'grants.pay.refund.soft',
      'grants.pay.refund.trial',
      'grants.pay.refund.would-ask',
    ])
  })
})
