import { createReadStream, existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { rootOf } from '../core/merkle.ts'
import type { Bodies, Call } from '../core/types.ts'
import { auditWith } from './audit.ts'
import type { Audit, CallTrace, Report } from './audit.ts'
import { boundName, joinedBy } from './calls.ts'
import type { Db, Reader } from './db.ts'
import { hex } from './ledger.ts'
import { readValues } from './meta.ts'
import { assertLedger, openReader } from './open-reader.ts'
import { assertionLine, assertionsAfter } from './passkeys.ts'
import type { KeptAssertion } from '../core/working.ts'

export type { Report } from './audit.ts'

/** Rows read at a time, so that memory does not grow with the ledger. */
const PAGE = 1000

/** Called now and then with how many rows are done. */
export type Progress = (rows: number) => void

/**
 * Checks a whole store in one snapshot, beside a running gateway too: every leaf from its stored bytes, the tree, head
 * and checkpoints with their signatures, ids and dates, the bodies against their salted digests, and the calls against
 * their last entries.
 *
 * @param store `sqlite:FILE`, `postgres://…`, or a file of SQLite.
 * @param publicKey a C2SP verifier key; without it the one that the store names, which whoever wrote the store chose.
 * @throws Error when there is no store to read; whatever is wrong inside it is a problem of the report.
 */
export async function verifyStore(store: string, publicKey?: string, progress: Progress = () => {}): Promise<Report> {
  const reader = openReader(store)
  try {
    return await verifyReader(reader, publicKey, progress)
  } finally {
    await reader.close()
  }
}

/** The same through a connection that is open already; see verifyStore. */
export function verifyReader(reader: Reader, publicKey?: string, progress: Progress = () => {}): Promise<Report> {
  return reader.snapshot(async (db) => {
    await assertLedger(reader, db)
    const vkey = publicKey ?? (await readValues(db, ['vkey'])).get('vkey') ?? ''
    const heads = await db.all<{ note: string; size: number; frontier: string }>(
      'SELECT note, size, frontier FROM checkpoints ORDER BY size DESC',
    )
    const audit = auditWith(vkey, heads)
    await auditEntries(db, BYTES[reader.dialect], audit, progress)
    const size = await auditHead(db, audit)
    await auditBodies(db, audit)
    await auditAssertions(db, audit)
    await auditCalls(db, audit)
    return audit.finish(size)
  })
}

/** Text that is no longer UTF-8 would be read as something that was never stored. */
const BYTES = { sqlite: 'CAST(bytes AS BLOB)', postgres: `convert_to(bytes, 'UTF8')` } as const

async function auditEntries(db: Db, bytes: string, audit: Audit, progress: Progress): Promise<void> {
  let last = -1
  for (;;) {
    const rows = await db.all<EntryRow>(
      `SELECT idx, id, at, kind, call, leaf, ${bytes} AS bytes FROM entries
        WHERE idx > $1 ORDER BY idx LIMIT ${PAGE}`,
      [last],
    )
    for (const row of rows) {
      const index = row.idx
      if (index !== last + 1) audit.problem(`${index - last - 1} entries are missing`, last + 1)
      last = index
      const parsed = audit.entry(row.bytes, row.leaf)
      if (parsed === null) continue
      const { id, at, kind, call } = parsed
      if (row.id !== id || row.at !== at || row.kind !== kind)
        audit.problem('its row says something else than its bytes', index)
      if (kind.startsWith('call.') && row.call !== call)
        audit.problem('its row names another call than its bytes', index)
    }
    progress(last + 1)
    if (rows.length < PAGE) return
  }
}

async function auditHead(db: Db, audit: Audit): Promise<number> {
  const [head] = await db.all<{ size: number; root: string; frontier: string }>('SELECT size, root, frontier FROM head')
  if (head === undefined) {
    audit.problem('the ledger has no head')
    return 0
  }
  const tree = audit.tree()
  if (head.size !== tree.size) audit.problem(`the head is of ${head.size} entries, and there are ${tree.size}`)
  if (head.root !== hex(rootOf(tree))) audit.problem('the root of the head is not that of the entries')
  if (head.frontier !== tree.hashes.map(hex).join(''))
    audit.problem('the frontier of the head is not that of the entries')
  return head.size
}

async function auditBodies(db: Db, audit: Audit): Promise<void> {
  let last = ''
  for (;;) {
    const rows = await db.all<Bodies>(
      `SELECT call, salt, question, input, facts, request, output, earlier FROM bodies WHERE call > $1 ORDER BY call LIMIT ${PAGE}`,
      [last],
    )
    for (const row of rows) audit.bodies(row)
    last = rows.at(-1)?.call ?? ''
    if (rows.length < PAGE) return
  }
}

async function auditAssertions(db: Db, audit: Audit): Promise<void> {
  let last = ''
  for (;;) {
    const rows = await assertionsAfter(db, last, PAGE)
    for (const row of rows) audit.assertion(row)
    last = rows.at(-1)?.entry ?? ''
    if (rows.length < PAGE) return
  }
}

async function auditCalls(db: Db, audit: Audit): Promise<void> {
  let last = ''
  let rows: CallRow[]
  const found = new Set<string>()
  do {
    rows = await db.all<CallRow>(
      `SELECT id, state, binds, joins, data FROM calls WHERE id > $1 ORDER BY id LIMIT ${PAGE}`,
      [last],
    )
    for (const row of rows) {
      found.add(row.id)
      const wrong = wrongWith(row, audit.calls.get(row.id))
      if (wrong !== null) audit.problem(`the call ${row.id} ${wrong}`)
    }
    last = rows.at(-1)?.id ?? ''
  } while (rows.length === PAGE)
  for (const id of audit.calls.keys()) if (!found.has(id)) audit.problem(`the call ${id} of the ledger has no row`)
}

export function wrongWith(row: CallRow, trace: CallTrace | undefined): string | null {
  let call: Call
  try {
    call = JSON.parse(row.data) as Call
  } catch {
    return 'cannot be read'
  }
  const { id, state, binds, joins } = row
  if (call.id !== id || call.state !== state || boundName(call) !== binds || joinedBy(call) !== joins)
    return 'differs from its own columns'
  if (trace === undefined) return 'is not in the ledger'
  if (call.entry !== trace.entry) return `does not stand on its last entry ${trace.entry}`
  // A stream that broke is over, and counts as done does.
  const states = trace.outcome === null ? AFTER[trace.kind] : [trace.outcome === 'broken' ? 'done' : trace.outcome]
  return states === undefined || states.includes(call.state) ? null : `is ${call.state} after ${trace.kind}`
}

/** Which states a call may be in after an entry without an outcome. */
const AFTER: { readonly [kind: string]: readonly string[] } = {
  'call.denied': ['denied'],
  'call.held': ['held'],
  'call.approved': ['held', 'intent', 'executing'],
  'call.rejected': ['rejected'],
  'call.expired': ['expired'],
  'call.cancelled': ['cancelled'],
  'call.started': ['intent', 'executing', 'unknown'],
  'call.not_sent': ['not_sent', 'intent', 'unknown'],
  'call.unknown': ['unknown'],
  'call.needs_human': ['needs_human'],
}

/**
 * Checks an export offline, with the public key alone: the same, as far as an export holds it.
 *
 * @param publicKey a C2SP verifier key that came another way than the export.
 * @throws Error when there is no export in the directory.
 */
export async function verifyExport(
  directory: string,
  publicKey: string,
  progress: Progress = () => {},
): Promise<Report> {
  const path = (name: string) => join(directory, name)
  for (const name of ['entries.jsonl', 'bodies.jsonl', 'checkpoint', 'key.pub']) {
    if (!existsSync(path(name))) throw new Error(`${directory} has no ${name}: it is no export of a ledger`)
  }
  const audit = auditWith(publicKey, [{ note: await readFile(path('checkpoint'), 'utf8') }])
  const named = await readFile(path('key.pub'), 'utf8')
  if (named !== `${publicKey.trim()}\n`) audit.problem('key.pub of the export is not the public key that was given')
  let count = 0
  for await (const { line, ended } of linesOf(path('entries.jsonl'))) {
    audit.entry(line, null)
    if (!ended) audit.problem('its line is cut off', count)
    if (++count % PAGE === 0) progress(count)
  }
  let number = 0
  for await (const { line, ended } of linesOf(path('bodies.jsonl'))) {
    number++
    const text = line.toString('utf8')
    const [bodies, assertion] = [bodiesFrom(text), assertionFrom(text)]
    if (!ended || (bodies ?? assertion) === null)
      audit.problem(`line ${number} of bodies.jsonl is not as it was written`)
    else if (bodies !== null) audit.bodies(bodies)
    else if (assertion !== null) audit.assertion(assertion)
  }
  return audit.finish(count)
}

/** Written again it must be the same text: else something in it was changed that its value does not show. */
function bodiesFrom(line: string): Bodies | null {
  try {
    const { call, salt, question, input, facts, request, output, earlier } = JSON.parse(line) as Bodies
    if (typeof call !== 'string' || typeof salt !== 'string') return null
    const bodies = { call, salt, question, input, facts, request, output, earlier }
    return JSON.stringify(bodies) === line ? bodies : null
  } catch {
    return null
  }
}

/** The same of what a passkey signed. */
function assertionFrom(line: string): KeptAssertion | null {
  try {
    const { entry, call, text } = JSON.parse(line) as KeptAssertion
    if (typeof entry !== 'string' || typeof call !== 'string' || typeof text !== 'string') return null
    return assertionLine({ entry, call, text }) === line ? { entry, call, text } : null
  } catch {
    return null
  }
}

/** Lines as bytes, split at LF only. */
async function* linesOf(file: string): AsyncGenerator<{ line: Buffer; ended: boolean }> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of createReadStream(file)) {
    rest = Buffer.concat([rest, chunk as Buffer])
    let start = 0
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10, start)) {
      yield { line: rest.subarray(start, end), ended: true }
      start = end + 1
    }
    rest = rest.subarray(start)
  }
  if (rest.length > 0) yield { line: rest, ended: false }
}

interface EntryRow {
  readonly idx: number
  readonly id: string
  readonly at: number
  readonly kind: string
  readonly call: string | null
  readonly leaf: string
  readonly bytes: Uint8Array
}
export interface CallRow {
  readonly id: string
  readonly state: string
  readonly binds: string | null
  readonly joins: string | null
  readonly data: string
}
