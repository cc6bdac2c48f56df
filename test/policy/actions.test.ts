import assert from 'node:assert/strict'
import type { Action } from '../../gateway/core/types.ts'
import { COMPANY, compileChanged } from './company.ts'
import type { Change } from './company.ts'

const NOTE = 'note?: { type: string, sensitive: true }'
const SUMMARY = 'summary: Refund ${cost} on ${input.charge}'
const GET = 'request: { GET: "/orders/${input.order}" }'
const COST = 'cost: { minor: input.amount, currency: facts.charge.currency }'
const KEEP = 'keep: { amount: integer, currency: string, customer: string, disputed: boolean }'
const HAPPENED = 'happened: output.data.exists(r, r.call == call.id)'

/** All grants of the one role. */
const GRANTS = /^grants:[^]*$/m.exec(COMPANY['role.yaml'] ?? '')?.[0] ?? ''

const inActions = (from: string, to: string): Change => ({ file: 'actions.yaml', from, to })

/** What is wrong with the actions once these texts stand for others, or what is a warning. */
function found(...changes: readonly Change[]) {
  const compiled = compileChanged(...changes)
  const findings = compiled.ok ? compiled.warnings : compiled.findings
  return findings.map(({ line, column, message, hint }) => [`${line}:${column}`, message, hint])
}

describe('an action', () => {
  const actionOf = (name: string, ...changes: readonly Change[]): Action => {
    const compiled = compileChanged(...changes)
    if (!compiled.ok) assert.fail(JSON.stringify(compiled.findings))
    return compiled.policy.actions.get(name) ?? assert.fail(`no ${name}`)
  }
  const told = (action: Action): unknown =>
    JSON.parse(
      JSON.stringify({ ...action, input: null, request: null, recheck: null }, (_key, value: unknown) =>
        typeof value === 'object' && value !== null && 'reads' in value
          ? 'text' in value
            ? value.text
            : value.reads
          : value,
      ),
    )

  it('is what it says, with the defaults of what it does not say', () => {
    const { facts, ...rest } = told(actionOf('pay.refund')) as { facts: unknown[] }
    assert.deepEqual(rest, {
      name: 'pay.refund',
      describe: 'Refund a charge.',
      effect: 'write',
      input: null,
      sensitive: ['note'],
      example: actionOf('pay.refund').example,
      backend: 'pay',
      cost: { kind: 'minor', minor: 'input.amount', currency: 'facts.charge.currency' },
      summary: ['cost', 'input.charge'],
      request: null,
      recheck: null,
      keep: ['id', 'amount'],
      undo: 'none',
      replay_ms: 604_800_000,
    })
    assert.deepEqual(facts, [
      {
        name: 'charge',
        backend: 'pay',
        request: ['input.charge'],
        keep: { amount: 'integer', currency: 'string', customer: 'string', disputed: 'boolean' },
        absent: [],
        page: null,
        complete: null,
      },
    ])
    const { request, recheck } = actionOf('pay.refund')
    assert.deepEqual(request.reads.toSorted(), ['input.amount', 'input.charge'])
    assert.deepEqual([recheck?.request.reads, recheck?.happened.text], [['input.charge'], HAPPENED.slice(10)])
    assert.deepEqual(
      [Object.keys(recheck?.page?.next ?? {}), recheck?.page?.while.text, recheck?.page?.items],
      [['after'], 'output.has_more', 'data'],
    )
  })

  it('may say how it is undone, how long it is answered again, and what each fact keeps', () => {
    const more = inActions('effect: write\n', 'effect: write\nundo: shop.get\nreplay: 2h\n')
    const fact = inActions(
      KEEP,
      'keep: { lines: [{ id: string }], at: { place: string }, tags: [integer] }\n    absent: [404, 410]\n    complete: output.has_more == false',
    )
    const cost = inActions(COST, 'cost: { count: input.amount, of: rows }')
    const { undo, replay_ms, facts } = actionOf('pay.refund', more)
    assert.deepEqual([undo, replay_ms, facts[0]?.complete], ['shop.get', 7_200_000, null])
    const bare = compileChanged(fact, cost)
    assert.ok(!bare.ok, 'the grant reads what is not kept any more')
    const kept = compileChanged(fact, cost, {
      file: 'role.yaml',
      from: GRANTS,
      to: 'grants:\n  shop.get:\n  pay.refund: { max: 5 rows }\n',
    })
    if (!kept.ok) assert.fail(JSON.stringify(kept.findings))
    const [charge] = kept.policy.actions.get('pay.refund')?.facts ?? []
    assert.deepEqual(
      [charge?.keep, charge?.absent, charge?.complete?.text],
      [
        {
          lines: { list: { object: { id: 'string' } } },
          at: { object: { place: 'string' } },
          tags: { list: 'integer' },
        },
        [404, 410],
        'output.has_more == false',
      ],
    )
  })
})

describe('an action that means nothing', () => {
  const SENSITIVE = [
    '14:10',
    '`note` is sensitive, and a summary stands in lists and notifications',
    'leave it out of the summary',
  ] as const
  const given = inActions(NOTE, 'note: { type: string, sensitive: true }')
  const page = (to: string): Change => inActions(KEEP, `${KEEP}\n    page: ${to}`)
  const cost = (to: string): Change => inActions(COST, `cost: ${to}`)
  const happened = (to: string): Change => inActions(HAPPENED, `happened: ${to}`)
  const READS = 'could change something; what the gateway asks by itself only reads'
  const CAPITALS = 'a currency is written in capitals: USD'
  const KNOWN = 'known here: input, facts, session, action, now, switches, call'
  const REFUSED: readonly (readonly [changes: readonly Change[], ...finding: (string | undefined)[]])[] = [
    [[given, inActions(SUMMARY, 'summary: Refund to ${input.note}')], ...SENSITIVE],
    [[given, inActions(SUMMARY, 'summary: Refund ${cost} ${size(input.note)}')], ...SENSITIVE],
    [[cost('{ minor: input.amount, currency: usd }')], '13:40', 'there is no `usd` here', CAPITALS],
    [
      [cost('{ minor: input.amount, currency: XYZ }')],
      '13:40',
      '"XYZ" is not a currency',
      'a currency is an ISO 4217 code such as USD',
    ],
    [[cost('{ minor: input.amount, currency: XUSD }')], '13:40', 'there is no `XUSD` here', KNOWN],
    [
      [cost('{ minor: input.amount, currency: input.amount }')],
      '13:40',
      'this yields a whole number, and text is wanted here',
      undefined,
    ],
    [
      [cost('{ minor: input.charge, currency: USD }')],
      '13:16',
      'this yields text, and a whole number is wanted here',
      undefined,
    ],
    [
      [cost('{ decimal: input.amount, currency: USD }')],
      '13:18',
      'this yields a whole number, and text is wanted here',
      undefined,
    ],
    [
      [cost('{ count: input.amount, of: usd }')],
      '13:34',
      '`usd` is a currency; money is not counted',
      'write `minor:` or `decimal:` with `currency:`',
    ],
    [
      [inActions('  amount: {', '  request_key: { type: string }\n  amount: {')],
      '6:3',
      "a tool's arguments have a `request_key` already: the key of the call",
      'choose another name',
    ],
    [
      [inActions('  amount: {', '  request_key?: { type: string }\n  amount: {')],
      '6:3',
      "a tool's arguments have a `request_key` already: the key of the call",
      'choose another name',
    ],
    [
      [page('{ items: data, while: output.has_more }')],
      '13:5',
      '`page` does not say what the next request adds',
      'write a query member, like `starting_after: last.id`',
    ],
    [[page('{ after: lst.id, while: output.has_more }')], '13:20', 'there is no `lst` here', 'did you mean `last`?'],
    [[page('{ after: last.id, while: last.x }')], '13:36', 'there is no `last` here', 'known here: output'],
    [[inActions('    GET: /v1/charges', '    POST: /v1/charges')], '11:5', `\`POST\` ${READS}`, 'write GET'],
    [[inActions('  GET: /v1/refunds', '  DELETE: /v1/refunds')], '19:3', `\`DELETE\` ${READS}`, 'write GET'],
    [
      [happened('session.id == call.id')],
      '21:13',
      'there is no `session` here',
      'known here: output, input, facts, call',
    ],
    [[happened('facts.chrage.disputed')], '21:19', '`facts` has no member `chrage`', 'did you mean `charge`?'],
    [[happened('call.idd == "x"')], '21:18', '`call` has no member `idd`', 'did you mean `id`?'],
    [
      [inActions('effect: write\n', 'effect: write\nundo: pay.undo\n')],
      '4:7',
      'there is no action `pay.undo`',
      'there are: pay.refund, shop.get',
    ],
    [
      [inActions('effect: write\n', 'effect: write\nreplay: 5 apples\n')],
      '4:9',
      '"5 apples" is no duration',
      'write a number and ms, s, m, h or d: 30s, 4h, 7d',
    ],
  ]
  for (const [changes, ...finding] of REFUSED)
    it(`is refused: ${changes.map(({ to }) => JSON.stringify(to)).join(' with ')}`, () =>
      assert.deepEqual(found(...changes), [finding]))

  it('may ask what happened by everything that the call knows', () => {
    const all = happened('facts.charge.disputed && input.amount == 5 && call.id == output.x')
    assert.deepEqual(found(all), [])
  })
})

describe('an action that is doubtful', () => {
  const DOUBT =
    'when in doubt whether this happened, people must find out: `shop` has no idempotency, and there is no `recheck`'
  const reads = (method: string) => [
    `this reads with ${method}: it needs no request key, and a repeat is sent again`,
    'say `effect: write` if it changes anything',
  ]
  const WARNED: readonly (readonly [change: Change, ...warning: (string | undefined)[]])[] = [
    [
      inActions('effect: read\ninput:\n  order', 'effect: write\ninput:\n  order'),
      '24:1',
      DOUBT,
      'write a `recheck:` that asks the backend',
    ],
    [inActions('effect: write', 'effect: read'), '16:3', ...reads('POST')],
    [inActions(GET, GET.replace('GET', 'POST')), '30:12', ...reads('POST')],
    [inActions(GET, GET.replace('GET', 'DELETE')), '30:12', ...reads('DELETE')],
  ]
  for (const [change, ...warning] of WARNED)
    it(`is told of, and loads: ${JSON.stringify(change.to)}`, () => {
      assert.equal(compileChanged(change).ok, true)
      assert.deepEqual(found(change), [warning])
    })
})
