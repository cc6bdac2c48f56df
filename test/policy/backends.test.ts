import assert from 'node:assert/strict'
import { isInternal, isLoopback } from '../../gateway/core/policy/backends.ts'
import { compileChanged } from './company.ts'

/** The backend `pay` of the company, or what is wrong, once this text stands for that. */
function payWith(from: string, to: string) {
  const compiled = compileChanged({ file: 'backends.yaml', from, to })
  if (!compiled.ok) return compiled.findings.map(({ message, hint }) => [message, hint])
  return compiled.policy.backends.get('pay') ?? assert.fail('no backend')
}
const URL_LINE = 'url: https://pay.example.com'
const AUTH = '{ bearer: "vault://kv/pay#key" }'
const LIVES = 'idempotency: { header: Idempotency-Key, lives: 24h }'

describe('a backend of a policy', () => {
  it('has a default for what it does not say', () => {
    assert.deepEqual(payWith(LIVES, ''), {
      name: 'pay',
      adapter: 'http',
      config: { adapter: 'http', url: 'https://pay.example.com', auth: { bearer: 'vault://kv/pay#key' } },
      timeout_ms: 10_000,
      lands_within_ms: 30_000,
      idempotency: null,
      request_id: null,
      final: [400, 401, 403, 404, 405, 410, 413, 415, 422],
      private: false,
      breaker: { percent: 50, of: 20, for_ms: 30_000 },
      secrets: ['vault://kv/pay#key'],
    })
  })

  it('is what it says', () => {
    const more = `idempotency: { header: X-Key, lives: 2h }
    timeout: 3s
    lands_within: 5s
    request_id: X-Request
    final: [400, 409]
    private: true
    breaker: { open_after: 30%, of: 10, for: 7s }`
    const { config: _config, ...rest } = payWith(LIVES, more) as { config: unknown }
    assert.deepEqual(rest, {
      name: 'pay',
      adapter: 'http',
      timeout_ms: 3000,
      lands_within_ms: 5000,
      idempotency: { header: 'X-Key', lives_ms: 7_200_000 },
      request_id: 'X-Request',
      final: [400, 409],
      private: true,
      breaker: { percent: 30, of: 10, for_ms: 7000 },
      secrets: ['vault://kv/pay#key'],
    })
  })
})

describe('the address of a backend', () => {
  const WITH_USER = [
    '`url` does not have its form',
    'Origin, and a base path if there is one. No query, no user name. http: only with private: true.',
  ]
  const OPENLY = [
    'a public address needs https:',
    'write https:, or `private: true` for an address of your own network',
  ]
  const inside = (host: string) => [
    `${host} is a loopback, private or link-local address`,
    'if that is meant, say `private: true`',
  ]
  const REFUSED: readonly (readonly [url: string, finding: readonly (string | undefined)[]])[] = [
    ['https://u@pay.example.com', WITH_USER],
    ['https://:p@pay.example.com', WITH_USER],
    ['http://pay.example.com', OPENLY],
    ['https://localhost', inside('localhost')],
    ['https://a.localhost.', inside('a.localhost.')],
    ['https://127.1', inside('127.0.0.1')],
    ['https://0x7f000001', inside('127.0.0.1')],
    ['https://169.254.169.254', inside('169.254.169.254')],
    ['https://10.0.0.1.', inside('10.0.0.1')],
    ['https://[::1]', inside('[::1]')],
    ['https://[::ffff:10.0.0.1]', inside('[::ffff:a00:1]')],
    ['https://[fd00::1]', inside('[fd00::1]')],
    ['https://0.0.0.0', inside('0.0.0.0')],
  ]
  for (const [url, finding] of REFUSED)
    it(`is refused: ${url}`, () => assert.deepEqual(payWith(URL_LINE, `url: "${url}"`), [finding]))

  for (const url of ['http://10.0.0.1', 'http://pay.example.com', 'https://localhost'])
    it(`may be ${url} where it says that it is private`, () =>
      assert.ok(!Array.isArray(payWith(URL_LINE, `url: "${url}"\n    private: true`))))

  it('tells this machine from others, and the inside from the internet', () => {
    const HOSTS: readonly (readonly [host: string, internal: boolean, loopback: boolean])[] = [
      ['localhost', true, true],
      ['localhost.', true, true],
      ['a.localhost', true, false],
      ['127.0.0.1', true, true],
      ['127.8.8.8', true, true],
      ['[::1]', true, true],
      ['[::ffff:127.0.0.1]', true, true],
      ['10.0.0.1', true, false],
      ['[fe80::1]', true, false],
      ['8.8.8.8', false, false],
      ['[2606:4700::1111]', false, false],
      ['localhost.example', false, false],
      ['mylocalhost', false, false],
    ]
    for (const [host, internal, loopback] of HOSTS)
      assert.deepEqual([isInternal(host), isLoopback(host)], [internal, loopback], host)
  })
})

describe('a secret ref', () => {
  const TAKEN = [
    'age://pay',
    'age://pay/test.key',
    'env://PAY_KEY',
    'file:///etc/keys/pay',
    'vault://kv/pay#key',
    'vault://kv/a/b#key',
    'aws://pay',
    'aws://prod/pay#key',
  ]
  for (const ref of TAKEN)
    it(`is one: ${ref}`, () =>
      assert.deepEqual((payWith(AUTH, `{ bearer: "${ref}" }`) as { secrets?: unknown }).secrets, [ref]))

  const SHAPE = [
    '`bearer` must be a secret ref; a credential never stands in a policy',
    'write age://NAME, env://VARIABLE, file:///PATH, vault://MOUNT/PATH#FIELD or aws://NAME#FIELD',
  ]
  const SCHEME = [
    'this is not a secret ref; a credential never stands in a policy',
    'write one of: age://NAME, env://VARIABLE, file:///PATH, vault://MOUNT/PATH#FIELD, aws://NAME#FIELD',
  ]
  const NONE: readonly (readonly [text: string, like: string | readonly string[]])[] = [
    ['sk_test_1', SHAPE],
    ['https://pay.example.com', SCHEME],
    ['AGE://pay', SHAPE],
    ['constructor://pay', SCHEME],
    ['xage://pay', SCHEME],
    ['age://', SHAPE],
    ['age://../pay/', 'age://NAME'],
    ['age://pay key', 'age://NAME'],
    ['env://9KEY', 'env://VARIABLE'],
    ['env://PAY-KEY', 'env://VARIABLE'],
    ['env://PAY KEY', 'env://VARIABLE'],
    ['file://etc/keys', 'file:///PATH'],
    ['file:///etc//keys', 'file:///PATH'],
    ['file:///etc/', 'file:///PATH'],
    ['vault://kv#key', 'vault://MOUNT/PATH#FIELD'],
    ['vault://kv/pay', 'vault://MOUNT/PATH#FIELD'],
    ['vault://kv/pay#', 'vault://MOUNT/PATH#FIELD'],
    ['vault://kv/pay#a#b', 'vault://MOUNT/PATH#FIELD'],
    ['aws://', SHAPE],
    ['aws://pay#', 'aws://NAME#FIELD'],
    ['aws://pay#a#b', 'aws://NAME#FIELD'],
    ['aws://pay key', 'aws://NAME#FIELD'],
  ]
  for (const [text, like] of NONE)
    it(`is none: ${text}`, () =>
      assert.deepEqual(payWith(AUTH, `{ bearer: "${text}" }`), [
        typeof like === 'string' ? [`this is not a secret ref of the form ${like}`, undefined] : like,
      ]))
})
