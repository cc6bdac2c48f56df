import assert from 'node:assert/strict'
import { compile } from '../../gateway/core/compile.ts'
import { COMPANY, FILES, schemas } from './company.ts'

const KB = 256
const fill = (unit: string, total = KB * 1024 - 10): string => unit.repeat(Math.floor(total / unit.length))
const action = (input: string): string =>
  (COMPANY['actions.yaml'] ?? '').replace('note?: { type: string, sensitive: true }', () => input)
const guardrail = (deny: string): string =>
  `guardrails:\n  - name: x\n    else: No.\n    deny: ${JSON.stringify(deny)}\n`

/** Files that would stall a careless reader. Each is refused, or loads, within a second. */
const HOSTILE: readonly (readonly [what: string, path: string, text: string])[] = [
  ['5 MB of comments', 'x.yaml', '# a\n'.repeat(1_250_000)],
  ['5 MB in one text', 'x.yaml', `role: ${'a'.repeat(5_000_000)}\n`],
  ['brackets 100,000 deep', 'x.yaml', `role: ${'['.repeat(100_000)}`],
  ['braces 50,000 deep', 'x.yaml', `role: ${'{a: '.repeat(50_000)}`],
  ['brackets closed again', 'x.yaml', `role: ${'['.repeat(60_000)}${']'.repeat(60_000)}`],
  ['dashes in a row', 'x.yaml', fill('- ')],
  ['question marks in a row', 'x.yaml', fill('? ')],
  ['maps ever deeper', 'x.yaml', Array.from({ length: 700 }, (_, i) => `${' '.repeat(i)}a:`).join('\n')],
  [
    'a billion laughs',
    'x.yaml',
    `a: &a [x, x, x, x, x, x, x, x, x]\n${'bcdefghij'
      .split('')
      .map((name, i) => `${name}: &${name} [${Array(9).fill(`*${'abcdefghi'[i]}`).join(', ')}]`)
      .join('\n')}\n`,
  ],
  ['60,000 keys', 'x.yaml', Array.from({ length: 25_000 }, (_, i) => `a${i}: 1`).join('\n')],
  ['one key 30,000 times', 'x.yaml', fill('role: 1\n')],
  ['anchors without end', 'x.yaml', fill('- &a 1\n')],
  ['quotes without end', 'x.yaml', fill('"')],
  ['colons without end', 'x.yaml', fill(': ')],
  ['colons and nothing', 'x.yaml', fill(':')],
  ['bars without end', 'x.yaml', fill('|\n')],
  ['percent signs', 'x.yaml', fill('%')],
  ['document marks', 'x.yaml', fill('---\n')],
  ['document marks with maps', 'x.yaml', fill('---\na: 1\n')],
  ['tabs', 'x.yaml', fill('\t')],
  ['commas in brackets', 'x.yaml', `role: [${fill(',')}`],
  ['backslashes', 'x.yaml', `role: "${fill('\\\\')}"`],
  ['NUL characters', 'x.yaml', fill('\0')],
  ['lone surrogates', 'x.yaml', fill('\ud800')],
  ['a regular expression that backtracks', 'actions.yaml', action('note?: { type: string, pattern: "^(a+)+$" }')],
  [
    'nested repeats',
    'actions.yaml',
    action('note?: { type: string, pattern: "^((((a{1,50}){1,50}){1,50}){1,50}){1,50}$" }'),
  ],
  [
    'a repeat just under the limit',
    'actions.yaml',
    action('note?: { type: string, pattern: "^([a-z]{999}){1}$", maxLength: 2000 }'),
  ],
  ['many alternatives', 'actions.yaml', action(`note?: { type: string, pattern: "^(${'(a|b|c)?'.repeat(60)})$" }`)],
  [
    'members 1,000 deep',
    'actions.yaml',
    action(`note?: ${'{ type: array, items: '.repeat(30)}{ type: string }${' }'.repeat(30)}`),
  ],
  ['a long condition', 'guardrails.yaml', guardrail(Array(300).fill('true').join(' && '))],
  ['a deep condition', 'guardrails.yaml', guardrail(`${'('.repeat(900)}true${')'.repeat(900)}`)],
  ['a condition of exclamation marks', 'guardrails.yaml', guardrail(`${'!'.repeat(1900)}true`)],
  ['a condition with a pattern that backtracks', 'guardrails.yaml', guardrail('session.id.matches("^(a+)+$")')],
  ['10,000 unknown keys', 'x.yaml', `role: x\n${Array.from({ length: 10_000 }, (_, i) => `k${i}: 1`).join('\n')}\n`],
  [
    'an enum of 5,000',
    'actions.yaml',
    action(`note?: { enum: [${Array.from({ length: 5000 }, (_, i) => `v${i}`).join(', ')}] }`),
  ],
  ['front matter that never ends', 'prompts/agent.md', `---\n${fill('a: 1\n')}`],
  [
    '500 roles that extend each other',
    'x.yaml',
    Array.from(
      { length: 500 },
      (_, i) => `role: r${i}\ndescribe: x\nissue_to: []\ngrants:\nextends: r${(i + 1) % 500}\n`,
    ).join('---\n'),
  ],
]

const CHAIN = Array.from(
  { length: 20_000 },
  (_, i) => `role: r${i}\ndescribe: x\nissue_to: []\ngrants:\nextends: r${i + 1}\n`,
)

describe('a hostile policy', () => {
  for (const [what, path, text] of HOSTILE) {
    it(`cannot stall the process: ${what}`, () => {
      const all = { ...COMPANY, ...FILES, [path]: text }
      const texts = Object.entries(all).map(([name, content]) => ({ path: name, text: content }))
      const before = process.cpuUsage()
      const compiled = compile(texts, schemas)
      const { user, system } = process.cpuUsage(before)
      assert.ok((user + system) / 1000 < 2000, `${(user + system) / 1000} ms of processor time`)
      if (!compiled.ok) {
        assert.ok(compiled.findings.length > 0 && compiled.findings.length <= 500)
        for (const { excerpt, message } of compiled.findings) assert.ok(excerpt.length < 500 && message.length < 1000)
      }
    })
  }

  it('cannot exhaust the stack with a chain of 20,000 roles', () => {
    const texts = Array.from({ length: 40 }, (_, i) => ({
      path: `${i}.yaml`,
      text: CHAIN.slice(i * 500, i * 500 + 500).join('---\n'),
    }))
    const compiled = compile(texts, schemas)
    assert.ok(!compiled.ok && compiled.findings.some(({ message }) => message === 'a role has at most 10 ancestors'))
  })

  it('is refused when it has too many files or too much text', () => {
    const small = Array.from({ length: 5001 }, (_, i) => ({ path: `${i}.yaml`, text: 'switches: {}\n' }))
    const large = Array.from({ length: 90 }, (_, i) => ({
      path: `${i}.yaml`,
      text: `# ${'x'.repeat(200_000)}\nswitches: {}\n`,
    }))
    for (const texts of [small, large]) {
      const compiled = compile(texts, schemas)
      assert.equal(compiled.ok, false)
      assert.match(
        compiled.ok ? '' : (compiled.findings[0]?.message ?? ''),
        /a policy has at most 5000 files and 16 MB/,
      )
    }
  })
})
