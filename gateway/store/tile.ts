import { TILE, type Tile } from '../core/tile.ts'
import type { Db } from './db.ts'
import { leavesOf, readRoots, rootBetween, signedTree, type Roots } from './proof.ts'

/**
 * What a tile holds: its hashes one behind the other, or its entries, each behind its length in two bytes (C2SP tlog-tiles).
 * What is signed makes it, so every checkpoint that was given out finds its tiles, and they never change.
 *
 * @returns base64; null where the signed tree does not reach so far, and of entries where one is too long for two bytes.
 */
export async function tileOf(db: Db, { of, index, width }: Tile, roots: Roots): Promise<string | null> {
  const size = (await signedTree(db))?.size ?? 0
  const [start, end] = [index * TILE, index * TILE + width]
  if (of === 'entries') return end > size ? null : entriesBetween(db, start, end)
  const span = TILE ** of
  if (end * span > size) return null
  if (of === 0) return joined(await leavesOf(db, start, end))
  await readRoots(db, roots)
  const hashes: Uint8Array[] = []
  for (let at = start; at < end; at++) hashes.push(await rootBetween(db, roots, at * span, (at + 1) * span))
  return joined(hashes)
}

async function entriesBetween(db: Db, start: number, end: number): Promise<string | null> {
  const text = 'SELECT bytes FROM entries WHERE idx >= $1 AND idx < $2 ORDER BY idx'
  const parts: Uint8Array[] = []
  for (const { bytes } of await db.all<{ bytes: string }>(text, [start, end])) {
    const entry = Buffer.from(bytes)
    if (entry.length > 0xffff) return null
    parts.push(Uint8Array.of(entry.length >> 8, entry.length & 0xff), entry)
  }
  return joined(parts)
}

function joined(parts: readonly Uint8Array[]): string {
  return Buffer.concat(parts).toString('base64')
}
