import assert from 'node:assert/strict'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { checkNotices } from '../../gateway/cli/doctor/notices.ts'
import { keystay } from '../cli/keystay.ts'
import { entriesOf } from '../house/entries.ts'
import { writePolicies } from '../house/company.ts'
import type { House } from '../house/gateway.ts'
import { gatewayProcess } from '../kill/process.ts'
import { held, hookLine, itIsTime, notifyYaml, roleYaml, SIGNING, toldOf, town, until } from './house.ts'
import type { Town } from './house.ts'

const MORE = (hook: string): string => `  line-hook: ${hookLine(hook, 'line')}
  later-hook: ${hookLine(hook, 'later')}
  dead-hook: ${hookLine(hook, 'dead')}
`
const LINES = `      - { when: input.amount == 6001, by: 1 of leads, notify: [line-hook], escalate: [later-hook], expires: 4h }
      - { when: input.amount == 6002, by: 1 of leads, notify: [dead-hook], expires: 4h }
      - { when: input.amount == 6003, by: 2 of finance, expires: 4h }
`

describe('notices', function () {
  this.timeout(60_000)
  let there: Town
  let gate: House
  const paths = (found: readonly { readonly path: string }[]): string[] => found.map(({ path }) => path).sort()
  const notices = async (query: string): Promise<{ [name: string]: unknown; notice: string; call: string }[]> =>
    (await gate.admin('dana', 'GET', `/admin/v1/notices?limit=500${query}`)).body.notices

  before(async () => {
    there = await town((hook) => ({
      'notify.yaml': notifyYaml(hook, MORE(hook)),
      'roles/agent.yaml': roleYaml(LINES),
    }))
    gate = await there.start()
  })
  after(async () => {
    there.hook.answer(null)
    await gate.stop()
    await there.end()
  })

  it('say which call waits for whom, and nothing of what the agent or the backend said', async () => {
    const call = await held(gate)
    const [told] = await toldOf(there.hook, 'call.held', call)
    const { headers, body, text, signed } = told ?? assert.fail()
    assert.ok(signed)
    assert.match(String(headers['webhook-id']), /^msg_[0-9A-HJKMNP-TV-Z]{26}$/)
    assert.deepEqual(body.data, {
      call,
      action: 'pay.refund',
      role: 'agent',
      amount: { unit: 'USD', amount: 6000, text: '60.00 USD' },
      need: [{ count: 1, of: 'finance' }],
      expires_at: (await gate.admin('dana', 'GET', `/admin/v1/calls/${call}`)).body.expires_at,
      link: `${gate.running.adminUrl}/console/?call=${call}`,
    })
    assert.doesNotMatch(text, /ch_1|AgentSaysThis|cus_|bot/)
  })

  it('tell who was told how it ended, once, and by whom', async () => {
    const [approved, rejected, expired, cancelled] = [
      await held(gate),
      await held(gate),
      await held(gate),
      await held(gate),
    ]
    for (const call of [approved, rejected, expired, cancelled]) await toldOf(there.hook, 'call.held', call)
    assert.equal((await gate.approve('dana', approved)).status, 200)
    await gate.admin('omar', 'POST', `/admin/v1/calls/${rejected}/reject`, {
      reason: 'TheReason: is not for everybody',
    })
    itIsTime(there.where.dir, expired, null)
    await gate.agent(`/v1/calls/${cancelled}/cancel`, {
      method: 'POST',
      headers: { authorization: `Bearer ${await gate.token()}` },
    })
    const ended: unknown[] = []
    for (const call of [approved, rejected, expired, cancelled]) {
      const [told] = await toldOf(there.hook, 'call.decided', call)
      assert.doesNotMatch(told?.text ?? '', /TheReason/)
      ended.push([told?.body.data.outcome, told?.body.data.by, told?.body.data.link.endsWith(`/console/calls/${call}`)])
    }
    assert.deepEqual(ended, [
      ['approved', ['Dana'], true],
      ['rejected', ['Omar'], true],
      ['expired', [], true],
      ['cancelled', [], true],
    ])
    await sleep(200)
    for (const call of [approved, rejected, expired, cancelled])
      assert.deepEqual(
        there.hook.received.filter(({ body }) => body.data.call === call).map(({ body }) => body.type),
        ['call.held', 'call.decided'],
      )
    assert.deepEqual(
      (await notices('&status=waiting')).filter(({ call }) => call === approved),
      [],
    )
  })

  it('go where the line says instead of the group, and further at 80 % of the hold’s life', async () => {
    const call = await held(gate, 6001)
    // Two lines apply: one speaks for itself, the other for its group.
    assert.deepEqual(paths(await toldOf(there.hook, 'call.held', call, 2)), ['/finance', '/line'])
    itIsTime(there.where.dir, call, 'call.held.reminder')
    assert.deepEqual(paths(await toldOf(there.hook, 'call.held.reminder', call, 2)), ['/finance', '/line'])
    itIsTime(there.where.dir, call, 'call.held.escalated')
    assert.deepEqual(paths(await toldOf(there.hook, 'call.held.escalated', call, 3)), ['/finance', '/later', '/line'])
    await gate.admin('dana', 'POST', `/admin/v1/calls/${call}/reject`, { reason: 'no' })
    assert.deepEqual(paths(await toldOf(there.hook, 'call.decided', call, 3)), ['/finance', '/later', '/line'])
    const ids = there.hook.received.filter(({ body }) => body.data.call === call).map(({ id }) => id)
    assert.equal(new Set(ids).size, ids.length)
  })

  it('are not sent about a hold that has ended meanwhile', async () => {
    const call = await held(gate, 6003)
    await toldOf(there.hook, 'call.held', call)
    assert.equal((await gate.approve('dana', call)).body.status, 'held')
    await gate.admin('omar', 'POST', `/admin/v1/calls/${call}/reject`, { reason: 'no' })
    await toldOf(there.hook, 'call.decided', call)
    assert.deepEqual(there.hook.of('call.held.reminder', call), [])
    const left = (await notices('')).filter((one) => one.call === call).map(({ kind, status }) => [kind, status])
    assert.deepEqual(left.sort(), [
      ['call.decided', 'delivered'],
      ['call.held', 'delivered'],
      ['call.held.escalated', 'over'],
      ['call.held.reminder', 'over'],
    ])
  })

  it('come again under the same id, signed anew, until the receiver takes them; a redirect is no yes', async () => {
    let tries = 0
    there.hook.answer((_request, response) => {
      tries++
      if (tries === 1) response.writeHead(500).end('x'.repeat(5_000_000))
      else if (tries === 2) response.writeHead(307, { location: `${there.hook.url}/elsewhere` }).end()
      else response.writeHead(204).end()
    })
    const call = await held(gate)
    for (const said of [/^500$/, /^307, a redirect/]) {
      await until(String(said), async () =>
        (await notices('&status=waiting')).find((one) => one.call === call && said.test(String(one['said']))),
      )
      itIsTime(there.where.dir, call, 'call.held')
    }
    const told = await toldOf(there.hook, 'call.held', call, 3)
    there.hook.answer(null)
    assert.equal(new Set(told.map(({ id }) => id)).size, 1)
    assert.equal(new Set(told.map(({ text }) => text)).size, 1)
    assert.deepEqual(paths(told), ['/finance', '/finance', '/finance'])
    assert.ok(told.every(({ signed }) => signed))
    const said = await until('delivered', async () =>
      (await notices('&status=delivered')).find((one) => one.call === call && one['kind'] === 'call.held'),
    )
    assert.deepEqual([said['tries'], said['said']], [3, '204'])
  })

  it('are dead letters after a 410: seen, counted, and sent again by a person; no other channel waits for them', async () => {
    there.hook.answer((request, response) => {
      if (request.url === '/dead') response.writeHead(410).end()
      else response.writeHead(204).end()
    })
    const call = await held(gate, 6002)
    await toldOf(there.hook, 'call.held', call, 2)
    const dead = await until('the dead letter', async () =>
      (await notices('&status=dead')).find((one) => one.call === call),
    )
    assert.deepEqual([dead['channel'], dead['said']], ['dead-hook', '410, it wants nothing more'])
    const metrics = await gate.admin('dana', 'GET', '/metrics')
    assert.match(metrics.text, /keystay_notices_total\{channel="dead-hook",outcome="dead"\} 1/)
    assert.match(metrics.text, /keystay_notices_dead\{channel="dead-hook"\} 1/)
    assert.equal(gate.log.filter((line) => /dead letter/.test(line) && line.includes(dead.notice)).length, 1)

    // It is left alone from now on.
    const before = there.hook.received.length
    const second = await held(gate, 6002)
    await until('the second', async () => (await notices('&status=dead')).find((one) => one.call === second))
    assert.deepEqual(
      there.hook.received.slice(before).map(({ path }) => path),
      ['/finance'],
    )
    const looked = await checkNotices(join(there.where.dir, 'keystay.db'))
    assert.deepEqual(
      looked.map(({ level, message }) => [level, message]),
      [['warn', 'dead-hook has 2 dead letters: nobody was told there']],
    )
    there.hook.answer(null)
    assert.equal((await gate.admin('bot', 'POST', `/admin/v1/notices/${dead.notice}/retry`, {})).status, 403)
    assert.equal((await gate.admin('dana', 'POST', `/admin/v1/notices/${dead.notice}/retry`, {})).status, 200)
    const again = await until('it', () =>
      there.hook.received.find(({ path, id }, at) => at >= before && path === '/dead' && id === dead.notice),
    )
    assert.ok(again.signed)
    const twice = await gate.admin('dana', 'POST', `/admin/v1/notices/${dead.notice}/retry`, {})
    assert.deepEqual([twice.status, twice.body.code], [409, 'already_decided'])
    assert.equal((await gate.admin('dana', 'POST', '/admin/v1/notices/msg_NONE/retry', {})).status, 404)
  })

  it('that nobody takes hold up no call and no other channel', async () => {
    const hung: (() => void)[] = []
    there.hook.answer((request, response) => {
      if (request.url === '/line') hung.push(() => response.writeHead(204).end())
      else response.writeHead(204).end()
    })
    const calls: string[] = []
    for (let i = 0; i < 6; i++) calls.push(await held(gate, 6001))
    // Four are under way at the one that hangs; the other channel has all six.
    for (const call of calls) {
      await until('told', () => there.hook.of('call.held', call).find(({ path }) => path === '/finance'))
    }
    await until('four', () => hung.length === 4)
    assert.equal((await gate.admin('dana', 'POST', `/admin/v1/calls/${calls[0]}/reject`, { reason: 'no' })).status, 200)
    const first = await toldOf(there.hook, 'call.decided', calls[0] ?? '')
    assert.deepEqual(paths(first), ['/finance'])
    there.hook.answer(null)
    for (const end of hung) end()
    // What was under way when its hold ended came all the same: then its end is told there too.
    assert.deepEqual(paths(await toldOf(there.hook, 'call.decided', calls[0] ?? '', 2)), ['/finance', '/line'])
    for (const call of calls) await toldOf(there.hook, 'call.held', call, 2)
  })

  it('tell those who settle of a call in doubt, and what two of them said', async () => {
    there.pay.lie({ kind: 'close_after', method: 'POST' })
    const asked = await gate.call(await gate.token(), 'blind.note', { text: 'AgentSaysThis' }, 'in-doubt')
    const { call } = asked.body
    const [told] = await toldOf(there.hook, 'call.needs_human', call)
    assert.ok(told?.signed)
    assert.deepEqual([told.body.data.need, told.body.data.expires_at], [[], null])
    for (const [account, reason] of [
      ['dana', 'looked'],
      ['omar', 'looked too'],
    ] as const)
      await gate.admin(account, 'POST', `/admin/v1/calls/${call}/settle`, { outcome: 'done', reason })
    const [end] = await toldOf(there.hook, 'call.decided', call)
    assert.deepEqual([end?.body.data.outcome, end?.body.data.by], ['settled', ['demo:dana', 'demo:omar']])
  })

  it('say that a yes did not count because what was asked has changed, and ask anew', async () => {
    const call = await held(gate)
    await toldOf(there.hook, 'call.held', call)
    await writePolicies(there.where.policies, {
      'roles/agent.yaml': roleYaml(LINES).replace('1 of finance', '2 of finance'),
    })
    const { digest } = (await gate.admin('dana', 'GET', '/admin/v1/policy')).body
    await until('the policy', async () => (await gate.admin('dana', 'GET', '/admin/v1/policy')).body.digest !== digest)
    assert.equal((await gate.approve('dana', call)).body.code, 'card_changed')
    const [end] = await toldOf(there.hook, 'call.decided', call)
    assert.equal(end?.body.data.outcome, 'voided')
    const again = await toldOf(there.hook, 'call.held', call, 2)
    assert.deepEqual(
      again.map(({ body }) => body.data.need),
      [[{ count: 1, of: 'finance' }], [{ count: 2, of: 'finance' }]],
    )
  })

  it('follow the policy without a restart, and are told of what waited before there was a channel', async () => {
    await writePolicies(there.where.policies, {
      'notify.yaml': notifyYaml(
        there.hook.url,
        `${MORE(there.hook.url)}  new-hook: ${hookLine(there.hook.url, 'new')}\n`,
      ).replace('default: [finance-hook]', 'default: [new-hook]'),
    })
    await until('the policy', () => gate.running.gateway.policy().notify?.channels.has('new-hook'))
    const call = await held(gate)
    assert.deepEqual(paths(await toldOf(there.hook, 'call.held', call)), ['/new'])
    const tested = await gate.admin('dana', 'POST', '/admin/v1/channels/new-hook/test', {})
    assert.deepEqual(tested.body, { channel: 'new-hook', delivered: true, said: '204' })
    const unknown = await gate.admin('dana', 'POST', '/admin/v1/channels/nowhere/test', {})
    assert.deepEqual([unknown.status, unknown.body.code], [400, 'malformed'])

    // A dead letter of a channel that is no more would wait for ever.
    const [dead = assert.fail()] = (await notices('&status=dead')).filter(({ channel }) => channel === 'dead-hook')
    await writePolicies(there.where.policies, {
      'notify.yaml': notifyYaml(there.hook.url, MORE(there.hook.url).replace(/ {2}dead-hook.*\n/, '')),
      'roles/agent.yaml': roleYaml(LINES.replace('dead-hook', 'line-hook')),
    })
    await until('the policy', () => gate.running.gateway.policy().notify?.channels.has('dead-hook') === false)
    const retried = await gate.admin('dana', 'POST', `/admin/v1/notices/${dead.notice}/retry`, {})
    assert.deepEqual([retried.status, retried.body.code], [400, 'malformed'])
    assert.match(retried.body.detail, /^There is no channel dead-hook/)

    // A secret of another form is refused as a whole, and the policy before is kept.
    process.env['KEYSTAY_TEST_OTHER'] = 'whsec_short'
    await writePolicies(there.where.policies, {
      'notify.yaml': notifyYaml(there.hook.url, MORE(there.hook.url)).replace('_SIGNING', '_OTHER'),
    })
    const refused = await until(
      'the refusal',
      async () => (await gate.admin('dana', 'GET', '/admin/v1/policy')).body.invalid,
    )
    assert.match(refused.message, /^channel finance-hook: env:\/\/KEYSTAY_TEST_OTHER: it is not whsec_ /)
  })

  it('are tried from a terminal, which says what was answered', async () => {
    const verb = (channel: string) =>
      keystay(['notify', 'test', channel, '--as', 'dana', '--admin-url', gate.running.adminUrl])
    const tested = await verb('line-hook')
    assert.deepEqual([tested.exit, tested.out], [0, 'line-hook took it: 204\n'])
    there.hook.answer((_request, response) => response.writeHead(404).end(SIGNING))
    const failed = await verb('line-hook')
    there.hook.answer(null)
    assert.deepEqual([failed.exit, failed.err], [1, 'keystay: line-hook did not take it: 404\n'])
  })

  it('leave no entry and no byte of a secret anywhere', async () => {
    const kinds = new Set(entriesOf(there.where.dir).map(({ kind }) => kind))
    assert.deepEqual(
      [...kinds].filter((kind) => /notice|wait/.test(kind)),
      [],
    )
    const everything = [
      gate.log.join('\n'),
      JSON.stringify(entriesOf(there.where.dir)),
      JSON.stringify(await notices('')),
      (await gate.admin('dana', 'GET', '/metrics')).text,
      there.hook.received.map(({ text, headers }) => text + JSON.stringify(headers)).join('\n'),
    ].join('\n')
    assert.ok(everything.includes('msg_'))
    assert.equal(everything.includes(SIGNING.slice(6)), false)
    assert.equal(everything.includes('CanaryOfTheSigningSecret'), false)
  })
})

describe('a gateway that dies between sending a notice and writing that down', function () {
  this.timeout(60_000)

  it('leaves nothing behind that holds up its channel, where the calls were decided meanwhile', async () => {
    const there = await town()
    try {
      const first = await gatewayProcess(there.where)
      there.hook.answer(() => {})
      const calls = [await held(first), await held(first), await held(first), await held(first)]
      for (const call of calls) await toldOf(there.hook, 'call.held', call)
      for (const call of calls) await first.admin('omar', 'POST', `/admin/v1/calls/${call}/reject`, { reason: 'no' })
      await until('the end of their waits', async () => {
        const { body } = await first.admin('dana', 'GET', '/admin/v1/notices?status=over')
        return body.notices.length === 8
      })
      first.child.kill('SIGKILL')
      assert.ok(await first.died(20_000))
      there.hook.answer(null)
      const second = await gatewayProcess(there.where)
      await toldOf(there.hook, 'call.held', await held(second))
      // They may have come: who was told is told the end.
      for (const call of calls) await toldOf(there.hook, 'call.decided', call)
      const { body } = await second.admin('dana', 'GET', '/admin/v1/notices?status=dead')
      assert.deepEqual(body.notices.map(({ call }: { call: string }) => call).sort(), [...calls].sort())
      await second.stop()
    } finally {
      there.hook.answer(null)
      await there.end()
    }
  })

  it('sends it once more under the same id, and then no more', async () => {
    const there = await town()
    try {
      const first = await gatewayProcess(there.where)
      await first.arm('notice.sent', 1)
      const call = await held(first)
      assert.ok(await first.died(20_000))
      await toldOf(there.hook, 'call.held', call)
      const second = await gatewayProcess(there.where)
      const told = await toldOf(there.hook, 'call.held', call, 2)
      assert.equal(new Set(told.map(({ id }) => id)).size, 1)
      await second.approve('dana', call)
      await toldOf(there.hook, 'call.decided', call)
      assert.equal(there.hook.received.length, 3)
      await second.stop()
    } finally {
      await there.end()
    }
  })
})
