import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { cp, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ServeOptions } from '../../gateway/main.ts'
import { verifyStore } from '../../gateway/store/verify.ts'
import { startCutting } from '../backends/cutting-proxy.ts'
import type { CuttingProxy } from '../backends/cutting-proxy.ts'
import { startLying } from '../backends/lying.ts'
import type { LyingBackend } from '../backends/lying.ts'
import { sdkOf, standing } from '../compat/house.ts'
import { startPostgres } from '../backends/postgres.ts'
import { browser } from '../identity/browser.ts'
import type { Browser } from '../identity/browser.ts'
import type { Database } from '../backends/postgres.ts'
import { gatewayProcess } from '../kill/process.ts'
import { visiting } from '../passkeys/person.ts'
import { company, writePolicies } from './company.ts'
import { house } from './gateway.ts'
import type { House } from './gateway.ts'

describe('two replicas on one PostgreSQL', function () {
  this.timeout(60_000)
  let server: Database
  let proxy: CuttingProxy
  let backends: { pay: LyingBackend; shop: LyingBackend; blind: LyingBackend }
  let where: Awaited<ReturnType<typeof company>>
  let store: string
  let one: House
  let other: House

  const replica = (url = store, more: Partial<ServeOptions> = {}): Promise<House> => {
    const ledgerKey = `file://${join(where.dir, 'keystay.db.ledger-key')}`
    return house(where, { store: url, ledgerKey, lookEvery_ms: 50, ...more })
  }
  const until = async (what: string, holds: () => boolean | Promise<boolean>): Promise<void> => {
    for (let tries = 0; tries < 200; tries++) {
      if (await holds()) return
      await sleep(50)
    }
    assert.fail(`it never came: ${what}`)
  }
  const paid = (charge: string): number => backends.pay.effects.filter(({ body }) => body['charge'] === charge).length

  before(async () => {
    server = await startPostgres(['log_statement=none'])
    proxy = await startCutting(server.port)
  })
  after(async () => {
    await proxy?.close()
    await server?.stop()
  })
  beforeEach(async () => {
    backends = {
      pay: await startLying(),
      shop: await startLying({ idempotency: false }),
      blind: await startLying({ idempotency: false }),
    }
    where = await company({ pay: backends.pay.url, shop: backends.shop.url, blind: backends.blind.url })
    store = await server.fresh()
    one = await replica(store.replace(/:\d+\//, `:${proxy.port}/`))
    other = await replica()
  })
  afterEach(async () => {
    await Promise.all([one?.stop(), other?.stop()])
    const report = await verifyStore(store)
    assert.deepEqual(report.problems, [])
    await Promise.all(Object.values(backends).map((backend) => backend.close()))
    await where.remove()
  })

  it('know each other’s people, and finish what was begun at the other', async () => {
    await writePolicies(where.policies, {
      'roles/desk.yaml': `role: desk
describe: Somebody of finance.
issue_to: [{ group: finance }]
grants: { pay.look: }
`,
    })
    const url = ({ running }: House) => running.adminUrl
    await until('the role', () => [one, other].every(({ running }) => running.gateway.policy().roles.has('desk')))
    const post = (gate: House, path: string, form: { [name: string]: string }) =>
      gate.agent(path, { method: 'POST', body: new URLSearchParams({ client_id: 'desktop', ...form }) })
    const dana: Browser = browser()
    await dana.open(one.running.signInLink('dana') ?? '')
    assert.equal((await dana.once(`${url(other)}/admin/v1/calls`)).status, 200)

    // Asked at one, decided at the other, fetched at one: of many that fetch it at both, one gets it.
    const { body: asked } = await post(one, '/oauth/device_authorization', { scope: 'role:desk' })
    const card = await dana.once(`${url(other)}/device?user_code=${asked.user_code}`)
    await dana.submit(card, { decision: 'approve' })
    const device = { grant_type: 'urn:ietf:params:oauth:grant-type:device_code', device_code: asked.device_code }
    const fetched = await Promise.all([one, other, one, other].map((gate) => post(gate, '/oauth/token', device)))
    assert.deepEqual(fetched.map(({ status }) => status).sort(), [200, 400, 400, 400])

    const code_verifier = 'v'.repeat(43)
    const redirect_uri = 'http://127.0.0.1:9/cb'
    const query = new URLSearchParams({
      response_type: 'code',
      client_id: 'desktop',
      redirect_uri,
      scope: 'role:desk',
      code_challenge: createHash('sha256').update(code_verifier).digest('base64url'),
      code_challenge_method: 'S256',
    })
    const consent = await dana.once(`${url(one)}/oauth/authorize?${query.toString()}`)
    const back = new URL((await dana.submit(consent, { decision: 'approve' })).next ?? '')
    const grant = {
      grant_type: 'authorization_code',
      code: back.searchParams.get('code') ?? '',
      redirect_uri,
      code_verifier,
    }
    const issued = await post(other, '/oauth/token', grant)
    assert.equal(issued.status, 200, issued.text)
    const about = () => one.agent('/v1/session', { headers: { authorization: `Bearer ${issued.body.access_token}` } })
    assert.equal((await about()).body.requester, 'demo:dana')
    // A code that comes again at the other ends it at both.
    assert.equal((await post(one, '/oauth/token', grant)).body.error, 'invalid_grant')
    assert.equal((await about()).body.code, 'session_revoked')

    await dana.submit(await dana.once(`${url(other)}/me`))
    assert.equal(dana.cookies.size, 0)
  })

  it('know each other’s passkeys, and take one use of each', async () => {
    const [here, there] = [await visiting(one, 'dana'), await visiting(other, 'dana')]
    const key = await here.passkey(true)
    assert.equal((await there.get('/admin/v1/passkeys')).body['passkeys'][0].person, 'demo:dana')
    const token = await one.token()
    const calls: string[] = []
    for (const name of ['ch_p1', 'ch_p2']) {
      const { body } = await one.call(token, 'pay.refund', { charge: name, amount: 6000 }, name)
      calls.push(body.call as string)
    }
    // Two cards signed with one count, sent to both at once: one of them is a copy's.
    const yeses = await Promise.all(
      [here, there].map(async (person, index) => {
        const { card, options } = await person.optionsFor(calls[index] ?? '')
        return { card, passkey: key.get(options, { origin: person.origin, counter: 7 }) }
      }),
    )
    const answers = await Promise.all(
      [here, there].map((person, index) => person.post(`/admin/v1/calls/${calls[index]}/approve`, yeses[index])),
    )
    const outcomes = answers.map(({ body }) => String(body['code'] ?? body['status'])).sort()
    assert.deepEqual(outcomes, ['done', 'passkey_required'], JSON.stringify(answers))
    assert.equal(paid('ch_p1') + paid('ch_p2'), 1)
    assert.deepEqual((await verifyStore(store)).passkeys, { checked: 1, erased: 0 })
  })

  it('answer for each other’s calls, sessions and holds', async () => {
    const token = await one.token()
    const input = { charge: 'ch_1', amount: 700 }
    const done = await one.call(token, 'pay.refund', input, 'k1')
    const again = await other.call(token, 'pay.refund', input, 'k1')
    assert.deepEqual([again.body.call, again.headers.get('idempotency-replayed')], [done.body.call, 'true'])
    assert.equal((await other.call(token, 'pay.refund', { ...input, amount: 1 }, 'k1')).body.code, 'key_reused')
    assert.equal(paid('ch_1'), 1)

    const held = await one.call(token, 'pay.refund', { charge: 'ch_2', amount: 6000 }, 'k2')
    const waiting = one.show(token, held.body.call, 20)
    const began = performance.now()
    // People's tokens are those of one replica's demo issuer; the story is the same at both.
    assert.equal((await other.approve('dana', held.body.call)).body.status, 'done')
    assert.equal((await waiting).body.status, 'done')
    assert.ok(performance.now() - began < 5000)
  })

  it('let one of two equal requests act whose keys an SDK made up, and tell one what came of it', async () => {
    await standing(where.policies)
    await Promise.all([one.stop(), other.stop()])
    one = await replica(store, { stripeListen: '127.0.0.1:0' })
    other = await replica(store, { stripeListen: '127.0.0.1:0' })
    const token = await one.token()
    const ask = async (gate: House, amount: number): Promise<string> => {
      const refunds = sdkOf(gate.running.stripeUrl ?? '', token).refunds
      const said = await refunds.create({ charge: 'ch_j', amount }).catch((error: { requestId: string }) => error)
      return 'requestId' in said ? said.requestId : said.lastResponse.requestId
    }
    const both = (amount: number) => [one, other, one, other, one, other].map((gate) => ask(gate, amount))

    backends.pay.lie({ kind: 'slow', ms: 300, method: 'POST' })
    assert.equal(new Set(await Promise.all(both(100))).size, 1)
    assert.equal(paid('ch_j'), 1)

    const held = new Set(await Promise.all(both(6000)))
    assert.equal(held.size, 1)
    const [id = ''] = held
    await other.admin('dana', 'POST', `/admin/v1/calls/${id}/reject`, { reason: 'no' })
    const after = await Promise.all(both(6000))
    // One is told of the no; the five others are one new call.
    assert.deepEqual([after.filter((call) => call === id).length, new Set(after).size], [1, 2])
    assert.equal(paid('ch_j'), 1)
  })

  it('act once where one of them was too late to say whether what came of a refund was told', async () => {
    await standing(where.policies)
    await Promise.all([one.stop(), other.stop()])
    const tells = { now: (): void => {} }
    const step = (name: string): void => (name === 'join.tells' ? tells.now() : undefined)
    one = await replica(store.replace(/:\d+\//, `:${proxy.port}/`), {
      stripeListen: '127.0.0.1:0',
      ledgerDeadline_ms: 300,
      step,
    })
    other = await replica(store, { stripeListen: '127.0.0.1:0' })
    const token = await one.token()
    const ask = async (gate: House, charge: string): Promise<string | number> => {
      const { refunds } = sdkOf(gate.running.stripeUrl ?? '', token, { maxNetworkRetries: 0 })
      const said = await refunds.create({ charge, amount: 100 }).catch((error: { statusCode: number }) => error)
      return 'statusCode' in said ? said.statusCode : said.lastResponse.requestId
    }
    // The mark is kept, and its answer is lost; what could tell more of it stands still.
    const lost = async (charge: string): Promise<string | number> => {
      const { cuts } = proxy
      tells.now = () => proxy.cutCommit('after')
      const answer = ask(one, charge)
      const is = { answered: false }
      void answer.finally(() => (is.answered = true))
      while (proxy.cuts === cuts && !is.answered) await new Promise((resolve) => setImmediate(resolve))
      proxy.hold(true)
      tells.now = () => {}
      return answer
    }
    // Another COMMIT may come in between, of a process that says that it lives.
    let charge = 'ch_0'
    for (let tries = 1; (await lost(charge)) !== 503 && tries < 5; tries++) {
      proxy.hold(false)
      charge = `ch_${tries}`
      await until('it is ready', async () => (await one.agent('/readyz')).status === 200)
    }
    const anew = ask(other, charge)
    await sleep(300)
    proxy.hold(false)
    const told = await anew
    assert.equal(paid(charge), 1)
    assert.notEqual(await ask(other, charge), told)
    assert.equal(paid(charge), 2)
  })

  it('renew each other’s sessions, and end them together', async () => {
    const renew = async (gate: House, session: string, more: Record<string, string> = {}) => {
      const answer = await gate.agent('/oauth/token', {
        method: 'POST',
        body: new URLSearchParams({
          grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
          subject_token: await gate.person('bot'),
          subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
          scope: 'role:agent',
          session,
          ...more,
        }),
      })
      assert.equal(answer.status, 200, answer.text)
      return { token: String(answer.body.access_token), session: String(answer.body.session) }
    }
    const about = (gate: House, token: string) =>
      gate.agent('/v1/session', { headers: { authorization: `Bearer ${token}` } })
    const first = await one.token()
    const { session } = (await about(one, first)).body
    const held = await one.call(first, 'pay.refund', { charge: 'ch_r', amount: 6000 }, 'kr')
    const renewed = await renew(other, session)
    // Nobody has used it yet: what it renews lives at both. Its first use at one of them ends that at the other.
    assert.deepEqual([(await about(one, first)).status, (await about(other, first)).status], [200, 200])
    const used = await about(one, renewed.token)
    assert.deepEqual([used.body.session, used.body.lineage], [renewed.session, session])
    for (const gate of [other, one]) assert.equal((await about(gate, first)).body.code, 'session_revoked')

    // Two at once from the same one: the later takes the place of the earlier, which nobody used.
    const two = await Promise.all([renew(one, renewed.session), renew(other, renewed.session)])
    const alive = await Promise.all(two.map(async ({ token }) => (await about(other, token)).status))
    assert.deepEqual(alive.sort(), [200, 401])

    await other.admin('sam', 'POST', `/admin/v1/sessions/${session}/revoke`)
    for (const token of [first, renewed.token, ...two.map((each) => each.token)])
      assert.equal((await about(one, token)).body.code, 'session_revoked')
    assert.equal((await one.admin('dana', 'GET', `/admin/v1/calls/${held.body.call}`)).body.status, 'cancelled')

    const over = await renew(one, (await about(one, await one.token())).body.session, { requested_ttl: '1' })
    await until('its end is written', async () => {
      const { sessions } = (await other.admin('sam', 'GET', '/admin/v1/sessions')).body
      return sessions.some((row: { session: string; ended_reason: string }) => {
        return row.session === over.session && row.ended_reason === 'expired'
      })
    })
    assert.equal((await about(other, over.token)).body.code, 'session_expired')
  })

  it('let exactly ten of 400 through a budget with room for ten, whoever is asked', async () => {
    const [mine, yours] = [await one.token(), await other.token()]
    const answers = await Promise.all(
      Array.from({ length: 400 }, (_, n) => {
        const [gate, token] = n % 2 === 0 ? [one, mine] : [other, yours]
        return gate.call(token, 'pay.refund', { charge: `ch_${n}`, amount: 5000 }, `k-${n}`)
      }),
    )
    assert.equal(backends.pay.effects.length, 10)
    assert.equal(answers.filter(({ status }) => status === 200).length, 10)
  })

  it('do one thing for one key, however often both are asked at once', async () => {
    const token = await one.token()
    const input = { charge: 'ch_same', amount: 100 }
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, n) => (n % 2 === 0 ? one : other).call(token, 'pay.refund', input, 'same')),
    )
    assert.equal(paid('ch_same'), 1)
    assert.deepEqual([...new Set(answers.map(({ status, body }) => `${status} ${body.status}`))], ['200 done'])
    assert.equal(new Set(answers.map(({ body }) => body.call)).size, 1)
  })

  it('obey what people say at either of them', async () => {
    const token = await one.token()
    await other.admin('sam', 'PUT', '/admin/v1/switches/role:agent', { on: true, reason: 'a test' })
    const frozen = await one.call(token, 'pay.refund', { charge: 'ch_3', amount: 100 }, 'k3')
    assert.equal(frozen.body.code, 'frozen')
    await one.admin('sam', 'PUT', '/admin/v1/switches/role:agent', { on: false, reason: 'a test' })
    assert.equal((await other.call(token, 'pay.refund', { charge: 'ch_3', amount: 100 }, 'k3')).status, 200)
  })

  it('follow the policy that was loaded last, with limits that were seeded while both admit', async () => {
    const token = await one.token()
    for (const n of [1, 2]) {
      const answer = await (n === 1 ? one : other).call(
        token,
        'pay.refund',
        { charge: `ch_${n}`, amount: 4000 },
        `s${n}`,
      )
      assert.equal(answer.status, 200)
    }
    // Another window is another limit: it begins with what was spent today.
    const roles = await readFile(join(where.policies, 'roles/agent.yaml'), 'utf8')
    await writePolicies(where.policies, {
      'roles/agent.yaml': roles.replace('500.00 USD per day', '100.00 USD per rolling 24h'),
    })
    await until('both decide by the new policy', () => {
      const digests = [one, other].map(({ running }) => running.policyDigest)
      return digests[0] === digests[1] && one.log.some((line) => /policy changed/.test(line))
    })
    const more = await Promise.all(
      [one, other].map((gate, n) => gate.call(token, 'pay.refund', { charge: `ch_${n + 5}`, amount: 2000 }, `t${n}`)),
    )
    assert.deepEqual(more.map(({ status }) => status).sort(), [200, 403])
  })

  describe('with directories that say different things', () => {
    let theirs: string
    let third: House
    const roleOf = async (old: string, now: string): Promise<void> => {
      const role = await readFile(join(theirs, 'roles/agent.yaml'), 'utf8')
      await writePolicies(theirs, { 'roles/agent.yaml': role.replace(old, now) })
    }
    beforeEach(async () => {
      theirs = join(where.dir, 'theirs')
      await cp(where.policies, theirs, { recursive: true })
    })
    afterEach(() => third?.stop())

    it('keep the policy that was loaded last: a directory that nobody touched does not come back', async () => {
      // Its first look at its own directory comes when another one decides already.
      const slow = await replica(store, { lookEvery_ms: 600 })
      const looked = sleep(2000)
      await roleOf('500.00 USD per day', '400.00 USD per day')
      third = await replica(store, { policies: theirs })
      const digest = third.running.policyDigest
      await until('all decide by it', () => [one, other, slow].every(({ running }) => running.policyDigest === digest))
      proxy.hold(true)
      proxy.cutAll()
      await until('it was asked in vain', () => one.log.some((line) => /loaded is not known/.test(line)))
      proxy.hold(false)
      await until('it is ready', async () => (await one.agent('/readyz')).status === 200)
      await looked
      await slow.stop()
      assert.deepEqual(
        [one, other, slow, third].map(({ running }) => running.policyDigest),
        [digest, digest, digest, digest],
      )
    })

    it('are not ready where that policy cannot be used, and keep nobody waiting there', async () => {
      const slow = await replica(store, { lookEvery_ms: 1000 })
      const backends = await readFile(join(theirs, 'backends.yaml'), 'utf8')
      const fresh = { 'backends.yaml': backends.replace('env://KEYSTAY_TEST_KEY', 'env://KEYSTAY_TEST_ELSEWHERE') }
      await writePolicies(theirs, fresh)
      process.env['KEYSTAY_TEST_ELSEWHERE'] = 'sk_test_0123456789abcdef'
      third = await replica(store, { policies: theirs })
      delete process.env['KEYSTAY_TEST_ELSEWHERE']
      await until('it cannot follow', async () => (await slow.agent('/readyz')).status === 503)
      const began = performance.now()
      const token = await third.token()
      const answer = await slow.call(token, 'pay.refund', { charge: 'ch_1', amount: 100 }, 'nowhere')
      await slow.stop()
      assert.equal(answer.status, 503)
      assert.match(answer.body.detail, /KEYSTAY_TEST_ELSEWHERE/)
      assert.ok(performance.now() - began < 3000)
    })
  })

  it('lose nothing and do nothing twice where a connection is cut at COMMIT', async () => {
    const token = await other.token()
    for (const [n, cut] of (['before', 'after', 'before', 'after'] as const).entries()) {
      const key = `cut-${n}`
      const input = { charge: `ch_cut${n}`, amount: 100 }
      proxy.cutCommit(cut)
      await one.call(token, 'pay.refund', input, key)
      await until('it is cut', () => proxy.cuts > n)
      await until('the same key gives the outcome', async () => {
        return (await other.call(token, 'pay.refund', input, key)).body.status === 'done'
      })
      assert.equal(paid(`ch_cut${n}`), 1)
    }
  })

  it('say 503 while the database cannot be reached, and go on when it can', async () => {
    const token = await other.token()
    proxy.hold(true)
    proxy.cutAll()
    const input = { charge: 'ch_gone', amount: 100 }
    const gone = await one.call(token, 'pay.refund', input, 'gone')
    assert.deepEqual([gone.status, gone.body.code], [503, 'ledger_unavailable'])
    assert.equal(paid('ch_gone'), 0)
    await until('it is not ready', async () => (await one.agent('/readyz')).status === 503)
    proxy.hold(false)
    await until('it is ready', async () => (await one.agent('/readyz')).status === 200)
    assert.equal((await one.call(token, 'pay.refund', input, 'gone')).status, 200)
    assert.equal(paid('ch_gone'), 1)
  })

  it('take over what a replica that was killed has left', async () => {
    const gate = await gatewayProcess({ ...where, store })
    const token = await other.token()
    const key = (n: string): { charge: string; amount: number } => ({ charge: `ch_${n}`, amount: 100 })
    await gate.arm('attempt.answered', 1)
    await gate.call(token, 'pay.refund', key('killed'), 'killed').catch(() => null)
    assert.equal(await gate.died(5000), true)
    assert.equal(paid('ch_killed'), 1)
    const answer = await other.call(token, 'pay.refund', key('killed'), 'killed', { prefer: 'wait=20' })
    assert.deepEqual([answer.body.status, paid('ch_killed')], ['done', 1])
  })
})
