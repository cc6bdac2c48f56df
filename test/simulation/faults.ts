import type { FaultKind } from '../../gateway/store/db.ts'
import type { TransactionFault } from './database.ts'
import type { Random } from './random.ts'
import type { World } from './world.ts'

/** Everything that may go wrong, or happen at an unlucky moment. A seed has a random subset of them. */
export const FAULTS = [
  'crash',
  'pause',
  'long pause',
  'commit failed',
  'commit lost',
  'store slow',
  'store full',
  'store broken',
  'slow read',
  'database gone',
  'notice lost',
  'refused',
  'error, effect',
  'error, no effect',
  'timeout, effect',
  'timeout, no effect',
  'late effect',
  'reset',
  'half answer',
  'not connected',
  'slow secret',
  'lookup down',
  'lookup unclear',
  'facts slow',
  'facts down',
  'facts change',
  'clock forward',
  'clock behind',
  'duplicate',
  'other input',
  'other principal',
  'other replica',
  'revoked',
  'logout',
  'frozen',
  'reload',
  'approve twice',
  'reject',
  'expiry',
  'cancel',
  'stop',
] as const
/** What can go wrong in the later worlds beside all of these. */
export const MORE_FAULTS = [
  'notice fails',
  'notice hangs',
  'notice slow',
  'revoke down',
  'login owns',
  'slow line',
  'hang up',
  'answer slow',
  'answer lost',
] as const
export type Fault = (typeof FAULTS)[number] | (typeof MORE_FAULTS)[number]

/** Which faults this run has, and how often each of them strikes. */
export interface Profile {
  has(fault: Fault): boolean
  /** One throw: does it strike now? Never once the run is calm. */
  strikes(fault: Fault, probability: number): boolean
  /** From here on nothing goes wrong any more. */
  calm(): void
  readonly faults: readonly Fault[]
}

export function profileFrom(random: Random, world: World): Profile {
  // Every thirtieth run has no fault at all, some have few, most have about half of them.
  const share = random.chance(1 / 30) ? 0 : random.pick([0.2, 0.5, 0.75])
  const all: readonly Fault[] = world === 'calls' ? FAULTS : [...FAULTS, ...MORE_FAULTS]
  const faults = all.filter(() => random.chance(share))
  const chosen = new Set<Fault>(faults)
  const intensity = random.pick([0.5, 1, 2])
  let isCalm = false
  return {
    faults,
    has: (fault) => !isCalm && chosen.has(fault),
    strikes: (fault, probability) => !isCalm && chosen.has(fault) && random.chance(probability * intensity),
    calm: () => void (isCalm = true),
  }
}

/** What goes wrong with one transaction; null: nothing. */
export function transactionFault(
  random: Random,
  profile: Profile,
  shared: boolean,
): { fault: Fault; how: TransactionFault } | null {
  // Over a network the line may be lost in the very commit; a file is there or is not.
  const kinds: readonly FaultKind[] = shared ? ['other', 'gone'] : ['other']
  const fails = (when: 'work' | 'nothing' | 'lost', kind: FaultKind): TransactionFault => {
    return { before_ms: 0, after_ms: 0, fails: { when, kind } }
  }
  if (profile.strikes('commit failed', 0.03)) {
    return { fault: 'commit failed', how: fails('nothing', random.pick([...kinds, 'full', 'busy'])) }
  }
  if (profile.strikes('commit lost', 0.04)) return { fault: 'commit lost', how: fails('lost', random.pick(kinds)) }
  if (profile.strikes('store full', 0.03)) return { fault: 'store full', how: fails('work', 'full') }
  if (profile.strikes('store broken', 0.006)) {
    return { fault: 'store broken', how: fails(random.pick(['work', 'nothing', 'lost']), 'io') }
  }
  if (profile.strikes('store slow', 0.05)) {
    const ms = random.pick([5, 100, 800, 3000, 6000, 12_000])
    const late = random.chance(0.5)
    return { fault: 'store slow', how: { before_ms: late ? 0 : ms, after_ms: late ? ms : 0, fails: null } }
  }
  return null
}
