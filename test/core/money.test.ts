import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { digitsOf, formatAmount, parseAmounts, parseDecimal, parseMoney } from '../../gateway/core/money.ts'

describe('an amount of money', () => {
  const accepted: [string, string, number][] = [
    ['200.00 USD', 'USD', 20000],
    ['0.00 USD', 'USD', 0],
    ['0.01 USD', 'USD', 1],
    ['100 JPY', 'JPY', 100],
    ['1.234 KWD', 'KWD', 1234],
    ['500.00 HUF', 'HUF', 50000],
    ['90071992547409.91 USD', 'USD', Number.MAX_SAFE_INTEGER],
    ['5 rows', 'rows', 5],
    ['0 rows', 'rows', 0],
  ]
  for (const [text, unit, amount] of accepted) {
    it(`reads ${text} as ${amount} of ${unit}, and writes it alike`, () => {
      assert.deepEqual(parseMoney(text), { ok: true, amount: { unit, amount } })
      assert.equal(formatAmount({ unit, amount }), text)
    })
  }

  const refused: [string, string | undefined][] = [
    ['50', 'write 50.00 USD, or count something: 5 rows'],
    ['', 'write 200.00 USD, or count something: 5 rows'],
    ['USD', 'write 200.00 USD, or count something: 5 rows'],
    ['50 USD', 'write 50.00 USD: USD has two digits'],
    ['50.0 USD', 'write 50.00 USD: USD has two digits'],
    ['50.000 USD', 'write 50.00 USD: USD has two digits'],
    ['50.005 USD', 'USD has two digits'],
    ['50.00 usd', 'write 50.00 USD: a currency is written in capitals'],
    ['50 usd', 'write 50.00 USD: a currency is written in capitals'],
    ['50.00 Usd', 'write 50.00 USD: a currency is written in capitals'],
    ['50 try', 'write 50.00 TRY: a currency is written in capitals'],
    ['1,000.00 USD', 'write 1000.00 USD: without separators'],
    ['1_000.00 USD', 'write 1000.00 USD: without separators'],
    ['1,000 USD', 'write 1000.00 USD: without separators'],
    ['1,000 KWD', 'write digits with a point, such as 200.00 USD, without leading zeros'],
    ['1,00 JPY', 'write digits with a point, such as 200.00 USD, without leading zeros'],
    ['1,000 rows', 'write 1000 rows: without separators'],
    ['200,00 USD', 'write 200.00 USD: with a point'],
    ['1.200,00 USD', 'write 1200.00 USD: with a point'],
    ['100.00 JPY', 'write 100 JPY: JPY has no decimals'],
    ['100.50 JPY', 'JPY has no decimals'],
    ['1.23 KWD', 'write 1.230 KWD: KWD has three digits'],
    ['1e3 USD', 'write the digits out, such as 1000.00 USD'],
    ['-0 USD', 'an amount has no sign'],
    ['-5.00 USD', 'an amount has no sign'],
    ['+5.00 USD', 'an amount has no sign'],
    ['007.00 USD', 'write digits with a point, such as 200.00 USD, without leading zeros'],
    ['.50 USD', 'write digits with a point, such as 200.00 USD, without leading zeros'],
    ['5. USD', 'write digits with a point, such as 200.00 USD, without leading zeros'],
    ['٥٠.٠٠ USD', 'write digits with a point, such as 200.00 USD, without leading zeros'],
    ['0x10 rows', 'write digits with a point, such as 200.00 USD, without leading zeros'],
    ['Infinity USD', 'write digits with a point, such as 200.00 USD, without leading zeros'],
    ['NaN USD', 'write digits with a point, such as 200.00 USD, without leading zeros'],
    ['50.00  USD', 'write 200.00 USD, or count something: 5 rows'],
    ['50.00 USD ', 'write 200.00 USD, or count something: 5 rows'],
    ['$50.00', 'write 200.00 USD, or count something: 5 rows'],
    ['USD 50.00', 'write digits with a point, such as 200.00 USD, without leading zeros'],
    ['1.5 rows', 'write whole numbers, such as 5 rows'],
    ['90071992547409.92 USD', undefined],
    ['9007199254740992 rows', undefined],
    [
      '50.00 QQQ',
      'a currency is an ISO 4217 code such as USD; a counted thing is a word in small letters, such as rows',
    ],
  ]
  for (const [text, hint] of refused) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      const parsed = parseMoney(text)
      assert.ok(!parsed.ok)
      assert.equal(parsed.hint, hint)
    })
  }

  it('keeps one amount per currency', () => {
    assert.deepEqual(parseAmounts('1000.00 USD or 900.00 EUR'), { ok: true, amounts: { USD: 100000, EUR: 90000 } })
    assert.deepEqual(parseAmounts('5 rows'), { ok: true, amounts: { rows: 5 } })
    for (const text of [
      '1.00 USD or 2.00 USD',
      '1.00 USD or',
      '1.00 USD or 2.0 EUR',
      '1.00 USD and 2.00 EUR',
      '1.00 USD or 2.00 EUR or ',
    ]) {
      assert.equal(parseAmounts(text).ok, false, text)
    }
  })

  it('takes digits from ISO 4217, not from the habits of writing', () => {
    const digits = { USD: 2, EUR: 2, JPY: 0, KRW: 0, KWD: 3, IQD: 3, HUF: 2, IDR: 2, COP: 2, CLP: 0, ISK: 0, LAK: 2 }
    assert.deepEqual(Object.fromEntries(Object.keys(digits).map((code) => [code, digitsOf(code)])), digits)
    for (const code of ['usd', 'US', 'USDT', 'XXX', 'XDR', '', 'constructor', '__proto__', 'ABC'])
      assert.equal(digitsOf(code), null, code)
  })
})

describe('a decimal of a backend', () => {
  const accepted: [string, string, number][] = [
    ['1234.50', 'USD', 123450],
    ['1234.5', 'USD', 123450],
    ['1234', 'USD', 123400],
    ['0.29', 'USD', 29],
    ['1.005', 'KWD', 1005],
    ['100', 'JPY', 100],
    ['90071992547409.91', 'USD', Number.MAX_SAFE_INTEGER],
  ]
  for (const [text, currency, amount] of accepted) {
    it(`reads ${text} ${currency} exactly`, () => assert.deepEqual(parseDecimal(text, currency), { ok: true, amount }))
  }
  const refused: [string, string][] = [
    ['1.005', 'USD'],
    ['1.000', 'USD'],
    ['100.0', 'JPY'],
    ['1e3', 'USD'],
    ['-1.00', 'USD'],
    ['-0', 'USD'],
    ['+1', 'USD'],
    ['', 'USD'],
    [' 1.00', 'USD'],
    ['1.00 ', 'USD'],
    ['1,000.00', 'USD'],
    ['01.00', 'USD'],
    ['.5', 'USD'],
    ['5.', 'USD'],
    ['NaN', 'USD'],
    ['Infinity', 'USD'],
    ['0x1', 'USD'],
    ['1.00\n', 'USD'],
    ['90071992547409.92', 'USD'],
    ['1.00', 'usd'],
    ['1.00', 'QQQ'],
  ]
  for (const [text, currency] of refused) {
    it(`refuses ${JSON.stringify(text)} ${currency}`, () => assert.equal(parseDecimal(text, currency).ok, false))
  }

  it('gives back what was written, for every amount of every kind of currency', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.constantFrom('USD', 'JPY', 'KWD', 'rows'), (amount, unit) => {
        const text = formatAmount({ unit, amount })
        assert.deepEqual(parseMoney(text), { ok: true, amount: { unit, amount } })
        if (unit !== 'rows') assert.deepEqual(parseDecimal(text.split(' ')[0] ?? '', unit), { ok: true, amount })
      }),
    )
  })
})
