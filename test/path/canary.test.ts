import assert from 'node:assert/strict'
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { exportLedger } from '../../gateway/store/export.ts'
import { startLying } from '../backends/lying.ts'
import type { LyingBackend } from '../backends/lying.ts'
import { BACKEND_KEY, company } from '../house/company.ts'
import { house } from '../house/gateway.ts'
import type { Answer, House } from '../house/gateway.ts'

/** Every form in which a byte string is likely to travel. */
const FORMS: readonly string[] = [
  BACKEND_KEY,
  Buffer.from(BACKEND_KEY).toString('base64').replace(/=+$/, ''),
  Buffer.from(BACKEND_KEY).toString('base64url'),
  Buffer.from(`x${BACKEND_KEY}`).toString('base64').slice(2, -4),
  Buffer.from(`xx${BACKEND_KEY}`).toString('base64').slice(4, -4),
  Buffer.from(`broker:${BACKEND_KEY}`).toString('base64').replace(/=+$/, ''),
  Buffer.from(BACKEND_KEY).toString('hex'),
  Buffer.from(BACKEND_KEY).toString('hex').toUpperCase(),
  encodeURIComponent(BACKEND_KEY),
  encodeURIComponent(BACKEND_KEY).toLowerCase(),
  [...Buffer.from(BACKEND_KEY)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join(''),
  BACKEND_KEY.replaceAll('/', '\\/'),
]

describe('no byte of the backend key comes out', function () {
  this.timeout(60_000)
  let pay: LyingBackend
  let where: Awaited<ReturnType<typeof company>>
  let gate: House
  const heard: string[] = []

  const clean = (where_: string, text: string): void => {
    for (const form of FORMS) assert.ok(!text.includes(form), `${where_} holds the key as ${form.slice(0, 12)}…`)
  }
  const hear = (answer: Answer): Answer => {
    heard.push(answer.text, JSON.stringify([...answer.headers]))
    return answer
  }

  before(async () => {
    pay = await startLying()
    const files = {
      'actions/echo.yaml': `action: echo.all
describe: Shows everything the backend says.
effect: write
input:
  text: { type: string, maxLength: 2000 }
backend: blind
request: { POST: /v1/echo, json: { text: "\${input.text}" } }
output: { keep: [headers, authorization, message, id, "headers.authorization", "headers.x-api-key", body, error] }
`,
      'roles/echo.yaml': `role: echo
describe: Hears everything.
issue_to: [{ issuer: demo, where: 'claims.sub == "bot"' }]
grants: { echo.all: , pay.refund: { max: 200.00 USD }, pay.look: , shop.order: , blind.note:  }
`,
    }
    where = await company({ pay: pay.url, shop: pay.url, blind: pay.url }, files)
    gate = await house(where)
  })
  after(async () => {
    await gate?.stop()
    await pay?.close()
    await where?.remove()
  })

  it('sends it to the backend, which is the point', async () => {
    const token = await gate.token('bot', 'echo')
    hear(await gate.call(token, 'pay.refund', { charge: 'ch_1', amount: 100 }, 'a'))
    hear(await gate.call(token, 'blind.note', { text: 'x' }, 'b'))
    hear(await gate.call(token, 'shop.order', { item: 'x' }, 'c'))
    const sent = pay.seen.map(({ headers }) => `${headers.authorization} ${String(headers['x-api-key'])}`).join(' ')
    assert.ok(sent.includes(BACKEND_KEY))
  })

  for (const kind of [
    'echo',
    'echo_401',
    'hostile_message',
    'half_body',
    'bad_header',
    'html',
    'status_with',
    'reset_after',
    'redirect',
    'big_headers',
  ] as const) {
    it(`over every adapter form, when the backend answers with ${kind}`, async () => {
      const token = await gate.token('bot', 'echo')
      for (const [action, input] of [
        ['echo.all', { text: 'x' }],
        ['pay.refund', { charge: 'ch_2', amount: 100 }],
        ['pay.look', { charge: 'ch_3' }],
        ['shop.order', { item: 'y' }],
      ] as const) {
        pay.lie({ kind })
        const answer = hear(await gate.call(token, action, input, `${kind}-${action}`, { prefer: 'wait=1' }))
        if (answer.body.call !== undefined) {
          hear(await gate.show(token, answer.body.call))
          hear(await gate.admin('dana', 'GET', `/admin/v1/calls/${answer.body.call}`))
        }
        pay.honest()
      }
    })
  }

  it('nor in any answer, log line, export or file of the store', async () => {
    hear(await gate.admin('dana', 'GET', '/admin/v1/calls'))
    hear(await gate.admin('dana', 'GET', '/admin/v1/policy'))
    hear(await gate.admin('dana', 'GET', '/metrics'))
    await gate.stop()
    heard.forEach((text, n) => clean(`answer ${n}`, text))
    gate.log.forEach((line) => clean('the log', line))
    const out = join(where.dir, 'export')
    await exportLedger(join(where.dir, 'keystay.db'), { directory: out })
    for (const file of await readdir(out)) clean(file, await readFile(join(out, file), 'utf8'))
    for (const file of (await readdir(where.dir)).filter((name) => name.startsWith('keystay'))) {
      clean(file, await readFile(join(where.dir, file), 'latin1'))
    }
  })
})
