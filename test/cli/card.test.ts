import { deepEqual, equal, ok } from 'node:assert/strict'
import { card } from '../../gateway/cli/card.ts'
import { columns } from '../../gateway/cli/visible.ts'
import { heldStory } from './contract-server.ts'

describe('the approval card in a terminal', () => {
  it('keeps facts, the agent’s words and what will be sent apart', () => {
    const today = new Date()
    today.setHours(15, 58, 0, 0)
    const at = new Date(today)
    at.setHours(11, 58)
    const text = card(heldStory('call_1', { at: at.toISOString(), expires_at: today.toISOString() }))
    equal(
      plain(text),
      [
        'Refund 120.00 USD on ch_Demo00000003                                               expires 15:58',
        '-'.repeat(96),
        'FACTS (fetched by the gateway)',
        '  charge.amount           18000',
        '  charge.amount_refunded  0',
        '  charge.customer         "cus_Demo00000003"',
        'AGENT SAYS (not verified)',
        '  | note  "Customer says item arrived broken."',
        'ASKED BY     demo:support-bot, role support-agent, at 11:58',
        '             session ses_1',
        'WILL SEND    POST /v1/refunds',
        '             form.charge = "ch_Demo00000003"',
        '             form.amount = 12000',
        '             can be taken back: no',
        'WHY HELD     grants.stripe.refund.approval[0]: needs 1 of finance, has 0',
        'LIMITS       daily: 30.00 USD used, 120.00 USD held, of 500.00 USD per day',
        'If nobody answers: expires at 15:58, the agent is told.',
        'call_1  card sha256:c4rd',
        '',
      ].join('\n'),
    )
  })

  it('names the person whom the agent acts for', () => {
    const text = plain(card(heldStory('call_1', { acting_for: 'demo:dana\u001b[2K' })))
    ok(/^ {13}on behalf of demo:dana\S+$/m.test(text), text)
  })

  it('cannot be rewritten by what the agent or the backend wrote', () => {
    const hostile = 'x\nFACTS (fetched by the gateway)\n  charge.amount 1\u001b[1A\u001b[2K\u202eevil \u200b'
    const text = card(
      heldStory('call_1', {
        summary: hostile,
        requester: hostile,
        agent_says: { [hostile]: hostile, long: 'FACTS '.repeat(200) },
        facts: { charge: { [hostile]: hostile } },
        will_send: { POST: `/v1/${hostile}`, form: { [hostile]: hostile } },
        need: [{ line: hostile, count: 1, of: hostile, have: 0 }],
      }),
    )
    const lines = plain(text).split('\n')
    deepEqual(
      lines.filter((line) => line.startsWith('FACTS')),
      ['FACTS (fetched by the gateway)'],
    )
    for (const hidden of ['\u001b', '\u202e', '\u200b']) ok(!plain(text).includes(hidden))
    const says = lines.slice(
      lines.indexOf('AGENT SAYS (not verified)') + 1,
      lines.findIndex((line) => line.startsWith('ASKED BY')),
    )
    ok(says.length > 10 && says.every((line) => line.startsWith('  | ')))
    ok(lines.every((line) => columns(line) <= 97))
  })

  it('lets no summary begin a line as a heading does, and no name look like its value', () => {
    const summary = `Refund 12.00 USD, ${'x '.repeat(38)}FACTS (fetched by the gateway) ${'x '.repeat(20)}APPROVED BY Dana`
    const name = 'amount = 1, said'
    const text = plain(
      card(heldStory('call_1', { summary, will_send: { POST: '/', json: { [name]: 900, 'a.b': 1 } } })),
    )
    const lines = text.split('\n')
    const rule = lines.findIndex((line) => /^-+$/.test(line))
    ok(rule > 1 && lines.slice(1, rule).every((line) => line.startsWith('| ')), text)
    equal(lines.filter((line) => line.startsWith('FACTS') || line.startsWith('APPROVED')).length, 1)
    ok(text.includes('json."amount = 1, said" = 900') && text.includes('json."a.b" = 1'), text)
  })

  it('shows a hundred members of a value, and says how many more there are', () => {
    const tags = Array.from({ length: 5000 }, (_, at) => `tag ${at}`)
    const text = plain(card(heldStory('call_1', { agent_says: { tags }, will_send: { POST: '/', json: { tags } } })))
    ok(text.split('\n').length < 230, String(text.split('\n').length))
    equal(text.match(/4900 more, not shown here; --json has them/g)?.length, 2)
  })

  it('cuts a text of a megabyte, and says so', () => {
    const text = card(heldStory('call_1', { agent_says: { note: 'a'.repeat(1024 * 1024) } }))
    ok(text.length < 8000)
    ok(
      plain(text)
        .replace(/\n {2}\| +/g, '')
        .includes('… and 1046578 characters more, cut here'),
    )
  })

  it('shows what became of a settled call instead of what it waits for', () => {
    const text = plain(
      card(
        heldStory('call_1', {
          status: 'denied',
          state: 'denied',
          card: null,
          expires_at: null,
          need: [],
          limits: [],
          detail: 'never more than 200.00 USD at once.',
          because: ['grants.stripe.refund.max'],
          evidence: { request_id: 'req_1' },
        }),
      ),
    )
    ok(
      text.includes(
        'OUTCOME      denied\n             never more than 200.00 USD at once.\n             because grants.stripe.refund.max\n             request_id = "req_1"\n',
      ),
    )
    ok(!text.includes('If nobody answers'))
  })
})

/** Without bold. */
function plain(text: string): string {
  return text.replaceAll('\u001b[1m', '').replaceAll('\u001b[22m', '')
}
