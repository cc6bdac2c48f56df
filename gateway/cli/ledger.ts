import { readFile } from 'node:fs/promises'
import { Option, type Command } from 'commander'
import { DEFAULTS } from '../config.ts'
import { openCheckpoint } from '../core/checkpoint-note.ts'
import { formatAmount } from '../core/money.ts'
import { checkProof } from '../core/proof.ts'
import { storeAddress } from '../store/address.ts'
import type { Report } from '../store/verify.ts'
import { EXIT, Failure } from './exit.ts'
import { adminOptions } from './options.ts'
import { printJson, screen } from './print.ts'
import { progress } from './progress.ts'
import { askText } from './stream.ts'
import { visible } from './visible.ts'

interface Options {
  readonly store: string
  readonly export?: string
  readonly proof?: string
  readonly publicKey?: string
  readonly out?: string
  readonly json?: boolean
}

/** More lines would say nothing new. */
const PROBLEMS_SHOWN = 20

/**
 * `ledger verify` and `ledger export` read the store itself, without a gateway and beside a running one;
 * `ledger checkpoint` asks the gateway.
 */
export function ledger(program: Command): void {
  const verb = program.command('ledger').description('prove the ledger, take it elsewhere')
  const store = () =>
    new Option('--store <store>', 'sqlite:FILE or postgres://…').env('KEYSTAY_STORE').default(DEFAULTS.store)
  verb
    .command('verify')
    .description('check every entry, the tree, the signed checkpoint, the bodies')
    .addOption(store())
    .option('--export <dir>', 'an export instead of a store; offline, with the public key alone')
    .option('--proof <file>', 'the proof of one call, as the console gives it; offline, with the public key alone')
    .option('--public-key <file>', 'the key that must have signed; it came to you another way than the ledger')
    .option('--json', 'one JSON value instead of text')
    .action(verify)
  verb
    .command('export')
    .description('the entries as JSON lines, exactly the bytes that were hashed')
    .addOption(store())
    .option('--out <dir>', 'write entries.jsonl, bodies.jsonl, checkpoint and key.pub there instead of standard output')
    .option('--json', 'with --out: one JSON value instead of text')
    .action(exports)
  adminOptions(
    verb.command('checkpoint').description('the newest signed head of a running gateway, and the key that signs it'),
  ).action(checkpoint)
}

async function verify(options: Options, command: Command): Promise<void> {
  // Who names two would believe that both were checked. What the environment says is a default, and steps back.
  const store = command.getOptionValueSource('store') === 'cli' ? options.store : undefined
  if ([store, options.export, options.proof].filter((one) => one !== undefined).length > 1)
    throw new Failure(EXIT.usage, 'Say one of --store, --export and --proof: one thing is checked at a time.')
  const key = options.publicKey === undefined ? undefined : await readKey(options.publicKey)
  if (options.proof !== undefined) return verifyProof(options.proof, key ?? noKey(), options.json === true)
  const { verifyExport, verifyStore } = await import('../store/verify.ts')
  const report = await (
    options.export === undefined
      ? verifyStore(checkedStore(options.store), key, progress('entries checked'))
      : verifyExport(options.export, key ?? noKey(), progress('entries checked'))
  ).catch(unreadable)
  if (!report.ok) process.exitCode = EXIT.integrity
  if (options.json) return printJson(report)
  screen.out(report.ok ? `ok: ${summary(report)}\n` : failures(report))
}

/** One call's entries, as `GET /admin/v1/calls/ID/proof` answers; nothing else of the ledger is needed. */
async function verifyProof(file: string, key: string, json: boolean): Promise<void> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new Failure(EXIT.usage, `The proof ${file} cannot be read (${error.code}).`)
  })
  const proven = checkProof(valueOf(text), key)
  if (!proven.ok) process.exitCode = EXIT.integrity
  if (json) return printJson(proven)
  if (!proven.ok) return screen.out(`FAILED: ${visible(proven.error)}\n`)
  const { call, entries, size } = proven
  screen.out(`ok: ${entries} entries of ${visible(call)} are in the tree of ${size}, checkpoint signed\n`)
}

function valueOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

async function exports(options: Options): Promise<void> {
  const store = checkedStore(options.store)
  const to = options.out === undefined ? { stream: process.stdout } : { directory: options.out }
  const { exportLedger } = await import('../store/export.ts')
  const entries = await exportLedger(store, to, progress('entries written')).catch(unreadable)
  if (options.out === undefined) return
  if (options.json) printJson({ entries, directory: options.out })
  else
    screen.out(
      `${entries} entries in ${options.out}. To check them: keystay ledger verify --export ${options.out} --public-key FILE\n`,
    )
}

/** The note alone goes to standard output, so that it can be kept as it is; the key is for whoever sees it. */
async function checkpoint({ adminUrl, json }: { readonly adminUrl: string; readonly json?: boolean }): Promise<void> {
  const [note, key] = [
    await askText(adminUrl, '/ledger/checkpoint'),
    (await askText(adminUrl, '/ledger/key.pub')).trim(),
  ]
  const opened = openCheckpoint(note, key)
  if (!opened.ok) throw new Failure(EXIT.integrity, `The checkpoint does not stand: ${visible(opened.error)}.`)
  const { origin, size, root } = opened.checkpoint
  if (json) return printJson({ origin, size, root: Buffer.from(root).toString('base64'), note, vkey: key })
  screen.out(note)
  screen.err(`signed by ${visible(key)}\n`)
}

/** `17 entries, tree of 17, checkpoint signed, 2 effects, 150.00 USD` */
function summary(report: Report): string {
  const signed = report.checkpoint.signed ? 'signed' : 'not signed'
  return [
    `${report.entries} entries`,
    `tree of ${report.treeSize}`,
    `checkpoint ${signed}${report.beyond ? ` at ${report.checkpoint.size}` : ''}`,
    `${report.effects} effect${report.effects === 1 ? '' : 's'}`,
    ...Object.entries(report.sums).map(([unit, amount]) => formatAmount({ unit, amount })),
    ...(report.erased ? [`${report.erased} calls with erased bodies`] : []),
    ...passkeysIn(report),
  ].join(', ')
}

/** `2 passkey signatures verified`, and of how many only the digest is left. */
function passkeysIn({ passkeys: { checked, erased } }: Report): string[] {
  const signatures = (count: number): string => `${count} passkey signature${count === 1 ? '' : 's'}`
  return [
    ...(checked > 0 ? [`${signatures(checked)} verified`] : []),
    ...(erased > 0 ? [`${signatures(erased)} erased`] : []),
  ]
}

function failures({ problems }: Report): string {
  const lines = problems
    .slice(0, PROBLEMS_SHOWN)
    .map(({ entry, message }) => `FAILED${entry === null ? '' : ` at entry ${entry}`}: ${visible(message)}\n`)
  const more = problems.length - lines.length
  return lines.join('') + (more > 0 ? `and ${more} problems more (--json lists them)\n` : '')
}

function checkedStore(store: string): string {
  if (storeAddress(store) !== null) return store
  throw new Failure(
    EXIT.usage,
    `--store is ${JSON.stringify(store)}: write sqlite:FILE, for example ${DEFAULTS.store}, or postgres://USER@HOST:PORT/DATABASE.`,
  )
}

function noKey(): never {
  throw new Failure(
    EXIT.usage,
    'Say which key must have signed: --public-key FILE. The key.pub inside the export proves nothing by itself.',
  )
}

function readKey(file: string): Promise<string> {
  return readFile(file, 'utf8').then(
    (text) => text.trim(),
    (error: NodeJS.ErrnoException) => {
      throw new Failure(EXIT.usage, `The public key ${file} cannot be read (${error.code}).`)
    },
  )
}

/** There is nothing to verify: no store, no export, or a file that is no database. */
function unreadable(error: unknown): never {
  if (error instanceof Failure || !(error instanceof Error)) throw error
  throw new Failure(EXIT.usage, `${visible(error.message)}.`)
}
