import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { EXIT, Failure } from '../exit.ts'
import { visible } from '../visible.ts'

/** Writes files that are not there; none where one of them is. @throws Failure with what is in the way. */
export async function writeNew(directory: string, files: { readonly [path: string]: string }): Promise<string[]> {
  const paths = Object.keys(files)
  const there = paths.filter((path) => existsSync(join(directory, path)))
  if (there.length > 0)
    throw new Failure(
      EXIT.usage,
      `${visible(directory)} has ${there.join(', ')} already; nothing was written. Name another directory.`,
    )
  for (const path of paths) {
    const file = join(directory, path)
    try {
      await mkdir(dirname(file), { recursive: true })
      // wx: what came there a moment ago is not overwritten either.
      await writeFile(file, files[path] ?? '', { flag: 'wx' })
    } catch (error) {
      throw new Failure(EXIT.usage, `${visible(file)} cannot be written (${(error as NodeJS.ErrnoException).code}).`)
    }
  }
  return paths
}
