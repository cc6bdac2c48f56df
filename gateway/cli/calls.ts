import { Argument, type Command } from 'commander'
import type { Json } from '../core/types.ts'
import type { CallStory } from '../pipeline/gateway.ts'
import { allCalls, callPath } from './approvals.ts'
import { askFor } from './ask.ts'
import { card } from './card.ts'
import { EXIT, Failure } from './exit.ts'
import { personOptions } from './options.ts'
import { clock, printJson, printTable, screen } from './print.ts'
import { personToken, type PersonOptions } from './sign-in.ts'
import { visible } from './visible.ts'

type Filter = {
  readonly role?: string
  readonly action?: string
  readonly status?: string
  readonly session?: string
  readonly person?: string
  readonly since?: string
  readonly until?: string
  readonly min?: string
  readonly max?: string
  readonly find?: string
}
type Options = PersonOptions & Filter & { readonly json?: boolean; readonly limit: string; readonly reason?: string }

/** `calls list / show ID / settle ID done|refused --reason`. */
export function calls(program: Command): void {
  const verb = program.command('calls').description('what agents asked for, and what came of it')
  filterOptions(personOptions(verb.command('list').description('calls, newest first')))
    .option('--limit <n>', 'at most so many', '50')
    .action(list)
  personOptions(verb.command('show <call>').description('one call’s whole story')).action(show)
  personOptions(
    verb
      .command('settle <call>')
      .description('say what became of a call that the gateway cannot tell about (two people must agree)')
      .addArgument(new Argument('<outcome>', 'what really happened').choices(['done', 'refused'])),
  )
    .requiredOption('--reason <text>', 'how you know')
    .action(settle)
}

export function filterOptions(command: Command): Command {
  return command
    .option('--role <role>')
    .option('--action <action>')
    .option('--status <status>', 'held, running, done, denied, …')
    .option('--session <session>')
    .option('--person <person>')
    .option('--since <time>', 'ISO 8601')
    .option('--until <time>', 'ISO 8601')
    .option('--min <amount>', 'an amount of at least so much, such as 100.00, in the unit of each call')
    .option('--max <amount>', 'an amount of at most so much')
    .option('--find <text>', 'text in the summary, the request key, an id, or the backend’s own id')
}

export function filterOf(options: Filter): URLSearchParams {
  const query = new URLSearchParams()
  for (const name of ['role', 'action', 'status', 'session', 'person', 'since', 'until'] as const) {
    const value = options[name]
    if (value === undefined) continue
    if ((name === 'since' || name === 'until') && Number.isNaN(Date.parse(value))) {
      throw new Failure(EXIT.usage, `--${name} is ${JSON.stringify(value)}; write a time such as 2026-11-23T15:00:00Z.`)
    }
    query.set(name, name === 'since' || name === 'until' ? new Date(value).toISOString() : value)
  }
  for (const name of ['min', 'max'] as const) {
    const value = options[name]
    if (value === undefined) continue
    if (!/^\d+(\.\d+)?$/.test(value))
      throw new Failure(EXIT.usage, `--${name} is ${JSON.stringify(value)}; write an amount such as 100.00.`)
    query.set(name, value)
  }
  if (options.find !== undefined) query.set('q', options.find)
  return query
}

async function list(options: Options): Promise<void> {
  const limit = Number(options.limit)
  if (!Number.isInteger(limit) || limit < 1) throw new Failure(EXIT.usage, '--limit is a whole number, at least 1.')
  const query = filterOf(options)
  const found = await allCalls(options.adminUrl, await personToken(options), query, limit)
  if (options.json) return printJson({ calls: found })
  if (!found.length) return screen.out('No calls. To see some: npm run agent\n')
  printTable(
    ['AT', 'CALL', 'STATUS', 'WHAT', 'ROLE', 'BECAUSE'],
    found.map((call) => [clock(call.at), call.call, call.status, call.summary, call.role, call.because.join(', ')]),
  )
}

async function show(id: string, options: Options): Promise<void> {
  const story = await askFor<CallStory>(options.adminUrl, callPath(id), { token: await personToken(options) })
  if (options.json) return printJson(story)
  screen.out(card(story))
  const text = (value: Json | undefined) => visible(typeof value === 'string' ? value : '')
  for (const { at, kind, id } of story.entries) screen.out(`${text(at)}  ${text(kind)}  ${text(id)}\n`)
}

async function settle(id: string, outcome: string, options: Options): Promise<void> {
  const story = await askFor<CallStory>(options.adminUrl, `${callPath(id)}/settle`, {
    method: 'POST',
    token: await personToken(options),
    body: { outcome, reason: options.reason },
  })
  if (options.json) return printJson(story)
  screen.out(
    story.status === outcome ? `settled: ${outcome}\n` : 'Your word is counted. One more person must say the same.\n',
  )
}
