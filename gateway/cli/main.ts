#!/usr/bin/env node
import { Command, CommanderError } from 'commander'
import { action } from './action.ts'
import { actions } from './actions.ts'
import { approvals } from './approvals.ts'
import { call } from './call.ts'
import { calls } from './calls.ts'
import { clientConfig } from './client-config.ts'
import { completion } from './completion.ts'
import { doctor } from './doctor.ts'
import { EXIT, Failure } from './exit.ts'
import { freeze } from './freeze.ts'
import { init } from './init.ts'
import { ledger } from './ledger.ts'
import { login } from './login.ts'
import { mcp } from './mcp.ts'
import { notify } from './notify.ts'
import { policy } from './policy.ts'
import { printJson, screen } from './print.ts'
import { restore } from './restore.ts'
import { role } from './role.ts'
import { run as runAgent } from './run.ts'
import { scan } from './scan.ts'
import { secrets } from './secrets.ts'
import { serve } from './serve.ts'
import { session } from './session.ts'
import { types } from './types.ts'
import { visible } from './visible.ts'
import { VERSION } from '../version.ts'

const VERBS = [
  serve,
  init,
  doctor,
  login,
  session,
  runAgent,
  scan,
  mcp,
  clientConfig,
  types,
  call,
  approvals,
  calls,
  actions,
  freeze,
  notify,
  policy,
  action,
  role,
  secrets,
  ledger,
  restore,
  completion,
] as const

await run(process.argv)

async function run(argv: readonly string[]): Promise<void> {
  // `keystay calls list | head` closes the pipe early; that is no fault.
  process.stdout.on('error', (error: NodeJS.ErrnoException) =>
    process.exit(error.code === 'EPIPE' ? EXIT.ok : EXIT.check_failed),
  )
  const program = new Command('keystay')
    .description('Agents act. The keys stay.')
    .version(VERSION)
    .exitOverride()
    .configureOutput({
      // What was typed stands in it.
      writeErr: (text) =>
        screen.err(
          text
            .replace(/^error: /, 'keystay: ')
            .split('\n')
            .map(visible)
            .join('\n'),
        ),
    })
    .showHelpAfterError('(keystay --help shows the verbs)')
  for (const verb of VERBS) verb(program)
  try {
    await program.parseAsync([...argv])
  } catch (error) {
    process.exitCode = report(error, ownWords(argv).includes('--json'))
  }
}

/** What stands behind `--` is for the command that is run. */
function ownWords(argv: readonly string[]): readonly string[] {
  const end = argv.indexOf('--')
  return end < 0 ? argv : argv.slice(0, end)
}

function report(error: unknown, json: boolean): number {
  // Commander has printed what is wrong, with the nearest verb or option. Asking for help is no error.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage
  if (error instanceof Failure) {
    if (json && error.body !== undefined) printJson(error.body)
    for (const line of error.message.split('\n')) screen.err(`keystay: ${visible(line)}\n`)
    return error.exit
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
  screen.err(`keystay: ${text.split('\n').map(visible).join('\n')}\n`)
  return EXIT.check_failed
}
