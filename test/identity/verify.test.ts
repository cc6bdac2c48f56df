import assert from 'node:assert/strict'
import { createHmac, createHash, sign } from 'node:crypto'
import type { JSONWebKeySet } from 'jose'
import { devIssuer } from '../../gateway/identity/dev-issuer.ts'
import { JWT_BEARER, TOKEN_EXCHANGE, TOKEN_TYPE_JWT } from '../../gateway/identity/grants.ts'
import { identity } from '../../gateway/identity/identity.ts'
import { keyRing } from '../../gateway/identity/key-set.ts'
import { verifyToken } from '../../gateway/identity/verify.ts'
import type { Issuer, JsonObject } from '../../gateway/core/types.ts'
import {
  base64url,
  byEc,
  byEc384,
  byEd,
  byRsa,
  byStranger,
  ec,
  issuerNamed,
  jwk,
  jws,
  NOW,
  POLICY,
  publicPem,
  rsa,
  SECONDS,
  stranger,
} from './company.ts'
import { memorySessions } from './memory-sessions.ts'

const verify = (token: string, dev: JSONWebKeySet | null = null) =>
  verifyToken(token, POLICY.issuers, { now: NOW, keys: keyRing({ dev, monotonic: () => NOW }) })

const CLAIMS = {
  iss: 'https://ci.example',
  aud: 'keystay',
  sub: 'agents:support',
  iat: SECONDS - 5,
  exp: SECONDS + 600,
}
const ES256 = { alg: 'ES256', kid: 'ec-1' }
const RS256 = { alg: 'RS256', kid: 'rsa-1' }
const good = jws(ES256, CLAIMS, byEc)
const of = (claims: JsonObject, header: object = ES256) => jws(header, { ...CLAIMS, ...claims }, byEc)
const without = (name: string) =>
  jws(ES256, Object.fromEntries(Object.entries(CLAIMS).filter(([one]) => one !== name)), byEc)
const [goodHeader = '', goodPayload = '', goodSignature = ''] = good.split('.')
const hs256 = (secret: string | Buffer) => (input: Buffer) => createHmac('sha256', secret).update(input).digest()
/** n of P-256 (FIPS 186-4, D.1.2.3): r and s must be below it. */
const ORDER = 'ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551'
const ofSpire = (kid: string) => jws({ alg: 'ES256', kid }, { ...CLAIMS, iss: 'https://spire.example' }, byStranger)
const staff = (claims: JsonObject) => of({ iss: 'https://staff.example', aud: 'console', ...claims })

describe('the verifier of every issuer', () => {
  it('accepts a token of a configured issuer, and says whose it is', async () => {
    const token = of({ jti: 'proof-1', queue: 'refunds' })
    assert.deepEqual(await verify(token), {
      ok: true,
      issuer: issuerNamed('ci'),
      claims: { ...CLAIMS, jti: 'proof-1', queue: 'refunds' },
      subject: 'agents:support',
      jti: 'proof-1',
      proof: `sha256:${createHash('sha256').update(token).digest('hex')}`,
    })
  })

  const accepted: readonly (readonly [string, string])[] = [
    ['RS256', jws(RS256, CLAIMS, byRsa)],
    ['ES256 of a key without alg', good],
    ['ES384', jws({ alg: 'ES384', kid: 'ec-384' }, { ...CLAIMS, iss: 'https://large.example' }, byEc384)],
    ['EdDSA', jws({ alg: 'EdDSA', kid: 'ed' }, { ...CLAIMS, iss: 'https://large.example' }, byEd)],
    ['Ed25519', jws({ alg: 'Ed25519', kid: 'ed' }, { ...CLAIMS, iss: 'https://large.example' }, byEd)],
    ['no kid where one key fits', jws({ alg: 'ES256' }, CLAIMS, byEc)],
    ['typ JWT', of({}, { ...ES256, typ: 'JWT' })],
    ['a list of audiences with ours', of({ aud: ['other', 'keystay'] })],
    ['exp and nbf within the tolerance', of({ exp: SECONDS - 29, nbf: SECONDS + 29 })],
    ['exp in just 24 hours', of({ exp: SECONDS + 86_400 })],
    [
      'a SPIFFE key marked jwt-svid',
      jws({ alg: 'ES256', kid: 'svid' }, { ...CLAIMS, iss: 'https://spire.example' }, byEc),
    ],
    ['azp that is our client_id', staff({ azp: 'console', aud: ['console', 'api'] })],
    ['no azp and one audience', staff({})],
  ]
  for (const [what, token] of accepted) {
    it(`accepts ${what}`, async () => assert.equal((await verify(token)).ok, true))
  }

  const attacks: readonly (readonly [string, string, string])[] = [
    ['alg none without a signature', `${base64url('{"alg":"none"}')}.${goodPayload}.`, 'malformed'],
    ['alg none with a signature', jws({ alg: 'none' }, CLAIMS, byEc), 'algorithm'],
    ['alg None', jws({ alg: 'nOnE' }, CLAIMS, byEc), 'algorithm'],
    [
      'HS256 with the public key as the secret',
      jws({ alg: 'HS256', kid: 'rsa-1' }, CLAIMS, hs256(publicPem)),
      'algorithm',
    ],
    [
      'HS256 with the JWK as the secret',
      jws({ alg: 'HS256', kid: 'rsa-1' }, CLAIMS, hs256(JSON.stringify(jwk(rsa.publicKey, {})))),
      'algorithm',
    ],
    ['HS512', jws({ alg: 'HS512', kid: 'rsa-1' }, CLAIMS, hs256(publicPem)), 'algorithm'],
    ['alg none, padded and lower', jws({ alg: ' none' }, CLAIMS, byEc), 'algorithm'],
    ['HS256 with an empty secret', jws({ alg: 'HS256', kid: 'rsa-1' }, CLAIMS, hs256(' ')), 'algorithm'],
    ['HS384 with the kid as the secret', jws({ alg: 'HS384', kid: 'rsa-1' }, CLAIMS, hs256('rsa-1')), 'algorithm'],
    ['an alg in small letters', jws({ alg: 'es256', kid: 'ec-1' }, CLAIMS, byEc), 'algorithm'],
    ['an encrypted token’s alg', jws({ alg: 'RSA-OAEP', enc: 'A256GCM', kid: 'rsa-1' }, CLAIMS, byRsa), 'algorithm'],
    ['a password’s alg', jws({ alg: 'PBES2-HS256+A128KW', p2c: 1e9, kid: 'rsa-1' }, CLAIMS, byRsa), 'algorithm'],
    ['no alg', jws({ kid: 'ec-1' }, CLAIMS, byEc), 'algorithm'],
    ['alg as a list', jws({ alg: ['ES256'], kid: 'ec-1' }, CLAIMS, byEc), 'algorithm'],
    [
      'another alg than the key says',
      jws({ alg: 'PS256', kid: 'rsa-1' }, CLAIMS, (input) =>
        sign('sha256', input, { key: rsa.privateKey, padding: 6, saltLength: 32 }),
      ),
      'key',
    ],
    ['RS256 for an EC key', jws({ alg: 'RS256', kid: 'ec-1' }, CLAIMS, byRsa), 'key'],
    [
      'ES256 with a key of another curve',
      jws({ alg: 'ES256', kid: 'ec-384' }, { ...CLAIMS, iss: 'https://large.example' }, byEc),
      'key',
    ],
    [
      'the key of another issuer',
      jws({ alg: 'ES256', kid: 'ec-1' }, { ...CLAIMS, iss: 'https://large.example' }, byEc),
      'key',
    ],
    ['a kid that nobody has', jws({ alg: 'ES256', kid: 'ec-2' }, CLAIMS, byEc), 'key'],
    ['a kid that is a path', jws({ alg: 'ES256', kid: '../../dev/null' }, CLAIMS, byStranger), 'key'],
    ['a kid of SQL', jws({ alg: 'ES256', kid: "x' or '1'='1" }, CLAIMS, byStranger), 'key'],
    ['a kid that is an address', jws({ alg: 'ES256', kid: 'https://evil.example/key' }, CLAIMS, byStranger), 'key'],
    ['a kid that is a command', jws({ alg: 'ES256', kid: '|/bin/true' }, CLAIMS, byStranger), 'key'],
    ['a kid of 8 KB', jws({ alg: 'ES256', kid: 'k'.repeat(8192) }, CLAIMS, byEc), 'key'],
    ['a kid that every object has', jws({ alg: 'ES256', kid: '__proto__' }, CLAIMS, byStranger), 'key'],
    ['a kid with a NUL', jws({ alg: 'ES256', kid: 'ec-1\u0000' }, CLAIMS, byEc), 'key'],
    ['an empty kid', jws({ alg: 'ES256', kid: '' }, CLAIMS, byEc), 'key'],
    ['a kid that is an object', jws({ alg: 'ES256', kid: { $ne: 1 } }, CLAIMS, byEc), 'header'],
    ['the kid of a known key over a stranger’s signature', jws(ES256, CLAIMS, byStranger), 'signature'],
    ['two keys that fit and no kid', jws({ alg: 'ES256' }, { ...CLAIMS, iss: 'https://twins.example' }, byEc), 'key'],
    [
      'a private key in the issuer’s set',
      jws({ alg: 'ES256', kid: 'private' }, { ...CLAIMS, iss: 'https://careless.example' }, byEc),
      'key',
    ],
    ['a SPIFFE key for X.509', ofSpire('x509'), 'key'],
    ['a key for encryption', ofSpire('enc'), 'key'],
    ['its own jwk', jws({ ...ES256, jwk: jwk(stranger.publicKey, {}) }, CLAIMS, byStranger), 'header'],
    [
      'its own jwk, the private half too',
      jws({ ...ES256, jwk: stranger.privateKey.export({ format: 'jwk' }) }, CLAIMS, byStranger),
      'header',
    ],
    [
      'its own jku at the issuer’s name',
      jws({ ...ES256, jku: 'https://ci.example@evil.example/keys' }, CLAIMS, byEc),
      'header',
    ],
    ['a crit that names what we know', jws({ ...ES256, crit: ['alg'] }, CLAIMS, byEc), 'header'],
    ['a crit that is no list', jws({ ...ES256, crit: 'exp' }, CLAIMS, byEc), 'header'],
    ['its own jku', jws({ ...ES256, jku: 'https://evil.example/keys' }, CLAIMS, byEc), 'header'],
    ['its own x5u', jws({ ...ES256, x5u: 'https://evil.example/cert' }, CLAIMS, byEc), 'header'],
    ['its own x5c', jws({ ...ES256, x5c: ['MIIB'] }, CLAIMS, byEc), 'header'],
    ['crit', jws({ ...ES256, crit: ['exp'], exp: 1 }, CLAIMS, byEc), 'header'],
    ['an empty crit', jws({ ...ES256, crit: [] }, CLAIMS, byEc), 'header'],
    ['b64 false', jws({ ...ES256, b64: false, crit: ['b64'] }, CLAIMS, byEc), 'header'],
    ['a DPoP proof', jws({ ...ES256, typ: 'dpop+jwt' }, CLAIMS, byEc), 'header'],
    ['a logout token', jws({ ...ES256, typ: 'logout+jwt' }, CLAIMS, byEc), 'header'],
    ['an unknown issuer', of({ iss: 'https://evil.example' }), 'issuer'],
    ['an issuer with a slash more', of({ iss: 'https://ci.example/' }), 'issuer'],
    ['an issuer in capitals', of({ iss: 'HTTPS://ci.example' }), 'issuer'],
    ['a list of issuers', of({ iss: ['https://ci.example'] }), 'issuer'],
    ['no issuer', without('iss'), 'issuer'],
    ['the dev issuer outside --dev', of({ iss: 'https://demo.example' }), 'issuer'],
    ['another audience', of({ aud: 'other' }), 'audience'],
    ['an audience that begins like ours', of({ aud: 'keystay2' }), 'audience'],
    ['no audience', without('aud'), 'audience'],
    ['an empty list of audiences', of({ aud: [] }), 'audience'],
    ['audiences that are no texts', of({ aud: ['keystay', 1] }), 'audience'],
    ['an audience in an object', of({ aud: { 0: 'keystay' } }), 'audience'],
    ['a token for another client', staff({ azp: 'other' }), 'authorized_party'],
    ['several audiences without azp', staff({ aud: ['console', 'api'] }), 'authorized_party'],
    ['no subject', without('sub'), 'subject'],
    ['a numeric subject', of({ sub: 42 }), 'subject'],
    ['an empty subject', of({ sub: '' }), 'subject'],
    ['a null subject', of({ sub: null }), 'subject'],
    ['a subject of 3,000 characters', of({ sub: 'a'.repeat(3000) }), 'subject'],
    ['no exp', without('exp'), 'claims'],
    ['exp as text', of({ exp: String(SECONDS + 600) }), 'claims'],
    ['iat as text', of({ iat: 'now' }), 'claims'],
    ['jti as a number', of({ jti: 1 }), 'claims'],
    ['an expired one', of({ exp: SECONDS - 30 }), 'expired'],
    ['exp before our time', of({ exp: -1 }), 'expired'],
    ['nbf as text', of({ nbf: '0' }), 'claims'],
    ['exp without end', jws(ES256, JSON.stringify(CLAIMS).replace(/"exp":\d+/, '"exp":1e400'), byEc), 'malformed'],
    ['no audience but null', of({ aud: null }), 'audience'],
    ['exp zero', of({ exp: 0 }), 'expired'],
    ['exp in 25 hours', of({ exp: SECONDS + 90_000 }), 'too_long'],
    ['exp in milliseconds', of({ exp: NOW + 600_000 }), 'too_long'],
    ['iat in the future', of({ iat: SECONDS + 31 }), 'not_yet'],
    ['nbf in the future', of({ nbf: SECONDS + 31 }), 'not_yet'],
    [
      'a changed payload',
      `${goodHeader}.${base64url(JSON.stringify({ ...CLAIMS, sub: 'root' }))}.${goodSignature}`,
      'signature',
    ],
    ['a cut signature', good.slice(0, -6), 'signature'],
    [
      'an ES256 signature of zeros',
      `${goodHeader}.${goodPayload}.${Buffer.alloc(64).toString('base64url')}`,
      'signature',
    ],
    [
      'an ES256 signature of the curve’s order',
      `${goodHeader}.${goodPayload}.${Buffer.from(ORDER.repeat(2), 'hex').toString('base64url')}`,
      'signature',
    ],
    [
      'an ES256 signature with bytes behind',
      jws(ES256, CLAIMS, (input) => Buffer.concat([byEc(input), Buffer.alloc(8)])),
      'signature',
    ],
    ['an ES256 signature in DER', jws(ES256, CLAIMS, (input) => sign('sha256', input, ec.privateKey)), 'signature'],
    ['two parts', `${goodHeader}.${goodPayload}`, 'malformed'],
    ['four parts', `${good}.e30`, 'malformed'],
    ['five parts', `${good}.e30.e30`, 'malformed'],
    ['an empty text', '', 'malformed'],
    ['padding', `${goodHeader}=.${goodPayload}.${goodSignature}`, 'malformed'],
    ['blanks around it', ` ${good}`, 'malformed'],
    ['plain base64', good.replace('_', '/').replace('-', '+') + '+', 'malformed'],
    [
      'stray bits at the end of the signature',
      good.replace(/.$/, (last) => ({ A: 'B', Q: 'R', g: 'h', w: 'x' })[last] ?? ''),
      'malformed',
    ],
    ['a header that is no JSON', jws('{alg:ES256}', CLAIMS, byEc), 'malformed'],
    ['a header that is a list', jws('["ES256"]', CLAIMS, byEc), 'malformed'],
    ['claims that are text', jws(ES256, '"hello"', byEc), 'malformed'],
    ['a header with two algs', jws('{"alg":"ES256","kid":"ec-1","alg":"none"}', CLAIMS, byEc), 'malformed'],
    [
      'claims with two subjects',
      jws(ES256, `{"sub":"agents:support",${JSON.stringify(CLAIMS).slice(1)}`, byEc),
      'malformed',
    ],
    [
      'claims with two subjects, one escaped',
      jws(ES256, `{"\\u0073ub":"root",${JSON.stringify(CLAIMS).slice(1)}`, byEc),
      'malformed',
    ],
    [
      'half a surrogate pair in the subject',
      jws(ES256, JSON.stringify(CLAIMS).replace('agents:', '\\ud800'), byEc),
      'malformed',
    ],
    [
      'claims nested 40 deep',
      jws(ES256, { ...CLAIMS, x: JSON.parse('['.repeat(40) + ']'.repeat(40)) as JsonObject }, byEc),
      'malformed',
    ],
    ['a token of 17 KB', of({ pad: 'x'.repeat(13_000) }), 'too_large'],
  ]
  for (const [what, token, reason] of attacks) {
    it(`refuses ${what}: ${reason}, with an entry`, async () => {
      const verified = await verify(token)
      assert.equal(verified.ok ? 'accepted' : verified.reason, reason)
      if (token === '') return
      for (const [grant, name, code] of [
        [TOKEN_EXCHANGE, 'subject_token', 'invalid_request'],
        [JWT_BEARER, 'assertion', 'invalid_grant'],
      ] as const) {
        const { entries, answer } = await presented(grant, name, token)
        assert.deepEqual([answer.status, 'error' in answer.body && answer.body.error], [400, code])
        assert.deepEqual(
          entries.map(({ kind, fields }) => [kind, fields['reason'], fields['requester']]),
          [['session.denied', `proof: ${reason}`, null]],
        )
      }
    })
  }

  it('holds its table to something: there are more than 60 attacks, and none is the good token', () => {
    assert.ok(attacks.length > 60 && !attacks.some(([, token]) => token === good))
  })

  /** The token at the token endpoint of a gateway that has seen none before. */
  const presented = async (grant: string, name: string, token: string) => {
    const store = memorySessions(() => NOW)
    const clock = () => NOW
    const random = (bytes: number) => new Uint8Array(bytes)
    const parts = { store, policy: () => POLICY, now: clock, monotonic: clock, random, newSessionId: () => 'ses_1' }
    const type = grant === TOKEN_EXCHANGE ? [['subject_token_type', TOKEN_TYPE_JWT] as const] : []
    const form = new Map([['grant_type', grant], [name, token], ['scope', 'role:support-agent'], ...type])
    const answer = await identity({ ...parts, dev: null }).exchange(form, { source: 'a', refused: () => {} })
    return { answer, entries: store.entries }
  }
})

describe('the dev issuer', () => {
  const parts = { now: () => NOW, random: (bytes: number) => new Uint8Array(bytes).fill(7) }
  const demo = issuerNamed('demo')

  it('signs ten minutes for an account, with the claims that identity.yaml gives it', async () => {
    const dev = await devIssuer(parts)
    const verified = await verify((await dev.sign(demo, 'dana')) ?? '', dev.jwks)
    assert.deepEqual(verified.ok && verified.claims, {
      sub: 'dana',
      name: 'Dana',
      groups: ['finance'],
      iss: 'https://demo.example',
      aud: 'keystay',
      iat: SECONDS,
      exp: SECONDS + 600,
      jti: '07'.repeat(16),
    })
  })

  it('signs for nobody else, and for no other issuer', async () => {
    const dev = await devIssuer(parts)
    assert.deepEqual(
      [await dev.sign(demo, 'root'), await dev.sign(demo, '__proto__'), await dev.sign(issuerNamed('ci'), 'dana')],
      [null, null, null],
    )
  })

  it('has dana, omar and sam where identity.yaml names none', async () => {
    const dev = await devIssuer(parts)
    const bare: Issuer = { ...demo, accounts: {} }
    const names = await Promise.all(['dana', 'omar', 'sam', 'eve'].map((account) => dev.sign(bare, account)))
    assert.deepEqual(
      names.map((token) => token !== null),
      [true, true, true, false],
    )
  })

  it('is worth nothing outside --dev, and in another run', async () => {
    const [dev, other] = [await devIssuer(parts), await devIssuer(parts)]
    const token = (await dev.sign(demo, 'dana')) ?? ''
    const [outside, elsewhere] = [await verify(token), await verify(token, other.jwks)]
    assert.deepEqual([!outside.ok && outside.reason, !elsewhere.ok && elsewhere.reason], ['issuer', 'signature'])
  })

  it('does not sign what a token brings along: an account cannot choose issuer or audience', async () => {
    const dev = await devIssuer(parts)
    const sly: Issuer = { ...demo, accounts: { sly: { iss: 'https://ci.example', aud: 'other', exp: 9e9 } } }
    const [, payload = ''] = ((await dev.sign(sly, 'sly')) ?? '').split('.')
    const { iss, aud, exp } = JSON.parse(Buffer.from(payload, 'base64url').toString()) as JsonObject
    assert.deepEqual({ iss, aud, exp }, { iss: demo.issuer, aud: 'keystay', exp: SECONDS + 600 })
  })
})
