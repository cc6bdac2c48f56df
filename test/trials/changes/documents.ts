/** What the documents of the policy say, as far as a change may touch it. */
export interface Documents {
  /** Cents of a dollar; and of a euro where the grant names one. */
  readonly max: number
  readonly euros: boolean
  /** People who must say yes, by what the refund costs: above, up to, how many, of which group. */
  readonly lines: readonly Line[]
  readonly expires: string
  readonly cost: 'input.amount' | 'input.amount * 2' | 'input.amount + facts.charge.amount_refunded'
  readonly currency: 'facts.charge.currency' | '"USD"'
  readonly template: Template
  readonly backend: 'pay' | 'bank'
  /** For one customer in a day. */
  readonly budget: number
  readonly require: boolean
  /** The input's own maximum. */
  readonly most: number
  readonly granted: boolean
  readonly role: boolean
  /** Says nothing that counts. */
  readonly remark: string
  readonly secret: 'env://KEYSTAY_TEST_KEY' | 'env://KEYSTAY_TEST_OTHER'
}

export interface Line {
  readonly above: number
  readonly up_to: number | null
  readonly count: number
  readonly of: 'finance' | 'seniors'
  readonly name?: string
  readonly passkey?: boolean
}

export type Template = 'form' | 'json' | 'put' | 'version 2' | 'another order' | 'with customer' | 'with a reason'

export interface Charge {
  readonly amount: unknown
  readonly amount_refunded: unknown
  readonly currency: unknown
  readonly customer: unknown
}

export const BEFORE: Documents = {
  max: 20_000,
  euros: false,
  lines: [
    { above: 5000, up_to: 10_000, count: 1, of: 'finance' },
    { above: 10_000, up_to: null, count: 2, of: 'finance' },
  ],
  expires: '4h',
  cost: 'input.amount',
  currency: 'facts.charge.currency',
  template: 'form',
  backend: 'pay',
  budget: 30_000,
  require: true,
  most: 100_000,
  granted: true,
  role: true,
  remark: '',
  secret: 'env://KEYSTAY_TEST_KEY',
}

const money = (cents: number): string => `${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, '0')}`

/** The files of these documents; null for one that is not there. @param url of the backend. */
export function filesOf(documents: Documents, url: string): { [path: string]: string | null } {
  const { role, remark } = documents
  return {
    'backends.yaml': `backends:\n${['pay', 'bank'].map((name) => backend(name, url, documents)).join('')}`,
    'guardrails.yaml': `switches: { incident: false }
guardrails:
  - { name: incident, deny: switches.incident, else: Nothing is done until the incident is over. }
`,
    'actions/pay.yaml': actionOf(documents),
    'roles/agent.yaml': role ? roleOf(documents) : null,
    'roles/other.yaml': `role: other
describe: Somebody else.${remark}
issue_to: [{ issuer: demo, where: 'claims.sub == "bot"' }]
grants: { pay.look: }
`,
  }
}

function backend(name: string, url: string, { secret }: Documents): string {
  return `  ${name}: { adapter: http, url: "${url}", auth: { bearer: "${secret}" }, private: true, timeout: 2s, lands_within: 100ms,
    idempotency: { header: Idempotency-Key, lives: 24h }, request_id: Request-Id, breaker: { open_after: 100%, of: 10000, for: 1s } }
`
}

function actionOf({ cost, currency, template, backend: name, most, remark }: Documents): string {
  return `action: pay.refund
describe: Refund a charge, in cents.${remark}
effect: write
input:
  charge: { type: string, pattern: "^ch_[A-Za-z0-9]{1,64}$" }
  amount: { type: integer, minimum: 1, maximum: ${most} }
backend: ${name}
facts:
  charge:
    GET: /v1/charges/\${input.charge}
    keep: { id: string, amount: integer, amount_refunded: integer, currency: string, customer: string }
cost: { minor: ${cost}, currency: ${currency === '"USD"' ? 'USD' : currency} }
summary: Refund \${cost} on \${input.charge}${remark}
request:
${REQUESTS[template]}
output: { keep: [id, status] }
---
action: pay.look
describe: Look at a charge.
effect: read
input:
  charge: { type: string, pattern: "^ch_[A-Za-z0-9]{1,64}$" }
backend: pay
request: { GET: "/v1/charges/\${input.charge}" }
output: { keep: [id] }
`
}

const STAMP = 'metadata: { keystay_call: "${call.id}" }'
const REQUESTS: { readonly [template in Template]: string } = {
  form: `  POST: /v1/refunds\n  form: { charge: "\${input.charge}", amount: "\${input.amount}", ${STAMP} }`,
  json: `  POST: /v1/refunds\n  json: { charge: "\${input.charge}", amount: "\${input.amount}", ${STAMP} }`,
  put: `  PUT: /v1/refunds\n  form: { charge: "\${input.charge}", amount: "\${input.amount}", ${STAMP} }`,
  'version 2': `  POST: /v2/refunds\n  form: { charge: "\${input.charge}", amount: "\${input.amount}", ${STAMP} }`,
  'another order': `  POST: /v1/refunds\n  form: { amount: "\${input.amount}", charge: "\${input.charge}", ${STAMP} }`,
  'with customer': `  POST: /v1/refunds\n  form: { charge: "\${input.charge}", amount: "\${input.amount}", customer: "\${facts.charge.customer}", ${STAMP} }`,
  'with a reason': `  POST: /v1/refunds\n  form: { charge: "\${input.charge}", amount: "\${input.amount}", reason: duplicate, ${STAMP} }`,
}

function roleOf({ max, euros, lines, expires, budget, require, granted, remark }: Documents): string {
  const both = (cents: number): string => `${money(cents)} USD${euros ? ` or ${money(cents)} EUR` : ''}`
  const approval = lines.map(({ above, up_to, count, of, name, passkey }) => {
    const more = [
      ...(name === undefined ? [] : [`name: ${name}`]),
      `above: ${both(above)}`,
      ...(up_to === null ? [] : [`up_to: ${both(up_to)}`]),
      `by: ${count} of ${of}`,
      `expires: ${expires}`,
      ...(passkey === true ? ['passkey: true'] : []),
    ]
    return `      - { ${more.join(', ')} }\n`
  })
  const refund = `  pay.refund:
    max: ${both(max)}
    attempts: 1000000
    holds_max: 10000
    budget: { name: customer, limit: ${both(budget)} per day, by: facts.charge.customer }
${require ? '    require: [{ that: input.amount <= facts.charge.amount - facts.charge.amount_refunded, else: More than is left. }]\n' : ''}${
    approval.length > 0 ? `    approval:\n${approval.join('')}` : ''
  }`
  return `role: agent
describe: The agent of the trial.${remark}
session: { lifetime: 2h }
issue_to: [{ issuer: demo, where: 'claims.sub == "bot"' }]
grants:
  pay.look:
${granted ? refund : ''}`
}

export const IDENTITY = `issuers:
  demo:
    dev: true
    accounts:
      dana: { name: Dana, groups: [finance, security] }
      omar: { name: Omar, groups: [finance, seniors] }
      ada: { name: Ada, groups: [finance, seniors] }
      sam: { name: Sam, groups: [security] }
      bot: {}
groups:
  finance: { issuer: demo, where: '"finance" in claims.groups' }
  seniors: { issuer: demo, where: '"seniors" in claims.groups' }
  security: { issuer: demo, where: '"security" in claims.groups' }
people: { view: [finance, security], freeze: [security], settle: [finance], export: [finance] }
sessions: { lifetime_max: 12h, live_per_principal: 100000 }
`
