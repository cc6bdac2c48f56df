import { writeFile } from 'node:fs/promises'
import type { Command } from 'commander'
import type { ActionView } from '../pipeline/gateway.ts'
import { askFor } from './ask.ts'
import { EXIT, Failure } from './exit.ts'
import { workloadOptions } from './options.ts'
import { printJson, screen } from './print.ts'
import { heldSession, type WorkloadOptions } from './sign-in.ts'
import { declare } from './types/declare.ts'

type Options = WorkloadOptions & { readonly json?: boolean; readonly out?: string }

/** `types --role R [--out FILE]`: the actions of a role as types for the TypeScript client. The same policy gives the same text. */
export function types(program: Command): void {
  workloadOptions(program.command('types').description('the actions of a role as TypeScript types, for keystay/client'))
    .option('--out <file>', 'write them to this file')
    .action(run)
}

async function run(options: Options): Promise<void> {
  const session = await heldSession(options)
  try {
    const { actions } = await askFor<{ actions: ActionView[] }>(options.url, '/v1/actions', session.bearer)
    const text = declare(options.role, actions)
    if (options.out === undefined)
      return options.json ? printJson({ role: options.role, types: text }) : screen.out(text)
    await writeFile(options.out, text).catch((error: NodeJS.ErrnoException) => {
      throw new Failure(EXIT.usage, `${options.out} cannot be written (${error.code}).`)
    })
    if (options.json) return printJson({ role: options.role, actions: actions.length, file: options.out })
    screen.out(`${options.out}: ${actions.length} actions of ${options.role}\n`)
  } finally {
    await session.end()
  }
}
