import { backendSchema, requestSchema } from '../../adapters/http/schema.ts'
import * as postgres from '../../adapters/postgres/schema.ts'
import { compile, formatFinding } from '../../gateway/core/compile.ts'
import type { Person, Policy } from '../../gateway/core/types.ts'
import { endpoint, LENT, LENT_RULES, NOTIFY, OPEN_HOLDS, WARE } from './offers.ts'
import type { World } from './world.ts'

/**
 * A company with few keys and tiny budgets, so that things collide, as a policy and as this file's own words about it:
 * what the oracle holds a decision against never comes from the code that decided.
 */
export interface Variant {
  readonly name: string
  readonly policy: Policy
  readonly rules: Rules
}

export interface Rules {
  /** role → action. */
  readonly grants: { readonly [role: string]: { readonly [action: string]: GrantRules } }
}

export interface GrantRules {
  /** Never more than this at once, in cents. */
  readonly ceiling?: number
  readonly limits: readonly LimitRules[]
  /** Who must say yes: so many of a group. */
  readonly needs: (amount: number, risky: boolean) => readonly { readonly count: number; readonly of: string }[]
}

export interface LimitRules {
  /** As an entry calls it. */
  readonly name: string
  readonly max: number
  /** `USD`: by cost; `calls`: one each. */
  readonly unit: 'USD' | 'calls'
  /** Counts the calls of all roles. */
  readonly shared: boolean
  readonly window: 'day' | 'rolling 1h' | 'minute' | 'at once'
}

/** What each backend promises, for the one that plays it. */
export const BACKENDS = {
  pay: { timeout_ms: 2000, lands_within_ms: 1000, lives_ms: 60_000 },
  shop: { timeout_ms: 1000, lands_within_ms: 2000, lives_ms: null },
  blind: { timeout_ms: 1000, lands_within_ms: 1000, lives_ms: null },
  /** Makes logins. */
  ware: { timeout_ms: 1000, lands_within_ms: 1000, lives_ms: null },
} as const
export type BackendName = keyof typeof BACKENDS

export const ACTIONS: {
  readonly [action: string]: { readonly backend: BackendName; readonly effect: 'read' | 'write' }
} = {
  'pay.refund': { backend: 'pay', effect: 'write' },
  'pay.look': { backend: 'pay', effect: 'read' },
  'shop.order': { backend: 'shop', effect: 'write' },
  'blind.note': { backend: 'blind', effect: 'write' },
}

export const PEOPLE: { readonly [name: string]: Person } = {
  dana: { id: 'demo:dana', name: 'Dana', groups: ['finance'] },
  omar: { id: 'demo:omar', name: 'Omar', groups: ['finance'] },
  /** Owns the roles: may not approve. */
  lee: { id: 'demo:lee', name: 'Lee', groups: ['finance', 'leads'] },
  sam: { id: 'demo:sam', name: 'Sam', groups: ['security'] },
  /** Asked for the call, and would approve it. */
  ann: { id: 'demo:ann', name: 'Ann', groups: ['finance'] },
}

/** Principals: `ann` is a person whom bot-a acts for. */
export const PRINCIPALS = [
  { principal: 'demo:bot-a|demo:ann', requester: 'demo:bot-a', acting_for: 'demo:ann' },
  { principal: 'demo:bot-b', requester: 'demo:bot-b', acting_for: null },
] as const

interface Shape {
  /** It stands at the door of another shape, lends logins and tells people by notices. */
  readonly later: boolean
  readonly daily: number
  readonly window: 'day' | 'rolling 1h'
  readonly company: number
  readonly rate: number
  readonly above: number
  /** How many of finance a large refund needs. */
  readonly large: number
  /** What is sent beside the rest: another request voids what was approved. */
  readonly mode: string
  readonly clerk: boolean
  readonly breaker: string
  readonly payRecheck: boolean
}

const BASE: Shape = {
  later: false,
  daily: 30_000,
  window: 'day',
  company: 45_000,
  rate: 5,
  above: 5000,
  large: 2,
  mode: 'plain',
  clerk: true,
  breaker: '{ open_after: 100%, of: 10000, for: 1s }',
  payRecheck: false,
}

const SHAPES: { readonly [name: string]: Shape } = {
  base: BASE,
  tight: { ...BASE, daily: 20_000, rate: 3, large: 3 },
  rolling: { ...BASE, window: 'rolling 1h', company: 60_000 },
  strict: { ...BASE, mode: 'strict', above: 2500, breaker: '{ open_after: 50%, of: 3, for: 2s }', payRecheck: true },
  closed: { ...BASE, clerk: false, large: 1 },
}

/** Larger than this is large: cents. */
const LARGE = 15_000
const CEILING = 20_000

const money = (cents: number): string => `${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, '0')} USD`

function textsOf(shape: Shape): { path: string; text: string }[] {
  const common = (name: BackendName): string =>
    `private: true, timeout: ${BACKENDS[name].timeout_ms}ms, lands_within: ${BACKENDS[name].lands_within_ms}ms, breaker: ${shape.breaker}`
  const files: { [path: string]: string } = {
    'backends.yaml': `backends:
  pay: { adapter: http, url: "http://127.0.0.1:1", auth: { bearer: "env://SIMULATED_KEY" }, idempotency: { header: Idempotency-Key, lives: ${BACKENDS.pay.lives_ms}ms }, ${common('pay')} }
  shop: { adapter: http, url: "http://127.0.0.1:2", auth: { bearer: "env://SIMULATED_KEY" }, ${common('shop')} }
  blind: { adapter: http, url: "http://127.0.0.1:3", auth: { bearer: "env://SIMULATED_KEY" }, ${common('blind')} }
${shape.later ? `  ware: { adapter: postgres, url: "postgres://127.0.0.1:5/ware", auth: { user: broker, password: "env://SIMULATED_KEY" }, ${common('ware')} }\n` : ''}`,
    'identity.yaml': `issuers:
  demo: { dev: true, accounts: { dana: { groups: [finance] }, bot-a: {}, bot-b: {} } }
groups:
  finance: { issuer: demo, where: '"finance" in claims.groups' }
  security: { issuer: demo, where: '"security" in claims.groups' }
  leads: { issuer: demo, where: '"leads" in claims.groups' }
people: { view: [finance, security], freeze: [security], settle: [finance], export: [finance] }
sessions: { lifetime_max: 12h, live_per_principal: 1000 }
`,
    'budgets.yaml': `budgets:
  company: { limit: "${money(shape.company)} per ${shape.window}" }
`,
    'guardrails.yaml': `switches: { incident: false }
guardrails:
  - { name: incident, deny: 'switches.incident && action.effect != "read"', else: Changes wait until the incident is closed. }
`,
    'actions.yaml': `action: pay.refund
describe: Refund a charge, in cents.
effect: write
input:
  charge: { type: string, pattern: "^ch_[0-9]{1,4}$" }
  amount: { type: integer, minimum: 1 }
  client: { type: string, maxLength: 200 }
backend: pay
facts:
  charge: { GET: "/v1/charges/\${input.charge}", keep: { risky: boolean } }
cost: { minor: input.amount, currency: USD }
summary: Refund \${cost} on \${input.charge}
request:
  POST: /v1/refunds
  json: { charge: "\${input.charge}", amount: "\${input.amount}", client: "\${input.client}", mode: ${shape.mode}, call: "\${call.id}" }
${shape.payRecheck ? RECHECK : ''}${shape.later ? endpoint('refunds') : ''}output: { keep: [id, client] }
---
action: pay.look
describe: Look at a charge.
effect: read
input:
  charge: { type: string, pattern: "^ch_[0-9]{1,4}$" }
  client: { type: string, maxLength: 200 }
backend: pay
request: { GET: "/v1/charges/\${input.charge}?client=\${input.client}" }
output: { keep: [risky] }
---
action: shop.order
describe: Place an order.
effect: write
input:
  amount: { type: integer, minimum: 1 }
  client: { type: string, maxLength: 200 }
backend: shop
request:
  POST: /v1/orders
  json: { amount: "\${input.amount}", client: "\${input.client}", call: "\${call.id}" }
${RECHECK}${shape.later ? endpoint('orders') : ''}output: { keep: [id, client] }
---
action: blind.note
describe: Write a note.
effect: write
input:
  amount: { type: integer, minimum: 1 }
  client: { type: string, maxLength: 200 }
backend: blind
request:
  POST: /v1/notes
  json: { amount: "\${input.amount}", client: "\${input.client}", call: "\${call.id}" }
output: { keep: [id, client] }
`,
    ...(shape.later ? { 'ware.yaml': WARE, 'notify.yaml': NOTIFY } : {}),
    'agent.yaml': role('agent', shape),
    ...(shape.clerk ? { 'clerk.yaml': role('clerk', shape) } : {}),
  }
  return Object.entries(files).map(([path, text]) => ({ path, text }))
}

const RECHECK = `recheck:
  GET: /v1/effects?call=\${call.id}
  page: { after: last.number, while: output.has_more }
  happened: output.data.exists(e, e.call == call.id)
`

function role(name: string, shape: Shape): string {
  return `role: ${name}
describe: The ${name} of the simulation.
owners: [leads]
session: { lifetime: 2h }
issue_to: [{ issuer: demo, where: 'claims.sub in ["bot-a", "bot-b"]' }]
grants:
  pay.look:
  pay.refund:
    max: ${money(CEILING)}
    budget:
      - { name: daily, limit: ${money(shape.daily)} per ${shape.window} }
      - company
    approval:
      - { above: ${money(shape.above)}, up_to: ${money(LARGE)}, by: 1 of finance, expires: 6s }
      - { above: ${money(LARGE)}, by: ${shape.large} of finance, expires: 12s }
      - { when: facts.charge.risky, by: 1 of security, expires: 9s }
    holds_max: 3
  shop.order:
    rate: ${shape.rate} per minute
  blind.note:
    rate: ${shape.rate} per minute
    attempts: 6
${shape.later ? LENT : ''}`
}

function rulesOf(shape: Shape): Rules {
  const rate: LimitRules = { name: 'rate', max: shape.rate, unit: 'calls', shared: false, window: 'minute' }
  const grants: { [action: string]: GrantRules } = {
    'pay.look': { limits: [], needs: () => [] },
    'pay.refund': {
      ceiling: CEILING,
      limits: [
        { name: 'daily', max: shape.daily, unit: 'USD', shared: false, window: shape.window },
        { name: 'company', max: shape.company, unit: 'USD', shared: true, window: shape.window },
        OPEN_HOLDS,
      ],
      needs: (amount, risky) => [
        ...(amount > shape.above && amount <= LARGE ? [{ count: 1, of: 'finance' }] : []),
        ...(amount > LARGE ? [{ count: shape.large, of: 'finance' }] : []),
        ...(risky ? [{ count: 1, of: 'security' }] : []),
      ],
    },
    'shop.order': { limits: [rate], needs: () => [] },
    'blind.note': { limits: [rate], needs: () => [] },
    ...(shape.later ? LENT_RULES : {}),
  }
  return { grants: shape.clerk ? { agent: grants, clerk: grants } : { agent: grants } }
}

const SCHEMAS = {
  http: { backend: backendSchema, request: requestSchema },
  postgres: { backend: postgres.backendSchema, request: postgres.requestSchema },
}

const compiled = new Map<boolean, readonly Variant[]>()

/** The policies of a world; compiled once. */
export function variants(world: World): readonly Variant[] {
  const later = world !== 'calls'
  const known = compiled.get(later)
  if (known !== undefined) return known
  const all = Object.entries(SHAPES).map(([name, shape]) => {
    const made = compile(textsOf({ ...shape, later }), SCHEMAS)
    if (!made.ok) throw new Error(made.findings.map(formatFinding).join('\n'))
    return { name, policy: made.policy, rules: rulesOf({ ...shape, later }) }
  })
  compiled.set(later, all)
  return all
}
