import type { CallSummary } from '../api/types.ts'
import { formatAmount } from '../../gateway/core/money.ts'

/** Sums of what is shown, one per unit: currencies are never added up. */
export function sumsOf(calls: readonly CallSummary[]): string {
  const sums = new Map<string, number>()
  for (const { cost } of calls) if (cost !== null) sums.set(cost.unit, (sums.get(cost.unit) ?? 0) + cost.amount)
  return [...sums].map(([unit, amount]) => formatAmount({ unit, amount })).join(', ')
}
