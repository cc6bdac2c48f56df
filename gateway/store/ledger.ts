import { entryBytes } from '../core/entry.ts'
import { append, EMPTY, frontierLength, leafHash, rootOf, subtreesClosed } from '../core/merkle.ts'
import type { Frontier } from '../core/merkle.ts'
import { openCheckpoint, signCheckpoint } from '../core/checkpoint-note.ts'
import type { Signer } from '../core/checkpoint-note.ts'
import type { JsonObject } from '../core/types.ts'
import type { NewEntry } from '../core/working.ts'
import { insert } from './db.ts'
import type { Db } from './db.ts'

/** Leaves of a subtree whose root is kept, so that a proof need not read the whole tree. */
export const SUBTREE = 1024

/** The committed head: the tree as its frontier, and the newest `at`. */
export interface Head {
  readonly frontier: Frontier
  /** Hex. */
  readonly root: string
  readonly at: number
}

/**
 * Appends entries and moves the head, in the caller's transaction: either all of it becomes durable or the ledger is as
 * it was. An entry gets its place in the tree here: there is one transaction at a time, over all processes.
 *
 * @throws Error when the head is not the one that was read: two writers, which the lock should have made impossible.
 */
export async function appendEntries(db: Db, head: Head, entries: readonly NewEntry[]): Promise<Head> {
  if (entries.length === 0) return head
  const { size } = head.frontier
  const texts = entries.map(entryBytes)
  const leaves = texts.map(leafHash)
  const rows = entries.map(({ id, at, kind, call, session }, index) => {
    return [size + index, id, at, kind, call, session, texts[index] as string, hex(leaves[index] as Uint8Array)]
  })
  await insert(db, 'INSERT INTO entries (idx, id, at, kind, call, session, bytes, leaf) VALUES', rows)
  const closed = subtreesClosed(head.frontier, leaves, SUBTREE)
  await insert(
    db,
    'INSERT INTO subtrees (start, root) VALUES',
    closed.map(({ start, root }) => [start, hex(root)]),
  )
  const frontier = append(head.frontier, leaves)
  const next: Head = { frontier, root: hex(rootOf(frontier)), at: entries.at(-1)?.at ?? head.at }
  const moved = await db.run('UPDATE head SET size = $1, root = $2, frontier = $3, at = $4 WHERE size = $5', [
    frontier.size,
    next.root,
    frontierText(frontier),
    next.at,
    size,
  ])
  if (moved !== 1) throw new Error(`the head of the ledger is no longer ${size}`)
  return next
}

export async function readHead(db: Db): Promise<Head> {
  const [row] = await db.all<HeadRow>('SELECT size, root, frontier, at FROM head')
  if (row === undefined) throw new Error('the ledger has no head')
  return { frontier: frontierFrom(row.size, row.frontier), root: row.root, at: row.at }
}

/** The head of an empty ledger, once. */
export async function createHead(db: Db): Promise<void> {
  await db.run(
    `INSERT INTO head (one, size, root, frontier, at) VALUES (1, 0, $1, '', 0) ON CONFLICT (one) DO NOTHING`,
    [hex(rootOf(EMPTY))],
  )
}

/** Are these the last entries of a tree of this size: how a commit whose answer was lost is read back (R9). */
export async function endsWith(db: Db, size: number, ids: readonly string[]): Promise<boolean> {
  const rows = await db.all<{ id: string }>('SELECT id FROM entries WHERE idx >= $1 AND idx < $2 ORDER BY idx', [
    size - ids.length,
    size,
  ])
  return rows.length === ids.length && rows.every(({ id }, index) => id === ids[index])
}

/** Entries of one call, oldest first. */
export async function storyOf(db: Db, call: string): Promise<JsonObject[]> {
  const rows = await db.all<{ bytes: string }>('SELECT bytes FROM entries WHERE call = $1 ORDER BY idx', [call])
  return rows.map(({ bytes }) => JSON.parse(bytes) as JsonObject)
}

/**
 * Signs the head as it stands committed. Run in a transaction of its own: a head that is not durable yet could be lost
 * in a crash, and two signed trees of one size would be a fork. Only the newest is kept: from an older one, somebody
 * could begin another history that a start would take for ours.
 *
 * @returns the size that is signed now.
 */
export async function signHead(db: Db, signer: Signer, origin: string, now: number): Promise<number> {
  const { frontier } = await readHead(db)
  const newest = await newestCheckpoint(db)
  if (newest !== null && newest.size >= frontier.size) return newest.size
  const note = signCheckpoint({ origin, size: frontier.size, root: rootOf(frontier) }, signer)
  await db.run('INSERT INTO checkpoints (size, at, frontier, note) VALUES ($1, $2, $3, $4)', [
    frontier.size,
    now,
    frontierText(frontier),
    note,
  ])
  await db.run('DELETE FROM checkpoints WHERE size < $1', [frontier.size])
  return frontier.size
}

export interface StoredCheckpoint {
  readonly size: number
  readonly frontier: string
  readonly note: string
}

export async function newestCheckpoint(db: Db): Promise<StoredCheckpoint | null> {
  const [row] = await db.all<StoredCheckpoint>(
    'SELECT size, frontier, note FROM checkpoints ORDER BY size DESC LIMIT 1',
  )
  return row ?? null
}

/** What is there is not what was signed: nothing may be served. Other threads tell it by its name. */
export class LedgerBroken extends Error {
  override readonly name = 'LedgerBroken'
}

/**
 * Before the first new signature: the newest checkpoint is ours, and the entries behind it (at most what a second
 * brings, after a crash) lead to the head. Else somebody who rewrote the store while it was closed would get the new
 * history signed. It reads only those entries and the last that were signed, so a start does not get slower with the ledger.
 *
 * @throws LedgerBroken that says what does not hold: nothing may be served.
 */
export async function continueFrom(db: Db, vkey: string): Promise<void> {
  const head = await readHead(db)
  const checkpoint = await newestCheckpoint(db)
  if (checkpoint === null) {
    if (head.frontier.size === 0) return
    throw new LedgerBroken(`the ledger has ${head.frontier.size} entries and no checkpoint: it was tampered with`)
  }
  const opened = openCheckpoint(checkpoint.note, vkey)
  if (!opened.ok)
    throw new LedgerBroken(
      `the newest checkpoint does not stand (${opened.error}): another ledger key, or it was tampered with`,
    )
  const { size, root } = opened.checkpoint
  const start = frontierFrom(size, checkpoint.frontier)
  if (hex(rootOf(start)) !== hex(root))
    throw new LedgerBroken('the newest checkpoint does not fit its tree: the store was tampered with')
  await mustEndIn(db, start)
  const rows = await db.all<{ idx: number; bytes: string }>(
    'SELECT idx, bytes FROM entries WHERE idx >= $1 ORDER BY idx',
    [size],
  )
  const gapless = rows.every(({ idx }, index) => idx === size + index)
  const end = append(
    start,
    rows.map(({ bytes }) => leafHash(bytes)),
  )
  const stored = hex(rootOf(head.frontier))
  if (!gapless || end.size !== head.frontier.size || hex(rootOf(end)) !== stored || stored !== head.root) {
    throw new LedgerBroken(`the ledger does not continue its checkpoint of ${size} entries: it was tampered with`)
  }
}

/** So many entries, or fewer, are looked at before a checkpoint. */
const TAIL = 1024

/**
 * The end is where entries are cut off; what goes missing elsewhere, `ledger verify` finds.
 *
 * @throws LedgerBroken where the last entries that were signed are not those that are there.
 */
async function mustEndIn(db: Db, { size, hashes }: Frontier): Promise<void> {
  const tail = size % TAIL
  // Of whole stretches of them only the last entry is asked for: their root needs all of it.
  const from = size - (tail || Math.min(size, 1))
  const text = 'SELECT idx, bytes, leaf FROM entries WHERE idx >= $1 AND idx < $2 ORDER BY idx'
  const rows = await db.all<{ idx: number; bytes: string; leaf: string }>(text, [from, size])
  const changed = rows.find(({ bytes, leaf }) => hex(leafHash(bytes)) !== leaf)
  if (changed !== undefined) throw new LedgerBroken(`entry ${changed.idx}: content does not match its hash`)
  const leaves = rows.map(({ leaf }) => Buffer.from(leaf, 'hex'))
  // The last hashes of a frontier are those of the entries behind its whole stretches.
  const last = { size: tail, hashes: hashes.slice(hashes.length - frontierLength(tail)) }
  const fits = tail === 0 || frontierText(append(EMPTY, leaves)) === frontierText(last)
  if (rows.length !== size - from || !fits)
    throw new LedgerBroken(
      'the last entries that were signed are not those that are there: the store was tampered with',
    )
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

/** Hashes in hex, one after the other; how many there are follows from the size. @throws Error when it does not. */
export function frontierFrom(size: number, text: string): Frontier {
  const bytes = Buffer.from(text, 'hex')
  if (!/^[0-9a-f]*$/.test(text) || bytes.length !== 32 * frontierLength(size) || text.length !== 2 * bytes.length) {
    throw new LedgerBroken(`the frontier of the ledger does not fit its size ${size}`)
  }
  const hashes = Array.from({ length: bytes.length / 32 }, (_, index) => bytes.subarray(32 * index, 32 * (index + 1)))
  return { size, hashes }
}

function frontierText(frontier: Frontier): string {
  return Buffer.concat(frontier.hashes).toString('hex')
}

interface HeadRow {
  readonly size: number
  readonly root: string
  readonly frontier: string
  readonly at: number
}
