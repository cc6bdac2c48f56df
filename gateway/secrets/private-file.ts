import { constants } from 'node:fs'
import { open } from 'node:fs/promises'

/** The most that a file of secrets may hold. */
const FILE_MAX = 1024 * 1024
/** Not to wait where a pipe stands in the place of the file. */
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NONBLOCK

/**
 * Reads a file that only its owner may read. Mode and content are of one open handle, so that nothing can be put in its
 * place in between.
 *
 * @param where `mounted`: in a volume that root alone can change, a file of root's may be readable by its group (mounted-file.ts)
 * @throws Error whose message names path and cause, never content
 */
export async function readPrivateFile(path: string, where: 'own' | 'mounted' = 'own'): Promise<string> {
  const handle = await open(path, OPEN_FLAGS).catch((error: NodeJS.ErrnoException) => {
    throw new Error(
      error.code === 'ENOENT' ? `${path} does not exist` : `${path} cannot be opened (${error.code ?? 'error'})`,
    )
  })
  try {
    const status = await handle.stat()
    if (!status.isFile()) throw new Error(`${path} is not a file`)
    const forGroup = where === 'mounted' && status.uid === 0
    if ((status.mode & (forGroup ? 0o037 : 0o077)) !== 0) {
      const mode = (status.mode & 0o777).toString(8).padStart(4, '0')
      const fix = where === 'mounted' ? 'give the volume defaultMode: 0440' : `chmod 600 ${path}`
      throw new Error(`${path} can be read or changed by others (mode ${mode}): ${fix}`)
    }
    if (status.size > FILE_MAX) throw new Error(`${path} is larger than ${FILE_MAX} bytes`)
    return await handle.readFile('utf8')
  } finally {
    await handle.close()
  }
}
