import assert from 'node:assert/strict'
import { noticeOf } from '../../gateway/core/notice-plan.ts'
import type { About, Channel, Decided, Message, NoticeKind, Wait } from '../../gateway/core/notice.ts'
import { messageOf, testMessage } from '../../gateway/core/notice-words.ts'

const AT = Date.parse('2026-11-23T15:00:00Z')
const CALL = 'call_01KAR00000000000000000000A'
const ABOUT: About = {
  call: CALL,
  action: 'pay.refund',
  role: 'agent',
  amount: { unit: 'USD', amount: 15_000 },
  need: [
    { count: 2, of: 'finance' },
    { count: 1, of: 'leads' },
  ],
  expires_at: AT + 3_480_000,
}
const WAIT: Wait = { id: 'wait_1', call: CALL, state: 'held', card: 'card', about: ABOUT, over: null }
const HERE = 'https://keystay.example//'

const notice = (kind: NoticeKind, about: About = ABOUT, decided: Decided | null = null) =>
  noticeOf({ ...WAIT, about }, kind, 'desk', { made_at: AT, due_at: AT, until: null }, decided)
const said = (kind: NoticeKind, about?: About, decided?: Decided): Message =>
  messageOf(notice(kind, about, decided), HERE)

describe('what a notice says', () => {
  it('is names of the policy, money, times and a link; the same in words and as data', () => {
    const { id } = notice('call.held')
    const link = `https://keystay.example/console/?call=${CALL}`
    assert.deepEqual(said('call.held'), {
      id,
      thread: null,
      type: 'call.held',
      at: AT,
      data: {
        call: CALL,
        action: 'pay.refund',
        role: 'agent',
        amount: { unit: 'USD', amount: 15_000, text: '150.00 USD' },
        need: ABOUT.need,
        expires_at: '2026-11-23T15:58:00.000Z',
        link,
      },
      title: 'Waits for 2 of finance, 1 of leads: pay.refund, 150.00 USD',
      lines: [
        ['Action', 'pay.refund'],
        ['Amount', '150.00 USD'],
        ['Role', 'agent'],
        ['Needs', '2 of finance, 1 of leads'],
        ['Expires', '2026-11-23 15:58 UTC'],
        ['Call', CALL],
      ],
      link,
    })
  })

  it('is one thread for each wait and channel', () => {
    const first = notice('call.held').id
    assert.deepEqual(
      (['call.held', 'call.held.reminder', 'call.held.escalated', 'call.decided', 'call.needs_human'] as const).map(
        (kind) => said(kind).thread,
      ),
      [null, first, first, first, null],
    )
  })

  it('tells in its title how urgent it is', () => {
    const who = '2 of finance, 1 of leads: pay.refund, 150.00 USD'
    assert.equal(said('call.held.reminder').title, `Still waits for ${who}`)
    assert.equal(said('call.held.escalated').title, `Expires soon, waits for ${who}`)
  })

  it('of a call in doubt leads to its story, and leaves out what there is not', () => {
    const { title, lines, link, data } = said('call.needs_human', {
      ...ABOUT,
      amount: null,
      need: [],
      expires_at: null,
    })
    assert.deepEqual(
      [title, lines, link, data['amount'], data['expires_at']],
      [
        'In doubt, two people must say what happened: pay.refund',
        [
          ['Action', 'pay.refund'],
          ['Role', 'agent'],
          ['Call', CALL],
        ],
        `https://keystay.example/console/calls/${CALL}`,
        null,
        null,
      ],
    )
  })

  const ENDS: { readonly [outcome in Decided['outcome']]: string } = {
    approved: 'Approved',
    rejected: 'Rejected',
    expired: 'Expired, nobody answered',
    cancelled: 'Cancelled',
    denied: 'Denied by the policy at the last look',
    voided: 'What was asked has changed, and is asked anew',
    settled: 'Settled',
  }
  for (const [outcome, words] of Object.entries(ENDS) as [Decided['outcome'], string][])
    it(`is how it ended: ${outcome}`, () => {
      const { title, lines, data, link } = said('call.decided', ABOUT, { outcome, by: ['Dana', 'O\u202emar'] })
      assert.deepEqual(
        [title, lines, data['outcome'], data['by'], link],
        [
          `${words}: pay.refund, 150.00 USD`,
          [
            ['Action', 'pay.refund'],
            ['Amount', '150.00 USD'],
            ['Role', 'agent'],
            ['By', 'Dana, O\\u{202e}mar'],
            ['Call', CALL],
          ],
          outcome,
          ['Dana', 'O\\u{202e}mar'],
          `https://keystay.example/console/calls/${CALL}`,
        ],
      )
      const nobody = said('call.decided', ABOUT, { outcome, by: [] })
      assert.ok(!nobody.lines.some(([label]) => label === 'By'))
    })

  it('is that a channel can be reached', () => {
    assert.deepEqual(testMessage('msg_1', { name: 'desk' } as Channel, AT, HERE), {
      id: 'msg_1',
      thread: null,
      type: 'channel.test',
      at: AT,
      data: { channel: 'desk' },
      title: 'Keystay can reach desk',
      lines: [['Channel', 'desk']],
      link: 'https://keystay.example/console/',
    })
  })
})
