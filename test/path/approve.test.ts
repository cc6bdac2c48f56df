import assert from 'node:assert/strict'
import { startLying } from '../backends/lying.ts'
import type { LyingBackend } from '../backends/lying.ts'
import { company } from '../house/company.ts'
import { house } from '../house/gateway.ts'
import type { House } from '../house/gateway.ts'

describe('people decide', () => {
  let pay: LyingBackend
  let where: Awaited<ReturnType<typeof company>>
  let gate: House
  let token: string
  let number = 0

  beforeEach(async () => {
    pay = await startLying()
    where = await company({ pay: pay.url, shop: pay.url, blind: pay.url })
    gate = await house(where)
    token = await gate.token()
  })
  afterEach(async () => {
    await gate.stop()
    await pay.close()
    await where.remove()
  })

  const hold = async (amount = 6000, charge = `ch_${++number}`) => {
    const answer = await gate.call(
      token,
      'pay.refund',
      { charge, amount, note: 'the box was empty' },
      `key-${++number}`,
    )
    assert.deepEqual([answer.status, answer.body.status], [202, 'held'], answer.text)
    return answer
  }

  it('holds above the line, shows the exact request, and runs after one yes', async () => {
    const held = await hold()
    assert.deepEqual(held.body.need, [{ count: 1, of: 'finance', have: 0 }])
    assert.equal(held.headers.get('location'), `/v1/calls/${held.body.call}`)
    const story = (await gate.admin('dana', 'GET', `/admin/v1/calls/${held.body.call}`)).body
    assert.equal(story.will_send.POST, '/v1/refunds')
    assert.deepEqual([story.agent_says.note, story.facts.charge.amount], ['the box was empty', 10_000])
    assert.equal(pay.effects.length, 0)
    const approved = await gate.approve('dana', held.body.call)
    assert.deepEqual([approved.status, approved.body.status], [200, 'done'], approved.text)
    assert.equal(pay.effects.length, 1)
    const done = await gate.show(token, held.body.call)
    assert.deepEqual([done.body.status, done.body.output.amount], ['done', 6000])
  })

  it('tells who waits as soon as it is decided', async () => {
    const held = await hold()
    const waiting = gate.show(token, held.body.call, 20)
    await gate.approve('dana', held.body.call)
    assert.equal((await waiting).body.status, 'done')
  })

  const nobody: [string, string, number, string][] = [
    ['an owner of the role', 'lee', 403, 'own_call'],
    ['another group', 'sam', 403, 'not_eligible'],
  ]
  for (const [who, account, status, code] of nobody) {
    it(`does not take the yes of ${who}, and writes the click down`, async () => {
      const held = await hold()
      const story = (await gate.admin('dana', 'GET', `/admin/v1/calls/${held.body.call}`)).body
      const answer = await gate.admin(account, 'POST', `/admin/v1/calls/${held.body.call}/approve`, {
        card: story.card,
      })
      assert.deepEqual([answer.status, answer.body.code], [status, code])
      assert.equal(pay.effects.length, 0)
    })
  }

  it('counts people, not clicks', async () => {
    const held = await hold(10_000)
    assert.equal((await gate.call(token, 'pay.refund', { charge: 'ch_big', amount: 9000 }, 'k2')).body.status, 'held')
    const two = await gate.call(await gate.token(), 'pay.refund', { charge: 'ch_two', amount: 10_000 }, 'k3')
    assert.equal(two.body.status, 'held')
    const path = `/admin/v1/calls/${held.body.call}/approve`
    const { card } = (await gate.admin('dana', 'GET', `/admin/v1/calls/${held.body.call}`)).body
    const clicks = await Promise.all([1, 2, 3].map(() => gate.admin('dana', 'POST', path, { card })))
    assert.deepEqual(clicks.map(({ status }) => status).sort(), [200, 409, 409])
    assert.equal(pay.effects.length, 1)
  })

  it('does not take a yes to another card', async () => {
    const held = await hold()
    const answer = await gate.admin('dana', 'POST', `/admin/v1/calls/${held.body.call}/approve`, {
      card: 'hmac-sha256:00',
    })
    assert.deepEqual([answer.status, answer.body.code], [409, 'card_changed'])
  })

  it('asks the policy again: what is no longer left of the charge is denied', async () => {
    const first = await hold(6000, 'ch_same')
    const second = await hold(6000, 'ch_same')
    await gate.approve('dana', first.body.call)
    const answer = await gate.approve('dana', second.body.call)
    assert.deepEqual([answer.body.status, answer.body.because], ['denied', ['grants.pay.refund.require[0]']])
    assert.equal(pay.effects.length, 1)
  })

  it('keeps the call held when today’s facts cannot be fetched', async () => {
    const held = await hold()
    pay.lie({ kind: 'status_without', status: 500, method: 'GET' })
    const answer = await gate.approve('dana', held.body.call)
    assert.deepEqual([answer.status, answer.body.code], [503, 'backend_unavailable'])
    assert.equal((await gate.show(token, held.body.call)).body.status, 'held')
    assert.equal((await gate.approve('dana', held.body.call)).body.status, 'done')
  })

  it('rejects with a reason that the agent is told', async () => {
    const held = await hold()
    const path = `/admin/v1/calls/${held.body.call}/reject`
    assert.equal((await gate.admin('dana', 'POST', path, { reason: '' })).body.code, 'input_invalid')
    assert.equal((await gate.admin('dana', 'POST', path, { reason: 'the customer called' })).body.status, 'rejected')
    const told = await gate.show(token, held.body.call)
    assert.deepEqual([told.status, told.body.problem.code], [200, 'rejected'])
    assert.match(told.body.problem.detail, /the customer called/)
  })

  it('is taken back by the agent, from any session of the same principal and role', async () => {
    const held = await hold()
    const later = await gate.token()
    const stranger = await gate.token('other-bot')
    const cancel = (as: string) =>
      gate.agent(`/v1/calls/${held.body.call}/cancel`, { method: 'POST', headers: { authorization: `Bearer ${as}` } })
    assert.equal((await cancel(stranger)).body.code, 'no_such_call')
    const { card } = (await gate.admin('dana', 'GET', `/admin/v1/calls/${held.body.call}`)).body
    assert.equal((await cancel(later)).body.status, 'cancelled')
    const late = await gate.admin('dana', 'POST', `/admin/v1/calls/${held.body.call}/approve`, { card })
    assert.deepEqual([late.status, late.body.code], [409, 'cancelled'])
  })

  it('freezes: nothing new, nothing approved; the thaw resumes', async () => {
    const held = await hold()
    const set = (on: boolean) => gate.admin('sam', 'PUT', '/admin/v1/switches/role:agent', { on, reason: 'looking' })
    assert.equal(
      (await gate.admin('dana', 'PUT', '/admin/v1/switches/all', { on: true, reason: 'x' })).body.code,
      'not_eligible',
    )
    assert.equal((await set(true)).status, 200)
    const refused = await gate.call(token, 'pay.refund', { charge: 'ch_f', amount: 100 }, 'f')
    assert.deepEqual([refused.status, refused.body.code], [403, 'frozen'])
    assert.equal((await gate.call(token, 'pay.look', { charge: 'ch_f' })).status, 200)
    assert.equal((await gate.approve('dana', held.body.call)).body.code, 'frozen')
    await set(false)
    assert.equal((await gate.approve('dana', held.body.call)).body.status, 'done')
  })

  it('a switch of the policy denies by its guardrail', async () => {
    await gate.admin('sam', 'PUT', '/admin/v1/switches/incident', { on: true, reason: 'fire' })
    const answer = await gate.call(token, 'pay.refund', { charge: 'ch_f', amount: 100 }, 'f')
    assert.deepEqual([answer.body.code, answer.body.because], ['denied', ['guardrails.incident']])
  })

  it('revokes a session: its held calls are cancelled, its token is refused', async () => {
    const held = await hold()
    const sessions = (await gate.admin('sam', 'GET', '/admin/v1/sessions')).body
    const list = sessions.sessions ?? sessions
    const { session } = list.find(
      (row: { role: string; ended_at: string | null }) => row.role === 'agent' && row.ended_at === null,
    )
    assert.equal((await gate.admin('sam', 'POST', `/admin/v1/sessions/${session}/revoke`)).status, 200)
    assert.equal((await gate.show(token, held.body.call)).body.code, 'session_revoked')
    const story = (await gate.admin('dana', 'GET', `/admin/v1/calls/${held.body.call}`)).body
    assert.equal(story.status, 'cancelled')
  })
})
