import { createHash } from 'node:crypto'
import { relative, resolve } from 'node:path'
import Mocha from 'mocha'

/**
 * A test runner for stryker: mocha within one process, which loads the tests once and then asks them about mutant after
 * mutant. Stryker's own does not know mocha 12, and a start of mocha for each mutant and file costs a hundred times as much.
 *
 * What runs in a hook counts as run by every test of its file. What runs both while a file is loaded and in a test is asked
 * of the test; only what runs at loading alone costs a process of its own.
 *
 * https://stryker-mutator.io/docs/stryker-js/guides/create-a-plugin/
 */
class MochaInProcess {
  static readonly inject = ['options'] as const
  readonly #files: readonly string[]
  readonly #left_out: RegExp
  readonly #share: number
  #mocha: Mocha | undefined

  constructor({ mutantTests, mutantTestsLeftOut, mutantShare }: Options) {
    this.#share = mutantShare
    this.#files = mutantTests
    this.#left_out = new RegExp(mutantTestsLeftOut)
  }

  capabilities() {
    return { reloadEnvironment: false }
  }

  async dryRun() {
    const { tests, failed } = await run(await this.#load(), (title) => !this.#left_out.test(title))
    const failure = failed?.err?.stack
    const status = ({ state }: Mocha.Test) => (state === 'passed' ? 0 : state === 'failed' ? 1 : 2)
    const results = tests.map((test) => ({
      id: test.fullTitle(),
      name: test.fullTitle(),
      timeSpentMs: test.duration ?? 0,
      status: status(test),
      failureMessage: failure ?? '',
    }))
    return failed === undefined || results.some((result) => result.status === 1)
      ? { status: 'complete', tests: results, mutantCoverage: byTest(tests, instrumented()) }
      : { status: 'error', errorMessage: `${failed.title}: ${failure}` }
  }

  async mutantRun({ activeMutant, testFilter, hitLimit, mutantActivation }: MutantRun) {
    if (!isSampled(activeMutant.id, this.#share)) return { status: 'error', errorMessage: 'not in the sample' }
    const namespace = instrumented()
    if (mutantActivation === 'static') namespace.activeMutant = activeMutant.id
    try {
      const mocha = await this.#load()
      namespace.activeMutant = activeMutant.id
      Object.assign(namespace, { hitLimit, hitCount: hitLimit === undefined ? undefined : 0 })
      const titles = testFilter && new Set(testFilter)
      const { tests, failed } = await run(mocha, (title) => titles?.has(title) ?? !this.#left_out.test(title))
      const ran = { nrOfTests: tests.length }
      if (hitLimit !== undefined && (namespace.hitCount ?? 0) > hitLimit) return { status: 'timeout' }
      if (failed === undefined) return { status: 'survived', ...ran }
      return { status: 'killed', killedBy: [failed.fullTitle()], failureMessage: failed.err?.message ?? '', ...ran }
    } catch (error) {
      // The tests could not even be loaded.
      return { status: 'killed', killedBy: [], failureMessage: String(error), nrOfTests: 0 }
    } finally {
      delete namespace.activeMutant
    }
  }

  async #load(): Promise<Mocha> {
    if (this.#mocha !== undefined) return this.#mocha
    const mocha = new Mocha({ bail: true, timeout: 20_000, reporter: Silence })
    for (const file of this.#files) mocha.addFile(resolve(file))
    mocha.cleanReferencesAfterRun(false)
    await mocha.loadFilesAsync()
    this.#mocha = mocha
    return mocha
  }
}

class Silence extends Mocha.reporters.Base {
  override epilogue(): void {}
}

interface Options {
  readonly mutantTests: readonly string[]
  /** A pattern of the titles of tests that cost much and see little; none when it never matches. */
  readonly mutantTestsLeftOut: string
  /** How many of all mutants are asked about, from 0 to 1. */
  readonly mutantShare: number
}

/** The same mutants of the same file, whenever it is asked. @param id stryker's, which counts them. */
export function isSampled(id: string, share: number): boolean {
  return createHash('sha256').update(id).digest().readUInt32BE() < share * 2 ** 32
}

interface MutantRun {
  readonly activeMutant: { readonly id: string }
  readonly testFilter?: readonly string[]
  readonly hitLimit?: number
  readonly mutantActivation: 'runtime' | 'static'
}

type Hits = { [mutant: string]: number }
interface Coverage {
  readonly static: Hits
  readonly perTest: { readonly [test: string]: Hits }
}
/** What stryker's instrumented code reads and writes. */
interface Namespace {
  activeMutant?: string
  currentTestId?: string
  hitCount?: number
  mutantCoverage?: Coverage
}

const STRYKER: { __stryker__?: Namespace } & typeof globalThis = globalThis

function instrumented(): Namespace {
  return (STRYKER.__stryker__ ??= {})
}

const hooksOf = (file: string | undefined) => `hooks of ${relative('.', file ?? '.')}`

/** The first test or hook that failed, after which nothing runs. */
async function run(mocha: Mocha, isChosen: (title: string) => boolean) {
  class Chosen extends RegExp {
    override test(title: string): boolean {
      return isChosen(title)
    }
  }
  mocha.grep(new Chosen(''))
  const namespace = instrumented()
  const tests: Mocha.Test[] = []
  let failed: Mocha.Test | undefined
  await new Promise<void>((done) => {
    const runner = mocha.run(() => done())
    runner.on('suite', ({ file }) => (namespace.currentTestId = hooksOf(file)))
    runner.on('test', (test) => (namespace.currentTestId = test.fullTitle()))
    runner.on('test end', (test) => {
      namespace.currentTestId = hooksOf(test.file)
      tests.push(test)
    })
    runner.on('fail', (test) => (failed ??= test))
  })
  return { tests, failed }
}

function byTest(tests: readonly Mocha.Test[], { mutantCoverage }: Namespace): Coverage {
  const hits = mutantCoverage ?? { static: {}, perTest: {} }
  const perTest = Object.fromEntries(
    tests.map((test) => [test.fullTitle(), { ...hits.perTest[hooksOf(test.file)], ...hits.perTest[test.fullTitle()] }]),
  )
  const inTests = new Set(Object.values(perTest).flatMap((each) => Object.keys(each)))
  const atLoading = Object.entries(hits.static).filter(([mutant]) => !inTests.has(mutant))
  return { static: Object.fromEntries(atLoading), perTest }
}

export const strykerPlugins = [{ kind: 'TestRunner', name: 'mocha-in-process', injectableClass: MochaInProcess }]

export const strykerValidationSchema = {
  properties: {
    mutantTests: { type: 'array', items: { type: 'string' }, default: [] },
    mutantTestsLeftOut: { type: 'string', default: '^$' },
    mutantShare: { type: 'number', default: 1 },
  },
}
