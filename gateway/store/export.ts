import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import type { Bodies } from '../core/types.ts'
import type { Db } from './db.ts'
import { newestCheckpoint } from './ledger.ts'
import { readValues } from './meta.ts'
import { assertLedger, openReader } from './open-reader.ts'
import { assertionLine, assertionsAfter } from './passkeys.ts'
import type { Progress } from './verify.ts'

/** Rows read at a time. */
const PAGE = 1000

/**
 * Writes the ledger of a store, one snapshot of it, beside a running gateway too. To a stream: the entries, one a line,
 * each the exact bytes that were hashed; its line number from 0 is its index in the tree. To a directory: entries.jsonl,
 * bodies.jsonl (what the entries hold digests of: bodies of
 * calls, then what passkeys signed), checkpoint (a C2SP signed note) and key.pub (its verifier key).
 *
 * @returns how many entries. @throws Error when there is no store, or the stream fails.
 */
export async function exportLedger(
  store: string,
  out: { readonly stream: Writable } | { readonly directory: string },
  progress: Progress = () => {},
): Promise<number> {
  const reader = openReader(store)
  try {
    return await reader.snapshot(async (db) => {
      await assertLedger(reader, db)
      return 'stream' in out ? writeEntries(db, out.stream, progress) : writeDirectory(db, out.directory, progress)
    })
  } finally {
    await reader.close()
  }
}

async function writeDirectory(db: Db, directory: string, progress: Progress): Promise<number> {
  const path = (name: string) => join(directory, name)
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const checkpoint = await newestCheckpoint(db)
  await writeFile(path('checkpoint'), checkpoint?.note ?? '', { mode: 0o600 })
  await writeFile(path('key.pub'), `${(await readValues(db, ['vkey'])).get('vkey') ?? ''}\n`, { mode: 0o600 })
  const count = await toFile(path('entries.jsonl'), (stream) => writeEntries(db, stream, progress))
  await toFile(path('bodies.jsonl'), (stream) => writeBodies(db, stream))
  return count
}

async function writeEntries(db: Db, stream: Writable, progress: Progress): Promise<number> {
  let count = 0
  for (;;) {
    const rows = await db.all<{ bytes: string }>(
      `SELECT bytes FROM entries WHERE idx >= $1 ORDER BY idx LIMIT ${PAGE}`,
      [count],
    )
    await put(stream, rows.map(({ bytes }) => `${bytes}\n`).join(''))
    count += rows.length
    progress(count)
    if (rows.length < PAGE) return count
  }
}

async function writeBodies(db: Db, stream: Writable): Promise<void> {
  let last = ''
  for (;;) {
    const rows = await db.all<Bodies>(
      `SELECT call, salt, question, input, facts, request, output, earlier FROM bodies WHERE call > $1 ORDER BY call LIMIT ${PAGE}`,
      [last],
    )
    await put(stream, rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
    last = rows.at(-1)?.call ?? ''
    if (rows.length < PAGE) break
  }
  for (last = ''; ;) {
    const rows = await assertionsAfter(db, last, PAGE)
    await put(stream, rows.map((row) => `${assertionLine(row)}\n`).join(''))
    last = rows.at(-1)?.entry ?? ''
    if (rows.length < PAGE) return
  }
}

async function toFile<T>(file: string, write: (stream: Writable) => Promise<T>): Promise<T> {
  const stream = createWriteStream(file, { mode: 0o600 })
  const done = finished(stream)
  // A full disk fails the stream while nobody waits for its end yet.
  done.catch(() => {})
  const result = await write(stream)
  stream.end()
  await done
  return result
}

/** Waits while the reader is slower than the store. A stream that fails rejects here or at its end. */
async function put(stream: Writable, text: string): Promise<void> {
  if (text !== '' && !stream.write(text)) await once(stream, 'drain')
}
