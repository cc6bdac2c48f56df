import { realpath } from 'node:fs/promises'
import { isAbsolute, join, sep } from 'node:path'
import { findAgeIdentity, readAgeFile } from './age-file.ts'
import type { AgeEntries } from './age-file.ts'
import { readPrivateFile } from './private-file.ts'

/** A place that secrets come from. Both reject with an Error whose message names the cause and never a value. */
export interface Source {
  /** @param name the part of the ref after `://` */
  get(name: string): Promise<string>
  /** Asked once at the start, so that a wrong path or identity is found by the operator and not by the first call. */
  check?(): Promise<unknown>
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
    async get(name) {
      const value = (await read()).get(name)
      if (value === undefined) throw new Error(`${path} has no such name`)
      return value
    },
  }
}

/** `env://VAR`: a variable of the environment; meant for development. */
export function envSource(environment: NodeJS.ProcessEnv): Source {
  return {
    async get(name) {
      if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) throw new Error('that is no name of a variable')
      const value = Object.hasOwn(environment, name) ? environment[name] : undefined
      if (value === undefined) throw new Error('the variable is not set')
      return value
    },
  }
}

/**
 * `file:///PATH`: a file that only its owner reads, without its last line end. With a directory only files in it, links
 * resolved: who writes the policy shall not choose any file of the machine as a password.
 */
export function fileSource(directory: string | null): Source {
  return {
    async get(name) {
      if (!isAbsolute(name) || name.includes('\0')) throw new Error('that is no absolute path')
      const path = await realpath(name).catch(() => {
        throw new Error('the file does not exist')
      })
      if (directory !== null && !path.startsWith(join(await realpath(directory), sep))) {
        throw new Error(`the file is not in ${directory}`)
      }
      return (await readPrivateFile(path)).replace(/\r?\n$/, '')
    },
  }
}
