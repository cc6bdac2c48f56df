import { randomFillSync } from 'node:crypto'

/** Random bytes out of a block that is fetched at once: one entry takes ten, and a fetch costs the same for 4,096. */
export function randomSource(block = 4096): (bytes: number) => Uint8Array {
  let pool = new Uint8Array(0)
  let used = 0
  return (bytes) => {
    if (used + bytes > pool.length) {
      // A new block each time: what was handed out is not written over.
      pool = randomFillSync(new Uint8Array(Math.max(block, bytes)))
      used = 0
    }
    used += bytes
    return pool.subarray(used - bytes, used)
  }
}
