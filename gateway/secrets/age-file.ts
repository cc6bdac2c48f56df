import { readFile } from 'node:fs/promises'
import { parseDocument } from 'yaml'
import { readSecretFile } from './mounted-file.ts'
import { writePrivateFile } from './write-file.ts'

/** What opens an age file: keys (`AGE-SECRET-KEY-1…`), or a passphrase. Never printed. */
export interface AgeIdentity {
  readonly keys: readonly string[]
  readonly passphrase: string | null
}
/** What closes one: `age1…`, or a passphrase. */
export type AgeRecipient = string | { readonly passphrase: string }

export type AgeEntries = ReadonlyMap<string, string>

/**
 * Decrypts a file of named secrets (age-encryption.org/v1). The plaintext is one flat map of names to strings, in JSON or
 * YAML. The file itself may be readable by others; what opens it may not.
 *
 * @throws Error whose message names path and cause, never content: no parser's excerpt either
 */
export async function readAgeFile(path: string, identity: AgeIdentity): Promise<AgeEntries> {
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    throw new Error(
      error.code === 'ENOENT' ? `${path} does not exist` : `${path} cannot be read (${error.code ?? 'error'})`,
    )
  })
  return entriesOf(await decrypt(path, bytes, identity), path)
}

/** Loaded by who has such a file: it is a tenth of what a start loads. */
const library = () => import('age-encryption')

/**
 * Encrypts and replaces an age file as a whole, mode 0600. Names are sorted. The plaintext touches no disk.
 *
 * @param recipients one, or several `age1…` of whom each can open it
 */
export async function writeAgeFile(
  path: string,
  entries: AgeEntries,
  recipients: AgeRecipient | readonly string[],
  { armored = false }: { readonly armored?: boolean } = {},
): Promise<void> {
  const { armor, Encrypter } = await library()
  const encrypter = new Encrypter()
  if (typeof recipients === 'object' && 'passphrase' in recipients) encrypter.setPassphrase(recipients.passphrase)
  else for (const one of typeof recipients === 'string' ? [recipients] : recipients) encrypter.addRecipient(one)
  const sorted = [...entries].sort(([a], [b]) => (a < b ? -1 : 1))
  const plain = JSON.stringify(Object.fromEntries(sorted), null, 2)
  const bytes = await encrypter.encrypt(`${plain}\n`)
  await writePrivateFile(path, armored ? armor.encode(bytes) : bytes, true)
}

/** What the outside of an age file shows without a key: its form, and for how many it is. */
export async function outsideOf(path: string): Promise<{ readonly armored: boolean; readonly recipients: number }> {
  const [bytes, { armor }] = await Promise.all([readFile(path), library()])
  const armored = isArmored(bytes)
  const header = Buffer.from(armored ? armor.decode(bytes.toString()) : bytes).toString('latin1')
  const end = header.indexOf('\n---')
  // Some programs put in stanzas that nobody opens, so that readers do not come to rely on there being none.
  const stanzas = header.slice(0, end).match(/^-> .*$/gm) ?? []
  return { armored, recipients: stanzas.filter((line) => !/^-> \S*-grease( |$)/.test(line)).length }
}

/** Makes a key and keeps it in a file of mode 0600 (the form that age-keygen writes). @returns the recipient, `age1…` */
export async function createAgeIdentity(path: string): Promise<string> {
  const { generateX25519Identity, identityToRecipient } = await library()
  const key = await generateX25519Identity()
  const recipient = await identityToRecipient(key)
  const made = await writePrivateFile(path, `# public key: ${recipient}\n${key}\n`, false)
  if (!made) throw new Error(`${path} exists already; it is left as it is`)
  return recipient
}

/**
 * What opens the file: the text of `KEYSTAY_AGE_IDENTITY` (a key or a passphrase), the file that
 * `KEYSTAY_AGE_IDENTITY_FILE` names, else the file beside it with `.key` at the end.
 */
export async function findAgeIdentity(path: string, environment: NodeJS.ProcessEnv): Promise<AgeIdentity> {
  const text = environment['KEYSTAY_AGE_IDENTITY']
  if (text) return identityOf(text, 'KEYSTAY_AGE_IDENTITY')
  const file = environment['KEYSTAY_AGE_IDENTITY_FILE'] ?? `${path}.key`
  return identityOf(await readSecretFile(file), file)
}

/** Whom to encrypt to so that the same identity opens the file again. */
export async function recipientOf(identity: AgeIdentity): Promise<AgeRecipient> {
  const [key] = identity.keys
  if (key !== undefined) return (await library()).identityToRecipient(key)
  return { passphrase: identity.passphrase ?? '' }
}

function identityOf(text: string, where: string): AgeIdentity {
  const lines = text.split(/\r?\n/).map((line) => line.trim())
  const said = lines.filter((line) => line !== '' && !line.startsWith('#'))
  const keys = said.filter((line) => line.startsWith('AGE-SECRET-KEY-'))
  if (keys.length > 0 && keys.length === said.length) return { keys, passphrase: null }
  const [passphrase, ...more] = said
  if (passphrase === undefined || more.length > 0 || keys.length > 0) {
    throw new Error(`${where} holds neither an age key (AGE-SECRET-KEY-1…) nor one passphrase`)
  }
  return { keys: [], passphrase }
}

async function decrypt(path: string, bytes: Uint8Array, identity: AgeIdentity): Promise<string> {
  try {
    const { armor, Decrypter } = await library()
    const decrypter = new Decrypter()
    for (const key of identity.keys) decrypter.addIdentity(key)
    if (identity.passphrase !== null) decrypter.addPassphrase(identity.passphrase)
    const outer = isArmored(bytes) ? armor.decode(Buffer.from(bytes).toString()) : bytes
    return await decrypter.decrypt(outer, 'text')
  } catch {
    // the library's own message could hold a piece of what it read
    throw new Error(`${path} cannot be decrypted: it is no age file, is damaged, or is for another identity`)
  }
}

/** As `age -a` writes it. */
function isArmored(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.subarray(0, 14)).toString() === '-----BEGIN AGE'
}

function entriesOf(plain: string, path: string): AgeEntries {
  // every JSON text of strings is YAML 1.2; the parser's errors quote what they read, so only their line is told
  const document = parseDocument(plain, { uniqueKeys: true, merge: false, logLevel: 'silent' })
  const [error] = [...document.errors, ...document.warnings]
  if (error) {
    throw new Error(
      `the plaintext of ${path} is not a flat map of names to strings (line ${error.linePos?.[0].line ?? '?'})`,
    )
  }
  const tree: unknown = document.toJS({ maxAliasCount: 0 })
  if (typeof tree !== 'object' || tree === null || Array.isArray(tree)) {
    throw new Error(`the plaintext of ${path} is not a flat map of names to strings`)
  }
  const entries = new Map<string, string>()
  for (const [name, value] of Object.entries(tree)) {
    if (typeof value !== 'string')
      throw new Error(`${path}: the value of ${JSON.stringify(name)} is not a string; quote it`)
    entries.set(name, value)
  }
  return entries
}
