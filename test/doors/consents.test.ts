import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'
import { join } from 'node:path'
import { startLying } from '../backends/lying.ts'
import type { LyingBackend } from '../backends/lying.ts'
import { company } from '../house/company.ts'
import { entriesOf } from '../house/entries.ts'
import type { Entry } from '../house/entries.ts'
import { house } from '../house/gateway.ts'
import type { Answer, House } from '../house/gateway.ts'
import { browser } from '../identity/browser.ts'
import type { Browser } from '../identity/browser.ts'

const DEVICE = 'urn:ietf:params:oauth:grant-type:device_code'
const FILES = {
  'roles/desk.yaml': `role: desk
describe: Somebody of finance at their own desk.
issue_to: [{ group: finance, carry: { who: claims.name } }]
session: { lifetime: 1h }
grants: { pay.look: }
`,
}
const REDIRECT = 'http://127.0.0.1:51004/callback?kept=1'

describe('programs that a person lets act as them', function () {
  this.timeout(30_000)
  let pay: LyingBackend
  let where: Awaited<ReturnType<typeof company>>
  let gate: House
  let admin: string
  let agents: string
  let dana: Browser
  let sam: Browser

  before(async () => {
    pay = await startLying()
    where = await company({ pay: pay.url, shop: pay.url, blind: pay.url }, FILES)
    gate = await house(where)
    admin = gate.running.adminUrl
    agents = gate.running.agentUrl
    dana = await signedIn('dana')
    sam = await signedIn('sam')
  })
  after(async () => {
    await gate?.stop()
    await pay?.close()
    await where?.remove()
  })

  const signedIn = async (account: string): Promise<Browser> => {
    const person = browser()
    await person.open(gate.running.signInLink(account) ?? '')
    return person
  }
  const post = (path: string, form: { [name: string]: string }): Promise<Answer> =>
    gate.agent(path, { method: 'POST', body: new URLSearchParams(form) })
  const about = (token: string) => gate.agent('/v1/session', { headers: { authorization: `Bearer ${token}` } })
  const entries = (kind: string): Entry[] => entriesOf(where.dir).filter((entry) => entry.kind === kind)
  const lastDenied = () => entries('session.denied').at(-1) ?? assert.fail('nothing was denied')
  /** As the test wants it, in the store itself: time that passed, for one. */
  const change = (sql: string, ...params: (string | number)[]): void => {
    const db = new DatabaseSync(join(where.dir, 'keystay.db'), { timeout: 5000 })
    db.prepare(sql).run(...params)
    db.close()
  }
  const older = (code: string, member: string, ms: number): void =>
    change(
      `UPDATE consents SET data = json_set(data, '$.${member}', json_extract(data, '$.${member}') - ?) WHERE id = ?`,
      ms,
      createHash('sha256').update(code).digest('hex'),
    )

  describe('by device flow (RFC 8628)', () => {
    const begin = async (more: { [name: string]: string } = {}): Promise<Answer['body']> => {
      const { status, body } = await post('/oauth/device_authorization', {
        client_id: 'desk-cli/1.0',
        scope: 'role:desk',
        ...more,
      })
      assert.equal(status, 200, JSON.stringify(body))
      return body
    }
    const poll = (device_code: string, more: { [name: string]: string } = {}) =>
      post('/oauth/token', { grant_type: DEVICE, device_code, client_id: 'desk-cli/1.0', ...more })
    const decide = async (person: Browser, user_code: string, decision: 'approve' | 'refuse') =>
      person.submit(await person.once(`${admin}/device?user_code=${user_code}`), { decision })

    it('wait, and get a session of the person once they said yes; it is in the ledger whose and whereby', async () => {
      const asked = await begin()
      assert.deepEqual(
        { ...asked, device_code: '', user_code: '', verification_uri_complete: '' },
        {
          device_code: '',
          user_code: '',
          verification_uri_complete: '',
          verification_uri: `${admin}/device`,
          expires_in: 600,
          interval: 5,
        },
      )
      assert.match(asked.user_code, /^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/)
      assert.equal(asked.verification_uri_complete, `${admin}/device?user_code=${asked.user_code}`)
      const waiting = await poll(asked.device_code)
      assert.deepEqual([waiting.status, waiting.body.error], [400, 'authorization_pending'])

      const card = await dana.once(asked.verification_uri_complete)
      for (const part of ['desk-cli/1.0', '127.0.0.1', 'Somebody of finance', 'demo:dana', asked.user_code])
        assert.ok(card.text.includes(part), `${part} in ${card.text}`)
      const typed = asked.user_code.toLowerCase().replace('-', ' ')
      assert.equal((await decide(dana, encodeURIComponent(typed), 'approve')).status, 200)
      const issued = await poll(asked.device_code)
      assert.deepEqual(
        { ...issued.body, access_token: '', session: '' },
        {
          access_token: '',
          session: '',
          token_type: 'Bearer',
          expires_in: 3600,
          scope: 'role:desk',
          issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
        },
      )
      const session = (await about(issued.body.access_token)).body
      assert.deepEqual([session.requester, session.role, session.attributes], ['demo:dana', 'desk', { who: 'Dana' }])
      const entry = entries('session.issued').at(-1)
      assert.deepEqual(
        [entry?.['requester'], entry?.['principal'], entry?.['client'], entry?.['session']],
        ['demo:dana', 'demo:dana', 'desk-cli/1.0', issued.body.session],
      )
      assert.equal(
        entry?.['proof'],
        entries('person.signed_in').find(({ person }) => person === 'demo:dana')?.['proof'],
      )

      const again = await poll(asked.device_code)
      assert.deepEqual([again.status, again.body.error], [400, 'invalid_grant'])
      assert.equal(lastDenied()['reason'], 'device code used twice')
      assert.equal((await about(issued.body.access_token)).status, 200)
    })

    it('keep nothing that a code could be read from, and forget who it was', async () => {
      const asked = await begin()
      await decide(dana, asked.user_code, 'approve')
      await poll(asked.device_code)
      const db = new DatabaseSync(join(where.dir, 'keystay.db'), { readOnly: true })
      const rows = JSON.stringify(db.prepare('SELECT * FROM consents').all())
      db.close()
      for (const part of [asked.device_code, asked.user_code, asked.user_code.replace('-', ''), 'Dana'])
        assert.ok(!rows.includes(part), part)
    })

    it('hear a no as access_denied, and it is an entry', async () => {
      const asked = await begin()
      assert.equal((await decide(dana, asked.user_code, 'refuse')).status, 200)
      assert.deepEqual(
        [(await poll(asked.device_code)).body.error, lastDenied()['reason']],
        ['access_denied', 'the person refused'],
      )
      assert.deepEqual([lastDenied()['requester'], lastDenied()['client']], ['demo:dana', 'desk-cli/1.0'])
      assert.equal((await dana.once(asked.verification_uri_complete)).status, 404)
    })

    it('are slowed down when they poll too soon, and each time by five seconds more', async () => {
      const asked = await begin()
      await poll(asked.device_code)
      older(asked.device_code, 'polled_at', 4_000)
      assert.equal((await poll(asked.device_code)).body.error, 'slow_down')
      older(asked.device_code, 'polled_at', 6_000)
      assert.equal((await poll(asked.device_code)).body.error, 'slow_down')
      older(asked.device_code, 'polled_at', 16_000)
      assert.equal((await poll(asked.device_code)).body.error, 'authorization_pending')
      // A flood of polls is not worth a write each.
      assert.equal((await poll(asked.device_code)).body.error, 'slow_down')
    })

    it('come too late after ten minutes, whatever was said', async () => {
      const [waiting, given] = [await begin(), await begin()]
      await decide(dana, given.user_code, 'approve')
      for (const { device_code } of [waiting, given]) {
        older(device_code, 'expires_at', 601_000)
        assert.equal((await poll(device_code)).body.error, 'expired_token')
      }
      assert.equal(lastDenied()['reason'], 'nobody decided')
      assert.equal((await dana.once(waiting.verification_uri_complete)).status, 404)
    })

    it('get no role that the person may not have, and hear nothing of which roles there are', async () => {
      const pages = []
      for (const scope of ['role:desk', 'role:agent', 'role:never']) {
        const asked = await begin({ scope })
        const card = await sam.once(asked.verification_uri_complete)
        pages.push(card.text.replaceAll(asked.user_code, '').replaceAll(/\b(desk|agent|never)\b/g, 'ROLE'))
        const { csrf } = JSON.parse((await sam.once(`${admin}/admin/v1/me`)).text)
        const forced = await sam.once(`${admin}/device`, {
          method: 'POST',
          headers: { origin: admin, 'content-type': 'application/x-www-form-urlencoded' },
          body: new URLSearchParams({ csrf, user_code: asked.user_code, decision: 'approve' }).toString(),
        })
        assert.equal(forced.status, 403)
        assert.deepEqual([lastDenied()['reason'], lastDenied()['requester']], ['not eligible', 'demo:sam'])
        assert.equal((await poll(asked.device_code)).body.error, 'authorization_pending')
      }
      assert.equal(new Set(pages).size, 1)
      assert.ok(!pages[0]?.includes('Approve'))
    })

    it('get a session of whoever approves the code: another person’s code is one’s own yes', async () => {
      const asked = await begin()
      const lee = await signedIn('lee')
      await dana.once(asked.verification_uri_complete)
      await decide(lee, asked.user_code, 'approve')
      const issued = await poll(asked.device_code)
      assert.equal((await about(issued.body.access_token)).body.requester, 'demo:lee')
    })

    it('lose it when the policy takes the role from the person between the yes and the fetching', async () => {
      const asked = await begin()
      await decide(dana, asked.user_code, 'approve')
      const id = createHash('sha256').update(asked.device_code).digest('hex')
      change(`UPDATE consents SET data = json_set(data, '$.given_by.claims.groups', json('[]')) WHERE id = ?`, id)
      assert.deepEqual(
        [(await poll(asked.device_code)).body.error, lastDenied()['reason']],
        ['invalid_scope', 'not eligible'],
      )
    })

    const FORGED: [
      string,
      (csrf: string) => { headers: { [name: string]: string }; body: { [name: string]: string } },
    ][] = [
      ['without the token of the page', () => ({ headers: { origin: 'HERE' }, body: {} })],
      ['with a wrong token', () => ({ headers: { origin: 'HERE' }, body: { csrf: '0'.repeat(64) } })],
      ['without an Origin', (csrf) => ({ headers: {}, body: { csrf } })],
      ['of another origin', (csrf) => ({ headers: { origin: 'https://evil.example' }, body: { csrf } })],
    ]
    for (const [what, forge] of FORGED) {
      it(`are not let in by a form ${what}`, async () => {
        const asked = await begin()
        const { csrf } = JSON.parse((await dana.once(`${admin}/admin/v1/me`)).text)
        const { headers, body } = forge(csrf)
        const { status } = await dana.once(`${admin}/device`, {
          method: 'POST',
          headers: {
            'content-type': 'application/x-www-form-urlencoded',
            ...headers,
            ...(headers['origin'] === 'HERE' ? { origin: admin } : {}),
          },
          body: new URLSearchParams({ user_code: asked.user_code, decision: 'approve', ...body }).toString(),
        })
        assert.equal(status, 403)
        assert.equal((await poll(asked.device_code)).body.error, 'authorization_pending')
      })
    }

    it('are decided about by nobody who is not signed in', async () => {
      const asked = await begin()
      const { next } = await browser().once(asked.verification_uri_complete)
      assert.equal(next, `${admin}/login?next=%2Fdevice%3Fuser_code%3D${asked.user_code}`)
    })

    it('are not found by guessing: ten wrong codes, and the right one does not open either for a while', async () => {
      const asked = await begin()
      const omar = await signedIn('omar')
      for (let tries = 0; tries < 10; tries++)
        assert.equal((await omar.once(`${admin}/device?user_code=BBBB-BBB${'CDFGHJKLMN'.charAt(tries)}`)).status, 404)
      assert.equal((await omar.once(`${admin}/device?user_code=BBBB-BBBB`)).status, 429)
      assert.equal((await omar.once(asked.verification_uri_complete)).status, 429)
      // It is that person's search, and nobody else's.
      assert.equal((await dana.once(asked.verification_uri_complete)).status, 200)
    })

    const ASKS: [string, { [name: string]: string }, string][] = [
      ['no name', { client_id: '' }, 'invalid_request'],
      ['a name that is too long', { client_id: 'x'.repeat(201) }, 'invalid_request'],
      ['a name that could mislead', { client_id: 'Bank\u202e' }, 'invalid_request'],
      ['no role', { scope: '' }, 'invalid_scope'],
      ['two roles', { scope: 'role:desk role:agent' }, 'invalid_scope'],
      ['another resource', { resource: 'https://evil.example/' }, 'invalid_target'],
    ]
    for (const [what, form, error] of ASKS) {
      it(`are refused with ${what}`, async () => {
        const { status, body } = await post('/oauth/device_authorization', {
          client_id: 'x',
          scope: 'role:desk',
          ...form,
        })
        assert.deepEqual([status, body.error], [400, error])
      })
    }

    it('are refused what is not theirs: another client, no code, a code that never was', async () => {
      const asked = await begin({ resource: `${agents}/mcp` })
      await decide(dana, asked.user_code, 'approve')
      for (const [form, error] of [
        [{ client_id: 'other' }, 'invalid_grant'],
        [{ client_id: '' }, 'invalid_request'],
        [{ device_code: '' }, 'invalid_request'],
        [{ device_code: 'x'.repeat(43) }, 'invalid_grant'],
        [{ resource: 'https://evil.example' }, 'invalid_target'],
        [{ requested_ttl: 'soon' }, 'invalid_request'],
      ] as const) {
        const { status, body } = await poll(asked.device_code, form)
        assert.deepEqual([status, body.error], [400, error], JSON.stringify(form))
      }
      const issued = await poll(asked.device_code, { requested_ttl: '60', resource: agents })
      assert.equal(issued.body.expires_in, 60)
    })

    it('bring one session when two fetch it in the same moment', async () => {
      const asked = await begin()
      await decide(dana, asked.user_code, 'approve')
      const answers = await Promise.all(Array.from({ length: 8 }, () => poll(asked.device_code)))
      assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 400, 400, 400, 400, 400, 400, 400])
    })
  })

  describe('by authorization code and PKCE (RFC 6749, 7636, 8252, 9207)', () => {
    const verifier = randomBytes(32).toString('base64url')
    const CHALLENGE = createHash('sha256').update(verifier).digest('base64url')
    const QUERY = {
      response_type: 'code',
      client_id: 'desktop',
      redirect_uri: REDIRECT,
      scope: 'role:desk',
      state: 'a b&"<\u{1F600}',
      code_challenge: CHALLENGE,
      code_challenge_method: 'S256',
    }
    const address = (more: { [name: string]: string } = {}) =>
      `${admin}/oauth/authorize?${new URLSearchParams({ ...QUERY, ...more }).toString()}`
    const approved = async (person = dana, more: { [name: string]: string } = {}): Promise<URL> =>
      new URL((await person.submit(await person.once(address(more)), { decision: 'approve' })).next ?? 'about:blank')
    const codeOf = async (): Promise<string> => (await approved()).searchParams.get('code') ?? assert.fail('no code')
    const fetchToken = (code: string, more: { [name: string]: string } = {}) =>
      post('/oauth/token', {
        grant_type: 'authorization_code',
        code,
        client_id: 'desktop',
        redirect_uri: REDIRECT,
        code_verifier: verifier,
        ...more,
      })

    it('get a session of the person, with state and issuer in the answer', async () => {
      const card = await dana.once(address())
      for (const part of ['desktop', '127.0.0.1:51004, on this machine', 'Somebody of finance', 'demo:dana'])
        assert.ok(card.text.includes(part), `${part} in ${card.text}`)
      assert.match(card.headers.get('content-security-policy') ?? '', /form-action 'self' http:\/\/127\.0\.0\.1:51004;/)
      const back = await approved()
      assert.equal(`${back.origin}${back.pathname}`, 'http://127.0.0.1:51004/callback')
      assert.deepEqual([...back.searchParams.keys()], ['kept', 'code', 'state', 'iss'])
      assert.deepEqual([back.searchParams.get('state'), back.searchParams.get('iss')], [QUERY.state, agents])
      const issued = await fetchToken(back.searchParams.get('code') ?? '')
      assert.equal(issued.status, 200, issued.text)
      const session = (await about(issued.body.access_token)).body
      assert.deepEqual([session.requester, session.role], ['demo:dana', 'desk'])
      assert.equal(entries('session.issued').at(-1)?.['client'], 'desktop')
    })

    it('once: a code that comes again is refused, and the session that it brought is revoked', async () => {
      const code = await codeOf()
      const issued = await fetchToken(code)
      assert.equal((await about(issued.body.access_token)).status, 200)
      const again = await fetchToken(code)
      assert.deepEqual([again.status, again.body.error], [400, 'invalid_grant'])
      assert.equal((await about(issued.body.access_token)).body.code, 'session_revoked')
      assert.equal(lastDenied()['reason'], 'code used twice')
      const ended = entries('session.ended').at(-1)
      assert.deepEqual(
        [ended?.['session'], ended?.['reason'], ended?.['by']],
        [issued.body.session, 'revoked', 'gateway'],
      )
    })

    it('and of two who fetch it in the same moment neither keeps one', async () => {
      const code = await codeOf()
      const answers = await Promise.all([fetchToken(code), fetchToken(code), fetchToken(code)])
      const won = answers.filter(({ status }) => status === 200)
      assert.equal(won.length, 1)
      assert.equal((await about(won[0]?.body.access_token)).body.code, 'session_revoked')
    })

    const SPOILT: [string, { [name: string]: string }, string][] = [
      ['no verifier', { code_verifier: '' }, 'wrong code_verifier'],
      ['another verifier', { code_verifier: 'x'.repeat(43) }, 'wrong code_verifier'],
      ['the challenge as the verifier', { code_verifier: CHALLENGE }, 'wrong code_verifier'],
      ['a verifier that is too short', { code_verifier: verifier.slice(1) }, 'wrong code_verifier'],
      ['no redirect_uri', { redirect_uri: '' }, 'another redirect_uri'],
      ['another path', { redirect_uri: 'http://127.0.0.1:51004/other' }, 'another redirect_uri'],
      ['another port', { redirect_uri: REDIRECT.replace('51004', '51005') }, 'another redirect_uri'],
      ['another client', { client_id: 'other' }, 'the code of another client'],
      ['the other grant', { grant_type: DEVICE, device_code: 'CODE' }, 'the code of another client'],
    ]
    for (const [what, form, reason] of SPOILT) {
      it(`get nothing with ${what}, and an entry says so`, async () => {
        const code = await codeOf()
        const { status, body } = await fetchToken(code, form['device_code'] ? { ...form, device_code: code } : form)
        assert.deepEqual([status, body.error, lastDenied()['reason']], [400, 'invalid_grant', reason])
        // Whoever has it and all that belongs to it still can.
        assert.equal((await fetchToken(code)).status, 200)
      })
    }

    it('within a minute', async () => {
      const code = await codeOf()
      older(code, 'expires_at', 61_000)
      assert.deepEqual(
        [(await fetchToken(code)).body.error, lastDenied()['reason']],
        ['invalid_grant', 'code too late'],
      )
    })

    const ELSEWHERE = [
      'https://evil.example/callback',
      'http://127.0.0.1.evil.example/',
      'http://127.0.0.1@evil.example/',
      'http://127.0.0.1:80@evil.example/',
      'http://user@127.0.0.1/',
      'http://127.0.0.1\\@evil.example/',
      'http://127.0.0.1:8080#fragment',
      'http://localhost.evil.example',
      'http://127.1/callback',
      'http://0x7f000001/',
      'http://[::1].evil.example/',
      'http://[::ffff:127.0.0.1]/',
      'https://127.0.0.1/callback',
      'http:127.0.0.1/',
      '//127.0.0.1/',
      'javascript:alert(1)//127.0.0.1',
      'keystay://callback',
      'http://127.0.0.1:99999/',
      `http://127.0.0.1/${'x'.repeat(500)}`,
      '',
    ]
    for (const redirect_uri of ELSEWHERE) {
      it(`are told nothing at ${JSON.stringify(redirect_uri).slice(0, 50)}: the person is`, async () => {
        const { status, next, text } = await dana.once(address({ redirect_uri }))
        assert.deepEqual([status, next], [400, null])
        assert.ok(!text.includes('evil') && !text.includes('<form'), text)
      })
    }
    for (const redirect_uri of [
      'http://localhost/',
      'http://[::1]:9/cb',
      'http://127.0.0.1',
      'http://127.0.0.1:1/a?b=c',
    ]) {
      it(`may listen at ${redirect_uri}`, async () => {
        const back = await approved(dana, { redirect_uri })
        const code = back.searchParams.get('code') ?? ''
        assert.equal((await fetchToken(code, { redirect_uri })).status, 200)
      })
    }

    const WRONG: [string, { [name: string]: string }, string][] = [
      ['another response_type', { response_type: 'token' }, 'unsupported_response_type'],
      ['no challenge', { code_challenge: '' }, 'invalid_request'],
      ['a plain challenge', { code_challenge_method: 'plain' }, 'invalid_request'],
      ['no method, which means plain', { code_challenge_method: '' }, 'invalid_request'],
      ['a challenge that is no SHA-256', { code_challenge: 'x'.repeat(42) }, 'invalid_request'],
      ['no client', { client_id: '' }, 'invalid_request'],
      ['no role', { scope: 'openid' }, 'invalid_scope'],
      ['another resource', { resource: 'https://evil.example' }, 'invalid_target'],
    ]
    for (const [what, more, error] of WRONG) {
      it(`are told at their own address, with state and issuer, of ${what}`, async () => {
        const { status, next } = await browser().once(address(more))
        const { searchParams } = new URL(next ?? '')
        assert.deepEqual(
          [
            status,
            searchParams.get('error'),
            searchParams.get('state'),
            searchParams.get('iss'),
            searchParams.get('code'),
          ],
          [303, error, QUERY.state, agents, null],
        )
      })
    }

    it('are asked nothing with a parameter that stands twice', async () => {
      const { status, next } = await dana.once(`${address()}&redirect_uri=${encodeURIComponent('http://localhost/')}`)
      assert.deepEqual([status, next], [400, null])
    })

    it('are asked for every time, and sent to the sign-in first', async () => {
      await approved()
      assert.ok((await dana.once(address())).text.includes('Approve'))
      const { status, next } = await browser().once(address())
      assert.deepEqual([status, next?.startsWith(`${admin}/login?next=%2Foauth%2Fauthorize%3F`)], [303, true])
    })

    it('hear a no, and of a role that is not to be had, as access_denied', async () => {
      const card = await dana.once(address())
      const no = new URL((await dana.submit(card, { decision: 'refuse' })).next ?? '')
      assert.deepEqual([no.searchParams.get('error'), no.searchParams.get('state')], ['access_denied', QUERY.state])
      assert.deepEqual([lastDenied()['reason'], lastDenied()['client']], ['the person refused', 'desktop'])
      const page = await sam.once(address())
      assert.ok(page.text.includes('You can have no session of the role desk'), page.text)
      const { csrf } = JSON.parse((await sam.once(`${admin}/admin/v1/me`)).text)
      const forced = await sam.once(`${admin}/oauth/authorize`, {
        method: 'POST',
        headers: { origin: admin, 'content-type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams({ ...QUERY, csrf, decision: 'approve' }).toString(),
      })
      assert.equal(new URL(forced.next ?? '').searchParams.get('error'), 'access_denied')
      assert.equal(lastDenied()['reason'], 'not eligible')
    })

    it('are not let in by a page of another site', async () => {
      for (const headers of [{ origin: admin }, { origin: 'https://evil.example' }]) {
        const { status, next } = await dana.once(`${admin}/oauth/authorize`, {
          method: 'POST',
          headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
          body: new URLSearchParams({ ...QUERY, decision: 'approve' }).toString(),
        })
        assert.deepEqual([status, next], [403, null])
      }
    })
  })

  it('find in the metadata where they ask (RFC 8414)', async () => {
    const { body } = await gate.agent('/.well-known/oauth-authorization-server')
    assert.deepEqual(
      [body.issuer, body.authorization_endpoint, body.device_authorization_endpoint, body.response_types_supported],
      [agents, `${admin}/oauth/authorize`, `${agents}/oauth/device_authorization`, ['code']],
    )
    assert.deepEqual(body.code_challenge_methods_supported, ['S256'])
    assert.equal(body.authorization_response_iss_parameter_supported, true)
    assert.deepEqual(body.grant_types_supported.slice(2), ['authorization_code', DEVICE])
  })

  it('find nothing of it where no person can sign in', async () => {
    const identity = `issuers: { ci: { issuer: 'https://ci.example', jwks: ./keys.json, audience: keystay } }\n`
    const files = {
      'identity.yaml': identity,
      'keys.json':
        '{"keys":[{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}',
      'roles/agent.yaml': `role: agent\ndescribe: Looks.\nissue_to: [{ issuer: ci, where: 'claims.sub == "bot"' }]\ngrants: { pay.look: }\n`,
      'roles/desk.yaml': '',
    }
    const other = await company({ pay: pay.url, shop: pay.url, blind: pay.url }, files)
    const alone = await house(other, { dev: false })
    try {
      const { body } = await alone.agent('/.well-known/oauth-authorization-server')
      assert.deepEqual([body.response_types_supported, body.grant_types_supported.length], [[], 2])
      assert.deepEqual([body.authorization_endpoint, body.device_authorization_endpoint], [undefined, undefined])
      const form = (path: string, members: { [name: string]: string }) =>
        alone.agent(path, { method: 'POST', body: new URLSearchParams(members) })
      assert.equal((await form('/oauth/device_authorization', { client_id: 'x', scope: 'role:agent' })).status, 404)
      const grant = await form('/oauth/token', { grant_type: DEVICE, device_code: 'x', client_id: 'x' })
      assert.equal(grant.body.error, 'unsupported_grant_type')
    } finally {
      await alone.stop()
      await other.remove()
    }
  })
})
