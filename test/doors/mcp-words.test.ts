import assert from 'node:assert/strict'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { toolsOf } from '../../gateway/doors/mcp/tools.ts'
import type { Policy } from '../../gateway/core/types.ts'
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
 * About as many tokens as a model takes for a text: one for each short word, number or sign, more for long words. It errs
 * on the side of too many.
 */
const tokens = (text: string): number =>
  (text.match(/[A-Za-z]+|\d{1,3}|[^\sA-Za-z\d]/g) ?? []).reduce((sum, piece) => sum + Math.ceil(piece.length / 6), 0)

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
    for (const { role, name, description, inputSchema } of each()) {
      const words = Object.entries(inputSchema.properties ?? {}).flatMap(([member, schema]) => [
        member,
        schema.description ?? '',
      ])
      const spent = tokens([name, description, ...words].join('\n'))
      assert.ok(spent <= 200, `${role} ${name}: ${spent}`)
    }
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
