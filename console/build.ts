import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'vite'

/**
 * `npm run build:console`, and by itself with `npm ci`: the console as files in dist/console. They are replaced only where
 * something differs (names are hashes), so a gateway that starts meanwhile finds them whole.
 */
const dist = join(import.meta.dirname, '../dist')
mkdirSync(dist, { recursive: true })
const fresh = mkdtempSync(join(dist, '.console-'))
const place = join(dist, 'console')
try {
  await build({ configFile: join(import.meta.dirname, 'vite.config.ts'), build: { outDir: fresh } })
  if (page(fresh) !== page(place)) {
    rmSync(place, { recursive: true, force: true })
    renameSync(fresh, place)
  }
} finally {
  rmSync(fresh, { recursive: true, force: true })
}

function page(folder: string): string | null {
  try {
    return readFileSync(join(folder, 'index.html'), 'utf8')
  } catch {
    return null
  }
}
