import assert from 'node:assert/strict'
import {
  array,
  assert as check,
  boolean,
  constant,
  integer,
  jsonValue,
  nat,
  oneof,
  property,
  string,
  tuple,
} from 'fast-check'
import { readJson } from '../../gateway/core/strict-json.ts'

const BOUNDS = { depth: 32, items: 4096 }
const read = (text: string) => readJson(Buffer.from(text, 'utf8'), BOUNDS)

describe('the strict reader of JSON', () => {
  it('reads what every other reader reads, whatever is in it', () => {
    const safe = jsonValue({ maxDepth: 6 }).filter((value) => !JSON.stringify(value).includes('e'))
    check(
      property(safe, (value) => {
        const text = JSON.stringify(value)
        const answer = read(text)
        // A generated number may be beyond 2^53, or a text half a surrogate pair: those are refused, never altered.
        assert.ok(answer.ok ? JSON.stringify(answer.value) === text : /number|surrogate/.test(answer.reason))
      }),
      { numRuns: 500 },
    )
  })

  it('refuses every document in which any member stands twice', () => {
    const member = tuple(string(), oneof(integer(), boolean(), constant(null)))
    check(
      property(array(member, { minLength: 1, maxLength: 8 }), nat(), (members, pick) => {
        const all = [...members, members[pick % members.length]].map(
          ([name, value] = ['', null]) => `${JSON.stringify(name)}:${value}`,
        )
        const answer = read(`[{"outer":{${all.join(',')}}}]`)
        assert.equal(answer.ok, false)
      }),
      { numRuns: 300 },
    )
  })

  const numbers: readonly (readonly [string, number | string])[] = [
    ['0', 0],
    ['-1', -1],
    ['9007199254740991', 2 ** 53 - 1],
    ['-9007199254740991', -(2 ** 53 - 1)],
    ['0.1', 0.1],
    ['1.50', 1.5],
    ['2.5e-7', 2.5e-7],
    ['1e3', 'odd'],
    ['1.0', 'odd'],
    ['-0', 'odd'],
    ['-0.0', 'odd'],
    ['1E+2', 'odd'],
    ['0e5', 'odd'],
    ['9007199254740992', 'refused'],
    ['9007199254740993', 'refused'],
    ['1e16', 'refused'],
    ['1.5e300', 'refused'],
    ['1.00000000000000000001', 'refused'],
    ['123456789.123456789', 'refused'],
    ['1e-400', 'refused'],
    ['1e999', 'refused'],
  ]
  for (const [text, expected] of numbers) {
    it(`takes ${text} as ${expected}`, () => {
      const answer = read(`{"n":${text}}`)
      const odd = answer.ok && answer.notDigits.length === 1 && answer.notDigits[0]?.text === text
      const got = !answer.ok ? 'refused' : odd ? 'odd' : (answer.value as { n: number }).n
      assert.equal(got, expected)
    })
  }

  it('holds its bounds to the one', () => {
    const nested = (depth: number) => read('['.repeat(depth) + ']'.repeat(depth)).ok
    const items = (count: number) => read(`[${Array.from({ length: count }, () => 1).join(',')}]`).ok
    assert.deepEqual([nested(32), nested(33), items(4096), items(4097)], [true, false, true, false])
  })

  it('does not count brackets, commas and colons inside strings', () => {
    const text = JSON.stringify({ a: '[[[[{{{{,,,,::::\\"\\'.repeat(500) })
    assert.deepEqual(read(text), { ok: true, value: JSON.parse(text), notDigits: [] })
  })
})
