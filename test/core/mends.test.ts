import assert from 'node:assert/strict'
import fc from 'fast-check'
import { compileInput } from '../../gateway/core/input-schema.ts'
import type { Json, JsonObject } from '../../gateway/core/types.ts'
import { repaired } from '../doors/mechanic.ts'

const text = fc.oneof(
  fc.constant<JsonObject>({ type: 'string' }),
  fc.constantFrom<JsonObject>(
    { type: 'string', pattern: '^ch_[A-Za-z0-9]{8,64}$' },
    { type: 'string', pattern: '^(?:cus|acct)_\\d{3}(-x)?$', maxLength: 9 },
    { type: 'string', format: 'uuid' },
    { type: 'string', format: 'date-time' },
    { type: 'string', format: 'email' },
    { enum: ['duplicate', 'fraudulent'] },
    { const: 'yes' },
  ),
  fc
    .tuple(fc.nat(5), fc.nat(20), fc.boolean())
    .map(([least, more, sensitive]) => ({ type: 'string', minLength: least, maxLength: least + more, sensitive })),
)
const number = fc.oneof(
  fc
    .tuple(fc.integer({ min: -50, max: 50 }), fc.integer({ min: 5, max: 60 }), fc.constantFrom(1, 2, 5))
    .map(([least, more, multipleOf]) => ({ type: 'integer', minimum: least, maximum: least + more, multipleOf })),
  fc.constantFrom<JsonObject>(
    { type: 'integer' },
    { type: 'integer', exclusiveMinimum: 0 },
    { type: 'number', minimum: 0.5, exclusiveMaximum: 3 },
    { enum: [1, 2, 5] },
    { type: 'boolean' },
  ),
)
const scalar: fc.Arbitrary<JsonObject> = fc.oneof(text, number)
const name = fc.constantFrom('amount', 'charge', 'reason', 'note', 'order', 'text', 'lines', 'who')
const membersOf = (member: fc.Arbitrary<JsonObject>, maxKeys: number) =>
  fc.dictionary(
    fc.tuple(name, fc.boolean()).map(([word, optional]) => `${word}${optional ? '?' : ''}`),
    member,
    { minKeys: 1, maxKeys },
  )
const nested: fc.Arbitrary<JsonObject> = fc.oneof(
  { weight: 5, arbitrary: scalar },
  { weight: 1, arbitrary: membersOf(scalar, 3).map((properties) => ({ type: 'object', properties })) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(scalar, fc.nat(2))
      .map(([items, least]) => ({ type: 'array', items, minItems: least, maxItems: least + 3 })),
  },
)
const schema = membersOf(nested, 5)

const strange = fc.constantFrom<Json>(
  '',
  '7',
  'ch_1',
  'x'.repeat(3000),
  '\u202e',
  '\n',
  0,
  -1,
  1.5,
  1e9,
  null,
  true,
  [],
  {},
  [1, [2]],
  { a: { b: 1 } },
)
const anyName = fc.constantFrom(
  'amout',
  'a.b',
  'charge.x',
  'amount\u202e',
  '__proto__',
  'constructor',
  'x',
  '[0]',
  'y'.repeat(90),
)
const member = fc.oneof(name, anyName)
/** A fault: at a path of names, a value instead or a member more, or a member less. */
const fault = fc.record({ path: fc.array(member, { minLength: 1, maxLength: 2 }), value: fc.option(strange) })
const json = fc.jsonValue({ maxDepth: 2, noUnicodeString: false }) as fc.Arbitrary<Json>
const faults = fc.oneof(
  { weight: 6, arbitrary: fc.array(fault, { minLength: 1, maxLength: 4 }) },
  { weight: 1, arbitrary: json.map((instead) => ({ instead })) },
)

describe('a program that reads only the errors of an input', () => {
  it('mends it in one turn, whatever the schema and however many faults; or sees that an amount is too large', () => {
    let [mendable, met] = [0, 0]
    fc.assert(
      fc.property(schema, faults, (members, wrong) => {
        const done = compileInput(members, ['amount'])
        // Names that stand there twice, bounds that leave nothing: no such policy is loaded.
        fc.pre(done.ok)
        const { validate, example } = done.input
        const input: Json = 'instead' in wrong ? wrong.instead : withFaults(example, wrong)
        const errors = validate(input)
        fc.pre(errors.length > 0)
        met++
        const mended = repaired(input, errors)
        if (mended === undefined) {
          // Too much, as a number of the cost (no example is given) or as a number in quotes.
          const tooMuch = errors.some(({ got, example }) =>
            example === undefined ? /^-?[0-9]/.test(got) : /^"-?[0-9]/.test(got),
          )
          assert.ok(tooMuch, JSON.stringify(errors))
          return
        }
        mendable++
        assert.deepEqual(validate(mended), [], JSON.stringify({ input, errors, mended }))
      }),
      {
        numRuns: Number(process.env['RUNS'] ?? 200),
        ...(process.env['SEED'] === undefined ? {} : { seed: Number(process.env['SEED']) }),
      },
    )
    assert.ok(mendable > met * 0.9, `${mendable} of ${met}`)
  })
})

function withFaults(example: JsonObject, list: readonly { path: readonly string[]; value: Json | null }[]): Json {
  const root = structuredClone(example) as { [name: string]: Json }
  for (const { path, value } of list) {
    let at: { [name: string]: Json } = root
    for (const step of path.slice(0, -1)) {
      const inside = Object.hasOwn(at, step) ? at[step] : undefined
      if (typeof inside === 'object' && inside !== null && !Array.isArray(inside))
        at = inside as { [name: string]: Json }
    }
    const last = path.at(-1) ?? ''
    if (value === null) Reflect.deleteProperty(at, last)
    else Object.defineProperty(at, last, { ...ORDINARY, value: structuredClone(value) })
  }
  return root
}

const ORDINARY = { writable: true, enumerable: true, configurable: true }
