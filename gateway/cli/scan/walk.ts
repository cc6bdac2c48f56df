import { constants } from 'node:fs'
import { open, readdir, realpath } from 'node:fs/promises'
import { join } from 'node:path'

export interface TextFile {
  /** Below the directory, parted by /. */
  readonly path: string
  readonly text: string
}
/** What was looked at, and what was not. */
export interface Walked {
  files: number
  /** More than FILE_MAX bytes. */
  too_large: number
  binary: number
  /** Links, sockets, pipes, devices: none is followed or opened. */
  links: number
  unreadable: string[]
  /** False where a bound was met before the end. */
  whole: boolean
}

const FILE_MAX = 1024 * 1024
const FILES_MAX = 20_000
const DEPTH_MAX = 32
const UNREADABLE_MAX = 100

/** Others' code, history, what is made anew from sources, caches. */
const SKIPPED = new Set(
  ['node_modules', 'bower_components', 'vendor', 'site-packages', 'dist', 'build', 'target', 'coverage', 'venv']
    .concat(['__pycache__', '.git', '.hg', '.svn', '.venv', '.tox', '.mypy_cache', '.pytest_cache', '.ruff_cache'])
    .concat(['.next', '.nuxt', '.turbo', '.cache', '.terraform', '.gradle', '.idea', '.yarn', '.pnpm-store']),
)

/**
 * Each text file below a directory, in the order of its path. No link is followed, so nothing outside is read, and a
 * file is opened without waiting: a pipe that poses as one does not hold us up.
 *
 * @param until by performance.now(): what comes later is not looked at.
 * @throws what realpath throws, for a directory that is not there.
 */
export async function* textFiles(directory: string, walked: Walked, until: number): AsyncGenerator<TextFile> {
  const root = await realpath(directory)
  // Deepest last, so that it is taken next; reversed, so that names come in their order.
  const waiting: { readonly path: string; readonly depth: number }[] = [{ path: '', depth: 0 }]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { path, depth } = next
    if (performance.now() > until) {
      walked.whole = false
      return
    }
    const entries = await readdir(join(root, path), { withFileTypes: true }).catch(() => null)
    if (entries === null) {
      if (walked.unreadable.length < UNREADABLE_MAX) walked.unreadable.push(path || '.')
      continue
    }
    const below = (name: string) => (path === '' ? name : `${path}/${name}`)
    const sorted = entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))
    for (const entry of sorted.filter((one) => !one.isDirectory())) {
      if (!entry.isFile()) {
        walked.links += 1
        continue
      }
      if (walked.files >= FILES_MAX || performance.now() > until) {
        walked.whole = false
        return
      }
      walked.files += 1
      const text = await read(join(root, below(entry.name)), below(entry.name), walked)
      if (text !== null) yield { path: below(entry.name), text }
    }
    for (const { name } of sorted.filter((one) => one.isDirectory() && !SKIPPED.has(one.name)).toReversed()) {
      if (depth < DEPTH_MAX) waiting.push({ path: below(name), depth: depth + 1 })
      else walked.whole = false
    }
  }
}

async function read(file: string, path: string, walked: Walked): Promise<string | null> {
  const flags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)
  const handle = await open(file, flags).catch(() => null)
  if (handle === null) {
    if (walked.unreadable.length < UNREADABLE_MAX) walked.unreadable.push(path)
    return null
  }
  try {
    const status = await handle.stat()
    if (!status.isFile()) return null
    if (status.size > FILE_MAX) {
      walked.too_large += 1
      return null
    }
    const bytes = await handle.readFile()
    if (!bytes.subarray(0, 8192).includes(0)) return bytes.toString('utf8')
    walked.binary += 1
    return null
  } catch {
    if (walked.unreadable.length < UNREADABLE_MAX) walked.unreadable.push(path)
    return null
  } finally {
    await handle.close()
  }
}
