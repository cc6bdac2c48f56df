/** The policy of the races: whoever loses one must have lost it for a reason that stands here. */

/** Roles that a race may need for itself: what one race does to its role is done to no other. */
export const ROLES = ['agent', 'brief', 'leaver', 'tight'] as const
export type Role = (typeof ROLES)[number]

interface Lines {
  readonly max?: string
  readonly count?: number
  readonly cost?: string
  /** Changes nothing but the bytes of the file. */
  readonly remark?: string
}

export function files(): { [path: string]: string } {
  return {
    'identity.yaml': `issuers:
  demo:
    dev: true
    accounts:
      dana: { name: Dana, groups: [finance] }
      omar: { name: Omar, groups: [finance] }
      ada: { name: Ada, groups: [finance] }
      sam: { name: Sam, groups: [security] }
      lee: { name: Lee, groups: [finance, leads] }
      bot: {}
groups:
  finance: { issuer: demo, where: '"finance" in claims.groups' }
  security: { issuer: demo, where: '"security" in claims.groups' }
  leads: { issuer: demo, where: '"leads" in claims.groups' }
people: { view: [finance, security], freeze: [security], settle: [finance], export: [finance] }
sessions: { lifetime_max: 12h, live_per_principal: 100000 }
`,
    'guardrails.yaml': 'switches: { incident: false }\nguardrails: []\n',
    'actions/shop.yaml': '',
    'actions/pay.yaml': action(),
    'roles/agent.yaml': role('agent'),
    'roles/brief.yaml': role('brief'),
    'roles/leaver.yaml': role('leaver'),
    'roles/tight.yaml': role('tight'),
  }
}

export function action({ cost = 'input.amount' }: Lines = {}): string {
  return `action: pay.refund
describe: Refund a charge, in cents.
effect: write
input:
  charge: { type: string, pattern: "^ch_[A-Za-z0-9]{1,64}$" }
  amount: { type: integer, minimum: 1 }
backend: pay
facts:
  charge:
    GET: /v1/charges/\${input.charge}
    keep: { id: string, amount: integer, amount_refunded: integer, currency: string, customer: string }
cost: { minor: ${cost}, currency: facts.charge.currency }
summary: Refund \${cost} on \${input.charge}
request:
  POST: /v1/refunds
  form: { charge: "\${input.charge}", amount: "\${input.amount}", metadata: { keystay_call: "\${call.id}" } }
output: { keep: [id, status] }
`
}

/** Up to 100.00 USD one of finance says yes, above it two; `brief` waits for them one second. */
export function role(name: Role, { max = '200.00', count = 1, remark = '' }: Lines = {}): string {
  const expires = name === 'brief' ? '1s' : '4h'
  return `role: ${name}
describe: An agent that races.${remark}
owners: [leads]
session: { lifetime: 2h }
issue_to: [{ issuer: demo, where: 'claims.sub in ["bot", "ada"]' }]
grants:
  pay.refund:
    max: ${max} USD
    attempts: 1000000
    holds_max: 10000
    budget: { name: daily, limit: 900000000.00 USD per day }
    approval:
      - { above: 50.00 USD, up_to: 100.00 USD, by: ${count} of finance, expires: ${expires} }
      - { above: 100.00 USD, by: 2 of finance, expires: ${expires} }
`
}
