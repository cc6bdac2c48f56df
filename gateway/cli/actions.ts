import { createWriteStream } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { Option, type Command } from 'commander'
import type { CallSummary } from '../pipeline/gateway.ts'
import { allCalls } from './approvals.ts'
import { filterOf, filterOptions } from './calls.ts'
import { EXIT, Failure } from './exit.ts'
import { personOptions } from './options.ts'
import { printJson, screen } from './print.ts'
import { progress } from './progress.ts'
import { personToken, type PersonOptions } from './sign-in.ts'
import { linesTo, streamFor } from './stream.ts'
import { visible } from './visible.ts'

type Options = PersonOptions &
  Parameters<typeof filterOf>[0] & { readonly json?: boolean; readonly follow?: boolean; readonly lines: string }

type ExportOptions = Omit<Options, 'lines' | 'follow'> & { readonly format: 'csv' | 'jsonl'; readonly out?: string }

const EVERY_MS = 1000
/** A call that changes later than the newest so many is not seen by --follow; `calls list` sees them all. */
const WATCHED = 200

/** `actions tail [--follow]`: the log of calls as lines, oldest first. `actions export`: all of it, as a file. */
export function actions(program: Command): void {
  const verb = program.command('actions').description('the log of what agents did')
  filterOptions(personOptions(verb.command('tail').description('the newest calls, one line each')))
    .option('--lines <n>', 'how many to begin with', '20')
    .option('--follow', 'go on: a line for each new call and each change of one')
    .action(tail)
  filterOptions(personOptions(verb.command('export').description('calls as a file: exactly the filter, all of them')))
    .addOption(
      new Option('--format <format>', 'csv: for a spreadsheet; jsonl: one JSON value a line')
        .choices(['csv', 'jsonl'])
        .default('csv'),
    )
    .option('--out <file>', 'write there instead of to standard output')
    .action(exports)
}

async function tail(options: Options): Promise<void> {
  const lines = Number(options.lines)
  if (!Number.isInteger(lines) || lines < 0 || lines > WATCHED)
    throw new Failure(EXIT.usage, `--lines is a whole number up to ${WATCHED}.`)
  const query = filterOf(options)
  const seen = new Map<string, string>()
  // A person's token lives for a while only; in --dev a fresh one is signed at each look.
  const look = async (pages?: number) =>
    (
      await allCalls(options.adminUrl, await personToken(options), new URLSearchParams(query), WATCHED, pages)
    ).toReversed()

  const first = await look()
  for (const call of first) seen.set(call.call, call.state)
  for (const call of lines ? first.slice(-lines) : []) print(call, options)
  if (!options.follow) return
  for (;;) {
    await sleep(EVERY_MS)
    // What is new is on the newest pages: a filter that finds little is not sought in all of the log every second.
    for (const call of await look(2)) {
      if (seen.get(call.call) === call.state) continue
      seen.set(call.call, call.state)
      print(call, options)
    }
  }
}

async function exports(options: ExportOptions): Promise<void> {
  const { format, out } = options
  const token = await personToken(options)
  const path = `/admin/v1/calls.${format}?${filterOf(options).toString()}`
  const told = progress('calls written')
  const chunks = streamFor(options.adminUrl, path, token)
  const head = format === 'csv' ? 1 : 0
  if (out === undefined) {
    await linesTo(process.stdout, chunks, (lines) => told(lines - head))
    return
  }
  // Half an export never gets the name of a whole one.
  const draft = `${out}.${process.pid}.draft`
  const lines = await linesTo(createWriteStream(draft, { mode: 0o600 }), chunks, (count) => told(count - head), true)
    .then(async (count) => {
      await rename(draft, out)
      return count
    })
    .catch(async (error: unknown) => {
      await rm(draft, { force: true })
      if (error instanceof Failure || !(error instanceof Error)) throw error
      throw new Failure(
        EXIT.usage,
        `${out} cannot be written (${(error as NodeJS.ErrnoException).code ?? error.message}).`,
      )
    })
  if (options.json) printJson({ file: out, format, calls: lines - head })
  else screen.out(`${lines - head} calls in ${out}\n`)
}

function print(call: CallSummary, options: Options): void {
  if (options.json) return printJson(call)
  const because = call.because.length ? `\t${call.because.join(', ')}` : ''
  screen.out(
    `${[call.at, call.call, call.status, call.action, call.role].map(visible).join('\t')}\t${visible(call.summary)}${because.split('\t').map(visible).join('\t')}\n`,
  )
}
