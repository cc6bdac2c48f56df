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
    assert.equal(read(`[${'{},[],'.repeat(100)}1]`).ok, true, 'what is closed is deep no more')
  })

  it('does not count brackets, commas and colons inside strings', () => {
    const text = JSON.stringify({ a: '[[[[{{{{,,,,::::\\"\\'.repeat(500) })
    assert.deepEqual(read(text), { ok: true, value: JSON.parse(text), notDigits: [] })
  })

  const REFUSED: readonly (readonly [what: string, document: string | Buffer, reason: string])[] = [
    ['a byte that is not UTF-8', Buffer.from([0x22, 0xff, 0x22]), 'is not UTF-8, or begins with a byte-order mark'],
    ['an overlong form', Buffer.from([0x22, 0xc0, 0xaf, 0x22]), 'is not UTF-8, or begins with a byte-order mark'],
    ['a byte-order mark', '\uFEFF{}', 'is not UTF-8, or begins with a byte-order mark'],
    ['33 lists', '['.repeat(33), 'is nested deeper than 32 levels'],
    ['33 objects', '{"a":'.repeat(33), 'is nested deeper than 32 levels'],
    [
      '33 levels after others that are closed',
      `[${'[],{},'.repeat(40)}${'['.repeat(32)}`,
      'is nested deeper than 32 levels',
    ],
    ['4097 containers', `[${'[]'.repeat(4096)}`, 'has more than 4096 members and items'],
    ['4097 commas', `[${','.repeat(4096)}`, 'has more than 4096 members and items'],
    ['an end that is missing', '{"a":', 'cannot be parsed beyond character 5'],
    ['a word', 'nothing', 'cannot be parsed beyond character 0'],
    ['a string without an end', '"', 'cannot be parsed beyond character 1'],
    ['a member twice', '{"a":1,"a":2}', 'names the member "a" twice'],
    ['a member twice, with an equal value', '{"a":1,"a":1}', 'names a member twice'],
    ['a member twice, spelt in two ways', '{"a":1,"\\u0061":2}', 'names the member "a" twice'],
    [
      'a member twice that would paint a terminal',
      '{"\\u001b[2J\\u202e\\u2028x":1,"\\u001b[2J\\u202e\\u2028x":2}',
      'names the member "\uFFFD[2J\uFFFD\uFFFDx" twice',
    ],
    [
      'a member twice that is long',
      `{"${'x'.repeat(101)}":1,"${'x'.repeat(101)}":2}`,
      `names the member "${'x'.repeat(100)}" twice`,
    ],
    ['half of a pair in a string', '["\\ud800"]', 'has half of a surrogate pair in a string, which UTF-8 cannot carry'],
    ['half of a pair in a name', '{"\\udc00":1}', 'has half of a surrogate pair in a string, which UTF-8 cannot carry'],
    ['a number that changes', '9007199254740993', 'has a number that changes when it is read'],
    ['a number that is no number', '1e999', 'has a number that changes when it is read'],
  ]
  for (const [what, document, reason] of REFUSED)
    it(`says why it refuses ${what}`, () =>
      assert.deepEqual(readJson(Buffer.from(document as string), BOUNDS), { ok: false, reason }))

  it('says where an integer stands that is not written as one, in letters that can be seen', () => {
    const long = 'x'.repeat(70)
    const answer = read(`{"a":[{"b":1e3},0,[1.0]],"\\u202ec":{"${long}":2.0},"d":100000000000000.${'0'.repeat(40)}}`)
    assert.deepEqual(answer.ok && answer.notDigits, [
      { path: 'a[0].b', text: '1e3' },
      { path: 'a[2][0]', text: '1.0' },
      { path: `\\u{202e}c.${long.slice(0, 64)}`, text: '2.0' },
      { path: 'd', text: `100000000000000.${'0'.repeat(24)}` },
    ])
    assert.deepEqual(read('1e3'), { ok: true, value: 1000, notDigits: [{ path: '', text: '1e3' }] })
  })

  it('has a member named __proto__ stay a member that can be changed', () => {
    const answer = read('{"__proto__":{"a":1}}')
    assert.ok(answer.ok)
    assert.deepEqual(Object.getOwnPropertyDescriptor(answer.value, '__proto__'), {
      value: { a: 1 },
      writable: true,
      enumerable: true,
      configurable: true,
    })
    assert.equal(Object.getPrototypeOf(answer.value), Object.prototype)
  })
})
