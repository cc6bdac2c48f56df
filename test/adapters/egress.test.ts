import assert from 'node:assert/strict'
import type { LookupAddress } from 'node:dns'
import { isIPv6 } from 'node:net'
import { checkedLookup, refusedAddress, sharedLookup } from '../../adapters/egress.ts'
import type { Lookup } from '../../adapters/egress.ts'
import { httpOver } from '../../adapters/http.ts'
import { startLying } from '../backends/lying.ts'
import type { LyingBackend } from '../backends/lying.ts'
import { attempt, backendSpec, canary } from '../suites/adapter.ts'

/** Address; may be called; may be called with `private: true`. */
const ADDRESSES: readonly [string, boolean, boolean][] = [
  // public
  ['93.184.216.34', true, true],
  ['8.8.8.8', true, true],
  ['2606:4700:4700::1111', true, true],
  ['2001:4860:4860::8888', true, true],
  // loopback
  ['127.0.0.1', false, true],
  ['127.255.255.254', false, true],
  ['::1', false, true],
  ['::ffff:127.0.0.1', false, true],
  ['::ffff:7f00:1', false, true],
  // private, shared, unique-local
  ['10.0.0.1', false, true],
  ['10.255.255.255', false, true],
  ['172.16.0.1', false, true],
  ['172.31.255.255', false, true],
  ['172.32.0.1', true, true],
  ['192.168.1.1', false, true],
  ['100.64.0.1', false, true],
  ['fc00::1', false, true],
  ['fd12:3456:789a::1', false, true],
  ['::ffff:10.0.0.1', false, true],
  ['64:ff9b::10.0.0.1', false, true],
  // link-local
  ['169.254.1.1', false, true],
  ['fe80::1', false, true],
  ['fe80::1%eth0', false, true],
  // where clouds hand out their own credentials: never
  ['169.254.169.254', false, false],
  ['::ffff:169.254.169.254', false, false],
  ['::ffff:a9fe:a9fe', false, false],
  ['64:ff9b::169.254.169.254', false, false],
  ['fd00:ec2::254', false, false],
  ['169.254.170.2', false, false],
  ['100.100.100.200', false, false],
  ['168.63.129.16', false, false],
  // nobody's
  ['0.0.0.0', false, false],
  ['0.1.2.3', false, false],
  ['::', false, false],
  ['::ffff:0.0.0.0', false, false],
  ['255.255.255.255', false, false],
  ['224.0.0.1', false, false],
  ['239.255.255.255', false, false],
  ['ff02::1', false, false],
  ['240.0.0.1', false, false],
  ['192.0.0.192', false, false],
  ['192.0.2.1', false, false],
  ['198.18.0.1', false, false],
  ['198.51.100.1', false, false],
  ['203.0.113.1', false, false],
  ['2001:db8::1', false, false],
  ['100::1', false, false],
  ['fec0::1', false, false],
  ['5f00::1', false, false],
  // IPv4 in disguise
  ['::127.0.0.1', false, false],
  ['::7f00:1', false, false],
  ['::ffff:8.8.8.8', false, true],
  ['64:ff9b::8.8.8.8', false, true],
  ['64:ff9b:1::7f00:1', false, true],
  ['2002:7f00:1::', false, false],
  ['2002:a9fe:a9fe::', false, false],
  ['2001:0:7f00:1::', false, false],
  ['::ffff:0:127.0.0.1', false, false],
  // not what a resolver says, and open to two readings
  ['2130706433', false, false],
  ['0x7f000001', false, false],
  ['0177.0.0.1', false, false],
  ['127.1', false, false],
  ['localhost', false, false],
  ['', false, false],
]

describe('an address to call', () => {
  for (const [address, open, withPrivate] of ADDRESSES) {
    it(`${address || 'none'} is ${open ? 'open' : withPrivate ? 'open to a private backend' : 'closed'}`, () => {
      assert.deepEqual(
        [refusedAddress(address, false) === null, refusedAddress(address, true) === null],
        [open, withPrivate],
      )
    })
  }
})

describe('the host of an http backend', () => {
  // whatever way it is written: nothing may reach the server that listens on loopback
  let backend: LyingBackend
  before(async () => {
    backend = await startLying()
  })
  after(() => backend.close())

  const literals = [
    ['127.0.0.1', '127.1', '127.0.1', '2130706433', '0x7f000001', '0x7f.0.0.1', '0177.0.0.1', '017700000001'],
    [
      '0x7F.1',
      '127.0.0.1.',
      '1.',
      '0',
      '0.0.0.0',
      '[::1]',
      '[::ffff:127.0.0.1]',
      '[::ffff:7f00:1]',
      '[0:0:0:0:0:0:0:1]',
    ],
    ['[::]', '[::127.0.0.1]', '[64:ff9b::7f00:1]', '[2002:7f00:1::]', '169.254.169.254', '10.0.0.1', '１２７.0.0.1'],
  ].flat()
  for (const host of literals) {
    it(`is refused as ${host}`, async () => {
      await refused(host, (_name, _options, callback) => callback(null, [{ address: '127.0.0.1', family: 4 }]))
    })
  }

  const answers: readonly [string, readonly string[]][] = [
    ['rebind.bench.test', ['127.0.0.1']],
    ['localhost', ['127.0.0.1', '::1']],
    ['metadata.bench.test', ['169.254.169.254']],
    ['mapped.bench.test', ['::ffff:127.0.0.1']],
    ['mixed.bench.test', ['93.184.216.34', '127.0.0.1']],
    ['mixed6.bench.test', ['2606:4700:4700::1111', 'fd00::1']],
    ['zero.bench.test', ['0.0.0.0']],
    ['nothing.bench.test', []],
  ]
  for (const [host, addresses] of answers) {
    it(`is refused as ${host}, which is ${addresses.join(' and ') || 'nothing'}`, async () => {
      await refused(host, (_name, _options, callback) => callback(null, addresses.map(addressOf)))
    })
  }

  it('is called at the address that was checked, though the name says another thing a moment later', async () => {
    let asked = 0
    const rebinding: Lookup = (_name, _options, callback) => {
      asked += 1
      callback(null, [addressOf(asked === 1 ? '127.0.0.1' : '127.0.0.99')])
    }
    const url = `http://rebind.bench.test:${backend.port}`
    const connection = httpOver({ lookup: rebinding }).connect(backendSpec({ config: { url } }), canary)
    const outcome = await connection.send({ GET: '/v1/refunds' }, attempt())
    assert.deepEqual([outcome.kind, asked], ['done', 1])
    assert.equal(backend.seen.at(-1)?.headers.host, `rebind.bench.test:${backend.port}`)
    await connection.close?.()
  })

  it('tries the next checked address when one does not answer', async () => {
    const both: Lookup = (_name, _options, callback) => callback(null, [addressOf('::1'), addressOf('127.0.0.1')])
    const url = `http://both.bench.test:${backend.port}`
    const connection = httpOver({ lookup: both }).connect(backendSpec({ config: { url } }), canary)
    assert.equal((await connection.send({ GET: '/v1/refunds' }, attempt())).kind, 'done')
    await connection.close?.()
  })

  it('is not_sent when the name is not found', async () => {
    const notFound: Lookup = (_name, _options, callback) =>
      callback(Object.assign(new Error('no'), { code: 'ENOTFOUND' }), [])
    const spec = backendSpec({ config: { url: 'https://gone.bench.test' }, private: false })
    const connection = httpOver({ lookup: notFound }).connect(spec, canary)
    assert.deepEqual(await connection.send({ GET: '/' }, attempt()), {
      kind: 'not_sent',
      code: 'backend_unavailable',
      reason: 'the name of the backend was not found',
    })
    await connection.close?.()
  })

  async function refused(host: string, lookup: Lookup): Promise<void> {
    const seen = backend.connections()
    // https, so that private: false may be said at all; the port is the server's
    const spec = backendSpec({ config: { url: `https://${host}:${backend.port}` }, private: false })
    const connection = httpOver({ lookup }).connect(spec, canary)
    const outcome = await connection.send({ GET: '/v1/refunds' }, attempt())
    await connection.close?.()
    assert.ok(outcome.kind === 'not_sent' && outcome.code === 'backend_unavailable', JSON.stringify(outcome))
    assert.match(outcome.reason, /may not be called|has no address/)
    assert.equal(backend.connections(), seen)
  }
})

describe('the checked lookup', () => {
  it('answers with one address or with all, as it is asked', () => {
    const all = [addressOf('93.184.216.34'), addressOf('2606:4700:4700::1111')]
    const lookup = checkedLookup(false, (_name, _options, callback) => callback(null, all))
    const answers: unknown[] = []
    lookup('x', { all: true }, (...answer) => answers.push(answer))
    lookup('x', {}, (...answer) => answers.push(answer))
    assert.deepEqual(answers, [
      [null, all],
      [null, '93.184.216.34', 4],
    ])
  })

  it('asks a name server that hangs once for a name, however many wait', () => {
    const asked: { name: string; answer: () => void }[] = []
    const lookup = sharedLookup((name, _options, callback) => {
      asked.push({ name, answer: () => callback(null, [addressOf('93.184.216.34')]) })
    })
    const told: string[] = []
    const ask = (name: string): void =>
      lookup(name, { all: true, verbatim: true }, (_error, [first]) => told.push(`${name} ${first?.address}`))
    for (let n = 0; n < 3; n++) ask('hangs.test')
    ask('well.test')
    asked[1]?.answer()
    assert.deepEqual([asked.map(({ name }) => name), told], [['hangs.test', 'well.test'], ['well.test 93.184.216.34']])
    asked[0]?.answer()
    assert.deepEqual(told.slice(1), Array(3).fill('hangs.test 93.184.216.34'))
    ask('hangs.test')
    assert.equal(asked.length, 3, 'an answer is not kept')
  })
})

function addressOf(address: string): LookupAddress {
  return { address, family: isIPv6(address) ? 6 : 4 }
}
