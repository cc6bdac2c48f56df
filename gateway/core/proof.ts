import { openCheckpoint } from './checkpoint-note.ts'
import { leafHash, verifyInclusion } from './merkle.ts'

/**
 * That these entries of one call are in the tree whose head was signed. It stands by itself: with the public key, which
 * came another way, it is checked without the gateway and without the ledger.
 */
export interface CallProof {
  readonly call: string
  /** The signed head, a C2SP tlog-checkpoint. */
  readonly checkpoint: string
  /** Who signed it, a C2SP verifier key; it proves nothing by standing here. */
  readonly vkey: string
  readonly entries: readonly ProvenEntry[]
  /** Entries of the call that came after that head: the next one, within a second, has them. */
  readonly unsigned: number
}

export interface ProvenEntry {
  /** Its place in the tree, from 0. */
  readonly index: number
  /** Exactly what was hashed. */
  readonly bytes: string
  /** From the leaf to the root, lowest first (RFC 9162, section 2.1.3.1); base64. */
  readonly hashes: readonly string[]
}

export type Proven =
  | { readonly ok: true; readonly call: string; readonly entries: number; readonly size: number }
  | { readonly ok: false; readonly error: string }

/** Checks a proof, of wherever it came from, under this key. Never throws. */
export function checkProof(proof: unknown, vkey: string): Proven {
  if (!isProof(proof)) return { ok: false, error: 'it is no proof of a call' }
  const opened = openCheckpoint(proof.checkpoint, vkey)
  if (!opened.ok) return { ok: false, error: `its checkpoint does not stand: ${opened.error}` }
  const { size, root } = opened.checkpoint
  if (proof.entries.length === 0) return { ok: false, error: 'it has no entry' }
  const places = new Set(proof.entries.map(({ index }) => index))
  if (places.size < proof.entries.length) return { ok: false, error: 'it has an entry twice' }
  for (const { index, bytes, hashes } of proof.entries) {
    const path = hashes.map((hash) => Buffer.from(hash, 'base64'))
    if (!verifyInclusion(leafHash(bytes), index, size, path, root))
      return { ok: false, error: `entry ${index} is not in the tree of ${size} that was signed` }
    if (callIn(bytes) !== proof.call) return { ok: false, error: `entry ${index} is of another call` }
  }
  return { ok: true, call: proof.call, entries: proof.entries.length, size }
}

function callIn(bytes: string): unknown {
  try {
    return (JSON.parse(bytes) as { call?: unknown } | null)?.call
  } catch {
    return undefined
  }
}

function isProof(value: unknown): value is CallProof {
  const { call, checkpoint, entries } = (value ?? {}) as { [name in keyof CallProof]?: unknown }
  return typeof call === 'string' && typeof checkpoint === 'string' && Array.isArray(entries) && entries.every(isEntry)
}

function isEntry(value: unknown): value is ProvenEntry {
  const { index, bytes, hashes } = (value ?? {}) as { [name in keyof ProvenEntry]?: unknown }
  const isPath = Array.isArray(hashes) && hashes.every((hash) => typeof hash === 'string')
  return typeof index === 'number' && typeof bytes === 'string' && isPath
}
