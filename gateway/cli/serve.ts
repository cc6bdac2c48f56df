import type { Command } from 'commander'
import { ConfigError, DEFAULTS, LEVELS, serveOptions, type ServeFlags } from '../config.ts'
import type { ServeOptions } from '../main.ts'
import { EXIT, Failure, type Exit } from './exit.ts'

/** `serve`: the gateway, in the foreground, until SIGINT or SIGTERM. */
export function serve(program: Command): void {
  program
    .command('serve')
    .description('run the gateway; each flag is also KEYSTAY_… in the environment')
    .option('--policies <dir>', `the policy directory (${DEFAULTS.policies})`)
    .option('--store <store>', `where the ledger is kept (${DEFAULTS.store})`)
    .option('--listen <host:port>', `for agents (${DEFAULTS.listen})`)
    .option('--admin-listen <host:port>', `for people (${DEFAULTS.adminListen})`)
    .option('--stripe-listen <host:port>', 'for agents with the Stripe SDK: endpoints that actions declare (none)')
    .option('--secrets <sources>', `age:FILE,vault:URL,aws:REGION,file:DIRECTORY,env: (${DEFAULTS.secrets})`)
    .option('--secret-lifetime <time>', 'how long a fetched credential is held in memory, 1s to 24h (5m)')
    .option('--ledger-key <ref>', 'secret ref of the key that signs the ledger; made beside the store when absent')
    .option('--anchor <file:path>', 'follow the ledger with its signed head there; serve only what continues it')
    .option('--accept-restore', 'begin from an older copy of the store; two people confirm before writes are admitted')
    .option('--reason <text>', 'why, with --accept-restore; it goes into the ledger')
    .option('--tls-cert <file>', 'PEM of the certificate and its chain, for both listeners; read again when it changes')
    .option('--tls-key <file>', 'PEM of its private key')
    .option('--public-url <url>', 'how agents reach --listen from outside')
    .option('--admin-url <url>', 'how people reach --admin-listen from outside')
    .option('--strict-clock', 'admit nothing after a forward jump of the clock, until a restart')
    .option('--log-level <level>', `${LEVELS.join(', ')} (${DEFAULTS.logLevel}); JSON lines on standard error`)
    .option('--dev', 'loopback only; an issuer made for this run signs for you and the demo’s people')
    .action(run)
}

async function run(flags: ServeFlags): Promise<void> {
  const options = usable(flags)
  // Only this verb needs the whole gateway; the others start faster without it.
  const { serve: start } = await import('../main.ts')
  // Before the start: whoever reads that it serves may stop it in the same moment.
  const stopped = new Promise<void>((resolve) => {
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => resolve())
  })
  const running = await start({ ...options, ownsProcess: true }).catch((error: unknown) => {
    throw startFailure(error, options)
  })
  await stopped
  // A second signal ends it at once: recovery is the normal path.
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => process.exit(1))
  await running.stop()
  // Everything is closed; a timer that somebody left shall not hold the process.
  process.exit(EXIT.ok)
}

function usable(flags: ServeFlags) {
  try {
    return serveOptions(flags, process.env)
  } catch (error) {
    if (error instanceof ConfigError) throw new Failure(EXIT.usage, error.message)
    throw error
  }
}

/** What keeps a gateway from starting, as a sentence with what to do. */
function startFailure(error: unknown, { listen, adminListen, stripeListen }: ServeOptions): unknown {
  if (!(error instanceof Error)) return error
  const { code, port } = error as { code?: string; port?: number }
  if (error.name === 'StartError')
    return new Failure('exit' in error ? (error.exit as Exit) : EXIT.usage, error.message)
  if (code !== 'EADDRINUSE' && code !== 'EACCES') return error
  const flags = [
    ['--admin-listen', adminListen],
    ['--stripe-listen', stripeListen],
  ] as const
  const flag = flags.find(([, where]) => where?.endsWith(`:${port}`) === true)?.[0] ?? '--listen'
  const why = code === 'EADDRINUSE' ? 'is in use by another program' : 'may not be opened by you'
  return new Failure(EXIT.usage, `Port ${port ?? listen} ${why}. Stop that program, or give ${flag} another port.`)
}
