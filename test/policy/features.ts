/** A company that uses what the language has beyond the example, and tables that say what each of it does. */
export const FEATURES: { readonly [path: string]: string } = {
  'backends.yaml': `backends:
  pay: { adapter: http, url: "https://pay.example.com", auth: { bearer: "env://PAY_KEY" }, idempotency: { header: Idempotency-Key, lives: 24h } }
`,
  'identity.yaml': `issuers:
  cluster: { oidc: "https://kubernetes.default.svc", audience: keystay }
  staff: { jwks: ./keys/staff.json, issuer: "https://login.example.com", client_id: console, person: claims.sub }
groups:
  finance: { issuer: staff, where: '"finance" in claims.groups' }
  security: { issuer: staff, where: '"security" in claims.groups' }
people: { view: [finance] }
`,
  'budgets.yaml': `budgets:
  all: { limit: 100.00 USD or 90.00 EUR or 9000 JPY per day }
  by-customer: { limit: 60.00 USD or 50.00 EUR or 5000 JPY per rolling 30d, by: customer }
`,
  'actions.yaml': `action: pay.refund
describe: Refund a charge.
effect: write
input:
  charge: { type: string, maxLength: 40 }
  amount: { type: integer, minimum: 0 }
backend: pay
facts:
  charge:
    GET: /v1/charges/\${input.charge}
    keep: { currency: string, customer: string }
    absent: [404]
cost: { minor: input.amount, currency: "facts.charge == null ? 'USD' : facts.charge.currency" }
request:
  POST: /v1/refunds
  form: { charge: "\${input.charge}", amount: "\${input.amount}" }
output: { keep: [id] }
---
action: rows.delete
describe: Delete rows.
effect: write
input:
  ids: { type: array, items: { type: string, maxLength: 20 }, maxItems: 50 }
backend: pay
cost: { count: size(input.ids), of: rows }
request: { POST: /v1/delete, json: { ids: "\${input.ids}" } }
output: { keep: [] }
`,
  'roles.yaml': `role: money
describe: Several currencies, shared budgets, bounds between which people are asked.
issue_to: [{ issuer: cluster, where: 'claims.sub == "a"' }]
grants:
  pay.refund:
    max: 50.00 USD or 40.00 EUR or 5000 JPY
    budget: [all, by-customer of facts.charge.customer]
    approval:
      - { above: 10.00 USD or 9.00 EUR or 1000 JPY, up_to: 30.00 USD or 27.00 EUR or 3000 JPY, by: 1 of finance, expires: 1h }
      - { above: 30.00 USD or 27.00 EUR or 3000 JPY, by: 2 of finance }
      - { name: much, above: 40.00 USD or 36.00 EUR or 4000 JPY per rolling 24h by facts.charge.customer, by: 1 of security }
---
role: counted
describe: Counts rows.
issue_to: [{ issuer: cluster, where: 'claims.sub == "b"' }]
grants:
  rows.delete:
    max: 5 rows
    budget: 12 rows per rolling 1h
    approval: { above: 3 rows, by: 1 of finance }
---
role: bounded
describe: One at a time, few holds, few attempts, and lines that only watch.
issue_to: [{ issuer: cluster, where: 'claims.sub == "c"' }]
grants:
  pay.refund:
    max: [50.00 USD, { name: soft, limit: 20.00 USD, mode: report }]
    budget: { name: trial, limit: 30.00 USD per day, mode: report }
    rate: { name: quick, limit: 5 per minute, mode: report }
    require: { that: facts.charge != null, else: There is no such charge., name: seen, mode: report }
    approval:
      - { name: asks, above: 5.00 USD, by: 1 of finance }
      - { name: would-ask, above: 1.00 USD, by: 2 of security, mode: report }
      - { name: over-time, above: 45.00 USD per day, by: 1 of security, mode: report }
    serialize: input.charge
    holds_max: 2
    attempts: 3
`,
  'money.test.yaml': `tests: money
given:
  call: pay.refund
  input: { charge: ch_1, amount: 500 }
  facts: { charge: { currency: usd, customer: cus_1 } }
cases:
  # several currencies: each with its own ceiling, never added up
  - { it: allows dollars, expect: allow }
  - { it: allows euros to their own ceiling, facts: { charge: { currency: eur } }, input: { amount: 900 }, expect: allow }
  - { it: asks above it, facts: { charge: { currency: eur } }, input: { amount: 901 }, expect: hold, by: 1 of finance }
  - { it: has no cents of yen, facts: { charge: { currency: jpy } }, input: { amount: 1000 }, expect: allow }
  - { it: denies a currency that nobody named, facts: { charge: { currency: gbp } }, expect: deny, because: grants.pay.refund.max }
  - { it: stops each at its ceiling, facts: { charge: { currency: eur } }, input: { amount: 4001 }, expect: deny, because: grants.pay.refund.max }
  # shared budgets
  - { it: draws from one counter for all roles, used: { all: 95.00 USD }, input: { amount: 501 }, expect: deny, because: grants.pay.refund.all }
  - { it: does not add currencies up, used: { all: 100.00 USD or 80.00 EUR }, facts: { charge: { currency: eur } }, expect: allow }
  - { it: counts by the customer, used: { by-customer: 59.00 USD }, input: { amount: 101 }, expect: deny, because: grants.pay.refund.by-customer }
  - { it: denies where the key is null, facts: { charge: { customer: null } }, expect: deny, because: [grants.pay.refund.by-customer, error] }
  # up_to
  - { it: asks one up to thirty, input: { amount: 3000 }, expect: hold, by: 1 of finance, because: "grants.pay.refund.approval[0]" }
  - { it: asks two above it, input: { amount: 3001 }, expect: hold, by: 2 of finance, because: "grants.pay.refund.approval[1]" }
  - it: needs both of the two
    input: { amount: 3001 }
    approved_by: [{ person: dana, groups: [finance] }]
    expect: hold
  - it: runs with both
    input: { amount: 3001 }
    approved_by: [{ person: dana, groups: [finance] }, { person: omar, groups: [finance] }]
    expect: allow
  # a window of an approval line: this call plus what was done and held
  - { it: does not ask at forty in a day, used: { much: 35.00 USD }, input: { amount: 500 }, expect: allow }
  - { it: asks above forty in a day, used: { much: 35.00 USD }, input: { amount: 501 }, expect: hold, by: 1 of security, because: grants.pay.refund.much }
  - { it: counts what is held, used: { much: 20.00 USD }, held: { much: 15.00 USD }, input: { amount: 501 }, expect: hold, because: grants.pay.refund.much }
  - it: wants every line that applies
    used: { much: 35.00 USD }
    input: { amount: 1500 }
    approved_by: [{ person: dana, groups: [finance] }]
    expect: hold
    by: [1 of finance, 1 of security]
  - it: lets one yes count in both lines
    used: { much: 35.00 USD }
    input: { amount: 1500 }
    approved_by: [{ person: dana, groups: [finance, security] }]
    expect: allow
`,
  'counted.test.yaml': `tests: counted
given: { call: rows.delete, input: { ids: [a, b, c] } }
cases:
  - { it: allows three rows, expect: allow }
  - { it: asks about four, input: { ids: [a, b, c, d] }, expect: hold, by: 1 of finance }
  - { it: never deletes six, input: { ids: [a, b, c, d, e, f] }, expect: deny, because: grants.rows.delete.max }
  - { it: fills the hour, used: { "budget[0]": 9 rows }, expect: allow }
  - { it: stops when the hour is full, used: { "budget[0]": 10 }, expect: deny, because: "grants.rows.delete.budget[0]" }
`,
  'bounded.test.yaml': `tests: bounded
given:
  call: pay.refund
  input: { charge: ch_1, amount: 400 }
  facts: { charge: { currency: usd, customer: cus_1 } }
cases:
  - { it: runs, expect: allow }
  # serialize
  - { it: waits for the unsettled call about the same charge, held: { serialize: 1 }, expect: deny, because: grants.pay.refund.serialize }
  # holds_max
  - { it: holds a second, held: { holds_max: 1 }, input: { amount: 600 }, expect: hold, by: 1 of finance }
  - { it: holds no third, held: { holds_max: 2 }, input: { amount: 600 }, expect: deny, because: grants.pay.refund.holds_max }
  - { it: runs what asks nobody however many wait, held: { holds_max: 2 }, expect: allow }
  # attempts
  - { it: lets a guesser guess three times, used: { attempts: 2 }, expect: allow }
  - { it: stops a guesser, used: { attempts: 3 }, expect: deny, because: grants.pay.refund.attempts }
  # lines in report mode do not decide
  - { it: goes over a ceiling in report mode, input: { amount: 2100 }, expect: hold, by: 1 of finance }
  - { it: goes over a budget and a rate in report mode, used: { trial: 30.00 USD, quick: 5 }, expect: allow }
  - { it: has a windowed line in report mode ask nobody, used: { over-time: 45.00 USD }, expect: allow }
  # absent: the fact is null where the backend says 404
  - { it: takes a fact that is absent for null, facts: { charge: null }, expect: allow }
`,
}

export const FEATURE_FILES: { readonly [path: string]: string } = {
  'keys/staff.json': JSON.stringify({
    keys: [{ kty: 'OKP', crv: 'Ed25519', kid: 'a', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' }],
  }),
}
