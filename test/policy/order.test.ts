import assert from 'node:assert/strict'
import { testPolicy } from '../../gateway/core/policy-test.ts'
import { compile } from '../../gateway/core/compile.ts'
import { changed, schemas } from './company.ts'
import type { Change } from './company.ts'

/** A charge in dispute, far too much, with the day, the customer and the rate used up: every line says no. */
const TABLE = `tests: agent
cases:
  - it: is refused by all
    call: pay.refund
    input: { charge: ch_abcd, amount: 60000 }
    facts: { charge: { amount: 90000, currency: usd, customer: cus_1, disputed: true } }
    switches: { incident: true }
    used: { daily: 500.00 USD, goodwill: 2000.00 USD, customer-month: 300.00 USD, rate: 20 }
    expect: deny
    because: guardrails.incident
`

function saidNo(...changes: readonly Change[]): readonly string[] {
  const { texts, files } = changed(...changes)
  const compiled = compile([...texts, { path: 'agent.test.yaml', text: TABLE }], schemas, { files })
  assert.ok(compiled.ok, JSON.stringify(compiled))
  const { cases, findings } = testPolicy(compiled.policy)
  assert.deepEqual(findings, [])
  return cases[0]?.got.because.map((line) => line.replace('grants.pay.refund.', '')) ?? []
}

const BUDGET = `    budget:
      - { name: daily, limit: 500.00 USD per day }
      - customer-month of facts.charge.customer
      - goodwill
`

describe('the lines that said no', () => {
  it('are told in file order, whether facts or use decided them', () => {
    const use = ['daily', 'customer-month', 'goodwill']
    assert.deepEqual(saidNo(), ['guardrails.incident', 'max', ...use, 'rate', 'require[0]'])
    const last = saidNo(
      { file: 'role.yaml', from: BUDGET, to: '' },
      { file: 'role.yaml', from: '    next: [shop.get]\n', to: `    next: [shop.get]\n${BUDGET}` },
    )
    assert.deepEqual(last, ['guardrails.incident', 'max', 'rate', 'require[0]', ...use])
    const first = saidNo(
      { file: 'role.yaml', from: '    max: 200.00 USD\n', to: '' },
      { file: 'role.yaml', from: '    rate: 20 per hour\n', to: '    rate: 20 per hour\n    max: 200.00 USD\n' },
    )
    assert.deepEqual(first, ['guardrails.incident', ...use, 'rate', 'max', 'require[0]'])
  })
})
