import { homedir } from 'node:os'
import { styleText } from 'node:util'
import type { Command } from 'commander'
import { ConfigError, DEFAULTS, serveOptions, type ServeFlags } from '../config.ts'
import type { Policy } from '../core/types.ts'
import type { ServeOptions } from '../main.ts'
import { storeAddress } from '../store/address.ts'
import { fail, ok, warn, why, type Finding } from './doctor/finding.ts'
import { checkSources, fixOf } from './doctor/sources.ts'
import { needsOf } from '../have-secrets.ts'
import { EXIT, Failure } from './exit.ts'
import { printJson, screen } from './print.ts'
import { visible } from './visible.ts'

type Flags = ServeFlags & { readonly json?: boolean }

/** `doctor`: everything that `serve` needs, looked at without starting or changing anything; one line each, one fix each. */
export function doctor(program: Command): void {
  program
    .command('doctor')
    .description('check all that serve needs, with one fix for each finding; the flags are those of serve')
    .option('--policies <dir>', `the policy directory (${DEFAULTS.policies})`)
    .option('--store <store>', `where the ledger is kept (${DEFAULTS.store})`)
    .option('--listen <host:port>', `for agents (${DEFAULTS.listen})`)
    .option('--admin-listen <host:port>', `for people (${DEFAULTS.adminListen})`)
    .option('--secrets <sources>', `age:FILE,vault:URL,aws:REGION,file:DIRECTORY,env: (${DEFAULTS.secrets})`)
    .option('--ledger-key <ref>', 'secret ref of the key that signs the ledger')
    .option('--dev', 'as serve --dev')
    .option('--json', 'one JSON value instead of text')
    .action(examine)
}

async function examine({ json, ...flags }: Flags): Promise<void> {
  const options = usable(flags)
  const findings: Finding[] = []
  const tell = (found: Finding | readonly Finding[]) => {
    for (const finding of [found].flat()) {
      findings.push(finding)
      if (!json) screen.out(lineOf(finding))
    }
  }
  const [
    { checkNode, checkClock, checkPorts },
    { checkStore, checkLedger },
    { checkDatabase },
    { checkLimits },
    { checkLeases },
    { checkNotices },
    { checkBackends },
    { checkKeys },
  ] = await Promise.all([
    import('./doctor/machine.ts'),
    import('./doctor/store.ts'),
    import('./doctor/database.ts'),
    import('./doctor/limits.ts'),
    import('./doctor/leases.ts'),
    import('./doctor/notices.ts'),
    import('./doctor/backends.ts'),
    import('./doctor/keys.ts'),
  ])
  const address = storeAddress(options.store)
  tell(checkNode())
  const shared = address?.kind === 'postgres' ? await checkDatabase(address.url) : null
  // Where it cannot be reached, what is in it cannot be looked at.
  const away = shared?.some(({ level }) => level === 'fail') === true
  const ledger = away ? { findings: [], newest: null } : await checkLedger(options)
  tell(checkClock(ledger.newest))
  tell(await checkPorts(options))
  tell(shared ?? (await checkStore(address?.kind === 'sqlite' ? address.file : options.store)))
  tell(ledger.findings)
  if (!away) tell(await checkLimits(options.store))
  if (!away) tell(await checkLeases(options.store))
  if (!away) tell(await checkNotices(options.store))
  const { policy, findings: said } = await checkPolicy(options)
  tell(said)
  tell(await checkSecrets(options, policy))
  tell(checkSources(options.secrets, process.env))
  if (policy !== null) tell(await checkBackends(policy.backends))
  tell(await checkKeys(process.cwd(), homedir(), process.env))

  const count = (level: Finding['level']) => findings.filter((finding) => finding.level === level).length
  if (count('fail') > 0) process.exitCode = EXIT.check_failed
  if (json) return printJson({ ok: count('fail') === 0, findings })
  screen.out(
    count('fail') + count('warn') === 0 ? 'All is well.\n' : `${count('fail')} to mend, ${count('warn')} to look at.\n`,
  )
}

async function checkPolicy(options: ServeOptions): Promise<{ policy: Policy | null; findings: Finding[] }> {
  const { loadPolicy } = await import('../policy-dir.ts')
  const see = `See keystay policy check --policies ${options.policies}`
  try {
    const loaded = await loadPolicy(options.policies)
    if (!loaded.ok) {
      const [first] = loaded.findings
      const where = first === undefined ? '' : `; the first at ${first.file}:${first.line}: ${first.message}`
      return {
        policy: null,
        findings: [
          fail('policy', `${loaded.findings.length} error${loaded.findings.length === 1 ? '' : 's'}${where}`, see),
        ],
      }
    }
    const { roles, actions } = loaded.policy
    const shown = `${roles.size} role${roles.size === 1 ? '' : 's'}, ${actions.size} action${actions.size === 1 ? '' : 's'}`
    const warnings = loaded.warnings.length
    return {
      policy: loaded.policy,
      findings: [
        warnings > 0
          ? warn('policy', `${shown}, ${warnings} warning${warnings === 1 ? '' : 's'}`, see)
          : ok('policy', shown),
      ],
    }
  } catch (error) {
    return {
      policy: null,
      findings: [fail('policy', why(error), 'Give --policies your directory, or write one: keystay init')],
    }
  }
}

/** The sources open, and every credential that a backend names is there. No value is kept or shown. */
async function checkSecrets(options: ServeOptions, policy: Policy | null): Promise<Finding[]> {
  const { openSecrets } = await import('../secrets/open.ts')
  try {
    const secrets = await openSecrets(options.secrets, {
      now: () => performance.now(),
      onEvent: () => {},
      dev: options.dev,
    })
    const found: Finding[] = []
    const refs = new Set((policy === null ? [] : needsOf(policy)).flatMap((one) => one.secrets))
    for (const ref of refs) {
      const error = await secrets.get(ref).then(() => null, why)
      if (error !== null) found.push(fail('secrets', error, fixOf(ref)))
      else if (ref.startsWith('env:'))
        found.push(
          warn(
            'secrets',
            `${ref} is in the environment`,
            'Keep it in a file: keystay secrets set, and age://NAME in backends.yaml',
          ),
        )
    }
    await secrets.close()
    return found.length > 0
      ? found
      : [ok('secrets', `${options.secrets}: every credential that a backend names is there (${refs.size})`)]
  } catch (error) {
    const fix = 'Make the file with keystay secrets set NAME, or mend --secrets and how it signs in (docs/secrets.md)'
    return [fail('secrets', why(error), fix)]
  }
}

function lineOf({ check, level, message, fix }: Finding): string {
  const colour = ({ ok: 'green', warn: 'yellow', fail: 'red' } as const)[level]
  const line = `${styleText(colour, level.padEnd(4))}  ${check.padEnd(8)}  ${visible(message)}\n`
  return fix === null ? line : `${line}                fix: ${visible(fix)}\n`
}

function usable(flags: ServeFlags): ServeOptions {
  try {
    return serveOptions(flags, process.env)
  } catch (error) {
    if (error instanceof ConfigError) throw new Failure(EXIT.usage, error.message)
    throw error
  }
}
