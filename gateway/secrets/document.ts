import { createHash } from 'node:crypto'
import { Secret } from '../../adapters/adapter.ts'
import type { SecretRef } from '../core/types.ts'
import type { Document, Source } from './sources.ts'

/** For the ledger; `ref` only, never a value. Failures of one ref are told once a minute. */
export interface SecretEvent {
  readonly kind: 'credential.fetched' | 'credential.rotated' | 'credential.failed'
  readonly ref: SecretRef
  readonly reason?: string
}

export interface KeepParts {
  /** Monotonic milliseconds. */
  readonly now: () => number
  /** Of what has no lifetime of its own. */
  readonly lifetime_ms: number
  readonly onEvent: (event: SecretEvent) => void
  /** Takes note of a value before anybody has it. @throws Error for one that may not be used */
  readonly admit: (value: string) => void
}

/** One document of one source, in memory for its lifetime. */
export interface Kept {
  /** One fetch at a time, however many ask. @throws Error whose message holds no value */
  get(ref: SecretRef, field: string): Promise<Secret>
  /** A backend refused this one. @returns whether another is there now */
  refused(ref: SecretRef, field: string, secret: Secret): Promise<boolean>
  /** Renews what runs out although nobody asks for it, and forgets what has run out. */
  look(): void
  forget(): void
}

/** The share of its life after which a value is fetched anew, beside whoever asks for it. */
const RENEW_AT = 2 / 3
/** After a failure, how soon the source is asked again. */
const RETRY_MS = 1000
const FAILURE_TOLD_EVERY_MS = 60_000
/** A backend that answers 401 to everything shall not make every call a fetch: each fruitless one doubles the wait. */
const REFUSED_MIN_MS = 1000
const REFUSED_MAX_MS = 60_000
const NEVER = { at: -Infinity, wait_ms: REFUSED_MIN_MS }

interface Held {
  readonly document: Document
  /** When it was asked for: what changed while the source answered is not in the answer. */
  readonly asked_at: number
  readonly lives_ms: number
  readonly secrets: Map<SecretRef, Secret>
}

interface Known {
  readonly field: string
  digest: string | null
  told_at: number | null
}

/** What was handed out is compared by digest; the value itself is in the Secret alone. */
const digests = new WeakMap<Secret, string>()

export function keep(source: Source, name: string, parts: KeepParts): Kept {
  const { now } = parts
  const refs = new Map<SecretRef, Known>()
  let held: Held | null = null
  let fetching: Promise<Held> | null = null
  let failed: { readonly at: number; readonly error: Error } | null = null
  let forced = NEVER

  const known = (ref: SecretRef, field: string): Known => {
    const one = refs.get(ref) ?? { field, digest: null, told_at: null }
    refs.set(ref, one)
    return one
  }
  const tellFailure = (ref: SecretRef, one: Known, reason: string): void => {
    if (one.told_at !== null && now() - one.told_at < FAILURE_TOLD_EVERY_MS) return
    one.told_at = now()
    parts.onEvent({ kind: 'credential.failed', ref, reason })
  }

  const refuse = (ref: SecretRef, one: Known, reason: string): never => {
    tellFailure(ref, one, reason)
    throw new Error(reason)
  }

  /** Picks one value of what was fetched, and writes that down. */
  const secretOf = (from: Held, ref: SecretRef, field: string): Secret => {
    const there = from.secrets.get(ref)
    if (there !== undefined) return there
    const one = known(ref, field)
    try {
      const value = from.document.pick(field)
      if (value === '') throw new Error('the value is empty')
      parts.admit(value)
      const secret = new Secret(ref, value)
      const digest = createHash('sha256').update(value).digest('hex')
      digests.set(secret, digest)
      from.secrets.set(ref, secret)
      const kind = one.digest === null || one.digest === digest ? 'credential.fetched' : 'credential.rotated'
      one.digest = digest
      one.told_at = null
      parts.onEvent({ kind, ref })
      return secret
    } catch (error) {
      return refuse(ref, one, reasonOf(error))
    }
  }

  const load = async (anew: boolean): Promise<Held> => {
    const asked_at = now()
    try {
      const document = await source.fetch(name, anew)
      const fresh = { document, asked_at, lives_ms: document.lives_ms ?? parts.lifetime_ms, secrets: new Map() }
      // a field that is missing is told to whoever asks for it
      for (const [ref, { field }] of refs) settled(() => secretOf(fresh, ref, field))
      held = fresh
      failed = null
      return fresh
    } catch (error) {
      const reason = reasonOf(error)
      for (const [ref, one] of refs) tellFailure(ref, one, reason)
      failed = { at: now(), error: new Error(reason) }
      throw failed.error
    }
  }
  const fetch = (anew: boolean): Promise<Held> => (fetching ??= load(anew).finally(() => (fetching = null)))
  const renew = (): void => {
    if (failed !== null && now() - failed.at < RETRY_MS) return
    fetch(false).catch(() => {})
  }
  const alive = (): Held | null => {
    if (held !== null && now() - held.asked_at >= held.lives_ms) held = null
    return held
  }
  const isDue = (one: Held): boolean => now() - one.asked_at >= one.lives_ms * RENEW_AT

  return {
    async get(ref, field) {
      known(ref, field)
      const one = alive()
      if (one !== null) {
        if (isDue(one)) renew()
        return secretOf(one, ref, field)
      }
      // nobody waits to hear again what was said a moment ago
      if (fetching === null && failed !== null && now() - failed.at < RETRY_MS) throw failed.error
      return secretOf(await fetch(false), ref, field)
    },
    async refused(ref, field, secret) {
      const digest = digests.get(secret)
      const isOther = (): boolean => held !== null && known(ref, field).digest !== digest
      if (isOther()) return true
      // one that was under way may have asked before the rotation: it counts only if it brought another value
      await fetching?.catch(() => {})
      if (isOther()) return true
      if (fetching === null) {
        if (now() - forced.at < forced.wait_ms) return false
        forced = { ...forced, at: now() }
      }
      await fetch(true).catch(() => {})
      const other = isOther()
      forced = other ? NEVER : { ...forced, wait_ms: Math.min(forced.wait_ms * 2, REFUSED_MAX_MS) }
      return other
    },
    look() {
      const one = alive()
      if (one?.document.lives_ms !== undefined && isDue(one)) renew()
    },
    forget() {
      held = null
      refs.clear()
    },
  }
}

/** Sources answer for their messages; of anything else only the kind is told. */
function reasonOf(error: unknown): string {
  return error instanceof Error && error.name === 'Error' ? error.message : 'the source failed'
}

function settled(work: () => unknown): void {
  try {
    work()
  } catch {
    // told already
  }
}
