import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { parseArgs } from 'node:util'
import { Stryker } from '@stryker-mutator/core'
import { isSampled } from './mutant-runner.ts'

type MutantResult = Awaited<ReturnType<Stryker['runMutationTest']>>[number]

/**
 * `npm run mutate [-- FILE…]`: changes one thing at a time in a file of the core, and asks the tests whether they see it.
 *
 * `--share 0.3` asks about three of ten mutants, the same ones each time.
 *
 * Only tests stand here that are quick and speak of the file; those that kill most come first. A survivor may still be
 * seen by another test.
 */
const POLICY = [
  ...[
    'lines',
    'actions',
    'backends',
    'structure',
    'reading',
    'guardrails',
    'identity',
    'roles',
    'refused',
    'features',
    'routes',
    'example',
    'facts',
    'tools',
  ].map((test) => `policy/${test}`),
  'leases/policy',
  'notices/policy',
  'compat/second-shape',
  'adapters/postgres-policy',
]
/** Each compiles several policies: they see little that the rows of wrong policies do not, and cost more than all others. */
const LEFT_OUT = '^a hint (mends the file|takes its own)|always has its caret'
const STATES = [
  'entries',
  'fold',
  'touches',
  'arrows',
  'join',
  'leases',
  'notices',
  'visits',
  'renewal',
  'streams',
  'passkeys',
  'admit',
  'limits',
].map((test) => `core/${test}`)
const EXPRESSION = ['core/expression', 'core/expression-lint']

/** The first pattern that fits a file says which tests hold it. */
const TESTS: readonly (readonly [file: RegExp, tests: readonly string[]])[] = [
  [/^admit/, ['core/admit', 'core/fold']],
  [
    /^(weigh|cost|scope|card)\./,
    ['core/cost', 'core/scope', 'core/weigh', 'core/window', 'core/fold', 'policy/features'],
  ],
  [/^limits/, ['core/limits', 'core/fold']],
  [/^(money|window|redact|spelling)\./, ['core/money', 'core/window', 'core/redact', 'core/spelling']],
  [/^timezone/, ['core/window', 'core/weigh']],
  [/^template/, ['core/template']],
  [/^expression/, EXPRESSION],
  [/^(input-schema|policy\/(input-errors|pattern))/, ['policy/input-schema', ...EXPRESSION, ...POLICY]],
  [/^(policy-test|policy\/test)/, ['policy/policy-test', ...POLICY]],
  [/^(endpoint|policy\/compat)/, ['compat/parameters', 'compat/second-shape', ...POLICY]],
  [/^strict-json/, ['doors/read-json']],
  [/^(passkey|assertion|fold\/passkey)/, [...STATES, 'passkeys/ledger']],
  [/^notice-words/, ['core/notice-words']],
  [/^proof/, ['store/proof']],
  [/^(merkle|entry|checkpoint-note)/, ['store/merkle', 'store/entry', 'store/checkpoint-note']],
  [/^policy\/(member|place)/, [...EXPRESSION, 'core/template', ...POLICY]],
  [/^(policy\/|compile|route|language|tool)/, POLICY],
  [/^(fold|working|join|lease|session-over|notice|visit)/, STATES],
]

const KINDS = ['words', 'name', 'default', 'pattern', 'logic'] as const

/** https://stryker-mutator.io/docs/stryker-js/configuration/ */
const OPTIONS: ConstructorParameters<typeof Stryker>[0] = {
  plugins: ['./test/quality/mutant-runner.ts'],
  testRunner: 'mocha-in-process',
  coverageAnalysis: 'perTest',
  concurrency: 1,
  timeoutMS: 10_000,
  disableTypeChecks: false,
  allowConsoleColors: false,
  reporters: [],
  ignorePatterns: ['tsconfig*.json', '.ci', 'console', 'coverage', 'data', 'dist'],
}

const root = join(import.meta.dirname, '../..')
const { positionals: files, values } = parseArgs({ allowPositionals: true, options: { share: { type: 'string' } } })
const share = Number(values.share ?? 1)
if (files.length === 0) throw new Error('name files of gateway/core: npm run mutate -- admit.ts policy/grants.ts')

process.chdir(root)
const rows: string[] = []
for (const file of files) {
  const tests = TESTS.find(([pattern]) => pattern.test(file))?.[1]
  if (tests === undefined) throw new Error(`no tests are named for ${file}`)
  rows.push(rowOf(file, await mutantsOf(file, tests)))
}
console.log([`| file | mutants | killed | score | ${KINDS.join(' | ')} |`, `|${'---|'.repeat(9)}`, ...rows].join('\n'))

async function mutantsOf(file: string, tests: readonly string[]): Promise<readonly MutantResult[]> {
  // Outside the checkout: whoever looks at the tree meanwhile must not find a second, wrong one in it.
  const tempDirName = await mkdtemp(join(tmpdir(), 'keystay-mutants-'))
  try {
    const mutantTests = tests.map((test) => `test/${test}.test.ts`)
    const asked = { mutantTests, mutantTestsLeftOut: LEFT_OUT, mutantShare: share }
    const stryker = new Stryker({ ...OPTIONS, tempDirName, mutate: [`gateway/core/${file}`], ...asked })
    return (await stryker.runMutationTest()).filter(({ id }) => isSampled(id, share))
  } finally {
    await rm(tempDirName, { recursive: true, force: true })
  }
}

/** As stryker counts: what never ends is seen, what does not start is no mutant. */
function rowOf(file: string, mutants: readonly MutantResult[]): string {
  const text = readFileSync(join(root, 'gateway/core', file), 'utf8')
  const count = (...states: MutantResult['status'][]) => mutants.filter(({ status }) => states.includes(status)).length
  const kinds = new Map(KINDS.map((kind) => [kind, 0]))
  for (const mutant of mutants) {
    if (mutant.status !== 'Survived' && mutant.status !== 'NoCoverage') continue
    const kind = kindOf(mutant, text)
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
    const { line, column } = mutant.location.start
    const replacement = (mutant.replacement ?? '').replaceAll(/\s+/g, ' ').slice(0, 120)
    console.log(`${relative(root, mutant.fileName)}:${line}:${column} ${mutant.status}, ${kind}: ${replacement}`)
  }
  const killed = count('Killed', 'Timeout')
  const survived = count('Survived', 'NoCoverage')
  const score = ((100 * killed) / (killed + survived)).toFixed(1)
  return `| \`${file}\` | ${killed + survived} | ${killed} | ${score} % | ${[...kinds.values()].join(' | ')} |`
}

/** What was changed unseen: words for people, a short text such as a name, what stands in for a missing value, a pattern. */
function kindOf({ location: { start, end }, mutatorName }: MutantResult, text: string): (typeof KINDS)[number] {
  const lines = text.split('\n').slice(start.line - 1, end.line)
  const from = lines.join('\n').slice(start.column - 1)
  const original = from.slice(0, from.length - ((lines.at(-1) ?? '').length - (end.column - 1)))
  if (/^(''|""|``|\[\])$/.test(original) || mutatorName === 'OptionalChaining') return 'default'
  if (mutatorName === 'Regex') return 'pattern'
  if (mutatorName !== 'StringLiteral') return 'logic'
  return /\s/.test(original) ? 'words' : 'name'
}
