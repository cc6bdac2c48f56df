import type { Passkey } from '../core/passkey.ts'
import type { KeptAssertion } from '../core/working.ts'
import { insert, select } from './db.ts'
import type { Db } from './db.ts'

/** Everything of a passkey stands in `data`; the columns beside it are what it is found by. */
interface Row {
  readonly data: string
}

export async function passkeysByIds(db: Db, ids: readonly string[]): Promise<Passkey[]> {
  return (await select<Row>(db, 'SELECT data FROM passkeys WHERE id IN', [...new Set(ids)])).map(parse)
}

/** Of these people, the eldest first. */
export async function passkeysOf(db: Db, persons: readonly string[]): Promise<Passkey[]> {
  const rows = await select<Row>(db, 'SELECT data FROM passkeys WHERE person IN', [...new Set(persons)])
  return rows.map(parse).sort((a, b) => a.added_at - b.added_at || (a.id < b.id ? -1 : 1))
}

/** Writes back those that are there, deletes those that are not. */
export async function writePasskeys(
  db: Db,
  changed: ReadonlySet<string>,
  passkeys: ReadonlyMap<string, Passkey>,
): Promise<void> {
  const kept: Passkey[] = []
  for (const id of changed) {
    const passkey = passkeys.get(id)
    if (passkey === undefined) await db.run('DELETE FROM passkeys WHERE id = $1', [id])
    else kept.push(passkey)
  }
  await insert(
    db,
    'INSERT INTO passkeys (id, person, data) VALUES',
    kept.map((passkey) => [passkey.id, passkey.person, JSON.stringify(passkey)]),
    'ON CONFLICT (id) DO UPDATE SET person = excluded.person, data = excluded.data',
  )
}

/** What passkeys signed, beside the ledger: a row may be deleted, and its digest stays. */
export async function writeAssertions(db: Db, assertions: readonly KeptAssertion[]): Promise<void> {
  await insert(
    db,
    'INSERT INTO assertions (entry, call, text) VALUES',
    assertions.map(({ entry, call, text }) => [entry, call, text]),
  )
}

/** The next of them by their entries, `limit` at most. */
export async function assertionsAfter(db: Db, entry: string, limit: number): Promise<KeptAssertion[]> {
  return db.all<KeptAssertion>(
    `SELECT entry, call, text FROM assertions WHERE entry > $1 ORDER BY entry LIMIT ${limit}`,
    [entry],
  )
}

/** As an export has it, beside the bodies. */
export function assertionLine({ entry, call, text }: KeptAssertion): string {
  return JSON.stringify({ entry, call, text })
}

function parse({ data }: Row): Passkey {
  return JSON.parse(data) as Passkey
}
