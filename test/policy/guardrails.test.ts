import assert from 'node:assert/strict'
import { compile } from '../../gateway/core/compile.ts'
import { changed, schemas } from './company.ts'

/** An action that shares `charge` with pay.refund, and whose `amount` is a text; none of it is a fact. */
const VOID = `action: pay.void
describe: Void a charge.
effect: write
input:
  charge: { type: string, maxLength: 40 }
  amount: { type: string, maxLength: 40 }
backend: shop
request: { POST: "/void/\${input.charge}" }
output: { keep: [id] }
---
action: ping
describe: Ask whether it is there.
effect: read
backend: shop
request: { GET: /ping }
output: { keep: [id] }
`

/** What the guardrail of a company with the actions pay.refund, pay.void, shop.get and ping becomes, or what is wrong. */
function guardrailOf(line: string) {
  const { texts, files } = changed({
    file: 'guardrails.yaml',
    from: '  - name: incident\n    deny: switches.incident && action.effect != "read"\n    else: Frozen.\n',
    to: `  - { name: night, else: Not at night., ${line} }\n`,
  })
  const compiled = compile([...texts, { path: 'void.yaml', text: VOID }], schemas, { files })
  if (!compiled.ok)
    return compiled.findings.map(({ line, column, message, hint }) => [`${line}:${column}`, message, hint])
  const [guardrail] = compiled.policy.guardrails
  assert.ok(guardrail !== undefined)
  return { ...guardrail, deny: guardrail.deny.text }
}

describe('a guardrail', () => {
  it('is about every action, and in force, unless it says otherwise', () => {
    const plain = { name: 'night', actions: null, deny: 'now.hour < 6', else: 'Not at night.', timezone: 'UTC' }
    assert.deepEqual(guardrailOf('deny: now.hour < 6'), { ...plain, report: false })
    assert.deepEqual(guardrailOf('deny: now.hour < 6, mode: report, timezone: Asia/Tokyo, actions: [pay.*, ping]'), {
      ...plain,
      actions: ['pay.*', 'ping'],
      timezone: 'Asia/Tokyo',
      report: true,
    })
  })

  const SPEAKS = [
    ['of what all its actions have alike', 'deny: input.charge == "ch_bad", actions: [pay.*]'],
    [
      'of input and facts of the one action it names',
      'deny: "facts.charge.disputed && input.amount > 5", actions: [pay.refund]',
    ],
    ['of the one action that a family holds', 'deny: input.order == "x", actions: [shop.*]'],
    [
      'of what none of its actions has alike, where the type is not needed',
      'deny: now.hour > 5, actions: [ping, pay.*]',
    ],
  ] as const
  for (const [what, line] of SPEAKS) it(`may speak ${what}`, () => assert.ok(!Array.isArray(guardrailOf(line)), line))

  const NAME_THEM = 'name the actions that the guardrail is about'
  const REFUSED: readonly (readonly [line: string, ...findings: (readonly (string | undefined)[])[]])[] = [
    [
      'deny: input.amount == 5, actions: [pay.*]',
      ['3:47', '`input.amount` is not the same in pay.refund and pay.void', NAME_THEM],
    ],
    ['deny: facts.charge.disputed, actions: [pay.*]', ['3:47', '`facts.charge` does not exist in pay.void', NAME_THEM]],
    ['deny: input.charge == "x"', ['3:47', '`input.charge` does not exist in shop.get', NAME_THEM]],
    [
      'deny: input.charge == "x", actions: [pay.refund, ping]',
      ['3:47', '`input.charge` does not exist in ping', NAME_THEM],
    ],
    [
      'deny: input.charge == 5, actions: [pay.*]',
      ['3:60', 'text never equals a whole number', 'write int(…) around the text'],
    ],
    [
      'deny: input.orders == "x", actions: [shop.get]',
      ['3:53', '`input` has no member `orders`', 'did you mean `order`?'],
    ],
    [
      'deny: input.orders == "x", actions: [shop.*]',
      ['3:53', '`input` has no member `orders`', 'did you mean `order`?'],
    ],
    ['deny: input.nothing == "x", actions: [ping]', ['3:53', '`input` has no member `nothing`', undefined]],
    [
      'deny: now.hour < 6, actions: [pay.refunds]',
      ['3:71', 'there is no action `pay.refunds`', 'did you mean `pay.refund`?'],
    ],
    [
      'deny: now.hour < 6, actions: [pay.refund.*]',
      ['3:71', 'there is no action `pay.refund.*`', 'there are: pay.*, shop.*'],
    ],
    [
      'deny: now.hour < 6, actions: [refund*]',
      ['3:71', '`actions` (an item of it) must be an action, or a name and `.*`', undefined],
    ],
    [
      'deny: now.hour < 6, actions: [pay]',
      ['3:71', 'there is no action `pay`', 'there are: pay.refund, shop.get, pay.void, ping'],
    ],
    ['deny: now.huor < 6', ['3:51', '`now` has no member `huor`', 'did you mean `hour`?']],
    ['deny: now.hour', ['3:47', 'this yields a whole number, and true or false is wanted here', undefined]],
  ]
  for (const [line, ...findings] of REFUSED)
    it(`is refused: ${line}`, () => assert.deepEqual(guardrailOf(line), findings))
})
