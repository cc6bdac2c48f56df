import type { Command } from 'commander'
import { askFor } from './ask.ts'
import { personOptions } from './options.ts'
import { printJson, screen } from './print.ts'
import { personToken, type PersonOptions } from './sign-in.ts'
import { visible } from './visible.ts'

type Options = PersonOptions & { readonly json?: boolean }

/** As `GET` and `POST /admin/v1/restore` answer. */
interface View {
  readonly restored: boolean
  readonly accepted?: boolean
  readonly reason?: string
  readonly anchor?: { readonly size: number; readonly at: string }
  readonly store?: { readonly size: number; readonly at: string }
  readonly missing?: number | null
  readonly confirmed?: readonly { readonly person: string; readonly reason: string }[]
  readonly needed?: number
}

const PATH = '/admin/v1/restore'

/** `restore show / accept --reason`: a ledger that was put back from an older copy, and the two people who accept it. */
export function restore(program: Command): void {
  const verb = program.command('restore').description('a ledger that was restored from an older copy')
  personOptions(verb.command('show').description('whether the ledger waits for people, and why')).action(show)
  personOptions(verb.command('accept').description('confirm it; two people must, and then writes are admitted again'))
    .requiredOption('--reason <text>', 'what you have made sure of; it goes into the ledger')
    .action(accept)
}

async function show(options: Options): Promise<void> {
  const view = await askFor<View>(options.adminUrl, PATH, { token: await personToken(options) })
  if (options.json) return printJson(view)
  screen.out(textOf(view))
}

async function accept(options: Options & { readonly reason: string }): Promise<void> {
  const token = await personToken(options)
  const view = await askFor<View>(options.adminUrl, PATH, { method: 'POST', token, body: { reason: options.reason } })
  if (options.json) return printJson(view)
  screen.out(
    view.accepted === true
      ? 'Accepted: writes are admitted again.\n'
      : 'Your word is counted. One more person must say the same.\n',
  )
}

function textOf({ restored, reason, anchor, store, missing, confirmed = [], needed = 2 }: View): string {
  if (!restored) return 'The ledger is not a restored one that waits for people.\n'
  const lost = missing == null ? 'Its entries are others than those that were signed' : `${missing} entries are missing`
  return [
    `The ledger was restored: ${visible(reason ?? '')}`,
    `${lost}: it has ${store?.size} (the newest of ${store?.at}), the anchor has seen ${anchor?.size} (${anchor?.at}).`,
    `Confirmed by ${confirmed.length} of ${needed}${confirmed.map(({ person, reason: why }) => `\n  ${visible(person)}: ${visible(why)}`).join('')}`,
    '',
  ].join('\n')
}
