import { Big } from 'big.js'
import { formatAmount } from '../core/money.ts'
import type { Call } from '../core/types.ts'
import type { PeopleFilter } from './gateway.ts'

/**
 * What a filter asks that the store has no index for: an amount, or a text. An amount is compared in the call's own
 * unit, so that `min=100` finds 100.00 USD and 100 JPY; calls without a cost have none. Text is sought without regard
 * to case in what a list shows and in what links to the backend's own log.
 *
 * @returns null where the filter asks nothing of this kind
 */
export function matcher({ min, max, q }: PeopleFilter): ((call: Call) => boolean) | null {
  if (min === undefined && max === undefined && q === undefined) return null
  const sought = q?.toLowerCase()
  return (call) => {
    if (min !== undefined || max !== undefined) {
      if (call.cost === null) return false
      const amount = new Big(decimalOf(call.cost))
      if ((min !== undefined && amount.lt(min)) || (max !== undefined && amount.gt(max))) return false
    }
    return sought === undefined || textsOf(call).some((text) => text.toLowerCase().includes(sought))
  }
}

/** `120.00` of `120.00 USD`. */
export function decimalOf(cost: NonNullable<Call['cost']>): string {
  return formatAmount(cost).split(' ')[0] ?? ''
}

function textsOf(call: Call): string[] {
  const { id, action, role, requester, session, key, summary, detail, because, evidence } = call
  const linked = Object.values(evidence).filter((value) => typeof value === 'string')
  return [id, action, role, requester, session, key ?? '', summary, detail ?? '', ...because, ...linked]
}
