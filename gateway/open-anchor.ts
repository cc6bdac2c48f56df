import { existsSync } from 'node:fs'
import { rename } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { vkeyOf } from './core/checkpoint-note.ts'
import type { Signer } from './core/checkpoint-note.ts'
import type { Log } from './log.ts'
import { storeAddress } from './store/address.ts'
import { AnchorError, compareAnchor, lastAccepted, readAnchor, signedHead, writeAnchor } from './store/anchor.ts'
import type { Anchor, Broken } from './store/anchor.ts'
import type { Db } from './store/db.ts'
import { readHead } from './store/ledger.ts'
import { isLedgerIn, openReader } from './store/open-reader.ts'

const CLOSE_MS = 3000

export interface AnchorOptions {
  readonly store: string
  /** `file:PATH`. */
  readonly anchor?: string
  readonly acceptRestore?: { readonly reason: string }
}

export interface OpenedAnchor {
  /** @param source the newest signed head, asked of the store that is served. */
  readonly follow: (source: () => Promise<Anchor | null>) => Anchoring
  /** Size of the anchor that the store continues; null where there was none. */
  readonly size: number | null
  /** The store does not continue it, and `--accept-restore` was given: two people decide. */
  readonly broken: Broken | null
}

/** Follows the ledger with its anchor. */
export interface Anchoring {
  /** A head of this size is signed; the anchor gets it soon. Never moved back. */
  moved(size: number): void
  /** For how long it has not covered the newest signed head, s; 0 when it does. */
  age_s(): number
  /** People accepted the restored store: from now on the anchor follows it. The one before is kept beside it. */
  replace(): Promise<void>
  /** Once the store is closed: the last head. */
  close(): Promise<void>
}

/**
 * Before anything is signed or written: the store must continue its anchor.
 *
 * @throws AnchorError for the operator: what is wrong, with both sizes and times, and what to do.
 */
export async function openAnchor(
  options: AnchorOptions,
  signer: Signer,
  monotonic: () => number,
  log: Log,
): Promise<OpenedAnchor | null> {
  if (options.anchor === undefined) return null
  const file = options.anchor.replace(/^file:/, '')
  const before = await readAnchor(file)
  const { size, broken } = await lookAt(options.store, before, vkeyOf(signer.name, signer.privateKey), file)
  if (before === null) {
    if (size === 0)
      log('info', `made an anchor of the ledger: ${file} (on another disk or host it shows an old copy of the store)`)
    else
      log(
        'warn',
        `there was no anchor at ${file}, and the ledger has ${size} entries: whether they are all cannot be shown; the anchor begins here`,
      )
  }
  if (broken !== null && options.acceptRestore === undefined)
    throw new AnchorError(
      `${broken.message} Nothing is served. Put the right store back. If it is lost, serve --accept-restore --reason TEXT begins from this one: it admits no writes until two people have confirmed.`,
    )
  if (broken === null && options.acceptRestore !== undefined)
    log('warn', 'there is nothing to accept: the store continues its anchor; leave --accept-restore out')
  // An anchor that was accepted away before a crash still stands there, and is ahead.
  const ahead = before !== null && (broken !== null || before.size > size)
  return {
    broken,
    size: before?.size ?? null,
    follow: (source) => follow({ file, store: options.store, held: broken !== null, ahead, monotonic, log, source }),
  }
}

async function lookAt(
  store: string,
  anchor: Anchor | null,
  vkey: string,
  file: string,
): Promise<{ size: number; broken: Broken | null }> {
  return reading(store, async (db) => {
    const size = db === null ? 0 : (await readHead(db)).frontier.size
    if (anchor === null) return { size, broken: null }
    const broken = await compareAnchor(db ?? NOTHING, anchor, vkey, file)
    // Two people accepted it after the anchor was written: a crash came before the anchor followed, or it is a replica's.
    const accepted = broken === null || db === null ? null : await lastAccepted(db)
    return { size, broken: accepted !== null && accepted > anchor.at ? null : broken }
  })
}

/** A snapshot of the store beside whoever serves it; null where there is none yet. */
async function reading<T>(store: string, work: (db: Db | null) => Promise<T>): Promise<T> {
  const address = storeAddress(store)
  if (address === null || (address.kind === 'sqlite' && !existsSync(address.file))) return work(null)
  const reader = openReader(store)
  try {
    return await reader.snapshot(async (db) => {
      return work((await isLedgerIn(reader, db)) ? db : null)
    })
  } finally {
    await reader.close()
  }
}

/** A store that is not there is one without entries. */
const NOTHING: Db = {
  all: async <Row>() => [{ size: 0, root: '', frontier: '', at: 0 }] as Row[],
  run: async () => 0,
}

function follow(parts: {
  readonly file: string
  readonly store: string
  readonly held: boolean
  readonly ahead: boolean
  readonly monotonic: () => number
  readonly log: Log
  readonly source: () => Promise<Anchor | null>
}): Anchoring {
  const { file, store, monotonic, log, source } = parts
  let { held } = parts
  /** The anchor that stands there is of a history that was given up: it is kept, and not in the way. */
  let { ahead } = parts
  let written = -1
  let signed = -1
  let busy: Promise<void> | null = null
  let behindSince: number | null = null
  let failed = false

  async function write(head: Anchor | null): Promise<void> {
    if (head === null || head.size <= written) return
    try {
      // Another replica may write the same file: it is never moved back.
      const there = ahead ? null : await readAnchor(file).catch(() => null)
      if (ahead) await putAside(file, head.at)
      ahead = false
      if (there === null || there.size < head.size) await writeAnchor(file, head)
      written = Math.max(head.size, there?.size ?? 0)
      if (failed) log('info', `the anchor ${file} is written again`)
      failed = false
    } catch (error) {
      if (!failed) log('error', `the anchor ${file} cannot be written: ${String(error)}`)
      failed = true
    }
    if (written >= signed) behindSince = null
  }

  function moved(size: number): void {
    signed = Math.max(signed, size)
    if (written >= signed || held) return
    behindSince ??= monotonic()
    busy ??= source()
      .then(write, (error: unknown) => log('error', `the signed head cannot be read for the anchor: ${String(error)}`))
      .finally(() => (busy = null))
  }

  return {
    moved,
    age_s: () => (behindSince === null ? 0 : (monotonic() - behindSince) / 1000),
    async replace() {
      held = false
      await write(await source())
    },
    async close() {
      const last = async (): Promise<void> => {
        await busy
        if (!held) await write(await reading(store, async (db) => (db === null ? null : signedHead(db))))
      }
      // Its disk may hang, and must not keep the process: the next start goes on from what is there.
      await Promise.race([last(), sleep(CLOSE_MS, undefined, { ref: false })])
    },
  }
}

async function putAside(file: string, at: number): Promise<void> {
  const aside = `${file}.replaced-${new Date(at).toISOString().replaceAll(':', '')}`
  await rename(file, aside).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
  })
}
