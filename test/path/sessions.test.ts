import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startLying } from '../backends/lying.ts'
import type { LyingBackend } from '../backends/lying.ts'
import { company } from '../house/company.ts'
import { entriesOf } from '../house/entries.ts'
import { house } from '../house/gateway.ts'
import type { Answer, House } from '../house/gateway.ts'

const JWT = 'urn:ietf:params:oauth:token-type:jwt'

describe('a session and its calls', () => {
  let pay: LyingBackend
  let where: Awaited<ReturnType<typeof company>>
  let gate: House
  let number = 0

  beforeEach(async () => {
    pay = await startLying()
    where = await company({ pay: pay.url, shop: pay.url, blind: pay.url })
    gate = await house(where, { lookEvery_ms: 50 })
  })
  afterEach(async () => {
    await gate.stop()
    await pay.close()
    await where.remove()
  })

  interface Opened {
    readonly token: string
    readonly session: string
  }
  const exchange = async (form: Record<string, string> = {}, account = 'bot'): Promise<Answer> =>
    gate.agent('/oauth/token', {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
        subject_token: await gate.person(account),
        subject_token_type: JWT,
        scope: 'role:agent',
        ...form,
      }),
    })
  const open = async (form?: Record<string, string>, account?: string): Promise<Opened> => {
    const { status, body, text } = await exchange(form, account)
    assert.equal(status, 200, text)
    return { token: body.access_token, session: body.session }
  }
  const behalf = async (person: string) => ({ actor_token: await gate.person(person), actor_token_type: JWT })
  const hold = async (token: string): Promise<string> => {
    const input = { charge: `ch_${++number}`, amount: 6000 }
    const { body, text } = await gate.call(token, 'pay.refund', input, `key-${number}`)
    assert.equal(body.status, 'held', text)
    return body.call
  }
  const about = (token: string) => gate.agent('/v1/session', { headers: { authorization: `Bearer ${token}` } })
  const cancel = (token: string, id: string) =>
    gate.agent(`/v1/calls/${id}/cancel`, { method: 'POST', headers: { authorization: `Bearer ${token}` } })
  const ends = (): unknown[] => {
    const entries = entriesOf(where.dir)
    return entries
      .filter(({ kind }) => kind === 'session.ended')
      .map(({ session, reason, by }) => [session, reason, by])
  }
  const until = async (what: string, holds: () => boolean): Promise<void> => {
    for (let tries = 0; tries < 100; tries++) {
      if (holds()) return
      await sleep(50)
    }
    assert.fail(`it never came: ${what}`)
  }

  it('on behalf of a person: they are in every entry, and never their own approver', async () => {
    const { token, session } = await open(await behalf('dana'))
    assert.equal((await about(token)).body.acting_for, 'demo:dana')
    const id = await hold(token)
    const own = await gate.approve('dana', id)
    assert.deepEqual([own.status, own.body.code], [403, 'own_call'])
    const { requester, acting_for } = (await gate.admin('omar', 'GET', `/admin/v1/calls/${id}`)).body
    assert.deepEqual([requester, acting_for], ['demo:bot', 'demo:dana'])
    assert.equal((await gate.approve('omar', id)).body.status, 'done')
    const why = { reason: 'Dana has left.' }
    await gate.admin('sam', 'POST', `/admin/v1/sessions/${session}/revoke`, why)
    const entries = entriesOf(where.dir)
    assert.equal(entries.findLast(({ kind }) => kind === 'session.ended')?.['why'], 'Dana has left.')
    const mine = entries.filter((entry) => entry['session'] === session)
    assert.deepEqual(
      mine.map(({ kind, acting_for: whom }) => [kind, whom]),
      ['session.issued', 'call.held', 'call.approved', 'call.started', 'call.settled', 'session.ended'].map((kind) => [
        kind,
        'demo:dana',
      ]),
    )
  })

  it('on behalf of a person: their calls and keys are not those of the agent alone, nor of another person', async () => {
    const [forDana, forOmar, alone] = [await open(await behalf('dana')), await open(await behalf('omar')), await open()]
    const id = await hold(forDana.token)
    for (const { token } of [forOmar, alone]) {
      assert.equal((await gate.show(token, id)).body.code, 'no_such_call')
      assert.equal((await cancel(token, id)).body.code, 'no_such_call')
    }
    const input = { charge: 'ch_same', amount: 100 }
    const calls = []
    for (const { token } of [forDana, forOmar, alone])
      calls.push((await gate.call(token, 'pay.refund', input, 'same')).body.call)
    assert.equal(new Set(calls).size, 3)
    assert.equal((await cancel((await open(await behalf('dana'))).token, id)).body.status, 'cancelled')
  })

  it('expired: it says how to renew, its end is an entry, and a late yes runs what it held', async () => {
    const { token, session } = await open({ requested_ttl: '1' })
    const [approved, left] = [await hold(token), await hold(token)]
    await until('its end is written', () => ends().length > 0)
    assert.deepEqual(ends(), [[session, 'expired', 'gateway']])
    const refused = await about(token)
    assert.deepEqual([refused.status, refused.body.code], [401, 'session_expired'])
    assert.match(refused.body.detail, new RegExp(`scope=role:NAME and session=${session}`))
    const { text } = await gate.admin('sam', 'GET', '/metrics')
    assert.match(text, /^keystay_events_total\{kind="session\.ended"\} 1$/m)
    assert.equal((await gate.approve('omar', approved)).body.status, 'done')

    const renewed = await open({ session })
    assert.equal((await about(renewed.token)).body.lineage, session)
    assert.equal((await gate.show(renewed.token, approved)).body.status, 'done')
    assert.equal((await cancel((await open()).token, left)).body.status, 'cancelled')
    const stranger = await open({}, 'other-bot')
    assert.equal((await gate.show(stranger.token, approved)).body.code, 'no_such_call')
  })

  it('ended by its own agent: what it held lives on, and a late yes runs it', async () => {
    const { token, session } = await open()
    const id = await hold(token)
    await gate.agent('/v1/session', { method: 'DELETE', headers: { authorization: `Bearer ${token}` } })
    assert.equal((await about(token)).body.code, 'session_revoked')
    assert.deepEqual(ends(), [[session, 'logout', 'demo:bot']])
    assert.equal((await gate.approve('omar', id)).body.status, 'done')
  })

  it('revoked by people after it had ended: what it held does not run', async () => {
    for (const end of ['logout', 'expiry'] as const) {
      const { token, session } = await open(end === 'expiry' ? { requested_ttl: '1' } : {})
      const id = await hold(token)
      if (end === 'logout') {
        await gate.agent('/v1/session', { method: 'DELETE', headers: { authorization: `Bearer ${token}` } })
      } else await until('its end is written', () => ends().some((one) => String(one).includes('expired')))
      const { card } = (await gate.admin('omar', 'GET', `/admin/v1/calls/${id}`)).body
      const { body } = await gate.admin('sam', 'POST', `/admin/v1/sessions/${session}/revoke`)
      assert.equal(body.ended_reason, 'revoked')
      const late = await gate.admin('omar', 'POST', `/admin/v1/calls/${id}/approve`, { card })
      assert.deepEqual([late.status, late.body.code], [409, 'cancelled'])
    }
    assert.equal(pay.effects.length, 0)
  })

  it('renewed: both tokens work until the new one is used, and its calls are the same principal’s', async () => {
    const old = await open()
    const id = await hold(old.token)
    const renewed = await open({ session: old.session })
    assert.equal((await about(old.token)).status, 200)
    assert.equal((await cancel(renewed.token, id)).body.status, 'cancelled')
    const { status, body } = await about(old.token)
    assert.deepEqual([status, body.code], [401, 'session_revoked'])
    assert.match(body.detail, /was renewed; use the token of the renewal/)
    assert.deepEqual(ends(), [[old.session, 'renewed', 'demo:bot']])
    const kinds = entriesOf(where.dir).filter(({ kind }) => String(kind).startsWith('session.'))
    assert.deepEqual(
      kinds.map(({ kind }) => kind),
      ['session.issued', 'session.renewed', 'session.ended'],
    )
  })

  it('renewed and revoked: whichever of the two people name, both end, with all that they held', async () => {
    for (const named of [0, 1]) {
      const old = await open()
      const held = [await hold(old.token)]
      const renewed = await open({ session: old.session })
      held.push(await hold(renewed.token))
      await gate.admin('sam', 'POST', `/admin/v1/sessions/${[old, renewed][named]?.session}/revoke`)
      for (const { token } of [old, renewed]) assert.equal((await about(token)).body.code, 'session_revoked')
      for (const id of held) {
        assert.equal((await gate.admin('omar', 'GET', `/admin/v1/calls/${id}`)).body.status, 'cancelled')
      }
      const again = await exchange({ session: renewed.session })
      assert.deepEqual([again.status, again.body.error], [400, 'invalid_grant'])
    }
  })

  it('of a role that left the running policy: it ends with an entry, and what it held is cancelled', async () => {
    const { token, session } = await open()
    const waiting = gate.show(token, await hold(token), 10)
    const path = join(where.policies, 'roles/agent.yaml')
    await writeFile(path, (await readFile(path, 'utf8')).replace('role: agent', 'role: successor'))
    assert.equal((await waiting).body.status, 'cancelled')
    assert.deepEqual(ends(), [[session, 'role_removed', 'gateway']])
    assert.equal((await about(token)).body.code, 'session_revoked')
  })

  it('frozen, whatever is frozen: it does not end; what it held waits and runs after the thaw', async () => {
    const { token } = await open()
    const id = await hold(token)
    for (const name of ['all', 'role:agent', 'action:pay.refund']) {
      const set = (on: boolean) => gate.admin('sam', 'PUT', `/admin/v1/switches/${name}`, { on, reason: 'looking' })
      const { body } = await set(true)
      assert.deepEqual([body.name, body.on, body.reason], [name, true, 'looking'])
      const refused = await gate.call(token, 'pay.refund', { charge: 'ch_f', amount: 100 }, 'f')
      assert.deepEqual([refused.status, refused.body.code], [403, 'frozen'])
      assert.match(refused.body.detail, /looking/)
      const early = await gate.approve('omar', id)
      assert.deepEqual([early.status, early.body.code], [403, 'frozen'])
      assert.equal((await about(token)).status, 200)
      assert.equal((await gate.show(token, id)).body.status, 'held')
      await set(false)
    }
    assert.deepEqual(ends(), [])
    assert.equal((await gate.approve('omar', id)).body.status, 'done')
  })
})
