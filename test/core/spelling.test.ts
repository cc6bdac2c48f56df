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
    // one slip in three letters
    ['abx', ['abc'], 'abc'],
    ['ab', ['abc'], 'abc'],
    ['abcd', ['abc'], 'abc'],
    ['axx', ['abc'], null],
    ['a', ['abc'], null],
    // two in four to seven
    ['axxd', ['abcd'], 'abcd'],
    ['axxx', ['abcd'], null],
    ['abcdexx', ['abcdefg'], 'abcdefg'],
    ['abcdxxx', ['abcdefg'], null],
    ['abcde', ['abcdefg'], 'abcdefg'],
    ['abcd', ['abcdefg'], null],
    // three in more
    ['abcdexxx', ['abcdefgh'], 'abcdefgh'],
    ['abcdxxxx', ['abcdefgh'], null],
    ['abcdefgh', ['abcdefghijk'], 'abcdefghijk'],
    ['abcdefgh', ['abcdefghijkl'], null],
    // a swap of neighbours is one slip, wherever it stands; of others it is two
    ['bac', ['abc'], 'abc'],
    ['acb', ['abc'], 'abc'],
    ['cba', ['abc'], null],
    ['bca', ['abc'], null],
    ['badc', ['abcd'], 'abcd'],
    ['bacdxx', ['abcdef'], null],
    ['xbacd', ['abcd'], 'abcd'],
    ['xbacdx', ['abcd'], null],
    // the nearest; the first of two that are as near
    ['abcdxx', ['abcxef', 'abcdef', 'abcdxf'], 'abcdxf'],
    ['abx', ['abd', 'abc'], 'abd'],
  ]
  for (const [name, known, expected] of table) {
    it(`${name} among ${known.join(', ') || 'nothing'}: ${expected}`, () =>
      assert.equal(nearest(name, known), expected))
  }
})
