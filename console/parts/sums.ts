import type { CallSummary } from '../api/types.ts'
import { formatAmount } from '../../gateway/core/money.ts'

/** Sums, one per unit: currencies are never added up. */
export function sumsOf(calls: readonly CallSummary[]): string {
  const sums = new Map<string, number>()
  for (const { cost } of calls) if (cost !== null) sums.set(cost.unit, (sums.get(cost.unit) ?? 0) + cost.amount)
  return [...sums].map(([unit, amount]) => formatAmount({ unit, amount })).join(', ')
}

/** How many, and how much, of each status: money that was denied is not money that was paid. */
export type Totals = ReadonlyMap<string, { readonly count: number; readonly sums: ReadonlyMap<string, number> }>

export function addUp(totals: Totals, calls: readonly CallSummary[]): Totals {
  const all = new Map([...totals].map(([status, { count, sums }]) => [status, { count, sums: new Map(sums) }]))
  for (const { status, cost } of calls) {
    const one = all.get(status) ?? { count: 0, sums: new Map<string, number>() }
    if (cost !== null) one.sums.set(cost.unit, (one.sums.get(cost.unit) ?? 0) + cost.amount)
    all.set(status, { count: one.count + 1, sums: one.sums })
  }
  return all
}

/** `6 calls; 2 done (60.00 USD), 2 held (240.00 USD)`. */
export function sayTotals(totals: Totals): string {
  const count = [...totals.values()].reduce((sum, one) => sum + one.count, 0)
  const parts = [...totals].map(([status, { count, sums }]) => {
    const amounts = [...sums].map(([unit, amount]) => formatAmount({ unit, amount })).join(', ')
    return `${count} ${status.replaceAll('_', ' ')}${amounts === '' ? '' : ` (${amounts})`}`
  })
  return `${count} calls${parts.length === 0 ? '' : `: ${parts.join(', ')}`}`
}
