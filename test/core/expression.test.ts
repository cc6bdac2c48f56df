import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { compileExpression, type Expects, type TypeScope } from '../../gateway/core/expression.ts'
import type { Evaluated, Expression, Scope } from '../../gateway/core/types.ts'

const types: TypeScope = {
  input: {
    object: {
      amount: 'int',
      charge: 'string',
      reason: { enum: ['duplicate', 'fraudulent'] },
      note: { optional: 'string' },
      ids: { list: 'string' },
    },
  },
  facts: {
    object: {
      charge: {
        object: { amount: 'int', currency: 'string', disputed: 'bool', rate: 'double', tags: { list: 'string' } },
      },
      refunds: { list: { object: { amount: 'int', status: 'string' } } },
    },
  },
  output: 'any',
  call: { object: { id: 'string' } },
}

function compile(text: string, expects: Expects = 'bool'): Expression {
  const compiled = compileExpression(text, types, expects)
  assert.ok(compiled.ok, compiled.ok ? '' : `${text}: ${JSON.stringify(compiled.problems)}`)
  return compiled.expression
}
function judge(text: string, scope: Scope, expects: Expects = 'bool'): Evaluated {
  return compile(text, expects).evaluate(scope)
}
/** true, false, or 'error'. */
function verdict(text: string, scope: Scope): boolean | string {
  const result = judge(text, scope)
  return result.ok ? (result.value as boolean) : 'error'
}

describe('a member alone', () => {
  // A plain path is read without CEL; the same path within a condition is not.
  const values = [
    '',
    'ch_1',
    '1',
    true,
    false,
    0,
    -0,
    7,
    -7,
    1.5,
    2 ** 53 - 1,
    2 ** 53,
    1e21,
    Number.NaN,
    null,
    [1],
    { n: 1 },
  ]
  for (const [path, inside] of [
    ['output', (value: unknown) => value],
    ['output.a', (value: unknown) => ({ a: value })],
    ['output.a.b', (value: unknown) => ({ a: { b: value } })],
  ] as const) {
    it(`is what CEL makes of it: ${path}`, () => {
      for (const value of values) {
        for (const expects of ['any', 'bool', 'int', 'string'] as const) {
          const scope = { output: inside(value) } as Scope
          const asked = judge(path, scope, expects)
          assert.deepEqual(asked, judge(`true ? ${path} : ${path}`, scope, expects), `${String(value)} ${expects}`)
        }
      }
      const without = [
        {},
        { output: {} },
        { output: { a: 'x' } },
        { output: Object.create({ a: 'x' }) },
        { output: [] },
      ]
      for (const scope of without as Scope[]) {
        assert.deepEqual(
          judge(path, scope, 'any'),
          judge(`true ? ${path} : ${path}`, scope, 'any'),
          JSON.stringify(scope),
        )
      }
    })
  }
})

describe('a condition', () => {
  const charge = { amount: 9000, currency: 'usd', disputed: false, rate: 2, tags: ['a', 'b'] }
  const scope: Scope = {
    input: { amount: 4999, charge: 'ch_1', reason: 'duplicate', ids: ['a', 'b'] },
    facts: {
      charge,
      refunds: [
        { amount: 5, status: 'done' },
        { amount: 7, status: 'open' },
      ],
    },
    output: { data: [{ metadata: { k: 'call_1' } }, { metadata: {} }], has_more: false, rows: [{ n: 1 }] },
    call: { id: 'call_1' },
  }
  const table: [string, boolean | string][] = [
    ['input.amount <= facts.charge.amount', true],
    ['input.amount <= facts.charge.amount - 4002', false],
    ['!facts.charge.disputed', true],
    ['input.reason == "duplicate"', true],
    ['input.reason in ["fraudulent"]', false],
    ['has(input.note) && input.note == "x"', false],
    ['!has(input.note) || input.note == "x"', true],
    ['has(input.note) ? input.note == "x" : true', true],
    ['size(input.ids) == 2 && input.ids.size() == 2 && size(input.charge) == 4', true],
    ['facts.refunds.exists(r, r.status == "open")', true],
    ['size(facts.refunds) > 0 && facts.refunds.all(r, r.amount > 5)', false],
    ['facts.charge.rate > 1.5 && facts.charge.rate == 2.0', true],
    ['output.data.exists(r, has(r.metadata.k) && r.metadata.k == call.id)', true],
    ['output.rows[0].n == 1', true],
    ['output["rows"][0]["n"] == 1', true],
    ['output.rows[1].n == 1', 'error'],
    ['output.rows[-1].n == 1', 'error'],
    ['output.has_more', false],
    ['"has_more" in output', true],
    ['input.charge.startsWith("ch_") && input.charge.endsWith("1") && input.charge.contains("h_")', true],
    ['input.charge.matches("^ch_[0-9]+$")', true],
    ['facts.charge.currency.upperAscii() == "USD" && "ÄB".lowerAscii() == "Äb"', true],
    ['string(input.amount) == "4999" && int("42") == 42 && double(input.amount) == 4999.0', true],
    ['(has(output.a) ? output.a : output.rows)[0].n == 1', true],
    ['input.amount % 2 == 1 && input.amount / 2 == 2499 && -input.amount < 0', true],
  ]
  for (const [text, expected] of table) it(`${text} is ${expected}`, () => assert.equal(verdict(text, scope), expected))

  it('names the places that it reads', () => {
    const reads: [string, string[]][] = [
      ['input.amount <= facts.charge.amount && input.amount > 0', ['input.amount', 'facts.charge.amount']],
      ['has(input.note)', ['input.note']],
      ['output.data.exists(r, r.metadata.k == call.id)', ['output.data', 'call.id']],
      ['output.rows[0].n == 1', ['output.rows']],
      ['output["rows"][0].n == 1', ['output.rows']],
      ['size(facts.refunds) > 0', ['facts.refunds']],
      ['true', []],
    ]
    assert.deepEqual(
      reads.map(([text]) => [text, compile(text).reads]),
      reads,
    )
  })

  it('yields JSON of the kind that is expected', () => {
    assert.deepEqual(judge('input.amount + 1', scope, 'int'), { ok: true, value: 5000 })
    assert.deepEqual(judge('facts.charge.currency', scope, 'string'), { ok: true, value: 'usd' })
    assert.deepEqual(judge('facts.charge', scope, 'any'), { ok: true, value: charge })
    assert.deepEqual(judge('output.data', { output: { data: [1, 1.5, null, 'x', { a: [true] }] } }, 'any'), {
      ok: true,
      value: [1, 1.5, null, 'x', { a: [true] }],
    })
    assert.deepEqual(judge('output', { output: 'x' }), {
      ok: false,
      error: 'the expression yields something other than true or false',
    })
    assert.deepEqual(judge('output', { output: 1.5 }, 'int'), {
      ok: false,
      error: 'the expression yields something other than a whole number',
    })
    assert.deepEqual(judge('output', { output: 5 }, 'string'), {
      ok: false,
      error: 'the expression yields something other than text',
    })
  })
})

describe('the order of a condition', () => {
  const scope: Scope = { output: { yes: true, no: false, five: 5, items: [{ a: 1 }, { b: 1 }] } }
  const table: [string, boolean | string][] = [
    ['output.missing || true', 'error'],
    ['true || output.missing', true],
    ['output.missing && false', 'error'],
    ['false && output.missing', false],
    ['output.no && output.missing && true', false],
    ['output.yes || output.missing || output.missing', true],
    ['output.no || output.missing || true', 'error'],
    ['output.missing ? true : true', 'error'],
    ['true ? true : output.missing', true],
    ['output.items.exists(r, r.a == 1)', true],
    ['output.items.exists(r, r.b == 1)', 'error'],
    ['output.items.exists(r, r.a == 2)', 'error'],
    ['output.items.all(r, r.a == 1)', 'error'],
    ['output.items.all(r, r.a == 2)', false],
    ['!(output.items.all(r, r.a == 1))', 'error'],
    ['output.items.exists(r, has(r.b) || r.a == 1)', true],
    // neither true nor false is an error wherever it stands, never something like true
    ['output.five && true', 'error'],
    ['true && output.five', 'error'],
    ['false || output.five', 'error'],
    ['output.five || true', 'error'],
    ['!output.five', 'error'],
    ['output.items.exists(r, output.five)', 'error'],
    ['output.items.all(r, output.five)', 'error'],
    ['(true && output.five) == output.five', 'error'],
    ['(false || output.five) == output.five', 'error'],
  ]
  for (const [text, expected] of table) it(`${text} is ${expected}`, () => assert.equal(verdict(text, scope), expected))

  it('is left to right for any combination, as a model of ten lines says', () => {
    type Tree = { text: string; value: boolean | 'error' }
    const leaf: fc.Arbitrary<Tree> = fc.constantFrom<Tree>(
      { text: 'output.yes', value: true },
      { text: 'output.no', value: false },
      { text: 'output.missing', value: 'error' },
      { text: 'true', value: true },
      { text: 'output.five', value: 'error' },
    )
    const { tree } = fc.letrec<{ tree: Tree }>((tie) => ({
      tree: fc.oneof(
        { maxDepth: 5, withCrossShrink: true },
        leaf,
        fc
          .tuple(tie('tree'), tie('tree'))
          .map(([a, b]) => ({ text: `(${a.text} && ${b.text})`, value: a.value === true ? b.value : a.value })),
        fc
          .tuple(tie('tree'), tie('tree'))
          .map(([a, b]) => ({ text: `(${a.text} || ${b.text})`, value: a.value === false ? b.value : a.value })),
        fc.tuple(tie('tree'), tie('tree'), tie('tree')).map(([a, b, c]) => ({
          text: `(${a.text} ? ${b.text} : ${c.text})`,
          value: a.value === 'error' ? a.value : a.value ? b.value : c.value,
        })),
        tie('tree').map((a) => ({ text: `!${a.text}`, value: a.value === 'error' ? a.value : !a.value })),
        tie('tree').map((a) => ({ text: `[1, 2].exists(i, ${a.text})`, value: a.value })),
        tie('tree').map((a) => ({ text: `[1, 2].all(i, ${a.text})`, value: a.value })),
      ),
    }))
    const loops = (text: string): number => text.split(/exists|all/).length - 1
    fc.assert(
      // a loop within a loop does not load
      fc.property(
        tree.filter(({ text }) => loops(text) <= 1),
        ({ text, value }) => assert.equal(verdict(text, scope), value, text),
      ),
      { numRuns: 300 },
    )
  })
})

describe('what is missing', () => {
  const table: [string, Scope, boolean | string][] = [
    ['facts.charge.disputed', { facts: { charge: { disputed: null } } }, 'error'],
    ['!facts.charge.disputed', { facts: { charge: { disputed: null } } }, 'error'],
    ['facts.charge.amount > 5', { facts: { charge: { amount: null } } }, 'error'],
    ['facts.charge.currency == "usd"', { facts: { charge: { currency: null } } }, 'error'],
    ['facts.charge.currency != "usd"', { facts: { charge: { currency: null } } }, 'error'],
    ['"usd" != facts.charge.currency', { facts: { charge: { currency: null } } }, 'error'],
    ['!(facts.charge.currency in ["usd"])', { facts: { charge: { currency: null } } }, 'error'],
    ['facts.refunds.exists(r, r.status != "open")', { facts: { refunds: [{ amount: 1, status: null }] } }, 'error'],
    ['facts.charge.currency == null', { facts: { charge: { currency: null } } }, true],
    [
      'facts.charge.currency == null || facts.charge.currency != "usd"',
      { facts: { charge: { currency: null } } },
      true,
    ],
    ['facts.charge.currency != null', { facts: { charge: { currency: 'usd' } } }, true],
    ['facts.charge == null', { facts: { charge: null } }, true],
    ['facts.charge.currency == null', { facts: { charge: null } }, 'error'],
    ['has(facts.charge.currency)', { facts: { charge: { currency: null } } }, false],
    ['has(facts.charge.currency)', { facts: { charge: { currency: 'usd' } } }, true],
    ['facts.charge.disputed', { facts: {} }, 'error'],
    ['facts.charge.disputed', {}, 'error'],
    ['output', { output: undefined }, 'error'],
    ['has(output.a.b)', { output: {} }, 'error'],
    ['has(output.a)', { output: {} }, false],
    ['facts.refunds.exists(r, true)', { facts: { refunds: null } }, 'error'],
    ['size(facts.refunds) == 0', { facts: { refunds: null } }, 'error'],
  ]
  for (const [text, scope, expected] of table) {
    it(`${text} with ${JSON.stringify(scope)} is ${expected}`, () => assert.equal(verdict(text, scope), expected))
  }
})

describe('a fact that is null', () => {
  const SCOPE: TypeScope = {
    input: { object: { n: 'int' } },
    facts: {
      object: {
        c: {
          object: {
            i: 'int',
            d: 'double',
            b: 'bool',
            s: 'string',
            e: { enum: ['x', 'y'] },
            l: { list: 'int' },
            o: { object: { i: 'int' } },
            p: { object: { i: 'int' } },
          },
        },
      },
    },
  }
  const nulls = { i: null, d: null, b: null, s: null, e: null, l: null, o: null, p: { i: 1 } }
  const judged = (text: string): boolean | string => {
    const compiled = compileExpression(text, SCOPE, 'bool')
    if (!compiled.ok) return compiled.problems.map(({ message }) => message).join()
    const result = compiled.expression.evaluate({ input: { n: 1 }, facts: { c: nulls } })
    return result.ok ? result.value === true : result.error
  }
  const UNASKED = 'a fact is null: ask `== null` before comparing it'
  const COMPARED = [
    'facts.c.i != 5',
    '5 != facts.c.i',
    'facts.c.d != 5.0',
    'facts.c.b != true',
    'facts.c.s != "a"',
    'facts.c.e != "x"',
    'facts.c.l != [1]',
    '[1] != facts.c.l',
    'facts.c.o != facts.c.p',
    'facts.c.p != facts.c.o',
    '!(facts.c.i == 5)',
    '!(facts.c.l == [1])',
    '!(facts.c.i in [5])',
    '!(facts.c.d in [5.0])',
    '!(facts.c.b in [true])',
    '!(facts.c.e in ["x"])',
    'facts["c"].i != 5',
    '(input.n > 0 ? facts.c.i : 5) != 5',
    '(input.n > 1 ? 5 : facts.c.i) != 5',
    '(input.n > 0 ? facts.c.i : facts.c.i) != 5',
  ]
  for (const text of COMPARED)
    it(`is not unequal to anything, but an error: ${text}`, () => assert.equal(judged(text), UNASKED))

  for (const text of [
    'facts.c.l == null',
    'facts.c.l == null || facts.c.l != [1]',
    'null == facts.c.i',
    'facts.c.p != null',
  ])
    it(`can be asked for: ${text}`, () => assert.equal(judged(text), true))
})

describe('an attack on a condition', () => {
  const many = Array.from({ length: 10_000 }, (_, index) => `item ${index}`)
  const deep: unknown = JSON.parse(`${'['.repeat(20_000)}${']'.repeat(20_000)}`)
  const table: [string, string, unknown, Evaluated][] = [
    [
      'inherited members',
      'output.constructor == output.constructor',
      {},
      { ok: false, error: 'field not found: constructor' },
    ],
    ['the prototype', 'output.__proto__ == 1', {}, { ok: false, error: 'field not found: __proto__' }],
    [
      'an own member of that name is data',
      'output["__proto__"] == 1',
      JSON.parse('{"__proto__":1}'),
      { ok: true, value: true },
    ],
    ['a method of strings', 'output.length == 1', 'x', { ok: false, error: 'field not found: length' }],
    ['has() of what is inherited', 'has(output.toString)', {}, { ok: true, value: false }],
    ['in, of what is inherited', '"toString" in output', {}, { ok: true, value: false }],
    [
      'more items than are judged',
      'size(output) > 0',
      [...many, 'one more'],
      { ok: false, error: 'output has more than 10000 items' },
    ],
    ['as many items as are judged', 'size(output) == 10000', many, { ok: true, value: true }],
    [
      'a search within a search',
      'output.exists(i, i == "" || !(i in output))',
      many,
      { ok: false, error: 'the expression takes too much work on data of this size' },
    ],
    [
      'long texts, each searched',
      'output.exists(i, output[0].contains(i))',
      ['x'.repeat(900_000), ...Array.from({ length: 5000 }, () => 'y')],
      { ok: true, value: true },
    ],
    [
      'long texts, each searched in vain',
      'output.l.exists(i, output.t.contains(i))',
      { t: 'x'.repeat(900_000), l: Array.from({ length: 5000 }, () => 'y') },
      { ok: false, error: 'the expression takes too much work on data of this size' },
    ],
    ['a catastrophic pattern', 'output.matches("^(a+)+$")', `${'a'.repeat(100_000)}b`, { ok: true, value: false }],
    [
      'patterns over very long text',
      'output.exists(i, i.matches("(x+x+)+y"))',
      Array.from({ length: 100 }, () => 'x'.repeat(100_000)),
      { ok: false, error: 'the expression takes too much work on data of this size' },
    ],
    ['depth', 'size(output) > 0', deep, { ok: false, error: 'output is too large or too deep to be judged' }],
    ['overflow', 'output * output > 0', Number.MAX_SAFE_INTEGER, { ok: false, error: 'int overflow during _*_' }],
    ['an integer that was not read exactly', 'output > 0', 2 ** 53, { ok: false, error: 'output is beyond 2^53−1' }],
    ['infinity', 'output > 0', Number.POSITIVE_INFINITY, { ok: false, error: 'output is not a finite number' }],
    ['NaN', 'output != output', Number.NaN, { ok: false, error: 'output is not a finite number' }],
    ['division by zero', '1 / output == 1', 0, { ok: false, error: 'int divide by zero' }],
    ['an empty text as a number', 'int(output) == 0', '', { ok: false, error: 'int() wants digits' }],
    ['hexadecimal text as a number', 'int(output) == 16', '0x10', { ok: false, error: 'int() wants digits' }],
    ['text as a number', 'double(output) == 0.0', ' ', { ok: false, error: 'double() wants a decimal such as 12.5' }],
    ['minus zero', 'output == 0', -0, { ok: true, value: true }],
    ['text is not its number', 'output == 50', '50', { ok: true, value: false }],
    ['what is no JSON', 'output == 1', () => 1, { ok: false, error: 'output is not JSON' }],
  ]
  for (const [name, text, output, expected] of table) {
    it(name, function () {
      this.timeout(2000)
      assert.deepEqual(judge(text, { output: output as never }), expected)
    })
  }

  it('an integer result beyond 2^53−1 is an error', () => {
    assert.deepEqual(judge('input.amount + 1', { input: { amount: Number.MAX_SAFE_INTEGER } }, 'int'), {
      ok: false,
      error: 'the result is beyond 2^53−1',
    })
  })

  it('never changes and never throws, whatever JSON it meets', () => {
    const texts = [
      'output.a.b == 1',
      'output[0] == output.a',
      'output.exists(i, i > 0)',
      'size(output) > 0 && output.all(i, i.a)',
      'output in [1, "a"]',
      '"a" in output',
      'output + output == output',
      'output.startsWith("a")',
      'output < 5',
    ]
    const expressions = texts.map((text) => compile(text))
    fc.assert(
      fc.property(fc.jsonValue(), (output) => {
        for (const expression of expressions) {
          const first = expression.evaluate({ output: output as never })
          assert.equal(first.ok ? typeof first.value : typeof first.error, first.ok ? 'boolean' : 'string')
          assert.deepEqual(expression.evaluate({ output: output as never }), first)
        }
      }),
      { numRuns: 200 },
    )
  })
})
