import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import { connect, KeystayError } from '../../client/index.ts'
import type { Gateway, Outcome } from '../../client/index.ts'
import { startLying } from '../backends/lying.ts'
import type { LyingBackend } from '../backends/lying.ts'
import { company } from '../house/company.ts'
import { entriesOf } from '../house/entries.ts'
import { house } from '../house/gateway.ts'
import type { House } from '../house/gateway.ts'

/** As `agent`, for seconds only. */
const BRIEF = `role: brief
describe: The agent of the tests, in a hurry.
owners: [leads]
session: { lifetime: 2s }
issue_to: [{ issuer: demo, where: 'claims.sub in ["bot", "other-bot"]' }]
grants:
  pay.look:
`

describe('the client', function () {
  this.timeout(20_000)
  let pay: LyingBackend
  let where: Awaited<ReturnType<typeof company>>
  let gate: House
  let gw: Gateway
  /** Goes on beside the other tests. */
  let used: ReturnType<typeof useForLongerThanItLives>
  const open = (role = 'agent', account = 'bot', more: object = {}) =>
    connect({ url: gate.running.agentUrl, role, identity: () => gate.person(account), ...more })
  before(async () => {
    pay = await startLying()
    where = await company({ pay: pay.url, shop: pay.url, blind: pay.url }, { 'roles/brief.yaml': BRIEF })
    gate = await house(where)
    gw = await open()
    used = useForLongerThanItLives()
    used.catch(() => {})
  })
  after(async () => {
    await gw.close()
    await gate.stop()
    await pay.close()
    await where.remove()
  })
  async function useForLongerThanItLives() {
    const brief = await open('brief')
    const first = brief.session
    const { expires_at } = JSON.parse(JSON.stringify(brief)) as { expires_at: string }
    const calls: number[] = []
    for (const began = performance.now(); performance.now() - began < 2_300;) {
      calls.push((await brief.actions()).length)
      await new Promise((resolve) => setTimeout(resolve, 40))
    }
    await brief.close()
    return { first, expires_at, calls }
  }
  const effects = (amount: number) => pay.effects.filter(({ body }) => body['amount'] === String(amount)).length
  const entries = (kind: string, session: string) =>
    entriesOf(where.dir).filter((entry) => entry.kind === kind && entry['session'] === session)

  it('does what is allowed, once for each key, and says what is left', async () => {
    const first = await gw.call('pay.refund', { charge: 'ch_1', amount: 1000 }, { key: 'T-1/refund-1' })
    const again = await gw.call('pay.refund', { charge: 'ch_1', amount: 1000 }, { key: 'T-1/refund-1' })
    assert.ok(first.status === 'done' && !first.output_gone && again.status === 'done')
    assert.deepEqual([first.output, first.replayed], [{ id: 'fx_1', amount: 1000, status: 'succeeded' }, false])
    assert.deepEqual([again.call, again.output, again.replayed], [first.call, first.output, true])
    assert.deepEqual([first.limits[0]?.used, effects(1000)], [1000, 1])
    const read = await gw.call('pay.look', { charge: 'ch_1' })
    assert.deepEqual([read.status, 'output' in read && read.output], ['done', { id: 'ch_1', amount: 10_000 }])
  })

  const REFUSALS: readonly (readonly [string, string, object, object, object])[] = [
    ['an action that is not granted', 'pay.steal', {}, { key: 'a' }, { status: 'denied', code: 'not_granted' }],
    ['an input that does not fit', 'pay.refund', {}, { key: 'b' }, { status: 'denied', code: 'input_invalid' }],
    [
      'more than the policy allows',
      'pay.refund',
      { charge: 'ch_1', amount: 20_001 },
      { key: 'c' },
      { status: 'denied', code: 'denied' },
    ],
    [
      'a key that names another call',
      'pay.refund',
      { charge: 'ch_1', amount: 5 },
      { key: 'T-1/refund-1' },
      { status: 'denied', code: 'key_reused' },
    ],
    [
      'a write without a key: none is made up',
      'pay.refund',
      { charge: 'ch_1', amount: 5 },
      {},
      { status: 'error', code: 'key_required' },
    ],
    [
      'a write with an empty key',
      'pay.refund',
      { charge: 'ch_1', amount: 5 },
      { key: '' },
      { status: 'error', code: 'key_required' },
    ],
  ]
  for (const [what, action, input, options, wanted] of REFUSALS) {
    it(`tells ${what} as an outcome`, async () => {
      const before = pay.effects.length
      const outcome = await gw.call(action, input, options)
      assert.partialDeepStrictEqual(outcome, wanted)
      assert.ok('detail' in outcome && outcome.detail.length > 10)
      assert.equal(pay.effects.length, before)
    })
  }

  it('waits for people: held, approved, done, and seen by another session of the same agent', async () => {
    const held = await gw.call('pay.refund', { charge: 'ch_2', amount: 6000 }, { key: 'held' })
    assert.ok(held.status === 'held')
    assert.deepEqual(held.need, [{ count: 1, of: 'finance', have: 0 }])
    const [done] = await Promise.all([held.wait(), gate.approve('dana', held.call)])
    assert.ok(done.status === 'done')
    assert.deepEqual([done.evidence['approved_by'], effects(6000)], [['Dana'], 1])
    await using other = await open()
    assert.deepEqual(await other.find(held.call), done)
    await using stranger = await open('agent', 'other-bot')
    assert.partialDeepStrictEqual(await stranger.find(held.call), { status: 'error', code: 'no_such_call' })
  })

  it('is told a no: by a person, by time, by itself', async () => {
    const [one, two] = await Promise.all(
      ['no', 'back'].map((key) => gw.call('pay.refund', { charge: 'ch_3', amount: 5100 }, { key })),
    )
    assert.ok(one?.status === 'held' && two?.status === 'held')
    await gate.admin('dana', 'POST', `/admin/v1/calls/${one.call}/reject`, { reason: 'No.' })
    assert.partialDeepStrictEqual(await one.wait(), { status: 'rejected', code: 'rejected', call: one.call })
    assert.equal((await two.cancel()).status, 'cancelled')
    assert.equal((await gw.call('pay.refund', { charge: 'ch_3', amount: 5100 }, { key: 'back' })).status, 'cancelled')
  })

  it('waits no longer than it is told to, and leaves off when asked', async () => {
    const held = await gw.call('pay.refund', { charge: 'ch_4', amount: 5200 }, { key: 'patience' })
    assert.ok(held.status === 'held')
    assert.equal((await held.wait({ within_ms: 50 })).status, 'held')
    const leave = new AbortController()
    const waiting = held.wait({ signal: leave.signal })
    setTimeout(() => leave.abort(new Error('enough')), 30)
    await assert.rejects(waiting, /enough/)
    assert.equal((await held.cancel()).status, 'cancelled')
  })

  it('tells what nobody knows from what was never sent, and the backend’s no from both', async () => {
    pay.lie({ kind: 'reset_after', method: 'POST' })
    const unknown = await gw.call('blind.note', { text: 'x' }, { key: 'cut' })
    assert.ok(unknown.status === 'unknown' || unknown.status === 'needs_human', unknown.status)
    pay.honest()
    pay.lie({ kind: 'status_without', method: 'POST', status: 422 })
    const refused = await gw.call('pay.refund', { charge: 'ch_7', amount: 100 }, { key: 'refused' })
    assert.partialDeepStrictEqual(refused, { status: 'refused', code: 'backend_refused' })
    pay.honest()
    // The charge cannot be looked up, so nothing is weighed: the ledger says denied, and the key is free.
    pay.lie({ kind: 'status_without', method: 'GET', status: 500, times: 9 })
    const away = await gw.call('pay.refund', { charge: 'ch_8', amount: 100 }, { key: 'away' })
    pay.honest()
    assert.partialDeepStrictEqual(away, { status: 'denied', code: 'backend_unavailable', retry: 'same_key' })
    assert.equal((await gw.call('pay.refund', { charge: 'ch_8', amount: 100 }, { key: 'away' })).status, 'done')
  })

  it('may ask what would happen only where the grant allows it', async () => {
    const asked = await gw.dryRun('pay.look', { charge: 'ch_1' })
    assert.deepEqual([asked.status, 'because' in asked && asked.because], ['denied', ['grants.pay.look.dry_run']])
  })

  it('lists the actions of its role', async () => {
    const actions = await gw.actions()
    assert.deepEqual(
      actions.map(({ name, effect }) => [name, effect]),
      [
        ['blind.note', 'write'],
        ['pay.look', 'read'],
        ['pay.refund', 'write'],
        ['shop.order', 'write'],
      ],
    )
  })

  it('shows its token to nobody: not in a log, in JSON, in an outcome, or in an error', async () => {
    const outcome = await gw.call('pay.look', { charge: 'ch_1' })
    const held: Outcome = await gw.call('pay.refund', { charge: 'ch_5', amount: 5300 }, { key: 'shown' })
    const deep = { depth: 20, showHidden: true, getters: true, compact: false } as const
    const shown = [gw, outcome, held, { gw }].flatMap((one) => [
      inspect(one, deep),
      inspect(one, { ...deep, customInspect: false }),
      JSON.stringify(one),
      String(one),
    ])
    assert.ok(shown.some((text) => text.includes(gw.session)))
    assert.deepEqual(
      shown.filter((text) => /kst_|eyJ/.test(text)),
      [],
    )
    assert.ok(held.status === 'held')
    await held.cancel()
    for (const bad of [
      { role: 'nobody' },
      { identity: () => 'eyJub3Q.a.token' },
      { identity: () => 'kst_secret of ours' },
    ]) {
      const error: unknown = await open('agent', 'bot', bad).catch((thrown: unknown) => thrown)
      assert.ok(error instanceof KeystayError)
      assert.ok(!/kst_|eyJ/.test(inspect(error, deep) + JSON.stringify(error)), inspect(error, deep))
    }
  })

  it('ends its session where its scope ends', async () => {
    let id: string
    {
      await using short = await open()
      id = short.session
    }
    assert.deepEqual(
      entries('session.ended', id).map((entry) => entry['reason']),
      ['logout'],
    )
  })

  it('can be asked nothing after it was closed', async () => {
    const closed = await open()
    await closed.close()
    await closed.close()
    await assert.rejects(closed.call('pay.look', { charge: 'ch_1' }), { code: 'closed' })
  })

  it('stops where people have revoked its session, and opens no other', async () => {
    const revoked = await open()
    await gate.admin('sam', 'POST', `/admin/v1/sessions/${revoked.session}/revoke`, {})
    const issued = () => entriesOf(where.dir).filter(({ kind }) => kind === 'session.issued').length
    const before = issued()
    const outcome = await revoked.call('pay.look', { charge: 'ch_1' })
    assert.partialDeepStrictEqual(outcome, { status: 'error', code: 'session_revoked', retry: 'never' })
    assert.equal(issued(), before)
    await revoked.close()
  })

  for (const [what, options, code] of [
    ['plain http to another machine', { url: 'http://keystay.example' }, 'usage'],
    ['an address that is none', { url: 'keystay' }, 'usage'],
    ['an address with a password', { url: 'https://a:b@keystay.example' }, 'usage'],
    ['a name that begins like this machine', { url: 'http://127.0.0.1.evil.example' }, 'usage'],
    ['a file address', { url: 'file:///etc/passwd' }, 'usage'],
    ['a gateway that is not there', { url: 'http://127.0.0.1:9', patience_ms: 0 }, 'unreachable'],
    ['a role for nobody', { role: 'nobody' }, 'invalid_scope'],
    ['a proof that is none', { identity: () => 'x' }, 'identity'],
    ['a proof that does not hold', { identity: () => 'e30.e30.x' }, 'invalid_request'],
  ] as const) {
    it(`does not connect to or with ${what}`, async () => {
      await assert.rejects(
        open('agent', 'bot', options),
        (error: unknown) => error instanceof KeystayError && error.code === code,
      )
    })
  }

  for (const name of ['..', '../calls', 'a/b', 'a?b', 'pay.refund#', '', 'x'.repeat(300), 'a\r\nb', '%2e%2e']) {
    it(`asks nobody for an action called ${JSON.stringify(name.slice(0, 20))}`, async () => {
      await assert.rejects(gw.call(name, {}, { key: 'x' }), { code: 'usage' })
    })
  }

  it('takes no key that a header cannot carry, and no wait that nobody keeps', async () => {
    for (const key of ['a b', 'ü', 'a\nb', 'x'.repeat(256)])
      await assert.rejects(gw.call('pay.look', { charge: 'ch_1' }, { key }), { code: 'usage' })
    for (const wait of [26, -1, 1.5, Number.NaN])
      await assert.rejects(gw.call('pay.look', { charge: 'ch_1' }, { wait }), { code: 'usage' })
    await assert.rejects(gw.find('../session'), { code: 'usage' })
  })

  it('renews at two thirds of its life, on one lineage, while it is used', async () => {
    const { first, expires_at, calls } = await used
    assert.deepEqual([...new Set(calls)], [1])
    const [renewal] = entriesOf(where.dir).filter((entry) => entry['renews'] === first)
    assert.deepEqual([renewal?.kind, renewal?.['lineage']], ['session.renewed', first])
    const early_ms = Date.parse(expires_at) - Date.parse(renewal?.at ?? '')
    assert.ok(early_ms > 550 && early_ms < 950, `${early_ms} ms before its end`)
  })
})
