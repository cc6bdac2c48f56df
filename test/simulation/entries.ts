import type { Move } from './budgets.ts'

export interface EntryRow {
  readonly idx: number
  readonly id: string
  readonly at: number
  readonly kind: string
  readonly bytes: string
}

/** What entries say, as far as it is asked here. */
export interface Fields {
  readonly call?: string
  readonly session?: string
  readonly principal?: string
  readonly role?: string
  readonly action?: string
  readonly attempt?: number
  readonly outcome?: string
  readonly policy?: string
  readonly person?: string
  readonly says?: string
  readonly by?: unknown
  readonly card?: string
  readonly code?: string
  readonly because?: readonly string[]
  readonly expires_at?: string
  readonly recheck?: boolean
  readonly again?: string
  readonly reason?: string
  readonly name?: string
  readonly login?: string
  readonly on?: boolean
  readonly dated?: string
  readonly lifetime_s?: number
  readonly cost?: { readonly amount: number } | null
  readonly need?: readonly { readonly count: number; readonly of: string }[]
  readonly digests?: { readonly [body: string]: string }
  readonly reserve?: readonly Move[]
  readonly release?: readonly Move[]
  readonly spend?: readonly Move[]
  readonly seeded?: readonly (Omit<Move, 'amount'> & { readonly held: number; readonly used: number })[]
}

/** The arrows of a call, as entries tell them (I17). @returns the state it comes to; null: there is no such arrow. */
export function arrow(kind: string, from: string, { attempt, outcome, recheck, again, by }: Fields): string | null {
  const one = (froms: readonly string[], to: string): string | null => (froms.includes(from) ? to : null)
  switch (kind) {
    case 'call.denied':
      return recheck === true ? one(['held'], 'denied') : one(['received'], 'denied')
    case 'call.held':
      return again === undefined ? one(['received'], 'held') : one(['held'], 'held')
    case 'call.approved':
      return one(['held'], 'held')
    case 'call.started':
      return attempt === 1 ? one(['received', 'held'], 'executing') : one(['unknown'], 'unknown')
    case 'call.not_sent':
      return one(['executing'], 'not_sent')
    case 'call.unknown':
      return one(['executing', 'unknown'], 'unknown')
    case 'call.settled':
      return outcome === 'done' || outcome === 'refused' ? one(['executing', 'unknown'], outcome) : null
    case 'call.needs_human':
      return one(['unknown', 'needs_human'], 'needs_human')
    case 'call.reconciled':
      if (outcome !== 'done' && outcome !== 'refused') return null
      return one([Array.isArray(by) ? 'needs_human' : 'unknown'], outcome)
    case 'call.rejected':
      return one(['held'], 'rejected')
    case 'call.expired':
      return one(['held'], 'expired')
    case 'call.cancelled':
      return one(['held', 'executing'], 'cancelled')
    default:
      return null
  }
}

/** One line of a story. */
export function told({ call, attempt, outcome, person, code, reason, name, on, session, because }: Fields): string {
  const parts = [
    call,
    attempt === undefined ? '' : `attempt ${attempt}`,
    outcome,
    person,
    code,
    because?.join(),
    reason,
    name,
  ]
  return [...parts, on === undefined ? '' : on ? 'on' : 'off', call === undefined ? session : '']
    .filter((part) => part !== undefined && part !== '')
    .join(' ')
}
