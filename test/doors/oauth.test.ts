import assert from 'node:assert/strict'
import request from 'supertest'
import { SECONDS } from '../identity/company.ts'
import { house, raw, TOKEN_FORM, WORKLOAD_PROOF } from './house.ts'
import type { House } from './house.ts'

let home: House
beforeEach(async () => {
  home = await house({ body: { body_max: 64 * 1024, body_ms: 300 } })
})
afterEach(() => home.close())

const token = () => request(home.agent.url).post('/oauth/token').type('form')

describe('POST /oauth/token', () => {
  it('answers a proof with a session token that works, never to be cached', async () => {
    const { status, body, headers } = await token().send(TOKEN_FORM)
    const { access_token, ...rest } = body as { access_token: string }
    assert.deepEqual(
      [status, rest],
      [
        200,
        {
          issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
          token_type: 'Bearer',
          expires_in: 7200,
          scope: 'role:support-agent',
          session: 'ses_2',
        },
      ],
    )
    assert.deepEqual(
      [headers['cache-control'], headers['pragma'], headers['content-type']],
      ['no-store', 'no-cache', 'application/json; charset=utf-8'],
    )
    const seen = await request(home.agent.url).get('/v1/session').set('Authorization', `Bearer ${access_token}`)
    assert.equal(seen.body.session, 'ses_2')
  })

  const FORM = 'Content-Type: application/x-www-form-urlencoded'
  const bad: readonly (readonly [string, number, string, readonly string[], string])[] = [
    ['JSON', 400, 'malformed', ['Content-Type: application/json'], JSON.stringify(TOKEN_FORM)],
    ['no media type', 400, 'malformed', [], 'grant_type=x'],
    ['a parameter twice', 400, 'malformed', [FORM], 'grant_type=x&grant_type=x'],
    ['a parameter twice, one encoded', 400, 'malformed', [FORM], 'grant_type=x&grant%5Ftype=x'],
    ['a broken encoding', 400, 'malformed', [FORM], 'grant_type=%zz'],
    ['encoded bytes that are no UTF-8', 400, 'malformed', [FORM], 'grant_type=%c3%28'],
    ['raw bytes', 400, 'malformed', [FORM], 'grant_type=ä'],
    ['65 parameters', 400, 'malformed', [FORM], Array.from({ length: 65 }, (_, at) => `p${at}=1`).join('&')],
    ['70 KB', 413, 'too_large', [FORM], `grant_type=${'x'.repeat(70_000)}`],
    ['half a body', 408, 'too_slow', [FORM, 'Content-Length: 100'], 'grant'],
    ['nothing', 400, 'invalid_request', [FORM], ''],
    ['a bare name', 400, 'invalid_request', [FORM], 'grant_type'],
  ]
  for (const [what, status, counted, headers, body] of bad) {
    it(`answers ${what} with ${status} in the words of RFC 6749, and counts ${counted}`, async () => {
      const length = headers.some((line) => line.startsWith('Content-Length'))
        ? []
        : [`Content-Length: ${Buffer.byteLength(body)}`]
      const head = ['POST /oauth/token HTTP/1.1', 'Host: a', 'Connection: close', ...length, ...headers, '', body].join(
        '\r\n',
      )
      const [answer] = await raw(home.agent.url, head)
      const { error, error_description: text } = JSON.parse(answer?.body ?? '{}') as {
        error?: string
        error_description?: string
      }
      assert.deepEqual([answer?.status, error, typeof text], [status, 'invalid_request', 'string'])
      assert.equal(answer?.headers['content-type'], 'application/json; charset=utf-8')
      assert.deepEqual(home.gateway.refusals, [`${counted} 127.0.0.1`])
    })
  }

  it('answers a refused proof with 400 and an entry, and one error to all roles that cannot be had', async () => {
    const answers = []
    for (const role of ['tied-not', 'demo-finance'])
      answers.push((await token().send({ ...TOKEN_FORM, scope: `role:${role}` })).body)
    assert.equal(answers[0].error, 'invalid_scope')
    assert.deepEqual(answers[0], answers[1])
    assert.deepEqual(
      home.store.written.slice(1).map(({ op }) => op),
      ['session.deny', 'session.deny'],
    )
    assert.deepEqual(home.gateway.refusals, [])
  })

  it('answers 503 when the store is away, and 500 to a fault, both without a word of it', async () => {
    home.store.fault = Object.assign(new Error('disk full at /data'), { name: 'StoreUnavailable' })
    const away = await token().send(TOKEN_FORM)
    home.store.fault = new Error('a bug at /data')
    const fault = await token().send(TOKEN_FORM)
    assert.deepEqual(
      [away.status, away.body.error, fault.status, fault.body.error],
      [503, 'temporarily_unavailable', 500, 'server_error'],
    )
    assert.ok(!`${away.text}${fault.text}`.includes('/data'))
    assert.deepEqual(home.faults, [home.store.fault])
  })
})

describe('POST /oauth/introspect', () => {
  const introspect = (form: object, bearer = home.bearer) =>
    request(home.agent.url).post('/oauth/introspect').set('Authorization', bearer).type('form').send(form)

  it('tells whoever has a session about a token that they were shown, and not why one does not work', async () => {
    const { body } = await token().send(TOKEN_FORM)
    const { status, body: said, headers } = await introspect({ token: body.access_token })
    assert.deepEqual(
      [status, said, headers['cache-control']],
      [
        200,
        {
          active: true,
          token_type: 'Bearer',
          scope: 'role:support-agent',
          sub: 'ci:agents:support',
          iat: SECONDS,
          exp: SECONDS + 7200,
          session: body.session,
          lineage: body.session,
        },
        'no-store',
      ],
    )
    await request(home.agent.url).post('/oauth/revoke').type('form').send({ token: body.access_token })
    for (const gone of [body.access_token, 'kst_unknown', WORKLOAD_PROOF])
      assert.deepEqual((await introspect({ token: gone })).body, { active: false })
  })

  it('names the person as the subject and the agent as the actor', async () => {
    const actor_token = home.dana.replace('Bearer ', '')
    const form = { ...TOKEN_FORM, actor_token, actor_token_type: TOKEN_FORM.subject_token_type }
    const { body } = await token().send(form)
    const { sub, act } = (await introspect({ token: body.access_token })).body
    assert.deepEqual([sub, act], ['demo:dana', { sub: 'ci:agents:support' }])
  })

  it('tells nobody else, and says where to get a token', async () => {
    const where = 'resource_metadata="https://keystay.example/.well-known/oauth-protected-resource"'
    const mine = home.bearer.replace('Bearer ', '')
    for (const bearer of ['', 'Bearer kst_x']) {
      const { status, body, headers } = await introspect({ token: mine }, bearer)
      assert.deepEqual([status, body.error], [401, 'invalid_token'])
      assert.ok(headers['www-authenticate']?.endsWith(where), headers['www-authenticate'])
    }
    assert.deepEqual(home.gateway.refusals, ['token_missing 127.0.0.1', 'token_invalid 127.0.0.1'])
  })

  it('needs a token', async () => {
    assert.deepEqual((await introspect({})).body, { error: 'invalid_request', error_description: 'token is missing.' })
  })
})

describe('the documents about the agents’ listener', () => {
  const read = async (path: string) => (await request(home.agent.url).get(`/.well-known/${path}`)).body

  it('name what there is, and leave out what there is not (RFC 8414)', async () => {
    const base = 'https://keystay.example'
    assert.deepEqual(await read('oauth-authorization-server'), {
      issuer: base,
      token_endpoint: `${base}/oauth/token`,
      token_endpoint_auth_methods_supported: ['none'],
      grant_types_supported: [
        'urn:ietf:params:oauth:grant-type:token-exchange',
        'urn:ietf:params:oauth:grant-type:jwt-bearer',
      ],
      response_types_supported: [],
      revocation_endpoint: `${base}/oauth/revoke`,
      revocation_endpoint_auth_methods_supported: ['none'],
      introspection_endpoint: `${base}/oauth/introspect`,
      introspection_endpoint_auth_methods_supported: ['Bearer'],
    })
  })

  it('say who gives tokens for it (RFC 9728), as every challenge does', async () => {
    assert.deepEqual(await read('oauth-protected-resource'), {
      resource: 'https://keystay.example',
      resource_name: 'Keystay',
      authorization_servers: ['https://keystay.example'],
      bearer_methods_supported: ['header'],
    })
    const challenge = 'resource_metadata="https://keystay.example/.well-known/oauth-protected-resource"'
    for (const [method, path] of [
      ['get', '/v1/session'],
      ['post', '/mcp'],
    ] as const) {
      const { status, headers } = await request(home.agent.url)[method](path)
      assert.equal(status, 401)
      assert.equal(headers['www-authenticate'], `Bearer realm="keystay", ${challenge}`)
    }
    const people = await request(home.admin.url).get('/admin/v1/calls')
    assert.equal(people.headers['www-authenticate'], 'Bearer realm="keystay"')
  })
})

describe('POST /oauth/revoke', () => {
  const revoke = (form: object) => request(home.agent.url).post('/oauth/revoke').type('form').send(form)

  it('ends the session of the token, and answers 200 to tokens that it does not know', async () => {
    const mine = home.bearer.replace('Bearer ', '')
    const answers = [
      await revoke({ token: 'kst_unknown' }),
      await revoke({ token: mine, token_type_hint: 'access_token' }),
      await revoke({ token: mine }),
    ]
    assert.deepEqual(
      answers.map(({ status, text }) => [status, text]),
      [
        [200, ''],
        [200, ''],
        [200, ''],
      ],
    )
    const { status, body } = await request(home.agent.url).get('/v1/session').set('Authorization', home.bearer)
    assert.deepEqual([status, body.code], [401, 'session_revoked'])
  })

  it('needs a token', async () => {
    const { status, body } = await revoke({})
    assert.deepEqual([status, body], [400, { error: 'invalid_request', error_description: 'token is missing.' }])
  })
})
