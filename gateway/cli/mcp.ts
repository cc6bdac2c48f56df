import type { Command } from 'commander'
import { workloadOptions } from './options.ts'
import { screen } from './print.ts'
import { heldSession } from './mcp/held-session.ts'
import { linesOf } from './mcp/lines.ts'
import { relay } from './mcp/relay.ts'
import { openSession, type WorkloadOptions } from './sign-in.ts'
import { visible } from './visible.ts'

type Options = WorkloadOptions & { readonly gateway?: string }

/** `mcp --role R`: a server of MCP on standard input and output, for clients that start one as a program. */
export function mcp(program: Command): void {
  workloadOptions(program.command('mcp').description('a stdio MCP server for desktop clients: the tools of a role'))
    .option('--gateway <url>', 'the same as --url')
    .action(start)
}

/** For answers that are on their way when our input is closed. A client that wants us gone sends a signal after it. */
const DRAIN_MS = 5_000

/**
 * The token is in the memory of this process (and of the one that ends its session if this one is killed), and nowhere
 * else. Standard output carries the protocol only.
 */
async function start(options: Options): Promise<void> {
  const gateway = options.gateway ?? options.url
  const signIn = { ...options, url: gateway }
  const say = (text: string) => screen.err(`keystay: ${visible(text)}\n`)
  const session = heldSession({
    gateway,
    open: (before) => openSession(signIn, before === undefined ? {} : { session: before }),
    say,
  })
  const bridge = relay({ gateway, session, write: (line) => void process.stdout.write(`${line}\n`), say })
  const left = leaving()

  const underway = new Set<Promise<void>>()
  const reading = (async () => {
    for await (const line of linesOf(process.stdin as AsyncIterable<Buffer>)) {
      const work: Promise<void> = bridge.take(line).finally(() => underway.delete(work))
      underway.add(work)
    }
    await Promise.race([Promise.all(underway), new Promise((resolve) => setTimeout(resolve, DRAIN_MS))])
  })()
  // Signed in before it is needed; why it did not work, whoever asks first is told.
  session.token().catch(() => {})
  await Promise.race([reading.catch(() => {}), left])
  bridge.abort()
  await session.end()
  // Standard input may still be open.
  process.exit(0)
}

/** A signal, or nobody reads our output any more. */
function leaving(): Promise<void> {
  // Nothing but the end of this verb may end the process: its session would be left behind.
  process.stdout.removeAllListeners('error')
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve())
    process.stdout.on('error', () => resolve())
    process.stderr.on('error', () => {})
  })
}
