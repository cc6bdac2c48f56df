import assert from 'node:assert/strict'
import { leaseOver } from '../../gateway/core/lease.ts'
import type { LeaseEnd, TakeLease } from '../../gateway/core/lease.ts'
import type { Call, Outcome, Plan } from '../../gateway/core/types.ts'
import { admitting, approving, need, plan, want, World } from './world.ts'

const CONNECTIONS = want('connections', 1, 5, { kind: 'rate', unit: 'calls' })
const leasing = (more: Partial<Plan> = {}): Plan =>
  plan({
    effect: 'lease',
    action: 'db.read',
    backend: 'pg',
    cost: null,
    request: { lease: { lifetime_s: 900 } },
    want: [CONNECTIONS],
    ...more,
  })
const HELD = leasing({ need: [need('approval[0]', 1, 'finance')] })

/** A lease that people have let go; it waits for its agent. */
function ready(): World {
  const world = new World()
  world.session()
  const held = world.write(admitting('call_1', { plan: HELD }))
  assert.equal(held.kind, 'held')
  const approved = world.write(approving(theCall(world), 'demo:dana', ['finance'], { plan: HELD }))
  assert.equal(approved.kind, 'held')
  return world
}
function theCall(world: World): Call {
  return world.calls.get('call_1') ?? assert.fail('no call')
}
const taking = (more: Partial<TakeLease> = {}): TakeLease => ({
  op: 'take',
  call: 'call_1',
  session: 'ses_1',
  plan: HELD,
  facts_until: null,
  bodies: { question: '{}', facts: '{}', request: '{}', earlier: '[]' },
  timeout_ms: 10_000,
  ...more,
})

describe('a lease that people have let go', () => {
  it('is an open hold until its agent comes for it', () => {
    const world = ready()
    const { state, need: lines, reserve } = theCall(world)
    assert.deepEqual([state, lines.map(({ have }) => have)], ['held', [1]])
    assert.deepEqual(
      reserve.map(({ limit }) => [limit, world.held(limit)]),
      [
        ['connections', 1],
        ['holds', 1],
      ],
    )
  })

  it('begins when its agent comes, and gives back what the hold alone had', () => {
    const world = ready()
    world.now += 1000
    const taken = world.write(taking())
    assert.deepEqual(taken, { kind: 'started', call: theCall(world), begun: world.now })
    const { state, attempt, reserve, approvals } = theCall(world)
    assert.deepEqual([state, attempt, reserve.length, approvals.length], ['executing', 1, 1, 1])
    assert.deepEqual([world.held('connections'), world.held('holds')], [1, 0])
    const { kind, fields } = world.entries.at(-1) ?? assert.fail()
    const names = (key: string) => (fields[key] as { name: string }[]).map(({ name }) => name)
    assert.deepEqual(
      [kind, names('reserve'), names('release')],
      ['call.started', ['connections'], ['connections', 'holds']],
    )
  })

  const NOT_READY: readonly (readonly [why: string, break_it: (world: World) => void, kind: string, state: string])[] =
    [
      ['for a session that nobody knows', (world) => world.sessions.clear(), 'not_ready', 'held'],
      [
        'for a session of another lineage',
        (world) => world.session('ses_1', { lineage: 'ses_0' }),
        'not_ready',
        'held',
      ],
      ['for a session that is over', (world) => world.session('ses_1', { ended_at: world.now }), 'not_ready', 'held'],
      ['once its hold is over', (world) => (world.now += 5 * 3_600_000), 'not_ready', 'expired'],
      [
        'while people have frozen all',
        (world) =>
          (world.switches = { version: 1, positions: { all: { on: true, reason: 'x', person: 'p', at: 0 } } as never }),
        'not_ready',
        'held',
      ],
      ['under a policy that is not in force', (world) => (world.policy = 'sha256:other'), 'stale', 'held'],
    ]
  for (const [why, breakIt, kind, state] of NOT_READY)
    it(`is not made ${why}`, () => {
      const world = ready()
      breakIt(world)
      assert.deepEqual([world.write(taking()).kind, theCall(world).state], [kind, state])
      assert.ok(!world.kinds().includes('call.started'))
    })

  it('is not made before people have said yes, twice, or where there is no call', () => {
    const world = new World()
    world.session()
    world.write(admitting('call_1', { plan: HELD }))
    assert.equal(world.write(taking()).kind, 'not_ready')
    assert.deepEqual(world.write(taking({ call: 'call_9' })), { kind: 'no_such_call' })
    const other = ready()
    assert.deepEqual([other.write(taking()).kind, other.write(taking()).kind], ['started', 'not_ready'])
  })

  it('is made for a renewal of the session that asked', () => {
    const world = ready()
    world.session('ses_1', { ended_at: world.now, ended_reason: 'renewed' })
    world.session('ses_2', { lineage: 'ses_1' })
    assert.equal(world.write(taking({ session: 'ses_2' })).kind, 'started')
  })

  it('is denied where the policy or today’s facts say no, and gives everything back', () => {
    const world = ready()
    const deny = [{ because: 'guardrails.night', message: 'Not at night.' }]
    assert.equal(world.write(taking({ plan: { ...HELD, deny } })).kind, 'denied')
    assert.deepEqual([theCall(world).state, world.held('connections'), world.held('holds')], ['denied', 0, 0])
  })

  it('asks people again where it is not what they said yes to', () => {
    const changes: readonly Partial<Plan>[] = [
      { request: { lease: { lifetime_s: 86_400 } } },
      { backend: 'other' },
      { need: [need('approval[0]', 2, 'finance')] },
    ]
    for (const change of changes) {
      const world = ready()
      const { card } = theCall(world)
      assert.equal(world.write(taking({ plan: { ...HELD, ...change } })).kind, 'held')
      const call = theCall(world)
      assert.deepEqual([call.state, call.need[0]?.have, call.approvals], ['held', 0, []])
      assert.notEqual(call.card, card)
      assert.deepEqual([world.held('connections'), world.held('holds')], [1, 1])
      assert.equal(world.entries.at(-1)?.fields['again'], 'what was approved has changed')
    }
  })
})

const GIVEN = { login: 'ks_1', place: 'db:5432/shop', from: null, lease_id: null, lifetime_ms: 900_500 }
const DONE: Outcome = { kind: 'done', output: null, evidence: {} }
const settling = (
  lease?: typeof GIVEN | (Omit<typeof GIVEN, 'from' | 'lease_id'> & { from: string; lease_id: string }),
) =>
  ({
    op: 'settle',
    call: 'call_1',
    attempt: 1,
    outcome: DONE,
    output: null,
    replay_ms: 0,
    ...(lease === undefined ? {} : { lease }),
  }) as const
const NOTE = {
  op: 'lease.note',
  call: 'call_1',
  attempt: 1,
  from: 'vault://db/creds',
  handle: 'v1',
  place: '',
} as const

function running(): World {
  const world = new World()
  world.session()
  assert.equal(world.write(admitting('call_1', { plan: leasing() })).kind, 'started')
  return world
}
const whose = {
  call: 'call_1',
  session: 'ses_1',
  role: 'support-agent',
  principal: 'demo:bot',
  action: 'db.read',
  backend: 'pg',
}
const row = (world: World) => world.leases.get('call_1')

describe('a login that was made', () => {
  it('is kept with its outcome in one step, and its entry says whose it is and until when', () => {
    const world = running()
    world.write(settling(GIVEN))
    const expires_at = world.now + 900_500
    assert.deepEqual(row(world), {
      ...whose,
      lineage: 'ses_1',
      login: 'ks_1',
      place: 'db:5432/shop',
      from: null,
      handle: null,
      issued_at: world.now,
      expires_at,
      ended_at: null,
      ended_reason: null,
    })
    const { kind, fields } =
      world.entries.find(({ kind }) => kind === 'lease.issued') ?? assert.fail(world.kinds().join())
    const { login, place, lifetime_s, expires_at: until, ...rest } = fields
    assert.deepEqual(
      [kind, login, place, lifetime_s, until, 'from' in rest],
      ['lease.issued', 'ks_1', 'db:5432/shop', 900, new Date(expires_at).toISOString(), false],
    )
    assert.deepEqual([rest['backend'], rest['session'], rest['call']], ['pg', whose.session, whose.call])
  })

  it('of a vault is taken back by what was noted and how the vault names it', () => {
    const world = running()
    assert.deepEqual(world.write(NOTE), { kind: 'noted' })
    const { handle, login, issued_at, expires_at } = row(world) ?? assert.fail()
    assert.deepEqual([handle, login, issued_at, expires_at], ['v1', '', null, world.now])
    world.write(settling({ ...GIVEN, from: 'vault://db/creds', lease_id: 'db/creds/7' }))
    assert.deepEqual([row(world)?.handle, row(world)?.login], ['v1 db/creds/7', 'ks_1'])
    const issued = world.entries.find(({ kind }) => kind === 'lease.issued')
    assert.deepEqual([issued?.fields['from'], issued?.fields['lease_id']], ['vault://db/creds', 'db/creds/7'])
  })

  it('is noted by its own running attempt alone', () => {
    const FENCED: readonly ((world: World) => void)[] = [
      (world) => world.calls.clear(),
      (world) => world.write(settling()),
      (world) => (world.owner = 'rep_2'),
      (world) => world.calls.set('call_1', { ...theCall(world), attempt: 2 }),
    ]
    for (const fence of FENCED) {
      const world = running()
      fence(world)
      assert.deepEqual([world.write(NOTE), row(world)], [{ kind: 'fenced' }, undefined])
    }
  })

  it('is nobody’s once another process has the call: that one revokes it, and a certain no counts all the same', () => {
    const REFUSED: Outcome = { kind: 'refused', status: 400, message: 'no', evidence: {} }
    for (const [settles, end] of [
      [settling(GIVEN), ['fenced', 'unknown']],
      [{ ...settling(), outcome: REFUSED }, ['settled', 'refused']],
    ] as const) {
      const world = running()
      const { owner } = theCall(world)
      world.owner = 'rep_2'
      assert.equal(world.write({ op: 'take_over', call: 'call_1', from: owner }).kind, 'settled')
      world.owner = owner ?? ''
      assert.deepEqual([world.write(settles).kind, theCall(world).state], end)
      assert.equal(row(world), undefined)
    }
  })

  it('ends once, with the reason that its lineage has or that is said', () => {
    const world = running()
    world.write(settling(GIVEN))
    world.session('ses_1', { ended_at: world.now, ended_reason: 'logout' })
    world.session('ses_8', { lineage: 'ses_8', ended_reason: 'revoked', ended_at: world.now })
    assert.deepEqual(world.write({ op: 'lease.end', call: 'call_1' }), { kind: 'ended' })
    assert.deepEqual([row(world)?.ended_at, row(world)?.ended_reason], [world.now, 'logout'])
    const { kind, fields } = world.entries.at(-1) ?? assert.fail()
    assert.deepEqual([kind, fields], ['lease.revoked', { ...whose, effect: 'lease', login: 'ks_1', reason: 'logout' }])
    assert.deepEqual(world.write({ op: 'lease.end', call: 'call_1' }), { kind: 'already' })
    assert.deepEqual(world.write({ op: 'lease.end', call: 'call_9' }), { kind: 'already' })
    const other = running()
    other.write(settling(GIVEN))
    other.write({ op: 'lease.end', call: 'call_1', reason: 'not_taken', left: 'two tables' })
    assert.deepEqual(
      [other.entries.at(-1)?.fields['reason'], other.entries.at(-1)?.fields['left']],
      ['not_taken', 'two tables'],
    )
  })

  it('is over without a reason of its own for as good as revoked', () => {
    const world = running()
    world.write(settling(GIVEN))
    world.write({ op: 'lease.end', call: 'call_1' })
    assert.equal(row(world)?.ended_reason, 'revoked')
  })

  it('was never given where the call in doubt is settled: nothing of its note is left, and nothing of a login is lost', () => {
    const found = {
      op: 'reconcile',
      call: 'call_1',
      attempt: 1,
      found: 'refused',
      reason: 'r',
      evidence: {},
      output: null,
      replay_ms: 0,
      lease: true,
    } as const
    const doubtful: Outcome = { kind: 'unknown', reason: 'timeout', evidence: {} }
    const world = running()
    world.write(NOTE)
    world.write({ ...settling(), outcome: doubtful })
    world.now += 1000
    world.write(found)
    assert.deepEqual([row(world)?.ended_at, row(world)?.ended_reason], [world.now, 'never_given'])
    const given = running()
    given.write({ ...settling(), outcome: doubtful })
    const lease = { ...(row(world) ?? assert.fail()), issued_at: 1, ended_at: null, ended_reason: null }
    given.leases.set('call_1', lease)
    given.write(found)
    assert.deepEqual(row(given), lease)
  })
})

describe('why a login must be gone', () => {
  const world = new World()
  const NOW = world.now
  const live = { expires_at: NOW + 1 }
  const over = (ended_reason: 'revoked' | 'role_removed' | 'logout' | 'renewed' | 'expired') =>
    world.session('x', { ended_at: NOW - 1, ended_reason })
  const OVER: readonly (readonly [
    why: LeaseEnd | null,
    expires_at: number,
    sessions: ReturnType<World['session']>[],
  ])[] = [
    [null, NOW + 1, [world.session('x', live)]],
    [null, NOW + 1, [over('renewed'), world.session('x', live)]],
    [null, NOW + 1, [over('logout'), world.session('x', live)]],
    ['revoked', NOW + 1, [over('revoked'), world.session('x', live)]],
    ['role_removed', NOW + 1, [over('role_removed'), world.session('x', live)]],
    ['revoked', NOW, [over('revoked')]],
    ['expired', NOW, [world.session('x', live)]],
    ['session_expired', NOW + 1, [world.session('x', { expires_at: NOW })]],
    ['session_expired', NOW + 1, [over('renewed'), over('expired')]],
    ['session_expired', NOW + 1, []],
    ['logout', NOW + 1, [over('renewed'), over('logout')]],
  ]
  for (const [why, expires_at, sessions] of OVER)
    it(`is ${why ?? 'nothing'}: ${sessions.map(({ ended_reason }) => ended_reason ?? 'open').join(', ')}`, () =>
      assert.equal(leaseOver({ expires_at }, sessions, NOW), why))
})
