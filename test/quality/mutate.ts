import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { Stryker } from '@stryker-mutator/core'

type MutantResult = Awaited<ReturnType<Stryker['runMutationTest']>>[number]

/**
 * `npm run mutate [-- FILE…]`: changes one thing at a time in a file of the core, and asks the tests whether they see it.
 *
 * A mutant costs a start of mocha for each file of its tests, so only those stand here that are quick and speak of the
 * file; those that kill most come first. A survivor may still be seen by a slower test.
 */
const TESTS: { readonly [file: string]: readonly string[] } = {
  'admit.ts': ['admit', 'fold'],
  'weigh.ts': ['weigh'],
  'limits.ts': ['limits', 'fold'],
  'fold/attempt.ts': ['entries', 'fold'],
  'fold/open.ts': ['entries', 'fold'],
  'fold/people.ts': ['entries', 'fold'],
  'fold/session.ts': ['entries', 'fold'],
  'money.ts': ['money'],
  'window.ts': ['window'],
  'fold/policy.ts': ['fold', 'entries'],
  'redact.ts': ['redact'],
  'template.ts': ['template'],
  'template-path.ts': ['template'],
  'template-text.ts': ['template'],
  'expression-order.ts': ['expression'],
  'expression-guards.ts': ['expression'],
  'expression-operations.ts': ['expression', 'expression-lint'],
  'expression-lint.ts': ['expression-lint', 'expression'],
  'spelling.ts': ['spelling'],
  'merkle.ts': ['../store/merkle'],
  'entry.ts': ['../store/entry'],
  'checkpoint-note.ts': ['../store/checkpoint-note'],
}

const root = join(import.meta.dirname, '../..')
const asked = process.argv.slice(2)
const unknown = asked.filter((file) => !Object.hasOwn(TESTS, file))
if (unknown.length > 0) throw new Error(`no tests are named for ${unknown.join(', ')}`)

process.chdir(root)
const base = JSON.parse(await readFile('stryker.config.json', 'utf8')) as { tap: object }
const rows: string[] = []
for (const [file, tests] of Object.entries(TESTS)) {
  if (asked.length > 0 && !asked.includes(file)) continue
  rows.push(rowOf(file, await mutantsOf(file, tests)))
}
console.log(['| file | mutants | killed | survived | score |', '|---|---|---|---|---|', ...rows].join('\n'))

async function mutantsOf(file: string, tests: readonly string[]): Promise<readonly MutantResult[]> {
  // Outside the checkout: whoever looks at the tree meanwhile must not find a second, wrong one in it.
  const tempDirName = await mkdtemp(join(tmpdir(), 'keystay-mutants-'))
  try {
    const testFiles = tests.map((test) => join('test/core', `${test}.test.ts`))
    const tap = { ...base.tap, testFiles }
    return await new Stryker({ tempDirName, mutate: [`gateway/core/${file}`], tap }).runMutationTest()
  } finally {
    await rm(tempDirName, { recursive: true, force: true })
  }
}

/** As stryker counts: what never ends is seen, what does not start is no mutant. */
function rowOf(file: string, mutants: readonly MutantResult[]): string {
  const count = (...states: MutantResult['status'][]) => mutants.filter(({ status }) => states.includes(status)).length
  for (const mutant of mutants) {
    if (mutant.status !== 'Survived' && mutant.status !== 'NoCoverage') continue
    const { line, column } = mutant.location.start
    const replacement = (mutant.replacement ?? '').replaceAll(/\s+/g, ' ').slice(0, 120)
    console.log(`${relative(root, mutant.fileName)}:${line}:${column} ${mutant.status}: ${replacement}`)
  }
  const killed = count('Killed', 'Timeout')
  const survived = count('Survived', 'NoCoverage')
  const score = ((100 * killed) / (killed + survived)).toFixed(1)
  return `| \`core/${file}\` | ${killed + survived} | ${killed} | ${survived} | ${score} % |`
}
