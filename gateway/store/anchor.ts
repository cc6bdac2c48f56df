import { open, readFile, rename, unlink } from 'node:fs/promises'
import { randomBytes } from 'node:crypto'
import { dirname } from 'node:path'
import { openCheckpoint } from '../core/checkpoint-note.ts'
import { append, leafHash, rootOf } from '../core/merkle.ts'
import type { Db } from './db.ts'
import { frontierFrom, hex, readHead } from './ledger.ts'

/**
 * The newest signed head, kept where whoever can put an old copy of the store back cannot put an old copy of this back
 * as well: on another disk or host. With the frontier beside the note, a start shows that the store goes on from it by
 * reading what came after, and nothing before.
 */
export interface Anchor {
  readonly size: number
  /** When it was signed, ms since the epoch. */
  readonly at: number
  readonly frontier: string
  /** A C2SP signed note. */
  readonly note: string
}

/** What keeps a gateway from serving under this anchor: a sentence with what to do. */
export class AnchorError extends Error {
  override readonly name = 'AnchorError'
}

/** The store, beside an anchor that it does not continue. */
export interface Broken {
  /** `behind`: entries that the anchor has seen are missing. `other`: they were others. */
  readonly kind: 'behind' | 'other'
  readonly anchor: { readonly size: number; readonly root: string; readonly at: number }
  /** `at` of its newest entry; 0 without any. */
  readonly store: { readonly size: number; readonly root: string; readonly at: number }
  /** What is wrong, with both sizes and both times. */
  readonly message: string
}

/** Entries read at a time, so that memory does not grow with what came after the anchor. */
const PAGE = 1000

/**
 * @param db a snapshot of the store. @param where the anchor's file, for the message.
 * @returns null where the store continues the anchor.
 * @throws AnchorError where the anchor is not one of this ledger: another key, or changed.
 */
export async function compareAnchor(db: Db, anchor: Anchor, vkey: string, where: string): Promise<Broken | null> {
  const opened = openCheckpoint(anchor.note, vkey)
  if (!opened.ok)
    throw new AnchorError(
      `The anchor ${where} is not of this ledger: ${opened.error}. Either it was changed, or it belongs to another ledger key: see --anchor and --ledger-key. Nothing is served under it.`,
    )
  const { size, root, origin } = opened.checkpoint
  const start = frontierOf(anchor, size)
  if (origin !== originOf(vkey) || start === null || hex(rootOf(start)) !== hex(root))
    throw new AnchorError(
      `The anchor ${where} was changed: what stands beside its signed note does not belong to it. Put back the file as the gateway wrote it.`,
    )
  const head = await readHead(db)
  const store = { size: head.frontier.size, root: head.root, at: head.at }
  const broken = (kind: Broken['kind'], what: string): Broken => ({
    kind,
    anchor: { size, root: hex(root), at: anchor.at },
    store,
    message: `The anchor ${where} has seen ${entries(size)} (signed ${time(anchor.at)}). The store has ${entries(store.size)}${store.size === 0 ? '' : ` (the newest of ${time(store.at)})`}: ${what}`,
  })
  if (store.size < size) return broken('behind', `${entries(size - store.size)} are missing, so this is an older copy.`)
  let frontier = start
  while (frontier.size < store.size) {
    const rows = await db.all<{ idx: number; bytes: string }>(
      `SELECT idx, bytes FROM entries WHERE idx >= $1 ORDER BY idx LIMIT ${PAGE}`,
      [frontier.size],
    )
    const gapless = rows.length > 0 && rows.every(({ idx }, index) => idx === frontier.size + index)
    if (!gapless) return broken('other', 'entries in between are missing.')
    frontier = append(
      frontier,
      rows.map(({ bytes }) => leafHash(bytes)),
    )
  }
  if (hex(rootOf(frontier)) === store.root) return null
  return broken('other', 'its entries do not lead from what was signed to its head, so this is another history.')
}

/** The name in the verifier key is that of the log. */
function originOf(vkey: string): string {
  return vkey.split('+', 1)[0] ?? ''
}

function frontierOf({ size, frontier }: Anchor, signed: number): ReturnType<typeof frontierFrom> | null {
  if (size !== signed) return null
  try {
    return frontierFrom(signed, frontier)
  } catch {
    return null
  }
}

/** @returns null where there is no file. @throws AnchorError where it cannot be read as one. */
export async function readAnchor(file: string): Promise<Anchor | null> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null
    throw new AnchorError(`The anchor ${file} cannot be read (${error.code ?? error.message}).`)
  })
  if (text === null) return null
  try {
    const { size, at, frontier, note } = JSON.parse(text) as { [name: string]: unknown }
    if (
      Number.isSafeInteger(size) &&
      Number.isSafeInteger(at) &&
      typeof frontier === 'string' &&
      typeof note === 'string'
    )
      return { size: size as number, at: at as number, frontier, note }
  } catch {
    // Said below.
  }
  throw new AnchorError(
    `The anchor ${file} is none: it was cut off or changed. Put back the file as the gateway wrote it; only if it is lost, move this one away.`,
  )
}

/** As a whole or not at all, synced, mode 0600. @throws the error of the file system. */
export async function writeAnchor(file: string, anchor: Anchor): Promise<void> {
  const { size, at, frontier, note } = anchor
  const draft = `${file}.${randomBytes(8).toString('hex')}.draft`
  const handle = await open(draft, 'wx', 0o600)
  try {
    await handle.writeFile(`${JSON.stringify({ size, at, frontier, note })}\n`)
    await handle.sync()
    await handle.close()
    await rename(draft, file)
  } catch (error) {
    await handle.close().catch(() => {})
    await unlink(draft).catch(() => {})
    throw error
  }
  const directory = await open(dirname(file), 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

/** The newest signed head as an anchor holds it; null before the first. */
export async function signedHead(db: Db): Promise<Anchor | null> {
  const [row] = await db.all<Anchor>('SELECT size, at, frontier, note FROM checkpoints ORDER BY size DESC LIMIT 1')
  return row ?? null
}

/** When people last accepted a restored store, ms; null: never. */
export async function lastAccepted(db: Db): Promise<number | null> {
  const [row] = await db.all<{ at: number }>('SELECT at FROM entries WHERE kind = $1 ORDER BY idx DESC LIMIT 1', [
    'store.restore_accepted',
  ])
  return row?.at ?? null
}

function entries(count: number): string {
  return `${count} ${count === 1 ? 'entry' : 'entries'}`
}

function time(at: number): string {
  return new Date(at).toISOString()
}
