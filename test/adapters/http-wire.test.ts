import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import type { TLSSocket } from 'node:tls'
import { Secret } from '../../adapters/adapter.ts'
import type { Lookup } from '../../adapters/egress.ts'
import { http, httpOver } from '../../adapters/http.ts'
import type { Json } from '../../gateway/core/types.ts'
import { certificateFor } from '../backends/certificate.ts'
import { startLying } from '../backends/lying.ts'
import { attempt, backendSpec, canary, codeOf, pause } from '../suites/adapter.ts'

const WRITE: Json = { POST: '/v1/refunds', form: { charge: 'ch_1' } }
const toLoopback: Lookup = (_name, _options, callback) => callback(null, [{ address: '127.0.0.1', family: 4 }])

describe('the first byte', () => {
  let server: Server
  let port: number
  let bytes: Buffer
  let sockets: Socket[]
  beforeEach(async () => {
    bytes = Buffer.alloc(0)
    sockets = []
    server = createServer((socket) => {
      sockets.push(socket)
      socket.on('error', () => {})
      socket.on('data', (chunk) => {
        bytes = Buffer.concat([bytes, chunk])
        socket.write('HTTP/1.1 204 No Content\r\n\r\n')
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    port = (server.address() as AddressInfo).port
  })
  afterEach(async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })
  const backend = (host = '127.0.0.1') =>
    backendSpec({ config: { url: `http://${host}:${port}`, auth: { bearer: 'age://k' } } })

  it('is not written when the permit ends while the connection is made; the connection is kept for the next attempt', async () => {
    let connected = false
    const slowly: Lookup = (name, options, callback) =>
      void setTimeout(() => {
        connected = true
        toLoopback(name, options, callback)
      }, 50)
    const connection = httpOver({ lookup: slowly }).connect(backend('bench.test'), canary)
    let asked = 0
    const permit = (): boolean => {
      asked += 1
      return !connected
    }
    assert.ok(permit())
    const refused = await connection.send(WRITE, attempt({ permit }))
    await pause(50)
    assert.deepEqual([refused.kind, codeOf(refused), asked], ['not_sent', 'permit', 2])
    assert.deepEqual([sockets.length, bytes.length], [1, 0])

    assert.equal((await connection.send(WRITE, attempt())).kind, 'done')
    assert.equal(sockets.length, 1)
    assert.ok(bytes.toString().startsWith('POST /v1/refunds HTTP/1.1\r\n'))
    await connection.close?.()
  })

  it('is not written when the time is over, the attempt stopped, or the answer given up while the connection is made', async () => {
    const slowly: Lookup = (name, options, callback) => void setTimeout(() => toLoopback(name, options, callback), 80)
    const attempts = [
      () => attempt({ notAfter: performance.now() + 30 }),
      () => attempt({ signal: AbortSignal.timeout(30) }),
      // only the timeout of the backend is over; the attempt itself might still be sent
      () => attempt(),
    ]
    for (const make of attempts) {
      const spec = { ...backend('bench.test'), timeout_ms: 30 }
      const connection = httpOver({ lookup: slowly }).connect(spec, canary)
      const outcome = await connection.send(WRITE, make())
      assert.equal(outcome.kind, 'not_sent')
      await pause(120)
      await connection.close?.()
    }
    assert.equal(bytes.length, 0)
  })

  it('is written in the same turn in which the permit was asked', async () => {
    const connection = http.connect(backend(), canary)
    let inTurn = false
    const turns: boolean[] = []
    const written = (): void => void turns.push(inTurn)
    subscribe('undici:client:sendHeaders', written)
    const permit = (): boolean => {
      inTurn = true
      queueMicrotask(() => (inTurn = false))
      return true
    }
    await connection.send(WRITE, attempt({ permit }))
    await connection.send(WRITE, attempt({ permit }))
    unsubscribe('undici:client:sendHeaders', written)
    assert.deepEqual(turns, [true, true])
    await connection.close?.()
  })

  it('is not written when the secret comes after the permit has ended', async () => {
    let permitted = true
    const connection = http.connect(backend(), async (ref) => {
      await pause(20)
      permitted = false
      return new Secret(ref, 'sk_test_x')
    })
    const outcome = await connection.send(WRITE, attempt({ permit: () => permitted }))
    assert.deepEqual([outcome.kind, codeOf(outcome), bytes.length], ['not_sent', 'permit', 0])
    await connection.close?.()
  })

  it('is not written for a secret that would end the header line', async () => {
    for (const value of ['a\r\nx-injected: 1', 'a\nb', 'a\u0000b', 'ä', '\u{1F511}']) {
      const connection = http.connect(backend(), (ref) => Promise.resolve(new Secret(ref, value)))
      const outcome = await connection.send(WRITE, attempt())
      assert.deepEqual(outcome, {
        kind: 'not_sent',
        code: 'secret_unavailable',
        reason: 'the credential age://k is empty or holds characters that no header may carry',
      })
      await connection.close?.()
    }
    assert.equal(sockets.length, 0)
  })

  it('goes to the backend, whatever proxy the environment names', async () => {
    const names = ['HTTP_PROXY', 'http_proxy', 'HTTPS_PROXY', 'ALL_PROXY', 'NODE_USE_ENV_PROXY']
    for (const name of names) process.env[name] = name.startsWith('NODE') ? '1' : `http://127.0.0.1:${port}`
    const real = await startLying()
    const connection = http.connect(backendSpec({ config: { url: real.url } }), canary)
    const outcome = await connection.send(WRITE, attempt())
    for (const name of names) delete process.env[name]
    assert.equal(outcome.kind, 'done')
    assert.equal(sockets.length, 0)
    await connection.close?.()
    await real.close()
  })
})

describe('the queue of a backend', () => {
  it('runs at most its width at a time, everything once, and counts the timeout from the head of the queue', async () => {
    const real = await startLying()
    const connection = httpOver({ width: 2 }).connect(
      backendSpec({ config: { url: real.url }, timeout_ms: 300 }),
      canary,
    )
    real.lie({ kind: 'slow_before', times: 6, ms: 120 })
    const outcomes = await Promise.all(
      Array.from({ length: 6 }, (_, index) => connection.send(WRITE, attempt({ id: `call_${index}` }))),
    )
    assert.deepEqual(
      outcomes.map((outcome) => outcome.kind),
      Array.from({ length: 6 }, () => 'done'),
    )
    assert.deepEqual([real.effects.length, real.connections()], [6, 2])
    await connection.close?.()
    await real.close()
  })

  it('drops what waits longer than its time, and what is stopped', async () => {
    const real = await startLying()
    const connection = httpOver({ width: 1 }).connect(backendSpec({ config: { url: real.url } }), canary)
    real.lie({ kind: 'slow', ms: 150 })
    const outcomes = await Promise.all([
      connection.send(WRITE, attempt({ id: 'call_1' })),
      connection.send(WRITE, attempt({ id: 'call_2', notAfter: performance.now() + 50 })),
      connection.send(WRITE, attempt({ id: 'call_3', signal: AbortSignal.timeout(50) })),
      connection.send(WRITE, attempt({ id: 'call_4' })),
    ])
    assert.deepEqual(
      outcomes.map((outcome) => outcome.kind),
      ['done', 'not_sent', 'not_sent', 'done'],
    )
    assert.deepEqual(
      real.effects.map((effect) => effect.key),
      ['call_1', 'call_4'],
    )
    await connection.close?.()
    await real.close()
  })

  it('keeps the place of one whose permit grew old there, for a moment', async () => {
    const real = await startLying()
    const connection = httpOver({ width: 1 }).connect(backendSpec({ config: { url: real.url } }), canary)
    real.lie({ kind: 'slow', ms: 50 })
    const first = connection.send(WRITE, attempt({ id: 'call_1' }))
    const renewed = connection.send(WRITE, attempt({ id: 'call_2', permit: () => false })).then((outcome) => {
      assert.equal(codeOf(outcome), 'permit')
      return pause(20).then(() => connection.send(WRITE, attempt({ id: 'call_2' })))
    })
    const last = connection.send(WRITE, attempt({ id: 'call_3' }))
    await Promise.all([first, renewed, last])
    assert.deepEqual(
      real.effects.map((effect) => effect.key),
      ['call_1', 'call_2', 'call_3'],
    )
    // one that does not come back holds up nobody for long
    await connection.send(WRITE, attempt({ id: 'call_4', permit: () => false }))
    assert.equal((await connection.send(WRITE, attempt({ id: 'call_5' }))).kind, 'done')
    await connection.close?.()
    await real.close()
  })
})

describe('TLS', () => {
  const cases: readonly [string, { names: string[]; trusted: boolean }, string][] = [
    ['the host’s name on a trusted certificate', { names: ['api.bench.test'], trusted: true }, 'done'],
    ['another name', { names: ['evil.bench.test'], trusted: true }, 'not_sent'],
    ['an authority that nobody trusts', { names: ['api.bench.test'], trusted: false }, 'not_sent'],
  ]
  for (const [title, { names, trusted }, kind] of cases) {
    it(`is checked with the host’s name though the address is pinned: ${title}`, async () => {
      const { cert, key } = certificateFor(names)
      let asked: string | false | null = null
      let bytes = 0
      const sockets: TLSSocket[] = []
      const server = createTlsServer({ cert, key }, (socket) => {
        sockets.push(socket)
        asked = (socket as TLSSocket & { servername: string | false }).servername
        socket.on('error', () => {})
        socket.on('data', (chunk) => {
          bytes += chunk.length
          socket.write('HTTP/1.1 204 No Content\r\n\r\n')
        })
      })
      server.on('tlsClientError', () => {})
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      const url = `https://api.bench.test:${(server.address() as AddressInfo).port}`
      const network = { lookup: toLoopback, ...(trusted ? { ca: cert } : {}) }
      // whatever the environment says
      process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0'
      const connection = httpOver(network).connect(backendSpec({ config: { url } }), canary)
      const outcome = await connection.send(WRITE, attempt())
      delete process.env['NODE_TLS_REJECT_UNAUTHORIZED']
      assert.equal(outcome.kind, kind, JSON.stringify(outcome))
      if (kind === 'done') assert.equal(asked, 'api.bench.test')
      else assert.deepEqual([codeOf(outcome), bytes], ['backend_unavailable', 0])
      await connection.close?.()
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    })
  }
})
