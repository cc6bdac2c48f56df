import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** The key that the gateway holds for the test's backends; looks fake, and no byte of it may come out. */
export const BACKEND_KEY = 'sk_test_CanaryNobodyMaySee+/=0123456789'

export interface Backends {
  /** Recognises repeats. */
  readonly pay: string
  /** Does not; can be asked what happened. */
  readonly shop: string
  /** Neither. */
  readonly blind: string
}

/** A policy directory over backends of the test, in a folder of its own that also holds the store. */
export async function company(
  backends: Backends,
  more: { readonly [path: string]: string } = {},
): Promise<{ dir: string; policies: string; remove: () => Promise<void> }> {
  const dir = await mkdtemp(join(tmpdir(), 'keystay-'))
  const policies = join(dir, 'policies')
  await writePolicies(policies, { ...filesOf(backends), ...more })
  await writeFile(join(dir, 'key'), BACKEND_KEY, { mode: 0o600 })
  return { dir, policies, remove: () => rm(dir, { recursive: true, force: true }) }
}

export async function writePolicies(policies: string, files: { readonly [path: string]: string }): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(join(policies, path, '..'), { recursive: true })
    await writeFile(join(policies, path), text)
  }
}

function filesOf({ pay, shop, blind }: Backends): { [path: string]: string } {
  const common = 'private: true, timeout: 500ms, lands_within: 200ms, breaker: { open_after: 100%, of: 10000, for: 1s }'
  return {
    'backends.yaml': `backends:
  pay: { adapter: http, url: "${pay}", auth: { bearer: "env://KEYSTAY_TEST_KEY" }, idempotency: { header: Idempotency-Key, lives: 24h }, request_id: Request-Id, ${common} }
  shop: { adapter: http, url: "${shop}", auth: { header: X-Api-Key, value: "env://KEYSTAY_TEST_KEY" }, ${common} }
  blind: { adapter: http, url: "${blind}", auth: { basic: { user: broker, password: "env://KEYSTAY_TEST_KEY" } }, ${common} }
`,
    'identity.yaml': `issuers:
  demo:
    dev: true
    accounts:
      dana: { name: Dana, groups: [finance] }
      omar: { name: Omar, groups: [finance] }
      sam: { name: Sam, groups: [security] }
      lee: { name: Lee, groups: [finance, leads] }
      bot: {}
      other-bot: {}
groups:
  finance: { issuer: demo, where: '"finance" in claims.groups' }
  security: { issuer: demo, where: '"security" in claims.groups' }
  leads: { issuer: demo, where: '"leads" in claims.groups' }
people: { view: [finance, security], freeze: [security], settle: [finance], export: [finance] }
sessions: { lifetime_max: 12h, live_per_principal: 1000 }
`,
    'guardrails.yaml': `switches: { incident: false }
guardrails:
  - name: incident
    deny: switches.incident && action.effect != "read"
    else: Changes are frozen until the incident is closed.
`,
    'actions/pay.yaml': `action: pay.refund
describe: Refund a charge, in cents.
effect: write
input:
  charge: { type: string, pattern: "^ch_[A-Za-z0-9]{1,64}$" }
  amount: { type: integer, minimum: 1 }
  note?: { type: string, maxLength: 500, sensitive: true }
backend: pay
facts:
  charge:
    GET: /v1/charges/\${input.charge}
    keep: { id: string, amount: integer, amount_refunded: integer, currency: string, customer: string }
cost: { minor: input.amount, currency: facts.charge.currency }
summary: Refund \${cost} on \${input.charge}
request:
  POST: /v1/refunds
  form: { charge: "\${input.charge}", amount: "\${input.amount}", metadata: { keystay_call: "\${call.id}" } }
output: { keep: [id, amount, status] }
---
action: pay.look
describe: Look at a charge.
effect: read
input:
  charge: { type: string, pattern: "^ch_[A-Za-z0-9]{1,64}$" }
backend: pay
request: { GET: "/v1/charges/\${input.charge}" }
output: { keep: [id, amount] }
`,
    'actions/shop.yaml': `action: shop.order
describe: Place an order.
effect: write
input:
  item: { type: string, maxLength: 40 }
backend: shop
request:
  POST: /v1/orders
  json: { item: "\${input.item}", call: "\${call.id}" }
recheck:
  GET: /v1/orders?call=\${call.id}
  happened: output.data.exists(o, has(o.call) && o.call == call.id)
output: { keep: [id, status] }
---
action: blind.note
describe: Write a note.
effect: write
input:
  text: { type: string, maxLength: 40 }
backend: blind
request:
  POST: /v1/notes
  json: { text: "\${input.text}", call: "\${call.id}" }
output: { keep: [id, status] }
`,
    'roles/agent.yaml': `role: agent
describe: The agent of the tests.
owners: [leads]
session: { lifetime: 2h }
issue_to: [{ issuer: demo, where: 'claims.sub in ["bot", "other-bot"]' }]
grants:
  pay.look:
  pay.refund:
    max: 200.00 USD
    budget: { name: daily, limit: 500.00 USD per day }
    require:
      - that: input.amount <= facts.charge.amount - facts.charge.amount_refunded
        else: That is more than is left of the charge.
    approval:
      - { above: 50.00 USD, up_to: 150.00 USD, by: 1 of finance, expires: 4h }
      - { above: 150.00 USD, by: 2 of finance, expires: 24h }
    next: [blind.note]
  shop.order:
  blind.note:
`,
  }
}
