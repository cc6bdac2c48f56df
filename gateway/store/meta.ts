import type { Switches } from '../core/operations.ts'
import type { PolicyText } from '../core/types.ts'
import type { Closed } from '../core/working.ts'
import { insert, select } from './db.ts'
import type { Db } from './db.ts'

/** What the store knows once: its key for fingerprints, the current policy, the switches, its public key. */
export interface Meta {
  readonly policy: string
  readonly switches: Switches
  readonly closed: Closed | null
}

export async function readMeta(db: Db): Promise<Meta> {
  const values = await readValues(db, ['policy', 'switches', 'closed'])
  const switches = values.get('switches')
  const closed = values.get('closed') ?? ''
  return {
    closed: closed === '' ? null : (JSON.parse(closed) as Closed),
    policy: values.get('policy') ?? '',
    switches: switches === undefined ? { version: 0, positions: {} } : (JSON.parse(switches) as Switches),
  }
}

export async function readValues(db: Db, names: readonly MetaName[]): Promise<Map<string, string>> {
  const rows = await select<{ name: string; value: string }>(db, 'SELECT name, value FROM meta WHERE name IN', names)
  return new Map(rows.map(({ name, value }) => [name, value]))
}

/** The limits that the current policy defines. */
export async function definitionsOf(db: Db): Promise<Set<string>> {
  const text = (await readValues(db, ['definitions'])).get('definitions') ?? '[]'
  return new Set(JSON.parse(text) as string[])
}

export type MetaName = 'policy' | 'switches' | 'closed' | 'definitions' | 'fingerprint_key' | 'vkey'

export async function writeValues(db: Db, values: readonly (readonly [MetaName, string])[]): Promise<void> {
  await insert(
    db,
    'INSERT INTO meta (name, value) VALUES',
    values,
    'ON CONFLICT (name) DO UPDATE SET value = excluded.value',
  )
}

/** The text of every policy that ever decided stays, by digest (I10). */
export async function writePolicies(
  db: Db,
  policies: readonly { readonly digest: string; readonly texts: readonly PolicyText[] }[],
  now: number,
): Promise<void> {
  const rows = new Map(policies.map(({ digest, texts }) => [digest, [digest, now, JSON.stringify(texts)]]))
  await insert(
    db,
    'INSERT INTO policies (digest, at, texts) VALUES',
    [...rows.values()],
    'ON CONFLICT (digest) DO NOTHING',
  )
}

export async function policyTexts(db: Db, digest: string): Promise<PolicyText[] | null> {
  const [row] = await db.all<{ texts: string }>('SELECT texts FROM policies WHERE digest = $1', [digest])
  return row === undefined ? null : (JSON.parse(row.texts) as PolicyText[])
}
