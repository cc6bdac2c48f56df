import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import type { TypeScope } from '../../gateway/core/expression.ts'
import { compileTemplate, type Placement, templateOfText } from '../../gateway/core/template.ts'
import type { Json, Rendered, Scope, Template } from '../../gateway/core/types.ts'

const types: TypeScope = {
  input: {
    object: {
      amount: 'int',
      charge: 'string',
      flag: 'bool',
      rate: 'double',
      note: { optional: 'string' },
      count: { optional: 'int' },
      tags: { list: 'string' },
      reason: { enum: ['a', 'b'] },
    },
  },
  facts: { object: { charge: { object: { customer: 'string', amount: 'int' } } } },
  call: { object: { id: 'string' } },
  cost: 'string',
  output: 'any',
}
const scope: Scope = {
  input: { amount: 4999, charge: 'ch_1', flag: true, rate: 1.5, tags: ['x', 'y'], reason: 'a' },
  facts: { charge: { customer: null, amount: 9000 } },
  call: { id: 'call_1' },
  cost: '49.99 USD',
  output: { n: 7, deep: { a: [1, null] } },
}

function compile(tree: Json, placement: Placement = 'value'): Template {
  const compiled = compileTemplate(tree, types, () => placement)
  assert.ok(compiled.ok, compiled.ok ? '' : JSON.stringify(compiled.problems))
  return compiled.template
}
const render = (tree: Json, placement: Placement = 'value', values: Scope = scope): Rendered =>
  compile(tree, placement).render(values)

describe('a template', () => {
  const table: [string, Json, Json][] = [
    [
      'places values with their type',
      { a: '${input.amount}', b: '${input.flag}', c: '${input.rate}', d: '${input.charge}' },
      { a: 4999, b: true, c: 1.5, d: 'ch_1' },
    ],
    [
      'places lists and objects whole',
      { a: '${input.tags}', b: '${output.deep}' },
      { a: ['x', 'y'], b: { a: [1, null] } },
    ],
    ['places what is computed', { a: '${facts.charge.amount - input.amount}' }, { a: 4001 }],
    ['places a null fact as null', { a: '${facts.charge.customer}' }, { a: null }],
    [
      'places text inside longer text',
      { a: 'refund of ${input.charge} by ${call.id}.' },
      { a: 'refund of ch_1 by call_1.' },
    ],
    ['writes a number into text where it is told how', { a: 'x${string(input.amount)}' }, { a: 'x4999' }],
    [
      'leaves other scalars alone',
      { a: 1, b: null, c: true, d: 'plain $ {x} $', e: [1.5, 'x'] },
      { a: 1, b: null, c: true, d: 'plain $ {x} $', e: [1.5, 'x'] },
    ],
    [
      'has an escape',
      { a: '$${input.amount}', b: '$$${input}', c: '$${a} ${input.charge}' },
      { a: '${input.amount}', b: '$${input}', c: '${a} ch_1' },
    ],
    [
      'leaves out an optional that is absent',
      { a: '${input.note?}', b: ['${input.note?}', 1], c: 'n: ${input.note?}', d: 1 },
      { b: [1], d: 1 },
    ],
    [
      'leaves out a fact that is null, when asked',
      { a: '${facts.charge.customer?}', b: '${facts.charge.amount?}' },
      { b: 9000 },
    ],
    ['keeps a map whose members were left out', { a: { b: '${input.note?}' } }, { a: {} }],
    ['reads braces and quotes inside expressions', { a: '${has(input.note) ? input.note : "}"}' }, { a: '}' }],
    ['reads escaped quotes inside expressions', { a: '${"a\\"}b"}' }, { a: 'a"}b' }],
    [
      'holds no member of a prototype',
      JSON.parse('{"__proto__":"${input.charge}","constructor":"${input.charge}"}'),
      JSON.parse('{"__proto__":"ch_1","constructor":"ch_1"}'),
    ],
  ]
  for (const [name, tree, expected] of table) {
    it(name, () => {
      const rendered = render(tree)
      assert.deepEqual(rendered, { ok: true, value: expected })
      assert.equal(rendered.ok && JSON.stringify(rendered.value), JSON.stringify(expected))
    })
  }

  it('places an optional that is there', () => {
    const there: Scope = { ...scope, input: { note: 'hello', count: 0 } }
    assert.deepEqual(render({ a: '${input.note?}', b: 'n: ${ input.note ? }', c: '${input.count?}' }, 'value', there), {
      ok: true,
      value: { a: 'hello', b: 'n: hello', c: 0 },
    })
  })

  it('names what it reads', () => {
    assert.deepEqual(
      compile({ a: '${input.amount}', b: 'x ${input.charge}', c: ['${input.note?}', '${input.amount}'] }).reads,
      ['input.amount', 'input.charge', 'input.note'],
    )
  })

  it('splices nothing: what a value says is a value', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (charge) => {
        const values: Scope = { ...scope, input: { charge } }
        assert.deepEqual(render({ a: '${input.charge}', b: '[${input.charge}]' }, 'value', values), {
          ok: true,
          value: { a: charge, b: `[${charge}]` },
        })
      }),
    )
  })

  it('errs at run time rather than send something else', () => {
    const table: [Json, Scope][] = [
      ['${input.amount}', {}],
      ['${input.amount}', { input: {} }],
      ['${input.rate}', { input: { rate: Number.POSITIVE_INFINITY } }],
      ['${input.amount}', { input: { amount: 2 ** 53 } }],
      ['x ${output.n}', { output: { n: 5 } }],
      ['x ${output.n}', { output: { n: null } }],
      ['x ${output.n}', { output: { n: { toString: 'x' } } }],
      ['${output.constructor}', { output: {} }],
      ['${output.__proto__}', { output: {} }],
    ]
    for (const [tree, values] of table) assert.equal(render({ tree }, 'value', values).ok, false, JSON.stringify(tree))
    assert.deepEqual(render({ a: '${output.constructor?}' }, 'value', { output: {} }), { ok: true, value: {} })
  })
})

describe('a template that does not load', () => {
  // tree, placement, path, what the problem points at, message, hint
  const table: [Json, Placement, (string | number)[], string, RegExp, RegExp?][] = [
    [
      { a: ['x', 'an ${input.amount}'] },
      'value',
      ['a', 1],
      '${input.amount}',
      /only text may stand inside/,
      /string\(/,
    ],
    ['is ${input.flag}', 'value', [], '${input.flag}', /only text/, /string\(/],
    ['is ${input.tags}', 'value', [], '${input.tags}', /only text/],
    [{ a: '${input.amonut}' }, 'value', ['a'], 'amonut', /no member `amonut`/, /`amount`/],
    [{ a: 'two ${input.charge} and ${inptu.charge}' }, 'value', ['a'], 'inptu', /no `inptu`/, /`input`/],
    [{ a: '${input.note}' }, 'value', ['a'], 'note', /may be absent/, /\$\{input\.note\?\}/],
    [{ a: '${input.note + "x"?}' }, 'value', ['a'], '${input.note + "x"?}', /only a plain path/],
    [{ a: 'x ${input.charge' }, 'value', ['a'], '${', /not closed/, /\$\$\{/],
    [{ a: '${}' }, 'value', ['a'], '', /empty/],
    [{ a: '${input.charge ==}' }, 'value', ['a'], '==', /not expected/],
    ['${input.note?}', 'value', [], '${input.note?}', /no member to leave out/],
    ['select ${input.charge}', 'none', [], '${', /no values are placed/],
    ['select ${nonsense', 'none', [], '${', /no values are placed/],
    [{ a: 'x\r\ny' }, 'text', ['a'], '\r', /one line/],
    [{ a: 'is ${input.flag}' }, 'text', ['a'], '${input.flag}', /only text and whole numbers/],
    ['${input.charge}', 'path', [], '$', /begins with \//],
    ['v1/x', 'path', [], 'v', /begins with \//],
    ['https://evil.example/x', 'path', [], 'h', /begins with \//],
    ['//evil.example/x', 'path', [], '//evil.example/x', /empty/],
    ['/v1//x', 'path', [], '/v1//x', /empty/],
    ['/v1/', 'path', [], '/v1/', /empty/],
    ['/v1/../x', 'path', [], '/v1/../x', /`\.\.`/],
    ['/v1/%2e%2E/x', 'path', [], '/v1/%2e%2E/x', /`\.\.`/],
    ['/v1/a b', 'path', [], ' ', /as it is/],
    ['/v1/é', 'path', [], 'é', /as it is/],
    ['/v1/a#b', 'path', [], '#', /as it is/],
    ['/v1/a\\b', 'path', [], '\\', /as it is/],
    ['/v1/a\r\nb', 'path', [], '\r', /as it is/],
    ['/v1/100%', 'path', [], '%', /as it is/],
    ['/v1/%${input.charge}2e', 'path', [], '%', /as it is/],
    ['/v1/${input.note?}', 'path', [], '${input.note?}', /cannot be absent/],
    ['/v1/${input.flag}', 'path', [], '${input.flag}', /only text and whole numbers/],
    ['/v1/x?y=${input.tags}', 'path', [], '${input.tags}', /only text and whole numbers/],
    ['/v1/x?y=${input.note}', 'path', [], 'note', /may be absent/, /\?\}/],
  ]
  for (const [tree, placement, path, at, message, hint] of table) {
    it(`${JSON.stringify(tree)} as ${placement}`, () => {
      const compiled = compileTemplate(tree, types, () => placement)
      assert.ok(!compiled.ok)
      const [problem] = compiled.problems
      assert.ok(problem)
      assert.deepEqual(problem.path, path)
      let text: Json | undefined = tree
      for (const step of path) text = (text as { [key: string]: Json })[step]
      assert.equal(String(text).slice(problem.offset, problem.offset + problem.length) || at, at)
      assert.match(problem.message, message)
      if (hint !== undefined) assert.match(problem.hint ?? '', hint)
    })
  }

  it('has a template for a key', () => {
    const compiled = compileTemplate({ form: { 'x${input.charge}': 1 } }, types, () => 'value')
    assert.deepEqual(compiled, {
      ok: false,
      problems: [
        {
          path: ['form', 'x${input.charge}'],
          offset: 0,
          length: 1,
          message: 'a key is never a template',
          hint: 'place values, not names',
        },
      ],
    })
  })

  it('asks for the placement of each scalar by its path', () => {
    const asked: string[] = []
    const compiled = compileTemplate(
      { GET: '/x/${input.amount}', headers: { a: '${input.amount}' }, form: { list: ['${input.amount}'] } },
      types,
      (path) => {
        asked.push(path.join('.'))
        return path[0] === 'GET' ? 'path' : path[0] === 'headers' ? 'text' : 'value'
      },
    )
    assert.ok(compiled.ok)
    assert.deepEqual(asked, ['GET', 'headers.a', 'form.list.0'])
    assert.deepEqual(compiled.template.render(scope), {
      ok: true,
      value: { GET: '/x/4999', headers: { a: '4999' }, form: { list: [4999] } },
    })
  })
})

describe('a path', () => {
  const at = (text: string, charge: Json): Rendered => render(text, 'path', { ...scope, input: { charge, amount: 5 } })

  it('is rendered with its query', () => {
    assert.deepEqual(
      render(
        '/v1/charges/${input.charge}?limit=100&charge=${input.charge}&n=${input.amount}&created[gte]=${output.n}',
        'path',
      ),
      {
        ok: true,
        value: '/v1/charges/ch_1?limit=100&charge=ch_1&n=4999&created[gte]=7',
      },
    )
    assert.deepEqual(render('/v1/x?a=${input.note?}&b=1&c=${input.count?}', 'path'), { ok: true, value: '/v1/x?b=1' })
    assert.deepEqual(render('/v1/x?a=${input.note?}', 'path'), { ok: true, value: '/v1/x' })
    assert.deepEqual(render('/', 'path'), { ok: true, value: '/' })
    assert.deepEqual(render('/v1/a-${input.amount}.json', 'path'), { ok: true, value: '/v1/a-4999.json' })
  })

  const encoded: [string, string][] = [
    ['a/b', 'a%2Fb'],
    ['a?b=c&d', 'a%3Fb%3Dc%26d'],
    ['a#b', 'a%23b'],
    ['a b', 'a%20b'],
    ['a%b', 'a%25b'],
    ['a+b', 'a%2Bb'],
    ['a\\b', 'a%5Cb'],
    ['é😀', '%C3%A9%F0%9F%98%80'],
    ['a..b', 'a..b'],
    ['...', '...'],
    ['\t', '%09'],
    ['a@b:c', 'a%40b%3Ac'],
  ]
  for (const [value, text] of encoded) {
    it(`encodes ${JSON.stringify(value)}`, () => {
      assert.deepEqual(at('/x/${input.charge}/y?q=${input.charge}', value), {
        ok: true,
        value: `/x/${text}/y?q=${text}`,
      })
    })
  }

  const refused: Json[] = [
    '.',
    '..',
    '',
    '%2e',
    '%2e%2e',
    '%2E%2e',
    '.%2e',
    '%252e%252e',
    '%25252e%25252e',
    'a/..',
    '../a',
    'a/../../b',
    '..\\a',
    'a\\..\\b',
    './a',
    '..;',
    '..;x=1',
    '..%2f',
    '%2e%2e%2fetc',
    '.. ',
    'a\r\nHost: evil',
    '\n',
    '\r',
    '\0',
    'a\0b',
    '\ud800',
    null,
    true,
    1.5,
    ['a'],
    { a: 1 },
    2 ** 53,
  ]
  for (const value of refused) {
    it(`refuses ${JSON.stringify(value)} as a segment`, () => assert.equal(at('/x/${input.charge}/y', value).ok, false))
  }

  it('refuses line breaks and NUL in the query too, and nothing else', () => {
    for (const value of ['\r', '\n', 'a\r\nb', '\0', '\ud800'])
      assert.equal(at('/x?q=${input.charge}', value).ok, false)
    for (const [value, text] of [
      ['..', '..'],
      ['', ''],
      ['.', '.'],
      ['/', '%2F'],
    ])
      assert.deepEqual(at('/x?q=${input.charge}', value ?? ''), { ok: true, value: `/x?q=${text}` })
  })

  it('refuses a segment that becomes a dot only together with its literal', () => {
    assert.equal(at('/x/.${input.charge}', '.').ok, false)
    assert.equal(at('/x/.${input.charge}', '').ok, false)
    assert.equal(at('/x/%2e${input.charge}', '.').ok, false)
    assert.deepEqual(at('/x/.${input.charge}', 'a'), { ok: true, value: '/x/.a' })
  })

  it('keeps its segments and is read back by a URL parser as it was meant, whatever is placed', () => {
    const template = compile('/x/${input.charge}/y-${input.charge}?q=${input.charge}&r=1', 'path')
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.string({ unit: fc.constantFrom('.', '/', '%', '2', 'e', 'f', '\\', ';', '?', '#', '&', 'a') }),
        ),
        (charge) => {
          const rendered = template.render({ input: { charge } })
          if (!rendered.ok) return
          const url = new URL(String(rendered.value), 'https://backend.example')
          assert.equal(url.host, 'backend.example')
          assert.deepEqual(url.pathname.split('/').map(decodeURIComponent), ['', 'x', charge, `y-${charge}`])
          assert.deepEqual(
            [...url.searchParams],
            [
              ['q', charge],
              ['r', '1'],
            ],
          )
        },
      ),
      { numRuns: 1000 },
    )
  })
})

describe('a line of text for headers', () => {
  it('takes text and whole numbers on one line', () => {
    assert.deepEqual(render({ a: '${input.charge}/${input.amount}' }, 'text'), { ok: true, value: { a: 'ch_1/4999' } })
    assert.deepEqual(render({ a: '${input.note?}', b: 'x' }, 'text'), { ok: true, value: { b: 'x' } })
    for (const charge of ['a\r\nX: y', '\n', '\0'])
      assert.equal(render({ a: 'x ${input.charge}' }, 'text', { input: { charge } }).ok, false)
  })
})

describe('a summary for people', () => {
  const summary = (text: string, values: Scope = scope): Rendered => {
    const compiled = templateOfText(text, types)
    assert.ok(compiled.ok)
    return compiled.template.render(values)
  }

  it('makes text of every value', () => {
    assert.deepEqual(summary('Refund ${cost} on ${input.charge} (${input.amount})'), {
      ok: true,
      value: 'Refund 49.99 USD on ch_1 (4999)',
    })
    assert.deepEqual(summary('${input.amount}'), { ok: true, value: '4999' })
    assert.deepEqual(summary('plain'), { ok: true, value: 'plain' })
  })

  it('shows what would rewrite the line, instead of doing it', () => {
    const hostile = { ...scope, input: { charge: 'a\r\nb\u202eevil\u0007\u001b[2J\u2028\u200f', amount: 1 } }
    assert.deepEqual(summary('On ${input.charge}', hostile), {
      ok: true,
      value: 'On a\\u000d\\u000ab\\u202eevil\\u0007\\u001b[2J\\u2028\\u200f',
    })
    assert.deepEqual(summary('On ${input.charge}', { input: { charge: 'Zoë 😀 <b>' } }), {
      ok: true,
      value: 'On Zoë 😀 <b>',
    })
  })

  it('does not load with what has no one spelling, or may be absent', () => {
    for (const text of [
      '${input.flag}',
      '${input.tags}',
      '${input.rate}',
      '${input.note}',
      '${input.note?}',
      '${inptu.x}',
    ]) {
      assert.equal(templateOfText(text, types).ok, false, text)
    }
  })
})
