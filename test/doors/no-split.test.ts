import assert from 'node:assert/strict'
import type { ProblemBody } from '../../gateway/core/problem.ts'
import { startLying } from '../backends/lying.ts'
import type { LyingBackend } from '../backends/lying.ts'
import { company } from '../house/company.ts'
import { house } from '../house/gateway.ts'
import type { House } from '../house/gateway.ts'
import { modern } from './mcp.ts'
import { next } from './mechanic.ts'
import type { Attempt } from './mechanic.ts'

/** One kind of limit: how it is written, what uses it up, and amounts beyond it. */
interface Limit {
  readonly name: string
  readonly action?: string
  /** The keys of the grant. */
  readonly grant: string
  /** Amounts that are still let through, in this order. */
  readonly first?: readonly number[]
  readonly beyond: readonly number[]
  readonly code: string
}
const LIMITS: readonly Limit[] = [
  { name: 'max', grant: 'max: 20.00 USD', beyond: [2001, 3999, 9000], code: 'denied' },
  {
    name: 'budget',
    grant: 'max: 20.00 USD, budget: 30.00 USD per day',
    first: [2000],
    beyond: [1001, 2000],
    code: 'denied',
  },
  {
    name: 'budget-session',
    grant: 'max: 20.00 USD, budget: 30.00 USD per day by session',
    first: [1500, 1000],
    beyond: [501, 2000],
    code: 'denied',
  },
  {
    name: 'budget-requester',
    grant: 'max: 20.00 USD, budget: { name: mine, limit: 30.00 USD per rolling 24h by requester }',
    first: [1111, 1111],
    beyond: [779, 1999],
    code: 'denied',
  },
  {
    name: 'budget-charge',
    grant: 'max: 20.00 USD, budget: 30.00 USD per rolling 30d by facts.charge.id',
    first: [1999],
    beyond: [1002, 2000],
    code: 'denied',
  },
  { name: 'shared', grant: 'max: 20.00 USD, budget: [everybody]', first: [1700], beyond: [1400, 1500], code: 'denied' },
  {
    name: 'two-budgets',
    grant:
      'max: 20.00 USD, budget: [{ name: day, limit: 25.00 USD per day }, { name: week, limit: 26.00 USD per week }]',
    first: [2000],
    beyond: [601, 1999],
    code: 'denied',
  },
  { name: 'rate', grant: 'max: 20.00 USD, rate: 1 per hour', first: [1], beyond: [2, 2000], code: 'rate_limited' },
  {
    name: 'holds',
    grant: 'max: 20.00 USD, holds_max: 1, approval: [{ above: 5.00 USD, by: 1 of finance, expires: 4h }]',
    first: [501],
    beyond: [502, 2000],
    code: 'rate_limited',
  },
  {
    name: 'serialize',
    grant: 'max: 20.00 USD, serialize: input.charge, approval: [{ above: 5.00 USD, by: 1 of finance, expires: 4h }]',
    first: [501],
    beyond: [1, 2000],
    code: 'rate_limited',
  },
  {
    name: 'require',
    grant:
      'max: 200.00 USD, require: [{ that: input.amount <= facts.charge.amount - facts.charge.amount_refunded, else: That is more than is left of the charge. }]',
    first: [9000],
    beyond: [1001, 9999],
    code: 'denied',
  },
  { name: 'guardrail', grant: 'max: 200.00 USD', beyond: [15_001, 17_000, 20_000], code: 'denied' },
  {
    name: 'schema',
    action: 'pay.small',
    grant: 'max: 90.00 USD',
    beyond: [5001, 7000, 999_999],
    code: 'input_invalid',
  },
  { name: 'values', action: 'pay.tip', grant: 'max: 90.00 USD', beyond: [2001, 2500, 9999], code: 'input_invalid' },
  { name: 'vouchers', action: 'shop.voucher', grant: 'max: 3 vouchers', beyond: [4, 5, 900], code: 'denied' },
  { name: 'attempts', grant: 'max: 20.00 USD, attempts: 1', beyond: [1, 2000], code: 'rate_limited' },
]

const ACTIONS = `action: pay.small
describe: Refund a little, in cents.
effect: write
input:
  charge: { type: string, pattern: "^ch_[A-Za-z0-9]{1,64}$" }
  amount: { type: integer, minimum: 1, maximum: 5000, example: 250 }
backend: pay
cost: { minor: input.amount, currency: '"USD"' }
request: { POST: /v1/refunds, form: { charge: "\${input.charge}", amount: "\${input.amount}" } }
output: { keep: [id] }
---
action: pay.tip
describe: Give a tip of one of three sizes, in cents.
effect: write
input:
  charge: { type: string, pattern: "^ch_[A-Za-z0-9]{1,64}$" }
  amount: { enum: [500, 1000, 2000] }
backend: pay
cost: { minor: input.amount, currency: '"USD"' }
request: { POST: /v1/refunds, form: { charge: "\${input.charge}", amount: "\${input.amount}" } }
output: { keep: [id] }
---
action: shop.voucher
describe: Give out vouchers.
effect: write
input:
  charge: { type: string, pattern: "^ch_[A-Za-z0-9]{1,64}$" }
  amount: { type: integer, minimum: 1 }
backend: pay
cost: { count: input.amount, of: vouchers }
request: { POST: /v1/vouchers, form: { charge: "\${input.charge}", amount: "\${input.amount}" } }
output: { keep: [id] }
`
const ROLES = LIMITS.map(
  ({ name, action = 'pay.refund', grant }) => `role: ${name}
describe: Meets one limit.
owners: [leads]
session: { lifetime: 2h }
issue_to: [{ issuer: demo, where: 'claims.sub == "bot"' }]
grants:
  ${action}: { ${grant}, next: [blind.note] }
  blind.note:
`,
).join('---\n')
const GUARDRAILS = `switches: { incident: false }
guardrails:
  - name: night
    actions: [pay.refund]
    deny: session.role == "guardrail" && input.amount > 15000
    else: Nobody moves that much at night.
`

type Ask = (token: string, action: string, attempt: Attempt) => Promise<{ readonly problem: ProblemBody | null }>

describe('what is said of a limit', function () {
  this.timeout(60_000)
  let pay: LyingBackend
  let where: Awaited<ReturnType<typeof company>>
  let gate: House
  before(async () => {
    pay = await startLying()
    where = await company(
      { pay: pay.url, shop: pay.url, blind: pay.url },
      {
        'actions/limited.yaml': ACTIONS,
        'roles/limited.yaml': ROLES,
        'guardrails.yaml': GUARDRAILS,
        'budgets.yaml': 'budgets:\n  everybody: { limit: 30.00 USD per day }\n',
      },
    )
    gate = await house(where)
  })
  after(async () => {
    await gate.stop()
    await pay.close()
    await where.remove()
  })
  const DOORS: { readonly [name: string]: Ask } = {
    REST: async (token, action, { input, key }) => {
      const { body } = await gate.call(token, action, input, key ?? undefined)
      return { problem: 'code' in body ? body : null }
    },
    MCP: async (token, action, { input, key }) => {
      const params = { name: action.replaceAll('.', '_'), arguments: { ...(input as object), request_key: key } }
      const answer = await modern(gate.running.agentUrl, `Bearer ${token}`, 'tools/call', params, {
        capabilities: { extensions: { 'io.modelcontextprotocol/tasks': {} } },
      })
      const said = answer.body.result.structuredContent ?? {}
      return { problem: 'code' in said ? said : null }
    },
  }

  for (const [index, { name, action = 'pay.refund', first = [], beyond, code }] of LIMITS.entries()) {
    it(`${name}: is the same whatever was asked, has no number that is not public, and following it has no effect`, async () => {
      const token = await gate.token('bot', name)
      const charge = `ch_${index + 1}`
      let keys = 0
      const key = () => `${name}/${++keys}`
      const attempt = (amount: number): Attempt => ({ input: { charge, amount }, key: key(), headers: {}, query: '' })
      for (const amount of first) {
        assert.equal((await DOORS['REST']?.(token, action, attempt(amount)))?.problem ?? null, null)
      }
      const effects = () => pay.effects.filter(({ body }) => body['charge'] === charge).length
      const before = effects()
      const list = await gate.agent('/v1/actions', { headers: { authorization: `Bearer ${token}` } })
      const known = publicNumbers(list.body.actions)

      for (const [door, ask] of Object.entries(DOORS)) {
        const told: unknown[] = []
        for (const amount of beyond) {
          let asked = attempt(amount)
          for (let turn = 0; turn < 2; turn++) {
            const { problem } = await ask(token, action, asked)
            assert.ok(problem !== null, `${door}: ${amount} went through in turn ${turn}`)
            assert.equal(problem.code, code, JSON.stringify(problem))
            told.push(withoutIds(problem))
            assert.deepEqual(
              numbersIn(problem).filter((number) => !known.has(number)),
              [],
              problem.detail,
            )
            assert.ok(
              (problem.errors ?? []).every((error) => !('example' in error)),
              JSON.stringify(problem.errors),
            )
            assert.deepEqual(problem.next, ['blind.note'])
            // Whoever does not wait asks again at once.
            const step = next(asked, problem, key)
            if (step.kind !== 'again') break
            asked = step.attempt
          }
        }
        for (const one of told)
          assert.deepEqual(one, told[0], `${door}: the text tells what was asked, or what is left`)
        assert.equal(effects(), before, door)
      }
    })
  }
})

/** Every number that the list of a role's actions says, in amounts and in smallest units. */
function publicNumbers(actions: readonly { description: string; input_schema: object; limits: readonly object[] }[]) {
  const text = actions.flatMap(({ description, input_schema, limits }) => [
    description,
    JSON.stringify(input_schema),
    // What is used and left is public as well, and nothing that a text may say.
    JSON.stringify(limits.map((limit) => ({ ...limit, used: null, held: null, left: null, resets_at: null }))),
  ])
  return new Set(numbers(text.join(' ')))
}

/** Where a program could find an amount: not in ids, times, status and what it sent itself. */
function numbersIn({ title, detail, errors = [], next: others = [] }: ProblemBody): string[] {
  const wanted = errors.flatMap(({ want, example }) => [want, JSON.stringify(example) ?? ''])
  return numbers([title, detail, ...wanted, ...others].join(' '))
}

function numbers(text: string): string[] {
  return [...text.matchAll(/\d+(?:\.\d+)?/g)].map(([number]) => String(Number(number)))
}

function withoutIds({ call: _call, entry: _entry, retry_after: _after, resets_at: _at, errors, ...said }: ProblemBody) {
  return { ...said, errors: errors?.map(({ got: _got, ...error }) => error) }
}
