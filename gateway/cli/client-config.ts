import { homedir } from 'node:os'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Argument, type Command } from 'commander'
import { snippetOf } from './client-config/snippet.ts'
import { adminOptions } from './options.ts'
import { printJson, screen } from './print.ts'
import { CLIENTS, filesOf, type ClientName } from './scan/client-files.ts'
import { keysIn } from './scan/plain-text-keys.ts'
import { visible } from './visible.ts'

interface Options {
  readonly role: string
  readonly gateway: string
  readonly adminUrl: string
  readonly name: string
  readonly as?: string
  readonly tokenFile?: string
  readonly device?: boolean
  readonly json?: boolean
}

/**
 * `client-config CLIENT --role R`: what to put into the settings of a client of MCP, on standard output. It starts the
 * stdio bridge, which signs in by itself: no token is in it.
 */
export function clientConfig(program: Command): void {
  adminOptions(
    program
      .command('client-config')
      .description('the settings with which a desktop client starts keystay mcp; no token is in them')
      .addArgument(new Argument('<client>').choices(CLIENTS)),
  )
    .requiredOption('--role <role>', 'the role to hold')
    .option(
      '--gateway <url>',
      'the gateway’s listener for agents',
      process.env['KEYSTAY_URL'] ?? 'http://127.0.0.1:8787',
    )
    .option('--name <name>', 'what the client calls the server', 'keystay')
    .option('--as <account>', 'the demo’s account to act as (gateways in --dev only)')
    .option('--token-file <file>', 'a file with the workload’s JWT')
    .option('--device', 'a person signs in when the client starts it')
    .action(run)
}

async function run(client: ClientName, options: Options): Promise<void> {
  const { snippet, where } = snippetOf(client, serverOf(options))
  const files = filesOf(client, process.cwd(), homedir(), process.env)
  const keys: { file: string; names: readonly string[] }[] = []
  for (const file of new Set(files)) {
    const names = (await keysIn(file)) ?? []
    if (names.length > 0) keys.push({ file, names })
  }
  if (options.json) printJson({ client, where, snippet, keys })
  else screen.out(snippet)
  screen.err(`keystay: ${where}\n`)
  for (const { file, names } of keys) {
    screen.err(
      `keystay: ${visible(file)} holds what looks like a key: ${names.map(visible).join(', ')}. Keep it with keystay secrets set, delete it there, and make a new one at its owner: the agent could read it.\n`,
    )
  }
}

/** A program as a client starts it: from any directory, with little in its environment. So every path is a whole one. */
export interface Server {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
}

function serverOf({ name, role, gateway, adminUrl, as, tokenFile, device }: Options): Server {
  const built = fileURLToPath(new URL('../../../gateway/cli/keystay.mjs', import.meta.url))
  const bin = import.meta.url.endsWith('.ts') ? fileURLToPath(new URL('./keystay.mjs', import.meta.url)) : built
  const proof = tokenFile === undefined ? [] : ['--token-file', resolve(tokenFile)]
  const usual = adminUrl === 'http://127.0.0.1:8788'
  const demo = [
    ...(device === true ? ['--device'] : []),
    ...(as === undefined ? [] : ['--as', as]),
    ...(usual ? [] : ['--admin-url', adminUrl]),
  ]
  return {
    name,
    command: process.execPath,
    args: [bin, 'mcp', '--role', role, '--gateway', gateway, ...proof, ...demo],
  }
}
