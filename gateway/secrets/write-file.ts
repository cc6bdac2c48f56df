import { randomBytes } from 'node:crypto'
import { link, open, rename, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * Writes a file of mode 0600 as a whole, or not at all. The content is synced under another name before it gets its own,
 * and the directory after: a crash leaves the old file or the new one, never half of one.
 *
 * @returns false when `replace` is false and the file exists already; it is then left as it is
 */
export async function writePrivateFile(path: string, content: string | Uint8Array, replace: boolean): Promise<boolean> {
  const draft = `${path}.${randomBytes(8).toString('hex')}.draft`
  const handle = await open(draft, 'wx', 0o600)
  try {
    // the umask may only have narrowed the mode
    await handle.chmod(0o600)
    await handle.writeFile(content)
    await handle.sync()
  } catch (error) {
    await unlink(draft).catch(() => {})
    throw error
  } finally {
    await handle.close()
  }
  try {
    if (replace) await rename(draft, path)
    // unlike rename, link never replaces: of two who make the file at once, one wins and the other is told
    else await link(draft, path)
  } catch (error) {
    if (!replace && isExists(error)) return false
    throw error
  } finally {
    await unlink(draft).catch(() => {})
  }
  const directory = await open(dirname(path), 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
  return true
}

function isExists(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EEXIST'
}
