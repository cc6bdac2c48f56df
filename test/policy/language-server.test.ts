import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { changedFile, POLICIES, startLanguageServer } from './language-server.ts'
import type { LanguageServer } from './language-server.ts'

const FILES = readdirSync(POLICIES, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.yaml'))

describe('an editor with the YAML language server', function () {
  this.timeout(30_000)
  let server: LanguageServer
  before(async () => {
    server = await startLanguageServer()
  })
  after(() => server.stop())

  for (const path of FILES) {
    it(`finds nothing wrong with ${path} as it ships`, async () => {
      const text = readFileSync(join(POLICIES, path), 'utf8')
      assert.match(text, /^# yaml-language-server: \$schema=(\.\.\/)+docs\/policy\.schema\.json\n/)
      assert.deepEqual(await server.diagnose(path, text), [])
    })
  }

  const WRONG: readonly (readonly [path: string, from: string, to: string, says: RegExp])[] = [
    ['backends.yaml', 'lands_within: 30s', 'lands_witin: 30s', /lands_witin/],
    ['backends.yaml', 'private: true\n    auth: { bearer', 'private: maybe\n    auth: { bearer', /boolean/],
    ['identity.yaml', 'metrics: token', 'metrics: all', /token/],
    ['guardrails.yaml', 'deny: switches', 'dney: switches', /dney|deny/],
    ['budgets.yaml', 'by: customer', 'bye: customer', /bye/],
    ['actions/stripe.yaml', 'effect: write', 'effect: wirte', /write/],
    ['actions/stripe.yaml', 'undo: none ', 'undone: none ', /undone/],
    ['roles/support-agent.yaml', '    dry_run: true\n', '    dryrun: true\n', /dryrun/],
    ['roles/support-agent.yaml', 'next: [case.escalate]', 'next: case.escalate', /array/],
    ['roles/support-agent.test.yaml', 'tests: support-agent', 'test: support-agent', /Missing property/],
    [
      'roles/order-desk.test.yaml',
      'it: cancels an open order, expect: allow',
      'it: cancels an open order, expect: allowed',
      /allow/,
    ],
  ]
  for (const [path, from, to, says] of WRONG) {
    it(`marks the line of ${to.trim().split('\n')[0]} in ${path}`, async () => {
      const text = changedFile(path, from, to)
      const found = await server.diagnose(path, text)
      const line = text.slice(0, text.indexOf(to)).split('\n').length - 1
      const lines = found.map(({ range }) => range.start.line)
      assert.ok(
        found.some(({ message }) => says.test(message)),
        JSON.stringify(found),
      )
      assert.ok(
        lines.some((marked) => marked >= line && marked <= line + to.split('\n').length),
        `${line}: ${JSON.stringify(found)}`,
      )
    })
  }

  const OFFERED: readonly (readonly [path: string, from: string, to: string, offers: readonly string[]])[] = [
    ['backends.yaml', '    timeout: 10s\n', '    |\n', ['timeout', 'final']],
    ['guardrails.yaml', '    else: Changes', '    |\n    else: Changes', ['actions', 'mode', 'timezone']],
    ['actions/stripe.yaml', 'undo: none ', '|\nmore: none ', ['undo']],
    ['roles/support-agent.yaml', '    rate: 20 per hour\n', '    |\n', ['rate', 'serialize', 'holds_max', 'attempts']],
    ['roles/order-desk.yaml', 'prompt: prompts/order-desk.md\n', '|\n', ['prompt', 'timezone', 'extends']],
    ['roles/order-desk.test.yaml', '  call: orders.cancel\n', '  |\n', ['call', 'now', 'used', 'switches']],
  ]
  for (const [path, from, to, offers] of OFFERED) {
    it(`is offered ${offers.join(', ')} in ${path}`, async () => {
      const labels = await server.complete(path, changedFile(path, from, to))
      assert.deepEqual(
        offers.filter((label) => !labels.includes(label)),
        [],
        labels.join(),
      )
    })
  }

  it('is offered, at the beginning of a file, whatever a document may be', async () => {
    const modeline = '# yaml-language-server: $schema=../../docs/policy.schema.json\n'
    const labels = await server.complete('roles/new.yaml', `${modeline}|`)
    const kinds = ['action', 'backends', 'budgets', 'guardrails', 'issuers', 'role', 'tests']
    assert.deepEqual(
      kinds.filter((label) => !labels.includes(label)),
      [],
      labels.join(),
    )
  })

  it('is offered the values that a key may have', async () => {
    const labels = await server.complete(
      'actions/stripe.yaml',
      changedFile('actions/stripe.yaml', 'effect: write', 'effect: |'),
    )
    assert.deepEqual(
      ['lease', 'read', 'write'].filter((label) => !labels.includes(label)),
      [],
      labels.join(),
    )
  })

  const SHOWN: readonly (readonly [path: string, from: string, to: string, says: RegExp])[] = [
    ['backends.yaml', '    lands_within: 30s', '    lands|_within: 30s', /how late an effect may still appear/],
    ['roles/support-agent.yaml', 'timezone: UTC', 'time|zone: UTC', /calendar windows/],
    ['roles/support-agent.yaml', '    budget:\n', '    bud|get:\n', /most over time/],
    ['actions/stripe.yaml', 'replay: 7d', 'rep|lay: 7d', /./],
    ['roles/order-desk.test.yaml', 'tests: order-desk', 'te|sts: order-desk', /role/],
  ]
  for (const [path, from, to, says] of SHOWN) {
    it(`shows what ${to.trim().replace('|', '')} means in ${path}`, async () => {
      assert.match(await server.hover(path, changedFile(path, from, to)), says)
    })
  }
})
