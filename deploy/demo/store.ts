import { existsSync } from 'node:fs'
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'

/** A store that cannot be begun anew; the message says what to do. */
export class StoreInTheWay extends Error {
  override readonly name = 'StoreInTheWay'
}

/**
 * Begins the demo's store anew: what the run before left is removed, and nothing else. Only files whose names begin as
 * the store's does, in the store's own folder, and only where a marker says that the demo made them: `keystay serve`
 * keeps its ledger under the same default name, and that one is nobody's to throw away.
 * @returns the absolute path of the store. @throws StoreInTheWay where a store is there that the demo did not make.
 */
export async function beginAnew(store: string): Promise<string> {
  const file = resolve(store)
  const [folder, name] = [dirname(file), basename(file)]
  const marker = `${file}.demo`
  if (existsSync(file) && !existsSync(marker)) {
    throw new StoreInTheWay(
      `${store} was not made by npm start, which begins its store anew. Move it away, or name another for the demo: KEYSTAY_STORE=sqlite:FILE npm start`,
    )
  }
  await mkdir(folder, { recursive: true, mode: 0o700 })
  for (const there of await readdir(folder)) {
    if (there === name || there.startsWith(`${name}-`) || there.startsWith(`${name}.`))
      await rm(join(folder, there), { recursive: true })
  }
  await writeFile(marker, 'npm start made this store, and removes it at its next start.\n', { mode: 0o600 })
  return file
}
