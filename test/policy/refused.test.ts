import assert from 'node:assert/strict'
import { formatFinding } from '../../gateway/core/compile.ts'
import type { Finding } from '../../gateway/core/types.ts'
import { REFUSED, WARNED } from './bad-policies.ts'
import { changed, compileChanged, schemas } from './company.ts'
import type { Change } from './company.ts'
import { compile } from '../../gateway/core/compile.ts'
import type { CompiledPolicy } from '../../gateway/core/compile.ts'
import { follow, isMechanical } from './mend.ts'

const short = ({ file, line, column, message, hint }: Finding): readonly string[] => [
  `${file}:${line}:${column}`,
  message,
  ...(hint === undefined ? [] : [hint]),
]
const title = ({ file, to, from }: Change): string => JSON.stringify(to === '' ? `${file} without ${from}` : to)
const told = (compiled: CompiledPolicy): readonly Finding[] => (compiled.ok ? compiled.warnings : compiled.findings)
const findingsOf = (...changes: readonly Change[]): readonly Finding[] => told(compileChanged(...changes))

describe('a company without mistakes', () => {
  it('compiles without a finding', () => {
    assert.deepEqual(findingsOf(), [])
  })
})

describe('a mistake in a policy', () => {
  for (const bad of REFUSED) {
    it(`is refused at its place: ${title(bad)}`, () => {
      const compiled = compileChanged(bad)
      assert.equal(compiled.ok, false)
      assert.deepEqual(told(compiled).map(short), bad.findings)
    })
  }

  for (const bad of WARNED) {
    it(`is a warning, and the policy loads: ${title(bad)}`, () => {
      const compiled = compileChanged(bad)
      assert.equal(compiled.ok, true)
      assert.deepEqual(told(compiled).map(short), bad.findings)
      assert.ok(told(compiled).every(({ severity }) => severity === 'warning'))
    })
  }

  it('is shown with its line, a caret under it, and the hint', () => {
    const [finding] = findingsOf({ file: 'role.yaml', from: 'charge.disputed"', to: 'charge.dispute"' })
    assert.ok(finding !== undefined)
    assert.equal(
      formatFinding(finding),
      [
        'role.yaml:21:32: error: `facts.charge` has no member `dispute`',
        '          - { that: "!facts.charge.dispute", else: The charge is in dispute. }',
        '                                   ^^^^^^^',
        '    hint: did you mean `disputed`?',
      ].join('\n'),
    )
  })

  it('always has its caret under the place, and no control character in what is shown', () => {
    for (const bad of REFUSED) {
      for (const finding of findingsOf(bad)) {
        const [line = '', carets = ''] = finding.excerpt.split('\n')
        assert.match(carets, /^ *\^+$/)
        assert.ok(carets.length <= line.length + 1, formatFinding(finding))
        assert.doesNotMatch(formatFinding(finding).replaceAll('\n', ''), /\p{Cc}/u)
      }
    }
  })

  it('is found together with all others, whatever the order of the files', () => {
    const changes = [
      { file: 'role.yaml', from: 'owners: [leads]', to: 'owners: [laeds]' },
      { file: 'actions.yaml', from: 'minor: input.amount', to: 'minor: input.amuont' },
      { file: 'budgets.yaml', from: '2000.00 USD', to: '2000 USD' },
      { file: 'identity.yaml', from: 'settle: [finance]', to: 'settle: [finanse]' },
      { file: 'role.yaml', from: 'rate: 20 per hour', to: 'rat: 20 per hour' },
    ]
    const places = ['actions.yaml:13:22', 'budgets.yaml:2:22', 'identity.yaml:7:44', 'role.yaml:4:10', 'role.yaml:19:5']
    assert.deepEqual(
      findingsOf(...changes).map((finding) => short(finding)[0]),
      places,
    )
    const { texts, files } = changed(...changes)
    const backwards = compile(texts.toReversed(), schemas, { files })
    assert.deepEqual(backwards, { ok: false, findings: findingsOf(...changes) })
  })

  it('never shows a credential that was written where its name belongs', () => {
    const key = 'sk_test_51HqLyjWDarjtT1zdp7dc'
    for (const change of [
      { file: 'backends.yaml', from: '"vault://kv/pay#key"', to: key },
      { file: 'backends.yaml', from: '{ bearer: "vault://kv/pay#key" }', to: `{ bearr: ${key} }` },
      { file: 'backends.yaml', from: '{ bearer: "vault://kv/pay#key" }', to: key },
      {
        file: 'backends.yaml',
        from: '{ bearer: "vault://kv/pay#key" }',
        to: `{ basic: { user: u, password: ${key} }, x: 1 }`,
      },
      { file: 'backends.yaml', from: 'https://pay.example.com', to: `https://u:${key}@pay.example.com` },
    ]) {
      const shown = findingsOf(change).map(formatFinding).join('\n')
      assert.match(shown, /^backends\.yaml:\d+:\d+: error/)
      assert.ok(!shown.includes(key), shown)
    }
  })
})

/** What a hint cannot mend alone, because something else is wrong there too or the writer must choose. */
const NOT_ALONE: { readonly [to: string]: string } = {
  'effect: !!str write': 'the text is no effect either',
  'minimum: 12345678901234567890': 'a bound is a number',
  'action: pay.refund': 'one of two whole documents goes',
  'action: limits': 'the name is taken, and then unknown elsewhere',
  'breaker: { open_after: 0.5 }': 'a share is not a fraction',
  '${cost} ${has(input.note) ? input.note : ""}': 'the note is sensitive',
  'max: 200.00 USD or 180.00 EUR\n': 'shared budgets stand in another file',
}

describe('a hint', () => {
  const mechanical = REFUSED.filter(({ findings }) => findings.some(([, , hint]) => isMechanical(hint)))
  const alone = mechanical.filter(({ to }) => NOT_ALONE[to] === undefined)
  const free = REFUSED.filter(({ findings }) => findings.every(([, , hint]) => hint === undefined))

  it('says what to write for most mistakes; a finding without one says so by having none', () => {
    assert.ok(alone.length >= 80, `${alone.length}`)
    assert.ok(free.length >= 25, `${free.length}`)
    assert.deepEqual(
      Object.keys(NOT_ALONE).filter((to) => !mechanical.some((bad) => bad.to === to)),
      [],
    )
  })

  for (const bad of mechanical) {
    const reason = NOT_ALONE[bad.to]
    const does = reason === undefined ? 'mends the file' : `takes its own finding away (${reason})`
    it(`${does} when it is followed to the letter: ${title(bad)}`, () => {
      const { texts, files } = changed(bad)
      const all = new Map([...files, ...texts.map(({ path, text }) => [path, text] as const)])
      let open = findingsIn(all)
      const first = open.find(({ hint }) => isMechanical(hint))
      for (let edits = 0; edits < (reason === undefined ? 12 : 1); edits++) {
        const next = open.find(({ hint }) => isMechanical(hint))
        if (next === undefined) break
        follow(all, next)
        open = findingsIn(all)
      }
      if (reason === undefined) assert.deepEqual(open.map(short), [])
      else assert.ok(first !== undefined && !open.map(keyOf).includes(keyOf(first)))
    })
  }
})

function keyOf({ file, line, column, message }: Finding): string {
  return JSON.stringify([file, line, column, message])
}

function findingsIn(all: ReadonlyMap<string, string>): readonly Finding[] {
  const texts = [...all].map(([path, text]) => ({ path, text }))
  return told(compile(texts, schemas))
}
