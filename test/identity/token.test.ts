import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { newToken, tokenHash } from '../../gateway/identity/token.ts'

const counting = (bytes: number) => Uint8Array.from({ length: bytes }, (_, index) => index)
const { token, hash } = newToken(counting)
const flipped = (at: number) => token.slice(0, at) + (token[at] === 'x' ? 'y' : 'x') + token.slice(at + 1)

describe('a session token', () => {
  it('is kst_, 43 digits of 256 random bits and 6 of checksum, the same for the same bytes', () => {
    assert.match(token, /^kst_[0-9A-Za-z]{49}$/)
    assert.deepEqual(newToken(counting), { token, hash })
  })

  it('is known by its SHA-256 alone', () => {
    assert.equal(hash, createHash('sha256').update(token).digest('hex'))
    assert.equal(tokenHash(token), hash)
  })

  it('keeps every bit it was given', () => {
    const tokens = [0, 1, 127, 128, 255].map(
      (last) => newToken((bytes) => new Uint8Array(bytes).fill(last, bytes - 1)).token,
    )
    const high = newToken((bytes) => new Uint8Array(bytes).fill(128, 0, 1)).token
    const full = newToken((bytes) => new Uint8Array(bytes).fill(255)).token
    assert.equal(new Set([...tokens, high, full]).size, 7)
    assert.ok([...tokens, high, full].every((one) => one.length === 53 && tokenHash(one) !== null))
  })

  const garbage: readonly (readonly [string, string])[] = [
    ['nothing', ''],
    ['a wrong checksum', flipped(token.length - 1)],
    ['another body under the same checksum', flipped(10)],
    ['every single letter of the prefix in capitals', token.toUpperCase()],
    ['lower case', token.toLowerCase()],
    ['cut by one', token.slice(0, -1)],
    ['cut to its body', token.slice(0, -6)],
    ['one digit more', `${token}0`],
    ['another prefix', `kss_${token.slice(4)}`],
    ['no prefix', token.slice(4)],
    ['Stripe’s prefix', `sk_test_${token.slice(4)}`],
    ['a blank before', ` ${token}`],
    ['a line end after', `${token}\n`],
    ['a NUL after', `${token}\0`],
    ['other alphabets', `kst_${'-'.repeat(49)}`],
    ['full-width digits', `kst_${'０'.repeat(49)}`],
    ['a JWT', 'eyJhbGciOiJub25lIn0.e30.'],
    ['64 KB', `kst_${'0'.repeat(65_536)}`],
    ['two tokens', `${token}${token}`],
    ['all zeros', `kst_${'0'.repeat(49)}`],
  ]
  for (const [what, text] of garbage) {
    it(`is not ${what}: refused without a lookup`, () => assert.equal(tokenHash(text), null))
  }

  it('is never accepted with any one character changed', () => {
    const accepted = Array.from(token, (_, at) => flipped(at)).filter((other) => tokenHash(other) !== null)
    assert.deepEqual(accepted, [])
  })
})
