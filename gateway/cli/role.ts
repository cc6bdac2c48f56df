import { InvalidArgumentError, Option } from 'commander'
import type { Command } from 'commander'
import { DEFAULTS } from '../config.ts'
import type { RoleOptions, Wish } from './new-role.ts'

/** `role new NAME`: a role that nobody can hold yet, with a table of tests that passes. */
export function role(program: Command): void {
  program
    .command('role')
    .description('scaffold a role')
    .command('new')
    .description('write a role and its tests into the policy directory; nothing that is there is touched')
    .argument('<name>', 'like night-desk')
    .addOption(
      new Option(
        '--grant <action[=max]>',
        'grant this action or route; with what it may cost at most: stripe.refund="50.00 USD"',
      )
        .argParser(wish)
        .default([]),
    )
    .option('--describe <text>', 'what the role is for')
    .option('--policies <dir>', 'the policy directory', process.env['KEYSTAY_POLICIES'] || DEFAULTS.policies)
    .option('--json', 'one JSON value instead of text')
    .action(create)
}

function wish(text: string, before: readonly Wish[]): Wish[] {
  const [, action = '', max = null] = /^([^=]+)(?:=(.+))?$/.exec(text) ?? []
  if (action === '') throw new InvalidArgumentError('Write an action, or ACTION="50.00 USD".')
  return [...before, { action, max }]
}

/** Compiling needs the expression engine and every adapter: other verbs start without them. */
async function create(name: string, options: RoleOptions): Promise<void> {
  const { newRole } = await import('./new-role.ts')
  await newRole(name, options)
}
