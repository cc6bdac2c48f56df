import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { createScrubber } from '../../gateway/secrets/scrub.ts'

// each character that some encoding treats in its own way
const VALUE = 'sk_test_a/b+c=d&e f"g<h>\\i\'j%k~l'
const scrubber = createScrubber()
scrubber.add(VALUE)

const bytes = (value: string): string[] => Array.from(Buffer.from(value), (byte) => byte.toString(16).padStart(2, '0'))
const percent = (value: string): string =>
  bytes(value)
    .map((hex) => `%${hex}`)
    .join('')
const unicode = (value: string): string =>
  Array.from({ length: value.length }, (_, at) => `\\u${value.charCodeAt(at).toString(16).padStart(4, '0')}`).join('')
const base64 = (text: string): string => Buffer.from(text).toString('base64')

/** Name; how it is written; what is left of that, where something stands beside it. */
const ENCODINGS: readonly [string, (value: string) => string, string?][] = [
  ['plain', (value) => value],
  ['base64', base64],
  ['base64 without padding', (value) => base64(value).replace(/=+$/, '')],
  ['base64, one byte before', (value) => base64(`x${value}`), 'e[secret]'],
  ['base64, two bytes before', (value) => base64(`xy${value}`), 'eH[secret]'],
  ['base64, bytes before and after', (value) => base64(`user:${value}; and more`), 'dXNlcj[secret]sgYW5kIG1vcmU='],
  ['base64 of user:password', (value) => `Basic ${base64(`broker:${value}`)}`, 'Basic YnJva2VyO[secret]'],
  ['base64url', (value) => Buffer.from(value).toString('base64url')],
  ['base64url, one byte before', (value) => Buffer.from(`?${value}`).toString('base64url'), 'P[secret]'],
  ['hex', (value) => Buffer.from(value).toString('hex')],
  ['hex in capitals', (value) => Buffer.from(value).toString('hex').toUpperCase()],
  ['encodeURIComponent', encodeURIComponent],
  [
    'encodeURIComponent in small letters',
    (value) => encodeURIComponent(value).replace(/%../g, (hex) => hex.toLowerCase()),
  ],
  ['encodeURI', encodeURI],
  ['a form', (value) => new URLSearchParams({ a: value }).toString(), 'a=[secret]'],
  ['percent in full', percent],
  ['percent in full, capitals', (value) => percent(value).toUpperCase()],
  ['percent here and there', (value) => value.replace(/[aeg]/g, (one) => percent(one))],
  ['percent twice', (value) => encodeURIComponent(encodeURIComponent(value))],
  ['JSON', (value) => JSON.stringify({ error: `no ${value}` }), '{"error":"no [secret]"}'],
  [
    'JSON in JSON',
    (value) => JSON.stringify({ error: JSON.stringify({ value }) }),
    '{"error":"{\\"value\\":\\"[secret]\\"}"}',
  ],
  ['JSON with \\/', (value) => JSON.stringify(value).replaceAll('/', '\\/'), '"[secret]"'],
  ['\\u in full', unicode],
  ['\\u in full, capitals', (value) => unicode(value).toUpperCase().replaceAll('\\U', '\\u')],
  ['\\u here and there', (value) => JSON.stringify(value).replace(/[&<>']/g, unicode), '"[secret]"'],
  [
    '\\x',
    (value) =>
      bytes(value)
        .map((hex) => `\\x${hex}`)
        .join(''),
  ],
  [
    'HTML',
    (value) =>
      value.replace(/[&<>"']/g, (one) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[one] ?? '&#39;'),
  ],
  ['HTML in numbers', (value) => Array.from(value, (one) => `&#${one.codePointAt(0)};`).join('')],
  ['HTML in hex', (value) => Array.from(value, (one) => `&#x${one.codePointAt(0)?.toString(16)};`).join('')],
  ['base64 in a URL', (value) => encodeURIComponent(base64(value))],
  ['base64 in JSON with \\/', (value) => base64(value).replaceAll('/', '\\/')],
]

describe('the scrubber', () => {
  for (const [name, encode, left = '[secret]'] of ENCODINGS) {
    it(`finds ${name}`, () => {
      assert.equal(scrubber.text(`before ${encode(VALUE)} after`), `before ${left} after`)
    })
  }

  it('leaves what stands beside it', () => {
    assert.equal(scrubber.text(`a${VALUE}b${VALUE}${VALUE}c`), 'a[secret]b[secret][secret]c')
    assert.equal(scrubber.text(`%20${percent(VALUE)}%20é\\n`), '%20[secret]%20é\\n')
    assert.equal(scrubber.text(`{"key":${JSON.stringify(VALUE)},"n":"\\u00e9"}`), '{"key":"[secret]","n":"\\u00e9"}')
  })

  it('leaves text without it as it is', () => {
    for (const text of [
      '',
      'x',
      'sk_test_',
      VALUE.slice(1),
      VALUE.slice(0, -1),
      '%',
      '%zz',
      '\\u12',
      '&#99999999;',
      '&amp;&amp;',
      '%41'.repeat(50),
    ]) {
      assert.equal(scrubber.text(text), text)
    }
  })

  it('finds it in names and values of JSON, at any depth, and in numbers', () => {
    const numbers = createScrubber()
    numbers.add(VALUE)
    numbers.add('12345678901')
    assert.deepEqual(
      numbers.json({
        a: [{ [VALUE]: [`x${VALUE}`, 1, null, true] }],
        n: 12345678901,
        m: 123,
        ['__proto__']: base64(VALUE),
      }),
      { a: [{ '[secret]': ['x[secret]', 1, null, true] }], n: '[secret]', m: 123, ['__proto__']: '[secret]' },
    )
  })

  it('does not look for what is shorter than 8 characters, and says so', () => {
    const short = createScrubber()
    assert.deepEqual([short.add(''), short.add('1234567'), short.add('12345678')], [false, false, true])
    assert.equal(short.text('1234567 12345678'), '1234567 [secret]')
  })

  it('finds a value that holds escapes itself, as it is and within others', () => {
    for (const value of [
      'p%2Fass&wörd-1',
      'p\\u002fass&word-1',
      'p%252Fass&word-1',
      'p&amp;ass%26word-1',
      '%41%41%41%41 word &"',
    ]) {
      const other = createScrubber()
      other.add(value)
      const html = value.replace(/[&"]/g, (one) => `&#${one.charCodeAt(0)};`)
      for (const text of [value, html, JSON.stringify(value).slice(1, -1), encodeURIComponent(value), percent(value)])
        assert.equal(other.text(`<${text}>`), '<[secret]>', `${value} as ${text}`)
    }
  })

  it('finds values that are not ASCII, also by their bytes', () => {
    const value = 'pässwörd-\u{1F511}-x'
    const other = createScrubber()
    other.add(value)
    for (const text of [
      value,
      encodeURIComponent(value),
      JSON.stringify(value),
      base64(value),
      unicode(value),
      percent(value),
    ]) {
      assert.equal(other.text(`<${text}>`).replaceAll('"', ''), '<[secret]>')
    }
  })

  it('finds each line of a key in PEM', () => {
    const lines = [
      '-----BEGIN PRIVATE KEY-----',
      'MC4CAQAwBQYDK2VwBCIEIOexample0000000000',
      'secondlineofthekey000000',
      '-----END PRIVATE KEY-----',
    ]
    const pem = createScrubber()
    pem.add(lines.join('\n'))
    assert.equal(pem.text(`a ${lines[1]} b ${lines[2]}`), 'a [secret] b [secret]')
    assert.equal(pem.text(JSON.stringify(lines.join('\n'))), '"[secret]"')
  })

  it('takes the longer of two that overlap', () => {
    const two = createScrubber()
    two.add('aaaabbbb')
    two.add('aaaabbbbcccc')
    two.add('bbbbccccdddd')
    assert.equal(two.text('xaaaabbbbccccddddx aaaabbbbx'), 'x[secret]x [secret]x')
  })

  it('finds any value in any text, in any of its forms', () => {
    const forms = [
      (v: string) => v,
      base64,
      percent,
      unicode,
      encodeURIComponent,
      (v: string) => Buffer.from(v).toString('hex'),
    ]
    fc.assert(
      fc.property(
        fc.string({ minLength: 8, maxLength: 60, unit: 'grapheme' }),
        fc.string(),
        fc.string(),
        fc.nat(forms.length - 1),
        (value, before, after, which) => {
          const any = createScrubber()
          any.add(value)
          const encoded = (forms[which] ?? base64)(value)
          const scrubbed = any.text(before + ' ' + encoded + ' ' + after)
          return scrubbed.includes('[secret]') && !scrubbed.includes(` ${encoded} `)
        },
      ),
      { numRuns: 500 },
    )
  })

  it('takes a megabyte with a thousand values in bounded time', () => {
    const many = createScrubber()
    for (let number = 0; number < 1200; number++) many.add(`sk_test_${'x'.repeat(40)}${number}`)
    const began = performance.now()
    many.text(`sk_test_${'x'.repeat(30)} 1199`.repeat(25_000))
    many.text('%73%6b'.repeat(170_000))
    many.text('x'.repeat(1_000_000))
    assert.ok(performance.now() - began < 3000)
    assert.equal(many.text(`sk_test_${'x'.repeat(40)}1199`), '[secret]')
  })
})
