import assert from 'node:assert/strict'
import { costOf } from '../../gateway/core/cost.ts'
import { compileExpression } from '../../gateway/core/expression.ts'
import type { CostSpec, Expression, JsonObject, Scope } from '../../gateway/core/types.ts'

const says = (text: string): Expression => {
  const compiled = compileExpression(text, { input: 'any' }, 'any')
  return compiled.ok ? compiled.expression : assert.fail(text)
}
const COUNT: CostSpec = { kind: 'count', count: says('input.n'), of: 'rows' }
const MINOR: CostSpec = { kind: 'minor', minor: says('input.n'), currency: 'usd' }
const DECIMAL: CostSpec = { kind: 'decimal', decimal: says('input.n'), currency: says('input.currency') }

const NO_COUNT = 'the count could not be computed'
const NO_AMOUNT = 'the amount could not be computed'
const NO_CURRENCY = 'the currency of the cost could not be computed'

describe('what a call costs', () => {
  const COSTS: readonly (readonly [spec: CostSpec, input: JsonObject, unit: string, amount: number])[] = [
    [COUNT, { n: 3 }, 'rows', 3],
    [COUNT, { n: 0 }, 'rows', 0],
    [MINOR, { n: 0 }, 'USD', 0],
    [MINOR, { n: 2 ** 53 - 1 }, 'USD', 2 ** 53 - 1],
    [DECIMAL, { n: '12.50', currency: 'eur' }, 'EUR', 1250],
    [DECIMAL, { n: '12', currency: 'JPY' }, 'JPY', 12],
    [{ ...MINOR, currency: says('input.currency') }, { n: 5, currency: 'Kwd' }, 'KWD', 5],
  ]
  for (const [spec, input, unit, amount] of COSTS)
    it(`is ${amount} ${unit} for ${JSON.stringify(input)}`, () =>
      assert.deepEqual(costOf(spec, { input } as unknown as Scope), { ok: true, cost: { unit, amount } }))

  const UNPRICED: readonly (readonly [spec: CostSpec, input: JsonObject, error: string | RegExp])[] = [
    [COUNT, {}, NO_COUNT],
    [COUNT, { n: -1 }, NO_COUNT],
    [COUNT, { n: 1.5 }, NO_COUNT],
    [COUNT, { n: '3' }, NO_COUNT],
    [COUNT, { n: null }, NO_COUNT],
    [COUNT, { n: 2 ** 53 }, NO_COUNT],
    [MINOR, {}, NO_AMOUNT],
    [MINOR, { n: -1 }, NO_AMOUNT],
    [MINOR, { n: 0.5 }, NO_AMOUNT],
    [MINOR, { n: '5' }, NO_AMOUNT],
    [MINOR, { n: true }, NO_AMOUNT],
    [{ ...MINOR, currency: 'xyz' }, { n: 5 }, NO_CURRENCY],
    [DECIMAL, { currency: 'eur' }, NO_AMOUNT],
    [DECIMAL, { n: 12.5, currency: 'eur' }, NO_AMOUNT],
    [DECIMAL, { n: '12.50' }, NO_CURRENCY],
    [DECIMAL, { n: '12.50', currency: 978 }, NO_CURRENCY],
    [DECIMAL, { n: '12.50', currency: '' }, NO_CURRENCY],
    [DECIMAL, { n: '12.50', currency: 'EURO' }, NO_CURRENCY],
    [DECIMAL, { n: '12.505', currency: 'eur' }, /EUR/],
    [DECIMAL, { n: '-12.50', currency: 'eur' }, /^a decimal is digits/],
    [DECIMAL, { n: '', currency: 'eur' }, /^a decimal is digits/],
  ]
  for (const [spec, input, error] of UNPRICED)
    it(`is an error and never zero: ${spec.kind} of ${JSON.stringify(input)}`, () => {
      const cost = costOf(spec, { input } as unknown as Scope)
      if (cost.ok) assert.fail(JSON.stringify(cost))
      assert.match(cost.error, /, and what cannot be priced is refused\.$/)
      if (typeof error === 'string') assert.ok(cost.error.startsWith(error), cost.error)
      else assert.match(cost.error, error)
    })
})
