import type { Command } from 'commander'
import type { SessionView } from '../pipeline/gateway.ts'
import { askFor } from './ask.ts'
import { EXIT, Failure } from './exit.ts'
import { personOptions, workloadOptions } from './options.ts'
import { clock, duration, printJson, printTable, screen } from './print.ts'
import {
  endSession,
  openSession,
  personToken,
  type OpenSession,
  type PersonOptions,
  type WorkloadOptions,
} from './sign-in.ts'
import { visible } from './visible.ts'

type StartOptions = WorkloadOptions & { readonly json?: boolean; readonly printToken?: boolean }
type ListOptions = PersonOptions & {
  readonly json?: boolean
  readonly role?: string
  readonly person?: string
  readonly all?: boolean
  readonly limit: string
}
type RevokeOptions = PersonOptions & { readonly json?: boolean; readonly reason?: string }

/** `session start / list / revoke ID`. */
export function session(program: Command): void {
  const verb = program.command('session').description('hold a role for a while; see and end sessions')
  workloadOptions(
    verb.command('start').description('open a session and print a loopback address that adds its token, until Ctrl-C'),
  )
    .option('--print-token', 'print the token instead and leave the session open (gateways in --dev only)')
    .action(start)
  personOptions(verb.command('list').description('live sessions'))
    .option('--role <role>')
    .option('--person <person>', 'of this workload, or acting for this person: ISSUER:SUBJECT')
    .option('--all', 'ended ones too')
    .option('--limit <n>', 'at most so many', '100')
    .action(list)
  personOptions(verb.command('revoke <session>').description('end a session at once'))
    .option('--reason <text>', 'why; it goes into the ledger')
    .action(revoke)
}

async function start(options: StartOptions): Promise<void> {
  // From the first moment on, so that a signal never leaves a session open behind a process that is gone.
  const stop = stopped()
  const open = await openSession(options)
  if (options.printToken) return printToken(open, options)
  // Other verbs need no server, and start faster without one.
  const { startLoopback } = await import('./loopback.ts')
  const loopback = await startLoopback({ gateway: options.url, token: open.token }).catch(async (error: unknown) => {
    await endSession(options.url, open.token)
    throw error
  })
  if (options.json)
    printJson({ session: open.session, role: open.role, expires_in: open.expires_in, url: loopback.url })
  else {
    screen.out(`session ${visible(open.session)} ${visible(open.role)}, ${duration(open.expires_in)}\n`)
    screen.out(`${loopback.url}/v1   adds the token; for example: curl ${loopback.url}/v1/actions\n`)
    screen.out('Ctrl-C ends the session.\n')
  }
  await stop
  await loopback.close()
  await endSession(options.url, open.token)
}

/** Where the demo's issuer signed (no --token-file) the gateway is in --dev, and nobody else's token can be printed. */
async function printToken(open: OpenSession, options: StartOptions): Promise<void> {
  if (open.account === null) {
    await endSession(options.url, open.token)
    throw new Failure(
      EXIT.usage,
      '--print-token is for gateways in --dev only: a printed token stays in scrollback and history. Leave it out and use the address that is printed.',
    )
  }
  if (options.json)
    printJson({ session: open.session, role: open.role, expires_in: open.expires_in, token: open.token })
  else screen.out(`${open.token}\n`)
}

function stopped(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve())
  })
}

async function list(options: ListOptions): Promise<void> {
  const sessions = await pages(options)
  if (options.json) return printJson({ sessions })
  if (!sessions.length) return screen.out('No live sessions.\n')
  printTable(
    ['SESSION', 'ROLE', 'ASKED BY', 'SINCE', 'UNTIL'],
    sessions.map((one) => [
      one.session,
      one.role,
      one.acting_for ? `${one.requester} for ${one.acting_for}` : one.requester,
      clock(one.issued_at),
      one.ended_at ? `${one.ended_reason ?? 'ended'} ${clock(one.ended_at)}` : clock(one.expires_at),
    ]),
  )
}

/** All pages, up to the limit. */
async function pages(options: ListOptions): Promise<SessionView[]> {
  const most = Number(options.limit)
  if (!Number.isInteger(most) || most < 1) throw new Failure(EXIT.usage, '--limit is a whole number, at least 1.')
  const token = await personToken(options)
  const found: SessionView[] = []
  for (let cursor: string | null = ''; cursor !== null && found.length < most;) {
    const query = new URLSearchParams({
      ...(options.role === undefined ? {} : { role: options.role }),
      ...(options.person === undefined ? {} : { person: options.person }),
      ...(options.all === true ? {} : { live: 'true' }),
      ...(cursor === '' ? {} : { cursor }),
      limit: String(Math.min(most - found.length, PAGE)),
    })
    const path = `/admin/v1/sessions?${query.toString()}`
    const page = await askFor<{ sessions: SessionView[]; cursor?: string | null }>(options.adminUrl, path, { token })
    found.push(...page.sessions)
    cursor = page.cursor ?? null
  }
  return found
}

const PAGE = 500

async function revoke(id: string, options: RevokeOptions): Promise<void> {
  if (!/^ses_\w{1,64}$/.test(id))
    throw new Failure(
      EXIT.usage,
      `${visible(id)} is not the id of a session; one looks like ses_01KB… (keystay session list).`,
    )
  const view = await askFor<SessionView>(options.adminUrl, `/admin/v1/sessions/${id}/revoke`, {
    method: 'POST',
    token: await personToken(options),
    body: options.reason === undefined ? {} : { reason: options.reason },
  })
  if (options.json) return printJson(view)
  screen.out(`${visible(view.session)} is revoked: no effect of it starts from now on.\n`)
}
