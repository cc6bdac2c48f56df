import { BODY_NAMES, digestOf } from '../core/entry.ts'
import { timeOf } from '../core/id.ts'
import { append, EMPTY, leafHash, rootOf } from '../core/merkle.ts'
import type { Frontier } from '../core/merkle.ts'
import { openCheckpoint } from '../core/checkpoint-note.ts'
import type { Amount, Bodies, Effect } from '../core/types.ts'
import type { KeptAssertion } from '../core/working.ts'
import { hex } from './ledger.ts'
import { passkeyAudit } from './passkey-audit.ts'
import type { PasskeyReport } from './passkey-audit.ts'

/** What a check of a ledger found. `ok` means: no problem. */
export interface Report {
  readonly ok: boolean
  readonly entries: number
  /** Size that the store's head claims, or what an export holds. */
  readonly treeSize: number
  /** Newest signed head; `signed`: by the key that was asked for. */
  readonly checkpoint: { readonly size: number; readonly signed: boolean }
  /** Entries that no signed head covers yet. */
  readonly beyond: number
  /** Writes that were done. */
  readonly effects: number
  /** What they cost, in minor units by currency (or counted unit). */
  readonly sums: { readonly [unit: string]: number }
  /** Calls whose bodies, or some of them, are gone; their digests stay. */
  readonly erased: number
  /** Signatures of passkeys under approvals. */
  readonly passkeys: PasskeyReport
  /** `entry`: index in the tree from 0, as in an inclusion proof; null where no single entry is at fault. */
  readonly problems: readonly Problem[]
}
interface Problem {
  readonly entry: number | null
  readonly message: string
}

/** What the ledger last said of a call. */
export interface CallTrace {
  kind: string
  outcome: string | null
  entry: string
  /** The newest digest of each body. */
  readonly digests: Map<string, string>
}

/** A checkpoint to hold the tree against. `frontier`: where the store keeps one beside the note. */
export interface SignedHead {
  readonly note: string
  readonly size?: number
  readonly frontier?: string
}

/** More of them say nothing new. */
const PROBLEMS_MAX = 100

/** The same checks for a store and for an export, entry by entry, in the order of the tree. */
export interface Audit {
  /** The exact bytes of the next entry, and the leaf hash (hex) where one is stored. */
  entry(bytes: Uint8Array, leaf: string | null): Parsed | null
  /** One row beside the ledger, after the last entry. */
  bodies(bodies: Bodies): void
  /** What a passkey signed, after the last entry too. */
  assertion(kept: KeptAssertion): void
  problem(message: string, entry?: number | null): void
  readonly calls: ReadonlyMap<string, CallTrace>
  tree(): Frontier
  finish(treeSize: number): Report
}

interface Parsed {
  readonly id: string
  readonly at: number
  readonly kind: string
  readonly call: string | null
}

/** @param vkey the public key that must have signed. @param heads newest first; at least one. */
export function auditWith(vkey: string, heads: readonly SignedHead[]): Audit {
  const problems: Problem[] = []
  const calls = new Map<string, CallTrace>()
  const seen = new Set<string>()
  const sums: { [unit: string]: number } = {}
  let frontier: Frontier = EMPTY
  let at = -Infinity
  /** Ids hold their time, so the same id twice can only stand among entries of one time. */
  let idsOfTime = new Set<string>()
  let effects = 0
  let erased = 0

  const problem = (message: string, entry: number | null = null) => {
    if (problems.length < PROBLEMS_MAX) problems.push({ entry, message })
  }

  const signatures = passkeyAudit(problem)
  const claims = heads.map(claimOf)
  const newest = claims[0] ?? null
  if (newest === null) problem('there is no checkpoint')
  checkClaims()

  function claimOf({ note, size, frontier: stored }: SignedHead): Claim {
    const opened = openCheckpoint(note, vkey)
    if (!opened.ok) problem(`the checkpoint does not stand: ${opened.error}`)
    const { checkpoint } = opened
    if (checkpoint !== null && size !== undefined && checkpoint.size !== size) {
      problem(`the checkpoint of ${size} entries says ${checkpoint.size}`)
    }
    return { signed: opened.ok, size: checkpoint?.size ?? -1, root: checkpoint?.root ?? null, frontier: stored ?? null }
  }

  /** Every signed head of the size that the tree has just reached. */
  function checkClaims(): void {
    for (const { size, root, frontier: stored } of claims) {
      if (size !== frontier.size || root === null) continue
      if (hex(root) !== hex(rootOf(frontier))) problem(`the tree of ${size} entries is not the one that was signed`)
      if (stored !== null && stored !== frontier.hashes.map(hex).join('')) {
        problem(`the frontier beside the checkpoint of ${size} entries is another one`)
      }
    }
  }

  function entry(bytes: Uint8Array, leaf: string | null): Parsed | null {
    const index = frontier.size
    const hash = leafHash(bytes)
    frontier = append(frontier, [hash])
    const matches = leaf === null || leaf === hex(hash)
    if (!matches) problem('content does not match its hash', index)
    checkClaims()
    const parsed = parse(bytes)
    if (parsed === null) {
      if (matches) problem('it is no entry', index)
      return null
    }
    follow(parsed, index)
    return parsed
  }

  function follow(parsed: ParsedEntry, index: number): void {
    if (parsed.at < at) problem('it is dated before the entry in front of it', index)
    if (parsed.at > at) idsOfTime = new Set()
    at = Math.max(at, parsed.at)
    if (timeOf(parsed.id) !== parsed.at) problem('its id is not of its time', index)
    if (idsOfTime.has(parsed.id)) problem(`its id ${parsed.id} is there twice`, index)
    idsOfTime.add(parsed.id)
    signatures.entry(parsed, index)
    if (parsed.call !== null && parsed.kind.startsWith('call.')) trace(parsed, parsed.call, index)
  }

  function trace({ id, kind, outcome, effect, cost, digests }: ParsedEntry, call: string, index: number): void {
    const known: CallTrace = calls.get(call) ?? { kind, outcome, entry: id, digests: new Map() }
    calls.set(call, known)
    if (known.outcome === 'done' && outcome === 'done' && known.entry !== id) problem(`${call} is done twice`, index)
    Object.assign(known, { kind, outcome, entry: id })
    for (const [name, digest] of digests) known.digests.set(name, digest)
    if (outcome !== 'done' || effect !== 'write') return
    effects++
    if (cost !== null) sums[cost.unit] = (sums[cost.unit] ?? 0) + cost.amount
  }

  function bodies(row: Bodies): void {
    const { call, salt } = row
    if (seen.has(call)) problem(`the bodies of ${call} are there twice`)
    seen.add(call)
    const known = calls.get(call)
    if (known === undefined) return problem(`the ledger does not know the call ${call} whose bodies are kept`)
    if (!/^[0-9a-f]{64}$/.test(salt)) return problem(`the salt of ${call} is no salt`)
    let isErased = false
    for (const name of BODY_NAMES) {
      const digest = known.digests.get(name)
      const text = row[name]
      if (text === null) isErased ||= digest !== undefined
      else if (digest === undefined) problem(`the ledger holds no digest of the ${name} of ${call}`)
      else if (digestOf(salt, text) !== digest) problem(`the ${name} of ${call} does not match its digest`)
    }
    if (isErased) erased++
  }

  return {
    entry,
    bodies,
    assertion: signatures.assertion,
    problem,
    calls,
    tree: () => frontier,
    finish(treeSize) {
      const { size } = frontier
      const signed = newest?.size ?? 0
      if (signed > size) problem(`the checkpoint is of ${signed} entries, and there are ${size}: the end is missing`)
      for (const [call, { digests }] of calls) if (digests.size > 0 && !seen.has(call)) erased++
      return {
        ok: problems.length === 0,
        entries: size,
        treeSize,
        checkpoint: { size: Math.max(0, signed), signed: newest?.signed ?? false },
        beyond: Math.max(0, size - Math.max(0, signed)),
        effects,
        sums,
        erased,
        passkeys: signatures.finish(),
        problems,
      }
    },
  }
}

interface Claim {
  readonly signed: boolean
  readonly size: number
  readonly root: Uint8Array | null
  readonly frontier: string | null
}

interface ParsedEntry extends Parsed {
  readonly outcome: string | null
  readonly effect: Effect | null
  readonly cost: Amount | null
  readonly digests: readonly (readonly [string, string])[]
  readonly fields: { readonly [name: string]: unknown }
}

function parse(bytes: Uint8Array): ParsedEntry | null {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes))
  } catch {
    return null
  }
  if (typeof value !== 'object' || value === null) return null
  const fields = value as { readonly [name: string]: unknown }
  const { id, at, kind, call, outcome, effect, cost, digests } = fields
  if (typeof id !== 'string' || typeof at !== 'string' || typeof kind !== 'string') return null
  const ms = Date.parse(at)
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(at) || Number.isNaN(ms)) return null
  return {
    id,
    at: ms,
    kind,
    call: typeof call === 'string' ? call : null,
    outcome: typeof outcome === 'string' ? outcome : null,
    effect: typeof effect === 'string' ? (effect as Effect) : null,
    cost: typeof cost === 'object' && cost !== null ? (cost as Amount) : null,
    digests: typeof digests === 'object' && digests !== null ? textsOf(digests) : [],
    fields,
  }
}

/** What one entry says of its call. @throws where it is none. */
export function traceOf(bytes: string): CallTrace {
  const parsed = parse(Buffer.from(bytes))
  if (parsed === null) throw new Error('an entry cannot be read')
  const { kind, outcome, id, digests } = parsed
  return { kind, outcome, entry: id, digests: new Map(digests) }
}

function textsOf(digests: object): (readonly [string, string])[] {
  return Object.entries(digests).flatMap(([name, digest]) =>
    typeof digest === 'string' ? [[name, digest] as const] : [],
  )
}
