import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import type { Envelope } from '../pipeline/gateway.ts'
import type { ProblemBody } from '../core/problem.ts'
import { ask } from './ask.ts'
import { EXIT, Failure, type Exit } from './exit.ts'
import { workloadOptions } from './options.ts'
import { printJson, screen } from './print.ts'
import { heldSession, type WorkloadOptions } from './sign-in.ts'
import { visible, visibleJson } from './visible.ts'

type Options = WorkloadOptions & {
  readonly json?: boolean
  readonly input: string
  readonly key?: string
  readonly wait?: string
}

/** `call ACTION --input JSON --key K --role R`: one call in a session of its own. The envelope, or the problem, is printed. */
export function call(program: Command): void {
  workloadOptions(program.command('call <action>').description('open a session, make one call, end the session'))
    .option('--input <json>', 'the input: JSON, @FILE, or - for standard input', '{}')
    .option('--key <key>', 'the request key: it names this one effect; a retry with the same key never acts twice')
    .option('--wait <seconds>', 'wait so long (at most 25) for a held or running call')
    .action(run)
}

async function run(action: string, options: Options): Promise<void> {
  const input = await readInput(options.input)
  if (options.wait !== undefined && !/^(\d|1\d|2[0-5])$/.test(options.wait))
    throw new Failure(EXIT.usage, '--wait is a whole number of seconds, at most 25.')
  if (!/^[\w.-]{1,128}$/.test(action))
    throw new Failure(EXIT.usage, `${visible(action)} is not the name of an action; one looks like stripe.refund.`)
  const session = await heldSession(options)
  try {
    const { status, body } = await ask(options.url, `/v1/actions/${action}`, {
      method: 'POST',
      ...session.bearer,
      body: input,
      headers: {
        ...(options.key === undefined ? {} : { 'idempotency-key': options.key }),
        ...(options.wait === undefined ? {} : { prefer: `wait=${options.wait}` }),
      },
    })
    if (options.json) printJson(body)
    else screen.out(`${visibleJson(body, 2)}\n`)
    process.exitCode = exitOf(status, body)
  } finally {
    await session.end()
  }
}

function exitOf(status: number, body: unknown): Exit {
  if (status === 200) return EXIT.ok
  if (status === 202) return (body as Envelope).status === 'held' ? EXIT.held : EXIT.check_failed
  const code = (body as Partial<ProblemBody> | null)?.code
  return status === 401 || status === 403 || code === 'rate_limited' || code === 'rejected'
    ? EXIT.denied
    : EXIT.check_failed
}

/** The text as given: reading and rewriting it would hide a duplicate member or a rounded number from the gateway. */
async function readInput(given: string): Promise<string> {
  const text =
    given === '-' ? await readAll(process.stdin) : given.startsWith('@') ? await readInputFile(given.slice(1)) : given
  try {
    JSON.parse(text)
    return text
  } catch {
    throw new Failure(
      EXIT.usage,
      '--input is not JSON. Write for example --input \'{"charge": "ch_…"}\', @FILE, or - for standard input.',
    )
  }
}

function readInputFile(file: string): Promise<string> {
  return readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new Failure(EXIT.usage, `The input file ${file} cannot be read (${error.code}).`)
  })
}

async function readAll(stream: NodeJS.ReadableStream): Promise<string> {
  let text = ''
  stream.setEncoding('utf8')
  for await (const chunk of stream) text += chunk as string
  return text
}
