import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compile } from '../../gateway/core/compile.ts'
import { testPolicy } from '../../gateway/core/policy-test.ts'
import { loadPolicy } from '../../gateway/policy-dir.ts'
import { changed, schemas } from './company.ts'
import { FEATURES, FEATURE_FILES } from './features.ts'

const ROOT = join(import.meta.dirname, '../..')
const POLICIES = join(ROOT, 'policies')

/** Places, messages and hints of a table for the role `money`, and what became of its cases. */
function run(table: string): { findings: string[]; cases: string[] } {
  const texts = Object.entries(FEATURES)
    .filter(([path]) => !path.includes('.test.'))
    .map(([path, text]) => ({ path, text }))
  const compiled = compile([...texts, { path: 't.test.yaml', text: table }], schemas, {
    files: new Map(Object.entries(FEATURE_FILES)),
  })
  assert.ok(compiled.ok)
  const { findings, cases } = testPolicy(compiled.policy)
  return {
    findings: findings.map(
      ({ line, column, message, hint }) => `${line}:${column} ${message}${hint === undefined ? '' : ` (${hint})`}`,
    ),
    cases: cases.map(({ differs }) => differs),
  }
}

const GIVEN = `tests: money
given: { call: pay.refund, input: { charge: ch_1, amount: 500 }, facts: { charge: { currency: usd, customer: c } } }
cases:
`

describe('the tables of the example company', () => {
  it('pass, and there is one for every role', async () => {
    const loaded = await loadPolicy(POLICIES)
    assert.ok(loaded.ok)
    const { findings, cases } = testPolicy(loaded.policy)
    assert.deepEqual(findings, [])
    assert.deepEqual(
      cases.filter(({ ok }) => !ok),
      [],
    )
    assert.deepEqual([...new Set(cases.map(({ role }) => role))].sort(), [...loaded.policy.roles.keys()].sort())
  })
})

describe('the table that the page about the language shows', () => {
  it('passes as it stands there', async () => {
    const page = await readFile(join(ROOT, 'docs/policy-language.md'), 'utf8')
    const table = /```yaml\n(tests:[^]*?)```/.exec(page)?.[1] ?? ''
    const loaded = await loadPolicy(POLICIES)
    assert.ok(loaded.ok)
    const { findings, cases } = testPolicy({ ...loaded.policy, texts: [{ path: 'shown.test.yaml', text: table }] })
    assert.deepEqual([findings, cases.map(({ differs }) => differs)], [[], ['', '', '', '']])
  })
})

describe('a table that is wrong', () => {
  const WRONG: readonly (readonly [cases: string, ...findings: string[]])[] = [
    [
      '- { it: a, call: pay.refnud, expect: allow }',
      '4:18 there is no action `pay.refnud` (did you mean `pay.refund`?)',
    ],
    [
      '- { it: a, input: { amuont: 1 }, expect: allow }',
      '4:21 `amuont` is not among the input of pay.refund (did you mean `amount`?)',
    ],
    [
      '- { it: a, facts: { chargee: {} }, expect: allow }',
      '4:21 `chargee` is not among the facts of pay.refund (did you mean `charge`?)',
    ],
    [
      '- { it: a, facts: { charge: { currencyy: usd } }, expect: allow }',
      '4:31 `currencyy` is not among what `facts.charge` keeps (did you mean `currency`?)',
    ],
    [
      '- { it: a, facts: { charge: { currency: 5 } }, expect: allow }',
      '4:29 facts.charge.currency should be a string, and is an integer',
    ],
    [
      '- { it: a, used: { al: 1.00 USD }, expect: allow }',
      '4:20 `al` is not among what can be used of this grant (did you mean `all`?)',
    ],
    [
      '- { it: a, used: { all: 1 USD }, expect: allow }',
      '4:25 "1 USD" does not have exactly the digits of USD (write 1.00 USD: USD has two digits)',
    ],
    [
      '- { it: a, used: { all: 1.00 GBP }, expect: allow }',
      '4:25 `all` is counted in USD and EUR and JPY, not in GBP (write 480.00 USD)',
    ],
    [
      '- { it: a, held: { attempts: 1 }, expect: allow }',
      '4:20 `attempts` is not among what can be held of this grant (there are: all, by-customer, much, holds_max, grants.pay.refund.all, grants.pay.refund.by-customer, grants.pay.refund.much, grants.pay.refund.holds_max)',
    ],
    [
      '- { it: a, switches: { incident: true }, expect: allow }',
      '4:24 `incident` is not among the switches (there are: all, role:money, role:counted, role:bounded, action:pay.refund, action:rows.delete)',
    ],
    [
      '- { it: a, session: { queue: vip }, expect: allow }',
      '4:23 `queue` is not among what sessions of money carry (there are none)',
    ],
    [
      '- { it: a, now: yesterday, expect: allow }',
      '4:17 "yesterday" is no instant (write it like 2026-01-15T12:00:00Z)',
    ],
    [
      '- { it: a, now: 2026-02-30T00:00:00Z, expect: allow }',
      '4:17 "2026-02-30T00:00:00Z" is no instant (write it like 2026-01-15T12:00:00Z)',
    ],
    ['- { it: a, expect: hold, by: 1 of finanse }', '4:35 there is no group `finanse` (did you mean `finance`?)'],
    ['- { it: a, expect: hold, by: finance }', '4:30 "finance" says not who (write 1 of GROUP)'],
    ['- { it: a, expect: deny, by: 1 of finance }', '4:26 `by` goes with `expect: hold` (take it out)'],
    [
      '- { it: a, expect: deny, because: grants.pay.refund.mx }',
      '4:35 no line of money is cited `grants.pay.refund.mx` (did you mean `grants.pay.refund.max`?)',
    ],
    ['- { it: a, expect: allow, because: error }', '4:27 `because` goes with hold and deny (take it out)'],
    ['- { it: a, expect: alow }', '4:20 `expect` must be one of: allow, hold, deny (did you mean `allow`?)'],
    ['- { it: a, expct: allow }', '4:12 unknown key `expct` (did you mean `expect`?)'],
    [
      '- { it: a, approved_by: [{ person: dana, groups: [finanse] }], expect: hold }',
      '4:51 there is no group `finanse` (did you mean `finance`?)',
    ],
    [
      '- { it: a, expect: allow }\n- { it: a, expect: allow }',
      '5:9 a case says this already (choose another sentence)',
    ],
    ['- { it: a, call: rows.delete, input: { ids: [] }, expect: deny }'],
  ]
  for (const [cases, ...findings] of WRONG) {
    it(`is told where: ${cases}`, () => assert.deepEqual(run(`${GIVEN}${cases}\n`).findings, findings))
  }

  it('is told when it is of no role, or says nothing', () => {
    assert.deepEqual(run('tests: mony\ncases: [{ it: a, expect: allow }]\n').findings, [
      '1:8 there is no role `mony` (did you mean `money`?)',
    ])
    assert.deepEqual(run('tests: money\ncases: []\n').findings, ['2:8 `cases` is empty'])
    assert.deepEqual(run('tests: money\ncases: [{ it: a, call: pay.refund, expect: allow }]\n').findings, [
      '2:15 the fact `charge` is not given (write `facts: { charge: … }` here or under `given`; null where it cannot be had)',
    ])
  })
})

describe('a line that asks for a passkey', () => {
  it('counts in a table only a yes that says it was signed with one', () => {
    const { texts, files } = changed({ file: 'role.yaml', from: 'expires: 4h', to: 'expires: 4h, passkey: true' })
    const table = `tests: agent
given:
  call: pay.refund
  input: { charge: ch_abcd, amount: 5001 }
  facts: { charge: { amount: 9000, currency: usd, customer: cus_1, disputed: false } }
cases:
  - { it: plain, approved_by: [{ person: dana, groups: [finance] }], expect: hold, by: 1 of finance }
  - { it: signed, approved_by: [{ person: dana, groups: [finance], passkey: true }], expect: allow }
`
    const compiled = compile([...texts, { path: 'agent.test.yaml', text: table }], schemas, { files })
    assert.ok(compiled.ok)
    const { findings, cases } = testPolicy(compiled.policy)
    assert.deepEqual([findings, cases.map(({ differs }) => differs)], [[], ['', '']])
  })
})

describe('a case that does not hold', () => {
  const FAILS: readonly (readonly [what: string, differs: string])[] = [
    ['input: { amount: 1001 }, expect: allow', 'expected allow, got hold'],
    ['expect: deny', 'expected deny, got allow'],
    ['input: { amount: 1001 }, expect: hold, by: 2 of finance', 'expected 2 of finance'],
    [
      'input: { amount: 5001 }, expect: deny, because: grants.pay.refund.all',
      'expected grants.pay.refund.all to say so',
    ],
    // What is refused for a mistake in the table itself passes for no refusal.
    [
      'input: { amount: "x" }, expect: deny',
      'it is refused for another reason than a rule: say `because: input_invalid` if that is meant',
    ],
    [
      'facts: { charge: { currency: null } }, expect: deny',
      'it is refused for another reason than a rule: say `because: error` if that is meant',
    ],
    ['facts: { charge: { currency: null } }, expect: deny, because: error', ''],
  ]
  for (const [what, differs] of FAILS) {
    it(`says how: ${what}`, () =>
      assert.deepEqual(run(`${GIVEN}  - { it: a, ${what} }\n`), { findings: [], cases: [differs] }))
  }
})

describe('`policy test`', function () {
  this.timeout(20_000)
  const keystay = (...words: string[]): Promise<{ code: number; out: string }> =>
    new Promise((resolve) => {
      const node = [process.execPath, [join(ROOT, 'gateway/cli/main.ts'), 'policy', 'test', ...words]] as const
      const child = execFile(...node, { env: { ...process.env, NO_COLOR: '1' } }, (_error, out) =>
        resolve({ code: child.exitCode ?? -1, out }),
      )
    })

  it('exits 0, and 4 when a case fails, a table is wrong, or nothing was tested; 3 for a bad policy', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'keystay-'))
    try {
      await cp(POLICIES, dir, { recursive: true })
      const at = ['--policies', dir]
      const [good, none] = await Promise.all([keystay(...at), keystay('nobody says this', ...at)])
      assert.deepEqual([good.code, none.code], [0, 4])
      assert.match(good.out, /^ok: \d+ cases of 3 roles, sha256:/)
      assert.match(none.out, /nothing was tested: no case contains "nobody says this"/)

      const role = join(dir, 'roles/order-desk.yaml')
      const text = await readFile(role, 'utf8')
      await writeFile(role, text.replace('== "open"', '!= "lost"'))
      const [failed, json] = await Promise.all([keystay(...at), keystay('order-desk', '--json', ...at)])
      assert.deepEqual([failed.code, json.code], [4, 4])
      assert.equal(
        failed.out,
        `roles/order-desk.test.yaml:9: order-desk leaves a shipped order alone
    expected  deny because grants.orders.cancel.require[0]
    got       allow
    differs   expected deny, got allow

FAILED: 1 of 39 cases
`,
      )
      const {
        ok,
        passed,
        failed: failures,
        cases,
      } = JSON.parse(json.out) as { ok: boolean; passed: number; failed: number; cases: unknown[] }
      assert.deepEqual([ok, passed, failures, cases.length], [false, 5, 1, 6])

      await writeFile(role, text.replace('role: order-desk', 'rol: order-desk'))
      assert.equal((await keystay(...at)).code, 3)
    } finally {
      await rm(dir, { recursive: true })
    }
  })
})
