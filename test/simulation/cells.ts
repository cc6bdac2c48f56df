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

/** Each of these was hit so often in 2,000 runs, or the suite says little about it. */
export const HITS_MIN = 8

/** @returns the cells that these counts leave empty, or nearly so. */
export function missed(cells: ReadonlyMap<string, number>, least = HITS_MIN): string[] {
  return FAULTS.flatMap((fault) => (WHERE[fault] ?? ANYWHERE).map((state) => `${state} × ${fault}`))
    .filter((cell) => (cells.get(cell) ?? 0) < least)
    .map((cell) => `${cell}: ${cells.get(cell) ?? 0}`)
}
