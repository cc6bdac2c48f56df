import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { Secret, SecretUnavailable } from '../../adapters/adapter.ts'
import type { Brought, Courier } from '../../adapters/adapter.ts'
import { courierOf } from '../../adapters/notify/couriers.ts'
import { messageOf } from '../../gateway/core/notice-words.ts'
import type { Channel, Notice } from '../../gateway/core/notice.ts'
import { certificateFor } from '../backends/certificate.ts'
import { startMailbox } from '../backends/mailbox.ts'
import { startReceiver } from '../backends/receiver.ts'
import type { Receiver } from '../backends/receiver.ts'
import { SIGNING } from './house.ts'

const OTHER = `whsec_${Buffer.from('TheOneThatComesAfterTheFirst').toString('base64')}`
/** Somebody's name, as a hostile issuer could have it. */
const HOSTILE =
  'Dana\r\nBcc: evil@example.com\r\n\r\n<!channel> *bold* <https://evil.example|x> [y](https://evil.example) \u202e&'

const NOTICE: Notice = {
  id: 'msg_01M82XN9KRP4J8MD5VXFGJCMXD',
  wait: 'wait_01M82XN9KRP4J8MD5VXFGJCMXE',
  call: 'call_01M82XN9KRGF35FYFX4Q5BYHNZ',
  channel: 'finance',
  kind: 'call.decided',
  state: 'waiting',
  made_at: Date.parse('2026-11-23T15:00:00Z'),
  due_at: 0,
  until: null,
  tries: 1,
  tries_before: 0,
  owner: 'rep_1',
  said: null,
  about: {
    call: 'call_01M82XN9KRGF35FYFX4Q5BYHNZ',
    action: 'pay.refund',
    role: 'agent',
    amount: { unit: 'USD', amount: 6000 },
    need: [{ count: 1, of: 'finance' }],
    expires_at: Date.parse('2026-11-23T19:00:00Z'),
  },
  decided: { outcome: 'rejected', by: [HOSTILE] },
}
const MESSAGE = messageOf(NOTICE, 'https://keystay.example/')

interface More extends Partial<Channel> {
  readonly values?: { readonly [ref: string]: string }
  readonly dev?: boolean
  readonly ca?: string
  readonly names?: { readonly [name: string]: string }
}

/** The courier of a channel that differs so. */
function courier({ values = {}, dev = true, ca, names, ...more }: More): Courier {
  const channel: Channel = {
    name: 'finance',
    kind: 'webhook',
    address: null,
    secrets: ['env://SECRET'],
    user: null,
    from: null,
    to: [],
    private: true,
    ...more,
  }
  const known: { readonly [ref: string]: string } = { 'env://SECRET': SIGNING, ...values }
  return courierOf(channel, {
    secret: async (ref) => {
      const value = known[ref]
      if (value === undefined) throw new SecretUnavailable(ref, `${ref}: not there`)
      return new Secret(ref, value)
    },
    dev,
    ...(ca === undefined ? {} : { ca }),
    ...(names === undefined
      ? {}
      : { lookup: (name, _options, done) => done(null, [{ address: names[name] ?? '0.0.0.0', family: 4 }]) }),
  })
}

/** One try there. */
async function bring(more: More, ms = 5000): Promise<Brought> {
  const one = courier(more)
  try {
    return await one.bring(MESSAGE, AbortSignal.timeout(ms))
  } finally {
    await one.close()
  }
}

describe('a channel of notices', function () {
  this.timeout(20_000)
  let hook: Receiver
  before(async () => void (hook = await startReceiver(SIGNING)))
  beforeEach(() => {
    hook.answer(null)
    hook.received.length = 0
  })
  after(() => hook.close())

  it('is looked at before it is used: its secret, and where it leads', async () => {
    const address = 'https://hooks.example.com/'
    const found: (string | null)[] = []
    for (const more of [
      { address },
      { address, values: { 'env://SECRET': 'whsec_Canary' } },
      { address, secrets: ['env://SECRET', 'env://NONE'] },
      { address: 'http://127.0.0.1:1/', dev: false },
      { kind: 'slack', values: { 'env://SECRET': 'http://hooks.slack.com/Canary' } },
      { kind: 'teams', values: { 'env://SECRET': address } },
      { kind: 'smtp', address: 'smtps://mail.example.com', secrets: ['env://NONE'] },
    ] as const satisfies readonly More[])
      found.push(await courier(more).check())
    assert.deepEqual(found, [
      null,
      'env://SECRET: it is not whsec_ and 24 to 64 bytes in base64',
      'env://NONE: not there',
      'plain http: goes to loopback under --dev only',
      'env://SECRET: it is not an https: address',
      null,
      'env://NONE: not there',
    ])
  })

  describe('that is a webhook', () => {
    it('is signed with each of two secrets while one takes the place of the other', async () => {
      const secrets = ['env://NEW', 'env://SECRET']
      const brought = await bring({ address: hook.url, secrets, values: { 'env://NEW': OTHER } })
      assert.deepEqual(brought, { kind: 'delivered', said: '204' })
      const [{ headers, signed } = assert.fail()] = hook.received
      assert.ok(signed)
      assert.match(String(headers['webhook-signature']), /^v1,[A-Za-z0-9+/=]{44} v1,[A-Za-z0-9+/=]{44}$/)
    })

    for (const [what, how, said] of [
      ['a 200 with a body without end', { status: 200, endless: true }, { kind: 'delivered', said: '200' }],
      ['a 410', { status: 410 }, { kind: 'failed', said: '410, it wants nothing more', final: true, gone: true }],
      ['a 404', { status: 404 }, { kind: 'failed', said: '404' }],
      [
        'a redirect',
        { status: 302, headers: { location: 'http://169.254.169.254/' } },
        { kind: 'failed', said: '302, a redirect, which is not followed' },
      ],
      [
        'a 503 that says when',
        { status: 503, headers: { 'retry-after': '120' } },
        { kind: 'failed', said: '503', after_ms: 120_000 },
      ],
      [
        'a 429 that asks for a year',
        { status: 429, headers: { 'retry-after': '9999999' } },
        { kind: 'failed', said: '429', after_ms: 3_600_000 },
      ],
      [
        'a head without end',
        { status: 200, headers: { 'x-long': 'x'.repeat(40_000) } },
        { kind: 'failed', said: 'no connection, or none to the end (UND_ERR_HEADERS_OVERFLOW)' },
      ],
      ['nothing', { silent: true }, { kind: 'failed', said: 'no answer in time' }],
    ] as const satisfies readonly (readonly [
      string,
      { status?: number; headers?: object; endless?: boolean; silent?: boolean },
      Brought,
    ])[]) {
      it(`answers ${what}: ${said.said}`, async () => {
        hook.answer((_request, response) => {
          if ('silent' in how) return
          response.writeHead(how.status, 'headers' in how ? { ...how.headers } : {})
          if (!('endless' in how)) return void response.end()
          const more = (): void => void (response.destroyed || response.write('x'.repeat(100_000), more))
          more()
        })
        assert.deepEqual(await bring({ address: hook.url }, 300), said)
        assert.equal(hook.received.length, 1)
      })
    }

    const TLS = certificateFor(['receiver.example'])
    for (const [what, more, said] of [
      ['plain http: outside --dev', { dev: false }, /^plain http: is for --dev$/],
      [
        'a loopback address that is not said to be private',
        { private: false },
        /^its address is not one that may be called/,
      ],
      [
        'a name of loopback',
        { private: false, address: 'https://receiver.example/', names: { 'receiver.example': '127.0.0.1' } },
        /^its address is not one/,
      ],
      [
        'a name of the metadata of a cloud',
        { address: 'https://receiver.example/', names: { 'receiver.example': '169.254.169.254' } },
        /^its address is not one/,
      ],
      [
        'a name that has no address',
        { address: 'https://receiver.invalid/', private: false },
        /^its name was not found$/,
      ],
      ['a secret that is none', { values: { 'env://SECRET': 'whsec_short' } }, /^env:\/\/SECRET: it is not whsec_/],
      ['a secret that is not there', { secrets: ['env://NONE'] }, /^env:\/\/NONE: not there$/],
    ] as const satisfies readonly (readonly [string, More, RegExp])[]) {
      it(`is not asked over ${what}`, async () => {
        const brought = await bring({ address: hook.url, ...more })
        assert.equal(brought.kind, 'failed')
        assert.match(brought.said, said)
        assert.deepEqual(hook.received, [])
      })
    }

    it('is held to its certificate', async () => {
      const secure = await startReceiver(SIGNING, TLS)
      try {
        const { port } = new URL(secure.url)
        const address = `https://receiver.example:${port}/`
        const names = { 'receiver.example': '127.0.0.1' }
        assert.deepEqual(await bring({ address, names, ca: TLS.cert, dev: false }), { kind: 'delivered', said: '204' })
        const unknown = await bring({ address, names, dev: false })
        assert.match(unknown.said, /^the TLS handshake failed/)
        assert.equal(secure.received.length, 1)
      } finally {
        await secure.close()
      }
    })
  })

  describe('that is a chat', () => {
    const slack = (url: string): More => ({ kind: 'slack', values: { 'env://SECRET': url } })

    it('of Slack is told in plain text; the link alone is ours', async () => {
      hook.answer((_request, response) => void response.writeHead(200).end('ok'))
      assert.deepEqual(await bring(slack(`${hook.url}/services/T0/B0/CanaryOfSlack`)), {
        kind: 'delivered',
        said: '200',
      })
      const { body } = hook.received[0] ?? assert.fail()
      const links = body.blocks.filter((block: { text?: { type: string } }) => block.text?.type === 'mrkdwn')
      assert.deepEqual(
        links.map(({ text }: { text: { text: string } }) => text.text),
        [`<https://keystay.example/console/calls/${NOTICE.call}|Open in Keystay>`],
      )
      const types = JSON.stringify(body.blocks).match(/"type":"(plain_text|mrkdwn)"/g) ?? []
      assert.equal(types.filter((type) => type.includes('mrkdwn')).length, 1)
      assert.doesNotMatch(body.text, /[<>]/)
      assert.deepEqual([body.unfurl_links, body.unfurl_media, body.mrkdwn], [false, false, false])
      assert.doesNotMatch(hook.received[0]?.text ?? '', /\u202e|\\r\\n/)
    })

    it('of Slack says by words of its own what it will never take', async () => {
      for (const [status, text, wanted] of [
        [404, 'channel_not_found', { kind: 'failed', said: '404 channel_not_found', final: true, gone: true }],
        [410, 'channel_is_archived', { kind: 'failed', said: '410 channel_is_archived', final: true, gone: true }],
        [400, 'invalid_payload', { kind: 'failed', said: '400 invalid_payload', final: true }],
        [403, '<html>CanaryOfSlack</html>', { kind: 'failed', said: '403' }],
        [500, 'rollup_error', { kind: 'failed', said: '500' }],
      ] as const) {
        hook.answer((_request, response) => void response.writeHead(status).end(text))
        assert.deepEqual(await bring(slack(hook.url)), wanted)
      }
    })

    it('has an address that is never told', async () => {
      for (const url of [
        'http://CanaryOfSlack.example/x',
        'https://user:CanaryOfSlack@example.com/',
        'CanaryOfSlack',
        'https://CanaryOfSlack.invalid/x',
      ]) {
        const brought = await bring({ ...slack(url), private: false })
        assert.equal(brought.kind, 'failed')
        assert.doesNotMatch(brought.said, /canary/i)
      }
    })

    it('of Teams gets a card without Markdown', async () => {
      const brought = await bring({ kind: 'teams', values: { 'env://SECRET': hook.url } })
      assert.deepEqual(brought, { kind: 'delivered', said: '204' })
      const { content } = hook.received[0]?.body.attachments[0] ?? assert.fail()
      assert.deepEqual([...new Set(content.body.map(({ type }: { type: string }) => type))], ['RichTextBlock'])
      assert.deepEqual(
        content.actions.map(({ url }: { url: string }) => url),
        [`https://keystay.example/console/calls/${NOTICE.call}`],
      )
      assert.doesNotMatch(JSON.stringify(content), /"TextBlock"|FactSet|\\r\\n/)
    })
  })

  describe('that is mail', () => {
    const TLS = certificateFor(['mail.example'])
    const mail = (port: number, more: More = {}): More => ({
      kind: 'smtp',
      address: `smtp://mail.example:${port}`,
      names: { 'mail.example': '127.0.0.1' },
      ca: TLS.cert,
      dev: false,
      secrets: [],
      from: 'keystay@example.com',
      to: ['finance@example.com', 'ops@example.com'],
      ...more,
    })

    it('comes over STARTTLS with a sign-in, as text alone, and nobody’s name is a header', async () => {
      const box = await startMailbox({ tls: TLS, user: 'keystay', password: 'CanaryOfMail' })
      try {
        const secret = { user: 'keystay', secrets: ['env://MAIL'], values: { 'env://MAIL': 'CanaryOfMail' } }
        assert.deepEqual(await bring(mail(box.port, secret)), { kind: 'delivered', said: '250' })
        const [{ text, ...envelope } = assert.fail()] = box.mails
        assert.deepEqual(envelope, {
          from: 'keystay@example.com',
          to: ['finance@example.com', 'ops@example.com'],
          secure: true,
          user: 'keystay',
        })
        const [head = '', ...paragraphs] = text.split('\r\n\r\n')
        const body = paragraphs.join('\n\n')
        const names = head
          .split('\r\n')
          .filter((line) => !/^\s/.test(line))
          .map((line) => line.split(':')[0]?.toLowerCase())
        assert.deepEqual(names.sort(), [
          'auto-submitted',
          'content-transfer-encoding',
          'content-type',
          'date',
          'from',
          'in-reply-to',
          'message-id',
          'mime-version',
          'references',
          'subject',
          'to',
        ])
        assert.match(head, /^Content-Type: text\/plain; charset=utf-8$/im)
        assert.match(head, new RegExp(`^Message-ID: <${NOTICE.id}@example.com>$`, 'im'))
        assert.match(head, /^Subject: Rejected: pay\.refund, 60\.00 USD$/m)
        assert.match(
          body.replaceAll('=\r\n', '').replaceAll('=3D', '='),
          /https:\/\/keystay\.example\/console\/calls\/call_/,
        )

        const wrong = await bring(mail(box.port, { ...secret, values: { 'env://MAIL': 'CanaryOfTheWrong' } }))
        assert.deepEqual(wrong, { kind: 'failed', said: 'the sign-in was refused (535)' })
      } finally {
        await box.close()
      }
    })

    it('is not sent where TLS does not come about, nor with a certificate that does not hold', async () => {
      const plain = await startMailbox()
      const other = await startMailbox({ tls: certificateFor(['other.example']) })
      try {
        for (const port of [plain.port, other.port]) {
          const brought = await bring(mail(port))
          assert.equal(brought.kind, 'failed')
          assert.match(brought.said, /TLS/)
        }
        assert.deepEqual([...plain.mails, ...other.mails], [])
        // To loopback itself, under --dev alone.
        const dev = mail(plain.port, { address: `smtp://127.0.0.1:${plain.port}` })
        assert.equal((await bring(dev)).kind, 'failed')
        assert.equal((await bring({ ...dev, dev: true })).kind, 'delivered')
      } finally {
        await plain.close()
        await other.close()
      }
    })

    it('comes over TLS from the first byte, and says what the server refused by its code alone', async () => {
      const box = await startMailbox({ tls: TLS, secure: true })
      try {
        const address = `smtps://mail.example:${box.port}`
        assert.deepEqual(await bring(mail(box.port, { address })), { kind: 'delivered', said: '250' })
        box.refuse(550)
        assert.deepEqual(await bring(mail(box.port, { address })), { kind: 'failed', said: '550', final: true })
        box.refuse(451)
        assert.deepEqual(await bring(mail(box.port, { address })), { kind: 'failed', said: '451' })
        // Sent again it would come twice to who has it: that somebody has it not is said.
        box.refuse(550, 'ops@example.com')
        const brought = await bring(mail(box.port, { address }))
        assert.deepEqual(brought, { kind: 'delivered', said: '250, but refused for 1 of 2 addresses' })
        assert.deepEqual(box.mails.at(-1)?.to, ['finance@example.com'])
      } finally {
        await box.close()
      }
    })

    it('is given up where the server says nothing, and not sent to an address that may not be called', async () => {
      const silent = createServer(() => {})
      await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
      const { port } = silent.address() as AddressInfo
      try {
        assert.deepEqual(await bring(mail(port), 200), { kind: 'failed', said: 'no answer in time' })
        const refused = await bring(mail(port, { private: false }))
        assert.match(refused.said, /^its address is not one that may be called/)
        const none = await bring(mail(port, { names: {}, private: true }))
        assert.match(none.said, /^its address is not one that may be called/)
      } finally {
        silent.close()
      }
    })
  })
})
