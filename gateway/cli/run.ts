import { Option, type Command } from 'commander'
import { EXIT, Failure } from './exit.ts'
import { workloadOptions } from './options.ts'
import type { RunOptions } from './run/start.ts'

/** `run --role R -- CMD…`: starts CMD as an agent of a role, without credentials, with an address instead. */
export function run(program: Command): void {
  workloadOptions(
    program
      .command('run <command...>')
      .usage('--role R [options] -- COMMAND [ARGUMENTS…]')
      .description('start an agent of a role: no credentials in its environment, an address instead'),
  )
    .option('--keep <name>', 'leave this variable although it looks like a credential; again for each', collect, [])
    .addOption(new Option('--ttl <seconds>', 'a shorter life than the role’s; it is renewed').argParser(seconds))
    .addOption(new Option('--stripe-url <url>', 'the gateway’s Stripe-shaped listener').env('KEYSTAY_STRIPE_URL'))
    .action(async (command: readonly string[], options: RunOptions) => {
      const { start } = await import('./run/start.ts')
      await start(command, options)
    })
}

function collect(name: string, all: readonly string[]): string[] {
  return [...all, name]
}

function seconds(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new Failure(EXIT.usage, '--ttl is a whole number of seconds.')
  return Number(text)
}
