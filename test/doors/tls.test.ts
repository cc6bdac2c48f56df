import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { Agent, request } from 'node:https'
import { connect as connectPlain } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from 'node:tls'
import type { ConnectionOptions, TLSSocket } from 'node:tls'
import { listen, SERVER_LIMITS } from '../../gateway/doors/server.ts'
import type { Listening } from '../../gateway/doors/server.ts'
import { serve, StartError } from '../../gateway/main.ts'
import type { Running } from '../../gateway/main.ts'
import { certificateFor } from '../backends/certificate.ts'
import { company } from '../house/company.ts'

const NAME = 'localhost'
const first = certificateFor(['first.test', NAME])
const second = certificateFor(['second.test', NAME])
const CA = [first.cert, second.cert]

/** A GET over TLS that is verified; the certificate it came with. */
function get(url: string, path: string, agent?: Agent): Promise<{ status: number; headers: object; serial: string }> {
  const { port } = new URL(url)
  const options = { host: '127.0.0.1', port, path, servername: NAME, ca: CA, agent: agent ?? false }
  return new Promise((resolve, reject) => {
    request(options, (response) => {
      const { serialNumber: serial } = (response.socket as TLSSocket).getPeerCertificate()
      response
        .resume()
        .on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, serial }))
      response.on('error', reject)
    })
      .on('error', reject)
      .end()
  })
}
const serialOf = ({ cert }: { readonly cert: string }): string => new X509Certificate(cert).serialNumber

describe('a listener with TLS', () => {
  let door: Listening
  let refused: string[]

  beforeEach(async () => {
    refused = []
    door = await listen(
      (_request, response) => response.end('hello'),
      { host: '127.0.0.1', port: 0 },
      (code) => refused.push(code),
      { ...SERVER_LIMITS, headers_ms: 300, check_ms: 50 },
      first,
    )
  })
  afterEach(() => door.close(100))

  const handshake = (options: ConnectionOptions): Promise<string> =>
    new Promise((resolve) => {
      const { port } = new URL(door.url)
      const socket = connect({ host: '127.0.0.1', port: Number(port), servername: NAME, ca: CA, ...options })
      socket.on('secureConnect', () => {
        resolve(socket.getProtocol() ?? '')
        socket.destroy()
      })
      socket.on('error', () => resolve('refused'))
    })

  it('speaks TLS 1.2 and 1.3, and nothing older', async () => {
    assert.match(door.url, /^https:\/\/127\.0\.0\.1:\d+$/)
    const old = { minVersion: 'TLSv1', ciphers: 'DEFAULT:@SECLEVEL=0' } as const
    const spoken = []
    for (const maxVersion of ['TLSv1.3', 'TLSv1.2', 'TLSv1.1', 'TLSv1'] as const)
      spoken.push(await handshake({ ...old, maxVersion }))
    assert.deepEqual(spoken, ['TLSv1.3', 'TLSv1.2', 'refused', 'refused'])
    assert.deepEqual(refused, ['malformed', 'malformed'])
  })

  it('hangs up on plain HTTP and on whoever says nothing, counts them, and goes on', async () => {
    for (const sent of ['GET / HTTP/1.1\r\nHost: a\r\n\r\n', '']) {
      const began = performance.now()
      const answer = await new Promise<string>((resolve) => {
        let text = ''
        const socket = connectPlain(Number(new URL(door.url).port), '127.0.0.1', () => socket.write(sent))
        socket.on('data', (piece) => (text += piece.toString('latin1')))
        socket.on('error', () => {}).on('close', () => resolve(text))
      })
      assert.ok(!answer.includes('HTTP'), answer)
      assert.ok(performance.now() - began < 2_000)
    }
    assert.deepEqual(refused, ['malformed', 'malformed'])
    assert.equal((await get(door.url, '/')).status, 200)
  })

  it('answers what it cannot parse inside of TLS as ever', async () => {
    const { port } = new URL(door.url)
    const text = await new Promise<string>((resolve) => {
      let heard = ''
      const socket = connect({ host: '127.0.0.1', port: Number(port), servername: NAME, ca: CA }, () =>
        socket.write('no http at all\r\n\r\n'),
      )
      socket.on('data', (piece) => (heard += piece.toString('utf8')))
      socket.on('error', () => {}).on('close', () => resolve(heard))
    })
    assert.match(text, /^HTTP\/1\.1 400 malformed\r\n/)
    assert.deepEqual(refused, ['malformed'])
  })
})

describe('the certificate of a gateway', () => {
  let where: Awaited<ReturnType<typeof company>>
  let dir: string
  let running: Running | null = null
  let log: string[]

  beforeEach(async () => {
    log = []
    dir = await mkdtemp(join(tmpdir(), 'keystay-tls-'))
    const nowhere = 'http://127.0.0.1:9'
    where = await company({ pay: nowhere, shop: nowhere, blind: nowhere })
    process.env['KEYSTAY_TEST_KEY'] = 'sk_test_tls'
  })
  afterEach(async () => {
    await running?.stop(500)
    running = null
    await rm(dir, { recursive: true })
    await where.remove()
  })

  /** As Kubernetes mounts a secret: a folder per version, a link that is moved over the old one. */
  let versions = 0
  const mount = async (pair: { readonly cert: string; readonly key: string }): Promise<void> => {
    const version = join(dir, `..${++versions}`)
    await mkdir(version)
    await writeFile(join(version, 'tls.crt'), pair.cert)
    await writeFile(join(version, 'tls.key'), pair.key)
    await symlink(version, join(dir, 'next'))
    await rename(join(dir, 'next'), join(dir, 'data'))
  }
  const start = async (): Promise<Running> =>
    (running = await serve({
      policies: where.policies,
      store: `sqlite:${join(where.dir, 'keystay.db')}`,
      listen: '127.0.0.1:0',
      adminListen: '127.0.0.1:0',
      stripeListen: '127.0.0.1:0',
      secrets: 'env:',
      dev: true,
      strictClock: false,
      lookEvery_ms: 50,
      tls: { cert: join(dir, 'data/tls.crt'), key: join(dir, 'data/tls.key') },
      log: (line) => log.push(line),
    }))
  const until = async (holds: () => boolean | Promise<boolean>): Promise<void> => {
    for (let tries = 0; tries < 100; tries++) {
      if (await holds()) return
      await sleep(30)
    }
    assert.fail(log.join('\n'))
  }

  it('is at every listener, and browsers are told to come by TLS only', async () => {
    await mount(first)
    const { agentUrl, adminUrl, stripeUrl = '' } = await start()
    for (const url of [agentUrl, adminUrl, stripeUrl]) {
      const { status, headers, serial } = await get(url, '/livez')
      assert.deepEqual([status, serial], [200, serialOf(first)])
      assert.match(
        (headers as { 'strict-transport-security'?: string })['strict-transport-security'] ?? '',
        /max-age=\d{8}/,
      )
    }
  })

  it('changes under load without a request that fails, on open connections and on new ones', async () => {
    await mount(first)
    const { agentUrl, adminUrl } = await start()
    const kept = new Agent({ keepAlive: true, maxSockets: 4 })
    const end = new AbortController()
    const statuses = new Map<number, number>()
    const serials = new Set<string>()
    const loop = async (agent: Agent | undefined, url: string): Promise<void> => {
      while (!end.signal.aborted) {
        const { status, serial } = await get(url, '/livez', agent)
        statuses.set(status, (statuses.get(status) ?? 0) + 1)
        serials.add(serial)
      }
    }
    const loops = [
      ...[kept, kept, kept, kept].map((agent) => loop(agent, agentUrl)),
      loop(undefined, agentUrl),
      loop(undefined, adminUrl),
    ]
    for (const [pair, expected] of [
      [second, serialOf(second)],
      [first, serialOf(first)],
      [second, serialOf(second)],
    ] as const) {
      await sleep(150)
      await mount(pair)
      await until(async () => (await get(agentUrl, '/livez')).serial === expected)
      await until(async () => (await get(adminUrl, '/livez')).serial === expected)
    }
    end.abort()
    await Promise.all(loops)
    kept.destroy()
    assert.deepEqual([...statuses.keys()], [200])
    assert.ok((statuses.get(200) ?? 0) > 100, `${statuses.get(200)} requests`)
    assert.deepEqual([...serials].sort(), [first, second].map(serialOf).sort())
  })

  it('stays where what comes next is no pair, and that is said, once for each', async () => {
    await mount(first)
    const { agentUrl } = await start()
    const bad: readonly (readonly [{ cert: string; key: string }, RegExp])[] = [
      [{ cert: second.cert, key: first.key }, /tls\.key is not the key of \S+tls\.crt/],
      [{ cert: 'nothing', key: second.key }, /tls\.crt is not a certificate in PEM/],
      [
        { cert: second.cert, key: second.key.slice(0, 80) },
        /tls\.key is not a private key in PEM without a passphrase/,
      ],
    ]
    for (const [pair, words] of bad) {
      await mount(pair)
      const said = (): string[] => log.filter((line) => words.test(line))
      await until(() => said().length > 0)
      await sleep(200)
      assert.equal(said().length, 1)
      assert.ok(said()[0]?.includes('is kept') && !said()[0]?.includes(pair.key.slice(30, 60)))
      assert.equal((await get(agentUrl, '/livez')).serial, serialOf(first))
    }
    await rm(join(dir, 'data'))
    await until(() => log.some((line) => /tls\.crt cannot be read \(ENOENT\)/.test(line)))
    await mount(second)
    await until(async () => (await get(agentUrl, '/livez')).serial === serialOf(second))
  })

  it('that cannot be used keeps a gateway from starting', async () => {
    await mount({ cert: second.cert, key: first.key })
    await assert.rejects(start(), (error) => error instanceof StartError && /is not the key of/.test(error.message))
  })
})
