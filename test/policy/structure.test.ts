import assert from 'node:assert/strict'
import type { Report } from '../../gateway/core/policy/finding.ts'
import type { Document, Path, Where } from '../../gateway/core/policy/place.ts'
import { checkStructure, structureOf } from '../../gateway/core/policy/structure.ts'
import type { Json, JsonSchema } from '../../gateway/core/types.ts'

/** What is said of a value, `path: message | hint`, with `#` where it points at the key; and what must not be read further. */
function said(schema: JsonSchema, value: Json, path: Path = []): { findings: string[]; broken: Path[] } {
  const document = { broken: [] as Path[] }
  const findings: string[] = []
  const tell = (piece: { path: Path }, message: string, hint?: string, where?: Where) => {
    const place = `${where === 'key' ? '#' : ''}${piece.path.join('.')}`
    findings.push(`${place}: ${message}${hint === undefined ? '' : ` | ${hint}`}`)
  }
  const report = { error: tell, warning: tell, list: [] } as unknown as Report
  checkStructure({ document: document as unknown as Document, path }, value, structureOf(schema), report)
  return { findings, broken: document.broken }
}

const object = (properties: { [name: string]: JsonSchema }, more: JsonSchema = {}): JsonSchema => ({
  type: 'object',
  properties,
  additionalProperties: false,
  ...more,
})
const a = (schema: JsonSchema): JsonSchema => object({ a: schema })
const text: JsonSchema = { type: 'string' }

const SHAPES: readonly (readonly [
  what: string,
  schema: JsonSchema,
  value: Json,
  findings: readonly string[],
  broken?: Path[],
])[] = [
  ['what fits', object({ a: text, b: { type: ['integer', 'null'] } }), { a: '1', b: null }, [], []],

  [
    'an unknown key near a known one',
    object({ amount: text }),
    { amuont: '1' },
    ['#amuont: unknown key `amuont` | did you mean `amount`?'],
    [],
  ],
  [
    'an unknown key near one that is taken',
    object({ amount: text }),
    { amount: '1', amuont: '1' },
    ['#amuont: unknown key `amuont` | the keys here are: amount'],
    [],
  ],
  [
    'an unknown key near nothing',
    object({ a: text, b: text }),
    { xyz: '1' },
    ['#xyz: unknown key `xyz` | the keys here are: a, b'],
    [],
  ],
  ['an unknown key where there is none', object({}), { xyz: '1' }, ['#xyz: unknown key `xyz`'], []],
  [
    'an unknown key near one of a later version',
    object({ a: text, later: { 'x-later': 'soon' } }),
    { latr: '1' },
    ['#latr: unknown key `latr` | the keys here are: a'],
    [],
  ],
  [
    'a key of a later version',
    a({ 'x-later': 'it comes' }),
    { a: 1 },
    ['#a: `a` is not in this version | it comes'],
    [],
  ],

  ['a key that is missing', object({ a: text }, { required: ['a'] }), {}, [': `a` is missing']],
  [
    'a key that is missing within',
    a(object({ b: text }, { required: ['b'] })),
    { a: {} },
    ['a: `b` is missing in `a`'],
    [['a']],
  ],
  [
    'a key that is missing where one is misspelt',
    object({ amount: text }, { required: ['amount'] }),
    { amuont: '1' },
    ['#amuont: unknown key `amuont` | did you mean `amount`?'],
  ],
  [
    'a key that is missing where one is misspelt and any name is good',
    { type: 'object', properties: { amount: text }, required: ['amount'] },
    { amuont: '1' },
    ['#amuont: `amount` is missing | did you mean `amount`?'],
  ],
  [
    'a key that another one needs',
    object({ a: text, b: text }, { dependentRequired: { a: ['b'] } }),
    { a: '1' },
    [': `b` is missing'],
  ],

  ['nothing', a(text), { a: null }, ['a: `a` is empty | write text'], [['a']]],
  [
    'nothing where there are several',
    a({ type: ['string', 'array', 'null', 'boolean'] }),
    { a: 5 },
    ['a: `a` must be text or a list or true or false, not a number | quote it'],
  ],
  ['a number for text', a(text), { a: 5 }, ['a: `a` must be text, not a number | quote it']],
  ['true for text', a(text), { a: true }, ['a: `a` must be text, not true or false | quote it']],
  [
    'a map for text',
    a(text),
    { a: {} },
    ['a: `a` must be text, not a map | quote the text: `{` begins a map and `[` a list'],
  ],
  [
    'a list for text',
    a(text),
    { a: [] },
    ['a: `a` must be text, not a list | quote the text: `{` begins a map and `[` a list'],
  ],
  [
    'text for true',
    a({ type: 'boolean' }),
    { a: 'no' },
    ['a: `a` must be true or false, not text | write true or false'],
  ],
  ['a number for true', a({ type: 'boolean' }), { a: 0 }, ['a: `a` must be true or false, not a number']],
  [
    'digits for a whole number',
    a({ type: 'integer' }),
    { a: '10' },
    ['a: `a` must be a whole number, not text | write 10 without quotes'],
  ],
  ['zero in quotes', a({ type: 'number' }), { a: '0' }, ['a: `a` must be a number, not text | write 0 without quotes']],
  ['digits that begin with zero', a({ type: 'integer' }), { a: '010' }, ['a: `a` must be a whole number, not text']],
  ['a word for a number', a({ type: 'number' }), { a: '1x' }, ['a: `a` must be a number, not text']],
  ['true for a number', a({ type: 'number' }), { a: true }, ['a: `a` must be a number, not true or false']],
  ['text for a map', a({ type: 'object' }), { a: 'x' }, ['a: `a` must be a map, not text']],
  ['a map for a list', a({ type: 'array' }), { a: {} }, ['a: `a` must be a list, not a map']],
  [
    'another type, of which more is asked',
    a({ type: 'string', minLength: 2, enum: ['no'] }),
    { a: 5 },
    ['a: `a` must be text, not a number | quote it'],
    [['a']],
  ],
  [
    'two of another type',
    object({ a: text, b: { type: 'string', enum: ['x'] } }),
    { a: 5, b: 'long' },
    ['a: `a` must be text, not a number | quote it', 'b: `b` must be one of: x | `long` is none of them'],
    [['a'], ['b']],
  ],

  [
    'a word near one of those',
    a({ enum: ['read', 'write'] }),
    { a: 'raed' },
    ['a: `a` must be one of: read, write | did you mean `read`?'],
  ],
  [
    'a word near none',
    a({ enum: ['read', 'write'] }),
    { a: 'x'.repeat(50) },
    [`a: \`a\` must be one of: read, write | \`${'x'.repeat(40)}\` is none of them`],
  ],
  [
    'a word that is said otherwise',
    a({ enum: ['read'], 'x-says': '{} is no effect' }),
    { a: 'other' },
    ['a: other is no effect | write one of: read'],
  ],
  ['another constant', a({ const: 'x' }), { a: 'y' }, ['a: `a` must be "x"']],

  ['another form', a({ type: 'string', pattern: '^x$' }), { a: 'y' }, ['a: `a` must be text like "^x$"']],
  [
    'another form that is said',
    a({ type: 'string', pattern: '^x$', 'x-says': 'an x' }),
    { a: 'y' },
    ['a: `a` must be an x'],
  ],
  [
    'another form that is described',
    a({ type: 'string', pattern: '^x$', description: 'One x.' }),
    { a: 'y' },
    ['a: `a` does not have its form | One x.'],
  ],
  [
    'what stands where a secret ref belongs',
    object({ auth: a({ type: 'string', pattern: '^x$', description: 'One x.' }) }),
    { auth: { a: 'hunter2' } },
    [
      'auth.a: `a` must be a secret ref; a credential never stands in a policy | write age://NAME, env://VARIABLE, file:///PATH, vault://MOUNT/PATH#FIELD or aws://NAME#FIELD',
    ],
  ],

  [
    'a name in capitals',
    { type: 'object', propertyNames: { pattern: '^[a-z]+$' } },
    { Abc: 1 },
    ['#Abc: `Abc` is no good name | did you mean `abc`?'],
  ],
  [
    'a name that is none in small letters either',
    { type: 'object', propertyNames: { pattern: '^[a-z]+$', 'x-says': 'letters' } },
    { 'A-b': 1 },
    ['#A-b: `A-b` is no good name | write letters'],
  ],
  [
    'a name in small letters that is none',
    { type: 'object', propertyNames: { pattern: '^[A-Z]+$' } },
    { abc: 1 },
    ['#abc: `abc` is no good name | it cannot be used here'],
  ],
  [
    'a name that is too long',
    { type: 'object', propertyNames: { maxLength: 2 } },
    { ABC: 1 },
    ['#ABC: `ABC` is no good name | it cannot be used here'],
  ],

  [
    'none of several keys',
    object({ a: text, b: text }, { oneOf: [{ required: ['a'] }, { required: ['b'] }] }),
    {},
    [':  has none of: a, b | write one of them'],
  ],
  [
    'two of several keys',
    a(object({ b: text, c: text }, { oneOf: [{ required: ['b'] }, { required: ['c'] }] })),
    { a: { b: '', c: '' } },
    ['a: `a` has more than one of: b, c | write one of them'],
  ],
  [
    'none of several that may go together',
    a(object({ b: text, c: text }, { anyOf: [{ required: ['b'] }, { required: ['c', 'b'] }] })),
    { a: {} },
    ['a: `a` has none of: b, c | write one of them'],
  ],
  [
    'none of several forms: the one that came closest',
    a({ oneOf: [{ type: 'object', properties: { b: { enum: ['x'] } } }, { type: 'array' }] }),
    { a: { b: 'long' } },
    ['a.b: `b` must be one of: x | `long` is none of them'],
  ],
  [
    'none of several forms: a type is farther than a key that is missing',
    a({ anyOf: [{ type: 'array' }, { type: 'object', required: ['b'], properties: { c: { enum: ['x'] } } }] }),
    { a: { c: 'x' } },
    ['a: `b` is missing in `a`'],
  ],
  [
    'none of several forms: a key that is missing is farther than a wrong word',
    a({ anyOf: [{ required: ['b'] }, { properties: { c: { enum: ['x'] } } }] }),
    { a: { c: 'long' } },
    ['a.c: `c` must be one of: x | `long` is none of them'],
  ],
  [
    'two forms at once',
    a({ oneOf: [{ type: 'string' }, { minLength: 1 }] }),
    { a: 'x' },
    ['a: `a` fits none of the forms that it may have'],
  ],
  [
    'what must not be',
    a({ not: { required: ['b'] } }),
    { a: { b: 1 } },
    ['a: `a` cannot be like this | some of its keys do not go together'],
  ],
  [
    'what must not be, beside forms',
    a({ not: { required: ['b'] }, oneOf: [{ required: ['b'] }, { required: ['c'] }] }),
    { a: { b: 1, c: 1 } },
    ['a: `a` has more than one of: b, c | write one of them'],
  ],
  [
    'what is asked in one case',
    // oxlint-disable-next-line no-thenable -- a keyword of JSON Schema
    a({ if: { required: ['before'] }, then: { required: ['c'] } }),
    { a: { before: 1 } },
    ['a: `c` is missing in `a`'],
  ],

  ['no member', a({ minProperties: 1 }), { a: {} }, ['a: `a` is empty']],
  ['no item', a({ minItems: 1 }), { a: [] }, ['a: `a` is empty']],
  ['no letter', a({ minLength: 1 }), { a: '' }, ['a: `a` is empty']],
  ['too little', a({ minimum: 1 }), { a: 0 }, ['a: `a` must be at least 1']],
  ['too much', a({ maximum: 1 }), { a: 2 }, ['a: `a` must be at most 1']],
  ['too many letters', a({ maxLength: 1 }), { a: 'xx' }, ['a: `a` is too long: at most 1']],
  ['too many items', a({ maxItems: 1 }), { a: [1, 2] }, ['a: `a` is too long: at most 1']],
  ['too many members', a({ maxProperties: 1 }), { a: { b: 1, c: 1 } }, ['a: `a` is too long: at most 1']],
  [
    'items that are alike',
    a({ uniqueItems: true }),
    { a: [1, 1] },
    ['a: `a` must NOT have duplicate items (items ## 0 and 1 are identical)'],
  ],

  [
    'an item',
    a({ items: text }),
    { a: ['x', 5] },
    ['a.1: `a` (an item of it) must be text, not a number | quote it'],
    [['a', '1']],
  ],
  [
    'an item of an item',
    a({ items: { items: text } }),
    { a: [[5]] },
    ['a.0.0: `a` (an item of it) must be text, not a number | quote it'],
  ],
  [
    'a member with a number in its name',
    object({ a1: text }),
    { a1: 5 },
    ['a1: `a1` must be text, not a number | quote it'],
  ],
  [
    'a member of any name',
    { type: 'object', additionalProperties: text },
    { 'a/b~c': 5 },
    ['a/b~c: `a/b~c` must be text, not a number | quote it'],
    [['a/b~c']],
  ],
  ['an item of the whole', { items: text }, [5], ['0: this must be text, not a number | quote it']],
  ['the whole', text, 5, [':  must be text, not a number | quote it'], [[]]],
]

describe('the shape of a policy', () => {
  for (const [what, schema, value, findings, broken] of SHAPES)
    it(`is said in our words: ${what}`, () => {
      const all = said(schema, value)
      assert.deepEqual(all.findings, findings)
      if (broken !== undefined) assert.deepEqual(all.broken, broken)
    })

  it('is told at its place, however deep it stands', () => {
    const { findings, broken } = said(a(text), { a: 5 }, ['grants', 'pay.refund'])
    assert.deepEqual(findings, ['grants.pay.refund.a: `a` must be text, not a number | quote it'])
    assert.deepEqual(broken, [['grants', 'pay.refund', 'a']])
    assert.deepEqual(said(text, 5, ['grants', 0]).findings, [
      'grants.0: `grants` (an item of it) must be text, not a number | quote it',
    ])
  })

  it('is asked of own members only', () => {
    assert.deepEqual(said(object({ constructor: text }, { required: ['constructor'] }), {}).findings, [
      ': `constructor` is missing',
    ])
  })

  it('names thirty keys at most', () => {
    const many = object(Object.fromEntries(Array.from({ length: 31 }, (_, n) => [`k${n}aaaaaaaa`, text])))
    const [finding] = said(many, { zzz: 1 }).findings
    assert.equal(finding?.split(', ').length, 30)
  })
})
