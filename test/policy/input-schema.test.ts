import assert from 'node:assert/strict'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { compileInput } from '../../gateway/core/input-schema.ts'
import type { InputSchema } from '../../gateway/core/input-schema.ts'
import type { InputError, JsonObject } from '../../gateway/core/types.ts'

const REFUND: JsonObject = {
  charge: { type: 'string', pattern: '^ch_[A-Za-z0-9]{8,64}$' },
  amount: { type: 'integer', minimum: 1 },
  reason: { enum: ['duplicate', 'fraudulent'] },
  'note?': { type: 'string', maxLength: 500, sensitive: true },
}
const GOOD = { charge: 'ch_Demo00000003', amount: 4999, reason: 'duplicate' }

function compiled(members: JsonObject): InputSchema {
  const done = compileInput(members)
  assert.ok(done.ok, JSON.stringify(done))
  return done.input
}
const refund = compiled(REFUND)
const brief = (errors: readonly InputError[]): string[] => errors.map(({ path, got }) => `${path}: ${got}`)

describe('an input schema', () => {
  it('lets in what fits, with and without the optional', () => {
    assert.deepEqual(refund.validate(GOOD), [])
    assert.deepEqual(refund.validate({ ...GOOD, note: 'as agreed' }), [])
    assert.deepEqual(refund.validate(JSON.parse(JSON.stringify(GOOD))), [])
    assert.deepEqual(refund.validate(Object.assign(Object.create(null), GOOD)), [])
  })

  it('tells all errors at once, in words, each with an example', () => {
    assert.deepEqual(refund.validate({ charge: 'ch_1', amount: 0, resaon: 'duplicate' }), [
      {
        path: 'input.reason',
        got: 'nothing',
        want: 'one of: duplicate, fraudulent',
        example: 'duplicate',
      },
      {
        path: 'input.resaon',
        got: 'a member that is not in the schema',
        want: 'no such member; did you mean `reason`?',
      },
      {
        path: 'input.charge',
        got: '"ch_1"',
        want: 'text, that matches ^ch_[A-Za-z0-9]{8,64}$, at most 1000 characters',
        example: 'ch_ABCDEFGH',
      },
      { path: 'input.amount', got: '0', want: 'a whole number in digits, at least 1', example: 1 },
    ])
  })

  it('is public as a closed JSON Schema in which every size is bounded', () => {
    assert.deepEqual(refund.schema, {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'object',
      properties: {
        charge: { type: 'string', maxLength: 1000, pattern: '^ch_[A-Za-z0-9]{8,64}$' },
        amount: { type: 'integer', minimum: 1, maximum: Number.MAX_SAFE_INTEGER },
        reason: { type: 'string', maxLength: 1000, enum: ['duplicate', 'fraudulent'] },
        note: { type: 'string', maxLength: 500 },
      },
      required: ['charge', 'amount', 'reason'],
      additionalProperties: false,
    })
    assert.deepEqual(refund.sensitive, ['note'])
    assert.deepEqual(refund.type, {
      object: {
        charge: 'string',
        amount: 'int',
        reason: { enum: ['duplicate', 'fraudulent'] },
        note: { optional: 'string' },
      },
    })
  })

  it('never repeats a sensitive value', () => {
    const secretive = compiled({
      card: { type: 'string', pattern: '^[0-9]{4}$', sensitive: true },
      person: { type: 'object', sensitive: true, properties: { name: { type: 'string', maxLength: 3 } } },
    })
    const errors = secretive.validate({ card: '4242424242424242', person: { name: 'Dana', iban: 'x' } })
    assert.deepEqual(brief(errors), [
      'input.card: a text',
      'input.person.iban: a member that is not in the schema',
      'input.person.name: a text',
    ])
    assert.ok(!JSON.stringify(errors).includes('4242'))
    assert.deepEqual(secretive.sensitive, ['card', 'person'])
  })

  it('makes an example that fits, whatever the members are', () => {
    const members: JsonObject = {
      uuid: { type: 'string', format: 'uuid' },
      day: { type: 'string', format: 'date' },
      at: { type: 'string', format: 'date-time' },
      mail: { type: 'string', format: 'email' },
      long: { type: 'string', minLength: 20 },
      short: { type: 'string', maxLength: 2 },
      padded: { type: 'string', pattern: '^[a-z]+$', minLength: 12 },
      either: { type: 'string', pattern: '^(?:cus|acct)_\\d{3}(-x)?$' },
      odd: { type: 'string', pattern: '^[^a]$', example: 'b' },
      price: { type: 'number', exclusiveMinimum: 0, maximum: 2 },
      step: { type: 'integer', minimum: 3, maximum: 10, multipleOf: 4 },
      below: { type: 'integer', maximum: -5 },
      yes: { type: 'boolean' },
      one: { const: 7 },
      ids: { type: 'array', items: { type: 'string', pattern: '^i[0-9]$' }, minItems: 2 },
      address: { type: 'object', properties: { city: { type: 'string' }, 'zip?': { type: 'string' } } },
    }
    const input = compiled(members)
    assert.deepEqual(input.validate(input.example), [])
    const ajv = new Ajv2020({ strict: true })
    addFormats.default(ajv)
    assert.equal(ajv.validate(input.schema, input.example), true, JSON.stringify(ajv.errors))
    assert.deepEqual(input.example['padded'], 'abcdefghabcdefgha')
    assert.deepEqual(input.example['either'], 'cus_123')
  })

  it('keeps patterns of several members apart', () => {
    const two = compiled({ a: { type: 'string', pattern: '^a$' }, b: { type: 'string', pattern: '^b$' } })
    assert.deepEqual(two.validate({ a: 'a', b: 'b' }), [])
    assert.deepEqual(brief(two.validate({ a: 'b', b: 'a' })), ['input.a: "b"', 'input.b: "a"'])
  })

  it('bounds what it says', () => {
    const many = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`x${i}`, i]))
    const errors = refund.validate({ ...GOOD, ...many, ['y'.repeat(10_000)]: 1 })
    assert.equal(errors.length, 50)
    const [long] = compiled({ code: { type: 'string', pattern: '^x$' } }).validate({ code: 'z'.repeat(900) })
    assert.equal(long?.got, `"${'z'.repeat(39)}…`)
  })
})

describe('an attack on an input', () => {
  const list = compiled({
    ids: { type: 'array', items: { type: 'string', maxLength: 5 }, maxItems: 3 },
    'flags?': {
      type: 'array',
      items: { type: 'object', properties: { a: { type: 'integer' } } },
      maxItems: 100,
      uniqueItems: true,
    },
    'mail?': { type: 'string', format: 'email' },
    'slow?': { type: 'string', pattern: '^(a+)+$', maxLength: 1000 },
    'date?': { type: 'string', format: 'date' },
  })
  const IDS = { ids: ['a'] }
  const json = (text: string): unknown => JSON.parse(text)

  const ATTACKS: readonly (readonly [what: string, schema: InputSchema, input: unknown, errors: readonly string[]])[] =
    [
      ['null', refund, null, ['input: null']],
      ['a list', refund, [GOOD], ['input: a list of 1 items']],
      ['a text', refund, 'ch_1', ['input: "ch_1"']],
      ['nothing', refund, undefined, ['input: undefined']],
      [
        '__proto__ as a member',
        refund,
        json('{"charge":"ch_Demo00000003","amount":1,"reason":"duplicate","__proto__":{"amount":5}}'),
        ['input.__proto__: a member that is not in the schema'],
      ],
      [
        'members inherited from a prototype',
        refund,
        Object.create(GOOD),
        ['input.charge: nothing', 'input.amount: nothing', 'input.reason: nothing'],
      ],
      [
        'constructor as a member',
        refund,
        { ...GOOD, constructor: { name: 'x' } },
        ['input.constructor: a member that is not in the schema'],
      ],
      [
        'toString as a member',
        refund,
        { ...GOOD, toString: 1 },
        ['input.toString: a member that is not in the schema'],
      ],
      ['a member in capitals', refund, { ...GOOD, Amount: 5 }, ['input.Amount: a member that is not in the schema']],
      [
        'a member with a space',
        refund,
        { ...GOOD, 'amount ': 5 },
        ['input.amount : a member that is not in the schema'],
      ],
      ['a number as text', refund, { ...GOOD, amount: '50' }, ['input.amount: "50"']],
      ['a boolean for a number', refund, { ...GOOD, amount: true }, ['input.amount: true']],
      ['null for a number', refund, { ...GOOD, amount: null }, ['input.amount: null']],
      ['a fraction', refund, { ...GOOD, amount: 1.5 }, ['input.amount: 1.5']],
      ['less than one', refund, { ...GOOD, amount: -1 }, ['input.amount: -1']],
      ['2^53', refund, { ...GOOD, amount: 2 ** 53 }, ['input.amount: 9007199254740992']],
      ['infinity', refund, { ...GOOD, amount: Infinity }, ['input.amount: null']],
      ['not a number', refund, { ...GOOD, amount: NaN }, ['input.amount: null']],
      ['a list for a number', refund, { ...GOOD, amount: [50] }, ['input.amount: a list of 1 items']],
      ['an object for a text', refund, { ...GOOD, charge: { $ne: null } }, ['input.charge: an object']],
      [
        'a text that only begins well',
        refund,
        { ...GOOD, charge: 'ch_Demo00000003/../x' },
        ['input.charge: "ch_Demo00000003/../x"'],
      ],
      [
        'a line break at the end',
        refund,
        { ...GOOD, charge: 'ch_Demo00000003\n' },
        ['input.charge: "ch_Demo00000003\\n"'],
      ],
      ['full-width digits', refund, { ...GOOD, charge: 'ch_Demo0000000３' }, ['input.charge: "ch_Demo0000000３"']],
      [
        'a character that turns text round',
        refund,
        { ...GOOD, charge: 'ch_\u202eDemo0000' },
        ['input.charge: "ch_\\u{202e}Demo0000"'],
      ],
      [
        'a lone surrogate',
        refund,
        { ...GOOD, note: 'a\ud800' },
        ['input.note: a text that is not Unicode (a lone surrogate)'],
      ],
      ['a value in another case', refund, { ...GOOD, reason: 'Duplicate' }, ['input.reason: "Duplicate"']],
      ['one character too many', refund, { ...GOOD, note: 'x'.repeat(501) }, ['input.note: a text']],
      ['a megabyte', refund, { ...GOOD, note: 'x'.repeat(1_000_000) }, ['input.note: a text that is too long']],
      ['a huge list', list, { ids: Array(100_000).fill('a') }, ['input.ids: a list of 100000 items']],
      [
        'a huge list of equal objects',
        list,
        { ...IDS, flags: Array.from({ length: 20_000 }, () => ({ a: 1 })) },
        ['input.flags: a list of 20000 items'],
      ],
      ['equal objects', list, { ...IDS, flags: [{ a: 1 }, { a: 1 }] }, ['input.flags: a list of 2 items']],
      ['a list with holes', list, { ids: json('[null]') }, ['input.ids[0]: null']],
      ['an object like a list', list, { ids: { 0: 'a', length: 1 } }, ['input.ids: an object']],
      [
        'a text for a pattern that backtracks',
        list,
        { ...IDS, slow: `${'a'.repeat(900)}!` },
        [`input.slow: "${'a'.repeat(39)}…`],
      ],
      [
        'an address that makes bad patterns stall',
        list,
        { ...IDS, mail: `a@${'a-'.repeat(400)}` },
        [`input.mail: "a@${'a-'.repeat(18)}a…`],
      ],
      ['a day that is not', list, { ...IDS, date: '2026-02-30' }, ['input.date: "2026-02-30"']],
    ]

  for (const [what, schema, input, errors] of ATTACKS) {
    it(`is refused: ${what}`, () => {
      const before = performance.now()
      const found = schema.validate(input)
      assert.ok(performance.now() - before < 300)
      assert.deepEqual(brief(found), errors)
    })
  }

  it('counts characters, not units: 500 emoji fit in 500', () => {
    assert.deepEqual(refund.validate({ ...GOOD, note: '🙂'.repeat(500) }), [])
    assert.deepEqual(brief(refund.validate({ ...GOOD, note: '🙂'.repeat(501) })), [
      'input.note: a text that is too long',
    ])
  })
})
