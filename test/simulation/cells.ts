import { FAULTS } from './faults.ts'
import type { Fault } from './faults.ts'

export const STATES = ['received', 'held', 'executing', 'unknown', 'needs_human'] as const
type State = (typeof STATES)[number]

const ANYWHERE: readonly State[] = STATES
const AT_THE_BACKEND: readonly State[] = ['executing', 'unknown']
/** Where a fault can strike; everywhere, unless it is said here. */
const WHERE: { readonly [fault in Fault]?: readonly State[] } = {
  refused: AT_THE_BACKEND,
  'error, effect': AT_THE_BACKEND,
  'error, no effect': AT_THE_BACKEND,
  'timeout, effect': AT_THE_BACKEND,
  'timeout, no effect': AT_THE_BACKEND,
  'late effect': AT_THE_BACKEND,
  reset: AT_THE_BACKEND,
  'half answer': AT_THE_BACKEND,
  'not connected': AT_THE_BACKEND,
  'slow secret': AT_THE_BACKEND,
  'lookup down': ['unknown'],
  'lookup unclear': ['unknown'],
  'facts slow': ['received', 'held', 'executing'],
  'facts down': ['received', 'held', 'executing'],
  'approve twice': ['held'],
  reject: ['held'],
  expiry: ['held'],
  cancel: ['held', 'executing', 'unknown', 'needs_human'],
}

const ALWAYS: readonly Fault[] = [
  'crash',
  'pause',
  'commit failed',
  'commit lost',
  'store slow',
  'slow line',
  'slow read',
]

/** Of the later worlds, which have fewer seeds: what is asked for without a key, lent and told, and what must meet it. */
export const LATER: { readonly [state: string]: readonly Fault[] } = {
  owed: [...ALWAYS, 'long pause', 'store full', 'hang up', 'answer slow', 'answer lost'],
  telling: [...ALWAYS, 'hang up', 'answer slow', 'answer lost'],
  'lease held': [...ALWAYS, 'long pause', 'store full', 'frozen', 'revoked', 'duplicate'],
  'lease executing': [
    ...ALWAYS,
    'long pause',
    'store full',
    'slow secret',
    'not connected',
    'timeout, effect',
    'reset',
  ],
  'lease unknown': [...ALWAYS, 'long pause', 'store full', 'revoke down'],
  'login stands': [...ALWAYS, 'long pause', 'store full', 'frozen', 'revoked', 'answer lost'],
  'login over': ['pause', 'commit lost', 'store slow', 'slow line', 'slow read', 'revoke down'],
  'notice due': [...ALWAYS, 'long pause', 'store full', 'notice fails'],
  'notice under way': [...ALWAYS, 'long pause', 'notice fails', 'notice hangs', 'notice slow', 'answer lost'],
}

/** Each of these was hit so often in 2,000 runs, or the suite says little about it. */
const HITS_MIN = 8

/** The later worlds have two seeds of five. */
const LATER_MIN = 5

/** @returns the cells that these counts leave empty, or nearly so. */
export function missed(cells: ReadonlyMap<string, number>): string[] {
  const few = (all: readonly string[], least: number): string[] =>
    all.filter((cell) => (cells.get(cell) ?? 0) < least).map((cell) => `${cell}: ${cells.get(cell) ?? 0} of ${least}`)
  const each = FAULTS.flatMap((fault) => (WHERE[fault] ?? ANYWHERE).map((state) => `${state} × ${fault}`))
  const later = Object.entries(LATER).flatMap(([state, faults]) => faults.map((fault) => `${state} × ${fault}`))
  return [...few(each, HITS_MIN), ...few(later, LATER_MIN)]
}
