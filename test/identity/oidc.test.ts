import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { join } from 'node:path'
import { startLying } from '../backends/lying.ts'
import type { LyingBackend } from '../backends/lying.ts'
import { company } from '../house/company.ts'
import { house } from '../house/gateway.ts'
import type { House } from '../house/gateway.ts'
import { realIssuer } from './real-issuer.ts'
import type { RealIssuer } from './real-issuer.ts'
import { visitor } from './visitor.ts'

const POPULATION = {
  people: {
    dana: { name: 'Dana', groups: ['finance'] },
    omar: { name: 'Omar', groups: ['finance'] },
    lee: { name: 'Lee', groups: ['finance', 'leads'] },
    sam: { name: 'Sam', groups: ['security'] },
    guest: { name: 'Guest' },
  },
  workloads: { 'support-bot': { queue: 'refunds' }, 'returns-bot': { queue: 'returns' }, 'plain-bot': {} },
}

const files = (url: string): { [path: string]: string } => ({
  'identity.yaml': `issuers:
  bots: { oidc: "${url}", audience: keystay }
  staff: { oidc: "${url}", client_id: keystay-console, groups: claims.groups, person: claims.sub, name: claims.name }
groups:
  finance: { issuer: staff, where: '"finance" in groups' }
  security: { issuer: staff, where: '"security" in groups' }
  leads: { issuer: staff, where: '"leads" in claims.groups' }
people: { view: [finance, security], freeze: [security], settle: [finance], export: [finance] }
`,
  'actions/queue.yaml': `action: queue.note
describe: Write a note into the queue of the session.
effect: write
input: { text: { type: string, maxLength: 40 } }
backend: blind
summary: Note for \${session.queue}
request:
  POST: /v1/queues/\${session.queue}/notes
  json: { text: "\${input.text}", queue: "\${session.queue}" }
output: { keep: [id, status] }
`,
  'roles/agent.yaml': `role: agent
describe: The agent of the tests.
owners: [leads]
session: { lifetime: 2h }
issue_to:
  - { issuer: bots, where: 'claims.sub in ["support-bot", "returns-bot", "plain-bot"]', carry: { queue: claims.queue } }
grants:
  queue.note:
  pay.refund:
    max: 200.00 USD
    require: { that: 'session.queue == "refunds"', else: Only the refunds queue refunds. }
    approval: { above: 50.00 USD, by: 1 of finance }
`,
  'roles/desk.yaml': `role: desk
describe: Somebody of finance at their own desk.
issue_to: [{ group: finance }]
grants:
  pay.refund: { max: 200.00 USD, approval: { above: 50.00 USD, by: 1 of finance } }
`,
})

describe('a real OpenID issuer', () => {
  let pay: LyingBackend
  let issuer: RealIssuer
  let where: Awaited<ReturnType<typeof company>>
  let gate: House
  let visit: ReturnType<typeof visitor>
  let number = 0

  before(async () => {
    pay = await startLying()
    issuer = await realIssuer(POPULATION)
    where = await company({ pay: pay.url, shop: pay.url, blind: pay.url }, files(issuer.url))
  })
  after(async () => {
    await issuer.stop().catch(() => {})
    await pay.close()
    await where.remove()
  })
  beforeEach(async () => {
    gate = await house(where, { dev: false })
    visit = visitor(gate.running)
    issuer.asked.length = 0
  })
  afterEach(() => gate.stop())

  const key = () => `key-${++number}`
  const refund = (token: string, amount: number) =>
    visit.call(token, 'pay.refund', { charge: `ch_${++number}`, amount }, key())
  const entries = (kind: string): { [member: string]: unknown }[] => {
    const store = new DatabaseSync(join(where.dir, 'keystay.db'), { readOnly: true })
    const rows = store.prepare('select bytes from entries order by idx').all() as { bytes: string }[]
    store.close()
    return rows.map(({ bytes }) => JSON.parse(bytes)).filter((entry) => entry.kind === kind)
  }

  describe('of workloads', () => {
    it('opens a session with its access token, found by discovery', async () => {
      const token = await visit.session(await issuer.workload('support-bot'), 'agent')
      const { body } = await visit.about(token)
      assert.deepEqual(
        [body.role, body.requester, body.attributes],
        ['agent', 'bots:support-bot', { queue: 'refunds' }],
      )
      assert.deepEqual(
        issuer.asked.filter((path) => path !== '/token'),
        ['/.well-known/openid-configuration', '/jwks'],
      )
    })

    it('lets what a session carries decide, and sends it to the backend', async () => {
      const [refunds, returns] = [
        await visit.session(await issuer.workload('support-bot'), 'agent'),
        await visit.session(await issuer.workload('returns-bot'), 'agent'),
      ]
      assert.equal((await refund(refunds, 1000)).body.status, 'done')
      const denied = await refund(returns, 1000)
      assert.deepEqual(
        [denied.status, denied.body.code, denied.body.because],
        [403, 'denied', ['grants.pay.refund.require[0]']],
      )
      const noted = await visit.call(returns, 'queue.note', { text: 'hello' }, key())
      assert.equal(noted.body.status, 'done', JSON.stringify(noted.body))
      const { path, body } = pay.effects.at(-1) ?? {}
      assert.deepEqual([path, body], ['/v1/queues/returns/notes', { text: 'hello', queue: 'returns' }])
    })

    it('gives no session without the claim to be carried, for another audience, or to a person’s token', async () => {
      const answers = [
        await visit.exchange(await issuer.workload('plain-bot'), 'agent'),
        await visit.exchange(await issuer.workload('support-bot', 'elsewhere'), 'agent'),
        await visit.exchange(await issuer.person('sam'), 'agent'),
        await visit.exchange(await issuer.person('sam'), 'desk'),
      ]
      assert.deepEqual(
        answers.map(({ status, body }) => [status, body.error]),
        [
          [400, 'invalid_scope'],
          [400, 'invalid_request'],
          [400, 'invalid_scope'],
          [400, 'invalid_scope'],
        ],
      )
    })
  })

  describe('of people', () => {
    it('lets a person in with the id token of a whole sign-in, in the groups that it lists', async () => {
      const dana = await issuer.person('dana')
      assert.equal((await visit.admin(dana, 'GET', '/admin/v1/calls')).status, 200)
      const freeze = await visit.admin(dana, 'PUT', '/admin/v1/switches/all', { on: true, reason: 'no' })
      assert.deepEqual([freeze.status, freeze.body.code], [403, 'not_eligible'])
      const guest = await visit.admin(await issuer.person('guest'), 'GET', '/admin/v1/calls')
      assert.deepEqual([guest.status, guest.body.code], [403, 'not_eligible'])
      const bot = await visit.admin(await issuer.workload('support-bot'), 'GET', '/admin/v1/calls')
      assert.deepEqual([bot.status, bot.body.code], [401, 'token_invalid'])
    })

    it('shows the entries of the ledger to nobody who may not export, and writes the refused click down', async () => {
      const { status, body } = await visit.admin(await issuer.person('sam'), 'GET', '/ledger/tile/entries/000.p/1')
      assert.deepEqual([status, body.code], [403, 'not_eligible'])
      const { person, what, code } = entries('approval.refused').at(-1) ?? {}
      assert.deepEqual([person, what, code], ['staff:sam', 'read entries', 'not_eligible'])
    })

    it('takes the yes of finance, but never of an owner of the role who is in finance too', async () => {
      const held = await refund(await visit.session(await issuer.workload('support-bot'), 'agent'), 6000)
      assert.equal(held.body.status, 'held', JSON.stringify(held.body))
      const effects = pay.effects.length
      const lee = await visit.approve(await issuer.person('lee'), held.body.call)
      assert.deepEqual([lee.status, lee.body.code], [403, 'own_call'])
      const sam = await visit.approve(await issuer.person('sam'), held.body.call)
      assert.deepEqual([sam.status, sam.body.code], [403, 'not_eligible'])
      assert.equal(pay.effects.length, effects)
      const omar = await visit.approve(await issuer.person('omar'), held.body.call)
      assert.deepEqual([omar.status, omar.body.status, pay.effects.length], [200, 'done', effects + 1])
      const clicks = entries('approval.refused').slice(-2)
      assert.deepEqual(
        clicks.map(({ person, code }) => [person, code]),
        [
          ['staff:lee', 'own_call'],
          ['staff:sam', 'not_eligible'],
        ],
      )
    })

    it('does not take a person’s yes to what they asked for themselves, whatever sign-in it comes with', async () => {
      const token = await visit.session(await issuer.person('dana'), 'desk')
      assert.equal((await visit.about(token)).body.requester, 'staff:dana')
      const held = await refund(token, 6000)
      const again = await visit.approve(await issuer.person('dana'), held.body.call)
      assert.deepEqual([again.status, again.body.code], [403, 'own_call'])
      assert.equal((await visit.approve(await issuer.person('omar'), held.body.call)).body.status, 'done')
    })
  })

  describe('that changes its keys', () => {
    it('is followed at once, without a restart; a key that it withdrew goes with the old ones', async () => {
      const old = await issuer.workload('support-bot')
      assert.equal((await visit.exchange(old, 'agent')).status, 200)
      await issuer.rotate()
      assert.equal((await visit.exchange(await issuer.workload('support-bot'), 'agent')).status, 200)
      const { status, body } = await visit.exchange(old, 'agent')
      assert.deepEqual([status, body.error], [400, 'invalid_request'])
      assert.match(body.error_description, /no key of its issuer/)
    })

    it('keeps both keys good while it publishes both', async () => {
      const old = await issuer.workload('support-bot')
      await visit.session(old, 'agent')
      await issuer.rotate('keep')
      await visit.session(await issuer.workload('support-bot'), 'agent')
      await visit.session(old, 'agent')
    })
  })

  describe('that is down', () => {
    let proof: string
    let dana: string
    beforeEach(async () => {
      proof = await issuer.workload('support-bot')
      dana = await issuer.person('dana')
    })
    afterEach(() => issuer.start().catch(() => {}))

    it('is not needed while its keys are in memory', async () => {
      await visit.session(proof, 'agent')
      await issuer.stop()
      await visit.session(proof, 'agent')
      assert.equal((await visit.admin(dana, 'GET', '/admin/v1/calls')).status, 200)
    })

    it('makes both doors say 503 and when to come back, and neither opens', async () => {
      await issuer.stop()
      const agent = await visit.exchange(proof, 'agent')
      assert.deepEqual(
        [agent.status, agent.headers.get('retry-after'), agent.body],
        [
          503,
          '5',
          {
            error: 'temporarily_unavailable',
            error_description: 'The subject token is refused: the keys of its issuer cannot be fetched now.',
          },
        ],
      )
      const person = await visit.admin(dana, 'GET', '/admin/v1/calls')
      assert.deepEqual(
        [person.status, person.body.code, person.headers.get('retry-after')],
        [503, 'backend_unavailable', '5'],
      )
      const { role, issuer: named, principal, reason } = entries('session.denied').at(-1) ?? {}
      assert.deepEqual([role, named, principal, reason], ['agent', 'bots', undefined, 'proof: keys_unavailable'])
    })
  })

  it('is not asked by strangers: their tokens fill twenty entries, and are counted beyond', async () => {
    const before = entries('session.denied').length
    const [header, claims] = (await issuer.workload('support-bot')).split('.')
    const forged = `${header}.${claims}.${Buffer.alloc(64).toString('base64url')}`
    const answers = await Promise.all(Array.from({ length: 200 }, () => visit.exchange(forged, 'agent')))
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([400]))
    assert.ok(issuer.asked.filter((path) => path === '/jwks').length <= 1)
    await gate.stop()
    const written = entries('session.denied').length - before
    const counted = entries('requests.refused').filter(({ code }) => code === 'token_invalid')
    const count = counted.reduce((sum, entry) => sum + Number(entry['count']), 0)
    assert.ok(written >= 20 && written < 30, `${written} entries`)
    assert.ok(written + count >= 200 && counted.length < 10, `${count} in ${counted.length}`)
    assert.ok(counted.every(({ source }) => String(source).includes('127.0.0.1')))
  })
})
