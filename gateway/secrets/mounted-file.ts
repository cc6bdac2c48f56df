import { lstat, readlink, realpath, stat } from 'node:fs/promises'
import { basename, dirname, join, sep } from 'node:path'
import { readPrivateFile } from './private-file.ts'

/** What Kubernetes calls the link in a mounted volume that it swaps when the content changes. */
const SWAPPED = '..data'
/** What was looked at while the link was swapped is looked at again. */
const TRIES = 5

/**
 * Reads a file that only its owner may read, or one of a mounted Kubernetes volume that its group may read too.
 *
 * @param directory only files in it, links resolved; any when null
 * @throws Error whose message names path and cause, never content
 */
export async function readSecretFile(name: string, directory: string | null = null): Promise<string> {
  const swapped = (): Promise<string | null> => readlink(join(dirname(name), SWAPPED)).catch(() => null)
  for (let left = TRIES - 1; ; left--) {
    const before = await swapped()
    try {
      return await readNow(name, directory)
    } catch (error) {
      if (left === 0 || (await swapped()) === before) throw error
    }
  }
}

async function readNow(name: string, directory: string | null): Promise<string> {
  const path = await realpath(name).catch((error: NodeJS.ErrnoException) => {
    const is = error.code === 'ENOENT' ? 'does not exist' : `cannot be opened (${error.code ?? 'error'})`
    throw new Error(`${name} ${is}`)
  })
  if (directory !== null && !path.startsWith(join(await realpath(directory), sep))) {
    throw new Error(`the file is not in ${directory}`)
  }
  return readPrivateFile(path, (await isMounted(name, path)) ? 'mounted' : 'own')
}

/**
 * Whether a file stands in a volume as the kubelet mounts Secrets: NAME leads to `..data/NAME`, and `..data` to a directory
 * beside it. Volume, link and directory are root's, and nobody else can put another in their place; so the file is what
 * the cluster put there, and the group that may read it (`fsGroup`) is that of the pod alone.
 */
async function isMounted(name: string, path: string): Promise<boolean> {
  const volume = dirname(name)
  try {
    const [root, link, content] = await Promise.all([stat(volume), lstat(join(volume, SWAPPED)), stat(dirname(path))])
    const target = await readlink(join(volume, SWAPPED))
    if (!link.isSymbolicLink() || basename(target) !== target || !target.startsWith('..')) return false
    if (path !== join(await realpath(volume), target, basename(name))) return false
    if (root.uid !== 0 || link.uid !== 0 || content.uid !== 0) return false
    // a directory with the sticky bit may be open to all: what is root's there only root can replace
    return ((root.mode & 0o022) === 0 || (root.mode & 0o1000) !== 0) && (content.mode & 0o022) === 0
  } catch {
    return false
  }
}
