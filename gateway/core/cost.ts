import { digitsOf, parseDecimal } from './money.ts'
import type { Amount, CostSpec, Expression, Scope } from './types.ts'

/**
 * What a call costs, from what will be sent. An absent, negative or unreadable amount is an error, never zero: at some
 * backends an absent amount means all of it.
 */
export function costOf(spec: CostSpec, scope: Scope): { ok: true; cost: Amount } | { ok: false; error: string } {
  if (spec.kind === 'count') {
    const count = integer(spec.count, scope)
    return count === null
      ? fails('the count could not be computed')
      : { ok: true, cost: { unit: spec.of, amount: count } }
  }
  const currency = currencyOf(spec.currency, scope)
  if (currency === null) return fails('the currency of the cost could not be computed')
  if (spec.kind === 'minor') {
    const amount = integer(spec.minor, scope)
    return amount === null ? fails('the amount could not be computed') : { ok: true, cost: { unit: currency, amount } }
  }
  const decimal = spec.decimal.evaluate(scope)
  if (!decimal.ok || typeof decimal.value !== 'string') return fails('the amount could not be computed')
  const parsed = parseDecimal(decimal.value, currency)
  return parsed.ok ? { ok: true, cost: { unit: currency, amount: parsed.amount } } : fails(parsed.message)
}

function integer(expression: Expression, scope: Scope): number | null {
  const judged = expression.evaluate(scope)
  if (!judged.ok || typeof judged.value !== 'number') return null
  return Number.isSafeInteger(judged.value) && judged.value >= 0 ? judged.value : null
}

/** Codes compare in capitals. */
function currencyOf(currency: Expression | string, scope: Scope): string | null {
  const judged = typeof currency === 'string' ? { ok: true as const, value: currency } : currency.evaluate(scope)
  if (!judged.ok || typeof judged.value !== 'string') return null
  const code = judged.value.toUpperCase()
  return digitsOf(code) === null ? null : code
}

function fails(error: string): { ok: false; error: string } {
  return { ok: false, error: `${error}, and what cannot be priced is refused.` }
}
