import assert from 'node:assert/strict'
import type { Expression, Grant } from '../../gateway/core/types.ts'
import { compileChanged } from './company.ts'
import type { Change } from './company.ts'

const BUDGET = `    budget:
      - { name: daily, limit: 500.00 USD per day }
      - customer-month of facts.charge.customer
      - goodwill
    rate: 20 per hour
`
const APPROVAL = `    approval:
      - { above: 50.00 USD, up_to: 150.00 USD, by: 1 of finance, expires: 4h }
      - { above: 100.00 USD per rolling 24h by facts.charge.customer, by: 1 of finance }
`
const OWN_COUNTERS: Change = {
  file: 'budgets.yaml',
  from: 'by: customer }\n',
  to: `by: customer }
  hers: { limit: 1.00 USD per day, by: requester, timezone: Asia/Tokyo }
  theirs: { limit: 1.00 USD per day, by: session }
`,
}

/** What the grant of pay.refund becomes with these lines in place of its own, expressions by their text; or what is wrong. */
function grantWith(lines: string, ...changes: readonly Change[]) {
  const compiled = compileChanged(
    { file: 'role.yaml', from: 'max: 200.00 USD\n', to: `max: 200.00 USD\n${lines}` },
    { file: 'role.yaml', from: BUDGET, to: '' },
    { file: 'role.yaml', from: APPROVAL, to: '' },
    ...changes,
  )
  if (!compiled.ok)
    return {
      findings: compiled.findings.map(({ line, column, message, hint }) => [`${line}:${column}`, message, hint]),
    }
  const grant = compiled.policy.roles.get('agent')?.grants.get('pay.refund')
  const told = JSON.stringify(grant, (_key, value: unknown) => (isExpression(value) ? value.text : value))
  const warnings = compiled.warnings.filter(({ file }) => file === 'role.yaml').map(({ message }) => message)
  return { grant: JSON.parse(told) as Grant, warnings }
}
const isExpression = (value: unknown): value is Expression =>
  typeof value === 'object' && value !== null && 'reads' in value

describe('a limit', () => {
  const lines = `    budget:
      - 5.00 USD per day by session
      - { limit: 6.00 USD per day, by: requester }
      - { limit: 7.00 USD per week, by: facts.charge.customer, mode: report }
      - goodwill
      - { limit: customer-month of facts.charge.customer, name: mine, mode: report }
      - hers
      - theirs
    rate: [3 per minute by requester, { limit: 4 per hour, by: input.charge, mode: report }]
    serialize: input.charge
`
  const zone = (every: string, timezone: string) => ({ kind: 'calendar', every, timezone })
  const rolling = (length_ms: number) => ({ kind: 'rolling', length_ms })
  const customer = { kind: 'fact', value: 'facts.charge.customer' }
  const charge = { kind: 'fact', value: 'input.charge' }
  const [session, requester, role] = [{ kind: 'session' }, { kind: 'requester' }, { kind: 'role' }]
  const LIMITS = [
    ['budget', 'budget[0]', null, { USD: 500 }, zone('day', 'America/New_York'), 'day', session, false],
    ['budget', 'budget[1]', null, { USD: 600 }, zone('day', 'America/New_York'), 'day', requester, false],
    ['budget', 'budget[2]', null, { USD: 700 }, zone('week', 'America/New_York'), 'week', customer, true],
    ['budget', 'goodwill', 'goodwill', { USD: 200_000 }, zone('day', 'UTC'), 'day', role, false],
    ['budget', 'mine', 'customer-month', { USD: 30_000 }, rolling(2_592_000_000), 'rolling 30d', customer, true],
    ['budget', 'hers', 'hers', { USD: 100 }, zone('day', 'Asia/Tokyo'), 'day', requester, false],
    ['budget', 'theirs', 'theirs', { USD: 100 }, zone('day', 'UTC'), 'day', session, false],
    ['rate', 'rate[0]', null, { calls: 3 }, rolling(60_000), 'minute', requester, false],
    ['rate', 'rate[1]', null, { calls: 4 }, rolling(3_600_000), 'hour', charge, true],
    ['serialize', 'serialize', null, { calls: 1 }, { kind: 'gauge' }, 'at once', charge, false],
  ] as const

  it('is what its line says, and one counter where the budget says so', () => {
    const { grant } = grantWith(lines, OWN_COUNTERS)
    assert.equal(grant?.limits.length, LIMITS.length)
    for (const [index, [kind, name, shared, max, window, per, by, report]] of LIMITS.entries()) {
      const because = `grants.pay.refund.${name}`
      const limit = { because, owner: 'agent', report, kind, name, shared, max, window, per, by }
      assert.deepEqual(grant?.limits[index], limit)
    }
  })
})

describe('a line about people', () => {
  it('is what it says: who, how many, whether with a passkey, above what and over which time', () => {
    const lines = `    approval:
      - { by: 2 of finance, passkey: true, when: input.amount > 5, name: odd, mode: report }
      - { above: 5.00 USD per day, by: 1 of leads }
      - { above: 6.00 USD per day by session, by: 1 of leads, up_to: 7.00 USD, expires: 4h }
`
    const plain = { owner: 'agent', report: false, when: null, up_to: null, count: 1, passkey: false }
    const window = { kind: 'calendar', every: 'day', timezone: 'America/New_York' }
    assert.deepEqual(grantWith(lines).grant?.approval, [
      {
        ...plain,
        because: 'grants.pay.refund.odd',
        report: true,
        when: 'input.amount > 5',
        above: null,
        window: null,
        count: 2,
        of: 'finance',
        expires_ms: 86_400_000,
        passkey: true,
      },
      {
        ...plain,
        because: 'grants.pay.refund.approval[1]',
        above: { USD: 500 },
        window: { window, per: 'day', by: { kind: 'role' } },
        of: 'leads',
        expires_ms: 86_400_000,
      },
      {
        ...plain,
        because: 'grants.pay.refund.approval[2]',
        above: { USD: 600 },
        window: { window, per: 'day', by: { kind: 'session' } },
        up_to: { USD: 700 },
        of: 'leads',
        expires_ms: 14_400_000,
      },
    ])
  })

  it('may bound one unit from above and another not at all', () => {
    const { grant } = grantWith('    approval: { above: 5.00 USD or 4.00 EUR, up_to: 6.00 USD, by: 1 of finance }\n')
    assert.deepEqual([grant?.approval[0]?.above, grant?.approval[0]?.up_to], [{ USD: 500, EUR: 400 }, { USD: 600 }])
  })
})

describe('a line that means nothing', () => {
  const CUSTOMER = ['`facts.charge` has no member `customre`', 'did you mean `customer`?'] as const
  const WINDOW = ['"dya" is not a window', 'write day, week, month, or rolling 24h'] as const
  const MONEY = ['pay.refund costs money, not rows', 'write an amount of money'] as const
  const DIGITS = '"50 USD" does not have exactly the digits of USD'
  const KINDS = 'write 500.00 USD per day, the name of a shared budget, or NAME of facts.x.y'
  const APART = 'write more in `up_to` than in `above`'
  const REFUSED: readonly (readonly [line: string, column: number, message: string, hint?: string])[] = [
    ['budget: 5.00 USD per dya', 13, ...WINDOW],
    ['budget: 5 rows per day', 13, ...MONEY],
    ['budget: 5.00 USD per day by facts.charge.customre', 46, ...CUSTOMER],
    ['budget: 5.00 USD per day by sesion', 33, 'a limit does not count by `sesion`', 'did you mean `session`?'],
    ['budget: Goodwill of x', 13, '"Goodwill of x" is no limit', KINDS],
    ['budget: gooodwill', 13, 'there is no shared budget `gooodwill`', 'did you mean `goodwill`?'],
    ['budget: { limit: goodwill, by: session }', 32, '`goodwill` says itself what it counts by', 'take `by:` out'],
    [
      'budget: customer-month',
      13,
      '`customer-month` counts by customer, and this does not say whose',
      'write customer-month of facts.x.y',
    ],
    [
      'budget: goodwill of facts.charge.customer',
      22,
      '`goodwill` is one counter for all',
      'write goodwill alone, or give the budget a `by:`',
    ],
    ['budget: customer-month of facts.charge.customre', 44, ...CUSTOMER],
    ['rate: 5 per fortnight', 11, '"5 per fortnight" is not a rate', 'write 20 per hour (or per minute, per day)'],
    ['rate: 5 per hour by facts.charge.customre', 38, ...CUSTOMER],
    ['serialize: facts.chrage.id', 22, '`facts` has no member `chrage`', 'did you mean `charge`?'],
    ['approval: { above: 50 USD, by: 1 of finance }', 24, DIGITS, 'write 50.00 USD: USD has two digits'],
    ['approval: { above: 5 rows, by: 1 of finance }', 24, ...MONEY],
    ['approval: { up_to: 6 rows, by: 1 of finance }', 24, ...MONEY],
    ['approval: { above: 50.00 USD per dya, by: 1 of finance }', 24, ...WINDOW],
    ['approval: { above: 50.00 USD per day by facts.charge.customre, by: 1 of finance }', 58, ...CUSTOMER],
    [
      'approval: { above: 5.00 USD, up_to: 5.00 USD, by: 1 of finance }',
      41,
      'nothing is above 5.00 USD and up to 5.00 USD',
      APART,
    ],
    [
      'approval: { above: 5.00 USD, up_to: 50 USD, by: 1 of finance }',
      41,
      DIGITS,
      'write 50.00 USD: USD has two digits',
    ],
    [
      'approval: { by: 1 of finance, when: input.amuont > 5 }',
      47,
      '`input` has no member `amuont`',
      'did you mean `amount`?',
    ],
    ['approval: { by: 1 of finanse }', 26, 'there is no group `finanse`', 'did you mean `finance`?'],
  ]
  for (const [line, column, message, hint] of REFUSED)
    it(`is refused, once: ${line}`, () =>
      assert.deepEqual(grantWith(`    ${line}\n`).findings, [[`15:${column}`, message, hint]]))
})

describe('lines that ask people', () => {
  const MANY = 'people are asked by the money of one call only: many small calls ask nobody'
  const ASKS: readonly (readonly [lines: string, warned: boolean])[] = [
    ['{ above: 5.00 USD, by: 1 of finance }', true],
    ['[{ above: 5.00 USD, by: 1 of finance }, { above: 9.00 USD per day, by: 1 of finance, mode: report }]', true],
    ['[{ above: 5.00 USD, by: 1 of finance }, { by: 1 of finance, when: input.amount > 5 }]', true],
    ['[{ above: 5.00 USD, by: 1 of finance }, { above: 9.00 USD per day, by: 1 of finance }]', false],
    ['{ above: 9.00 USD per day, by: 1 of finance }', false],
    ['{ above: 5.00 USD, by: 1 of finance, mode: report }', false],
    ['{ by: 1 of finance, when: input.amount > 5 }', false],
    ['{ by: 1 of finance }', false],
  ]
  for (const [lines, warned] of ASKS)
    it(`${warned ? 'can be passed by many small calls' : 'are asked about many small calls too, or about none'}: ${lines}`, () =>
      assert.deepEqual(grantWith(`    approval: ${lines}\n`).warnings, warned ? [MANY] : []))
})

describe('lines about another unit than the action costs', () => {
  const costs = (cost: string): Change => ({
    file: 'actions.yaml',
    from: 'cost: { minor: input.amount, currency: facts.charge.currency }',
    to: `cost: ${cost}`,
  })
  const max = (to: string): Change => ({ file: 'role.yaml', from: 'max: 200.00 USD', to: `max: ${to}` })
  const found = (cost: string, most: string, lines = '') => {
    const compiled = compileChanged(
      costs(cost),
      { file: 'role.yaml', from: BUDGET, to: lines },
      { file: 'role.yaml', from: APPROVAL, to: '' },
      max(most),
    )
    return compiled.ok ? [] : compiled.findings.map(({ message, hint }) => [message, hint])
  }
  const USD = '{ minor: input.amount, currency: USD }'
  const ROWS = '{ count: input.amount, of: rows }'

  it('are refused, with the unit that is meant', () => {
    assert.deepEqual(found(USD, '5.00 EUR'), [['pay.refund costs USD, not EUR', 'write an amount of USD']])
    assert.deepEqual(found(USD, '5.00 USD or 4.00 EUR'), [['pay.refund costs USD, not EUR', 'write an amount of USD']])
    assert.deepEqual(found(ROWS, '5 files'), [['pay.refund costs rows, not files', 'write an amount of rows']])
    assert.deepEqual(found(ROWS, '5.00 USD'), [['pay.refund costs rows, not USD', 'write an amount of rows']])
    assert.deepEqual([found(USD, '5.00 USD'), found(ROWS, '5 rows')], [[], []])
  })

  it('are told of all units that a line leaves out', () => {
    const both = 'and this line does not say how much of it'
    assert.deepEqual(
      found(
        '{ minor: input.amount, currency: facts.charge.currency }',
        '5.00 USD or 4.00 EUR or 9 JPY',
        '    budget: 5.00 USD per day\n',
      ),
      [[`\`max\` allows EUR and JPY, ${both}`, 'add `or … EUR` to it']],
    )
  })
})
