import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { access } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { findAgeIdentity, readAgeFile } from './age-file.ts'
import { editAgeFile } from './edit.ts'
import { readSecretFile } from './mounted-file.ts'
import { writePrivateFile } from './write-file.ts'

/** What signs the checkpoints of the ledger (Ed25519, RFC 8032). `created`: it did not exist before, which is to be said. */
export interface LedgerKey {
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
  readonly created: boolean
}

/**
 * The ledger's signing key, PKCS #8 in PEM. In a file (a path, or `file:///PATH`) or in the age file (`age://NAME`) it is
 * made when absent; in `env://VAR` it must be there. A new key is on the disk before it is used: a checkpoint signed with
 * a key that a crash took with it could never be verified.
 *
 * @param options.ageFile the file of `--secrets age:FILE`
 * @throws Error whose message names the place and the cause, never the key
 */
export async function ledgerKey(
  where: string,
  options: { readonly ageFile?: string; readonly environment?: NodeJS.ProcessEnv } = {},
): Promise<LedgerKey> {
  const environment = options.environment ?? process.env
  const [, scheme = '', name = ''] = /^(age|env):\/\/(.+)$/.exec(where) ?? []
  if (scheme === 'env') {
    const text = environment[name]
    if (!text) throw new Error(`${where}: the variable is not set`)
    return keyOf(text, where, false)
  }
  if (scheme === 'age') {
    if (options.ageFile === undefined) throw new Error(`${where} needs an age file (--secrets age:FILE)`)
    return inAgeFile(where, name, options.ageFile, environment)
  }
  return inFile(where.startsWith('file://') ? fileURLToPath(where) : where)
}

async function inFile(path: string): Promise<LedgerKey> {
  const absent = await access(path).then(
    () => false,
    (error: NodeJS.ErrnoException) => error.code === 'ENOENT',
  )
  // of two that start at once one makes it, and both read what was made
  const created = absent && (await writePrivateFile(path, newKey(), false))
  return keyOf(await readSecretFile(path), path, created)
}

async function inAgeFile(
  where: string,
  name: string,
  file: string,
  environment: NodeJS.ProcessEnv,
): Promise<LedgerKey> {
  const there = (await readAgeFile(file, await findAgeIdentity(file, environment))).get(name)
  if (there !== undefined) return keyOf(there, where, false)
  const made = newKey()
  // Under the file's lock: of two that start at once one makes it, and nobody else's change is lost.
  const entries = await editAgeFile(file, { environment }, (before) =>
    before.has(name) ? before : new Map([...before, [name, made]]),
  )
  const pem = entries.get(name) ?? ''
  return keyOf(pem, where, pem === made)
}

function newKey(): string {
  return generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}

function keyOf(pem: string, where: string, created: boolean): LedgerKey {
  const privateKey = parse(pem)
  if (privateKey?.asymmetricKeyType !== 'ed25519')
    throw new Error(`${where} is not an Ed25519 private key in PEM (PKCS #8)`)
  return { privateKey, publicKey: createPublicKey(privateKey), created }
}

// OpenSSL's own message may quote what it read
function parse(pem: string): KeyObject | null {
  try {
    return createPrivateKey(pem)
  } catch {
    return null
  }
}
