import assert from 'node:assert/strict'
import { attemptsWant, definitionIn, definitionsOf, standingWants, weigh } from '../../gateway/core/weigh.ts'
import type {
  Action,
  ApprovalLine,
  By,
  Expression,
  Grant,
  Json,
  LimitLine,
  Plan,
  Policy,
  Question,
  Role,
  Template,
  Want,
  Window,
} from '../../gateway/core/types.ts'

const DAY: Window = { kind: 'calendar', every: 'day', timezone: 'America/New_York' }
const HOUR: Window = { kind: 'rolling', length_ms: 3_600_000 }
const NOW: Window = { kind: 'gauge' }

/** Expressions and templates without the compiler: a value, or an error where there is none. */
const says = (value: Json | undefined, text = 'facts.charge.customer'): Expression => ({
  text,
  reads: [],
  evaluate: () => (value === undefined ? { ok: false, error: 'missing' } : { ok: true, value }),
})
const renders = (value: Json | undefined): Template => ({
  reads: [],
  render: () => (value === undefined ? { ok: false, error: 'cannot be rendered' } : { ok: true, value }),
})
const line = { because: 'grants.pay.refund.x', owner: 'parent', report: false }

const limit = (more: Partial<LimitLine> = {}): LimitLine => ({
  ...line,
  kind: 'budget',
  name: 'daily',
  shared: null,
  max: { USD: 50_000 },
  window: DAY,
  per: 'day',
  by: { kind: 'role' },
  ...more,
})
const approval = (more: Partial<ApprovalLine> = {}): ApprovalLine => ({
  ...line,
  because: 'grants.pay.refund.approval[0]',
  above: null,
  window: null,
  up_to: null,
  when: null,
  count: 2,
  of: 'finance',
  expires_ms: 1000,
  passkey: true,
  ...more,
})

interface Given {
  readonly grant?: Partial<Grant>
  readonly action?: Partial<Action>
  readonly role?: Partial<Role>
  readonly policy?: Partial<Policy>
  readonly session?: Partial<Question['session']>
  readonly amount?: Json
}

function policyOf({ grant = {}, action = {}, role = {}, policy = {}, amount = 3000 }: Given): Policy {
  const granted: Grant = {
    action: 'pay.refund',
    max: [],
    limits: [],
    require: [],
    approval: [],
    next: ['case.open'],
    dry_run: true,
    attempts: 300,
    holds_max: 10,
    order: [],
    ...grant,
  }
  const acts: Action = {
    name: 'pay.refund',
    describe: '',
    effect: 'write',
    input: {},
    validate: () => [],
    sensitive: [],
    example: {},
    backend: 'pay',
    facts: [],
    cost: { kind: 'minor', minor: says(amount), currency: 'usd' },
    summary: renders('Refund'),
    request: renders({ POST: '/v1/refunds' }),
    recheck: null,
    keep: [],
    undo: 'no',
    replay_ms: 0,
    ...action,
  }
  const holder: Role = {
    name: 'agent',
    describe: '',
    owners: ['leads'],
    owners_approve: false,
    timezone: 'UTC',
    lifetime_ms: 1,
    issue_to: [],
    grants: new Map([['pay.refund', granted]]),
    prompt: null,
    ...role,
  }
  return {
    digest: 'sha256:policy',
    texts: [],
    backends: new Map(),
    actions: new Map([['pay.refund', acts]]),
    roles: new Map([['agent', holder]]),
    guardrails: [],
    switches: new Map(),
    issuers: new Map(),
    groups: new Map(),
    people: { view: [], freeze: [], settle: [], export: [], metrics: 'token' },
    sessions: { lifetime_max_ms: 1, live_per_principal: 1 },
    ...policy,
  }
}
function questionOf({ session = {} }: Given): Question {
  return {
    at: Date.parse('2026-11-23T15:00:00Z'),
    call: 'call_1',
    action: 'pay.refund',
    input: {},
    facts: {},
    switches: {},
    session: {
      id: 'ses_2',
      lineage: 'ses_1',
      role: 'agent',
      principal: 'demo:bot',
      requester: 'demo:dana',
      acting_for: null,
      attributes: {},
      issued_at: 0,
      expires_at: 1,
      ...session,
    },
  }
}
const WEIGHING = { switches_version: 7, identify: (text: string) => text }
const weighed = (given: Given = {}): Plan => weigh(policyOf(given), questionOf(given), WEIGHING)
const wants = (given: Given): readonly Want[] => weighed(given).want
const denies = (given: Given) => weighed(given).deny

const UNREADABLE = (because: string) => ({
  because,
  message: `${because} could not be judged, and what cannot be judged is refused.`,
  error: true,
})

describe('a plan', () => {
  it('is everything that use does not change', () => {
    assert.deepEqual(weighed(), {
      policy: 'sha256:policy',
      switches: 7,
      action: 'pay.refund',
      role: 'agent',
      effect: 'write',
      backend: 'pay',
      cost: { unit: 'USD', amount: 3000 },
      summary: 'Refund',
      request: { POST: '/v1/refunds' },
      want: [],
      need: [],
      deny: [],
      reported: [],
      attempts: {
        limit: '["attempts","*","attempts","rolling",3600000,"principal","demo:bot"]',
        because: 'grants.pay.refund.attempts',
        name: 'attempts',
        kind: 'attempts',
        unit: 'attempts',
        window: HOUR,
        per: 'rolling 1h',
        by: 'principal',
        amount: 1,
        max: 300,
        report: false,
      },
      holds: {
        limit: '["holds","*","holds","gauge","session","ses_1"]',
        because: 'grants.pay.refund.holds_max',
        name: 'open holds',
        kind: 'holds',
        unit: 'holds',
        window: NOW,
        per: 'at once',
        by: 'session',
        amount: 1,
        max: 10,
        report: false,
      },
      next: ['case.open'],
      barred: { persons: ['demo:dana'], groups: ['leads'] },
    } satisfies Plan)
  })

  it('bars who is acted for, and owners unless they may', () => {
    assert.deepEqual(weighed({ session: { acting_for: 'demo:omar' } }).barred, {
      persons: ['demo:dana', 'demo:omar'],
      groups: ['leads'],
    })
    assert.deepEqual(weighed({ role: { owners_approve: true } }).barred.groups, [])
  })

  it('is not made of what the role has not', () => {
    const message = 'agent has no grant of pay.refund'
    for (const policy of [{ roles: new Map() }, { actions: new Map() }]) {
      assert.throws(() => weighed({ policy }), { name: 'RangeError', message })
    }
    assert.throws(() => weighed({ role: { grants: new Map() } }), { name: 'RangeError', message })
  })

  it('has the name of its action for a summary that cannot be made', () => {
    assert.deepEqual(
      [{ summary: null }, { summary: renders(undefined) }, { summary: renders(5) }].map(
        (action) => weighed({ action }).summary,
      ),
      ['pay.refund', 'pay.refund', '5'],
    )
  })

  it('shows the cost to its summary, where there is one', () => {
    const summary: Template = { reads: [], render: ({ cost }) => ({ ok: true, value: cost ?? 'none' }) }
    assert.equal(weighed({ action: { summary } }).summary, '30.00 USD')
    assert.equal(weighed({ action: { summary, cost: null } }).summary, 'none')
  })

  it('is refused where the request cannot be rendered', () => {
    const plan = weighed({ action: { request: renders(undefined) } })
    assert.equal(plan.request, null)
    const message = 'cannot be rendered'
    assert.deepEqual(plan.deny, [{ because: 'actions.pay.refund.request', message, error: true }])
  })
})

describe('a cost', () => {
  it('that cannot be computed is refused once: lines that speak of money say nothing more', () => {
    const grant = {
      max: [{ ...line, max: { USD: 1 } }],
      limits: [limit()],
      approval: [approval({ above: { USD: 1 } }), approval({ up_to: { USD: 1 } })],
    }
    const plan = weighed({ grant, amount: null })
    const message = 'the amount could not be computed, and what cannot be priced is refused.'
    assert.deepEqual(plan.deny, [{ because: 'actions.pay.refund.cost', message, error: true }])
    assert.deepEqual([plan.cost, plan.want, plan.need], [null, [], []])
  })

  it('of none leaves ceilings and budgets alone', () => {
    const grant = { max: [{ ...line, max: { USD: 1 } }], limits: [limit()] }
    const plan = weighed({ grant, action: { cost: null } })
    assert.deepEqual([plan.deny, plan.want, plan.cost], [[], [], null])
  })

  const ceilings: [string, number, Grant['limits'], string | null][] = [
    ['the ceiling itself', 3000, [], null],
    ['a cent above it', 2999, [], 'never more than 29.99 USD at once.'],
    ['above it, with totals', 2999, [limit()], 'never more than 29.99 USD at once. Totals over time count too.'],
    [
      'above it, with totals of a fact',
      2999,
      [limit(), limit({ by: { kind: 'fact', value: says('cus_1') } })],
      'never more than 29.99 USD at once. Totals per customer count too.',
    ],
    ['above it, with a rate', 2999, [limit({ kind: 'rate', max: { calls: 1 } })], 'never more than 29.99 USD at once.'],
  ]
  for (const [what, USD, limits, message] of ceilings) {
    it(`at ${what}`, () => {
      const expected = message === null ? [] : [{ because: line.because, message }]
      assert.deepEqual(denies({ grant: { max: [{ ...line, max: { USD } }], limits } }), expected)
    })
  }

  it('in a currency that the ceiling does not name is not allowed', () => {
    const expected = [{ because: line.because, message: 'USD is not allowed here.' }]
    assert.deepEqual(denies({ grant: { max: [{ ...line, max: { EUR: 1e6 } }] } }), expected)
  })
})

describe('guardrails and requirements', () => {
  const guardrail = (value: Json | undefined, more = {}) => ({
    name: 'night',
    actions: null,
    deny: says(value),
    else: 'Not at night.',
    timezone: 'UTC',
    report: false,
    ...more,
  })
  const judged: [Json | undefined, object[]][] = [
    [false, []],
    [true, [{ because: 'guardrails.night', message: 'Not at night.' }]],
    ['no', [{ because: 'guardrails.night', message: 'Not at night.' }]],
    [null, [{ because: 'guardrails.night', message: 'Not at night.' }]],
    [undefined, [UNREADABLE('guardrails.night')]],
  ]
  for (const [value, expected] of judged) {
    it(`deny unless it is plainly false: ${String(value)}`, () =>
      assert.deepEqual(denies({ policy: { guardrails: [guardrail(value)] } }), expected))
  }

  const globs: [string[] | null, number][] = [
    [null, 1],
    [['pay.refund'], 1],
    [['pay.*'], 1],
    [['*'], 1],
    [['shop.*', 'pay.re*'], 1],
    [['pay.refunds'], 0],
    [['pay'], 0],
    [['shop.*'], 0],
    [['pay.refund.*'], 0],
    [[], 0],
  ]
  for (const [actions, count] of globs) {
    it(`over ${JSON.stringify(actions)} ${count === 1 ? 'meet' : 'miss'} pay.refund`, () =>
      assert.equal(denies({ policy: { guardrails: [guardrail(true, { actions })] } }).length, count))
  }

  it('see the time of their own zone', () => {
    const hours: unknown[] = []
    const seen: Expression = {
      text: 'now',
      reads: [],
      evaluate: ({ now }) => {
        hours.push((now as { hour: number }).hour)
        return { ok: true, value: false }
      },
    }
    const require = [{ ...line, that: seen, else: '' }]
    weighed({ policy: { guardrails: [guardrail(0, { deny: seen, timezone: 'Asia/Tokyo' })] }, grant: { require } })
    assert.deepEqual(hours, [0, 15])
  })

  const required: [Json | undefined, object[]][] = [
    [true, []],
    [false, [{ because: line.because, message: 'No.' }]],
    [1, [{ because: line.because, message: 'No.' }]],
    [undefined, [UNREADABLE(line.because)]],
  ]
  for (const [value, expected] of required) {
    it(`a requirement holds only when it is plainly true: ${String(value)}`, () =>
      assert.deepEqual(denies({ grant: { require: [{ ...line, that: says(value), else: 'No.' }] } }), expected))
  }

  it('are all judged, in file order, also after the first no; in report mode they are only recorded', () => {
    const grant = {
      max: [{ ...line, because: 'max', max: { USD: 1 } }],
      limits: [limit({ because: 'limit', max: { EUR: 1 } })],
      require: [{ ...line, because: 'require', that: says(false), else: 'No.' }],
      approval: [approval({ because: 'approval', when: says(undefined) })],
    }
    const policy = { guardrails: [guardrail(true)] }
    const all = ['guardrails.night', 'max', 'limit', 'require', 'approval']
    const plan = weighed({ grant, policy })
    assert.deepEqual([plan.deny.map(({ because }) => because), plan.reported], [all, []])
    const report = { report: true }
    const quiet = weighed({
      policy: { guardrails: [guardrail(true, report), guardrail(undefined, { ...report, name: 'broken' })] },
      grant: {
        max: [...grant.max, { ...line, because: 'max2', max: { EUR: 1 } }].map((one) => ({ ...one, ...report })),
        limits: grant.limits.map((one) => ({ ...one, ...report })),
        require: [...grant.require, { ...line, because: 'require2', that: says(undefined), else: '' }].map((one) => ({
          ...one,
          ...report,
        })),
        approval: grant.approval.map((one) => ({ ...one, ...report })),
      },
    })
    const reported = [
      'guardrails.night',
      'guardrails.broken',
      'max',
      'max2',
      'limit',
      'require',
      'require2',
      'approval',
    ]
    assert.deepEqual([quiet.deny, quiet.reported], [[], reported])
  })
})

describe('what a limit counts', () => {
  const of = (more: Partial<LimitLine>, given: Given = {}) => wants({ ...given, grant: { limits: [limit(more)] } })[0]

  it('is the cost, of the role that wrote the line', () => {
    assert.deepEqual(of({}), {
      limit: '["parent","pay.refund","USD","calendar","day","America/New_York","role","parent"]',
      because: line.because,
      name: 'daily',
      kind: 'budget',
      unit: 'USD',
      window: DAY,
      per: 'day',
      by: 'role',
      amount: 3000,
      max: 50_000,
      report: false,
    })
  })

  const fact: By = { kind: 'fact', value: says({ id: 'cus_1' }) }
  const identities: [string, Partial<LimitLine>, string][] = [
    ['by session, through renewals', { by: { kind: 'session' } }, '"session","ses_1"]'],
    ['by requester', { by: { kind: 'requester' } }, '"requester","demo:dana"]'],
    ['by a fact', { by: fact }, '"facts.charge.customer","{\\"id\\":\\"cus_1\\"}"]'],
    [
      'shared over roles and actions',
      { shared: 'company' },
      '["budgets.company","*","USD","calendar","day","America/New_York","role","*"]',
    ],
    ['rolling', { window: HOUR }, '["parent","pay.refund","USD","rolling",3600000,"role","parent"]'],
    [
      'a rate, whatever unit a budget has',
      { kind: 'rate', max: { calls: 5 }, window: HOUR },
      '["parent","pay.refund","by rate","rolling",3600000,"role","parent"]',
    ],
    [
      'one unsettled call per value',
      { kind: 'serialize', max: { calls: 1 }, window: NOW, by: fact },
      '["parent","pay.refund","unsettled","gauge","facts.charge.customer"',
    ],
  ]
  for (const [what, more, identity] of identities) {
    it(`is its own counter ${what}`, () => assert.ok(of(more)?.limit.includes(identity), of(more)?.limit))
  }

  it('is one call for a rate, also of a call without a cost', () => {
    const counted = of({ kind: 'rate', max: { calls: 5 }, window: HOUR }, { action: { cost: null } })
    assert.deepEqual([counted?.unit, counted?.amount, counted?.max], ['calls', 1, 5])
  })

  it('is refused in a unit that the line does not name, and where its value cannot be had', () => {
    const cases: [Partial<LimitLine>, object][] = [
      [{ max: { EUR: 5 } }, { because: line.because, message: 'USD is not allowed here.' }],
      [
        { kind: 'rate', max: {} },
        { because: line.because, message: 'calls is not allowed here.' },
      ],
      [{ by: { kind: 'fact', value: says(undefined) } }, UNREADABLE(line.because)],
      [{ by: { kind: 'fact', value: says(null) } }, UNREADABLE(line.because)],
    ]
    for (const [more, expected] of cases) assert.deepEqual(denies({ grant: { limits: [limit(more)] } }), [expected])
  })

  it('is hidden where it is kept', () => {
    const identify = (text: string) => `hidden ${text.length}`
    const given = {
      grant: {
        limits: [limit()],
        approval: [approval({ above: { USD: 1 }, window: { window: DAY, per: 'day', by: { kind: 'role' } } })],
      },
    }
    const plan = weigh(policyOf(given), questionOf(given), { switches_version: 1, identify })
    const all = [...plan.want, plan.attempts, plan.holds].map(({ limit: id }) => id)
    assert.ok(all.length === 4 && all.every((id) => id.startsWith('hidden ')), all.join())
  })

  it('stands before any fact is there, but for what facts key', () => {
    const limits = [
      limit({ max: { USD: 5, EUR: 4 } }),
      limit({ name: 'rate', kind: 'rate', max: { calls: 3 }, window: HOUR }),
      limit({ name: 'fact', by: fact }),
      limit({ name: 'one', kind: 'serialize', max: { calls: 1 }, window: NOW }),
    ]
    const given = { grant: { limits } }
    assert.deepEqual(
      standingWants(policyOf(given), questionOf(given), WEIGHING).map(({ name, unit, amount, max }) => [
        name,
        unit,
        amount,
        max,
      ]),
      [
        ['daily', 'USD', 0, 5],
        ['daily', 'EUR', 0, 4],
        ['rate', 'calls', 1, 3],
      ],
    )
  })

  it('of refusals is by principal, over all actions', () => {
    const question = questionOf({})
    assert.deepEqual(attemptsWant({ action: 'x.y', attempts: 5 }, question, WEIGHING), {
      ...weighed().attempts,
      because: 'grants.x.y.attempts',
      max: 5,
    })
  })
})

describe('whom a call needs', () => {
  const needed = (more: Partial<ApprovalLine>, given: Given = {}) =>
    weighed({ ...given, grant: { approval: [approval(more)] } })
  const NEED = {
    line: 'grants.pay.refund.approval[0]',
    count: 2,
    of: 'finance',
    expires_ms: 1000,
    passkey: true,
    report: false,
    when: null,
  }

  const table: [string, Partial<ApprovalLine>, boolean][] = [
    ['always, of a line without conditions', {}, true],
    ['when the condition is true', { when: says(true) }, true],
    ['not when it is false', { when: says(false) }, false],
    ['not when it is no boolean', { when: says('yes') }, false],
    ['above the amount', { above: { USD: 2999 } }, true],
    ['not at the amount', { above: { USD: 3000 } }, false],
    ['up to the amount', { up_to: { USD: 3000 } }, true],
    ['not beyond the second amount', { up_to: { USD: 2999 } }, false],
    ['between two amounts', { above: { USD: 2999 }, up_to: { USD: 3000 } }, true],
    ['in a currency that the line does not name', { above: { EUR: 1e9 } }, true],
    ['in a currency without an end', { above: { USD: 1 }, up_to: { EUR: 1 } }, true],
  ]
  for (const [when, more, applies] of table) {
    it(when, () => assert.deepEqual([needed(more).need, needed(more).want], [applies ? [NEED] : [], []]))
  }

  it('always, also of a call without a cost', () =>
    assert.deepEqual(needed({}, { action: { cost: null } }).need, [NEED]))

  it('up to an amount, also for a cent and for nothing', () =>
    assert.deepEqual(
      [0, 1, 2].map((amount) => needed({ up_to: { USD: 1 } }, { amount }).need.length),
      [1, 1, 0],
    ))

  it('also for nothing in a currency that the line does not name', () =>
    assert.deepEqual(needed({ above: { EUR: 5 } }, { amount: 0 }).need, [NEED]))

  it('is refused where the condition cannot be judged', () =>
    assert.deepEqual(needed({ when: says(undefined) }).deny, [UNREADABLE(NEED.line)]))

  const window = { window: DAY, per: 'day', by: { kind: 'requester' } as By }
  it('by what was done in a window, which is watched', () => {
    const plan = needed({ above: { USD: 9000 }, up_to: { USD: 10_000 }, window })
    const id = '["parent","pay.refund","USD","calendar","day","America/New_York","requester","demo:dana"]'
    assert.deepEqual(plan.need, [{ ...NEED, when: { limit: id, above: 9000, up_to: 10_000 } }])
    assert.deepEqual(plan.want, [
      {
        limit: id,
        because: NEED.line,
        name: NEED.line,
        kind: 'watch',
        unit: 'USD',
        window: DAY,
        per: 'day',
        by: 'requester',
        amount: 3000,
        max: null,
        report: false,
      },
    ])
    // The same counter as a budget of the same words has: what is done moves it once.
    assert.equal(wants({ grant: { limits: [limit({ by: window.by })] } })[0]?.limit, id)
  })

  it('is refused where the window’s value cannot be had', () => {
    const broken = { ...window, by: { kind: 'fact', value: says(undefined) } as By }
    assert.deepEqual(needed({ above: { USD: 1 }, window: broken }).deny, [UNREADABLE(NEED.line)])
  })
})

describe('the limits that a policy defines', () => {
  it('are named as calls name them, but for the value', () => {
    const grant = {
      limits: [
        limit({ max: { USD: 1, EUR: 1 } }),
        limit({ shared: 'company' }),
        limit({ kind: 'rate', max: { calls: 1 }, window: HOUR, by: { kind: 'fact', value: says('cus_1') } }),
      ],
      approval: [
        approval({ above: { USD: 1 }, window: { window: HOUR, per: 'rolling 1h', by: { kind: 'session' } } }),
        approval({ above: { USD: 1 } }),
        approval({ up_to: { USD: 1 }, window: { window: DAY, per: 'day', by: { kind: 'session' } } }),
      ],
    }
    const all = definitionsOf(policyOf({ grant }))
    const grants = [{ role: 'agent', action: 'pay.refund' }]
    assert.deepEqual(
      [...all],
      [
        ['["parent","pay.refund","USD","calendar","day","America/New_York","role"]', { window: DAY, grants }],
        ['["parent","pay.refund","EUR","calendar","day","America/New_York","role"]', { window: DAY, grants }],
        ['["budgets.company","*","USD","calendar","day","America/New_York","role"]', { window: DAY, grants }],
        ['["parent","pay.refund","by rate","rolling",3600000,"facts.charge.customer"]', { window: HOUR, grants }],
        ['["parent","pay.refund","USD","rolling",3600000,"session"]', { window: HOUR, grants }],
      ],
    )
    const drawn = wants({ grant }).map(({ limit: id }) => definitionIn(id))
    assert.deepEqual(
      [...all.keys()].filter((name) => !drawn.includes(name)),
      ['["parent","pay.refund","EUR","calendar","day","America/New_York","role"]'],
    )
  })

  it('are of all who draw from them', () => {
    const policy = policyOf({ grant: { limits: [limit({ shared: 'company' })] } })
    const role = policy.roles.get('agent') ?? assert.fail()
    const both = { ...policy, roles: new Map([...policy.roles, ['other', { ...role, name: 'other' }]]) }
    assert.deepEqual([...definitionsOf(both).values()][0]?.grants, [
      { role: 'agent', action: 'pay.refund' },
      { role: 'other', action: 'pay.refund' },
    ])
  })
})
