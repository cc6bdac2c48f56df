import type { Command } from 'commander'
import type { CallStory, CallSummary } from '../pipeline/gateway.ts'
import { askFor } from './ask.ts'
import { card } from './card.ts'
import { EXIT, Failure, type Exit } from './exit.ts'
import { personOptions } from './options.ts'
import { clock, printJson, printTable, screen } from './print.ts'
import { personToken, type PersonOptions } from './sign-in.ts'
import { visible } from './visible.ts'

type Options = PersonOptions & { readonly json?: boolean; readonly reason?: string }

/** `approvals list / approve ID / reject ID --reason`: what waits for a person, and their word on it. */
export function approvals(program: Command): void {
  const verb = program.command('approvals').description('see what waits for a person, and decide')
  personOptions(verb.command('list').description('held calls')).action(list)
  personOptions(
    verb.command('approve <call>').description('print the card of a held call and approve exactly that'),
  ).action(approve)
  personOptions(verb.command('reject <call>').description('say no, with a reason that the agent is told'))
    .requiredOption('--reason <text>', 'why')
    .action(reject)
}

async function list(options: Options): Promise<void> {
  const token = await personToken(options)
  const calls = await allCalls(options.adminUrl, token, new URLSearchParams({ status: 'held' }))
  if (options.json) return printJson({ calls })
  if (!calls.length) return screen.out('No held calls. To see one: npm run agent\n')
  printTable(
    ['CALL', 'WHAT', 'ROLE', 'NEEDS', 'EXPIRES'],
    calls.map((call) => [
      call.call,
      call.summary,
      call.role,
      needs(call),
      call.expires_at ? clock(call.expires_at) : '',
    ]),
  )
}

/**
 * The card that is printed is the card that is approved: its digest goes along, and the gateway refuses another one.
 */
async function approve(id: string, options: Options): Promise<void> {
  const token = await personToken(options)
  const path = callPath(id)
  const story = await askFor<CallStory>(options.adminUrl, path, { token })
  if (!options.json) screen.out(card(story))
  if (story.status !== 'held' || !story.card)
    throw new Failure(EXIT.check_failed, `Nothing to approve: the call is ${visible(story.status)}.`, { story })
  const after = await askFor<CallStory>(options.adminUrl, `${path}/approve`, {
    method: 'POST',
    token,
    body: { card: story.card },
  })
  if (options.json) printJson(after)
  else screen.out(`${said(after)}\n`)
  process.exitCode = exitOf(after)
}

async function reject(id: string, options: Options): Promise<void> {
  const token = await personToken(options)
  const after = await askFor<CallStory>(options.adminUrl, `${callPath(id)}/reject`, {
    method: 'POST',
    token,
    body: { reason: options.reason },
  })
  if (options.json) return printJson(after)
  screen.out(`rejected: ${visible(after.summary)}. The agent is told why.\n`)
}

function said(story: CallStory): string {
  switch (story.status) {
    case 'held':
      return `Your yes is counted. Still held: needs ${needs(story)}.`
    case 'done':
      return `approved and done: ${visible(story.summary)}`
    case 'denied':
      return `Not done: the policy refuses it now. ${visible(story.detail ?? '')}`
    case 'running':
      return `approved; it runs. See: keystay calls show ${visible(story.call)}`
    default:
      return `approved; it is ${visible(story.status.replaceAll('_', ' '))}. ${visible(story.detail ?? '')}`
  }
}

function exitOf(story: CallStory): Exit {
  if (story.status === 'done' || story.status === 'running') return EXIT.ok
  if (story.status === 'held') return EXIT.held
  return story.status === 'denied' ? EXIT.denied : EXIT.check_failed
}

/** `1 of finance (has 0)`; of two lines that ask the same group the larger, since one yes counts in both. */
function needs(call: CallSummary): string {
  const groups = new Map<string, CallSummary['need'][number]>()
  for (const need of call.need) if (need.count > (groups.get(need.of)?.count ?? 0)) groups.set(need.of, need)
  return [...groups.values()].map((need) => `${need.count} of ${visible(need.of)} (has ${need.have})`).join(', ')
}

/** Every page of /admin/v1/calls, newest first, up to `max` calls; or the first `pages` of them. */
export async function allCalls(
  adminUrl: string,
  token: string,
  query: URLSearchParams,
  max = Infinity,
  pages = Infinity,
): Promise<CallSummary[]> {
  const calls: CallSummary[] = []
  for (let read = 1; ; read++) {
    const page = await askFor<{ calls: CallSummary[]; cursor: string | null }>(
      adminUrl,
      `/admin/v1/calls?${query.toString()}`,
      {
        token,
      },
    )
    calls.push(...page.calls)
    if (!page.cursor || calls.length >= max || read >= pages) return calls.slice(0, max)
    query.set('cursor', page.cursor)
  }
}

export function callPath(id: string): string {
  if (!/^call_\w{1,64}$/.test(id))
    throw new Failure(
      EXIT.usage,
      `${visible(id)} is not the id of a call; one looks like call_01KB… (keystay approvals list).`,
    )
  return `/admin/v1/calls/${id}`
}
