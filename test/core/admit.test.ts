import assert from 'node:assert/strict'
import { admit, exceeds, isBarred, reportedBy, viewOf } from '../../gateway/core/admit.ts'
import type { Use } from '../../gateway/core/admit.ts'
import type { Approval, Decision, LimitState, Plan, Want } from '../../gateway/core/types.ts'
import { need, plan, want } from './world.ts'

const NOW = Date.parse('2026-11-23T15:00:00Z')
const TOMORROW = Date.parse('2026-11-24T00:00:00Z')
const HOUR: Want['window'] = { kind: 'rolling', length_ms: 3_600_000 }
const rate = (limit: string, max: number, more: Partial<Want> = {}) =>
  want(limit, 1, max, { kind: 'rate', unit: 'calls', window: HOUR, per: 'hour', ...more })

function use(limits: { [id: string]: Partial<LimitState> } = {}, more: Partial<Use> = {}): Use {
  const limit = (id: string): LimitState => ({ held: 0, buckets: new Map(), ...limits[id] })
  return { now: NOW, limit, approvals: [], own: [], ...more }
}
const used = (amount: number, at = Date.parse('2026-11-23T00:00:00Z')): Partial<LimitState> => ({
  buckets: new Map([[at, amount]]),
})
const yes = (person: string, groups: string[]): Approval => ({ person, name: person, groups, at: 0, card: 'card' })

function decided(more: Partial<Plan>, of: Use = use()): Decision {
  return admit(plan(more), of)
}
function denied(more: Partial<Plan>, of: Use = use()): Extract<Decision, { verdict: 'deny' }> {
  const decision = decided(more, of)
  return decision.verdict === 'deny' ? decision : assert.fail(decision.verdict)
}
function haves(needs: Plan['need'], approvals: readonly Approval[]): number[] {
  const decision = decided({ need: needs }, use({}, { approvals }))
  return decision.verdict === 'deny' ? assert.fail() : decision.need.map(({ have }) => have)
}

describe('a decision by use', () => {
  const room: [string, number, Partial<LimitState>, number | null, boolean][] = [
    ['fits to the last cent', 3000, used(47_000), 50_000, false],
    ['does not fit one cent more', 3001, used(47_000), 50_000, true],
    ['counts what other calls hold', 3000, { held: 47_001 }, 50_000, true],
    ['adds what is held to what is used', 3000, { ...used(40_000), held: 7001 }, 50_000, true],
    ['does not count what was used before the window', 3000, used(50_000, NOW - 86_400_000), 50_000, false],
    ['cannot be too much for a line that only watches', 3000, used(1e12), null, false],
    ['is refused where the sum is no exact integer', 3000, used(Number.MAX_SAFE_INTEGER), Number.MAX_VALUE, true],
  ]
  for (const [what, amount, state, max, expected] of room) {
    it(what, () => assert.equal(exceeds(want('daily', amount, max), use({ daily: state })), expected))
  }

  it('does not count what the call itself holds, of this limit alone', () => {
    const state = { daily: { held: 50_000 } }
    const own = [want('weekly', 9_999, null), want('daily', 3000, null)]
    assert.deepEqual(
      [3000, 3001].map((amount) => exceeds(want('daily', amount, 50_000), use(state, { own }))),
      [false, true],
    )
  })

  it('says no in the words of the line, and whose limit it is', () => {
    const lines: [Want, string][] = [
      [want('daily', 2, 1), 'That is more than is left of daily: 0.01 USD per day.'],
      [
        want('daily', 2, 1, { by: 'facts.charge.customer' }),
        'That is more than is left of daily: 0.01 USD per day for one customer.',
      ],
      [rate('rate', 0), 'The rate is used up: 0 per hour.'],
      [rate('rate', 0, { by: 'facts.charge' }), 'The rate is used up: 0 per hour for one charge.'],
      [rate('rate', 0, { by: 'the.facts.charge' }), 'The rate is used up: 0 per hour.'],
      [want('attempts', 2, 1, { kind: 'attempts', unit: 'attempts' }), 'Too many refused attempts: 1 per hour.'],
      [
        want('one', 2, 1, { kind: 'serialize', unit: 'calls' }),
        'Another call about the same thing is not settled yet.',
      ],
    ]
    for (const [line, message] of lines) {
      assert.deepEqual(denied({ want: [line] }).because, [{ because: line.because, message }])
    }
  })

  it('lists every line that says no, lines of facts first, and is rate_limited for rates alone', () => {
    const facts = { because: 'guardrails.freeze', message: 'no' }
    const [budget, hourly] = [want('daily', 2, 1), rate('rate', 0)]
    const roomy = want('roomy', 1, 10)
    const cases: [Partial<Plan>, string, string[]][] = [
      [{ deny: [facts], want: [roomy] }, 'denied', ['guardrails.freeze']],
      [
        { deny: [facts], want: [hourly, roomy, budget] },
        'denied',
        ['guardrails.freeze', hourly.because, budget.because],
      ],
      [{ deny: [facts], want: [hourly] }, 'denied', ['guardrails.freeze', hourly.because]],
      [{ want: [hourly] }, 'rate_limited', [hourly.because]],
      [{ want: [budget, hourly] }, 'denied', [budget.because, hourly.because]],
    ]
    for (const [more, code, because] of cases) {
      const decision = denied(more)
      assert.deepEqual([decision.code, decision.because.map((line) => line.because)], [code, because])
    }
  })

  describe('says when it may be asked again', () => {
    const full = { ...used(50_000), held: 0 }
    const rolling = (start: number) => ({ buckets: new Map([[start, 20]]) })
    const leaves = (start: number) => start + Math.ceil(3_600_000 / 95) - 1 + 3_600_000
    const cases: [string, Partial<Plan>, Use, number | null][] = [
      ['at the next window', { want: [want('daily', 1, 50_000)] }, use({ daily: full }), TOMORROW],
      [
        'when a rate has slid on',
        { want: [rate('rate', 20)] },
        use({ rate: rolling(NOW - 60_000) }),
        leaves(NOW - 60_000),
      ],
      [
        'when the last of several lines is free again',
        { want: [want('daily', 1, 50_000), rate('rate', 20)] },
        use({ daily: full, rate: rolling(NOW - 60_000) }),
        TOMORROW,
      ],
      [
        'when the last of several is free again, in whatever order they stand',
        { want: [rate('rate', 20), want('daily', 1, 50_000), rate('other', 20)] },
        use({ daily: full, rate: rolling(NOW - 60_000), other: rolling(NOW - 90_000) }),
        TOMORROW,
      ],
      ['never, for more than the whole limit', { want: [want('daily', 50_001, 50_000)] }, use(), null],
      ['at the next window, for all of it', { want: [want('daily', 50_000, 50_000)] }, use({ daily: full }), TOMORROW],
      [
        'never, where nothing but held calls stand in the way',
        { want: [rate('rate', 20)] },
        use({ rate: { held: 20 } }),
        null,
      ],
      [
        'by the others, where one line knows no time',
        { want: [rate('rate', 20), want('daily', 1, 50_000)] },
        use({ rate: { held: 20 }, daily: full }),
        TOMORROW,
      ],
      [
        'never, where facts said no as well',
        { deny: [{ because: 'x', message: 'no' }], want: [want('daily', 1, 50_000)] },
        use({ daily: full }),
        null,
      ],
    ]
    for (const [when, more, of, expected] of cases) it(when, () => assert.equal(denied(more, of).retry_at, expected))
  })

  it('moves a counter that several lines touch once, by the most that any of them takes', () => {
    for (const amounts of [
      [1, 3, 2],
      [3, 1],
      [2, 3],
    ]) {
      const decision = decided({ want: [...amounts.map((amount) => want('daily', amount, 10)), want('other', 7, 10)] })
      assert.deepEqual(decision.verdict === 'allow' && decision.reserve.map(({ limit, amount }) => [limit, amount]), [
        ['daily', 3],
        ['other', 7],
      ])
    }
  })

  it('moves it by the first of two equal lines', () => {
    const decision = decided({
      want: [want('daily', 3, 10, { name: 'first' }), want('daily', 3, 10, { name: 'second' })],
    })
    assert.deepEqual(decision.verdict === 'allow' && decision.reserve.map(({ name }) => name), ['first'])
  })
})

describe('who has said yes', () => {
  const lines = [need('approval[0]', 2, 'finance')]
  const cases: [string, Plan['need'], Approval[], number[]][] = [
    ['counts for its group', lines, [yes('demo:dana', ['finance'])], [1]],
    ['counts once for one person', lines, [yes('demo:dana', ['finance']), yes('demo:dana', ['finance'])], [1]],
    ['does not count without the group', lines, [yes('demo:dana', ['legal']), yes('demo:omar', [])], [0]],
    ['does not count from who asked', lines, [yes('demo:bot', ['finance'])], [0]],
    ['does not count from an owner', lines, [yes('demo:lee', ['finance', 'support-leads'])], [0]],
    [
      'counts in every line it fits',
      [...lines, need('approval[1]', 1, 'legal')],
      [yes('demo:dana', ['finance', 'legal']), yes('demo:omar', ['finance'])],
      [2, 1],
    ],
  ]
  for (const [what, needs, approvals, expected] of cases) {
    it(what, () => assert.deepEqual(haves([...needs, need('open', 9, 'nobody')], approvals), [...expected, 0]))
  }

  const barred = { persons: ['demo:bot', 'demo:kim'], groups: ['leads', 'admins'] }
  const bars: [string, string[], boolean][] = [
    ['demo:bot', [], true],
    ['demo:kim', ['finance'], true],
    ['demo:dana', ['finance', 'admins'], true],
    ['demo:dana', ['leads'], true],
    ['demo:dana', ['finance'], false],
    ['demo:dana', [], false],
  ]
  for (const [person, groups, expected] of bars) {
    it(`${person} in ${groups.join(' and ') || 'no group'} is ${expected ? '' : 'not '}barred`, () =>
      assert.equal(isBarred(person, groups, barred), expected))
  }
  it('bars nobody where nobody owns', () => assert.equal(isBarred('a', ['b'], { persons: [], groups: [] }), false))
})

describe('whether people are asked', () => {
  const watch = want('daily', 3000, null, { kind: 'watch', because: 'approval[0]', name: 'approval[0]' })
  const when = (above: number, up_to: number | null = null) =>
    need('approval[0]', 1, 'finance', { when: { limit: 'daily', above, up_to } })
  const cases: [string, Plan['need'], Partial<LimitState>, 'allow' | 'hold'][] = [
    ['not at the very amount', [when(3000)], {}, 'allow'],
    ['above it', [when(2999)], {}, 'hold'],
    ['with what was done before', [when(3000)], used(1), 'hold'],
    ['with what is held', [when(3000)], { held: 1 }, 'hold'],
    ['up to the second amount', [when(2999, 3000)], {}, 'hold'],
    ['not beyond the second amount', [when(2000, 2999)], {}, 'allow'],
    [
      'about a window that nobody weighed',
      [need('x', 1, 'finance', { when: { limit: 'gone', above: 1e9, up_to: null } })],
      {},
      'hold',
    ],
  ]
  for (const [what, needs, state, verdict] of cases) {
    it(what, () => assert.equal(decided({ want: [watch], need: needs }, use({ daily: state })).verdict, verdict))
  }

  it('waits as long as the first of its lines', () => {
    const needs = [
      need('a', 1, 'finance', { expires_ms: 500 }),
      need('b', 1, 'legal', { expires_ms: 200, passkey: true }),
    ]
    assert.deepEqual(decided({ need: needs }), {
      verdict: 'hold',
      reserve: [...plan().want, plan().holds],
      need: [
        { line: 'a', count: 1, of: 'finance', passkey: false, have: 0 },
        { line: 'b', count: 1, of: 'legal', passkey: true, have: 0 },
      ],
      expires_ms: 200,
    })
  })

  it('no more once enough said yes, and still where one of two lines lacks', () => {
    const needs = [need('a', 1, 'finance'), need('b', 1, 'legal')]
    const dana = yes('demo:dana', ['finance'])
    const omar = yes('demo:omar', ['legal'])
    const verdicts = [[dana], [omar], [dana, omar]].map(
      (approvals) => decided({ need: needs }, use({}, { approvals })).verdict,
    )
    assert.deepEqual(verdicts, ['hold', 'hold', 'allow'])
  })

  it('not by a line in report mode, which is recorded where it would have', () => {
    const [asks, never] = [need('asks', 1, 'finance', { report: true }), { ...when(9999), line: 'never', report: true }]
    const [over, under] = [want('over', 2, 1, { report: true }), want('under', 1, 1, { report: true })]
    const more = {
      want: [over, under, want('no', 2, 1), watch],
      need: [asks, never, need('real', 1, 'finance')],
      reported: ['r'],
    }
    assert.deepEqual(reportedBy(plan(more), use()), ['r', over.because, 'asks'])
    const decision = decided({ ...more, want: [over, under, watch], need: [asks, never] })
    assert.deepEqual([decision.verdict, 'need' in decision && decision.need], ['allow', []])
  })

  it('not when too many calls wait already; the call that waits itself keeps its place', () => {
    const { holds } = plan()
    const need1 = [need('a', 1, 'finance')]
    const full = { holds: { held: 10 } }
    assert.deepEqual(decided({ need: need1 }, use(full)), {
      verdict: 'deny',
      code: 'rate_limited',
      because: [{ because: holds.because, message: 'Too many calls of this session wait for people: 10 at once.' }],
      retry_at: null,
    })
    const over = { holds: { held: 12 } }
    const verdicts = [[holds], [want('daily', 1, 1)], []].map(
      (own) => decided({ need: need1 }, use(over, { own })).verdict,
    )
    assert.deepEqual(verdicts, ['hold', 'deny', 'deny'])
  })
})

describe('what a limit shows', () => {
  const state: LimitState = { held: 10, buckets: new Map([[Date.parse('2026-11-23T00:00:00Z'), 30]]) }

  it('is what is used, held and left, and when it begins anew', () => {
    assert.deepEqual(viewOf(want('daily', 1, 100), state, NOW), {
      name: 'daily',
      kind: 'budget',
      unit: 'USD',
      per: 'day',
      by: 'role',
      max: 100,
      used: 30,
      held: 10,
      left: 60,
      resets_at: '2026-11-24T00:00:00.000Z',
    })
  })

  it('never has less than nothing left, and no time where none will come', () => {
    const view = viewOf(rate('rate', 5), { held: 10, buckets: new Map() }, NOW)
    assert.deepEqual([view?.left, view?.resets_at, view?.kind], [0, null, 'rate'])
  })

  for (const kind of ['attempts', 'holds', 'serialize'] as const) {
    it(`is not told of ${kind}`, () => assert.equal(viewOf(want('x', 1, 1, { kind }), state, NOW), null))
  }
  it('is not told of what is only watched', () => assert.equal(viewOf(want('x', 1, null), state, NOW), null))
})
