import { isAbsolute } from 'node:path'
import type { Lender, Lending } from '../../adapters/adapter.ts'
import { findAgeIdentity, readAgeFile } from './age-file.ts'
import type { AgeEntries } from './age-file.ts'
import { readSecretFile } from './mounted-file.ts'

/** What one fetch brought: one value, or several that belong together. */
export interface Document {
  /** @param field as `split` gave it. @throws Error whose message holds no value */
  pick(field: string): string
  /** How long it is good from the moment it was asked for, where the source says so (a lease). */
  readonly lives_ms?: number
}

/** A place that secrets come from. Everything rejects with an Error whose message names the cause and never a value. */
export interface Source {
  /** Which part of a name is fetched at once, and what is picked of it; the whole of both when absent. */
  split?(name: string): { readonly document: string; readonly field: string }
  /** @param anew what was had before is no good: a backend refused it */
  fetch(document: string, anew: boolean): Promise<Document>
  /** Asked once at the start, so that a wrong path or identity is found by the operator and not by the first call. */
  check?(): Promise<unknown>
  /** Where logins are made for others than us; see Lender. @throws Error for a document that is none */
  lend?(document: string, asked: Lending): ReturnType<Lender['lend']>
  takeBack?(document: string, handle: string): Promise<void>
  /** Looks at what runs out. Called about once a second; never rejects. */
  look?(): void
  /** Only these are needed from now on. */
  keep?(documents: ReadonlySet<string>): Promise<void>
  close?(): Promise<void>
}

/** `age://NAME`: an entry of one age file. Read anew each time, so that a changed file needs no restart. */
export function ageSource(path: string, environment: NodeJS.ProcessEnv): Source {
  // refs that are asked together share one decryption; with a passphrase it costs a second
  let reading: Promise<AgeEntries> | null = null
  const read = (): Promise<AgeEntries> =>
    (reading ??= findAgeIdentity(path, environment)
      .then((identity) => readAgeFile(path, identity))
      .finally(() => (reading = null)))
  return {
    check: read,
    async fetch(name) {
      const value = (await read()).get(name)
      if (value === undefined) throw new Error(`${path} has no such name`)
      return whole(value)
    },
  }
}

/** `env://VAR`: a variable of the environment; meant for development. */
export function envSource(environment: NodeJS.ProcessEnv): Source {
  return {
    async fetch(name) {
      if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) throw new Error('that is no name of a variable')
      const value = Object.hasOwn(environment, name) ? environment[name] : undefined
      if (value === undefined) throw new Error('the variable is not set')
      return whole(value)
    },
  }
}

/**
 * `file:///PATH`: a file that only its owner reads, or one of a mounted Kubernetes volume; without its last line end. Read
 * anew each time. With a directory only files in it, links resolved: who writes the policy shall not choose any file of
 * the machine as a password.
 */
export function fileSource(directory: string | null): Source {
  return {
    async fetch(name) {
      if (!isAbsolute(name) || name.includes('\0')) throw new Error('that is no absolute path')
      return whole((await readSecretFile(name, directory)).replace(/\r?\n$/, ''))
    },
  }
}

/** A document that is one value. */
export function whole(value: string): Document {
  return { pick: () => value }
}

/** `DOCUMENT#FIELD`; the last `#` parts them. */
export function splitField(name: string): { document: string; field: string } {
  const at = name.lastIndexOf('#')
  return at < 0 ? { document: name, field: '' } : { document: name.slice(0, at), field: name.slice(at + 1) }
}
