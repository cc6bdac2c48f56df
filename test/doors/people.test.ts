import assert from 'node:assert/strict'
import request from 'supertest'
import { Problem } from '../../gateway/core/problem.ts'
import { issuerNamed, jws, byEc, SECONDS } from '../identity/company.ts'
import { house } from './house.ts'
import type { House } from './house.ts'
import { STORY } from './plain-gateway.ts'

let home: House
before(async () => {
  home = await house()
})
after(() => home.close())
beforeEach(() => {
  home.gateway.asked.length = 0
  home.gateway.refusals.length = 0
  home.gateway.answer = null
  home.gateway.unready = null
})

const get = (path: string) => request(home.admin.url).get(path).set('Authorization', home.dana)
const post = (path: string) => request(home.admin.url).post(path).set('Authorization', home.dana)

describe('the people’s door', () => {
  it('asks for calls by every filter that there is', async () => {
    const query =
      'role=r&action=a.b&status=held&session=ses_1&person=demo:dana&because=grants.a.b.max&evidence=req_1&since=2026-11-23T00:00:00Z&until=2026-11-24&cursor=call_9&limit=50'
    const { status, body } = await get(`/admin/v1/calls?${query}`)
    assert.deepEqual([status, body], [200, { calls: [], cursor: null }])
    await get('/admin/v1/calls')
    assert.deepEqual(home.gateway.asked, [
      [
        'people.calls',
        'demo:dana',
        {
          role: 'r',
          action: 'a.b',
          session: 'ses_1',
          person: 'demo:dana',
          because: 'grants.a.b.max',
          evidence: 'req_1',
          cursor: 'call_9',
          status: 'held',
          since: Date.UTC(2026, 10, 23),
          until: Date.UTC(2026, 10, 24),
          limit: 50,
        },
      ],
      ['people.calls', 'demo:dana', {}],
    ])
  })

  it('hands every decision in, with who decides and what they saw', async () => {
    const answers = [
      await get('/admin/v1/calls/call_1'),
      await post('/admin/v1/calls/call_1/approve').send({ card: 'sha256:card' }),
      await post('/admin/v1/calls/call_1/reject').send({ reason: 'No.' }),
      await post('/admin/v1/calls/call_1/settle').send({ outcome: 'done', reason: 'Seen there.' }),
      await get('/admin/v1/sessions?role=r&live=true'),
      await get('/admin/v1/sessions?person=demo:bot&cursor=ses_2&limit=1'),
      await post('/admin/v1/sessions/ses_1/revoke'),
      await post('/admin/v1/sessions/ses_1/revoke').send({ reason: 'Its key was seen elsewhere.' }),
      await get('/admin/v1/calls/call_1/proof'),
      await get('/admin/v1/roles'),
      await get('/admin/v1/limits'),
      await request(home.admin.url)
        .put('/admin/v1/switches/role:support-agent')
        .set('Authorization', home.dana)
        .send({ on: true, reason: 'Incident.' }),
      await request(home.admin.url)
        .put('/admin/v1/switches/action%3Arefund')
        .set('Authorization', home.dana)
        .send({ on: false, reason: 'Over.' }),
      await get('/admin/v1/policy'),
    ]
    assert.deepEqual(
      answers.map(({ status }) => status),
      answers.map(() => 200),
    )
    assert.deepEqual(answers[1]?.body, STORY)
    assert.deepEqual(home.gateway.asked, [
      ['people.story', 'demo:dana', 'call_1'],
      ['people.approve', 'demo:dana', 'call_1', 'sha256:card'],
      ['people.reject', 'demo:dana', 'call_1', 'No.'],
      ['people.settle', 'demo:dana', 'call_1', 'done', 'Seen there.'],
      ['people.sessions', 'demo:dana', { role: 'r', live: true }],
      ['people.sessions', 'demo:dana', { person: 'demo:bot', before: 'ses_2', limit: 1 }],
      ['people.revoke', 'demo:dana', 'ses_1'],
      ['people.revoke', 'demo:dana', 'ses_1', 'Its key was seen elsewhere.'],
      ['people.proof', 'demo:dana', 'call_1'],
      ['people.roles', 'demo:dana'],
      ['people.limits', 'demo:dana'],
      ['people.setSwitch', 'demo:dana', 'role:support-agent', true, 'Incident.'],
      ['people.setSwitch', 'demo:dana', 'action:refund', false, 'Over.'],
      ['people.policy', 'demo:dana'],
    ])
  })

  it('answers what the gateway refuses as it says, which has an entry of its own', async () => {
    home.gateway.answer = new Problem('own_call', 'You asked for it yourself.')
    const { status, body } = await post('/admin/v1/calls/call_1/approve').send({ card: 'c' })
    assert.deepEqual([status, body.code, home.gateway.refusals], [403, 'own_call', []])
  })

  it('decides nothing while nothing can be admitted, and still shows', async () => {
    home.gateway.unready = 'the store is away'
    const [decided, shown] = [
      await post('/admin/v1/calls/call_1/approve').send({ card: 'c' }),
      await get('/admin/v1/calls/call_1'),
    ]
    assert.deepEqual([decided.status, decided.body.code, shown.status], [503, 'ledger_unavailable', 200])
  })

  it('takes a token of staff, and no workload’s, no session’s', async () => {
    const staff = jws(
      { alg: 'ES256', kid: 'ec-1' },
      { iss: issuerNamed('staff').issuer, aud: 'console', sub: 'u-1', exp: SECONDS + 60 },
      byEc,
    )
    const workload = jws(
      { alg: 'ES256', kid: 'ec-1' },
      { iss: issuerNamed('ci').issuer, aud: 'keystay', sub: 'u-1', exp: SECONDS + 60 },
      byEc,
    )
    const statuses = []
    for (const header of [`Bearer ${staff}`, `Bearer ${workload}`, home.bearer]) {
      const { status, headers } = await request(home.admin.url).get('/admin/v1/limits').set('Authorization', header)
      statuses.push([
        status,
        headers['www-authenticate']?.startsWith('Bearer realm="keystay", error="invalid_token"') ?? false,
      ])
    }
    assert.deepEqual(statuses, [
      [200, false],
      [401, true],
      [401, true],
    ])
  })

  it('takes a page of its own host, by its own name', async () => {
    const { status } = await get('/admin/v1/limits').set('Origin', home.admin.url)
    assert.equal(status, 200)
  })
})

describe('POST /dev/token', () => {
  const dev = (ask: object, headers: Record<string, string> = {}) =>
    request(home.admin.url).post('/dev/token').set(headers).send(ask)

  it('signs for an account, and for a role’s first account', async () => {
    const [account, role] = [await dev({ account: 'sam' }), await dev({ role: 'support-agent' })]
    assert.deepEqual([account.status, account.body.account, role.body.account], [200, 'sam', 'support-bot'])
    const { status } = await request(home.admin.url)
      .get('/admin/v1/limits')
      .set('Authorization', `Bearer ${account.body.subject_token}`)
    assert.equal(status, 200)
  })

  for (const host of ['localhost:8788', '127.0.0.1', '[::1]:8788', 'LOCALHOST']) {
    it(`is reached as ${host}`, async () => assert.equal((await dev({ account: 'dana' }, { Host: host })).status, 200))
  }

  const refused: readonly (readonly [string, object, Record<string, string>, number, string])[] = [
    ['a rebound name', { account: 'dana' }, { Host: 'evil.example:8788' }, 403, 'not_eligible'],
    ['a name that begins like ours', { account: 'dana' }, { Host: 'localhost.evil.example' }, 403, 'not_eligible'],
    ['an address that begins like ours', { account: 'dana' }, { Host: '127.0.0.1.evil.example' }, 403, 'not_eligible'],
    ['user information', { account: 'dana' }, { Host: 'localhost@evil.example' }, 403, 'not_eligible'],
    ['a page of another origin', { account: 'dana' }, { Origin: 'https://evil.example' }, 403, 'not_eligible'],
    ['even a page of its own', { account: 'dana' }, { Origin: 'http://127.0.0.1' }, 403, 'not_eligible'],
    ['a page’s plain form', { account: 'dana' }, { 'Content-Type': 'text/plain' }, 415, 'not_json'],
    ['an unknown account', { account: 'eve' }, {}, 422, 'input_invalid'],
    ['an unknown role', { role: 'root' }, {}, 422, 'input_invalid'],
    ['both', { role: 'support-agent', account: 'dana' }, {}, 422, 'input_invalid'],
    ['neither', {}, {}, 422, 'input_invalid'],
  ]
  for (const [what, ask, headers, status, code] of refused) {
    it(`refuses ${what}: ${code}`, async () => {
      const asText = headers['Content-Type'] === 'text/plain' ? JSON.stringify(ask) : ask
      const answer = await request(home.admin.url).post('/dev/token').set(headers).send(asText)
      assert.deepEqual([answer.status, answer.body.code, 'subject_token' in answer.body], [status, code, false])
    })
  }

  it('is not there outside --dev', async () => {
    const strict = await house({ withoutDev: true })
    const { status, body } = await request(strict.admin.url).post('/dev/token').send({ account: 'dana' })
    await strict.close()
    assert.deepEqual([status, body.code], [404, 'no_such_route'])
  })
})
