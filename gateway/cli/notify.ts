import type { Command } from 'commander'
import type { NoticeView } from '../pipeline/notices/people.ts'
import { askFor } from './ask.ts'
import { EXIT, Failure } from './exit.ts'
import { personOptions } from './options.ts'
import { clock, printJson, printTable, screen } from './print.ts'
import { personToken, type PersonOptions } from './sign-in.ts'
import { visible } from './visible.ts'

type Options = PersonOptions & { readonly json?: boolean }

/** `notify test CHANNEL / list [--status] / retry NOTICE`: whether people are told, and what came to nobody. */
export function notify(program: Command): void {
  const verb = program.command('notify').description('who is told that a call waits for people')
  personOptions(verb.command('test <channel>').description('send a test notice, and say what was answered')).action(
    test,
  )
  personOptions(verb.command('list').description('notices of the newest calls'))
    .option('--status <status>', 'waiting, delivered, dead or over')
    .action(list)
  personOptions(verb.command('retry <notice>').description('send a dead letter again')).action(retry)
}

async function test(channel: string, options: Options): Promise<void> {
  const path = `/admin/v1/channels/${encodeURIComponent(channel)}/test`
  const tested = await askFor<{ delivered: boolean; said: string }>(options.adminUrl, path, {
    method: 'POST',
    token: await personToken(options),
    body: {},
  })
  if (options.json) printJson(tested)
  else if (tested.delivered) screen.out(`${visible(channel)} took it: ${visible(tested.said)}\n`)
  if (!tested.delivered)
    throw new Failure(EXIT.check_failed, `${visible(channel)} did not take it: ${visible(tested.said)}`)
}

async function list({ status, ...options }: Options & { readonly status?: string }): Promise<void> {
  const query = status === undefined ? '' : `?${new URLSearchParams({ status }).toString()}`
  const page = await askFor<{ notices: readonly NoticeView[] }>(options.adminUrl, `/admin/v1/notices${query}`, {
    token: await personToken(options),
  })
  if (options.json) return printJson(page)
  if (page.notices.length === 0)
    return screen.out('No notices. Channels are written in notify.yaml (docs/notifications.md).\n')
  printTable(
    ['AT', 'NOTICE', 'STATUS', 'WHAT', 'CHANNEL', 'CALL', 'TRIES', 'SAID'],
    page.notices.map((one) => [
      clock(one.made_at),
      one.notice,
      one.status,
      one.kind,
      one.channel,
      one.call,
      String(one.tries),
      one.said ?? '',
    ]),
  )
}

async function retry(id: string, options: Options): Promise<void> {
  const notice = await askFor<NoticeView>(options.adminUrl, `/admin/v1/notices/${encodeURIComponent(id)}/retry`, {
    method: 'POST',
    token: await personToken(options),
    body: {},
  })
  if (options.json) return printJson(notice)
  screen.out(`${visible(notice.notice)} goes to ${visible(notice.channel)} again.\n`)
}
