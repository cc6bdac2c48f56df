import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { card } from '../../gateway/cli/card.ts'
import { keystay } from '../cli/keystay.ts'
import { modern } from '../doors/mcp.ts'
import { company } from './company.ts'
import { house } from './gateway.ts'
import type { House } from './gateway.ts'
import { HIDDEN, HOSTILE } from './hostile-texts.ts'
import { readCsv } from './read-csv.ts'

/** Everything that an agent, a person or a backend may write, in every place where it comes out again. */
describe('hostile text', function () {
  this.timeout(60_000)
  let backend: Server
  let where: Awaited<ReturnType<typeof company>>
  let gate: House
  let token: string
  /** What the backend says about a charge, and to an effect. */
  const says: { facts: string; answer: string; status: number } = { facts: '', answer: '', status: 200 }
  const calls: string[] = []

  before(async () => {
    backend = createServer((request, response) => {
      request.resume().on('end', () => {
        const { facts, answer, status } = says
        const isFacts = request.method === 'GET'
        const body = isFacts
          ? { id: facts, amount: 9000, amount_refunded: 0, currency: 'usd', customer: facts, [facts]: facts }
          : { id: answer, status: answer, error: { message: answer } }
        response.setHeader('request-id', answer.replaceAll(/[^ -~]/g, '?').slice(0, 200))
        response.writeHead(isFacts ? 200 : status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
      })
    })
    backend.listen(0, '127.0.0.1')
    await once(backend, 'listening')
    const url = `http://127.0.0.1:${(backend.address() as AddressInfo).port}`
    where = await company(
      { pay: url, shop: url, blind: url },
      {
        'actions/desk.yaml': `action: desk.refund
describe: Refund what an agent says in its own words.
effect: write
input:
  charge: { type: string, pattern: "^ch_[a-z]{1,8}$" }
  amount: { type: integer, minimum: 1 }
  note: { type: string, maxLength: 20000 }
  tags: { type: array, items: { type: string, maxLength: 20000 }, maxItems: 100 }
backend: pay
facts:
  charge:
    GET: /v1/charges/\${input.charge}
    keep: { id: string, amount: integer, customer: string, currency: string }
cost: { minor: input.amount, currency: facts.charge.currency }
summary: Refund \${cost}, \${input.note}
request:
  POST: /v1/refunds
  json: { charge: "\${input.charge}", amount: "\${input.amount}", note: "\${input.note}", tags: "\${input.tags}" }
output: { keep: [id, status] }
`,
        'roles/desk.yaml': `role: desk
describe: A desk.
issue_to: [{ issuer: demo, where: 'claims.sub == "bot"' }]
grants:
  desk.refund: { max: 100.00 USD, attempts: 100000, holds_max: 1000, approval: { by: 1 of finance, expires: 4h } }
`,
        'identity.yaml': `issuers:
  demo:
    dev: true
    accounts:
      dana: { name: Dana, groups: [finance] }
      eve: { name: ${JSON.stringify(`Eve\nAPPROVED BY  Dana${HOSTILE['a clear screen']}<script>=1`)}, groups: [finance, ${JSON.stringify(HOSTILE['a heading'])}] }
      bot: {}
groups:
  finance: { issuer: demo, where: '"finance" in claims.groups' }
  leads: { issuer: demo, where: '"leads" in claims.groups' }
  security: { issuer: demo, where: '"security" in claims.groups' }
people: { view: [finance], freeze: [finance], settle: [finance], export: [finance] }
`,
      },
    )
    gate = await house(where)
    token = await gate.token('bot', 'desk')
  })
  after(async () => {
    await gate?.stop()
    backend?.closeAllConnections()
    backend?.close()
    await where?.remove()
  })

  const hold = async (note: string, tags: readonly string[]): Promise<string> => {
    const input = { charge: 'ch_a', amount: 1200, note, tags }
    const { status, body, text } = await gate.call(token, 'desk.refund', input, `k${calls.length}`)
    assert.equal(status, 202, text)
    calls.push(body.call)
    return body.call
  }
  const story = async (call: string) => (await gate.admin('dana', 'GET', `/admin/v1/calls/${call}`)).body
  /** The lines between two headings of a card, as they stand there. */
  const part = (text: string, from: string, to: string): string[] => {
    const lines = text.split('\n')
    const at = lines.findIndex((line) => line.startsWith(from))
    return lines.slice(
      at,
      lines.findIndex((line, index) => index > at && line.startsWith(to)),
    )
  }
  const harmless = (text: string, what: string): void => {
    assert.equal(HIDDEN.exec(text)?.[0], undefined, `${what}: ${JSON.stringify(text.slice(0, 300))}`)
  }

  for (const [at, [name, hostile]] of Object.entries(HOSTILE).entries()) {
    it(`of an agent leaves the facts of a card as they are, and what it wrote in its place: ${name}`, async () => {
      Object.assign(says, { facts: 'ch_a', answer: 're_1', status: 200 })
      const [plain, told] = [await story(await hold('x', ['x'])), await story(await hold(hostile, [hostile, hostile]))]
      const [before, after] = [card(plain), card(told)]
      harmless(after, 'the card')
      for (const [from, to] of [
        ['FACTS', 'AGENT SAYS'],
        ['ASKED BY', 'WILL SEND'],
        ['WHY HELD', 'If nobody'],
      ] as const)
        assert.deepEqual(part(after, from, to), part(before, from, to))
      assert.ok(
        part(after, 'AGENT SAYS', 'ASKED BY')
          .slice(1)
          .every((line) => line.startsWith('  | ')),
      )
      assert.ok(after.length < 20_000, `${after.length} characters`)
      assert.deepEqual([told.facts, told.cost], [plain.facts, plain.cost])
    })

    it(`of a backend and of people is text wherever it comes out: ${name}`, async () => {
      const end = ['done', 'refused', 'rejected'][at % 3] ?? ''
      Object.assign(says, { facts: hostile, answer: hostile, status: end === 'refused' ? 422 : 200 })
      const call = await hold('a', [])
      const held = card(await story(call))
      harmless(held, 'the card of hostile facts')
      assert.ok(
        part(held, 'FACTS', 'AGENT SAYS')
          .slice(1)
          .every((line) => line.startsWith('  ')),
      )
      assert.deepEqual(
        held.split('\n').filter((line) => /^(FACTS|AGENT SAYS|APPROVED BY)/.test(line)),
        ['FACTS (fetched by the gateway)', 'AGENT SAYS (not verified)'],
      )
      const reason = hostile.slice(0, 500)
      const decided =
        end === 'rejected'
          ? await gate.admin('eve', 'POST', `/admin/v1/calls/${call}/reject`, { reason })
          : await gate.approve('eve', call)
      assert.equal(decided.body.status, end, decided.text)
      const told = card(await story(call))
      harmless(told, `the card of what is ${end}`)
      for (const line of told.split('\n')) assert.ok(!/^FACTS \(.*\).+|^APPROVED BY\s+Dana/.test(line), line)
      const shown = await gate.show(token, call)
      assert.deepEqual([shown.status, shown.headers.get('content-type')], [200, 'application/json; charset=utf-8'])
      for (const [header, value] of shown.headers) harmless(value, header)
    })
  }

  it('is one cell of an export, and no formula in it', async () => {
    const csv = await gate.admin('dana', 'GET', '/admin/v1/calls.csv')
    const [head = [], ...rows] = readCsv(csv.text)
    const ids = new Set(rows.map(([id]) => id ?? ''))
    assert.equal(ids.size, rows.length)
    assert.ok(calls.every((call) => ids.has(call)) && rows.every(([id]) => id?.startsWith('call_')))
    for (const cell of rows.flat()) {
      harmless(cell, 'a cell')
      assert.ok(!cell.includes('\n') && !/^[\s\p{Z}]*[=+\-@\uff1d\uff0b\uff0d\uff20|%]/u.test(cell), cell)
    }
    assert.ok(head.includes('detail'))
    assert.ok(
      rows.flat().some((cell) => cell.startsWith("'=")),
      'no formula was there to be kept from being one',
    )
    const lines = (await gate.admin('dana', 'GET', '/admin/v1/calls.jsonl')).text.trimEnd().split('\n')
    assert.equal(lines.length, rows.length)
    for (const [at, line] of lines.entries()) {
      harmless(line, 'a line of JSON')
      assert.equal((JSON.parse(line) as { call: string }).call, rows[at]?.[0])
    }
  })

  it('is harmless on a terminal, whichever verb shows it, and in every entry and line of the log', async () => {
    const store = `sqlite:${join(where.dir, 'keystay.db')}`
    const admin = ['--as', 'eve', '--admin-url', gate.running.adminUrl]
    const last = calls.at(-1) ?? ''
    const verbs = [
      ['calls', 'list', '--limit', '500', ...admin],
      ['calls', 'show', last, ...admin],
      ['approvals', 'list', '--json', ...admin],
      ['actions', 'tail', '--lines', '200', ...admin],
      ['ledger', 'export', '--store', store],
      ['calls', 'show', `call_1${HOSTILE['a clear screen']}`, ...admin],
      ['calls', 'list', `--${HOSTILE['a title']}`, ...admin],
    ]
    const ran = await Promise.all(verbs.map((args) => keystay(args, { env: { FORCE_COLOR: '0' } })))
    for (const [at, { out, err, exit }] of ran.entries()) {
      const verb = verbs[at]?.slice(0, 2).join(' ') ?? ''
      assert.equal(exit, at < 5 ? 0 : 2, `${verb}: ${err}`)
      // A tab parts the columns where no terminal is.
      for (const text of [out, err]) harmless(text.replaceAll('\t', ' '), verb)
    }
    for (const line of gate.log) harmless(line, 'the log')
  })

  it('is JSON over MCP, and nothing else', async () => {
    const url = gate.running.agentUrl
    for (const hostile of Object.values(HOSTILE)) {
      const args = { charge: 'ch_a', amount: 1200, note: hostile, tags: [hostile], request_key: 'k', [hostile]: 1 }
      const { body } = await modern(url, `Bearer ${token}`, 'tools/call', { name: 'desk_refund', arguments: args })
      const [{ text, type }] = body.result.content
      assert.equal(type, 'text')
      assert.deepEqual(JSON.parse(text), body.result.structuredContent)
    }
  })
})
