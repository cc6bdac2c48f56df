import assert from 'node:assert/strict'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { toolsOf } from '../../gateway/doors/mcp/tools.ts'
import type { Policy } from '../../gateway/core/types.ts'
import { company } from '../house/company.ts'
import { house } from '../house/gateway.ts'
import type { House } from '../house/gateway.ts'
import { modern } from './mcp.ts'
import { VIEW } from './plain-gateway.ts'

interface Tool {
  readonly name: string
  readonly description: string
  readonly inputSchema: { readonly properties?: { readonly [name: string]: { readonly description?: string } } }
}

/**
 * About as many tokens as a model takes for a text: one for each short word, number or sign, more for long words; and at
 * least one for three characters, where tokenizers take about four of English. No tokenizer is asked: this is an estimate
 * that errs on the side of too many.
 */
const tokens = (text: string): number => {
  const pieces = text.match(/[A-Za-z]+|\d{1,3}|[^\sA-Za-z\d]/g) ?? []
  return Math.max(
    pieces.reduce((sum, piece) => sum + Math.ceil(piece.length / 6), 0),
    Math.ceil(text.length / 3),
  )
}

describe('what a model reads of the tools of the example company', () => {
  let dir: string
  let gate: House
  const tools = new Map<string, readonly Tool[]>()
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'keystay-'))
    const policies = join(dir, 'policies')
    await cp(join(import.meta.dirname, '../../policies'), policies, { recursive: true })
    const backends = await readFile(join(policies, 'backends.yaml'), 'utf8')
    await writeFile(join(policies, 'backends.yaml'), backends.replaceAll(/age:\/\/[a-z_/]+/g, 'env://KEYSTAY_TEST_KEY'))
    gate = await house({ dir, policies })
    for (const [role, account] of [
      ['support-agent', 'support-bot'],
      ['order-desk', 'order-bot'],
      ['returns-night', 'night-bot'],
    ] as const) {
      const bearer = `Bearer ${await gate.token(account, role)}`
      tools.set(role, (await modern(gate.running.agentUrl, bearer, 'tools/list')).body.result.tools)
    }
  })
  after(async () => {
    await gate.stop()
    await rm(dir, { recursive: true })
  })
  const each = () => [...tools].flatMap(([role, list]) => list.map((tool) => ({ role, ...tool })))

  it('is 40 to 400 characters of description a tool', () => {
    assert.ok(each().length >= 15)
    for (const { role, name, description } of each()) {
      assert.ok(description.length >= 40 && description.length <= 400, `${role} ${name}: ${description.length}`)
    }
  })

  it('is at most 200 tokens of words a tool: name, description, and what its arguments are', () => {
    for (const tool of each()) assert.ok(spentBy(tool) <= 200, `${tool.role} ${tool.name}: ${spentBy(tool)}`)
  })

  it('says what, when, the limits in words, and what happens above them', () => {
    const refund = tools.get('support-agent')?.find(({ name }) => name === 'stripe_refund')?.description
    assert.match(
      refund ?? '',
      /^Refund .* At most 200\.00 USD at once\. Above 50\.00 USD: 1 of finance must approve\. .*500\.00 USD per day\. .*Beyond a limit: denied\. Until approved: held, see call_status\. Acts once per request_key, for real\.$/,
    )
    const look = tools.get('order-desk')?.find(({ name }) => name === 'orders_get')?.description
    assert.match(look ?? '', /Reads only; changes nothing at the backend\.$/)
  })
})

function spentBy({ name, description, inputSchema }: Tool): number {
  const words = Object.entries(inputSchema.properties ?? {}).flatMap(([member, schema]) => [
    member,
    schema.description ?? '',
  ])
  return tokens([name, description, ...words].join('\n'))
}

/** Sixty actions under long names, with more words and limits than fit. */
const SIXTY = Array.from({ length: 60 }, (_, index) => `pay.correct_${'settlement_of_'.repeat(3)}batch_${index}`)

describe('what a model reads of the tools of a role with sixty long actions', function () {
  this.timeout(20_000)
  let where: Awaited<ReturnType<typeof company>>
  let gate: House
  let tools: readonly Tool[]
  before(async () => {
    const nowhere = 'http://127.0.0.1:9'
    where = await company(
      { pay: nowhere, shop: nowhere, blind: nowhere },
      { 'actions/sixty.yaml': SIXTY.map(longAction).join('---\n'), 'roles/sixty.yaml': longRole(SIXTY) },
    )
    gate = await house(where)
    const lists = [
      ['sixty', 'bot'],
      ['agent', 'bot'],
    ] as const
    const found: Tool[] = []
    for (const [role, account] of lists) {
      const bearer = `Bearer ${await gate.token(account, role)}`
      found.push(...(await modern(gate.running.agentUrl, bearer, 'tools/list')).body.result.tools)
    }
    tools = found
  })
  after(async () => {
    await gate.stop()
    await where.remove()
  })

  it('is 40 to 400 characters and at most 200 tokens of words a tool, and every name is its own', () => {
    assert.equal(tools.length, 60 + 4 + 4 + 4)
    for (const { name, description } of tools) {
      assert.ok(description.length >= 40 && description.length <= 400, `${name}: ${description.length}`)
    }
    for (const tool of tools) assert.ok(spentBy(tool) <= 200, `${tool.name}: ${spentBy(tool)}`)
    assert.equal(new Set(tools.slice(0, 64).map(({ name }) => name)).size, 64)
    for (const { name } of tools) assert.match(name, /^[A-Za-z0-9_-]{1,64}$/)
  })

  it('says what happens above the limits, however many there are', () => {
    for (const { description } of tools.slice(0, 60)) {
      assert.match(
        description,
        / At most 20\.00 USD at once\. .*Beyond a limit: denied\. Until approved: held, see call_status\./,
      )
    }
  })
})

const longAction = (name: string): string => `action: ${name}
describe: Correct a settlement. ${'It is done when the books of the month do not agree with the bank. '.repeat(8)}
effect: write
input:
  charge: { type: string, pattern: "^ch_[A-Za-z0-9]{1,64}$", description: The charge that was settled wrongly. }
  amount: { type: integer, minimum: 1 }
backend: pay
cost: { minor: input.amount, currency: '"USD"' }
request: { POST: /v1/corrections, form: { charge: "\${input.charge}", amount: "\${input.amount}" } }
output: { keep: [id] }
`
const longRole = (actions: readonly string[]): string => `role: sixty
describe: Corrects what was settled.
owners: [leads]
session: { lifetime: 2h }
issue_to: [{ issuer: demo, where: 'claims.sub == "bot"' }]
grants:
${actions
  .map(
    (name) => `  ${name}:
    max: 20.00 USD
    budget: [${['day', 'week', 'month'].map((per) => `{ name: per-${per}, limit: 900.00 USD per ${per} }`).join(', ')}]
    rate: 20 per hour
    approval:
${[2, 4, 6, 8, 10, 12].map((above) => `      - { above: ${above}.00 USD, by: 1 of finance, expires: 4h }`).join('\n')}`,
  )
  .join('\n')}
`

describe('a description that would be too long', () => {
  const of = (describe: string, limits: string) => {
    const action = { describe }
    const grant = { action: 'refund', max: [1], limits: [1], approval: [1] }
    const policy = {
      actions: new Map([['refund', action]]),
      roles: new Map([['r', { grants: new Map([['refund', grant]]) }]]),
    } as unknown as Policy
    return toolsOf(policy, 'r', [{ ...VIEW, description: `${describe.trim()} ${limits}`.trim() }])[0]?.description ?? ''
  }
  const end = 'Beyond a limit: denied. Until approved: held, see call_status. Acts once per request_key, for real.'

  it('loses the policy’s words before limits, and never what happens above them', () => {
    const said = of(`Refund a charge. ${'Read the handbook first. '.repeat(40)}`, 'At most 200.00 USD at once.')
    assert.ok(said.length <= 400 && said.length > 300, String(said.length))
    assert.ok(
      said.startsWith('Refund a charge. Read the handbook first.') &&
        said.endsWith(`first. At most 200.00 USD at once. ${end}`),
      said,
    )
  })

  it('says where the other limits are when there are too many', () => {
    const said = of('Refund a charge.', 'Above 50.00 USD: 1 of finance must approve. '.repeat(30))
    assert.ok(said.length <= 400 && said.endsWith(`must approve. More: limits. ${end}`), said)
  })

  it('is cut between words where there is no sentence, and is never too short', () => {
    const said = of('word '.repeat(300), 'limit '.repeat(300))
    assert.ok(said.length <= 400 && said.length >= 40, said)
    for (const short of ['', 'Go.']) assert.ok(of(short, '').length >= 40, of(short, ''))
  })
})
