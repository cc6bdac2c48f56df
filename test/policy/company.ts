import { adapters } from '../../adapters/index.ts'
import { compile } from '../../gateway/core/compile.ts'
import type { CompiledPolicy } from '../../gateway/core/compile.ts'
import type { AdapterSchemas } from '../../gateway/core/language.ts'
import type { PolicyText } from '../../gateway/core/types.ts'

export const schemas: AdapterSchemas = Object.fromEntries(adapters)

/** A small company that compiles without a finding; tests break it in one place. */
export const COMPANY: { readonly [path: string]: string } = {
  'backends.yaml': `backends:
  pay:
    adapter: http
    url: https://pay.example.com
    auth: { bearer: "vault://kv/pay#key" }
    idempotency: { header: Idempotency-Key, lives: 24h }
  shop: { adapter: http, url: "http://127.0.0.1:4243", private: true, auth: { header: X-Api-Key, value: "env://SHOP_KEY" } }
`,
  'identity.yaml': `issuers:
  cluster: { oidc: "https://kubernetes.default.svc", audience: keystay }
  staff: { jwks: ./keys/staff.json, issuer: "https://login.example.com", client_id: console, person: claims.sub }
groups:
  finance: { issuer: staff, where: '"finance" in claims.groups' }
  leads: { issuer: staff, where: '"leads" in claims.groups' }
people: { view: [finance, leads], settle: [finance] }
sessions: { lifetime_max: 8h }
`,
  'guardrails.yaml': `switches: { incident: false }
guardrails:
  - name: incident
    deny: switches.incident && action.effect != "read"
    else: Frozen.
`,
  'budgets.yaml': `budgets:
  goodwill: { limit: 2000.00 USD per day }
  customer-month: { limit: 300.00 USD per rolling 30d, by: customer }
`,
  'actions.yaml': `action: pay.refund
describe: Refund a charge.
effect: write
input:
  charge: { type: string, pattern: "^ch_[a-z]{4}$" }
  amount: { type: integer, minimum: 1 }
  note?: { type: string, sensitive: true }
backend: pay
facts:
  charge:
    GET: /v1/charges/\${input.charge}
    keep: { amount: integer, currency: string, customer: string, disputed: boolean }
cost: { minor: input.amount, currency: facts.charge.currency }
summary: Refund \${cost} on \${input.charge}
request:
  POST: /v1/refunds
  form: { charge: "\${input.charge}", amount: "\${input.amount}" }
recheck:
  GET: /v1/refunds?charge=\${input.charge}
  page: { after: last.id, while: output.has_more }
  happened: output.data.exists(r, r.call == call.id)
output: { keep: [id, amount] }
---
action: shop.get
describe: Look up an order.
effect: read
input:
  order: { type: string, format: uuid }
backend: shop
request: { GET: "/orders/\${input.order}" }
output: { keep: [id, status] }
`,
  'role.yaml': `role: agent
describe: Answers tickets.
prompt: prompts/agent.md
owners: [leads]
timezone: America/New_York
session: { lifetime: 2h }
issue_to:
  - issuer: cluster
    where: claims.sub == "system:serviceaccount:agents:support"
    carry: { queue: claims.queue }
grants:
  shop.get:
  pay.refund:
    max: 200.00 USD
    budget:
      - { name: daily, limit: 500.00 USD per day }
      - customer-month of facts.charge.customer
      - goodwill
    rate: 20 per hour
    require:
      - { that: "!facts.charge.disputed", else: The charge is in dispute. }
    approval:
      - { above: 50.00 USD, up_to: 150.00 USD, by: 1 of finance, expires: 4h }
      - { above: 100.00 USD per rolling 24h by facts.charge.customer, by: 1 of finance }
    next: [shop.get]
`,
}

export const FILES: { readonly [path: string]: string } = {
  'keys/staff.json': JSON.stringify({
    keys: [{ kty: 'OKP', crv: 'Ed25519', kid: 'a', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' }],
  }),
  'prompts/agent.md': '---\nactions: [shop.get, pay.refund]\n---\nYou answer tickets.\n',
}

/** One change of the company: in a file, a text that stands there once becomes another. */
export interface Change {
  readonly file: string
  readonly from: string
  readonly to: string
}

export function changed(...changes: readonly Change[]): { texts: PolicyText[]; files: Map<string, string> } {
  const all: { [path: string]: string } = { ...COMPANY, ...FILES }
  for (const { file, from, to } of changes) {
    const text = all[file] ?? ''
    if (text.split(from).length !== 2) throw new Error(`${JSON.stringify(from)} does not stand once in ${file}`)
    all[file] = text.replace(from, () => to)
  }
  const entries = Object.entries(all)
  return {
    texts: entries.filter(([path]) => path.endsWith('.yaml')).map(([path, text]) => ({ path, text })),
    files: new Map(entries.filter(([path]) => !path.endsWith('.yaml'))),
  }
}

export function compileChanged(...changes: readonly Change[]): CompiledPolicy {
  const { texts, files } = changed(...changes)
  return compile(texts, schemas, { files })
}
