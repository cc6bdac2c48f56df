import assert from 'node:assert/strict'
import fc from 'fast-check'
import { endpointsOf, served } from '../../gateway/core/endpoint.ts'
import type { Served } from '../../gateway/core/endpoint.ts'
import { Problem } from '../../gateway/core/problem.ts'
import type { Action, Endpoint } from '../../gateway/core/types.ts'
import { inputOf, sourceOf } from '../../gateway/doors/compat/input.ts'
import { readParameters } from '../../gateway/doors/compat/parameters.ts'
import { stripe } from '../../gateway/doors/compat/stripe.ts'

describe('form parameters with nested names', () => {
  const read: readonly (readonly [text: string, is: object])[] = [
    ['', {}],
    ['a=1&b=two+words&c=%E2%82%AC%2B', { a: '1', b: 'two words', c: '€+' }],
    ['a', { a: '' }],
    ['a=b=c', { a: 'b=c' }],
    ['metadata[ticket]=T-1&metadata[note]=', { metadata: { ticket: 'T-1', note: '' } }],
    ['metadata%5Bticket%5D=T-1', { metadata: { ticket: 'T-1' } }],
    ['expand[]=a&expand[]=b', { expand: ['a', 'b'] }],
    ['items[0][price]=p&items[1][price]=q', { items: [{ price: 'p' }, { price: 'q' }] }],
    ['items[1]=b&items[0]=a', { items: ['a', 'b'] }],
    ['metadata[7]=x', { metadata: { 7: 'x' } }],
    ['metadata[0]=x&metadata[a]=y', { metadata: { 0: 'x', a: 'y' } }],
    ['created[gte]=1&created[lt]=9', { created: { gte: '1', lt: '9' } }],
  ]
  for (const [text, is] of read) {
    it(`are read: ${text || '(nothing)'}`, () => assert.deepEqual(readParameters(text), is))
  }

  it('keep the names that programs stumble over as names', () => {
    const { metadata } = readParameters('metadata[__proto__]=a&metadata[constructor]=b') as { metadata: object }
    assert.deepEqual(Object.entries(metadata), [
      ['__proto__', 'a'],
      ['constructor', 'b'],
    ])
    assert.equal(({} as { a?: unknown }).a, undefined)
  })

  const refused: readonly (readonly [what: string, text: string])[] = [
    ['a name that stands twice', 'a=1&a=1'],
    ['the same name in another writing', 'a%5Bb%5D=1&a[b]=2'],
    ['a value that has members', 'a=1&a[b]=2'],
    ['members that are a value', 'a[b]=2&a=1'],
    ['an item with a number that is there', 'a[]=1&a[0]=2'],
    ['members of an item without a number', 'a[][b]=1'],
    ['no name', '=1'],
    ['nothing between two', 'a=1&&b=2'],
    ['a bracket without its other', 'a[b=1'],
    ['a bracket too many', 'a[b]]=1'],
    ['text behind brackets', 'a[b]c=1'],
    ['brackets alone', '[a]=1'],
    ['six levels', 'a[b][c][d][e][f]=1'],
    ['a long name', `${'a'.repeat(201)}=1`],
    ['more parameters than anybody needs', Array.from({ length: 513 }, (_, n) => `a${n}=1`).join('&')],
    ['bytes that are no UTF-8', 'a=%FF'],
    ['half a character', 'a=%C3'],
    ['an overlong slash', 'a=%C0%AF'],
    ['a broken escape', 'a=%4'],
    ['raw bytes above ASCII', 'a=\u00e9'],
    ['a raw line break', 'a=1\nb=2'],
    ['a raw NUL', 'a=\0'],
  ]
  for (const [what, text] of refused) {
    it(`are refused: ${what}`, () => {
      assert.throws(
        () => readParameters(text),
        (error) => error instanceof Problem && error.code === 'malformed',
      )
    })
  }
})

const properties = {
  charge: { type: 'string' },
  amount: { type: 'integer' },
  rate: { type: 'number' },
  fast: { type: 'boolean' },
  note: { type: 'string' },
  ids: { type: 'array', items: { type: 'integer' } },
  to: { type: 'object', properties: { zip: { type: 'string' }, floor: { type: 'integer' } } },
}
const at = (path: string, more: Partial<Endpoint> = {}, names: readonly (keyof typeof properties)[] = []): Served => ({
  action: {
    name: 'a',
    input: { properties: Object.fromEntries(names.map((name) => [name, properties[name]])) },
  } as unknown as Action,
  endpoint: { method: 'POST', path, input: {}, ignore: [], answer: null, add: {}, ...more },
})
const NONE = new Map<string, string>()

describe('the input that parameters become', () => {
  const one = (served: Served, text: string, values = NONE) => {
    const { input, unknown } = inputOf(served, values, readParameters(text), true)
    return { input, unknown: unknown.map(({ path }) => path) }
  }

  it('has each member by its own name or the one that the policy gives it', () => {
    const served = at('/v1/x', { input: { note: { from: 'metadata.note' }, rate: { from: 'rate', otherwise: 0.5 } } }, [
      'charge',
      'amount',
      'note',
      'rate',
    ])
    assert.deepEqual(one(served, 'charge=ch_1&amount=7&metadata[note]=hi'), {
      input: { charge: 'ch_1', amount: 7, note: 'hi', rate: 0.5 },
      unknown: [],
    })
  })

  it('is what the schema asks for, where a text is exactly that', () => {
    const served = at('/v1/x', {}, ['amount', 'rate', 'fast', 'ids', 'to'])
    assert.deepEqual(one(served, 'amount=-12&rate=1.50&fast=true&ids[]=1&ids[]=2&to[zip]=0123&to[floor]=3').input, {
      amount: -12,
      rate: 1.5,
      fast: true,
      ids: [1, 2],
      to: { zip: '0123', floor: 3 },
    })
    for (const text of ['1.0', '1e3', '-0', '00', '9007199254740993', ' 1', '1 ', '０', 'NaN', ''])
      assert.deepEqual(one(served, `amount=${encodeURIComponent(text)}`).input, { amount: text }, text)
    for (const text of ['1e3', '.5', '5.', 'Infinity', '0.1234567890123456', '0x1'])
      assert.deepEqual(one(served, `rate=${text}`).input, { rate: text }, text)
    for (const text of ['True', '1', 'yes', ''])
      assert.deepEqual(one(served, `fast=${text}`).input, { fast: text }, text)
  })

  it('says which parameters nobody takes, also what is left of one that was taken in part', () => {
    const served = at('/v1/x', { input: { note: { from: 'metadata.note' } }, ignore: ['expand', 'a.b'] }, [
      'note',
      'amount',
    ])
    const text = 'metadata[note]=n&metadata[x]=1&expand[]=c&a[b][c]=1&a[d]=1&other=1&amount=1'
    assert.deepEqual(one(served, text).unknown, ['metadata.x', 'a.d', 'other'])
  })

  it('takes no parameter for what is always the same', () => {
    const served = at('/v1/x', { input: { note: { always: 'mine' } } }, ['note'])
    assert.deepEqual(one(served, ''), { input: { note: 'mine' }, unknown: [] })
    assert.deepEqual(one(served, 'note=theirs'), { input: { note: 'mine' }, unknown: ['note'] })
  })

  it('takes what the path says, and refuses another word about it', () => {
    const served = at('/v1/charges/{charge}', {}, ['charge', 'amount'])
    assert.deepEqual(one(served, 'amount=1', new Map([['charge', 'ch_1']])), {
      input: { charge: 'ch_1', amount: 1 },
      unknown: [],
    })
    assert.deepEqual(one(served, 'charge=ch_2', new Map([['charge', 'ch_1']])).unknown, ['charge'])
  })

  it('is told back by the names that whoever sent it knows', () => {
    const served = at('/v1/x', { input: { note: { from: 'metadata.note' } } }, ['note', 'to'])
    const named = (path: string) => stripe.paramOf(sourceOf(served, path))
    assert.deepEqual(['input.note', 'input.to.zip', 'input.ids[2]', 'metadata.x'].map(named), [
      'metadata[note]',
      'to[zip]',
      'ids[2]',
      'metadata[x]',
    ])
  })
})

describe('the endpoint that a request means', () => {
  const all = ['/v1/charges/{charge}', '/v1/charges/search', '/v1/{what}/ch_1', '/v1/charges/{charge}/refunds'].map(
    (path) => at(path),
  )
  const meant = (path: string, method = 'POST') => {
    const found = served(all, method, path)
    return found === null ? null : [found.endpoint.path, ...found.values.values()]
  }
  it('is the one of its method and path, and of several the one that says more', () => {
    assert.deepEqual(meant('/v1/charges/ch_2'), ['/v1/charges/{charge}', 'ch_2'])
    assert.deepEqual(meant('/v1/charges/search'), ['/v1/charges/search'])
    assert.deepEqual(meant('/v1/charges/ch_1'), ['/v1/charges/{charge}', 'ch_1'])
    assert.deepEqual(meant('/v1/refunds/ch_1'), ['/v1/{what}/ch_1', 'refunds'])
    assert.deepEqual(meant('/v1/charges/a%3Ab'), ['/v1/charges/{charge}', 'a:b'])
    for (const path of [
      '/v1/charges',
      '/v1/charges/',
      '/V1/charges/ch_2',
      '/v1/charges/ch_2/',
      '//v1/charges/ch_2',
      '/v1/charges/{charge}/x',
    ])
      assert.equal(meant(path), null, path)
    assert.equal(meant('/v1/charges/ch_2', 'GET'), null)
  })

  it('is one of a granted action', () => {
    const action = { name: 'a', compat: { stripe: [all[0]?.endpoint] } } as unknown as Action
    const actions = new Map([['a', action]])
    assert.equal(endpointsOf('stripe', new Map([['a', { action: 'a' }]]), actions).length, 1)
    assert.equal(endpointsOf('forge', new Map([['a', { action: 'a' }]]), actions).length, 0)
    assert.equal(endpointsOf('stripe', new Map(), actions).length, 0)
  })
})

describe('any text at all', () => {
  const piece = fc.constantFrom(
    'a',
    'b',
    '[',
    ']',
    '[]',
    '[0]',
    '[a]',
    '=',
    '&',
    '+',
    '%',
    '%5B',
    '%5D',
    '%00',
    '%FF',
    '__proto__',
  )
  const text = fc.oneof(
    fc.string(),
    fc.array(piece, { maxLength: 20 }).map((pieces) => pieces.join('')),
  )
  const served = at('/v1/{charge}', { input: { note: { from: 'a.b' } }, ignore: ['b'] }, [
    'charge',
    'amount',
    'note',
    'ids',
    'to',
  ])
  it('is parameters or malformed, and parameters become an input or errors', () => {
    fc.assert(
      fc.property(text, (body) => {
        let parameters
        try {
          parameters = readParameters(body)
        } catch (error) {
          return assert.ok(error instanceof Problem && error.code === 'malformed', String(error))
        }
        const { input, unknown } = inputOf(served, new Map([['charge', 'x']]), parameters, true)
        assert.ok(Object.keys(input).every((name) => ['charge', 'amount', 'note', 'ids', 'to'].includes(name)))
        for (const { path } of unknown) assert.equal(typeof stripe.paramOf(sourceOf(served, path)), 'string')
      }),
      { numRuns: 3000 },
    )
  })
})
