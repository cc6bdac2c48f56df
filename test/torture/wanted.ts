import type { Answer } from './client.ts'
import type { ActionName } from './company.ts'

/** One thing that an agent wants once, whatever happens: it is asked for under one key, by many requests. */
export interface Wanted {
  /** The client's own name of it, unlike all others: it goes in the body, and the backends count by it. */
  readonly ref: string
  readonly account: string
  readonly action: ActionName
  readonly key: string
  readonly pot: string
  readonly amount: number
  /** What the agent was told of it: state and call, as `done call_…`. */
  readonly told: Set<string>
  /** The outputs that came with `done`, as JSON. */
  readonly outputs: Set<string>
  /** Requests that do not know yet. */
  asking: number
}

/** What one answer says about a call. */
export interface Said {
  /** `nothing`: no answer, or one that says to come back under the same key. */
  readonly state: string
  readonly call: string
  /** Whoever asked need not ask again. */
  readonly final: boolean
}

const ENDED: { readonly [code: string]: string } = {
  backend_refused: 'refused',
  rejected: 'rejected',
  expired: 'expired',
  cancelled: 'cancelled',
  denied: 'denied',
  frozen: 'denied',
  rate_limited: 'denied',
  key_reused: 'key_reused',
}

/** @returns what a POST of a call, or a look at it, says. */
export function saidBy({ status, body }: Answer): Said {
  const call = body.call ?? ''
  if (status === 200 || status === 202) {
    const state = String(body.status)
    const final = !['running', 'unknown', 'held', 'not_sent'].includes(state)
    return { state, call, final }
  }
  const ended = ENDED[body.code ?? '']
  if (ended !== undefined) return { state: ended, call, final: true }
  return { state: body.code === undefined ? 'nothing' : body.code, call, final: false }
}

/** States that a key keeps for ever: after one of them nothing else may be said of it. */
export const STICKY: readonly string[] = ['done', 'refused', 'rejected', 'expired', 'cancelled']
