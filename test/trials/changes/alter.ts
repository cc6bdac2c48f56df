import type { Random } from '../../simulation/random.ts'
import { chargeOf } from '../races/bank.ts'
import type { Answer } from '../races/bank.ts'
import { BEFORE } from './documents.ts'
import type { Documents, Line } from './documents.ts'

/** One change of the documents, by its name; the first is none. */
export const POLICY: readonly (readonly [string, (random: Random) => Partial<Documents>])[] = [
  ['nothing', () => ({})],
  ['max', (random) => ({ max: random.pick([5500, 9000, 12_000, 15_000, 30_000]) })],
  ['another currency allowed', () => ({ euros: true })],
  ['one more is needed', () => ({ lines: lines((line) => ({ ...line, count: line.count + 1 })) })],
  ['one less is needed', () => ({ lines: lines((line) => ({ ...line, count: 1 })) })],
  ['another border', (random) => ({ lines: borders(random.pick([5500, 7000, 12_000, 14_000])) })],
  ['nobody is asked below', () => ({ lines: BEFORE.lines.slice(1) })],
  ['nobody is asked', () => ({ lines: [{ above: 90_000, up_to: null, count: 1, of: 'finance' }] })],
  ['a further line', () => ({ lines: [...BEFORE.lines, { above: 6000, up_to: null, count: 1, of: 'seniors' }] })],
  ['another group', () => ({ lines: lines((line) => ({ ...line, of: 'seniors' })) })],
  ['a line has a name', () => ({ lines: lines((line, at) => ({ ...line, name: `line-${at}` })) })],
  ['a passkey', () => ({ lines: lines((line) => ({ ...line, passkey: true })) })],
  ['expiry', (random) => ({ expires: random.pick(['2h', '30m', '12h']) })],
  ['cost', (random) => ({ cost: random.pick(['input.amount * 2', 'input.amount + facts.charge.amount_refunded']) })],
  ['currency', () => ({ currency: '"USD"' })],
  [
    'template',
    (random) => ({
      template: random.pick(['json', 'put', 'version 2', 'another order', 'with customer', 'with a reason']),
    }),
  ],
  ['backend', () => ({ backend: 'bank' })],
  ['budget', (random) => ({ budget: random.pick([6000, 10_000, 14_000, 60_000]) })],
  ['require', () => ({ require: false })],
  ['input', (random) => ({ most: random.pick([7000, 12_000]) })],
  ['grant', () => ({ granted: false })],
  ['role', () => ({ role: false })],
  ['words', () => ({ remark: ' In other words.' })],
  ['secret', () => ({ secret: 'env://KEYSTAY_TEST_OTHER' })],
  ['words and secret', () => ({ remark: ' Anew.', secret: 'env://KEYSTAY_TEST_OTHER' })],
]

/** One change of what the backend says about the charge. */
export const FACTS: readonly (readonly [string, (charge: string, random: Random) => Answer])[] = [
  ['nothing', (charge) => chargeOf(charge, own(charge))],
  ['nothing', (charge) => chargeOf(charge, own(charge))],
  ['amount', (charge, random) => chargeOf(charge, { ...own(charge), amount: random.between(0, 40_000) })],
  ['refunded', (charge, random) => chargeOf(charge, { ...own(charge), amount_refunded: random.between(-100, 15_000) })],
  [
    'currency',
    (charge, random) =>
      chargeOf(charge, { ...own(charge), currency: random.pick(['eur', 'jpy', 'USD', '', 'xxx', 'US']) }),
  ],
  // Some have used a part of their budget already, some all of it.
  [
    'customer',
    (charge, random) => chargeOf(charge, { customer: `cus_${random.pick(['some', 'full', 'new'])}_${charge}` }),
  ],
  [
    'missing',
    (charge, random) => {
      const whole = { id: charge, amount: 20_000, amount_refunded: 0, currency: 'usd', ...own(charge) }
      const gone = random.pick(Object.keys(whole).slice(1))
      return {
        status: 200,
        text: JSON.stringify(Object.fromEntries(Object.entries(whole).filter(([name]) => name !== gone))),
      }
    },
  ],
  [
    'null',
    (charge, random) =>
      chargeOf(charge, { ...own(charge), [random.pick(['amount', 'amount_refunded', 'currency', 'customer'])]: null }),
  ],
  [
    'another type',
    (charge, random) =>
      chargeOf(charge, {
        ...own(charge),
        [random.pick(['amount', 'amount_refunded', 'currency', 'customer'])]: random.pick([
          true,
          [],
          {},
          [20_000],
          { amount: 1 },
        ]),
      }),
  ],
  ['numbers as text', (charge) => chargeOf(charge, { ...own(charge), amount: '20000', amount_refunded: '0' })],
  ['decimals', (charge) => chargeOf(charge, { ...own(charge), amount: 20_000.5 })],
  [
    'huge',
    (charge, random) => ({
      status: 200,
      text: JSON.stringify({ id: charge, ...own(charge), amount_refunded: 0, currency: 'usd' }).replace(
        '{',
        `{"amount":${random.pick(['9007199254740993', '1e300', '99999999999999999999'])},`,
      ),
    }),
  ],
  ['a long text', (charge) => chargeOf(charge, { ...own(charge), more: 'x'.repeat(900_000) })],
  [
    'more members',
    (charge) => chargeOf(charge, { ...own(charge), metadata: { keystay_call: 'call_0' }, cost: 1, approved: true }),
  ],
  ['not found', () => ({ status: 404, text: '{"error":{"message":"No such charge"}}' })],
  ['an error', () => ({ status: 500, text: '{}' })],
  ['cut', () => ({ status: 200, text: '', cut: true })],
  ['a page', () => ({ status: 200, text: '<html><body>200.00 USD</body></html>' })],
  ['a list', () => ({ status: 200, text: '[]' })],
]

/** Each charge has a customer of its own, of whose budget nobody else uses anything. */
export function own(charge: string): { readonly customer: string } {
  return { customer: `cus_${charge.slice(3)}` }
}

function lines(change: (line: Line, at: number) => Line): readonly Line[] {
  return BEFORE.lines.map(change)
}

function borders(at: number): readonly Line[] {
  const [low, high] = BEFORE.lines
  return low === undefined || high === undefined
    ? []
    : [
        { ...low, up_to: at },
        { ...high, above: at },
      ]
}
