import type { Operation, ResultOf } from '../core/operations.ts'
import type { Call } from '../core/types.ts'

/** Calls that an operation brought into a state, and not those that it only found in one. */
export function arrivals(
  operation: Operation,
  result: ResultOf<Operation>,
  held: ReadonlySet<string>,
): readonly Call[] {
  if ('calls' in result) return result.calls
  if ('cancelled' in result) return result.cancelled
  if (!('call' in result) || result.kind === 'bound') return []
  // They only find a call, and mark who was told of it.
  if (operation.op === 'join' || operation.op === 'hand_out') return []
  const { kind, call } = result
  if (held.has(call.id)) return call.state === 'held' ? [] : [call]
  const moved = kind === 'denied' || kind === 'held' || kind === 'started' || kind === 'settled'
  return moved || (kind === 'cancelled' && operation.op === 'cancel') ? [call] : []
}

/** The kind of the entry, where it is one of the closed list and no call's. */
export function eventOf(operation: Operation, result: ResultOf<Operation>): string | null {
  switch (operation.op) {
    case 'note':
      // Counted as they come; the entry is a sum of a second.
      return operation.kind === 'requests.refused' ? null : operation.kind
    case 'session.issue':
      // What the store refuses is a `session.deny` of its own, right behind.
      if (!('kind' in result) || result.kind !== 'issued') return null
      return operation.renews === undefined ? 'session.issued' : 'session.renewed'
    case 'session.deny':
      return 'session.denied'
    case 'session.use':
    case 'expire':
      return 'ended' in result && result.ended > 0 ? 'session.ended' : null
    case 'session.end':
      return 'kind' in result && result.kind === 'ended' ? 'session.ended' : null
    case 'settle':
      return operation.lease !== undefined && 'kind' in result && result.kind === 'settled' ? 'lease.issued' : null
    case 'lease.end':
      return 'kind' in result && result.kind === 'ended' ? 'lease.revoked' : null
    case 'switch':
      return 'switch.set'
    case 'policy':
      return 'policy.loaded'
    default:
      return null
  }
}
