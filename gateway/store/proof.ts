import { setImmediate as breath } from 'node:timers/promises'
import { openCheckpoint } from '../core/checkpoint-note.ts'
import { nodeHash, treeRoot } from '../core/merkle.ts'
import type { Hash } from '../core/merkle.ts'
import type { CallProof, ProvenEntry } from '../core/proof.ts'
import type { Db } from './db.ts'
import { newestCheckpoint } from './ledger.ts'
import { readValues } from './meta.ts'

/** Leaves read at a time. A power of two: whole chunks are subtrees, whose roots never change. */
const CHUNK = 1024

/** Roots of whole subtrees of a chunk and more, by their first leaf and size: read once, some 60 bytes for each thousand entries. */
export type Roots = Map<string, Hash>

/**
 * The proof of a call's entries against the newest signed head. The first one reads the leaves of the whole tree, a chunk
 * at a time with breaths between; those that follow read a chunk for each entry, and what is new.
 *
 * @returns null before the first head was signed.
 */
export async function proofOf(db: Db, call: string, roots: Roots): Promise<CallProof | null> {
  const newest = await newestCheckpoint(db)
  if (newest === null) return null
  const vkey = (await readValues(db, ['vkey'])).get('vkey') ?? ''
  const opened = openCheckpoint(newest.note, vkey)
  // What the note says was signed, whatever the column beside it says.
  const size = opened.checkpoint?.size ?? newest.size
  const rows = await db.all<{ idx: number; bytes: string }>(
    'SELECT idx, bytes FROM entries WHERE call = $1 ORDER BY idx',
    [call],
  )
  const signed = rows.filter(({ idx }) => idx < size)
  const entries: ProvenEntry[] = []
  for (const { idx, bytes } of signed) {
    const path = await pathOf(db, roots, idx, 0, size)
    entries.push({ index: idx, bytes, hashes: path.map((hash) => Buffer.from(hash).toString('base64')) })
  }
  return { call, checkpoint: newest.note, vkey, entries, unsigned: rows.length - signed.length }
}

/** RFC 9162, section 2.1.3.1, of the leaves from `start` to before `end`. */
async function pathOf(db: Db, roots: Roots, index: number, start: number, end: number): Promise<Hash[]> {
  if (end - start <= 1) return []
  const middle = start + splitOf(end - start)
  return index < middle
    ? [...(await pathOf(db, roots, index, start, middle)), await rootBetween(db, roots, middle, end)]
    : [...(await pathOf(db, roots, index, middle, end)), await rootBetween(db, roots, start, middle)]
}

async function rootBetween(db: Db, roots: Roots, start: number, end: number): Promise<Hash> {
  const size = end - start
  const name = `${start} ${size}`
  const known = roots.get(name)
  if (known !== undefined) return known
  const middle = start + splitOf(size)
  const root =
    size <= CHUNK
      ? treeRoot(await leavesOf(db, start, end))
      : nodeHash(await rootBetween(db, roots, start, middle), await rootBetween(db, roots, middle, end))
  // Its size is a power of two exactly where half of it is split off; only such a subtree stays as the tree grows.
  if (size >= CHUNK && middle - start === size / 2) roots.set(name, root)
  return root
}

async function leavesOf(db: Db, start: number, end: number): Promise<Hash[]> {
  await breath()
  const rows = await db.all<{ leaf: string }>('SELECT leaf FROM entries WHERE idx >= $1 AND idx < $2 ORDER BY idx', [
    start,
    end,
  ])
  return rows.map(({ leaf }) => Buffer.from(leaf, 'hex'))
}

/** The largest power of two below the size. */
function splitOf(size: number): number {
  let split = 1
  while (split * 2 < size) split *= 2
  return split
}
