import { Big } from 'big.js'
import { formatAmount } from '../core/money.ts'
import type { Call } from '../core/types.ts'
import type { PeopleFilter } from './gateway.ts'

/**
 * What a filter asks that the store has no index for: an amount, a line of the policy, an id of the backend, or a text. An amount is compared in the call's own
 * unit, so that `min=100` finds 100.00 USD and 100 JPY; calls without a cost have none. Text is sought without regard
 * to case in what a list shows and in what links to the backend's own log.
 *
 * @returns null where the filter asks nothing of this kind
 */
export function matcher({ min, max, q, because, evidence }: PeopleFilter): ((call: Call) => boolean) | null {
  if ([min, max, q, because, evidence].every((asked) => asked === undefined)) return null
  const sought = q?.toLowerCase()
  return (call) => {
    if (min !== undefined || max !== undefined) {
      if (call.cost === null) return false
      const amount = new Big(decimalOf(call.cost))
      if ((min !== undefined && amount.lt(min)) || (max !== undefined && amount.gt(max))) return false
    }
    if (because !== undefined && !decidedBy(call, because)) return false
    if (evidence !== undefined && !Object.values(call.evidence).some((value) => String(value) === evidence))
      return false
    return sought === undefined || textsOf(call).some((text) => text.toLowerCase().includes(sought))
  }
}

/** `120.00` of `120.00 USD`. */
export function decimalOf(cost: NonNullable<Call['cost']>): string {
  return formatAmount(cost).split(' ')[0] ?? ''
}

/** Did this line say no, or ask for people? */
function decidedBy({ because, need }: Call, line: string): boolean {
  return because.includes(line) || need.some((needed) => needed.line === line)
}

function textsOf(call: Call): string[] {
  const { id, action, role, requester, session, key, summary, detail, because, evidence } = call
  const linked = Object.values(evidence).filter((value) => typeof value === 'string')
  return [id, action, role, requester, session, key ?? '', summary, detail ?? '', ...because, ...linked]
}
