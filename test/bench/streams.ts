import { fork } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, request as ask } from 'node:http'
import type { RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import express from 'express'
import { createProxyMiddleware } from 'http-proxy-middleware'
import { KEY, writeCompany } from './company.ts'

/**
 * `node test/bench/streams.ts`: a route beside Express + http-proxy-middleware that checks and records nothing, each a
 * process of its own before the same backend. How much later an event arrives, and what a large body takes of memory and
 * time.
 */
const { values, positionals } = parseArgs({
  options: { megabytes: { type: 'string', default: '200' }, events: { type: 'string', default: '500' } },
  allowPositionals: true,
})
const CHUNK = Buffer.alloc(64 * 1024, 'all work and no play makes a long stream. ')
const EVERY_MS = 10

const roles: { readonly [role: string]: (backend: string, dir: string) => Promise<object> } = {
  backend: async () => ({ url: await listening(backend) }),
  plain: async (target) => ({ url: await listening(plain(target)) }),
  gateway,
}
const [role, target = '', dir = ''] = positionals
if (role === undefined) await bench()
else {
  process.on('message', () => process.send?.(process.memoryUsage().rss))
  process.on('disconnect', () => process.exit(0))
  process.send?.((await roles[role]?.(target, dir)) ?? {})
}

/** Events with the time of their sending, as many bytes as are asked for, or the count of what came. */
function backend(...[request, response]: Parameters<RequestListener>): void {
  const url = new URL(request.url ?? '/', 'http://backend')
  const many = Number(url.searchParams.get('n'))
  if (request.method === 'POST') {
    let bytes = 0
    request.on('data', (piece: Buffer) => (bytes += piece.length)).on('end', () => response.end(String(bytes)))
    return
  }
  if (url.pathname === '/v1/bytes') {
    let left = many * 16
    const fill = (): void => {
      while (left-- > 0) if (!response.write(CHUNK)) return void response.once('drain', fill)
      response.end()
    }
    return fill()
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
  let left = many
  const timer = setInterval(() => {
    // One clock for all processes of the machine.
    if (left-- > 0) response.write(`data: ${process.hrtime.bigint()}\n\n`)
    else {
      clearInterval(timer)
      response.end()
    }
  }, EVERY_MS)
}

function plain(url: string): RequestListener {
  const app = express()
  app.use(
    '/proxy/stream',
    createProxyMiddleware({ target: url, on: { error: (_error, _request, out) => void out.end() } }),
  )
  return app
}

async function gateway(url: string, where: string): Promise<object> {
  const { serve } = await import('../../gateway/main.ts')
  const { clientOf } = await import('../house/gateway.ts')
  const { writePolicies } = await import('../house/company.ts')
  const policies = join(where, 'policies')
  await writeCompany(policies, url)
  await writePolicies(policies, {
    'llm.yaml': `backends: { llm: { adapter: proxy, url: "${url}", private: true, auth: { bearer: "env://${KEY.name}" } } }\n`,
    'route.yaml': `route: stream
describe: Streams.
effect: read
backend: llm
allow: [GET /v1/events, GET /v1/bytes, POST /v1/bytes]
request_max: 1GB
`,
    'streamer.yaml': `role: streamer
describe: Streams.
issue_to: [{ issuer: demo, where: 'claims.sub == "bot"' }]
grants: { stream: { rate: 1000 per hour } }
`,
  })
  process.env[KEY.name] = KEY.value
  const { agentUrl, adminUrl } = await serve({
    policies,
    store: `sqlite:${join(where, 'keystay.db')}`,
    listen: '127.0.0.1:0',
    adminListen: '127.0.0.1:0',
    secrets: 'env:',
    dev: true,
    strictClock: false,
    log: () => {},
  })
  return { url: agentUrl, token: await clientOf(agentUrl, adminUrl).token('bot', 'streamer') }
}

interface Peer {
  readonly name: string
  readonly url: string
  readonly token?: string
  rss(): Promise<number>
  end(): void
}

async function start(name: string, ...args: readonly string[]): Promise<Peer> {
  const child = fork(new URL(import.meta.url), [name, ...args])
  const next = <T>(): Promise<T> => new Promise((resolve) => child.once('message', (message) => resolve(message as T)))
  const stands = await next<{ url: string; token?: string }>()
  const rss = (): Promise<number> => {
    const answer = next<number>()
    child.send('rss')
    return answer
  }
  return { name, ...stands, rss, end: () => child.disconnect() }
}

async function bench(): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'keystay-streams-'))
  const source = await start('backend')
  const peers = [await start('plain', source.url), await start('gateway', source.url, dir)]
  const direct: Peer = { ...source, name: 'direct' }
  try {
    for (const peer of [direct, ...peers]) await stream(peer, `/v1/events?n=20`)
    const late = new Map<string, number[]>()
    // In turns, so that what the machine does meanwhile meets all of them.
    for (let turn = 0; turn < 4; turn++) {
      for (const peer of [direct, ...peers]) {
        const { lateness_ms } = await stream(peer, `/v1/events?n=${Math.ceil(Number(values.events) / 4)}`)
        late.set(peer.name, [...(late.get(peer.name) ?? []), ...lateness_ms])
      }
    }
    say(`an event every ${EVERY_MS} ms, ${values.events} of each: ms until it arrived`)
    say('            p50     p95     p99')
    for (const [name, all] of late) {
      const sorted = all.sort((a, b) => a - b)
      const at = (share: number): string => (sorted[Math.floor(sorted.length * share)] ?? 0).toFixed(2).padStart(8)
      say(`  ${name.padEnd(8)}${at(0.5)}${at(0.95)}${at(0.99)}`)
    }
    say(`\n${values.megabytes} MB each way: MB/s, and how far the process grew at most, MB`)
    for (const peer of peers) {
      for (const way of ['down', 'up'] as const) {
        await stream(peer, `/v1/bytes?n=8`)
        const grown = await growth(peer, () =>
          way === 'down' ? stream(peer, `/v1/bytes?n=${values.megabytes}`) : upload(peer),
        )
        say(
          `  ${peer.name.padEnd(8)} ${way.padEnd(5)}${grown.rate.toFixed(0).padStart(6)}${grown.most.toFixed(1).padStart(8)}`,
        )
      }
    }
  } finally {
    for (const peer of [...peers, source]) peer.end()
    await rm(dir, { recursive: true, force: true })
  }
}

async function growth(peer: Peer, work: () => Promise<unknown>): Promise<{ rate: number; most: number }> {
  const before = await peer.rss()
  let most = 0
  const began = performance.now()
  const pause = (): Promise<'on'> => new Promise((resolve) => setTimeout(resolve, 20, 'on'))
  for (const done = work(); (await Promise.race([done, pause()])) === 'on';) {
    most = Math.max(most, (await peer.rss()) - before)
  }
  return { rate: Number(values.megabytes) / ((performance.now() - began) / 1000), most: most / 1024 / 1024 }
}

function stream(peer: Peer, path: string): Promise<{ bytes: number; lateness_ms: number[] }> {
  return new Promise((resolve, reject) => {
    const lateness_ms: number[] = []
    let bytes = 0
    ask(urlOf(peer, path), { headers: headersOf(peer), agent: false }, (answer) => {
      if (answer.statusCode !== 200) return reject(new Error(`${peer.name} answered ${answer.statusCode}`))
      answer.on('data', (piece: Buffer) => {
        bytes += piece.length
        if (!path.startsWith('/v1/events')) return
        const now = process.hrtime.bigint()
        for (const [, sent = '0'] of piece.toString().matchAll(/data: (\d+)/g))
          lateness_ms.push(Number(now - BigInt(sent)) / 1e6)
      })
      answer.on('end', () => resolve({ bytes, lateness_ms })).on('error', reject)
    })
      .on('error', reject)
      .end()
  })
}

function upload(peer: Peer): Promise<void> {
  return new Promise((resolve, reject) => {
    const sending = ask(
      urlOf(peer, '/v1/bytes'),
      { method: 'POST', headers: headersOf(peer), agent: false },
      (answer) => {
        answer
          .resume()
          .on('end', () => (answer.statusCode === 200 ? resolve() : reject(new Error(`${answer.statusCode}`))))
      },
    ).on('error', reject)
    let left = Number(values.megabytes) * 16
    const fill = (): void => {
      while (left-- > 0) if (!sending.write(CHUNK)) return void sending.once('drain', fill)
      sending.end()
    }
    fill()
  })
}

function urlOf({ name, url }: Peer, path: string): string {
  return name === 'direct' ? `${url}${path}` : `${url}/proxy/stream${path}`
}

function headersOf({ token }: Peer): { [name: string]: string } {
  return token === undefined ? {} : { authorization: `Bearer ${token}` }
}

function listening(app: RequestListener): Promise<string> {
  return new Promise((resolve) => {
    const server = createServer(app).listen(0, '127.0.0.1', () =>
      resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
    )
  })
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
