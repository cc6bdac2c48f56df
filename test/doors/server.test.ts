import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { house, raw } from './house.ts'
import type { House } from './house.ts'

let home: House
before(async () => {
  home = await house({ limits: { headers_ms: 200, request_ms: 400, check_ms: 50, idle_ms: 300, connections_max: 20 } })
})
after(() => home.close())
beforeEach(() => {
  home.gateway.asked.length = 0
  home.gateway.refusals.length = 0
  home.gateway.gate = null
})

const LIVE = 'GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
const STAY = LIVE.replace('close', 'keep-alive')
const ask = (key: string, more = '', body = '') =>
  `POST /v1/actions/refund HTTP/1.1\r\nHost: a\r\nAuthorization: ${home.bearer}\r\nIdempotency-Key: ${key}\r\n${more}Content-Length: ${body.length}\r\n\r\n${body}`

describe('the listener', () => {
  it('hangs up on headers that do not come, with 408', async () => {
    const begun = performance.now()
    const answers = await raw(
      home.agent.url,
      'GET /livez HTTP/1.1\r\nHost: a\r\n',
      60,
      'X-Slow: a\r\n',
      60,
      'X-Slower: b\r\n',
    )
    assert.deepEqual(
      [answers.map(({ status, code }) => [status, code]), home.gateway.refusals],
      [[[408, 'too_slow']], ['too_slow 127.0.0.1']],
    )
    assert.equal(answers[0]?.headers['content-type'], 'application/problem+json; charset=utf-8')
    assert.ok(performance.now() - begun < 2_000)
  })

  it('hangs up on a body that does not come, with one 408', async () => {
    const answers = await raw(
      home.agent.url,
      ask('a', 'Content-Type: application/json\r\n').replace('Content-Length: 0', 'Content-Length: 9'),
    )
    assert.deepEqual([answers.map(({ status, code }) => [status, code]), home.gateway.asked], [[[408, 'too_slow']], []])
    await new Promise((resolve) => setTimeout(resolve, 20))
    assert.deepEqual(home.gateway.refusals, ['too_slow 127.0.0.1'])
  })

  it('hangs up on a connection that says nothing', async () => {
    const answers = await raw(home.agent.url)
    assert.deepEqual(
      answers.map(({ status }) => status),
      [408],
    )
  })

  it('answers two requests of one connection in their order', async () => {
    const answers = await raw(home.agent.url, STAY + LIVE.replace('livez', 'readyz'))
    assert.deepEqual(
      answers.map(({ body }) => body),
      ['{"status":"live"}', '{"status":"ready"}'],
    )
  })

  it('answers a call before the nonsense that follows it: nobody takes a 400 for the call’s answer', async () => {
    let open = () => {}
    home.gateway.gate = new Promise((resolve) => (open = resolve))
    setTimeout(() => open(), 100)
    const answers = await raw(home.agent.url, `${ask('a')}NONSENSE\r\n\r\n`)
    assert.deepEqual(
      answers.map(({ status, code }) => [status, code]),
      [
        [200, null],
        [400, 'malformed'],
      ],
    )
    assert.deepEqual([home.gateway.asked.length, home.gateway.refusals], [1, ['malformed 127.0.0.1']])
  })

  it('does not take what follows a body for a request of its own', async () => {
    const smuggled = 'DELETE /v1/session HTTP/1.1\r\nHost: a\r\n\r\n'
    const answers = await raw(home.agent.url, ask('a', 'Transfer-Encoding: chunked\r\n', `0\r\n\r\n${smuggled}`))
    assert.deepEqual([answers.map(({ status }) => status), home.gateway.asked], [[400], []])
  })

  it('serves on after a refusal that left its body unread', async () => {
    const nobody = ask('a', 'Content-Type: application/json\r\n', '{}').replace(home.bearer, 'Bearer kst_nobody')
    const answers = await raw(home.agent.url, nobody + LIVE)
    assert.deepEqual(
      answers.map(({ status }) => status),
      [401, 200],
    )
  })

  it('closes after a body that is too large to read to its end, and still says so', async () => {
    const head = ask('a', 'Content-Type: application/json\r\n').replace('Content-Length: 0', 'Content-Length: 90000000')
    const pieces = Array.from({ length: 40 }, () => Buffer.alloc(64 * 1024, 'x'))
    const answers = await raw(home.agent.url, head, ...pieces)
    assert.deepEqual(
      answers.map(({ status, code, headers }) => [status, code, headers['connection']]),
      [[413, 'too_large', 'close']],
    )
  })

  it('ignores an expectation that it does not know', async () => {
    const answers = await raw(home.agent.url, LIVE.replace('Host: a', 'Host: a\r\nExpect: the-unexpected'))
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200],
    )
  })

  it('speaks no other protocol', async () => {
    const upgrade = 'Host: a\r\nConnection: close, Upgrade\r\nUpgrade: websocket'
    const answers = await raw(home.agent.url, LIVE.replace('Host: a\r\nConnection: close', upgrade))
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200],
    )
  })

  it('outlives clients that reset their connection, whatever they were about', async () => {
    const { hostname, port } = new URL(home.agent.url)
    for (const text of [
      'CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n',
      STAY,
      'GET /',
      ask('a'),
      'NONSENSE\r\n\r\n',
      `${ask('a').replace('Content-Length: 0', 'Content-Length: 9')}x`,
    ]) {
      const socket = connect(Number(port), hostname).on('error', () => {})
      await new Promise((resolve) => socket.once('connect', resolve))
      socket.write(text)
      await new Promise((resolve) => setTimeout(resolve, 5))
      socket.resetAndDestroy()
    }
    assert.deepEqual(
      (await raw(home.agent.url, LIVE)).map(({ status }) => status),
      [200],
    )
    assert.deepEqual(home.faults, [])
  })

  it('turns connections above its bound away, and counts them', async () => {
    const { hostname, port } = new URL(home.agent.url)
    const sockets = Array.from({ length: 25 }, () => connect(Number(port), hostname).on('error', () => {}))
    await Promise.all(
      sockets.map((socket) => new Promise((resolve) => socket.once('connect', resolve).once('close', resolve))),
    )
    await new Promise((resolve) => setTimeout(resolve, 50))
    const dropped = home.gateway.refusals.filter((refusal) => refusal === 'overloaded 127.0.0.1').length
    for (const socket of sockets) socket.destroy()
    assert.equal(dropped, 5)
    await new Promise((resolve) => setTimeout(resolve, 20))
    assert.deepEqual(
      (await raw(home.agent.url, LIVE)).map(({ status }) => status),
      [200],
    )
  })

  it('lets what runs end when it closes, and takes nothing new', async () => {
    const own = await house()
    let open = () => {}
    own.gateway.gate = new Promise((resolve) => (open = resolve))
    const begun = performance.now()
    const running = raw(own.agent.url, ask('a').replace(home.bearer, own.bearer))
    while (own.gateway.asked.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    const closed = own.close()
    await assert.rejects(raw(own.agent.url, LIVE), { code: 'ECONNREFUSED' })
    open()
    assert.deepEqual(
      (await running).map(({ status }) => status),
      [200],
    )
    await closed
    // Not by the deadline: the connection that went idle meanwhile is closed too.
    assert.ok(performance.now() - begun < 900)
  })

  it('cuts what does not end in time', async () => {
    const own = await house()
    own.gateway.gate = new Promise(() => {})
    const running = raw(own.agent.url, ask('a').replace(home.bearer, own.bearer))
    while (own.gateway.asked.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    await own.agent.close(50)
    assert.deepEqual(await running, [])
    await own.admin.close(50)
  })
})
