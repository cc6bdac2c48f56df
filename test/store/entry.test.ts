import assert from 'node:assert/strict'
import { createHmac, randomBytes } from 'node:crypto'
import * as fc from 'fast-check'
import { digestOf, entryBytes } from '../../gateway/core/entry.ts'
import { idFrom, timeOf } from '../../gateway/core/id.ts'
import { HIDDEN, HOSTILE } from '../house/hostile-texts.ts'

const entry = { id: 'ent_1', at: 1_795_000_000_000, kind: 'call.denied', call: 'call_1', session: null, fields: {} }

describe('an entry', () => {
  it('is id, at, kind, then its fields in the order given', () => {
    const fields = {
      call: 'call_1',
      because: ['grants.stripe.refund.max'],
      cost: { unit: 'USD', amount: 90_000 },
      none: null,
    }
    assert.equal(
      entryBytes({ ...entry, fields }),
      '{"id":"ent_1","at":"2026-11-18T11:06:40.000Z","kind":"call.denied","call":"call_1",' +
        '"because":["grants.stripe.refund.max"],"cost":{"unit":"USD","amount":90000},"none":null}',
    )
  })

  it('has nothing in it that a terminal would hide, or obey, and keeps its value', () => {
    for (const text of Object.values(HOSTILE)) {
      const bytes = entryBytes({ ...entry, fields: { [text]: text } })
      assert.ok(!HIDDEN.test(bytes) && !bytes.includes('\n'), bytes)
      assert.equal((JSON.parse(bytes) as { [name: string]: unknown })[text], text)
    }
  })

  it('is one line of well-formed UTF-8, whatever an agent writes', () => {
    const text = entryBytes({ ...entry, fields: { note: 'a\nb\r\u0000\u2028\ud800"\\' } })
    assert.equal(text.includes('\n'), false)
    assert.equal(Buffer.from(text).toString(), text)
  })

  for (const name of ['id', 'at', 'kind']) {
    it(`has no field that takes the place of ${name}`, () => {
      assert.throws(() => entryBytes({ ...entry, fields: { [name]: 'other' } }), /may not be called/)
    })
  }

  it('holds HMAC-SHA256 of a body under the salt of its call', () => {
    const salt = randomBytes(32)
    const expected = createHmac('sha256', salt).update('{"note":"für Zoë"}').digest('hex')
    assert.equal(digestOf(salt.toString('hex'), '{"note":"für Zoë"}'), `hmac-sha256:${expected}`)
    assert.notEqual(digestOf(randomBytes(32).toString('hex'), '{}'), digestOf(randomBytes(32).toString('hex'), '{}'))
  })
})

describe('an id', () => {
  it('is a prefix and 26 characters of Crockford base 32', () => {
    assert.equal(idFrom('call', 0, new Uint8Array(10)), 'call_00000000000000000000000000')
    assert.equal(idFrom('ent', 2 ** 48 - 1, new Uint8Array(10).fill(255)), 'ent_7ZZZZZZZZZZZZZZZZZZZZZZZZZ')
    assert.equal(
      idFrom('ses', 1_795_000_000_000, Uint8Array.of(0, 1, 2, 3, 4, 5, 6, 7, 8, 9)),
      'ses_01M7Q5CQG0000G40R40M30E209',
    )
  })

  it('sorts by its time, gives it back, and holds all of its random bits', () => {
    const time = fc.integer({ min: 0, max: 2 ** 48 - 1 })
    const random = fc.uint8Array({ minLength: 10, maxLength: 10 })
    fc.assert(
      fc.property(time, time, random, random, (one, other, a, b) => {
        const [first, second] = [idFrom('x', one, a), idFrom('x', other, b)]
        assert.equal(timeOf(first), one)
        if (one !== other) assert.equal(first < second, one < other)
        assert.equal(first === second, one === other && Buffer.compare(a, b) === 0)
      }),
    )
  })

  it('is refused with other random bytes or another time, and nothing else is read as one', () => {
    assert.throws(() => idFrom('x', 0, new Uint8Array(9)), RangeError)
    for (const ms of [-1, 0.5, 2 ** 48, Number.NaN])
      assert.throws(() => idFrom('x', ms, new Uint8Array(10)), RangeError)
    const wrong = [
      '',
      'x_',
      'x_0000000000000000000000000U',
      'x_0000000000000000000000000',
      '_00000000000000000000000000',
    ]
    assert.deepEqual(
      wrong.map(timeOf),
      wrong.map(() => null),
    )
  })
})
