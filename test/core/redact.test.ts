import assert from 'node:assert/strict'
import { keep, keepTyped, mask } from '../../gateway/core/redact.ts'
import type { Json, Keep } from '../../gateway/core/types.ts'

const poisoned: Json = JSON.parse(
  '{"id":1,"__proto__":{"admin":true},"constructor":{"x":1},"inner":{"__proto__":{"y":1},"ok":2}}',
)

describe('the answer that leaves', () => {
  const table: [string, Json, string[], Json][] = [
    ['keeps named members', { id: 1, amount: 2, secret: 's' }, ['id', 'amount'], { id: 1, amount: 2 }],
    ['leaves missing members out', { id: 1 }, ['id', 'status'], { id: 1 }],
    ['keeps null as it is', { id: null }, ['id'], { id: null }],
    ['keeps whole subtrees', { a: { b: [1, { c: 2 }] }, d: 1 }, ['a'], { a: { b: [1, { c: 2 }] } }],
    ['goes down by path', { a: { b: 1, c: 2 } }, ['a.b'], { a: { b: 1 } }],
    ['goes into a list answer', [{ id: 1, x: 2 }, { id: 3 }], ['*.id'], [{ id: 1 }, { id: 3 }]],
    ['goes into lists inside', { data: [{ id: 1, x: 2 }, { y: 3 }], n: 1 }, ['data.*.id'], { data: [{ id: 1 }, {}] }],
    ['keeps whole items, lists too', { data: [[1, 2], [3]] }, ['data.*'], { data: [[1, 2], [3]] }],
    ['a wider path wins', { a: { b: 1, c: 2 } }, ['a.b', 'a'], { a: { b: 1, c: 2 } }],
    ['a star is no member', { '*': 1, id: 2 }, ['*', 'id'], { id: 2 }],
    ['a star is not for objects', { data: { x: { id: 1 } } }, ['data.*.id'], { data: {} }],
    ['items of another kind are left out', { data: [1, null, { id: 1 }] }, ['data.*.id'], { data: [{ id: 1 }] }],
    ['a list has no named members', { data: [{ id: 1 }] }, ['data.id', 'data.length', 'data.0'], {}],
    ['a scalar answer has none either', 'sk_test_secret', ['id', '*'], null],
    ['nothing is kept by default', { id: 1 }, [], {}],
    ['nothing of a list by default', [1, 2], [], []],
    ['own members only', { id: 1 }, ['toString', 'constructor', '__proto__', 'id.constructor', 'hasOwnProperty'], {}],
    ['no prototype keys by name', poisoned, ['__proto__', 'constructor', '__proto__.admin', 'constructor.x'], {}],
    ['no prototype keys inside', { p: poisoned }, ['p'], { p: { id: 1, inner: { ok: 2 } } }],
  ]
  for (const [name, output, paths, expected] of table) {
    it(name, () => {
      const kept = keep(output, paths)
      assert.deepEqual(kept, expected)
      assert.equal(JSON.stringify(kept), JSON.stringify(expected))
    })
  }

  it('is not brought down by depth', () => {
    const deep: Json = JSON.parse(`${'['.repeat(50_000)}${']'.repeat(50_000)}`)
    assert.ok(JSON.stringify(keep({ deep }, ['deep'])).length < 1000)
  })

  it('leaves the global prototype alone', () => {
    keep(poisoned, ['__proto__.admin', 'inner'])
    assert.equal(({} as { admin?: boolean }).admin, undefined)
  })
})

describe('a fact', () => {
  const shape: Keep = {
    id: 'string',
    amount: 'integer',
    rate: 'number',
    paid: 'boolean',
    tags: { list: 'string' },
    card: { object: { last4: 'string' } },
    lines: { list: { object: { sku: 'string' } } },
  }
  const nothing = { id: null, amount: null, rate: null, paid: null, tags: null, card: null, lines: null }

  it('keeps members of the right type and drops the rest', () => {
    const output = {
      id: 'a',
      amount: 5,
      rate: 1.5,
      paid: true,
      tags: ['x', null],
      card: { last4: '4242', n: 1 },
      lines: [{ sku: 's', y: 1 }],
      z: 1,
    }
    assert.deepEqual(keepTyped(output, shape, 'facts.charge'), {
      ok: true,
      value: {
        id: 'a',
        amount: 5,
        rate: 1.5,
        paid: true,
        tags: ['x', null],
        card: { last4: '4242' },
        lines: [{ sku: 's' }],
      },
    })
  })

  it('makes missing and null members null', () => {
    assert.deepEqual(keepTyped({ id: null }, shape, 'facts.charge'), { ok: true, value: nothing })
    assert.deepEqual(keepTyped({ card: {} }, shape, 'facts.charge'), {
      ok: true,
      value: { ...nothing, card: { last4: null } },
    })
  })

  it('does not see inherited members', () => {
    assert.deepEqual(keepTyped({}, { constructor: 'string', toString: 'string' } as unknown as Keep, 'facts.x'), {
      ok: true,
      value: { constructor: null, toString: null },
    })
  })

  const wrong: [Json, string][] = [
    [{ id: 5 }, 'facts.charge.id should be a string, and is an integer'],
    [{ amount: '5' }, 'facts.charge.amount should be an integer, and is a string'],
    [{ amount: 5.5 }, 'facts.charge.amount should be an integer, and is a number with decimals'],
    [
      { amount: 2 ** 53 },
      'facts.charge.amount should be an integer, and is beyond 2^53−1, where integers are not exact',
    ],
    [{ rate: 1e300 }, 'facts.charge.rate should be a number, and is beyond 2^53−1, where integers are not exact'],
    [{ rate: Number.POSITIVE_INFINITY }, 'facts.charge.rate should be a number, and is a number with decimals'],
    [{ paid: 'true' }, 'facts.charge.paid should be a boolean, and is a string'],
    [{ paid: 0 }, 'facts.charge.paid should be a boolean, and is an integer'],
    [{ tags: 'x' }, 'facts.charge.tags should be a list, and is a string'],
    [{ tags: { 0: 'x' } }, 'facts.charge.tags should be a list, and is an object'],
    [{ tags: ['x', 5] }, 'facts.charge.tags[1] should be a string, and is an integer'],
    [{ card: [] }, 'facts.charge.card should be an object, and is a list'],
    [{ lines: [{ sku: 'a' }, { sku: true }] }, 'facts.charge.lines[1].sku should be a string, and is a boolean'],
    [[{ id: 'a' }], 'facts.charge should be an object, and is a list'],
    [null, 'facts.charge should be an object, and is null'],
    ['sk_test_secret', 'facts.charge should be an object, and is a string'],
  ]
  for (const [output, message] of wrong) {
    it(message, () => assert.deepEqual(keepTyped(output, shape, 'facts.charge'), { ok: false, message }))
  }
})

describe('a masked value', () => {
  it('shows that a sensitive member is there, and nothing of it', () => {
    assert.deepEqual(mask({ charge: 'ch_1', note: 'my dog', list: [1] }, ['note', 'list', 'absent']), {
      charge: 'ch_1',
      note: '•••',
      list: '•••',
    })
  })
})
