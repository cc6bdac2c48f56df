import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, request, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startLoopback, type Loopback } from '../../gateway/cli/loopback.ts'
import { startProcess } from '../demo/demo.ts'
import { startContractServer, type ContractServer } from './contract-server.ts'
import { keystay } from './keystay.ts'

describe('session start', () => {
  let gateway: ContractServer
  const env = () => ({ KEYSTAY_URL: gateway.url, KEYSTAY_ADMIN_URL: gateway.url })
  before(async () => {
    gateway = await startContractServer()
  })
  after(() => gateway.close())
  beforeEach(() => void (gateway.asked.length = 0))

  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    it(`prints an address that adds the token, and ends the session at ${signal}`, async () => {
      const started = startProcess(['gateway/cli/main.ts', 'session', 'start', '--role', 'support-agent'], env())
      const out = await started.until('Ctrl-C ends the session.')
      match(
        out,
        /^session ses_1 support-agent, 2 h\nhttp:\/\/127\.0\.0\.1:\d+\/v1 {3}adds the token; for example: curl http:.*\/v1\/actions\n/,
      )
      ok(!out.includes('kst_'))
      const address = /http:\/\/\S+?:\d+/.exec(out)?.[0] ?? ''
      deepEqual(await (await fetch(`${address}/v1/actions`)).json(), { actions: [] })
      gateway.actions.set('a.b', { status: 200, body: { status: 'done' } })
      equal(
        (
          await fetch(`${address}/v1/actions/a.b?x=1`, {
            method: 'POST',
            body: '{"a": 1}',
            headers: { 'idempotency-key': 'k' },
          })
        ).status,
        200,
      )
      started.process.kill(signal)
      equal(await started.ended, 0)
      deepEqual(gateway.asked.slice(2), [
        'GET /v1/actions kst_test',
        'POST /v1/actions/a.b?x=1 {"a": 1} kst_test key=k',
        'DELETE /v1/session kst_test',
      ])
    })
  }

  it('says the address as JSON', async () => {
    const started = startProcess(
      ['gateway/cli/main.ts', 'session', 'start', '--role', 'support-agent', '--json'],
      env(),
    )
    const { url, ...rest } = JSON.parse(await started.until('\n')) as { url: string }
    deepEqual(rest, { session: 'ses_1', role: 'support-agent', expires_in: 7200 })
    match(url, /^http:\/\/127\.0\.0\.1:\d+$/)
    started.process.kill('SIGINT')
    equal(await started.ended, 0)
  })

  it('prints a token only where the demo’s issuer signed', async () => {
    const args = ['session', 'start', '--role', 'support-agent', '--print-token']
    const folder = await mkdtemp(join(tmpdir(), 'keystay-cli-'))
    const file = join(folder, 'workload.jwt')
    await writeFile(file, 'a.b.c')
    deepEqual(await keystay(args, { env: env() }), { exit: 0, out: 'kst_test\n', err: '' })
    const { exit, out, err } = await keystay([...args, '--token-file', file], { env: env() })
    deepEqual([exit, out, err.includes('--print-token is for gateways in --dev only')], [2, '', true])
    equal(gateway.asked.at(-1), 'DELETE /v1/session kst_test')
    await rm(folder, { recursive: true })
  })
})

describe('the loopback address', () => {
  let gateway: ContractServer
  let loopback: Loopback
  before(async () => {
    gateway = await startContractServer()
    loopback = await startLoopback({ gateway: gateway.url, token: 'kst_test' })
  })
  after(() => Promise.all([gateway.close(), loopback.close()]))
  beforeEach(() => void (gateway.asked.length = 0))

  /** fetch does not let a test choose Host. */
  function ask(path: string, headers: Record<string, string>, method = 'GET'): Promise<number> {
    const { hostname, port } = new URL(loopback.url)
    return new Promise((resolve, reject) => {
      const sent = request({ hostname, port, path, method, headers }, (response) => {
        response.resume()
        response.on('end', () => resolve(response.statusCode ?? 0))
      })
      sent.on('error', reject)
      sent.end()
    })
  }

  for (const [name, path, headers, status] of [
    ['a plain request', '/v1/actions', {}, 200],
    ['another name of this machine', '/v1/actions', { host: 'localhost:1' }, 200],
    ['what a browser typed itself', '/v1/actions', { 'sec-fetch-site': 'none' }, 200],
    ['a rebound name', '/v1/actions', { host: 'evil.example' }, 403],
    ['a name that only begins like ours', '/v1/actions', { host: '127.0.0.1.evil.example' }, 403],
    ['a page of another site', '/v1/actions', { origin: 'https://evil.example' }, 403],
    ['a page without an origin', '/v1/actions', { origin: 'null' }, 403],
    ['an image on a page', '/v1/actions', { 'sec-fetch-site': 'cross-site' }, 403],
    ['a token of its own', '/v1/actions', { authorization: 'Bearer kst_other' }, 403],
    ['what mints tokens', '/oauth/token', {}, 403],
    ['what people do', '/admin/v1/calls', {}, 403],
    ['a path that climbs', '/v1/../oauth/token', {}, 403],
    ['a path that climbs, encoded', '/v1/%2E%2e/oauth/token', {}, 403],
    ['a whole address', 'http://evil.example/v1/actions', {}, 403],
  ] as const) {
    it(`${status === 200 ? 'forwards' : 'refuses'} ${name}`, async () => {
      equal(await ask(path, headers), status)
      deepEqual(gateway.asked, status === 200 ? ['GET /v1/actions kst_test'] : [])
    })
  }

  it('keeps a body that a GET brings in its frame: it is no second request', async () => {
    const seen: string[] = []
    const backend = createServer((incoming, response) => {
      seen.push(`${incoming.method} ${incoming.url}`)
      incoming.resume().on('end', () => response.end('{}'))
    })
    await new Promise<void>((resolve) => backend.listen(0, '127.0.0.1', resolve))
    const through = await startLoopback({
      gateway: `http://127.0.0.1:${(backend.address() as AddressInfo).port}`,
      token: 'kst_test',
    })
    const { hostname, port } = new URL(through.url)
    const inside = 'POST /oauth/device_authorization HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n'
    const sent = request({ hostname, port, path: '/v1/actions', headers: { 'transfer-encoding': 'chunked' } })
    sent.end(inside)
    const [answered] = (await once(sent, 'response')) as [IncomingMessage]
    answered.resume()
    await once(answered, 'end')
    await new Promise((resolve) => setTimeout(resolve, 100))
    deepEqual(seen, ['GET /v1/actions'])
    await through.close()
    backend.close()
  })

  it('cuts an answer off where the gateway was cut off', async () => {
    const backend = createServer((_incoming, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write('data: 1\n\n', () => setTimeout(() => response.destroy(), 20))
    })
    await new Promise<void>((resolve) => backend.listen(0, '127.0.0.1', resolve))
    const through = await startLoopback({
      gateway: `http://127.0.0.1:${(backend.address() as AddressInfo).port}`,
      token: 'kst_test',
    })
    const answered = await fetch(`${through.url}/v1/actions`)
    await rejects(answered.text())
    await through.close()
    backend.close()
  })

  it('says so when the gateway has gone', async () => {
    const lonely = await startLoopback({ gateway: 'http://127.0.0.1:9', token: 'kst_test' })
    const response = await fetch(`${lonely.url}/v1/actions`)
    await lonely.close()
    deepEqual(
      [response.status, ((await response.json()) as { detail: string }).detail],
      [502, 'No gateway answers at http://127.0.0.1:9.'],
    )
  })
})
