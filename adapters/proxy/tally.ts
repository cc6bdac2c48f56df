import { createHash } from 'node:crypto'
import type { Hash } from 'node:crypto'
import type { JsonObject, Recorded } from '../../gateway/core/types.ts'

/** A body that is kept lies in one row beside the ledger: of a larger one there is the digest. */
export const RECORD_MAX = 1024 * 1024

/** What went by in one direction: how much, its digest, and the bytes themselves where the policy keeps them. */
export class Tally {
  bytes = 0
  readonly #hash: Hash | null
  #kept: Buffer[] | null

  constructor(recorded: Recorded) {
    this.#hash = recorded === 'none' ? null : createHash('sha256')
    this.#kept = recorded === 'body' ? [] : null
  }

  count(chunk: Buffer): void {
    this.bytes += chunk.length
    this.#hash?.update(chunk)
    if (this.#kept === null) return
    if (this.bytes > RECORD_MAX) this.#kept = []
    else this.#kept.push(chunk)
  }

  /** Once, at the end: `{ bytes, digest?, body?, encoding? }`. Text stays text; anything else is base64. */
  summary(): JsonObject {
    const digest: JsonObject = this.#hash === null ? {} : { digest: `sha256:${this.#hash.digest('hex')}` }
    return { bytes: this.bytes, ...digest, ...this.#body() }
  }

  #body(): JsonObject {
    if (this.#kept === null) return {}
    if (this.bytes > RECORD_MAX) return { body_left_out: `it has more than ${RECORD_MAX} bytes` }
    const bytes = Buffer.concat(this.#kept)
    const text = bytes.toString('utf8')
    return Buffer.from(text, 'utf8').equals(bytes)
      ? { body: text }
      : { body: bytes.toString('base64'), encoding: 'base64' }
  }
}
