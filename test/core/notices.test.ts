import assert from 'node:assert/strict'
import { decidedOf, noticeId, noticeOf, planOf, waitOf, waits } from '../../gateway/core/notice-plan.ts'
import type { Channel, Notice, Notify } from '../../gateway/core/notice.ts'
import type { ApprovalLine, Call, Group, Policy, Role } from '../../gateway/core/types.ts'
import { admitting, need, plan, World } from './world.ts'

const HOUR = 3_600_000
const CALL = 'call_01KAR00000000000000000000A'

function held(needs = [need('approval[0]', 1, 'finance')]): World {
  const world = new World()
  world.session()
  assert.equal(world.write(admitting(CALL, { plan: plan({ need: needs }) })).kind, 'held')
  return world
}
function theCall(world: World): Call {
  return world.calls.get(CALL) ?? assert.fail('no call')
}
const due = (
  world: World,
  kind: Notice['kind'],
  channel: string,
  due_at = world.now,
  until: number | null = world.now + 4 * HOUR,
) => noticeOf(waitOf(theCall(world)), kind, channel, { made_at: world.now, due_at, until })

/** A held call of which two channels are told at once and one later. */
function told(): World {
  const world = held()
  const later = due(world, 'call.held.reminder', 'slack', world.now + 2 * HOUR)
  const notices = [due(world, 'call.held', 'slack'), due(world, 'call.held', 'mail'), later]
  assert.deepEqual(begin(world, notices), { begun: 1, dead: [] })
  return world
}
const begin = (world: World, notices: readonly Notice[], wait = waitOf(theCall(world))) =>
  world.write({ op: 'wait.begin', waits: [{ wait, notices }] })
const all = (world: World): readonly Notice[] => [...world.notices.values()]
const id = (world: World, channel: string, kind: Notice['kind'] = 'call.held') =>
  all(world).find((notice) => notice.channel === channel && notice.kind === kind)?.id ??
  assert.fail(`${kind} ${channel}`)
const states = (world: World) => all(world).map(({ kind, channel, state }) => `${kind} ${channel} ${state}`)
const claim = (world: World, alone = false, notices = all(world)) =>
  world.write({ op: 'notice.claim', notices, for_ms: 60_000, alone })
const settle = (world: World, channel: string, outcome: 'delivered' | number | null, tries = 1) =>
  world.write({
    op: 'notice.settle',
    id: id(world, channel),
    call: CALL,
    tries,
    outcome: outcome === 'delivered' ? { kind: outcome } : { kind: 'failed', again_ms: outcome },
    said: 'said',
  }).notice
const cancel = (world: World) => world.calls.set(CALL, { ...theCall(world), state: 'cancelled' })
const end = (world: World) => world.write({ op: 'wait.end', calls: [CALL, 'call_9'] })

describe('a wait for people', () => {
  it('is kept once, with its notices', () => {
    const world = told()
    assert.deepEqual([...world.waits.values()], [waitOf(theCall(world))])
    assert.deepEqual(states(world), [
      'call.held slack waiting',
      'call.held mail waiting',
      'call.held.reminder slack waiting',
    ])
    assert.deepEqual(begin(world, [due(world, 'call.held', 'other')]), { begun: 0, dead: [] })
    assert.equal(world.notices.size, 3)
  })

  it('is not begun for a call that waits no longer, is not known, or has another card by now', () => {
    const world = held()
    const wait = waitOf(theCall(world))
    world.calls.set(CALL, { ...theCall(world), card: 'another' })
    assert.equal(begin(world, [], wait).begun, 0)
    cancel(world)
    assert.equal(begin(world, [], wait).begun, 0)
    world.calls.clear()
    assert.equal(begin(world, [], wait).begun, 0)
    assert.equal(world.waits.size, 0)
  })

  it('ends the one under the card before it', () => {
    const world = told()
    settleAll(world)
    const before = waitOf(theCall(world))
    world.calls.set(CALL, { ...theCall(world), card: 'another' })
    assert.equal(begin(world, [due(world, 'call.held', 'slack')]).begun, 1)
    assert.deepEqual(world.waits.get(before.id)?.over, { outcome: 'voided', by: [], at: world.now })
    assert.equal(world.waits.get(waitOf(theCall(world)).id)?.over, null)
  })
  const settleAll = (world: World) => {
    claim(world)
    for (const channel of ['slack', 'mail']) settle(world, channel, 'delivered')
  }

  it('tells those who were told how it ended, once; what was not due yet was never needed', () => {
    const world = told()
    settleAll(world)
    assert.deepEqual(end(world), { over: 0, dead: [] })
    cancel(world)
    world.now += 1000
    assert.deepEqual(end(world), { over: 1, dead: [] })
    assert.deepEqual(states(world), [
      'call.held slack delivered',
      'call.held mail delivered',
      'call.held.reminder slack over',
      'call.decided slack waiting',
      'call.decided mail waiting',
    ])
    const last = world.notices.get(id(world, 'mail', 'call.decided'))
    assert.deepEqual(
      [last?.made_at, last?.due_at, last?.until, last?.decided],
      [world.now, world.now, world.now + 24 * HOUR, { outcome: 'cancelled', by: [] }],
    )
    assert.deepEqual([end(world), world.notices.size], [{ over: 0, dead: [] }, 5])
  })

  it('makes a dead letter of what was tried in vain', () => {
    const world = told()
    claim(world)
    settle(world, 'mail', 5000)
    cancel(world)
    const { over, dead } = end(world)
    assert.deepEqual(
      [over, dead.map(({ channel, state, due_at }) => [channel, state, due_at])],
      [1, [['mail', 'dead', world.now]]],
    )
    assert.deepEqual(states(world), ['call.held slack waiting', 'call.held mail dead', 'call.held.reminder slack over'])
    // What was under way when it ended says itself what became of it, and is told the end.
    assert.equal(settle(world, 'slack', 'delivered')?.state, 'delivered')
    assert.ok(states(world).includes('call.decided slack waiting'))
  })
})

describe('a notice', () => {
  it('is claimed by one process when it is due, for as long as it says', () => {
    const world = told()
    const { claimed, dead } = claim(world)
    assert.deepEqual(
      [claimed.map(({ channel, owner, tries, due_at }) => [channel, owner, tries, due_at]), dead],
      [
        [
          ['slack', 'rep_1', 1, world.now + 60_000],
          ['mail', 'rep_1', 1, world.now + 60_000],
        ],
        [],
      ],
    )
    world.owner = 'rep_2'
    assert.deepEqual(claim(world).claimed, [])
    world.now += 60_000
    assert.deepEqual(
      claim(world).claimed.map(({ owner, tries }) => [owner, tries]),
      [
        ['rep_2', 2],
        ['rep_2', 2],
      ],
    )
  })

  it('that another process has claimed was left behind where none other lives', () => {
    const world = told()
    claim(world)
    assert.deepEqual(claim(world, true).claimed, [])
    world.owner = 'rep_2'
    assert.equal(claim(world, true).claimed.length, 2)
    assert.deepEqual(claim(world, true, [{ ...due(world, 'call.held', 'nobody') }]).claimed, [])
  })

  it('is late once its time or its wait is over: dead where it was tried, over where not', () => {
    const world = told()
    claim(world)
    settle(world, 'mail', 0)
    settle(world, 'slack', 0)
    world.now += 4 * HOUR
    const { claimed, dead } = claim(world)
    assert.deepEqual([claimed, dead.map(({ channel }) => channel)], [[], ['slack', 'mail']])
    assert.deepEqual(states(world), ['call.held slack dead', 'call.held mail dead', 'call.held.reminder slack over'])
    assert.deepEqual(claim(world), { claimed: [], dead: [] })
  })

  it('that its process may have sent before it was gone is followed by how it ended', () => {
    const world = told()
    claim(world)
    cancel(world)
    end(world)
    world.now += 60_000
    world.owner = 'rep_2'
    assert.deepEqual(
      claim(world).dead.map(({ channel, owner }) => [channel, owner]),
      [
        ['slack', null],
        ['mail', null],
      ],
    )
    assert.deepEqual(states(world).slice(3), ['call.decided slack waiting', 'call.decided mail waiting'])
    assert.deepEqual(
      claim(world).claimed.map(({ kind }) => kind),
      ['call.decided', 'call.decided'],
    )
  })

  it('that its process may have sent stays after its time until it is known how its wait ended', () => {
    const world = told()
    claim(world)
    world.now += 4 * HOUR
    world.owner = 'rep_2'
    assert.deepEqual(claim(world), { claimed: [], dead: [] })
    assert.deepEqual(states(world).slice(0, 2), ['call.held slack waiting', 'call.held mail waiting'])
    world.calls.set(CALL, { ...theCall(world), state: 'expired' })
    end(world)
    assert.deepEqual(
      claim(world).dead.map(({ channel }) => channel),
      ['slack', 'mail'],
    )
    assert.deepEqual(states(world).slice(3), ['call.decided slack waiting', 'call.decided mail waiting'])
  })

  it('that may have come is followed by how it ended, whatever the next try of it says', () => {
    const followed = (next: (world: World) => void): readonly string[] => {
      const world = told()
      claim(world)
      world.now += 60_000
      world.owner = 'rep_2'
      assert.equal(claim(world).claimed.length, 2)
      next(world)
      return states(world).slice(3)
    }
    const over = (world: World): void => {
      cancel(world)
      end(world)
    }
    const inVain = (again_ms: number | null) => (world: World) => settle(world, 'slack', again_ms, 2)
    const both = ['call.decided slack waiting']
    assert.deepEqual(
      followed((world) => [inVain(5000)(world), over(world)]),
      both,
    )
    assert.deepEqual(
      followed((world) => [inVain(null)(world), over(world)]),
      both,
    )
    assert.deepEqual(
      followed((world) => [over(world), inVain(5000)(world)]),
      both,
    )
    assert.deepEqual(
      followed((world) => [over(world), inVain(5000)(world), end(world)]),
      both,
    )
  })

  it('is settled by whoever claimed it, for this try alone', () => {
    const world = told()
    assert.equal(settle(world, 'slack', 'delivered'), null)
    claim(world)
    assert.equal(settle(world, 'slack', 'delivered', 2), null)
    world.owner = 'rep_2'
    assert.equal(settle(world, 'slack', 'delivered'), null)
    world.owner = 'rep_1'
    world.now += 5
    const { state, owner, said, due_at } = settle(world, 'slack', 'delivered') ?? assert.fail()
    assert.deepEqual([state, owner, said, due_at], ['delivered', null, 'said', world.now])
    assert.equal(settle(world, 'slack', 'delivered'), null)
    assert.ok(!states(world).some((text) => text.startsWith('call.decided')))
  })

  it('is tried again after a while, and dead when it is not, or would come too late', () => {
    const tried = (outcome: number | null, wait_ms = 0) => {
      const world = told()
      claim(world)
      world.now += wait_ms
      const { state, due_at, owner, said } = settle(world, 'slack', outcome) ?? assert.fail()
      return [state, due_at - world.now, owner, said]
    }
    assert.deepEqual(tried(5000), ['waiting', 5000, null, 'said'])
    assert.deepEqual(tried(null), ['dead', 0, null, 'said'])
    assert.deepEqual(tried(4 * HOUR - 1), ['waiting', 4 * HOUR - 1, null, 'said'])
    assert.deepEqual(tried(4 * HOUR), ['dead', 0, null, 'said'])
    const over = told()
    claim(over)
    cancel(over)
    end(over)
    assert.equal(settle(over, 'slack', 5000)?.state, 'dead')
  })

  it('is sent again by a person while it says anything still', () => {
    const world = told()
    const retry = (of = id(world, 'slack')) => world.write({ op: 'notice.retry', id: of, call: CALL })
    assert.deepEqual(retry('msg_9'), { retried: 'none', notice: null })
    assert.equal(retry().retried, 'not_dead')
    claim(world)
    settle(world, 'slack', null)
    world.now += 1000
    const { retried, notice } = retry()
    assert.deepEqual(
      [retried, notice?.state, notice?.due_at, notice?.tries_before, notice?.until],
      ['retried', 'waiting', world.now, 1, world.now - 1000 + 4 * HOUR],
    )
    claim(world, false, [{ id: id(world, 'slack') } as Notice])
    settle(world, 'slack', null, 2)
    world.now += 4 * HOUR
    assert.deepEqual([retry().retried, world.notices.get(id(world, 'slack'))?.state], ['too_late', 'dead'])
  })

  it('about how it ended is worth a day again, however late', () => {
    const world = told()
    claim(world)
    settle(world, 'slack', 'delivered')
    cancel(world)
    end(world)
    const decided = id(world, 'slack', 'call.decided')
    world.notices.set(decided, { ...(world.notices.get(decided) ?? assert.fail()), state: 'dead' })
    world.now += 48 * HOUR
    const { retried, notice } = world.write({ op: 'notice.retry', id: decided, call: CALL })
    assert.deepEqual([retried, notice?.until], ['retried', world.now + 24 * HOUR])
  })
})

describe('what is said of a wait', () => {
  const CALLED: Call = {
    ...theCall(held([need('a', 1, 'finance'), need('b', 2, 'finance'), need('c', 1, 'leads')])),
    id: CALL,
  }

  it('is names, money and times, each group with the most that is asked of it', () => {
    const { about, state, card, over } = waitOf(CALLED)
    assert.deepEqual(about, {
      call: CALL,
      action: 'stripe.refund',
      role: 'support-agent',
      amount: { unit: 'USD', amount: 3000 },
      need: [
        { count: 2, of: 'finance' },
        { count: 1, of: 'leads' },
      ],
      expires_at: CALLED.expires_at,
    })
    assert.deepEqual([state, card, over], ['held', CALLED.card, null])
    const doubt = waitOf({ ...CALLED, state: 'needs_human' })
    assert.deepEqual(
      [doubt.state, doubt.card, doubt.about.need, doubt.about.expires_at],
      ['needs_human', null, [], null],
    )
    const ids = [waitOf(CALLED), doubt, waitOf({ ...CALLED, card: 'x' }), waitOf({ ...CALLED, id: 'call_2' })].map(
      ({ id }) => id,
    )
    assert.equal(new Set(ids).size, 4)
  })

  it('has an id for each wait, kind and channel, the same for whoever makes it', () => {
    const ids = [
      noticeId('w', CALL, 'call.held', 'a'),
      noticeId('x', CALL, 'call.held', 'a'),
      noticeId('w', CALL, 'call.decided', 'a'),
      noticeId('w', CALL, 'call.held', 'b'),
    ]
    assert.equal(new Set(ids).size, 4)
    assert.ok(
      ids.every((id) => /^msg_[0-9A-Z]{26}$/.test(id)),
      ids.join(),
    )
    assert.equal(noticeId('w', CALL, 'call.held', 'a'), ids[0])
  })

  const yes = (name: string) => ({ person: name, name, groups: [], at: 0, card: '' })
  const ENDS: readonly (readonly [what: string, call: Partial<Call>, decided: ReturnType<typeof decidedOf>])[] = [
    ['waits still', {}, null],
    ['is held afresh', { card: 'x' }, { outcome: 'voided', by: [] }],
    [
      'is let go',
      { state: 'executing', approvals: [yes('Dana'), yes('O'.repeat(101))] },
      { outcome: 'approved', by: ['Dana', 'O'.repeat(100)] },
    ],
    [
      'is a lease that is let go',
      { effect: 'lease', need: CALLED.need.map((line) => ({ ...line, have: 2 })) },
      { outcome: 'approved', by: [] },
    ],
    ['is over', { state: 'expired' }, { outcome: 'expired', by: [] }],
    ['is denied at the recheck', { state: 'denied' }, { outcome: 'denied', by: [] }],
    ['is cancelled', { state: 'cancelled' }, { outcome: 'cancelled', by: [] }],
    [
      'is cancelled after everybody had said yes',
      { state: 'cancelled', need: CALLED.need.map((line) => ({ ...line, have: line.count })) },
      { outcome: 'approved', by: [] },
    ],
    [
      'is rejected',
      { state: 'rejected', detail: 'Rejected by Dana\nLee: no: never' },
      { outcome: 'rejected', by: ['Dana\nLee'] },
    ],
    [
      'is rejected by a long name',
      { state: 'rejected', detail: `Rejected by ${'O'.repeat(101)}: no` },
      { outcome: 'rejected', by: ['O'.repeat(100)] },
    ],
    ['is rejected without a name', { state: 'rejected', detail: null }, { outcome: 'rejected', by: [] }],
  ]
  for (const [what, call, decided] of ENDS)
    it(`is how it ended, where the call ${what}`, () =>
      assert.deepEqual(decidedOf(waitOf(CALLED), { ...CALLED, ...call }), decided))

  it('is who settled it, where it was in doubt', () => {
    const doubt: Call = { ...CALLED, state: 'needs_human' }
    const said = (person: string, outcome: 'done' | 'refused') => ({ person, name: person, outcome, reason: '', at: 0 })
    const settles = [said('dana', 'done'), said('lee', 'refused'), said('omar', 'done')] as unknown as Call['settles']
    assert.equal(decidedOf(waitOf(doubt), doubt), null)
    assert.deepEqual(decidedOf(waitOf(doubt), { ...doubt, state: 'done', settles }), {
      outcome: 'settled',
      by: ['dana', 'omar'],
    })
  })

  it('is said while people are needed', () => {
    const lease: Call = { ...CALLED, effect: 'lease', need: CALLED.need.map((line) => ({ ...line, have: line.count })) }
    const doubt: Call = { ...CALLED, state: 'needs_human' }
    assert.deepEqual([CALLED, doubt, lease, { ...CALLED, state: 'done' } as Call].map(waits), [
      true,
      true,
      false,
      false,
    ])
  })
})

describe('who is told of a wait', () => {
  const channels = ['desk', 'leads', 'night', 'boss', 'doubt', 'own', 'up']
  const NOTIFY: Notify = {
    channels: new Map(channels.map((name) => [name, {} as Channel])),
    default: ['desk'],
    escalate: ['boss'],
    needs_human: null,
    retry_ms: [],
  }
  const POLICY = {
    notify: NOTIFY,
    roles: new Map([
      [
        'support-agent',
        {
          grants: new Map([
            [
              'stripe.refund',
              {
                approval: [
                  { because: 'own', notify: ['own', 'gone'], escalate: ['up', 'own'] },
                  { because: 'plain' },
                ] as unknown as ApprovalLine[],
              },
            ],
          ]),
        } as unknown as Role,
      ],
    ]),
    groups: new Map([
      ['leads', { notify: ['leads'], escalate: ['night'] } as unknown as Group],
      ['finance', {} as Group],
    ]),
    people: { settle: ['leads', 'finance'] },
  } as unknown as Policy
  const of = (needs: Call['need'], more: Partial<Call> = {}, policy = POLICY, after_ms = 0) => {
    const world = held()
    const call = { ...theCall(world), need: needs, ...more }
    const made = planOf(policy, call, world.now, world.now + after_ms)
    return made?.notices.map(({ kind, channel, due_at, until, made_at, wait }) => {
      assert.deepEqual([made_at, wait], [world.now + after_ms, made.wait.id])
      return [kind, channel, due_at - world.now, until === null ? null : until - world.now]
    })
  }
  const line = (name: string, group: string, have = 0) => ({ ...need(name, 1, group), have })
  const LIFE = 4 * HOUR

  it('is the line’s own, else the group’s, else everybody’s; at half and at 80 % of the hold again, then others too', () => {
    const three = (first: string, ...later: string[]) => [
      ['call.held', first, 0, LIFE],
      ['call.held.reminder', first, LIFE / 2, LIFE],
      ...[first, ...later].map((channel) => ['call.held.escalated', channel, 0.8 * LIFE, LIFE]),
    ]
    assert.deepEqual(of([line('own', 'leads')]), three('own', 'up'))
    assert.deepEqual(of([line('plain', 'leads')]), three('leads', 'night'))
    assert.deepEqual(of([line('plain', 'finance')]), three('desk', 'boss'))
    assert.deepEqual(of([line('plain', 'nobody')], { action: 'x' }), three('desk', 'boss'))
    assert.deepEqual(
      of([line('plain', 'leads'), line('own', 'leads', 1), line('none', 'leads')]),
      three('leads', 'night'),
    )
  })

  it('is told no more of what is past', () => {
    const kinds = (after_ms: number) => of([line('plain', 'finance')], {}, POLICY, after_ms)?.map(([kind]) => kind)
    assert.deepEqual(kinds(LIFE / 2), ['call.held', 'call.held.escalated', 'call.held.escalated'])
    assert.deepEqual(kinds(0.8 * LIFE), ['call.held'])
  })

  it('is who settles, of a call in doubt, or whom the policy names for it', () => {
    const doubt: Partial<Call> = { state: 'needs_human' }
    assert.deepEqual(of([], doubt), [
      ['call.needs_human', 'leads', 0, null],
      ['call.needs_human', 'desk', 0, null],
    ])
    const named = { ...POLICY, notify: { ...NOTIFY, needs_human: ['doubt'] } }
    assert.deepEqual(of([], doubt, named), [['call.needs_human', 'doubt', 0, null]])
  })

  it('is nobody where the policy has no channel for it, or nobody is waited for', () => {
    const silent = { ...POLICY, notify: { ...NOTIFY, channels: new Map() } }
    const { notify: _notify, ...without } = POLICY
    assert.deepEqual(
      [of([line('plain', 'leads')], {}, silent), of([line('plain', 'leads')], {}, without), of([], { state: 'done' })],
      [undefined, undefined, undefined],
    )
    const late = { ...POLICY, notify: { ...NOTIFY, default: [] } }
    assert.deepEqual(of([line('plain', 'finance')], {}, late), [['call.held.escalated', 'boss', 0.8 * LIFE, LIFE]])
  })
})
