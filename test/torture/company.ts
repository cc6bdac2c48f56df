import { writePolicies } from '../house/company.ts'

export const AGENTS = 24
export const ACTIONS = ['pay.refund', 'shop.order', 'blind.note'] as const
export type ActionName = (typeof ACTIONS)[number]

/** The maxima that the reconciliation holds the backends' own files against. */
export const MOST = {
  /** Cents of one pot of refunds, over any 24 hours. */
  pot: 10_000,
  /** Cents of all refunds, per day in UTC. */
  daily: 500_000_000,
  /** Items of one pot of orders, over any 24 hours. */
  items: 40,
  /** Notes of one agent, over any minute. */
  notes: 60,
} as const

/** How long one attempt may take, and how late after it an effect may still land, ms. The backends keep to both. */
export const TIMES = { timeout_ms: 1000, lands_within_ms: 600 } as const

/** Writes the policy of the torture: small budgets by pot, a large one by day, a rate, lines that ask people, holds. */
export function writeCompany(
  policies: string,
  urls: { readonly pay: string; readonly shop: string; readonly blind: string },
): Promise<void> {
  return writePolicies(policies, {
    'backends.yaml': backends(urls),
    'identity.yaml': IDENTITY,
    'actions.yaml': ACTIONS_YAML,
    'roles/agent.yaml': ROLE,
  })
}

function backends({ pay, shop, blind }: { pay: string; shop: string; blind: string }): string {
  const { timeout_ms, lands_within_ms } = TIMES
  const common = `private: true, timeout: ${timeout_ms}ms, lands_within: ${lands_within_ms}ms, breaker: { open_after: 100%, of: 10000, for: 1s }`
  return `backends:
  pay: { adapter: http, url: "${pay}", auth: { bearer: "env://KEYSTAY_TEST_KEY" }, idempotency: { header: Idempotency-Key, lives: 24h }, ${common} }
  shop: { adapter: http, url: "${shop}", auth: { bearer: "env://KEYSTAY_TEST_KEY" }, ${common} }
  blind: { adapter: http, url: "${blind}", auth: { bearer: "env://KEYSTAY_TEST_KEY" }, ${common} }
`
}

const IDENTITY = `issuers:
  demo:
    dev: true
    accounts:
      dana: { name: Dana, groups: [finance] }
      omar: { name: Omar, groups: [finance] }
      sam: { name: Sam, groups: [security] }
${Array.from({ length: AGENTS }, (_, index) => `      bot-${index}: {}\n`).join('')}groups:
  finance: { issuer: demo, where: '"finance" in claims.groups' }
  security: { issuer: demo, where: '"security" in claims.groups' }
people: { view: [finance, security], freeze: [security], settle: [finance], export: [finance] }
sessions: { lifetime_max: 12h, live_per_principal: 100000 }
`

const ACTIONS_YAML = `action: pay.refund
describe: Refund something, in cents.
effect: write
input:
  ref: { type: string, maxLength: 100 }
  pot: { type: string, pattern: "^[a-z0-9-]{1,40}$" }
  amount: { type: integer, minimum: 1 }
backend: pay
facts:
  pot:
    GET: /v1/pots/\${input.pot}
    keep: { id: string, currency: string, open: boolean }
cost: { minor: input.amount, currency: facts.pot.currency }
request:
  POST: /v1/refunds
  json: { ref: "\${input.ref}", pot: "\${input.pot}", amount: "\${input.amount}", call: "\${call.id}" }
recheck:
  GET: /v1/refunds?call=\${call.id}
  happened: output.data.exists(o, has(o.call) && o.call == call.id)
output: { keep: [id, amount] }
---
action: shop.order
describe: Order some items.
effect: write
input:
  ref: { type: string, maxLength: 100 }
  pot: { type: string, pattern: "^[a-z0-9-]{1,40}$" }
  amount: { type: integer, minimum: 1 }
backend: shop
cost: { count: input.amount, of: items }
request:
  POST: /v1/orders
  json: { ref: "\${input.ref}", pot: "\${input.pot}", amount: "\${input.amount}", call: "\${call.id}" }
recheck:
  GET: /v1/orders?call=\${call.id}
  happened: output.data.exists(o, has(o.call) && o.call == call.id)
output: { keep: [id, amount] }
---
action: blind.note
describe: Write a note.
effect: write
input:
  ref: { type: string, maxLength: 100 }
  pot: { type: string, pattern: "^[a-z0-9-]{1,40}$" }
  amount: { type: integer, minimum: 1 }
backend: blind
request:
  POST: /v1/notes
  json: { ref: "\${input.ref}", pot: "\${input.pot}", amount: "\${input.amount}", call: "\${call.id}" }
output: { keep: [id, amount] }
`

const ROLE = `role: agent
describe: The agents of the torture.
owners: [security]
session: { lifetime: 2h }
issue_to: [{ issuer: demo, where: 'claims.sub.startsWith("bot-")' }]
grants:
  pay.refund:
    max: 90.00 USD
    attempts: 1000000
    holds_max: 1000
    budget:
      - { name: pot, limit: ${(MOST.pot / 100).toFixed(2)} USD per rolling 24h, by: input.pot }
      - { name: daily, limit: ${(MOST.daily / 100).toFixed(2)} USD per day }
    require:
      - { that: facts.pot.open, else: The pot is closed. }
    approval:
      - { above: 30.00 USD, up_to: 60.00 USD, by: 1 of finance, expires: 1h }
      - { above: 60.00 USD, up_to: 80.00 USD, by: 2 of finance, expires: 1h }
      - { above: 80.00 USD, by: 2 of finance, expires: 5s }
  shop.order:
    max: 30 items
    attempts: 1000000
    budget: { name: pot, limit: ${MOST.items} items per rolling 24h, by: input.pot }
  blind.note:
    attempts: 1000000
    rate: { limit: ${MOST.notes} per minute, by: requester }
`
