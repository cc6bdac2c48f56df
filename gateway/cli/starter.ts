/** The files of a starter company, by path: one role, one action, and all that they need. `policy check` has nothing to say about it. */
export const STARTER: { readonly [path: string]: string } = {
  'backends.yaml': `# Every system the gateway can reach. A host that is not named here cannot be called.
backends:
  payments:
    adapter: http
    url: https://payments.example.com       # yours; on loopback or a private network also: private: true
    auth: { bearer: "age://payments/api_key" }   # keystay secrets set payments/api_key
    idempotency: { header: Idempotency-Key, lives: 24h }   # it recognises repeats; leave this out where yours does not
    request_id: Request-Id                   # the header that leads into its own log
    lands_within: 30s                        # how long after a timeout an effect may still appear
    timeout: 10s
`,
  'identity.yaml': `# Who workloads and people are. Roles and approvals refer only to names defined here.
issuers:
  demo:                                      # signs under \`keystay serve --dev\` only
    dev: true
    accounts:
      refund-bot: {}
      dana: { name: Dana, groups: [finance] }
      omar: { name: Omar, groups: [finance] }
      sam: { name: Sam, groups: [security] }
groups:
  finance: { issuer: demo, where: '"finance" in claims.groups' }
  security: { issuer: demo, where: '"security" in claims.groups' }
people: { view: [finance, security], freeze: [security], settle: [finance], export: [finance], metrics: token }
sessions: { lifetime_max: 12h, live_per_principal: 20 }
`,
  'actions/payments.yaml': `action: payments.refund
describe: Refund a payment, in part or in full. Amounts are in cents.
effect: write
input:
  payment: { type: string, pattern: "^pay_[A-Za-z0-9]{1,64}$" }
  amount: { type: integer, minimum: 1 }
  note?: { type: string, maxLength: 500, sensitive: true }   # shown to approvers as the agent's words; sent nowhere
backend: payments
facts:                                       # fetched by the gateway before it decides
  payment:
    GET: /v1/payments/\${input.payment}
    keep: { amount: integer, amount_refunded: integer, currency: string }
cost: { minor: input.amount, currency: facts.payment.currency }
summary: Refund \${cost} on \${input.payment}
request:                                     # exactly this is sent, and shown to whoever approves
  POST: /v1/refunds
  json: { payment: "\${input.payment}", amount: "\${input.amount}", reference: "\${call.id}" }
output: { keep: [id, amount, status] }       # all else of the answer stays here
undo: none
`,
  'roles/refund-agent.yaml': `role: refund-agent
describe: Gives small refunds.
prompt: prompts/refund-agent.md              # its front matter lists the actions that the prompt authorizes
timezone: UTC
session: { lifetime: 2h }
issue_to:
  - { issuer: demo, where: claims.sub == "refund-bot" }
grants:
  payments.refund:
    max: 200.00 USD                          # never more at once
    budget: { name: daily, limit: 500.00 USD per day }
    rate: 20 per hour
    require:
      - that: input.amount <= facts.payment.amount - facts.payment.amount_refunded
        else: That is more than is left of the payment.
    approval:
      - { above: 50.00 USD, by: 1 of finance, expires: 4h }
      - { above: 100.00 USD per rolling 24h, by: 1 of finance, expires: 4h }   # many small ones are a large one
    dry_run: true
`,
  'roles/refund-agent.test.yaml': `# keystay policy test
tests: refund-agent
given:
  call: payments.refund
  requested_by: demo:refund-bot
  facts: { payment: { amount: 50000, amount_refunded: 0, currency: USD } }
cases:
  - it: gives a small refund by itself
    input: { payment: pay_1, amount: 3000 }
    expect: allow
  - it: asks finance above 50.00 USD
    input: { payment: pay_1, amount: 12000 }
    expect: hold
    by: 1 of finance
  - it: never gives more than 200.00 USD at once
    input: { payment: pay_1, amount: 20001 }
    expect: deny
    because: grants.payments.refund.max
  - it: never gives more than is left of the payment
    input: { payment: pay_1, amount: 3000 }
    facts: { payment: { amount_refunded: 48000 } }
    expect: deny
    because: grants.payments.refund.require[0]
  - it: stops when the day is used up
    input: { payment: pay_1, amount: 3000 }
    used: { daily: 480.00 USD }
    expect: deny
    because: grants.payments.refund.daily
`,
  'prompts/refund-agent.md': `---
actions: [payments.refund]
---
# Refund agent

You give refunds to customers of a small shop.

* A refund needs a reason that the customer gave. Use the ticket's number in the request key, such as \`T-481/refund-1\`:
  the same refund again has the same key, another refund another one.
* Where you are refused, say so kindly. Do not look for a way round.
`,
}
