import { ACTIONS, PEOPLE } from './company.ts'

/** What the ledger and the backend have said of one call; written from the rules, not from the code that follows them. */
export interface Track {
  readonly id: string
  readonly principal: string
  readonly role: string
  readonly action: string
  readonly session: string
  state: string
  attempt: number
  /** `at` of the intent (R13). */
  intentAt: number | null
  amount: number
  policy: string
  /** Digest of the request, as the last entry that had one says. */
  request: string | null
  card: string | null
  expiresAt: number
  /** Who said yes to this card. */
  approvals: string[]
  effects: number
}

export function newTrack(of: Pick<Track, 'id' | 'principal' | 'role' | 'action' | 'session'>): Track {
  return {
    ...of,
    state: 'received',
    attempt: 0,
    intentAt: null,
    amount: 0,
    policy: '',
    request: null,
    card: null,
    expiresAt: 0,
    approvals: [],
    effects: 0,
  }
}

export type Violated = (invariant: string, what: string) => void

const OPEN: ReadonlySet<string> = new Set(['held', 'executing', 'unknown', 'needs_human'])
const WITHOUT_EFFECT: ReadonlySet<string> = new Set([
  'denied',
  'rejected',
  'expired',
  'cancelled',
  'not_sent',
  'refused',
])

export function isOpen({ state }: Track): boolean {
  return OPEN.has(state)
}

/** It ended in a way that says: nothing happened. */
export function isWithoutEffect({ state }: Track): boolean {
  return WITHOUT_EFFECT.has(state)
}

export function isWrite({ action }: Pick<Track, 'action'>): boolean {
  return ACTIONS[action]?.effect === 'write'
}

export function groupsOf(person: string): readonly string[] {
  return Object.values(PEOPLE).find(({ id }) => id === person)?.groups ?? []
}

/** Nobody decides about what they asked for, act in or own. A principal names who asked and who they act for. */
export function isBarred({ principal }: Track, person: string): boolean {
  return principal.split('|').includes(person) || groupsOf(person).includes('leads')
}
