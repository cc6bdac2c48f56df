import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { compileExpression, type Expects, type TypeScope } from '../../gateway/core/expression.ts'

const types: TypeScope = {
  input: {
    object: {
      amount: 'int',
      charge: 'string',
      reason: { enum: ['duplicate', 'fraudulent'] },
      note: { optional: 'string' },
      ids: { list: 'string' },
      lines: { list: { object: { sku: 'string', note: { optional: 'string' } } } },
      ship: { optional: { object: { city: 'string', zip: { optional: 'string' } } } },
    },
  },
  facts: {
    object: {
      charge: { object: { amount: 'int', currency: 'string', disputed: 'bool', rate: 'double' } },
      refunds: { list: { object: { amount: 'int', status: { enum: ['open', 'done'] } } } },
    },
  },
  action: { object: { effect: { enum: ['read', 'write', 'lease'] } } },
  session: { object: { role: 'string' }, open: true },
  output: 'any',
  claims: 'any',
}

describe('an expression that loads', () => {
  const table: [string, Expects][] = [
    ['input.amount <= facts.charge.amount', 'bool'],
    ['claims.sub == "system:x" && "finance" in claims.groups', 'bool'],
    ['session.queue == "emea" && session.role != "x"', 'bool'],
    ['has(input.note) && input.note == "x"', 'bool'],
    ['input.amount > 5 && has(input.note) && input.note == "x"', 'bool'],
    ['has(input.note) && (input.amount > 5 || input.note == "x")', 'bool'],
    ['!has(input.note) || input.note == "x"', 'bool'],
    ['!(!has(input.note)) && input.note == "x"', 'bool'],
    ['!(has(input.note) && input.amount > 1) || input.note == "x"', 'bool'],
    ['(has(input.note) ? true : false) && input.note == "x"', 'bool'],
    ['has(input.note) ? input.note : ""', 'string'],
    ['!has(input.note) ? "" : input.note', 'string'],
    ['has(input.ship) && has(input.ship.zip) && input.ship.zip == "1"', 'bool'],
    ['has(input.ship) && input.ship.city == "x"', 'bool'],
    ['input.lines.exists(l, has(l.note) && l.note == "x")', 'bool'],
    ['size(facts.refunds) > 0 && facts.refunds.all(r, r.amount > 0)', 'bool'],
    ['0 < size(facts.refunds) && facts.refunds.all(r, r.amount > 0)', 'bool'],
    ['facts.refunds.size() >= 1 && facts.refunds.all(r, r.amount > 0)', 'bool'],
    ['facts.refunds.all(r, r.amount > 0) && size(facts.refunds) != 0', 'bool'],
    ['facts.refunds.all(r, r.amount > 0) && input.amount > 0 && size(facts.refunds) > 0', 'bool'],
    ['size(facts.refunds) == 0 || facts.refunds.all(r, r.amount > 0)', 'bool'],
    ['size(facts.refunds) > 0 ? facts.refunds.all(r, r.amount > 0) : false', 'bool'],
    ['input.ids.all(i, i != "")', 'bool'],
    ['input.reason == "duplicate" || input.reason in ["fraudulent", "duplicate"]', 'bool'],
    ['facts.refunds.exists(r, r.status == "open")', 'bool'],
    ['facts.charge == null || facts.charge.currency == null', 'bool'],
    ['"a" + input.charge == input.charge', 'bool'],
    ['facts.charge.rate * 2.0 < 3.5', 'bool'],
    ['-facts.charge.rate < 3.5 && -input.amount < 3', 'bool'],
    ['input.amount % 2 == 1 && input.amount / 2 - 1 < 5', 'bool'],
    ['input.charge + "a" + input.reason == "x"', 'bool'],
    ['"a" + claims.sub == "x" && claims.sub + "a" == "x" && claims.n + 1 > claims.m', 'bool'],
    ['"amount" in facts.charge && input.charge in facts.charge', 'bool'],
    ['input.charge < input.reason && "a" <= input.charge', 'bool'],
    ['claims.n < 5 && 5.5 < claims.n && claims.sub < "x"', 'bool'],
    ['input.reason in [input.charge] && input.charge in ["a", input.reason]', 'bool'],
    ['(input.amount > 1 ? null : input.charge) == "x" && (input.amount > 1 ? facts.charge : null) != null', 'bool'],
    ['claims.sub == null && output == null && null == null', 'bool'],
    ['input.amount', 'int'],
    ['claims.sub', 'string'],
    ['output.data', 'any'],
    ['has(input.note) ? input.amount : 0', 'int'],
  ]
  for (const [text, expects] of table) {
    it(text, () => {
      const compiled = compileExpression(text, types, expects)
      assert.deepEqual(compiled.ok ? [] : compiled.problems, [])
    })
  }
})

describe('an expression that does not load', () => {
  // text, what the problem points at, part of the message, part of the hint
  const table: [string, string, RegExp, RegExp?][] = [
    // names
    ['inptu.amount == 1', 'inptu', /no `inptu` here/, /did you mean `input`/],
    ['facts.chrage.amount == 1', 'chrage', /`facts` has no member `chrage`/, /`charge`/],
    ['input.amonut == 1', 'amonut', /`input` has no member `amonut`/, /`amount`/],
    ['input . amonut == 1', 'amonut', /no member `amonut`/, /`amount`/],
    ['has(input.notee)', 'notee', /no member `notee`/, /`note`/],
    ['facts.refunds.exists(r, r.amuont > 1)', 'amuont', /no member `amuont`/, /`amount`/],
    ['input["amonut"] == 1', '"amonut"', /no member `amonut`/, /`amount`/],
    ['facts.charge.constructor == "a"', 'constructor', /no member `constructor`/],
    ['input.__proto__ == input', '__proto__', /no member `__proto__`/],
    ['constructor == 1', 'constructor', /no `constructor` here/],
    ['input.amount.cents == 1', 'cents', /`input.amount` is a whole number and has no member/],
    ['input.ids.first == "a"', 'first', /a list and has no member/],
    ['input.charge[0] == "c"', '[', /has no items/],
    ['input.ids["a"] == "c"', '"a"', /items are numbered/],
    // functions
    ['input.charge.startWith("a")', 'startWith', /no function `startWith`/, /`startsWith`/],
    ['timestamp(input.charge) == 1', 'timestamp', /no function `timestamp`/, /there are: size/],
    ['type(input.amount) == int', 'type', /no function `type`/],
    ['input.ids.map(i, i) == input.ids', 'map', /`map` is not a function/, /exists and all/],
    ['size(input.ids.filter(i, i != "")) > 0', 'filter', /`filter` is not a function/],
    ['input.ids.exists_one(i, i == "a")', 'exists_one', /`exists_one` is not/],
    ['all(input.ids)', 'all', /asked of a list/],
    ['has(input)', 'has', /has\(\) asks for a member/],
    ['startsWith("a", "b")', 'startsWith', /not called like this/],
    ['input.charge.startsWith()', 'startsWith', /not called like this/],
    ['input.amount.startsWith("1")', 'startsWith', /does not take a whole number/],
    ['size(input.amount) > 1', 'size', /does not take a whole number/],
    ['int(facts.charge.disputed) == 1', 'int', /does not take true or false/],
    ['constructor("x") == 1', 'constructor', /no function/],
    ['toString() == ""', 'toString', /no function/],
    // loops
    ['input.ids.exists(i, input.ids.exists(j, i == j))', 'exists', /inside another/],
    ['input.lines.all(l, input.ids.exists(j, l.sku == j))', 'exists', /inside another/],
    ['input.ids.exists(input, input == "a")', 'exists', /names something else/],
    ['input.charge.exists(c, c == "a")', 'exists', /not a list/],
    ['facts.charge.exists(k, k == "a")', 'exists', /not a list/],
    ['input.ids.exists(i, i)', 'i', /neither true nor false/],
    [
      'facts.refunds.all(r, r.amount > 0)',
      'all',
      /empty list is true/,
      /size\(facts\.refunds\) > 0 && facts\.refunds\.all/,
    ],
    ['size(input.ids) > 0 && facts.refunds.all(r, r.amount > 0)', 'all', /empty list is true/],
    ['size(facts.refunds) >= 0 && facts.refunds.all(r, r.amount > 0)', 'all', /empty list is true/],
    ['size(facts.refunds) > -1 && facts.refunds.all(r, r.amount > 0)', 'all', /empty list is true/],
    ['size(facts.refunds) > 0 || facts.refunds.all(r, r.amount > 0)', 'all', /empty list is true/],
    // patterns
    ['input.charge.matches("(?=a)")', '"(?=a)"', /not a pattern/],
    ['input.charge.matches("(a)\\\\1")', '"(a)\\\\1"', /not a pattern/],
    ['input.charge.matches("[")', '"["', /not a pattern/],
    ['input.charge.matches("((a{1,100}){1,100}){1,100}")', '"((a{1,100}){1,100}){1,100}"', /not a pattern/],
    ['input.charge.matches(input.charge)', 'input.charge', /written out in the policy/],
    // types that never meet
    ['input.amount == "50"', '==', /a whole number never equals text/, /without quotes/],
    ['input.charge != 5', '!=', /text never equals a whole number/],
    ['facts.charge.disputed == "true"', '==', /never equals/],
    ['input.ids == "a"', '==', /a list never equals text/],
    ['facts.charge.rate == 1', '==', /never equals/, /1\.0/],
    ['input.amount in ["1", "2"]', '"1"', /never equals text/],
    ['"a" in input.charge', 'in', /wants a list/],
    ['5 in input.ids', 'in', /never in a list of text/],
    ['input.amount == null', '==', /never null/, /has\(/],
    ['size(input.ids) == null', '==', /never null/],
    ['"x" == null', '==', /never null/],
    // enums
    ['input.reason == "duplicat"', '"duplicat"', /not one of duplicate, fraudulent/, /"duplicate"/],
    ['"Duplicate" != input.reason', '"Duplicate"', /not one of/, /"duplicate"/],
    ['input.reason in ["duplicate", "fraud"]', '"fraud"', /not one of/],
    ['facts.refunds.exists(r, r.status == "opne")', '"opne"', /not one of open, done/, /"open"/],
    ['action.effect != "delete"', '"delete"', /not one of read, write, lease/],
    ['input.reason == action.effect', '==', /never equals/],
    // operators
    ['input.amount + 1.0 > 2.0', '+', /does not mix/, /1\.0/],
    ['input.amount + "1" == "1"', '+', /does not mix/],
    ['input.charge - "1" == "1"', '-', /does not take text/],
    ['input.amount < "5"', '<', /does not compare/],
    ['facts.charge.rate > 1', '>', /does not compare/, /1\.0/],
    ['input.ids < input.ids', '<', /does not compare a list/],
    ['facts.charge.disputed > false', '>', /does not compare true or false/],
    ['input.amount && true', 'input.amount', /neither true nor false/],
    ['!input.amount', 'input.amount', /neither true nor false/],
    ['input.amount ? true : false', 'input.amount', /neither true nor false/],
    ['(input.amount > 1 ? "a" : 1) == "a"', 'input', /one side is text/],
    ['-input.charge == "a"', '-', /wants a number/],
    ['(input.amount > 1 ? 1 : 1.5) > 1.0', 'input', /one side is a whole number, the other a number/],
    ['facts.charge.rate % 2.0 == 1.0', '%', /`%` does not take/],
    ['facts.charge.disputed + true == true', '+', /`\+` does not take true or false/],
    ['input.ids + input.ids == input.ids', '+', /`\+` does not take a list/],
    ['input.charge * 2 == 2', '*', /`\*` does not take text/],
    ['-facts.charge.disputed == true', '-', /wants a number/],
    ['input.charge < 5', '<', /does not compare text with a whole number/, /write int\(…\) around the text/],
    ['5 < input.charge', '<', /does not compare a whole number with text/, /without quotes, or int/],
    ['input.charge == 5', '==', /text never equals a whole number/, /write int\(…\) around the text/],
    ['facts.charge < facts.charge', '<', /does not compare/],
    ['1 in facts.charge', 'in', /named by text/],
    ['"amuont" in facts.charge', '"amuont"', /no member `amuont`/],
    ['1.5 in [1, 2]', 'in', /is never in a list of/, /1\.0/],
    ['"other" in [input.reason]', '"other"', /not one of duplicate, fraudulent/],
    ['true == null', '==', /never null/],
    ['null == input.amount', '==', /never null/],
    ['input.charge + "a" == null', '==', /never null/],
    // optionals
    ['input.note == "x"', 'note', /may be absent/, /has\(input\.note\)/],
    ['input.note == "x" && has(input.note)', 'note', /may be absent/],
    ['has(input.note) || input.note == "x"', 'note', /may be absent/],
    ['!has(input.note) && input.note == "x"', 'note', /may be absent/],
    ['(has(input.note) || input.amount > 1) && input.note == "x"', 'note', /may be absent/],
    ['has(input.note) ? true : input.note == "x"', 'note', /may be absent/],
    ['has(input.ship.zip)', 'ship', /may be absent/],
    ['has(input.ship) && input.ship.zip == "1"', 'zip', /may be absent/],
    ['input.lines.exists(l, l.note == "x")', 'note', /`l.note` may be absent/],
    ['input.lines.exists(l, has(l.note)) && input.lines.exists(l, l.note == "x")', 'note', /may be absent/],
    // literals
    ['input.amount == 9223372036854775808', '9223372036854775808', /64 bits/],
    ['facts.charge.rate == 1e999', '1e999', /not finite/],
    ['1u == 1u', '1u', /without `u`/],
    ['b"a" == b"a"', 'b', /not used/],
    ['{"a": 1} == output', '{', /makes no objects/],
    // text that is no expression
    ['', '', /empty/],
    ['   ', '   ', /empty/],
    ['input.amount >', '>', /not expected here/],
    ['(input.amount > 1', '', /ends too early/],
    ['input.amount > 1)', ')', /not expected here/],
    ['input.amount = 1', '=', /not expected here/, /==/],
    ['input.amount > 1 and true', 'and', /not expected here/, /&&/],
    ['input.charge == "a', '==', /not expected here/],
    ['input.amount > 1;', ';', /not expected here/],
    ['😀', '😀', /not expected here/],
    // what the line wants
    ['input.amount', 'input.amount', /yields a whole number, and true or false is wanted/],
    ['"true"', '"true"', /yields text/],
    ['null', 'null', /yields null/],
  ]
  for (const [text, at, message, hint] of table) {
    it(JSON.stringify(text), () => {
      const compiled = compileExpression(text, types, 'bool')
      assert.ok(!compiled.ok)
      const [problem] = compiled.problems
      assert.ok(problem)
      assert.equal(text.slice(problem.offset, problem.offset + problem.length), at)
      assert.match(problem.message, message)
      if (hint !== undefined) assert.match(problem.hint ?? '', hint)
    })
  }

  it('says everything that is wrong at once, in the order of the text', () => {
    const text = 'input.amonut > 1 && input.note == "x" && foo(input.ids)'
    const compiled = compileExpression(text, types, 'bool')
    assert.ok(!compiled.ok)
    assert.deepEqual(
      compiled.problems.map(({ offset, length }) => text.slice(offset, offset + length)),
      ['amonut', 'note', 'foo'],
    )
  })

  it('wants what the line wants', () => {
    for (const [text, expects] of [
      ['input.charge', 'int'],
      ['input.amount', 'string'],
      ['facts.charge.rate', 'int'],
      ['true', 'int'],
      ['input.ids', 'string'],
    ] as const) {
      assert.equal(compileExpression(text, types, expects).ok, false, `${text} as ${expects}`)
    }
  })
})

describe('what a condition makes sure of', () => {
  const problems = (text: string): number => {
    const compiled = compileExpression(text, types, 'bool')
    return compiled.ok ? 0 : compiled.problems.length
  }
  const ALL = 'facts.refunds.all(r, r.amount > 0)'
  const SIZE = 'size(facts.refunds)'
  const NOTE = 'input.note == "x"'
  const HAS = 'has(input.note)'
  const LONG = 'input.amount > 5'

  /** Each comparison of a size with 0, 1 and 2: whether it is true of no empty list, and whether it is false of none. */
  const SIZES: readonly (readonly [operator: string, mirrored: string, holds: string, fails: string])[] = [
    ['>', '<', '012', ''],
    ['>=', '<=', '12', '0'],
    ['==', '==', '12', '0'],
    ['!=', '!=', '0', '12'],
    ['<', '>', '0', '12'],
    ['<=', '>=', '', '012'],
  ]
  for (const [operator, mirrored, holds, fails] of SIZES)
    for (const number of '012') {
      const text = `${SIZE} ${operator} ${number}`
      it(`is that a list is not empty, or nothing: ${text}`, () => {
        // What is true of every list, or of none, is refused as such or makes sure of nothing that can come about.
        const sure = holds.includes(number) && !(operator === '<' && number === '0')
        const unsure = fails.includes(number) && !(operator === '>=' && number === '0')
        const both = [`${text} && ${ALL}`, `${number} ${mirrored} ${SIZE} && ${ALL}`, `!(!(${text})) && ${ALL}`]
        const either = [`${text} || ${ALL}`, `${number} ${mirrored} ${SIZE} || ${ALL}`, `!(${text}) && ${ALL}`]
        assert.deepEqual(both.map(problems), Array(3).fill(sure ? 0 : 1), 'where it holds')
        assert.deepEqual(either.map(problems), Array(3).fill(unsure ? 0 : 1), 'where it does not')
      })
    }

  const SURE: readonly string[] = [
    `facts.refunds.exists(r, r.amount > 5) && ${ALL}`,
    `facts.refunds.size() > 0 && ${ALL}`,
    `(${SIZE} > 0 && ${LONG}) && ${ALL}`,
    `(${SIZE} > 0 || ${SIZE} == 1) && ${ALL}`,
    `(${LONG} ? ${SIZE} > 0 : ${SIZE} > 1) && ${ALL}`,
    `(${LONG} ? ${SIZE} > 0 : false) && ${ALL}`,
    `(${LONG} ? false : ${HAS}) && ${NOTE}`,
    `(${HAS} ? ${LONG} : false) && ${NOTE}`,
    `(${HAS} ? false : ${LONG}) || ${NOTE}`.replace(HAS, `!${HAS}`).replace('||', '&&'),
    `(${HAS} && ${LONG} || ${HAS} && !(${LONG})) && ${NOTE}`,
    `!(!${HAS} || ${LONG}) && ${NOTE}`,
    `(${HAS} || false) && ${NOTE}`,
    `(false || ${HAS}) && ${NOTE}`,
    'has(input.lines[0].note) && input.lines[0].note == "x"',
    'has(input["ship"].zip) && input.ship.zip == "x" && has(input.ship)'.replace(
      'has(input["ship"].zip)',
      'has(input.ship) && has(input["ship"].zip)',
    ),
    'has(input.note) && input["note"] == "x"',
  ]
  for (const text of SURE) it(`is enough: ${text}`, () => assert.equal(problems(text), 0))

  const UNSURE: readonly string[] = [
    `facts.refunds.exists(r, r.amount > 5) || ${ALL}`,
    `!facts.refunds.exists(r, r.amount > 5) && ${ALL}`,
    `input.ids.exists(i, i == "a") && ${ALL}`,
    `(facts.refunds.all(r, r.amount > 5) && ${SIZE} > 0 || ${LONG}) && ${ALL}`,
    `${SIZE} + 1 > 0 && ${ALL}`,
    `${SIZE} > input.amount && ${ALL}`,
    `size(input.ids) > 0 && ${ALL}`,
    `(${SIZE} > 0 || ${LONG}) && ${ALL}`,
    `(${LONG} ? ${SIZE} > 0 : true) && ${ALL}`,
    `(${LONG} ? true : ${SIZE} > 0) && ${ALL}`,
    `(${HAS} ? true : ${LONG}) && ${NOTE}`,
    `(${HAS} || true) && ${NOTE}`,
    `!(${HAS} && ${LONG}) && ${NOTE}`,
    'has(input.lines[0].note) && input.lines[1].note == "x"',
    'has(input.lines[size(input.ids)].note) && input.lines[size(input.ids)].note == "x"',
    'has(input.ship) && has(input.note) && input.ship.zip == "x"',
    'has(input.note) && input.lines[0].note == "x"',
  ]
  for (const text of UNSURE) it(`is not enough: ${text}`, () => assert.equal(problems(text), 1))
})

describe('an attack on the reader of expressions', () => {
  const table: [string, string][] = [
    ['parentheses', '('.repeat(3000)],
    ['closed parentheses', `${'('.repeat(1500)}true${')'.repeat(1500)}`],
    ['lists', `${'['.repeat(1500)}${']'.repeat(1500)} == []`],
    ['not', `${'!'.repeat(3000)}true`],
    ['minus', `${'- '.repeat(1500)}1 == 1`],
    ['ternaries', `${'true ? true : '.repeat(250)}true`],
    ['length', `true ${'&& true '.repeat(2000)}`],
    ['an open quote', `"${'\\'.repeat(3000)}`],
    ['nested calls', `${'size('.repeat(700)}""${')'.repeat(700)} == 1`],
  ]
  for (const [name, text] of table) {
    it(`${name}: refused or read, soon`, function () {
      this.timeout(1000)
      const compiled = compileExpression(text, types, 'bool')
      assert.ok(compiled.ok || compiled.problems.length > 0)
    })
  }

  it('never throws, and points into the text', () => {
    const word = fc.constantFrom(
      'input',
      'facts',
      '.',
      'amount',
      'note',
      'charge',
      'refunds',
      'ids',
      '(',
      ')',
      '[',
      ']',
      '&&',
      '||',
      '!',
      '==',
      '<',
      '+',
      '-',
      '?',
      ':',
      ',',
      '"a"',
      '1',
      '1.5',
      'true',
      'null',
      'has(input.note)',
      'size',
      'exists',
      '.all(r, r.amount > 0)',
      '.exists(i, i == 1)',
      'in',
      ' ',
      '{',
      '}',
      '😀',
      '`',
      '\\',
    )
    fc.assert(
      fc.property(
        fc.array(word, { maxLength: 14 }).map((words) => words.join('')),
        (text) => {
          const compiled = compileExpression(text, types, 'any')
          if (compiled.ok) {
            const { ok } = compiled.expression.evaluate({
              input: { amount: 1, charge: 'a', ids: [] },
              facts: { charge: null, refunds: [] },
            })
            assert.equal(typeof ok, 'boolean')
          } else
            for (const { offset, length } of compiled.problems)
              assert.ok(offset >= 0 && length >= 0 && offset <= text.length)
        },
      ),
      { numRuns: 1500 },
    )
  })
})
