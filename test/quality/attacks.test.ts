import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { join } from 'node:path'
import type { JsonObject } from '../../gateway/core/types.ts'
import { startLying } from '../backends/lying.ts'
import type { LyingBackend } from '../backends/lying.ts'
import { company } from '../house/company.ts'
import { house } from '../house/gateway.ts'
import type { Answer, House } from '../house/gateway.ts'

const FORM = 'application/x-www-form-urlencoded'
const TOOL = `action: pay.tool
describe: A tool whose answer tries to talk the agent into more.
effect: read
input: {}
backend: pay
request: { GET: /v1/charges/ch_9 }
output: { keep: [id] }
`

/** What docs/threat-model.md names and no room's own tests show: attacks on the house as a whole. */
describe('an attack on the house', function () {
  this.timeout(30_000)
  let pay: LyingBackend
  let shop: LyingBackend
  let where: Awaited<ReturnType<typeof company>>
  let gate: House

  before(async () => {
    pay = await startLying()
    shop = await startLying()
    const files = {
      'actions/tool.yaml': TOOL,
      'roles/reader.yaml': `role: reader
describe: May look.
issue_to: [{ issuer: demo, where: 'claims.sub == "bot"' }]
grants: { pay.look: , pay.tool: }
`,
    }
    where = await company({ pay: pay.url, shop: shop.url, blind: shop.url }, files)
    gate = await house(where)
  })
  after(async () => {
    await gate?.stop()
    await pay?.close()
    await shop?.close()
    await where?.remove()
  })

  /** What stands in the ledger. */
  const entries = (kind: string): JsonObject[] => {
    const db = new DatabaseSync(join(where.dir, 'keystay.db'), { readOnly: true })
    try {
      const rows = db.prepare('SELECT bytes FROM entries WHERE kind = ?').all(kind)
      return rows.map(({ bytes }) => JSON.parse(bytes as string) as JsonObject)
    } finally {
      db.close()
    }
  }

  const exchange = async (more: { [name: string]: string }): Promise<Answer> => {
    const form = new URLSearchParams({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: await gate.person('bot'),
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      scope: 'role:agent',
      ...more,
    })
    return gate.agent('/oauth/token', { method: 'POST', headers: { 'content-type': FORM }, body: form.toString() })
  }

  for (const name of ['session', 'session_id', 'sid', 'jti', 'lineage', 'access_token', 'requester', 'acting_for']) {
    it(`cannot choose its session by "${name}"`, async () => {
      const chosen = 'ses_00000000000000000000000000'
      const answer = await exchange({ [name]: chosen })
      assert.ok(answer.status === 200 || answer.status === 400, answer.text)
      assert.ok(!answer.text.includes(chosen), answer.text)
      const rows = await gate.admin('dana', 'GET', '/admin/v1/sessions')
      assert.ok(!rows.text.includes(chosen), rows.text)
    })
  }

  it('finds no door for people on the listener for agents, nor one for agents on theirs', async () => {
    const [dana, bot] = [await gate.person('dana'), await gate.token()]
    const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })
    const { agentUrl, adminUrl } = gate.running
    const wrong = [
      [agentUrl, '/admin/v1/calls', dana],
      [agentUrl, '/admin/v1/policy', dana],
      [agentUrl, '/metrics', dana],
      [agentUrl, '/dev/token', dana],
      [adminUrl, '/v1/actions', bot],
      [adminUrl, '/v1/calls', bot],
      [adminUrl, '/oauth/token', bot],
    ] as const
    for (const [url, path, token] of wrong) {
      const answer = await fetch(`${url}${path}`, bearer(token))
      assert.deepEqual(
        [path, answer.status, ((await answer.json()) as { code: string }).code],
        [path, 404, 'no_such_route'],
      )
    }
  })

  it('sees nothing of another principal’s calls, by whatever id or key', async () => {
    const [mine, other] = [await gate.token('bot'), await gate.token('other-bot')]
    const done = await gate.call(mine, 'shop.order', { item: 'mine' }, 'private-key')
    assert.equal(done.status, 200, done.text)
    const { call } = done.body as { call: string }
    const shown = await gate.show(other, call)
    const never = await gate.show(other, 'call_00000000000000000000000000')
    assert.deepEqual([shown.status, shown.body.code], [404, 'no_such_call'])
    // The same words as for a call that never was, but for its own id.
    assert.deepEqual([never.status, never.body.code, never.body.detail], [404, 'no_such_call', shown.body.detail])
    const listed = await gate.agent('/v1/calls?key=private-key', { headers: { authorization: `Bearer ${other}` } })
    assert.deepEqual([listed.status, listed.body], [200, { calls: [] }])
  })

  it('does nothing in the name of a narrower role, though the same bot may have the wider one', async () => {
    const reader = await gate.token('bot', 'reader')
    const before = pay.effects.length
    const refund = await gate.call(reader, 'pay.refund', { charge: 'ch_1', amount: 100 }, 'narrow')
    assert.deepEqual([refund.status, refund.body.code], [403, 'not_granted'])
    const unknown = await gate.call(reader, 'pay.nothing', {}, 'narrow')
    // Whether an action exists cannot be told from outside the role.
    assert.deepEqual([unknown.status, unknown.body.code], [403, 'not_granted'])
    assert.equal(pay.effects.length, before)
  })

  it('by an answer of a backend reaches the agent as no more than the members that are kept', async () => {
    const reader = await gate.token('bot', 'reader')
    const answer = await gate.call(reader, 'pay.tool', {})
    assert.equal(answer.status, 200, answer.text)
    assert.deepEqual(Object.keys(answer.body.output as object), ['id'])
  })

  it('on one backend that hangs leaves calls to another one as quick as they were', async () => {
    const token = await gate.token()
    const stuck = Array.from({ length: 80 }, (_, n) => {
      pay.lie({ kind: 'never' })
      return gate.call(token, 'pay.look', { charge: `ch_${n}` })
    })
    const begun = performance.now()
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, n) => gate.call(token, 'shop.order', { item: `item ${n}` }, `beside-${n}`)),
    )
    const took = performance.now() - begun
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200])
    await Promise.all(stuck)
    pay.honest()
    // Each of the stuck ones waits 500 ms; twenty in a row behind them would take ten seconds.
    assert.ok(took < 5_000, `${took} ms`)
  })

  it('that is a person’s refused click leaves an entry with who it was', async () => {
    const held = await gate.call(await gate.token(), 'pay.refund', { charge: 'ch_7', amount: 6000 }, 'refused-click')
    assert.equal(held.status, 202, held.text)
    const { call } = held.body as { call: string }
    for (const account of ['lee', 'sam']) await gate.approve(account, call)
    await gate.admin('dana', 'POST', `/admin/v1/calls/${call}/approve`, { card: 'another' })
    const clicks = entries('approval.refused').filter((entry) => entry['call'] === call)
    assert.deepEqual(
      clicks.map(({ person, code }) => [person, code]),
      [
        ['demo:lee', 'own_call'],
        ['demo:sam', 'not_eligible'],
        ['demo:dana', 'card_changed'],
      ],
    )
    const effects = pay.effects.length
    assert.equal((await gate.show(await gate.token(), call)).body.status, 'held')
    assert.equal(pay.effects.length, effects)
  })

  it('by a body from nobody is counted, once a second and source, and is no entry of its own', async () => {
    const flood = Array.from({ length: 200 }, () =>
      gate.agent('/v1/actions/pay.refund', { method: 'POST', headers: { authorization: 'Bearer kst_x' }, body: '{}' }),
    )
    const statuses = (await Promise.all(flood)).map(({ status }) => status)
    assert.deepEqual([...new Set(statuses)], [401])
    const counted = () => entries('requests.refused') as unknown as { count: number }[]
    const total = (): number => counted().reduce((sum, { count }) => sum + count, 0)
    for (let turn = 0; turn < 60 && total() < 200; turn++) await new Promise((resolve) => setTimeout(resolve, 50))
    assert.ok(total() >= 200, `${total()} of 200 are counted`)
    assert.ok(counted().length <= 20, `${counted().length} entries`)
  })
})
