import assert from 'node:assert/strict'
import { compile } from '../../gateway/core/compile.ts'
import { toolName } from '../../gateway/core/tool.ts'
import { changed, schemas } from './company.ts'

/** The company, with one more action of this name. */
function withAction(name: string): string[] {
  const { texts, files } = changed()
  const text = `action: ${name}\ndescribe: Another one.\neffect: read\nbackend: shop\nrequest: { GET: /v1/things }\noutput: { keep: [id] }\n`
  const compiled = compile([...texts, { path: 'more.yaml', text }], schemas, { files })
  return (compiled.ok ? compiled.warnings : compiled.findings).map(
    ({ file, line, message }) => `${file}:${line} ${message}`,
  )
}

describe('the name of an action as a tool', () => {
  it('has `_` for every dot', () => assert.equal(toolName('stripe.card.refund'), 'stripe_card_refund'))

  it('is that of one action only: two that would be one are refused, and so is a tool of the gateway', () => {
    assert.deepEqual(
      ['pay_refund', 'shop_get', 'call.status', 'call_cancel', 'session.info', 'limits', 'pay.refunds'].map(withAction),
      [
        ['more.yaml:1 as a tool this is called `pay_refund`, and so is `pay.refund`'],
        ['more.yaml:1 as a tool this is called `shop_get`, and so is `shop.get`'],
        ['more.yaml:1 as a tool this is called `call_status`, and so is a tool of the gateway'],
        ['more.yaml:1 as a tool this is called `call_cancel`, and so is a tool of the gateway'],
        ['more.yaml:1 as a tool this is called `session_info`, and so is a tool of the gateway'],
        ['more.yaml:1 as a tool this is called `limits`, and so is a tool of the gateway'],
        [],
      ],
    )
  })
})
