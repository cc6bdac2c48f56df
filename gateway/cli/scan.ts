import type { Command } from 'commander'
import { EXIT, Failure } from './exit.ts'
import { bold, printJson, printTable, screen } from './print.ts'
import type { Finding } from './scan/finding.ts'
import type { Proposal } from './scan/propose.ts'
import type { Walked } from './scan/walk.ts'
import { visible } from './visible.ts'

interface Options {
  readonly json?: boolean
  readonly write?: string
}

/** `scan [DIR]`: where an agent holds keys, and what to do about each. Names and places, never values. Exits 1 where it found one. */
export function scan(program: Command): void {
  program
    .command('scan [dir]')
    .description('find keys in an agent’s code, settings and MCP client files, and propose how to take them away')
    .option('--write <dir>', 'write the proposed policy there; overwrites nothing')
    .option('--json', 'one JSON value instead of text')
    .action(look)
}

async function look(directory = '.', { json, write }: Options): Promise<void> {
  const [{ scanDirectory }, { propose, policyOf }] = await Promise.all([
    import('./scan/find.ts'),
    import('./scan/propose.ts'),
  ])
  const { findings, walked } = await scanDirectory(directory).catch((error: NodeJS.ErrnoException) => {
    throw new Failure(EXIT.usage, `${visible(directory)} cannot be looked at (${error.code ?? error.message}).`)
  })
  const proposals = propose(findings)
  const files = write === undefined || proposals.length === 0 ? [] : await writeAll(write, policyOf(proposals))
  // Where a bound was met nobody knows whether there is more: that is no clean bill.
  if (findings.length > 0 || !walked.whole) process.exitCode = EXIT.check_failed
  if (json === true) {
    return printJson({
      ok: findings.length === 0 && walked.whole,
      findings,
      proposals,
      looked_at: walked,
      written: files,
    })
  }
  show(findings, proposals)
  screen.err(`${summary(findings, walked)}\n`)
  if (files.length > 0)
    screen.err(
      `keystay: ${files.length} files in ${visible(write ?? '')}; look: keystay policy check --policies ${visible(write ?? '')}\n`,
    )
}

function show(findings: readonly Finding[], proposals: readonly Proposal[]): void {
  if (findings.length === 0) return
  printTable(
    ['WHERE', 'KIND', 'NAME', 'WHAT', 'OF'],
    findings.map(({ file, line, kind, name, what, service, prefix }) => {
      return [`${file}:${line}`, kind, name, prefix === null ? what : `${what} ${prefix}…`, service]
    }),
  )
  // Elsewhere one line for each finding and nothing else; --json has the proposals.
  if (screen.terminal) for (const one of proposals) screen.out(textOf(one))
}

function textOf({ service, adapter, change, note, policy }: Proposal): string {
  const files = Object.entries(policy).map(([path, text]) => `  # ${path}\n${text.replace(/^(?=.)/gm, '  ')}`)
  const changes = Object.entries(change).map(([language, line]) => `  ${language}: ${line}\n`)
  const head = `\n${bold(service)}: adapter ${adapter}${note === null ? '' : `. ${note}`}\n`
  return `${head}${files.join('')}  # instead of the key\n${changes.join('')}`
}

function summary(findings: readonly Finding[], { files, too_large, unreadable, whole }: Walked): string {
  const found = findings.length === 0 ? 'no keys' : `${findings.length} places with keys`
  const rest = [
    ...(too_large > 0 ? [`${too_large} files of more than 1 MB not looked at`] : []),
    ...(unreadable.length > 0 ? [`${unreadable.length} not readable`] : []),
    ...(whole
      ? []
      : [
          'NOT ALL was looked at: too many files, folders or findings, or more than a minute. Name a smaller directory',
        ]),
  ]
  return `keystay: ${[`${found} in ${files} files`, ...rest].join('; ')}`
}

/** @returns the paths that were written. */
async function writeAll(directory: string, files: { readonly [path: string]: string }): Promise<string[]> {
  const { writeNew } = await import('./scan/write-new.ts')
  return writeNew(directory, files)
}
