import { deepEqual, equal, throws } from 'node:assert/strict'
import { ConfigError, hostPort, serveOptions } from '../../gateway/config.ts'

const DEFAULT = {
  policies: './policies',
  store: 'sqlite:./data/keystay.db',
  listen: '127.0.0.1:8787',
  adminListen: '127.0.0.1:8788',
  secrets: 'env:',
  dev: false,
  strictClock: false,
  logLevel: 'info',
}

describe('the configuration of serve', () => {
  it('has defaults', () => deepEqual(serveOptions({}, {}), DEFAULT))
  it('takes the command line before the environment before the defaults', () => {
    const environment = {
      KEYSTAY_LISTEN: '127.0.0.1:1',
      KEYSTAY_ADMIN_LISTEN: '[::1]:2',
      KEYSTAY_STRICT_CLOCK: '1',
      KEYSTAY_SECRETS: 'age:/x,env:',
    }
    deepEqual(serveOptions({ listen: '127.0.0.1:3', ledgerKey: 'age://k' }, environment), {
      ...DEFAULT,
      listen: '127.0.0.1:3',
      adminListen: '[::1]:2',
      secrets: 'age:/x,env:',
      ledgerKey: 'age://k',
      strictClock: true,
    })
  })
  it('reads every flag from the environment too', () => {
    const environment = {
      KEYSTAY_POLICIES: 'p',
      KEYSTAY_STORE: 'sqlite:s',
      KEYSTAY_LISTEN: '0.0.0.0:1',
      KEYSTAY_ADMIN_LISTEN: 'localhost:2',
      KEYSTAY_STRIPE_LISTEN: '127.0.0.1:3',
      KEYSTAY_SECRETS: 'file:/run/secrets',
      KEYSTAY_SECRET_LIFETIME: '90s',
      KEYSTAY_LEDGER_KEY: 'file:///k',
      KEYSTAY_PUBLIC_URL: 'https://a.example',
      KEYSTAY_ADMIN_URL: 'https://b.example',
      KEYSTAY_DEV: '0',
      KEYSTAY_STRICT_CLOCK: 'yes',
      KEYSTAY_ANCHOR: 'file:/elsewhere/anchor',
      KEYSTAY_ACCEPT_RESTORE: '1',
      KEYSTAY_REASON: 'the disk broke',
      KEYSTAY_LOG_LEVEL: 'warn',
      KEYSTAY_TLS_CERT: '/tls/tls.crt',
      KEYSTAY_TLS_KEY: '/tls/tls.key',
    }
    deepEqual(serveOptions({}, environment), {
      policies: 'p',
      store: 'sqlite:s',
      listen: '0.0.0.0:1',
      adminListen: 'localhost:2',
      stripeListen: '127.0.0.1:3',
      secrets: 'file:/run/secrets',
      secretLifetime_ms: 90_000,
      ledgerKey: 'file:///k',
      publicUrl: 'https://a.example',
      adminUrl: 'https://b.example',
      dev: false,
      strictClock: true,
      anchor: 'file:/elsewhere/anchor',
      acceptRestore: { reason: 'the disk broke' },
      logLevel: 'warn',
      tls: { cert: '/tls/tls.crt', key: '/tls/tls.key' },
    })
  })
  it('takes an empty variable for one that is not set', () =>
    deepEqual(serveOptions({}, { KEYSTAY_LISTEN: '', KEYSTAY_DEV: '' }), DEFAULT))
  it('lets both listeners take any port', () =>
    equal(serveOptions({ listen: '127.0.0.1:0', adminListen: '127.0.0.1:0' }, {}).listen, '127.0.0.1:0'))

  for (const [name, flags, environment, says] of [
    ['a port without a host', { listen: ':8787' }, {}, '--listen is ":8787": write HOST:PORT'],
    ['a port that is none', { listen: '127.0.0.1:70000' }, {}, 'write HOST:PORT'],
    [
      'a bad address from the environment, by that name',
      {},
      { KEYSTAY_ADMIN_LISTEN: 'x' },
      'KEYSTAY_ADMIN_LISTEN is "x"',
    ],
    [
      'a lifetime that is none',
      { secretLifetime: '300' },
      {},
      '--secret-lifetime is "300": write a time from 1s to 24h',
    ],
    ['a lifetime of next to nothing', { secretLifetime: '999ms' }, {}, 'from 1s to 24h'],
    ['a lifetime of days', {}, { KEYSTAY_SECRET_LIFETIME: '2d' }, 'KEYSTAY_SECRET_LIFETIME is "2d"'],
    ['a certificate without its key', { tlsCert: 'c' }, {}, '--tls-cert and --tls-key belong together'],
    ['a key without its certificate', {}, { KEYSTAY_TLS_KEY: 'k' }, '--tls-cert and --tls-key belong together'],
    ['one port for both', { listen: '127.0.0.1:1', adminListen: '127.0.0.1:1' }, {}, 'cannot share one listener'],
    ['one port for two doors of agents', { stripeListen: '127.0.0.1:8787' }, {}, 'needs a listener of its own'],
    ['a public address in --dev, for the Stripe SDK', { dev: true, stripeListen: '0.0.0.0:1' }, {}, 'loopback only'],
    ['a public address in --dev', { dev: true, listen: '0.0.0.0:1' }, {}, 'loopback only'],
    ['a public address in --dev, for people', { dev: true, adminListen: '[::]:1' }, {}, 'loopback only'],
    ['a name that is not loopback in --dev', { dev: true, listen: 'localhost.example:1' }, {}, 'loopback only'],
    [
      '--dev from the environment beside a public address',
      { listen: '10.0.0.1:1' },
      { KEYSTAY_DEV: 'true' },
      'loopback only',
    ],
    ['PostgreSQL without the key that all replicas share', { store: 'postgres://x' }, {}, 'needs --ledger-key'],
    ['a store without a kind', { store: './x.db' }, {}, 'write sqlite:FILE'],
    ['a vault without TLS', { secrets: 'vault:http://vault.example.com:8200' }, {}, 'needs https:'],
    ['a vault with a login', { secrets: 'vault:https://me:sk_test_x@vault.example.com' }, {}, 'holds a login'],
    ['a vault with a path', { secrets: 'env:,vault:https://vault.example.com/v1' }, {}, 'more than a scheme'],
    ['no region', { secrets: 'aws:evil.example.com' }, {}, 'write the region'],
    ['a secret source that is none', { secrets: 'env:,x' }, {}, 'write age:FILE'],
    ['a key itself for a ref of one', { ledgerKey: 'MC4CAQAwBQYDK2VwBCIEIA' }, {}, 'write a secret ref'],
    ['an anchor that is no file', { anchor: 'https://elsewhere' }, {}, 'write file:PATH'],
    ['a restore without an anchor', { acceptRestore: true, reason: 'x' }, {}, 'does not continue its --anchor'],
    ['a restore without a reason', { acceptRestore: true, anchor: 'file:a' }, {}, 'needs a --reason'],
    ['a reason of nothing', { anchor: 'file:a', reason: 'x' }, {}, '--reason belongs to --accept-restore'],
    ['a level that is none', { logLevel: 'loud' }, {}, 'write one of debug, info, warn, error'],
    ['a URL that is none', { publicUrl: 'keystay.example' }, {}, 'write a URL'],
    [
      'a switch that is neither on nor off',
      {},
      { KEYSTAY_STRICT_CLOCK: 'on' },
      'KEYSTAY_STRICT_CLOCK is "on"; say 1 or 0',
    ],
  ] as const) {
    it(`refuses ${name}`, () =>
      throws(
        () => serveOptions(flags, environment),
        (error) => error instanceof ConfigError && error.message.includes(says),
      ))
  }
  it('names every problem at once', () =>
    throws(
      () => serveOptions({ store: 'x', listen: 'y' }, { KEYSTAY_SECRETS: 'z' }),
      (error: Error) => error.message.split('\n').length === 3,
    ))

  it('reads addresses', () => {
    deepEqual(
      ['a:1', '[::1]:0', '::1:1', '[a]:1', 'a:', 'a:1:2', '127.0.0.1:65535', '127.0.0.1:65536'].map((text) =>
        hostPort(text),
      ),
      [
        { host: 'a', port: 1 },
        { host: '::1', port: 0 },
        null,
        null,
        null,
        null,
        { host: '127.0.0.1', port: 65535 },
        null,
      ],
    )
  })
})
