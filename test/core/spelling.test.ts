import assert from 'node:assert/strict'
import { nearest } from '../../gateway/core/spelling.ts'

describe('"did you mean"', () => {
  const table: [string, string[], string | null][] = [
    ['amonut', ['amount', 'account'], 'amount'],
    ['ammount', ['amount', 'account'], 'amount'],
    ['Amount', ['amount'], 'amount'],
    ['inptu', ['input', 'facts'], 'input'],
    ['id', ['ip', 'amount'], 'ip'],
    ['x', ['amount'], null],
    ['currency', ['customer', 'country'], null],
    ['whatever', [], null],
    ['amount', ['amount'], 'amount'],
  ]
  for (const [name, known, expected] of table) {
    it(`${name} among ${known.join(', ') || 'nothing'}: ${expected}`, () =>
      assert.equal(nearest(name, known), expected))
  }
})
