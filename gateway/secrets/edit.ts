import { access, realpath } from 'node:fs/promises'
import { createAgeIdentity, findAgeIdentity, outsideOf, readAgeFile, recipientOf, writeAgeFile } from './age-file.ts'
import type { AgeEntries, AgeIdentity, AgeRecipient } from './age-file.ts'
import { locked } from './lock.ts'
import { writePrivateFile } from './write-file.ts'

export interface EditOptions {
  readonly environment: NodeJS.ProcessEnv
  /** `age1…`: others who can open the file too, beside our own identity. */
  readonly recipients?: readonly string[]
}

/** The file is for people whom its outside does not name; written again it would be for us alone. */
export class OtherRecipients extends Error {
  override readonly name = 'OtherRecipients'
}

/**
 * Changes an age file: one writer at a time, replaced as a whole, in the form that it had (armored or not).
 *
 * @param change gets the names and values as they are now. The same map back: nothing is written.
 * @returns what stands in the file now. @throws OtherRecipients; Error whose message holds no value
 */
export async function editAgeFile(
  path: string,
  options: EditOptions,
  change: (entries: AgeEntries) => AgeEntries,
): Promise<AgeEntries> {
  const file = await realpath(path)
  return locked(file, async () => {
    const identity = await findAgeIdentity(path, options.environment)
    const before = await readAgeFile(file, identity)
    const after = change(before)
    if (after !== before) await seal(file, after, await recipientOf(identity), options.recipients)
    return after
  })
}

/**
 * Makes an empty age file, and a key beside it where nothing says yet what opens it. What is there is left as it is.
 *
 * @returns the path of the key that was made, or null
 */
export async function createAgeFile(path: string, environment: NodeJS.ProcessEnv): Promise<string | null> {
  return locked(path, async () => {
    if (await isThere(path)) return null
    const key = `${path}.key`
    const elsewhere = environment['KEYSTAY_AGE_IDENTITY'] || environment['KEYSTAY_AGE_IDENTITY_FILE']
    const made = !elsewhere && !(await isThere(key))
    if (made) await createAgeIdentity(key)
    await writeAgeFile(path, new Map(), await recipientOf(await findAgeIdentity(path, environment)))
    return made ? key : null
  })
}

export interface Rekeyed {
  /** Where the new identity is; null where the old one was kept. */
  readonly identity: string | null
  /** `age1…`, ours first. */
  readonly recipients: readonly string[]
}

/**
 * Closes an age file for a new identity, or (`keep`) for the same one and other recipients. Whenever it is cut off, what
 * is on the disk opens the file: the new key is beside the old one before the file is written, and the old one goes last.
 *
 * @param options.out where the new identity is written, if not into the file that holds the old one
 */
export async function rekeyAgeFile(
  path: string,
  options: EditOptions & { readonly keep?: boolean; readonly out?: string },
): Promise<Rekeyed> {
  const { environment, recipients = [], keep = false, out } = options
  const file = await realpath(path)
  return locked(file, async () => {
    const identity = await findAgeIdentity(path, environment)
    const entries = await readAgeFile(file, identity)
    const { armored } = await outsideOf(file)
    if (keep) {
      const own = await recipientOf(identity)
      await writeAgeFile(file, entries, withOthers(own, recipients), { armored })
      return { identity: null, recipients: [...(typeof own === 'string' ? [own] : []), ...recipients] }
    }
    // Only here: each start of the gateway loads this file, for its ledger key.
    const { generateX25519Identity, identityToRecipient } = await import('age-encryption')
    const key = await generateX25519Identity()
    const own = await identityToRecipient(key)
    const text = `# public key: ${own}\n${key}\n`
    if (out !== undefined) {
      if (!(await writePrivateFile(out, text, false))) throw new Error(`${out} exists already; name a new file`)
      await writeAgeFile(file, entries, [own, ...recipients], { armored })
      return { identity: out, recipients: [own, ...recipients] }
    }
    const beside = await keyBeside(path, identity, environment)
    await writePrivateFile(beside, `${text}${identity.keys.join('\n')}\n`, true)
    await writeAgeFile(file, entries, [own, ...recipients], { armored })
    await writePrivateFile(beside, text, true)
    return { identity: beside, recipients: [own, ...recipients] }
  })
}

async function seal(file: string, entries: AgeEntries, own: AgeRecipient, others: readonly string[] = []) {
  const { armored, recipients } = await outsideOf(file)
  if (recipients > 1 + others.length) {
    throw new OtherRecipients(
      `${file} is for ${recipients} recipients, and its outside does not say who they are: written again it would be for ${1 + others.length}`,
    )
  }
  await writeAgeFile(file, entries, withOthers(own, others), { armored })
}

function withOthers(own: AgeRecipient, others: readonly string[]): AgeRecipient | readonly string[] {
  if (others.length === 0) return own
  if (typeof own !== 'string') throw new Error('a file that a passphrase opens can have no other recipients')
  return [own, ...others]
}

/** FILE.key. A key file that is named in the environment may open more than this file, so it is never replaced. */
async function keyBeside(path: string, { keys }: AgeIdentity, environment: NodeJS.ProcessEnv): Promise<string> {
  if (environment['KEYSTAY_AGE_IDENTITY'] || environment['KEYSTAY_AGE_IDENTITY_FILE'] || keys.length === 0)
    throw new NeedsPlace('what opens the file now is a passphrase, or is named in the environment')
  return realpath(`${path}.key`)
}

/** The old identity is in no file that could be replaced: the caller says where the new one goes. */
export class NeedsPlace extends Error {
  override readonly name = 'NeedsPlace'
}

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
