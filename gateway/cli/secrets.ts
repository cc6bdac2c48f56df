import { access, mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Option, type Command } from 'commander'
import { EXIT, Failure } from './exit.ts'
import { printJson, screen } from './print.ts'
import { readValue } from './read-value.ts'
import { visible } from './visible.ts'

interface Options {
  readonly secrets?: string
  readonly recipient?: readonly string[]
  readonly keep?: boolean
  readonly identityOut?: string
  readonly json?: boolean
}

/** `secrets set / list / rotate / rekey`: the age file of `--secrets age:FILE`. No value is ever printed. */
export function secrets(program: Command): void {
  const verb = program.command('secrets').description('credentials in the age file; values are never shown')
  const on = (name: string, description: string) =>
    verb
      .command(name)
      .description(description)
      .addOption(new Option('--secrets <sources>', 'age:FILE, as serve has it').env('KEYSTAY_SECRETS'))
      .option('--json', 'one JSON value instead of text')
  const recipients = (command: Command) =>
    command.option(
      '--recipient <age1…>',
      'who can open the file too; again for each',
      (one: string, all: string[] | undefined) => [...(all ?? []), one],
    )
  recipients(
    on('set <name> [value...]', 'keep a new credential; its value comes on standard input, or is asked for'),
  ).action((name: string, value: string[], options: Options) => put(name, value, 'set', options))
  recipients(on('rotate <name> [value...]', 'put another value in place of the one that is kept')).action(
    (name: string, value: string[], options: Options) => put(name, value, 'rotate', options),
  )
  on('list', 'the names, never the values').action(list)
  recipients(on('rekey', 'make a new identity for the file, and close it for that'))
    .option('--keep', 'keep the identity; only who else can open the file changes (--recipient)')
    .option('--identity-out <file>', 'a new file for the new identity, where the old one is not in FILE.key')
    .action(rekey)
}

async function put(name: string, onCommandLine: readonly string[], verb: 'set' | 'rotate', options: Options) {
  if (onCommandLine.length > 0) {
    throw new Failure(
      EXIT.usage,
      `A value on the command line stays in the shell’s history and shows in the list of processes: take this one for known, and make another.\nGive it on standard input, or leave it out and be asked: keystay secrets ${verb} NAME`,
    )
  }
  if (!NAME.test(name))
    throw new Failure(EXIT.usage, `${visible(name)} is no name of a secret; write for example stripe/restricted_key.`)
  const [file, recipients] = [fileOf(options), recipientsOf(options)]
  const { createAgeFile, editAgeFile } = await import('../secrets/edit.ts')
  const fresh = !(await isThere(file))
  if (fresh && verb === 'rotate') throw noSuchName(file, name)
  // Asked before the file is locked, so that nobody waits for a person who types; and looked at before a person types.
  if (!fresh) refuseName(file, name, verb, await read(file))
  const value = await readValue(name)
  if (fresh) await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  const key = fresh ? await createAgeFile(file, process.env).catch(failed) : null
  await editAgeFile(file, { environment: process.env, recipients }, (before) => {
    refuseName(file, name, verb, before)
    if (before.get(name) === value) throw new Failure(EXIT.check_failed, `That is the value that ${name} has already.`)
    return new Map([...before, [name, value]])
  }).catch(failed)
  if (options.json) return printJson({ file, name, created: fresh, identity: key })
  if (key !== null) screen.out(`made ${file}, and the key that opens it: ${key} (keep a copy elsewhere)\n`)
  screen.out(
    verb === 'set'
      ? `${name} is kept in ${file}. In the policy: age://${name}\n`
      : `${name} has another value. A running gateway takes it within 5 minutes (serve --secret-lifetime), or as soon as a backend refuses the old one.\n`,
  )
}

async function list(options: Options): Promise<void> {
  const file = fileOf(options)
  const names = [...(await read(file)).keys()].sort()
  if (options.json) return printJson({ file, names })
  for (const name of names) screen.out(`${visible(name)}\n`)
}

async function rekey(options: Options): Promise<void> {
  const file = fileOf(options)
  if (options.keep && options.identityOut !== undefined)
    throw new Failure(EXIT.usage, '--keep makes no new identity, so there is none for --identity-out.')
  const { rekeyAgeFile } = await import('../secrets/edit.ts')
  const done = await rekeyAgeFile(file, {
    environment: process.env,
    recipients: recipientsOf(options),
    keep: options.keep === true,
    ...(options.identityOut === undefined ? {} : { out: options.identityOut }),
  }).catch(failed)
  if (options.json) return printJson({ file, ...done })
  screen.out(`${file} is closed for ${done.recipients.join(', ') || 'its passphrase'}\n`)
  if (options.identityOut !== undefined) screen.out(`From now on: KEYSTAY_AGE_IDENTITY_FILE=${options.identityOut}\n`)
  if (done.identity !== null)
    screen.out('The old identity opens copies made before. If it was known to others: rotate each secret too.\n')
}

/** Not echoed: what was pasted by mistake may be the secret half. */
function recipientsOf({ recipient = [] }: Options): readonly string[] {
  if (recipient.every((one) => /^age1[a-z0-9]{20,2000}$/.test(one))) return recipient
  throw new Failure(EXIT.usage, '--recipient is a public key; one looks like age1… (age-keygen -y FILE prints it).')
}

/** What a policy can name after `age://`. */
const NAME = /^[A-Za-z0-9][\w./-]{0,199}$/

type Entries = ReadonlyMap<string, string>

function refuseName(file: string, name: string, verb: 'set' | 'rotate', entries: Entries): void {
  if (verb === 'rotate' && !entries.has(name)) throw noSuchName(file, name)
  if (verb === 'set' && entries.has(name))
    throw new Failure(
      EXIT.check_failed,
      `${file} has ${name} already. To replace its value: keystay secrets rotate ${name}`,
    )
}

function noSuchName(file: string, name: string): Failure {
  return new Failure(EXIT.check_failed, `${file} has no ${name}. To keep a new one: keystay secrets set ${name}`)
}

async function read(file: string): Promise<Entries> {
  const { findAgeIdentity, readAgeFile } = await import('../secrets/age-file.ts')
  return findAgeIdentity(file, process.env)
    .then((identity) => readAgeFile(file, identity))
    .catch(failed)
}

/** What the room of secrets says has path and cause in it, never a value. */
function failed(error: unknown): never {
  if (error instanceof Failure || !(error instanceof Error)) throw error
  const fix: { readonly [name: string]: string } = {
    OtherRecipients: '. Name the others with --recipient, or see keystay secrets rekey --help.',
    NeedsPlace: '. Say into which new file the new identity goes: --identity-out FILE.',
  }
  throw new Failure(EXIT.usage, `${visible(error.message)}${fix[error.name] ?? '.'}`)
}

function fileOf({ secrets: sources }: Options): string {
  const file = /(?:^|,)\s*age:([^,]+)/.exec(sources ?? '')?.[1]
  if (file !== undefined) return file
  throw new Failure(EXIT.usage, 'Say which file: --secrets age:FILE, or KEYSTAY_SECRETS=age:FILE.')
}

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
