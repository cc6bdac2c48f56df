import { readFile, readdir } from 'node:fs/promises'
import { join, relative, resolve, sep } from 'node:path'
import { adapters } from '../adapters/index.ts'
import { compile, referencedFiles } from './core/compile.ts'
import type { Finding, Policy, PolicyText } from './core/types.ts'

export type Loaded =
  | { readonly ok: true; readonly policy: Policy; readonly warnings: readonly Finding[] }
  | { readonly ok: false; readonly findings: readonly Finding[] }

/** Larger than any policy; a directory named by mistake must not fill the memory. */
const FILE_BYTES_MAX = 5_000_000
const FILES_MAX = 20_000

/**
 * Reads and compiles a policy directory as a whole.
 *
 * @returns the policy, or every finding at once. @throws Error naming the path when the directory cannot be read.
 */
export async function loadPolicy(dir: string): Promise<Loaded> {
  const texts = await readTexts(dir)
  if (texts.length === 0)
    throw new Error(`There is no *.yaml in ${resolve(dir)}. Give --policies the directory of your policy.`)
  const files = new Map<string, string>()
  for (const path of referencedFiles(texts)) {
    const text = await readReferenced(dir, path)
    if (text !== null) files.set(path, text)
  }
  const schemas = Object.fromEntries([...adapters].map(([name, { backend, request }]) => [name, { backend, request }]))
  return compile(texts, schemas, { files })
}

/** Every `*.yaml` under the directory, sorted by path, paths with `/`. */
async function readTexts(dir: string): Promise<PolicyText[]> {
  const found = await readdir(dir, { recursive: true, withFileTypes: true }).catch((error: Error) => {
    throw new Error(`The policy directory ${resolve(dir)} cannot be read: ${error.message}`)
  })
  const paths = found
    .filter((entry) => entry.isFile() && entry.name.endsWith('.yaml') && !entry.parentPath.includes('node_modules'))
    .map((entry) => relative(dir, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .sort()
  if (paths.length > FILES_MAX) throw new Error(`${resolve(dir)} has more than ${FILES_MAX} policy files.`)
  return Promise.all(paths.map(async (path) => ({ path, text: await readBounded(join(dir, path)) })))
}

async function readBounded(path: string): Promise<string> {
  const bytes = await readFile(path)
  if (bytes.length > FILE_BYTES_MAX) throw new Error(`${path} is larger than ${FILE_BYTES_MAX} bytes.`)
  return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
}

/** null: not there; compile says so at the line that names it. A policy may name files of its own directory only. */
async function readReferenced(dir: string, path: string): Promise<string | null> {
  const full = resolve(dir, path)
  if (!full.startsWith(resolve(dir) + sep)) return null
  return readBounded(full).catch(() => null)
}
