import { setImmediate as breath } from 'node:timers/promises'
import { openCheckpoint } from '../core/checkpoint-note.ts'
import { nodeHash, treeRoot } from '../core/merkle.ts'
import type { Hash } from '../core/merkle.ts'
import { TILE } from '../core/tile.ts'
import type { CallProof, ProvenEntry } from '../core/proof.ts'
import type { Db } from './db.ts'
import { newestCheckpoint, SUBTREE } from './ledger.ts'
import { readValues } from './meta.ts'

/**
 * Roots of whole subtrees, by their first leaf and size: read once, some hundred bytes for each thousand entries. `until`: so
 * far those that the store keeps were read.
 */
export interface Roots {
  readonly known: Map<string, Hash>
  until: number
}

export function noRoots(): Roots {
  return { known: new Map(), until: 0 }
}

/**
 * The proof of a call's entries against the newest signed head, from the roots of whole subtrees and the leaves of the few
 * that the entries are in. Where the store keeps no roots (the entries are older than that), the first proof reads all leaves,
 * with breaths between.
 *
 * @returns null before the first head was signed.
 */
export async function proofOf(db: Db, call: string, roots: Roots): Promise<CallProof | null> {
  const tree = await signedTree(db)
  if (tree === null) return null
  const { note, vkey, size } = tree
  const rows = await db.all<{ idx: number; bytes: string }>(
    'SELECT idx, bytes FROM entries WHERE call = $1 ORDER BY idx',
    [call],
  )
  const signed = rows.filter(({ idx }) => idx < size)
  await readRoots(db, roots)
  const entries: ProvenEntry[] = []
  for (const { idx, bytes } of signed) {
    const path = await pathOf(db, roots, idx, 0, size)
    entries.push({ index: idx, bytes, hashes: path.map((hash) => Buffer.from(hash).toString('base64')) })
  }
  return { call, checkpoint: note, vkey, entries, unsigned: rows.length - signed.length }
}

/** The newest signed head, and how many entries it covers; null before the first was signed. */
export async function signedTree(db: Db): Promise<{ note: string; vkey: string; size: number } | null> {
  const newest = await newestCheckpoint(db)
  if (newest === null) return null
  const vkey = (await readValues(db, ['vkey'])).get('vkey') ?? ''
  // What the note says was signed, whatever the column beside it says.
  return { note: newest.note, vkey, size: openCheckpoint(newest.note, vkey).checkpoint?.size ?? newest.size }
}

export async function readRoots(db: Db, roots: Roots): Promise<void> {
  const text = 'SELECT start, root FROM subtrees WHERE start >= $1 ORDER BY start'
  for (const { start, root } of await db.all<{ start: number; root: string }>(text, [roots.until])) {
    roots.known.set(`${start} ${SUBTREE}`, Buffer.from(root, 'hex'))
    roots.until = start + 1
  }
}

/** RFC 9162, section 2.1.3.1, of the leaves from `start` to before `end`. */
async function pathOf(db: Db, roots: Roots, index: number, start: number, end: number): Promise<Hash[]> {
  if (end - start <= 1) return []
  const middle = start + splitOf(end - start)
  return index < middle
    ? [...(await pathOf(db, roots, index, start, middle)), await rootBetween(db, roots, middle, end)]
    : [...(await pathOf(db, roots, index, middle, end)), await rootBetween(db, roots, start, middle)]
}

/** The root of the leaves from `start` to before `end`, read where it is not known. */
export async function rootBetween(db: Db, roots: Roots, start: number, end: number): Promise<Hash> {
  const size = end - start
  const name = `${start} ${size}`
  const known = roots.known.get(name)
  if (known !== undefined) return known
  const middle = start + splitOf(size)
  const root =
    size <= SUBTREE
      ? treeRoot(await leavesOf(db, start, end))
      : nodeHash(await rootBetween(db, roots, start, middle), await rootBetween(db, roots, middle, end))
  // Its size is a power of two exactly where half of it is split off; only such a subtree stays as the tree grows.
  if (size >= TILE && middle - start === size / 2) roots.known.set(name, root)
  return root
}

export async function leavesOf(db: Db, start: number, end: number): Promise<Hash[]> {
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
