import type { Command } from 'commander'
import { askFor } from './ask.ts'
import { EXIT, Failure } from './exit.ts'
import { personOptions } from './options.ts'
import { printJson, screen } from './print.ts'
import { personToken, type PersonOptions } from './sign-in.ts'
import { visible } from './visible.ts'

type Options = PersonOptions & { readonly json?: boolean; readonly reason: string }

/** `freeze role R | action A | all`, and `thaw` of the same: switches that people set, with a reason. */
export function freeze(program: Command): void {
  for (const [name, on, description] of [
    ['freeze', true, 'stop everything that is not a read: of a role, of an action, or all'],
    ['thaw', false, 'let it go on'],
  ] as const) {
    personOptions(program.command(`${name} <what> [name]`).description(description))
      .usage('role NAME | action NAME | all --reason TEXT')
      .requiredOption('--reason <text>', 'why; it goes into the ledger')
      .action((what: string, which: string | undefined, options: Options) => set(what, which, on, options))
  }
}

async function set(what: string, which: string | undefined, on: boolean, options: Options): Promise<void> {
  const name = switchName(what, which)
  const answer = await askFor(options.adminUrl, `/admin/v1/switches/${name}`, {
    method: 'PUT',
    token: await personToken(options),
    body: { on, reason: options.reason },
  })
  if (options.json) return printJson(answer)
  const scope = what === 'all' ? 'Everything' : `The ${what} ${visible(which ?? '')}`
  screen.out(
    on
      ? `${scope} is frozen. Held calls wait; reads go on.\n`
      : `${scope} is thawed. Held calls that have not expired go on.\n`,
  )
}

function switchName(what: string, which: string | undefined): string {
  if (what === 'all' && which === undefined) return 'all'
  if ((what === 'role' || what === 'action') && which && /^[\w.-]{1,128}$/.test(which)) return `${what}:${which}`
  throw new Failure(EXIT.usage, 'Say what: role NAME, action NAME, or all.')
}
