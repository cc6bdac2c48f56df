import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'

/** What one append of a page and its sync take on this disk, ms, each. */
export function rawSyncs(dir: string, count: number): number[] {
  return appended(dir, count, Buffer.alloc(4096, 1)).each
}

/** So many bytes at a time behind a file's end, each time synced. */
export function appended(dir: string, count: number, bytes: Buffer): { each: number[]; seconds: number } {
  const path = join(dir, 'raw')
  const file = openSync(path, 'w')
  const each: number[] = []
  const began = performance.now()
  for (let n = 0; n < count; n++) {
    const at = performance.now()
    writeSync(file, bytes)
    fdatasyncSync(file)
    each.push(performance.now() - at)
  }
  const seconds = (performance.now() - began) / 1000
  closeSync(file)
  rmSync(path)
  return { each, seconds }
}
