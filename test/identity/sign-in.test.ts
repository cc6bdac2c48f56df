import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { allowance } from '../../gateway/identity/allowance.ts'
import { onceLinks } from '../../gateway/identity/once-links.ts'
import { isLoopbackRedirect, withAnswer } from '../../gateway/identity/redirect-uri.ts'
import { newUserCode, userCodeHash } from '../../gateway/identity/user-code.ts'
import { POLICY } from './company.ts'

describe('a user code', () => {
  it('is eight letters of twenty, all as likely', () => {
    const seen = new Map<string, number>()
    for (let times = 0; times < 2_500; times++) {
      const code = newUserCode(randomBytes)
      assert.match(code, /^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/)
      for (const letter of code.replace('-', '')) seen.set(letter, (seen.get(letter) ?? 0) + 1)
    }
    assert.equal(seen.size, 20)
    // 20,000 letters, a thousand of each; 31 is the standard deviation.
    for (const [letter, count] of seen) assert.ok(Math.abs(count - 1_000) < 200, `${letter} ${count}`)
  })

  it('is the same however it is typed', () => {
    const one = userCodeHash('BCDF-GHJK')
    for (const typed of ['bcdfghjk', ' BCDF GHJK ', 'b-c-d-f-g-h-j-k', 'bcdf–ghjk'.replace('–', '-')])
      assert.equal(userCodeHash(typed), one)
    for (const typed of ['', 'BCDF-GHJ', 'BCDF-GHJKL', 'ACDF-GHJK', 'BCDF-GHJ0', 'BCDF_GHJK'])
      assert.equal(userCodeHash(typed), null, typed)
  })
})

describe('a redirect URI on loopback', () => {
  it('keeps its own query, and state and code cannot break out of theirs', () => {
    const back = withAnswer('http://127.0.0.1:9/cb?a=b', { code: 'x&iss=evil', state: '#&=?', none: null })
    assert.equal(back, 'http://127.0.0.1:9/cb?a=b&code=x%26iss%3Devil&state=%23%26%3D%3F')
  })
  it('is read by its letters, line ends included', () => {
    assert.ok(isLoopbackRedirect('http://127.0.0.1:9/cb'))
    for (const uri of [
      'http://127.0.0.1:9/cb\n',
      'http://127.0.0.1:9/\r\nSet-Cookie: x',
      ' http://127.0.0.1',
      'HTTP://127.0.0.1/',
    ])
      assert.ok(!isLoopbackRedirect(uri), JSON.stringify(uri))
  })
})

describe('one-time links of --dev', () => {
  const DEMO = { now: () => 1_000, place: () => ({ url: 'http://localhost:8788', rp: 'localhost' }) }

  it('open once, for accounts of people', () => {
    const links = onceLinks({ policy: () => POLICY, random: randomBytes, monotonic: () => 0, ...DEMO })
    const code = links.make('dana') ?? assert.fail('no link')
    assert.match(code, /^[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{2}$/)
    assert.equal(links.take(code)?.proven.subject, 'dana')
    assert.equal(links.take(code), null)
    assert.equal(links.make('nobody'), null)
  })

  it('are not found by trying: after twenty misses none opens for half a minute', () => {
    let now = 0
    const links = onceLinks({ policy: () => POLICY, random: randomBytes, monotonic: () => now, ...DEMO })
    const code = links.make('dana') ?? ''
    for (let tries = 0; tries < 21; tries++) assert.equal(links.take('0000-00'), null)
    assert.equal(links.take(code), null)
    now = 30_001
    assert.equal(links.take(code)?.proven.subject, 'dana')
  })
})

describe('links that take a sign-in of the demo to the name of its passkeys', () => {
  it('carry it once, for a minute, and prove nothing new', () => {
    let now = 0
    const place = (): { url: string; rp: string } => ({ url: 'http://localhost:8788', rp: 'localhost' })
    const links = onceLinks({
      policy: () => POLICY,
      random: randomBytes,
      monotonic: () => now,
      now: () => 9_000,
      place,
    })
    const proven = links.take(links.make('dana') ?? '')?.proven ?? assert.fail('nobody')
    const [one, late] = [
      links.carry({ proven, auth_at: 5 }, '/console/you'),
      links.carry({ proven, auth_at: 5 }, '/me'),
    ]
    const { origin, pathname } = new URL(one ?? '')
    assert.equal(origin, 'http://localhost:8788')
    assert.deepEqual(links.take(pathname.slice('/in/'.length)), { proven, auth_at: 5, next: '/console/you' })
    assert.equal(links.take(pathname.slice('/in/'.length)), null)
    now = 60_001
    assert.equal(links.take(new URL(late ?? '').pathname.slice('/in/'.length)), null)
    assert.equal(links.carry({ proven: { ...proven, issuer: 'staff' }, auth_at: 5 }, '/me'), null)
  })
})

describe('what strangers may have', () => {
  it('is bounded for each and for all, and comes back with time', () => {
    let now = 0
    const may = allowance({ burst: 2, refill_ms: 10 }, { burst: 3, refill_ms: 10 }, () => now)
    assert.deepEqual(['a', 'a', 'a', 'b', 'b', 'c'].map(may), [true, true, false, true, false, false])
    now = 10
    assert.deepEqual(['a', 'b'].map(may), [true, false])
  })
})
