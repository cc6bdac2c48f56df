import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { NUMBER } from './load.ts'

export const ACTION = 'bench.refund'
/** The environment variable that holds the backend's key; its value looks fake. */
export const KEY = { name: 'KEYSTAY_BENCH_KEY', value: 'sk_test_BenchNobodyMaySee0123456789' }
/** What every peer is asked, each time of another charge; the gateway checks it, the others pass it on. */
export const BODY = JSON.stringify({ charge: `ch_${NUMBER}`, amount: 700 })

/**
 * A policy without facts: schema, cost, a ceiling, one condition, one guardrail, one budget that all calls share. The
 * budget is too large to be used up.
 */
export async function writeCompany(policies: string, backend: string): Promise<void> {
  for (const [path, text] of Object.entries(filesOf(backend))) {
    await mkdir(join(policies, path, '..'), { recursive: true })
    await writeFile(join(policies, path), text)
  }
}

function filesOf(backend: string): { readonly [path: string]: string } {
  return {
    'backends.yaml': `backends:
  bench: { adapter: http, url: "${backend}", auth: { bearer: "env://${KEY.name}" }, idempotency: { header: Idempotency-Key, lives: 24h }, request_id: Request-Id, private: true, timeout: 5s, lands_within: 1s }
`,
    'identity.yaml': `issuers:
  demo:
    dev: true
    accounts:
      sam: { name: Sam, groups: [security] }
      bot: {}
groups:
  security: { issuer: demo, where: '"security" in claims.groups' }
people: { view: [security], freeze: [security], settle: [security], export: [security] }
sessions: { lifetime_max: 12h, live_per_principal: 1000 }
`,
    'guardrails.yaml': `switches: { incident: false }
guardrails:
  - name: incident
    deny: switches.incident && action.effect != "read"
    else: Changes are frozen until the incident is closed.
`,
    'actions/bench.yaml': `action: ${ACTION}
describe: Refund a charge, in cents.
effect: write
input:
  charge: { type: string, pattern: "^ch_[A-Za-z0-9]{1,64}$" }
  amount: { type: integer, minimum: 1 }
backend: bench
cost: { minor: input.amount, currency: USD }
summary: Refund \${cost} on \${input.charge}
request:
  POST: /v1/refunds
  form: { charge: "\${input.charge}", amount: "\${input.amount}", metadata: { keystay_call: "\${call.id}" } }
output: { keep: [id, amount, status] }
`,
    'roles/agent.yaml': `role: agent
describe: The agent of the benchmark.
owners: [security]
session: { lifetime: 2h }
issue_to: [{ issuer: demo, where: 'claims.sub == "bot"' }]
grants:
  ${ACTION}:
    max: 200.00 USD
    budget: { name: daily, limit: 50000000000.00 USD per day }
    require:
      - that: input.amount < 20000
        else: Larger refunds are made by people.
`,
  }
}
