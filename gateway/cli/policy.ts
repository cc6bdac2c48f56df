import type { Command } from 'commander'
import { DEFAULTS } from '../config.ts'
import type { Finding } from '../core/types.ts'
import { EXIT, Failure } from './exit.ts'
import { printJson, screen } from './print.ts'

interface Options {
  readonly policies: string
  readonly json?: boolean
}

/** `policy check`: reads a policy directory as `serve` would, and says all that is wrong with it at once. */
export function policy(program: Command): void {
  program
    .command('policy')
    .description('the security team’s tools')
    .command('check')
    .description('read the policy as serve would; every finding with its line')
    .option('--policies <dir>', 'the policy directory', process.env['KEYSTAY_POLICIES'] || DEFAULTS.policies)
    .option('--json', 'one JSON value instead of text')
    .action(check)
}

async function check(options: Options): Promise<void> {
  // Compiling needs the expression engine and every adapter; verbs that do not check policies start without them.
  const [{ loadPolicy }, { formatFinding }] = await Promise.all([
    import('../policy-dir.ts'),
    import('../core/compile.ts'),
  ])
  const loaded = await loadPolicy(options.policies).catch((error: Error) => {
    throw new Failure(EXIT.usage, error.message)
  })
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
