import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { devIssuer } from '../../gateway/identity/dev-issuer.ts'
import type { DevIssuer } from '../../gateway/identity/dev-issuer.ts'
import { JWT_BEARER, TOKEN_EXCHANGE, TOKEN_TYPE_JWT } from '../../gateway/identity/grants.ts'
import { identity } from '../../gateway/identity/identity.ts'
import type { Identity } from '../../gateway/identity/identity.ts'
import { newToken } from '../../gateway/identity/token.ts'
import { Problem } from '../../gateway/core/problem.ts'
import type { JsonObject } from '../../gateway/core/types.ts'
import { byEc, issuerNamed, jws, NOW, POLICY, PROMPT, SECONDS } from './company.ts'
import { memorySessions } from './memory-sessions.ts'
import type { MemorySessions } from './memory-sessions.ts'

let now = NOW
let store: MemorySessions
let dev: DevIssuer
let who: Identity
let refused: string[]

const random = (bytes: number) => new Uint8Array(bytes).fill(store.written.length + 1)

beforeEach(async () => {
  now = NOW
  refused = []
  store = memorySessions(() => now)
  dev = await devIssuer({ now: () => now, random })
  const newSessionId = () => `ses_${String(store.written.length).padStart(26, '0')}`
  const agentUrl = () => 'https://keystay.example/'
  who = identity({
    store,
    policy: () => POLICY,
    now: () => now,
    monotonic: () => now,
    random,
    newSessionId,
    dev,
    agentUrl,
  })
})

const proof = (claims: JsonObject = {}, issuer = 'ci') =>
  jws(
    { alg: 'ES256', kid: 'ec-1' },
    {
      iss: `https://${issuer}.example`,
      aud: issuerNamed(issuer).audience,
      sub: 'agents:support',
      queue: 'refunds',
      exp: SECONDS + 600,
      ...claims,
    },
    byEc,
  )
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

const FORM = { grant_type: TOKEN_EXCHANGE, subject_token_type: TOKEN_TYPE_JWT, scope: 'role:support-agent' }
const ask = (form: Record<string, string | undefined>, source = '192.0.2.1') => {
  const all = { ...FORM, subject_token: proof(), ...form }
  const given = Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]))
  return who.exchange(new Map(given), { source, refused: (code) => refused.push(`${code} ${source}`) })
}

describe('a token exchange', () => {
  it('opens a session for the role, and writes who asked on what proof under which policy', async () => {
    const token = proof({ jti: 'proof-1' })
    const answer = await ask({ subject_token: token })
    const minted = newToken((bytes) => new Uint8Array(bytes).fill(1))
    const id = `ses_${'0'.repeat(26)}`
    assert.deepEqual(answer, {
      status: 200,
      body: {
        access_token: minted.token,
        issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
        token_type: 'Bearer',
        expires_in: 7200,
        scope: 'role:support-agent',
        session: id,
      },
    })
    assert.deepEqual(store.written, [
      {
        op: 'session.issue',
        session: {
          id,
          lineage: id,
          role: 'support-agent',
          principal: 'ci:agents:support',
          requester: 'ci:agents:support',
          acting_for: null,
          attributes: { queue: 'refunds' },
          token_hash: minted.hash,
          issuer: 'ci',
          jti: 'proof-1',
          proof: `sha256:${sha256(token)}`,
          policy: POLICY.digest,
          prompt: null,
        },
        lifetime_ms: 7_200_000,
        live_max: 3,
        once: false,
      },
    ])
    assert.ok(!JSON.stringify(store.written).includes(minted.token))
  })

  it('gives a person’s session that person as its requester, by a group', async () => {
    const token = proof({ sub: 'u-1', name: 'Lea', groups: ['support-leads'] }, 'staff')
    await ask({ subject_token: token })
    const [issued] = store.written
    assert.deepEqual(issued?.op === 'session.issue' && [issued.session.principal, issued.session.requester], [
      'staff:u-1',
      'staff:u-1',
    ])
  })

  it('gives a person’s session that person as its requester also by a rule, however they log in', async () => {
    await ask({ subject_token: proof({ sub: 'login-3', employee: 'e-42' }, 'hr') })
    const [issued] = store.written
    assert.deepEqual(issued?.op === 'session.issue' && [issued.session.principal, issued.session.requester], [
      'hr:login-3',
      'hr:e-42',
    ])
  })

  it('gives no session to somebody of a people issuer who is nobody', async () => {
    assert.equal((await ask({ subject_token: proof({ sub: 'login-3' }, 'hr') })).status, 400)
    assert.deepEqual(store.written, [
      { op: 'session.deny', role: 'support-agent', principal: 'hr:login-3', issuer: 'hr', reason: 'no person' },
    ])
  })

  it('takes the dev issuer’s proof', async () => {
    const subject_token = (await dev.sign(issuerNamed('demo'), 'support-bot')) ?? ''
    assert.equal((await ask({ subject_token })).status, 200)
  })

  it('goes on to the next rule where one’s carry fails: a rule that errors admits nobody', async () => {
    const answer = await ask({ subject_token: proof({ queue: undefined as never }) })
    assert.equal(answer.status, 400)
    assert.equal((await ask({ subject_token: proof({ sub: 'agents:plain' }) })).status, 200)
  })

  const lifetimes: readonly (readonly [string, Record<string, string>, number])[] = [
    ['the role’s', {}, 7200],
    ['a shorter one that is asked for', { requested_ttl: '60' }, 60],
    ['the role’s, when a longer one is asked for', { requested_ttl: '999999' }, 7200],
    ['the policy’s maximum, when the role’s is longer', { scope: 'role:untied' }, 43_200],
  ]
  for (const [what, form, seconds] of lifetimes) {
    it(`lasts ${what}`, async () => {
      const { body } = await ask(form)
      assert.equal('expires_in' in body && body.expires_in, seconds)
      assert.equal(store.written[0]?.op === 'session.issue' && store.written[0].lifetime_ms, seconds * 1000)
    })
  }

  const prompts: readonly (readonly [string, Record<string, string>, string | null])[] = [
    ['the role’s own, where nothing is stated', { scope: 'role:untied' }, PROMPT],
    ['the one that the request states', { scope: 'role:tied', prompt_digest: PROMPT }, PROMPT],
    [
      'a stated one, where the role has none',
      { prompt_digest: `sha256:${'cd'.repeat(32)}` },
      `sha256:${'cd'.repeat(32)}`,
    ],
  ]
  for (const [what, form, prompt] of prompts) {
    it(`records the prompt: ${what}`, async () => {
      await ask(form)
      assert.equal(store.written[0]?.op === 'session.issue' && store.written[0].session.prompt, prompt)
    })
  }

  it('takes the prompt’s digest from the subject token too', async () => {
    assert.equal((await ask({ scope: 'role:tied', subject_token: proof({ prompt_digest: PROMPT }) })).status, 200)
  })

  it('writes subjects in one spelling, with nothing hidden in them', async () => {
    const subjects = ['a#b', 'a%23b', 'a b', 'a\u0000b', 'a\u202Eb', 'a:b', 'ä']
    const principals: unknown[] = []
    for (const sub of subjects) {
      await ask({ subject_token: proof({ sub }) })
      const last = store.written.at(-1)
      principals.push(last?.op === 'session.deny' && last.principal)
    }
    assert.deepEqual(principals, ['ci:a%23b', 'ci:a%2523b', 'ci:a%20b', 'ci:a%00b', 'ci:a%E2%80%AEb', 'ci:a:b', 'ci:ä'])
  })

  const denied = 'This subject can have no session of that role.'
  const denials: readonly (readonly [
    string,
    Record<string, string>,
    string,
    string,
    string,
    readonly [string | null, string | null, string],
  ])[] = [
    [
      'an expired proof',
      { subject_token: proof({ exp: SECONDS - 60 }) },
      'invalid_request',
      'The subject token is refused: it has expired (exp).',
      'support-agent',
      [null, 'ci', 'proof: expired'],
    ],
    [
      'a proof of nobody',
      { subject_token: 'e30.e30.e30' },
      'invalid_request',
      'The subject token is refused: its algorithm is not allowed.',
      'support-agent',
      [null, null, 'proof: algorithm'],
    ],
    [
      'a role that does not exist',
      { scope: 'role:root' },
      'invalid_scope',
      denied,
      'root',
      ['ci:agents:support', 'ci', 'no such role'],
    ],
    [
      'a role that is not this subject’s',
      { scope: 'role:demo-finance' },
      'invalid_scope',
      denied,
      'demo-finance',
      ['ci:agents:support', 'ci', 'not eligible'],
    ],
    [
      'a role that is an object’s own',
      { scope: 'role:__proto__' },
      'invalid_scope',
      denied,
      '__proto__',
      ['ci:agents:support', 'ci', 'no such role'],
    ],
    [
      'an issuer’s rule without a where',
      { scope: 'role:no-where' },
      'invalid_scope',
      denied,
      'no-where',
      ['ci:agents:support', 'ci', 'not eligible'],
    ],
    [
      'a person outside the group',
      { subject_token: proof({ sub: 'u-2', groups: ['sales'] }, 'staff') },
      'invalid_scope',
      denied,
      'support-agent',
      ['staff:u-2', 'staff', 'not eligible'],
    ],
    [
      'a person whose groups are missing',
      { subject_token: proof({ sub: 'u-2' }, 'staff') },
      'invalid_scope',
      denied,
      'support-agent',
      ['staff:u-2', 'staff', 'not eligible'],
    ],
    [
      'no digest where the role requires one',
      { scope: 'role:tied' },
      'invalid_request',
      'This role asks for the digest of the prompt: prompt_digest=sha256:HEX.',
      'tied',
      ['ci:agents:support', 'ci', 'prompt'],
    ],
    [
      'another digest',
      { scope: 'role:untied', prompt_digest: `sha256:${'cd'.repeat(32)}` },
      'invalid_request',
      'prompt_digest is not the digest of the prompt that this role is tied to.',
      'untied',
      ['ci:agents:support', 'ci', 'prompt'],
    ],
    [
      'two digests',
      { prompt_digest: PROMPT, subject_token: proof({ prompt_digest: `sha256:${'cd'.repeat(32)}` }) },
      'invalid_request',
      'prompt_digest is not the digest of the prompt that this role is tied to.',
      'support-agent',
      ['ci:agents:support', 'ci', 'prompt'],
    ],
    [
      'a proof without jti of an issuer that says once',
      { subject_token: proof({}, 'single') },
      'invalid_request',
      'Tokens of this issuer are good for one session only, so the subject token needs a jti.',
      'support-agent',
      ['single:agents:support', 'single', 'no jti'],
    ],
  ]
  for (const [what, form, error, error_description, role, [principal, issuer, reason]] of denials) {
    it(`refuses ${what}, with an entry`, async () => {
      assert.deepEqual(await ask(form), { status: 400, body: { error, error_description } })
      assert.deepEqual(store.written, [{ op: 'session.deny', role, principal, issuer, reason }])
      assert.deepEqual(refused, [])
    })
  }

  it('refuses a proof the second time where its issuer says once', async () => {
    const subject_token = proof({ jti: 'j' }, 'single')
    assert.equal((await ask({ subject_token })).status, 200)
    assert.deepEqual(await ask({ subject_token }), {
      status: 400,
      body: { error: 'invalid_request', error_description: 'This subject token was used before.' },
    })
    assert.deepEqual(store.written.at(-1), {
      op: 'session.deny',
      role: 'support-agent',
      principal: 'single:agents:support',
      issuer: 'single',
      reason: 'proof_used',
    })
  })

  it('opens no more sessions than one proof may have, and ends none for it', async () => {
    for (let live = 0; live < 3; live++) assert.equal((await ask({})).status, 200)
    assert.deepEqual(await ask({}), {
      status: 400,
      body: {
        error: 'invalid_request',
        error_description: 'This subject has 3 live sessions, which is the limit. End one, or wait.',
      },
    })
    assert.deepEqual(store.written.at(-1), {
      op: 'session.deny',
      role: 'support-agent',
      principal: 'ci:agents:support',
      issuer: 'ci',
      reason: 'too_many',
    })
    assert.ok([...store.rows.values()].every((row) => row.ended_at === null))
  })

  const unreadable: readonly (readonly [string, Record<string, string | undefined>, string])[] = [
    ['no grant_type', { grant_type: undefined }, 'invalid_request'],
    ['another grant_type', { grant_type: 'client_credentials' }, 'unsupported_grant_type'],
    ['jwt-bearer without an assertion', { grant_type: JWT_BEARER, subject_token: undefined }, 'invalid_request'],
    ['jwt-bearer with a subject_token', { grant_type: JWT_BEARER, assertion: proof() }, 'invalid_request'],
    ['no subject_token', { subject_token: undefined }, 'invalid_request'],
    ['an empty subject_token', { subject_token: '' }, 'invalid_request'],
    ['no subject_token_type', { subject_token_type: undefined }, 'invalid_request'],
    ['an id_token type', { subject_token_type: 'urn:ietf:params:oauth:token-type:id_token' }, 'invalid_request'],
    ['an actor_token without its type', { actor_token: proof() }, 'invalid_request'],
    ['an actor_token_type alone', { actor_token_type: TOKEN_TYPE_JWT }, 'invalid_request'],
    ['a session that is no id', { session: 'kst_1' }, 'invalid_request'],
    [
      'another requested_token_type',
      { requested_token_type: 'urn:ietf:params:oauth:token-type:refresh_token' },
      'invalid_request',
    ],
    ['a resource', { resource: 'https://api.example' }, 'invalid_target'],
    ['a resource that only begins like ours', { resource: 'https://keystay.example/mcp/x' }, 'invalid_target'],
    ['an audience', { audience: 'stripe' }, 'invalid_target'],
    ['no scope', { scope: undefined }, 'invalid_scope'],
    ['two roles', { scope: 'role:support-agent role:tied' }, 'invalid_scope'],
    ['a scope of another kind', { scope: 'openid' }, 'invalid_scope'],
    ['a role of 200 characters', { scope: `role:${'a'.repeat(200)}` }, 'invalid_scope'],
    ['a ttl of zero', { requested_ttl: '0' }, 'invalid_request'],
    ['a negative ttl', { requested_ttl: '-1' }, 'invalid_request'],
    ['a ttl with an exponent', { requested_ttl: '1e3' }, 'invalid_request'],
    ['a ttl beyond a double', { requested_ttl: '9'.repeat(40) }, 'invalid_request'],
    ['a digest in capitals', { prompt_digest: PROMPT.toUpperCase() }, 'invalid_request'],
    ['a digest that is cut', { prompt_digest: PROMPT.slice(0, -1) }, 'invalid_request'],
  ]
  for (const [what, form, error] of unreadable) {
    it(`answers ${error} to ${what}, counts it, and keeps nothing`, async () => {
      const { status, body } = await ask(form)
      assert.deepEqual(
        [status, 'error' in body && body.error, refused, store.written],
        [400, error, [`${error} 192.0.2.1`], []],
      )
    })
  }

  it('takes this gateway, and its MCP door, for a resource (RFC 8707)', async () => {
    for (const resource of ['https://keystay.example', 'https://keystay.example/', 'https://keystay.example/mcp'])
      assert.equal((await ask({ resource })).status, 200, resource)
  })

  it('opens nothing when the store cannot write', async () => {
    store.fault = Object.assign(new Error('disk full'), { name: 'StoreUnavailable' })
    await assert.rejects(ask({}), { name: 'StoreUnavailable' })
    assert.equal(store.rows.size, 0)
  })
})

describe('a renewal', () => {
  const first = async (): Promise<string> => {
    const { body } = await ask({})
    assert.ok('session' in body)
    return body.session
  }
  const told = async (form: Record<string, string>): Promise<readonly [number, string | false, unknown]> => {
    const { status, body } = await ask(form)
    const last = store.written.at(-1)
    return [status, 'error' in body && body.error, last?.op === 'session.deny' && last.reason]
  }

  it('is the same exchange with the session’s id, and goes on in its lineage', async () => {
    const session = await first()
    const { status, body } = await ask({ session })
    assert.ok('session' in body && status === 200)
    assert.equal(store.rows.get(body.session)?.lineage, session)
    assert.deepEqual(
      store.entries.map(({ kind }) => kind),
      ['session.issued', 'session.renewed'],
    )
  })

  it('lives no longer than its lineage may, and then not at all', async () => {
    let session = await first()
    for (let hours = 1; hours <= 11; hours++) {
      now = NOW + hours * 3_600_000
      const { body } = await ask({ session, subject_token: proof({ exp: now / 1000 + 600 }) })
      assert.ok('access_token' in body)
      assert.equal(body.expires_in, Math.min(7200, (12 - hours) * 3600))
      session = body.session
      await who.authenticate(`Bearer ${body.access_token}`)
    }
    now = NOW + 12 * 3_600_000
    const over = await told({ session, subject_token: proof({ exp: now / 1000 + 600 }) })
    assert.deepEqual(over, [400, 'invalid_grant', 'lineage_over'])
  })

  it('is refused of another subject’s or role’s session, one that ended and one that is none, with an entry', async () => {
    const session = await first()
    const none = [400, 'invalid_grant', 'no_such_session']
    assert.deepEqual(await told({ session, subject_token: proof({ sub: 'agents:plain' }) }), none)
    assert.deepEqual(await told({ session, scope: 'role:untied' }), none)
    assert.deepEqual(await told({ session: 'ses_none' }), none)
    await store.write({ op: 'session.end', session, reason: 'revoked', by: 'staff:sam' })
    assert.deepEqual(await told({ session }), [400, 'invalid_grant', 'ended'])
  })

  it('needs the person again where there is one', async () => {
    const actor = { actor_token: proof({ sub: 'u-1' }, 'staff'), actor_token_type: TOKEN_TYPE_JWT }
    const { body } = await ask(actor)
    assert.ok('session' in body)
    assert.deepEqual(await told({ session: body.session }), [400, 'invalid_grant', 'no_such_session'])
    assert.equal((await ask({ ...actor, session: body.session })).status, 200)
  })
})

describe('a session on behalf of a person', () => {
  const ACTOR = { actor_token_type: TOKEN_TYPE_JWT }
  const person = (claims: JsonObject = {}, issuer = 'staff') => proof({ sub: 'u-1', name: 'Lea', ...claims }, issuer)

  it('is the agent’s, and names the person in its row and its entry', async () => {
    const actor_token = person({ jti: 'p-1' })
    const { body } = await ask({ ...ACTOR, actor_token })
    assert.ok('access_token' in body)
    const { principal, requester, acting_for } = await who.authenticate(`Bearer ${body.access_token}`)
    assert.deepEqual(
      [principal, requester, acting_for],
      ['ci:agents:support#staff:u-1', 'ci:agents:support', 'staff:u-1'],
    )
    const { fields } = store.entries[0] ?? {}
    assert.deepEqual(fields?.['acting_for'], 'staff:u-1')
    assert.deepEqual(fields['actor'], { issuer: 'staff', jti: 'p-1', proof: `sha256:${sha256(actor_token)}` })
  })

  it('cannot be made to name another person by a subject with a # in it', async () => {
    await ask({ subject_token: proof({ sub: 'agents:support#staff:u-1' }) })
    const last = store.written.at(-1)
    assert.equal(last?.op === 'session.deny' && last.principal, 'ci:agents:support%23staff:u-1')
  })

  const refusals: readonly (readonly [string, () => string, string, string])[] = [
    ['a workload', () => proof(), 'its issuer (iss) is not known here', 'actor: issuer'],
    ['a token that has expired', () => person({ exp: SECONDS - 60 }), 'it has expired (exp)', 'actor: expired'],
    ['another audience', () => person({ aud: 'keystay' }), 'it was made for another audience (aud)', 'actor: audience'],
    ['nobody', () => proof({ sub: 'login-3' }, 'hr'), 'it names no person', 'actor: no person'],
    ['garbage', () => 'e30.e30.e30', 'its algorithm is not allowed', 'actor: algorithm'],
    [
      'a session token',
      () => newToken(random).token,
      'it is not a signed JWT in three base64url parts of plain JSON objects',
      'actor: malformed',
    ],
  ]
  for (const [what, actor_token, text, reason] of refusals) {
    it(`is refused where the actor token is of ${what}, with an entry under the workload`, async () => {
      assert.deepEqual(await ask({ ...ACTOR, actor_token: actor_token() }), {
        status: 400,
        body: { error: 'invalid_request', error_description: `The actor token is refused: ${text}.` },
      })
      const principal = 'ci:agents:support'
      assert.deepEqual(store.written, [{ op: 'session.deny', role: 'support-agent', principal, issuer: 'ci', reason }])
    })
  }
})

describe('an assertion (RFC 7523)', () => {
  const bearer = (assertion: string) =>
    ask({ grant_type: JWT_BEARER, subject_token: undefined, subject_token_type: undefined, assertion })

  it('opens a session as the exchange does', async () => {
    const { status, body } = await bearer(proof({ jti: 'a-1' }))
    assert.deepEqual([status, 'scope' in body && body.scope], [200, 'role:support-agent'])
    assert.equal(store.written[0]?.op === 'session.issue' && store.written[0].session.principal, 'ci:agents:support')
  })

  it('is good once, also where the issuer does not say so, and needs a jti for it', async () => {
    const assertion = proof({ jti: 'a-1' })
    assert.equal((await bearer(assertion)).status, 200)
    assert.deepEqual((await bearer(assertion)).body, {
      error: 'invalid_grant',
      error_description: 'This subject token was used before.',
    })
    const { body } = await bearer(proof())
    assert.equal('error' in body && body.error, 'invalid_grant')
    assert.deepEqual(
      store.written.slice(-2).map((last) => last.op === 'session.deny' && last.reason),
      ['proof_used', 'no jti'],
    )
  })

  it('is invalid_grant where it does not hold', async () => {
    assert.deepEqual((await bearer(proof({ exp: SECONDS - 60 }))).body, {
      error: 'invalid_grant',
      error_description: 'The assertion is refused: it has expired (exp).',
    })
  })
})

describe('a flood of proofs that do not hold', () => {
  const forged = { subject_token: 'e30.e30.e30' }
  const denied = () => store.written.filter(({ op }) => op === 'session.deny').length
  const flood = async (times: number, from: (at: number) => string) => {
    for (let at = 0; at < times; at++) assert.equal((await ask(forged, from(at))).status, 400)
  }

  it('fills twenty entries, then one a second; the rest is counted, and answered alike', async () => {
    await flood(500, () => '192.0.2.1')
    assert.deepEqual([denied(), refused.length, [...new Set(refused)]], [20, 480, ['token_invalid 192.0.2.1']])
    now += 3_000
    await flood(100, () => '192.0.2.1')
    assert.equal(denied(), 23)
  })

  it('from another address does not hide behind it', async () => {
    await flood(500, () => '192.0.2.1')
    await flood(1, () => '192.0.2.2')
    assert.equal(denied(), 21)
  })

  it('from ever new addresses fills no more than a hundred, then five a second', async () => {
    await flood(3_000, (at) => `2001:db8::${at.toString(16)}`)
    assert.deepEqual([denied(), refused.length], [100, 2_900])
    now += 2_000
    await flood(3_000, (at) => `2001:db8:1::${at.toString(16)}`)
    assert.equal(denied(), 110)
  })

  it('hides no refusal of a proven subject, and keeps nobody out', async () => {
    await flood(500, () => '192.0.2.1')
    for (let at = 0; at < 30; at++) await ask({ scope: 'role:root' })
    assert.equal(denied(), 20 + 30)
    assert.equal((await ask({})).status, 200)
  })
})

describe('a session token on a request', () => {
  const open = async (): Promise<{ token: string; session: string }> => {
    const { body } = await ask({})
    assert.ok('access_token' in body)
    return { token: body.access_token, session: body.session }
  }
  const refusal = async (authorization: string | undefined): Promise<readonly [string, string]> => {
    const error: unknown = await who.authenticate(authorization).catch((thrown: unknown) => thrown)
    assert.ok(error instanceof Problem)
    return [error.code, error.message]
  }

  it('is its session, without anything that could open it again', async () => {
    const { token, session } = await open()
    assert.deepEqual(await who.authenticate(`Bearer ${token}`), {
      id: session,
      lineage: session,
      role: 'support-agent',
      principal: 'ci:agents:support',
      requester: 'ci:agents:support',
      acting_for: null,
      attributes: { queue: 'refunds' },
      issued_at: NOW,
      expires_at: NOW + 7_200_000,
    })
  })

  it('is taken whatever the case of the scheme', async () => {
    const { token, session } = await open()
    assert.equal((await who.authenticate(`bEaReR  ${token}`)).id, session)
  })

  for (const header of [undefined, '', 'Bearer', 'Bearer ', 'Basic a3N0Og==', 'kst_x']) {
    it(`is missing in ${JSON.stringify(header)}`, async () => assert.equal((await refusal(header))[0], 'token_missing'))
  }

  it('is invalid when it is garbage, of another gateway, or two', async () => {
    const { token } = await open()
    const foreign = newToken((bytes) => new Uint8Array(bytes).fill(99)).token
    for (const text of ['x', foreign, `${token} ${token}`, `${token},${token}`, token.toLowerCase()]) {
      assert.equal((await refusal(`Bearer ${text}`))[0], 'token_invalid')
    }
  })

  it('expires to the millisecond, and says how to go on', async () => {
    const { token, session } = await open()
    now = NOW + 7_200_000 - 1
    await who.authenticate(`Bearer ${token}`)
    now = NOW + 7_200_000
    assert.deepEqual(await refusal(`Bearer ${token}`), [
      'session_expired',
      `The session ${session} expired at 2026-11-23T17:00:00.000Z. To renew it: POST /oauth/token with a fresh subject token, scope=role:NAME and session=${session}. Calls that it made live on: any session of the same subject and role reads and cancels them.`,
    ])
  })

  it('ends with a logout, once', async () => {
    const { token, session } = await open()
    await who.end(await who.authenticate(`Bearer ${token}`))
    assert.deepEqual(await refusal(`Bearer ${token}`), [
      'session_revoked',
      `The session ${session} was ended by its own agent. For a new one: POST /oauth/token with a fresh subject token and scope=role:NAME.`,
    ])
    assert.deepEqual(store.written.at(-1), { op: 'session.end', session, reason: 'logout', by: 'ci:agents:support' })
  })

  it('ends with its revocation by whoever has it, and other tokens are no error', async () => {
    const { token, session } = await open()
    await who.revoke('kst_unknown')
    await who.revoke(newToken((bytes) => new Uint8Array(bytes).fill(99)).token)
    assert.equal(store.written.length, 1)
    await who.revoke(token)
    await who.revoke(token)
    assert.deepEqual(store.written.slice(1), [
      { op: 'session.end', session, reason: 'logout', by: 'ci:agents:support' },
    ])
  })

  it('of a renewal ends what it renews when it is first used, and only then', async () => {
    const { token, session } = await open()
    const { body } = await ask({ session })
    assert.ok('access_token' in body)
    await who.authenticate(`Bearer ${token}`)
    assert.equal((await who.introspect(body.access_token))?.id, body.session)
    await who.authenticate(`Bearer ${token}`)
    const { id, lineage } = await who.authenticate(`Bearer ${body.access_token}`)
    assert.deepEqual([id, lineage], [body.session, session])
    assert.deepEqual(await refusal(`Bearer ${token}`), [
      'session_revoked',
      `The session ${session} was renewed; use the token of the renewal.`,
    ])
    const written = store.written.length
    await who.authenticate(`Bearer ${body.access_token}`)
    assert.equal(store.written.length, written)
  })

  it('of a renewal is refused while its first use cannot be written', async () => {
    const { session } = await open()
    const { body } = await ask({ session })
    assert.ok('access_token' in body)
    store.fault = Object.assign(new Error('disk full'), { name: 'StoreUnavailable' })
    await assert.rejects(who.authenticate(`Bearer ${body.access_token}`), { name: 'StoreUnavailable' })
    store.fault = null
    assert.equal(store.rows.get(session)?.ended_at, null)
  })

  it('of a renewal that was revoked while its first use was on its way opens nothing', async () => {
    const { session } = await open()
    const { body } = await ask({ session })
    assert.ok('access_token' in body)
    const read = store.rows.get(body.session)
    assert.ok(read)
    await store.write({ op: 'session.end', session, reason: 'revoked', by: 'staff:sam' })
    const late = identity({
      store: { ...store, sessionByToken: async () => read },
      policy: () => POLICY,
      now: () => now,
      monotonic: () => now,
      random,
      newSessionId: () => '',
      dev: null,
    })
    await assert.rejects(late.authenticate(`Bearer ${body.access_token}`), { code: 'session_revoked' })
  })

  it('that was renewed dies after sixty seconds, and says what came instead', async () => {
    const { token, session } = await open()
    await ask({ session })
    now += 59_999
    await who.authenticate(`Bearer ${token}`)
    now += 1
    assert.deepEqual(await refusal(`Bearer ${token}`), [
      'session_revoked',
      `The session ${session} was renewed; use the token of the renewal.`,
    ])
  })

  it('that has expired says how to renew it also when its end is written already', async () => {
    const { token, session } = await open()
    now += 7_200_000
    await store.write({ op: 'expire' } as never)
    assert.equal(store.rows.get(session)?.ended_reason, 'expired')
    const [code, text] = await refusal(`Bearer ${token}`)
    assert.equal(code, 'session_expired')
    assert.match(text, new RegExp(`session=${session}`))
    assert.equal((await ask({ session, subject_token: proof({ exp: SECONDS + 9000 }) })).status, 200)
  })

  it('is told apart when people revoked it', async () => {
    const { token, session } = await open()
    await store.write({ op: 'session.end', session, reason: 'revoked', by: 'staff:sam' })
    assert.equal((await refusal(`Bearer ${token}`))[0], 'session_revoked')
  })
})

describe('a person', () => {
  const refused = async (authorization: string | undefined) => {
    const error: unknown = await who.person(authorization).catch((thrown: unknown) => thrown)
    return error instanceof Problem ? error.code : error
  }

  it('is who a people issuer says, in the groups whose condition is true', async () => {
    const token = proof({ sub: 'u 1#', name: 'Lea', groups: ['support-leads', 'finance', 'sales'] }, 'staff')
    assert.deepEqual(await who.person(`Bearer ${token}`), {
      id: 'staff:u%201%23',
      name: 'Lea',
      groups: ['finance', 'support-leads'],
    })
  })

  it('has the groups of their own issuer only', async () => {
    const token = (await dev.sign(issuerNamed('demo'), 'dana')) ?? ''
    assert.deepEqual(await who.person(`Bearer ${token}`), { id: 'demo:dana', name: 'Dana', groups: ['demo-finance'] })
  })

  it('is in no group when the condition errors, and is named by their id without a name', async () => {
    assert.deepEqual(await who.person(`Bearer ${proof({ sub: 'u-3' }, 'staff')}`), {
      id: 'staff:u-3',
      name: 'u-3',
      groups: [],
    })
  })

  it('is nobody with a workload’s token, a session token, an expired one or none', async () => {
    const session = newToken((bytes) => new Uint8Array(bytes).fill(1)).token
    const codes = []
    for (const header of [`Bearer ${proof()}`, `Bearer ${session}`, `Bearer ${proof({ exp: 1 }, 'staff')}`, undefined])
      codes.push(await refused(header))
    assert.deepEqual(codes, ['token_invalid', 'token_invalid', 'token_invalid', 'token_missing'])
  })
})

describe('the demo’s sign-in', () => {
  const accountFor = async (ask: { account: string } | { role: string }) => (await who.devToken?.(ask))?.account ?? null

  it('signs for an account, or for the first account that a role admits', async () => {
    assert.deepEqual(
      await Promise.all([
        accountFor({ account: 'sam' }),
        accountFor({ role: 'support-agent' }),
        accountFor({ role: 'demo-finance' }),
      ]),
      ['sam', 'support-bot', 'dana'],
    )
  })

  it('signs for nobody else', async () => {
    assert.deepEqual(
      await Promise.all([accountFor({ account: 'eve' }), accountFor({ role: 'tied' }), accountFor({ role: 'none' })]),
      [null, null, null],
    )
  })

  it('is not there outside --dev', () => {
    const clock = () => now
    const parts = { store, policy: () => POLICY, now: clock, monotonic: clock, random, newSessionId: () => '' }
    const outside = identity({ ...parts, dev: null })
    assert.equal(outside.devToken, null)
  })
})
