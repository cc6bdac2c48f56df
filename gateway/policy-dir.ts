import type { BigIntStats } from 'node:fs'
import { lstat, readFile, readdir, stat } from 'node:fs/promises'
import { join, resolve, sep } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { adapters } from '../adapters/index.ts'
import { compile, compileSteps, isYaml, referencedFiles } from './core/compile.ts'
import type { AdapterSchemas } from './core/compile.ts'
import type { Finding, Policy, PolicyText } from './core/types.ts'

export type Loaded =
  | { readonly ok: true; readonly policy: Policy; readonly warnings: readonly Finding[] }
  | { readonly ok: false; readonly findings: readonly Finding[] }

/** What stands in a policy directory: its YAML, and the key files and prompts that it names. */
export interface PolicyTexts {
  readonly texts: readonly PolicyText[]
  readonly files: ReadonlyMap<string, string>
}

/** Larger than any policy; a directory named by mistake must not fill the memory. */
const FILE_BYTES_MAX = 5_000_000
const FILES_MAX = 20_000
const DEPTH_MAX = 20

/**
 * Reads and compiles a policy directory as a whole.
 *
 * @returns the policy, or every finding at once. @throws Error naming the path when the directory cannot be read.
 */
export async function loadPolicy(dir: string): Promise<Loaded> {
  return compileTexts(await readPolicy(dir))
}

export function compileTexts({ texts, files }: PolicyTexts): Loaded {
  return compile(texts, schemas(), { files })
}

/** Calls go on meanwhile: longer than this they do not wait for it. */
const TURN_MS = 1

/** As at the start, for a gateway that serves. */
export async function compileInTurns({ texts, files }: PolicyTexts): Promise<Loaded> {
  const steps = compileSteps(texts, schemas(), { files })
  for (;;) {
    const over = performance.now() + TURN_MS
    do {
      const step = steps.next()
      if (step.done === true) return step.value
    } while (performance.now() < over)
    await turn()
  }
}

function schemas(): AdapterSchemas {
  return Object.fromEntries([...adapters].map(([name, { backend, request }]) => [name, { backend, request }]))
}

/** @throws Error naming the path when the directory cannot be read, or holds no policy. */
export async function readPolicy(dir: string): Promise<PolicyTexts> {
  const paths = (await filesOf(dir)).map(({ path }) => path).filter(isYaml)
  if (paths.length === 0)
    throw new Error(`There is no *.yaml in ${resolve(dir)}. Give --policies the directory of your policy.`)
  const texts = await Promise.all(
    paths.map(async (path) => ({ path, text: await readBounded(join(dir, path), false) })),
  )
  const files = new Map<string, string>()
  for (const path of referencedFiles(texts)) {
    const text = await readReferenced(dir, path)
    if (text !== null) files.set(path, text)
  }
  return { texts, files }
}

/** How every file below the directory stands; it changes with any write, rename or removal. */
export async function stampOf(dir: string): Promise<string> {
  return JSON.stringify((await filesOf(dir)).map(({ path, stamp }) => [path, stamp]))
}

interface Found {
  /** Relative to the directory, with `/`. */
  readonly path: string
  readonly stamp: string
}

/**
 * Every file below the directory, by path. Names that begin with a dot are left out: locks and swap files of editors,
 * `.git`, and the folders that a Kubernetes volume keeps its versions in. The links that such a volume shows are followed.
 */
async function filesOf(dir: string): Promise<Found[]> {
  const found: Found[] = []
  const walk = async (below: string, depth: number): Promise<void> => {
    const names = (await readdir(join(dir, below))).filter((name) => !name.startsWith('.') && name !== 'node_modules')
    const paths = names.map((name) => (below === '' ? name : `${below}/${name}`))
    // One after the other, each would wait for its turn beside the calls.
    const all = await Promise.all(paths.map((path) => statOf(join(dir, path), path)))
    for (const [index, path] of paths.entries()) {
      const stats = all[index]
      if (stats?.isDirectory() === true && depth < DEPTH_MAX) await walk(path, depth + 1)
      if (stats?.isFile() !== true) continue
      const { ino, size, mtimeNs, ctimeNs } = stats
      found.push({ path, stamp: [ino, size, mtimeNs, ctimeNs].join() })
      if (found.length > FILES_MAX) throw new Error(`${resolve(dir)} has more than ${FILES_MAX} files.`)
    }
  }
  await walk('', 0).catch((error: Error) => {
    throw new Error(`The policy directory ${resolve(dir)} cannot be read: ${error.message}`)
  })
  return found.sort((a, b) => (a.path < b.path ? -1 : 1))
}

/** null: gone again since the listing. A guardrail behind a link to nothing must not be as if nobody had written it. */
async function statOf(full: string, path: string): Promise<BigIntStats | null> {
  const found = await stat(full, { bigint: true }).catch(() => null)
  if (found === null && isYaml(path) && (await lstat(full).catch(() => null))?.isSymbolicLink() === true)
    throw new Error(`${path} is a link to nothing`)
  return found
}

/** `fatal: false`: what is not UTF-8 is U+FFFD in the text, which the reader of policies refuses at its place. */
async function readBounded(path: string, fatal: boolean): Promise<string> {
  const bytes = await readFile(path)
  if (bytes.length > FILE_BYTES_MAX) throw new Error(`${path} is larger than ${FILE_BYTES_MAX} bytes.`)
  return new TextDecoder('utf-8', { fatal }).decode(bytes)
}

/** null: not there; compile says so at the line that names it. A policy may name files of its own directory only. */
async function readReferenced(dir: string, path: string): Promise<string | null> {
  const full = resolve(dir, path)
  if (!full.startsWith(resolve(dir) + sep)) return null
  return readBounded(full, true).catch(() => null)
}
