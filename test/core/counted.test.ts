import assert from 'node:assert/strict'
import { weigh } from '../../gateway/core/weigh.ts'
import type { Plan, Session } from '../../gateway/core/types.ts'
import { loadPolicy } from '../../gateway/policy-dir.ts'
import { company } from '../house/company.ts'
import { World, admitting } from './world.ts'

const ACTION = `action: shop.bulk
describe: Place many.
effect: write
input:
  n: { type: integer, minimum: 0 }
backend: shop
cost: { count: input.n, of: calls }
request:
  POST: /v1/bulk
  json: { n: "\${input.n}" }
output: { keep: [id] }
`

/** A role whose one grant is of an action that costs so many "calls". */
async function weighing(grant: string): Promise<(n: number) => Plan> {
  const nowhere = 'http://127.0.0.1:1'
  const where = await company(
    { pay: nowhere, shop: nowhere, blind: nowhere },
    {
      'actions/bulk.yaml': ACTION,
      'roles/bulk.yaml': `role: bulk
describe: Counts.
issue_to: [{ issuer: demo, where: 'claims.sub == "bot"' }]
grants:
  shop.bulk: ${grant}
`,
    },
  )
  const loaded = await loadPolicy(where.policies)
  await where.remove()
  if (!loaded.ok) return assert.fail(loaded.findings.map(({ message }) => message).join('\n'))
  const session: Session = {
    id: 'ses_1',
    lineage: 'ses_1',
    role: 'bulk',
    principal: 'demo:bot',
    requester: 'demo:bot',
    acting_for: null,
    attributes: {},
    issued_at: 0,
    expires_at: Infinity,
  }
  const question = { at: 1, call: 'call_1', session, action: 'shop.bulk', facts: {}, switches: { incident: false } }
  return (n) => weigh(loaded.policy, { ...question, input: { n } }, { switches_version: 1, identify: (text) => text })
}

function kinds(at: (n: number) => Plan, n: number): string[] {
  const world = new World()
  world.session()
  return Array.from({ length: 5 }, (_, turn) => {
    const weighed = at(n)
    world.policy = weighed.policy
    return world.write(admitting(`call_${turn}`, { plan: weighed })).kind
  })
}

describe('limits of unlike kinds, though their units have one name', () => {
  it('a rate does not hide the window of an approval line', async () => {
    const at = await weighing(
      '{ max: 40 calls, rate: 100 per hour, approval: { above: 50 calls per rolling 1h, by: 1 of finance, expires: 1h } }',
    )
    assert.deepEqual(kinds(at, 40), ['started', 'held', 'held', 'held', 'held'])
  })

  it('a budget does not hide a rate', async () => {
    const at = await weighing('{ max: 40 calls, budget: 100 calls per rolling 1h, rate: 3 per hour }')
    assert.deepEqual(kinds(at, 0), ['started', 'started', 'started', 'denied', 'denied'])
  })
})
