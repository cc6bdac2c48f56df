import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** So many of each; the last role and the last action were used in the first days alone. */
export const ROLES = 40
export const ACTIONS = 60
/** Above the first a person is asked, above the second it is refused; minor units. */
export const ASKS_ABOVE = 50_000
export const MOST = 200_000

export function roleAt(at: number): string {
  return `agent-${String(at).padStart(2, '0')}`
}

/** The last four of each ten are in euros, the last of them only look. */
export function actionAt(at: number): string {
  return `shop.do-${String(at).padStart(2, '0')}`.replace('-', '_')
}

export function looksOnly(action: number): boolean {
  return action % 10 === 9
}

export function unitOf(action: number): 'USD' | 'EUR' {
  return action % 10 < 6 ? 'USD' : 'EUR'
}

/** A fifth of the actions each; what is of the last role is granted to no other. */
export function grantsOf(role: number): readonly number[] {
  if (role === ROLES - 1) return [ACTIONS - 2]
  return Array.from({ length: ACTIONS }, (_, at) => at).filter(
    (at) => (at * 7 + role * 3) % 5 === 0 && at !== ACTIONS - 2,
  )
}

/** @param backend of the test, which knows repeats. */
export async function writeMillion(policies: string, backend: string): Promise<void> {
  for (const [path, text] of Object.entries(filesOf(backend))) {
    await mkdir(join(policies, path, '..'), { recursive: true })
    await writeFile(join(policies, path), text)
  }
}

function filesOf(backend: string): { readonly [path: string]: string } {
  return {
    'backends.yaml': `backends:
  shop: { adapter: http, url: "${backend}", auth: { bearer: "env://KEYSTAY_TEST_KEY" }, idempotency: { header: Idempotency-Key, lives: 24h }, request_id: Request-Id, private: true, timeout: 5s, lands_within: 1s }
`,
    'identity.yaml': `issuers:
  demo:
    dev: true
    accounts:
      dana: { name: Dana, groups: [finance] }
      omar: { name: Omar, groups: [finance] }
      sam: { name: Sam, groups: [security] }
      bot: {}
groups:
  finance: { issuer: demo, where: '"finance" in claims.groups' }
  security: { issuer: demo, where: '"security" in claims.groups' }
people: { view: [finance, security], freeze: [security], settle: [finance], export: [finance] }
sessions: { lifetime_max: 24h, live_per_principal: 100000 }
`,
    'guardrails.yaml': `switches: { incident: false }
guardrails:
  - name: incident
    deny: switches.incident && action.effect != "read"
    else: Changes are frozen until the incident is closed.
`,
    'actions/shop.yaml': Array.from({ length: ACTIONS }, (_, at) => actionOf(at)).join('---\n'),
    ...Object.fromEntries(Array.from({ length: ROLES }, (_, at) => [`roles/${roleAt(at)}.yaml`, roleOf(at)] as const)),
  }
}

function actionOf(at: number): string {
  if (looksOnly(at))
    return `action: ${actionAt(at)}
describe: Look at an order (${at}).
effect: read
input:
  order: { type: string, pattern: "^or_[A-Za-z0-9]{1,64}$" }
backend: shop
request: { GET: "/v1/charges/\${input.order}" }
output: { keep: [id, amount] }
`
  return `action: ${actionAt(at)}
describe: Give money back for an order (${at}), in cents.
effect: write
input:
  order: { type: string, pattern: "^or_[A-Za-z0-9]{1,64}$" }
  amount: { type: integer, minimum: 1 }
  note?: { type: string, maxLength: 500, sensitive: true }
backend: shop
cost: { minor: input.amount, currency: ${unitOf(at)} }
summary: Give back \${cost} for \${input.order}
request:
  POST: /v1/refunds
  form: { order: "\${input.order}", amount: "\${input.amount}", metadata: { keystay_call: "\${call.id}" } }
output: { keep: [id, amount, status] }
`
}

function roleOf(role: number): string {
  const grants = grantsOf(role).map((at) => {
    if (looksOnly(at)) return `  ${actionAt(at)}:\n`
    const unit = unitOf(at)
    return `  ${actionAt(at)}:
    max: ${MOST / 100}.00 ${unit}
    budget: { name: daily, limit: 90000000.00 ${unit} per day }
    approval: { above: ${ASKS_ABOVE / 100}.00 ${unit}, by: 1 of finance, expires: 2400h }
`
  })
  return `role: ${roleAt(role)}
describe: Agent number ${role}.
owners: [security]
session: { lifetime: 12h }
issue_to: [{ issuer: demo, where: 'claims.sub == "bot"' }]
grants:
${grants.join('')}`
}
