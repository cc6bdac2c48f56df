import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { compile } from '../../gateway/core/compile.ts'
import { schemas } from '../policy/company.ts'

/** The orders of the example company. */
const FILES: { readonly [path: string]: string } = {
  'backends.yaml': `backends:
  orders-db:
    adapter: postgres
    url: postgres://orders.internal:5432/orders?sslmode=verify-full
    auth: { user: broker, password: "age://orders/broker" }
    timeout: 3s
  warehouse: { adapter: postgres, url: "postgres://warehouse.internal/reports", auth: { user: broker, password: "age://warehouse/broker" } }
`,
  'orders.yaml': `action: orders.cancel
describe: Cancel an order that has not shipped.
effect: write
input:
  order:  { type: string, format: uuid }
  reason: { type: string, maxLength: 200 }
  note?:  { type: string, maxLength: 200 }
backend: orders-db
facts:
  order:
    read: select status, total from orders where id = $1
    params: ["\${input.order}"]
    rows: 0..1
    keep: { status: string, total: string }
  stock:
    backend: warehouse
    read: select item, n from stock where "order" = $1
    params: ["\${input.order}"]
    keep: { rows: [{ item: string, n: integer }] }
request:
  write: |
    update orders set status = 'cancelled', cancel_reason = $2, cancelled_by = $3
     where id = $1 and status = 'open' returning id, status
  params: ["\${input.order}", "\${input.reason}", "\${call.id}"]
  rows: 1
recheck:
  read: select count(*) as n from orders where id = $1 and cancelled_by = $2
  params: ["\${input.order}", "\${call.id}"]
  happened: output.rows[0].n == 1
output: { keep: ["*.id", "*.status"] }
---
action: orders.get
describe: Look up an order.
effect: read
input:
  order: { type: string, format: uuid }
backend: orders-db
request: { read: "select id, status from orders where id = $1", params: ["\${input.order}"] }
output: { keep: ["*.id", "*.status"] }
`,
}

function findings(file = '', from = '', to = ''): string[] {
  const texts = Object.entries(FILES).map(([path, text]) => {
    if (path === file && text.split(from).length !== 2) throw new Error(`${from} does not stand once in ${file}`)
    return { path, text: path === file ? text.replace(from, () => to) : text }
  })
  const compiled = compile(texts, schemas)
  return (compiled.ok ? compiled.warnings : compiled.findings).map(
    ({ file, line, message, hint }) => `${file}:${line} ${message}${hint === undefined ? '' : ` | ${hint}`}`,
  )
}

describe('a policy of a postgres backend', () => {
  it('compiles as the example has it', () => assert.deepEqual(findings(), []))

  it('has facts that are null where they may find no row', () => {
    const compiled = compile(
      Object.entries(FILES).map(([path, text]) => ({ path, text })),
      schemas,
    )
    assert.ok(compiled.ok)
    assert.deepEqual(
      compiled.policy.actions.get('orders.cancel')?.facts.map(({ absent }) => absent),
      [[404], [404]],
    )
  })

  it('compiles as the page about it has it', () => {
    const page = readFileSync(join(import.meta.dirname, '../../docs/postgres.md'), 'utf8')
    const texts = [...page.matchAll(/```yaml\n([^]*?)```/g)].map(([, text = ''], at) => ({ path: `${at}.yaml`, text }))
    const compiled = compile(texts, schemas)
    assert.deepEqual([texts.length, compiled.ok ? compiled.warnings : compiled.findings], [2, []])
  })

  const mistakes: readonly [string, string, string, readonly string[]][] = [
    ['orders.yaml', `'open' returning`, `'\${input.reason}' returning`, ['orders.yaml:23 no values are placed here']],
    [
      'orders.yaml',
      '"${input.reason}", "${call.id}"',
      '"${input.note?}", "${call.id}"',
      [
        'orders.yaml:24 an item of `params` cannot be left out: the others would move up | write ${has(input.note) ? input.note : ""}',
      ],
    ],
    ['orders.yaml', '"${input.reason}", "${call.id}"', '"${has(input.note) ? input.note : \'\'}", "${call.id}"', []],
    [
      'orders.yaml',
      '"${input.reason}", "${call.id}"',
      '"${input.reason}"',
      ['orders.yaml:22 `params` has no item for `$3` | `$1` is the first item of `params`'],
    ],
    [
      'orders.yaml',
      'cancel_reason = $2, ',
      '',
      ['orders.yaml:24 nothing takes this item: there is no `$2` in `write`'],
    ],
    [
      'orders.yaml',
      'cancel_reason = $2, ',
      "cancel_reason = e'\\'$7' || $2, c$1 = $q$ $9 $q$, \"a$8\" = 'it''s $6', /* $5 */ ",
      [],
    ],
    [
      'orders.yaml',
      "and status = 'open' returning",
      'and status = $0 returning',
      ['orders.yaml:23 `params` has no item for `$0` | `$1` is the first item of `params`'],
    ],
    ['orders.yaml', '  rows: 1\n', '', ['orders.yaml:21 `rows` is missing in `request`']],
    [
      'orders.yaml',
      '  rows: 1\n',
      '  rows: any\n',
      ['orders.yaml:25 `rows` must be a number or a range like 1..5, at most 1000'],
    ],
    [
      'orders.yaml',
      '  rows: 1\n',
      '  rows: 1\n  read: select 1\n',
      ['orders.yaml:21 `request` has more than one of: read, write | write one of them'],
    ],
    [
      'orders.yaml',
      '    read: select status',
      '    write: select status',
      ['orders.yaml:11 `write` could change something; what the gateway asks by itself only reads | write read'],
    ],
    [
      'orders.yaml',
      '  read: select count(*)',
      '  write: select count(*)',
      ['orders.yaml:27 `write` could change something; what the gateway asks by itself only reads | write read'],
    ],
    [
      'orders.yaml',
      '  happened:',
      '  rows: 1\n  happened:',
      ['orders.yaml:29 unknown key `rows` | the keys here are: read, write, params, page, happened'],
    ],
    [
      'orders.yaml',
      '  happened:',
      '  page: { after: last.id, while: output.more }\n  happened:',
      ['orders.yaml:29 this backend has no pages: there is no query to add to'],
    ],
    [
      'orders.yaml',
      '    update orders set',
      '    drop table orders; update orders set',
      ['orders.yaml:21 `write` must be one SQL statement that begins with insert, update, delete, merge, with, select'],
    ],
    [
      'orders.yaml',
      'request: { read: "select id, status from orders where id = $1"',
      'request: { rows: 1, write: "update orders set status = $1 returning id"',
      ['orders.yaml:38 `write` changes something | say `effect: write`'],
    ],
    [
      'backends.yaml',
      '    timeout: 3s\n',
      '    timeout: 3s\n    idempotency: { header: Idempotency-Key, lives: 24h }\n',
      [
        'backends.yaml:7 unknown key `idempotency` | the keys here are: url, auth, ca, connections, adapter, lands_within, timeout, breaker, private',
      ],
    ],
    ['backends.yaml', 'verify-full', 'disable', ['backends.yaml:3 `private` is missing in `orders-db`']],
    [
      'backends.yaml',
      'postgres://orders.internal:5432/orders?sslmode=verify-full',
      'postgres://127.0.0.1/orders',
      [
        'backends.yaml:4 127.0.0.1 is a loopback, private or link-local address | if that is meant, say `private: true`',
      ],
    ],
    [
      'backends.yaml',
      'password: "age://orders/broker"',
      'password: sk_test_plain',
      [
        'backends.yaml:5 `password` must be a secret ref; a credential never stands in a policy | write age://NAME, env://VARIABLE, file:///PATH, vault://MOUNT/PATH#FIELD or aws://NAME#FIELD',
      ],
    ],
    [
      'backends.yaml',
      'user: broker, password: "age://orders/broker"',
      'lease: "vault://database/creds/orders-agent"',
      [],
    ],
  ]
  for (const [file, from, to, expected] of mistakes) {
    it(`${expected.length === 0 ? 'may have' : 'is refused with'} ${JSON.stringify(to === '' ? `no ${from}` : to)}`, () => {
      assert.deepEqual(findings(file, from, to), expected)
    })
  }
})
