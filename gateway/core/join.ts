import type { Call, CallState } from './types.ts'

/** What makes two requests equal. */
export interface Wanted {
  readonly principal: string
  readonly role: string
  readonly action: string
  /** HMAC of the validated input. */
  readonly fingerprint: string
}

/** Whoever asks without a key of their own; `key` is what their SDK made up for one request and its repeats. */
export interface Unnamed extends Wanted {
  readonly key: string | null
}

/** What equal requests find each other by, as one string. */
export function joinName({ principal, role, action, fingerprint }: Wanted): string {
  return JSON.stringify([principal, role, action, fingerprint])
}

/**
 * Whether an equal request without a key of its own joins this call: while it is open, and once more afterwards where
 * somebody without a key is still owed what came of it.
 */
export function takesJoins({ state, join }: Pick<Call, 'state' | 'join'>): boolean {
  if (join === undefined) return false
  return OPEN.has(state) || isOwed({ state, join })
}

/** What came of it is still to be told, once, to somebody who asked without a key; it may be on its way to one. */
export function isOwed({ state, join }: Pick<Call, 'state' | 'join'>): boolean {
  // Of what was not sent there is nothing to tell: the same again is simply tried.
  return (join === 'owed' || join === 'telling') && state !== 'not_sent' && !OPEN.has(state)
}

/** It is on its way to one who may hear it yet. Who is not heard of for so long was not told. */
export function isBeingTold({ join, telling }: Pick<Call, 'join' | 'telling'>, now: number): boolean {
  return join === 'telling' && telling !== undefined && now < telling.until
}

/** Longer than the ledger may take over the mark and what follows it: whoever tells has died, or stands still. */
export const TELLING_MS = 10_000

const OPEN: ReadonlySet<CallState> = new Set(['held', 'intent', 'executing', 'unknown', 'needs_human'])
