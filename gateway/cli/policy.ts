import type { Command } from 'commander'
import { DEFAULTS } from '../config.ts'
import type { TestedCase } from '../core/policy-test.ts'
import type { Finding } from '../core/types.ts'
import type { Loaded } from '../policy-dir.ts'
import { EXIT, Failure } from './exit.ts'
import { printJson, screen } from './print.ts'
import { visible } from './visible.ts'

interface Options {
  readonly policies: string
  readonly json?: boolean
}

/**
 * `policy check` reads a policy directory as `serve` would, and says all that is wrong with it at once. `policy test`
 * runs its tables.
 */
export function policy(program: Command): void {
  const tools = program.command('policy').description('the security team’s tools')
  const verb = (name: string, says: string): Command =>
    tools
      .command(name)
      .description(says)
      .option('--policies <dir>', 'the policy directory', process.env['KEYSTAY_POLICIES'] || DEFAULTS.policies)
      .option('--json', 'one JSON value instead of text')
  verb('check', 'read the policy as serve would; every finding with its line').action(check)
  verb('test', 'run the tables of the policy: every *.test.yaml in the directory')
    .argument('[text]', 'only cases whose role, file or sentence contains this')
    .action(test)
}

async function test(text: string | undefined, options: Options): Promise<void> {
  const [loaded, { formatFinding }, { testPolicy }] = await Promise.all([
    load(options),
    import('../core/compile.ts'),
    import('../core/policy-test.ts'),
  ])
  if (!loaded.ok) {
    if (options.json) printJson({ ok: false, findings: loaded.findings, cases: [] })
    else for (const finding of loaded.findings) screen.out(`${formatFinding(finding)}\n\n`)
    throw new Failure(EXIT.policy_invalid, 'The policy is invalid; its tables were not run.')
  }
  const { cases: all, findings } = testPolicy(loaded.policy)
  const cases = text === undefined ? all : all.filter((tested) => matches(tested, text))
  const failed = cases.filter(({ ok }) => !ok)
  const ok = failed.length === 0 && findings.length === 0 && cases.length > 0
  if (!ok) process.exitCode = EXIT.policy_tests_failed
  if (options.json) {
    const passed = cases.length - failed.length
    return printJson({ ok, digest: loaded.policy.digest, passed, failed: failed.length, findings, cases })
  }
  for (const finding of findings) screen.out(`${formatFinding(finding)}\n\n`)
  for (const tested of failed) screen.out(`${failureOf(tested)}\n\n`)
  const roles = new Set(cases.map(({ role }) => role)).size
  if (ok) return screen.out(`ok: ${count(cases.length, 'case')} of ${count(roles, 'role')}, ${loaded.policy.digest}\n`)
  const bad = findings.length === 0 ? '' : `, ${count(findings.length, 'finding')}`
  if (cases.length > 0) return screen.out(`FAILED: ${failed.length} of ${count(cases.length, 'case')}${bad}\n`)
  const why = text === undefined ? 'there is no case in any *.test.yaml' : `no case contains ${JSON.stringify(text)}`
  screen.out(`FAILED: nothing was tested: ${why}${bad}\n`)
}

function matches({ file, role, it }: TestedCase, text: string): boolean {
  return [file, role, it].some((where) => where.includes(text))
}

/** What a case wanted and what came of it, one under the other. */
function failureOf({ file, line, role, it, expected, got, differs }: TestedCase): string {
  const words = (verdict: Partial<TestedCase['got']>): string =>
    [
      verdict.verdict ?? '',
      ...(verdict.by?.length ? [`by ${verdict.by.join(' and ')}`] : []),
      ...(verdict.because?.length ? [`because ${verdict.because.join(', ')}`] : []),
    ].join(' ')
  const rows = [
    `${file}:${line}: ${role} ${it}`,
    `    expected  ${words(expected)}`,
    `    got       ${words(got)}`,
    ...(got.message === '' ? [] : [`    says      ${got.message}`]),
    `    differs   ${differs}`,
  ]
  return rows.map(visible).join('\n')
}

/** Compiling needs the expression engine and every adapter; verbs that do not read policies start without them. */
async function load(options: Options): Promise<Loaded> {
  const { loadPolicy } = await import('../policy-dir.ts')
  return loadPolicy(options.policies).catch((error: Error) => {
    throw new Failure(EXIT.usage, error.message)
  })
}

async function check(options: Options): Promise<void> {
  const [loaded, { formatFinding }] = await Promise.all([load(options), import('../core/compile.ts')])
  const findings = loaded.ok ? loaded.warnings : loaded.findings
  if (!loaded.ok) process.exitCode = EXIT.policy_invalid
  if (options.json) {
    const summary = loaded.ok
      ? {
          digest: loaded.policy.digest,
          roles: [...loaded.policy.roles.keys()],
          actions: [...loaded.policy.actions.keys()],
        }
      : {}
    return printJson({ ok: loaded.ok, ...summary, findings })
  }
  for (const finding of findings) screen.out(`${formatFinding(finding)}\n\n`)
  screen.out(
    loaded.ok
      ? `ok: ${count(loaded.policy.roles.size, 'role')}, ${count(loaded.policy.actions.size, 'action')}${warned(findings)}, ${loaded.policy.digest}\n`
      : `FAILED: ${count(findings.filter((finding) => finding.severity === 'error').length, 'error')}${warned(findings)}\n`,
  )
}

function warned(findings: readonly Finding[]): string {
  const warnings = findings.filter((finding) => finding.severity === 'warning').length
  return warnings ? `, ${count(warnings, 'warning')}` : ''
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}
