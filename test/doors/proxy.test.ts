import assert from 'node:assert/strict'
import { request } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { BACKEND_KEY } from '../house/company.ts'
import { proxyHouse } from './proxy-house.ts'
import type { ProxyHouse } from './proxy-house.ts'

let h: ProxyHouse
before(async () => {
  h = await proxyHouse({
    backend: 'timeout: 250ms\n    idle: 250ms\n    breaker: { open_after: 100%, of: 10000, for: 1s }',
  })
})
after(() => h.close())
beforeEach(() => {
  h.backend.seen.length = 0
  for (const path of Object.keys(h.backend.acts)) delete h.backend.acts[path]
})

let keys = 0
const key = () => ({ 'idempotency-key': `k-${++keys}` })
const chat = (init: RequestInit = {}) => h.ask('llm.chat/v1/chat/completions', { method: 'POST', body: '{}', ...init })
const upload = (body: RequestInit['body'], headers: { [name: string]: string } = key()) =>
  h.ask('files.put/v1/files', { method: 'POST', body, headers, duplex: 'half' } as RequestInit)
const problem = async (answer: Response) =>
  (await answer.json()) as { code: string; detail: string; call: string; output?: unknown }
const bytes = (...pieces: (string | number)[]): ReadableStream =>
  new ReadableStream({
    async start(controller) {
      for (const piece of pieces) {
        if (typeof piece === 'number') await pause(piece)
        else controller.enqueue(Buffer.from(piece))
      }
      controller.close()
    },
  })

describe('a proxied route', () => {
  it('passes the request on with the credential in place of the token, and the answer back', async () => {
    const answer = await h.ask('llm.chat/v1/models?limit=10&tags[]=a%20b', {
      headers: {
        'openai-beta': 'x',
        'x-other': 'y',
        cookie: 'a=b',
        'x-forwarded-for': '1.2.3.4',
        forwarded: 'for=1',
        via: '1.1 me',
      },
    })
    assert.deepEqual(
      [answer.status, await answer.json()],
      [200, { method: 'GET', url: '/v1/models?limit=10&tags[]=a%20b', bytes: 0 }],
    )
    const [seen] = h.backend.seen
    const { 'keystay-call': call, 'keystay-session': session, ...headers } = seen?.headers ?? {}
    assert.match(String(call), /^call_/)
    assert.match(String(session), /^ses_/)
    assert.deepEqual(headers, {
      host: new URL(h.backend.url).host,
      'user-agent': 'keystay',
      'accept-encoding': 'identity',
      'keystay-role': 'streamer',
      'openai-beta': 'x',
      accept: '*/*',
      'accept-language': '*',
      authorization: `Bearer ${BACKEND_KEY}`,
      connection: 'keep-alive',
    })
    assert.equal(answer.headers.get('keystay-call'), call)
  })

  it('is a call: admitted before it leaves, settled with what went each way', async () => {
    h.backend.acts['/v1/files'] = (request, response) => {
      request.resume().on('end', () => response.writeHead(201, { 'X-Request-Id': 'req_7' }).end('stored'))
    }
    assert.equal((await upload('hello')).status, 201)
    const call = await h.settled('files.put')
    const digests = {
      request: { bytes: 5, digest: 'sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824' },
      response: { bytes: 6, digest: 'sha256:41df1e23b45fd22ba777fb9c6fc5c4d8e4bd3c4ac5cae84f73e8b57f3c2f8a26' },
    }
    assert.deepEqual(
      { ...call.output, response: { bytes: call.output.response.bytes } },
      { outcome: 'done', status: 201, ...digests, response: { bytes: 6 } },
    )
    assert.deepEqual(call.evidence, { status: 201, request_id: 'req_7', sent: 5, received: 6 })
    const entries = await h.entries(call.call)
    assert.deepEqual(
      entries.map(({ kind, outcome }) => [kind, outcome]),
      [
        ['call.started', undefined],
        ['call.settled', 'done'],
      ],
    )
  })

  it('cleans what comes back: cookies, hop-by-hop headers, CORS, and every word of where the backend is', async () => {
    const { host, hostname } = new URL(h.backend.url)
    h.backend.acts['/v1/models'] = (_request, response) => {
      response.writeHead(302, {
        'Set-Cookie': 'a=b',
        Connection: 'close, X-Hop',
        'X-Hop': '1',
        'Access-Control-Allow-Origin': '*',
        'WWW-Authenticate': 'Basic',
        'Alt-Svc': 'h3=":443"',
        'X-Served': `node ${hostname}`,
        'X-Kept': 'yes',
        'Content-Security-Policy': 'script-src *',
        Location: `${h.backend.url}/v1/files?a=1`,
        'Content-Location': 'http://elsewhere.example/x',
        Link: `<http://${host}/v1/models?page=2>; rel="next", <https://elsewhere.example/>; rel="help"`,
      })
      response.end('moved')
    }
    const answer = await h.ask('llm.chat/v1/models', { redirect: 'manual' })
    const names = [...answer.headers.keys()]
    const told = ['location', 'link', 'x-kept'].map((name) => answer.headers.get(name))
    assert.deepEqual(
      [answer.status, ...told],
      [302, '/proxy/llm.chat/v1/files?a=1', '</proxy/llm.chat/v1/models?page=2>; rel="next"', 'yes'],
    )
    const gone =
      'set-cookie x-hop access-control-allow-origin www-authenticate alt-svc x-served content-location'.split(' ')
    assert.deepEqual(
      names.filter((name) => gone.includes(name)),
      [],
    )
    assert.equal(answer.headers.get('content-security-policy'), "default-src 'none';frame-ancestors 'none'")
    assert.ok(!JSON.stringify([...answer.headers]).includes(hostname))
    assert.equal(h.backend.seen.length, 1)
    // A redirect is no yes; of a read it is a no.
    assert.equal((await h.settled()).status, 'refused')
  })

  it('shows the backend no header of an agent that expects a 100 first', async () => {
    const answer = await new Promise<string>((resolve, reject) => {
      const sending = request(`${h.home.running.agentUrl}/proxy/files.put/v1/files`, {
        method: 'POST',
        headers: {
          ...key(),
          authorization: `Bearer ${h.token}`,
          expect: '100-continue',
          cookie: 'a=b',
          'content-length': 2,
        },
      })
      sending.on('continue', () => sending.end('ok')).on('error', reject)
      sending.on('response', (response) => {
        response.on('data', (piece: Buffer) => resolve(piece.toString()))
      })
    })
    assert.equal(answer, '{"method":"POST","url":"/v1/files","bytes":2}')
    const { authorization, cookie, expect } = h.backend.seen[0]?.headers ?? {}
    assert.deepEqual([authorization, cookie, expect], [`Bearer ${BACKEND_KEY}`, undefined, undefined])
  })

  it('passes events on as they come, and the head before the first of them', async () => {
    let send: (text: string) => void = () => {}
    h.backend.acts['/v1/chat/completions'] = (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
      send = (text) => response.write(text)
    }
    const answer = await chat()
    assert.equal(answer.headers.get('content-type'), 'text/event-stream')
    const reader = (answer.body as ReadableStream<Uint8Array>).getReader()
    for (const event of ['data: {"a":1}\n\n', 'data: s\n\n', 'data: [DONE]\n\n']) {
      send(event)
      assert.equal(Buffer.from((await reader.read()).value ?? []).toString(), event)
    }
    await reader.cancel()
  })

  it('passes an upload on as it comes', async () => {
    const answered = upload(bytes('first,', 60, 'last'))
    for (let i = 0; h.backend.seen[0]?.text !== 'first,' && i < 50; i++) await pause(1)
    assert.deepEqual([h.backend.seen[0]?.text, h.backend.seen[0]?.whole], ['first,', false])
    assert.equal((await answered).status, 200)
    assert.deepEqual([h.backend.seen[0]?.text, h.backend.seen[0]?.whole], ['first,last', true])
  })

  it('is granted like an action: unknown, ungranted and unlisted alike are refused, with an entry', async () => {
    for (const path of ['nothing/v1/x', 'ghosts.list/v1/ghosts', 'llm.chat/v1/files', 'llm.chat', 'pay.refund/v1']) {
      const { code, call } = await problem(await h.ask(path))
      assert.equal(code, 'not_granted', path)
      assert.equal((await h.entries(call))[0]?.['kind'], 'call.denied')
    }
    assert.deepEqual(h.backend.seen, [])
    const input = { method: 'GET', path: '/v1/models' }
    assert.equal((await h.home.call(h.token, 'llm.chat', input)).body.code, 'not_granted')
  })

  it('stands beside the actions of the role, with what is left of its limits', async () => {
    const { body } = await h.home.agent('/v1/actions', { headers: { authorization: `Bearer ${h.token}` } })
    assert.deepEqual(
      [body.actions, body.routes.map(({ name, at }: { name: string; at: string }) => [name, at])],
      [
        [],
        [
          ['down.put', '/proxy/down.put'],
          ['files.put', '/proxy/files.put'],
          ['llm.chat', '/proxy/llm.chat'],
          ['notes.put', '/proxy/notes.put'],
          ['small.put', '/proxy/small.put'],
        ],
      ],
    )
    assert.deepEqual(body.routes[1].allow, [
      'POST /v1/files',
      'PUT /v1/files/*',
      'DELETE /v1/files/*',
      'PATCH /v1/files/*',
    ])
  })

  it('says what it would send to a dry run, and sends nothing', async () => {
    const answer = await h.ask('llm.chat/v1/models?a=1', { headers: { 'keystay-dry-run': 'true' } })
    const { dry_run } = (await answer.json()) as { dry_run: unknown }
    assert.deepEqual(dry_run, {
      verdict: 'allow',
      request: { method: 'GET', path: '/v1/models', query: 'a=1' },
      because: [],
    })
    assert.deepEqual(h.backend.seen, [])
  })

  describe('under the lines of its grant', () => {
    it('judges method and path', async () => {
      const answer = await h.ask('files.put/v1/files/locked', { method: 'DELETE', headers: key() })
      assert.deepEqual([answer.status, (await problem(answer)).code, h.backend.seen.length], [403, 'denied', 0])
    })

    it('counts what the policy counts', async () => {
      const notes = (length: number) =>
        h.ask('notes.put/v1/notes', { method: 'POST', body: 'x'.repeat(length), headers: key() })
      assert.deepEqual(
        [(await notes(50_000)).status, (await notes(50_000)).status, (await notes(1)).status],
        [200, 200, 403],
      )
    })

    it('needs a key to write, and tells a repeat what became of it instead of the body', async () => {
      assert.equal((await problem(await upload('x', {}))).code, 'key_required')
      const headers = key()
      await (await upload('one', headers)).text()
      const { output, evidence } = await h.settled('files.put')
      const again = await upload('one', headers)
      assert.deepEqual([again.status, again.headers.get('idempotency-replayed')], [200, 'true'])
      const envelope = (await again.json()) as { output: unknown; evidence: unknown }
      assert.deepEqual([envelope.output, envelope.evidence], [output, evidence])
      const other = await upload('two', headers)
      assert.deepEqual([other.status, (await problem(other)).code], [422, 'key_reused'])
      assert.equal(h.backend.seen.length, 1)
    })

    it('stops writes under a freeze, and lets reads pass', async () => {
      await h.home.admin('sam', 'PUT', '/admin/v1/switches/role:streamer', { on: true, reason: 'a look' })
      const [write, read] = [await upload('x'), await h.ask('llm.chat/v1/models')]
      await h.home.admin('sam', 'PUT', '/admin/v1/switches/role:streamer', { on: false, reason: 'seen' })
      assert.deepEqual([(await problem(write)).code, read.status], ['frozen', 200])
    })
  })

  describe('that breaks', () => {
    it('is broken by an agent that leaves, and the backend is left', async () => {
      let gone = false
      h.backend.acts['/v1/chat/completions'] = (_request, response) => {
        response.writeHead(200).write('begun')
        response.on('close', () => (gone = true))
      }
      const away = new AbortController()
      const answer = await chat({ signal: away.signal })
      await (answer.body as ReadableStream<Uint8Array>).getReader().read()
      away.abort()
      const call = await h.settled()
      assert.deepEqual(call.evidence, { status: 200, sent: 2, received: 5, broken: 'the agent left before the end' })
      const [, end] = await h.entries(call.call)
      assert.deepEqual([end?.['outcome'], end?.['by'], gone], ['broken', 'agent', true])
    })

    it('is broken by a backend that dies half way, and does not look whole', async () => {
      for (const head of [{}, { 'content-length': '100' }]) {
        h.backend.acts['/v1/chat/completions'] = (_request, response) => {
          response.writeHead(200, head).write('half')
          setTimeout(() => response.destroy(), 20)
        }
        const answer = await chat()
        await assert.rejects(answer.text())
        const call = await h.settled()
        assert.deepEqual(
          [call.problem.code, call.evidence.broken, call.output.outcome],
          ['exchange_broken', 'the connection was lost before the answer was complete', 'broken'],
        )
      }
    })

    const early: readonly [string, (h: ProxyHouse) => void, string][] = [
      [
        'dies before its head',
        (house) => (house.backend.acts['/v1/files'] = (request) => request.destroy()),
        'the connection was lost',
      ],
      ['says nothing', (house) => (house.backend.acts['/v1/files'] = () => {}), 'did not answer in time'],
      [
        'answers in another protocol',
        (house) => (house.backend.acts['/v1/files'] = (request) => request.socket.end('SSH-2.0-x\r\n\r\n')),
        'the connection was lost',
      ],
      [
        'compresses',
        (house) =>
          (house.backend.acts['/v1/files'] = (_, answer) =>
            answer.writeHead(200, { 'content-encoding': 'gzip' }).end('x')),
        'compressed',
      ],
      [
        'upgrades',
        (house) =>
          (house.backend.acts['/v1/files'] = (request) =>
            request.socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n')),
        'did not answer in time',
      ],
    ]
    for (const [what, act, why] of early) {
      it(`answers 502 where the backend ${what}, without its address; the key stays bound`, async () => {
        act(h)
        const headers = key()
        const answer = await upload('x', headers)
        const text = await answer.text()
        assert.deepEqual([answer.status, JSON.parse(text).code], [502, 'exchange_broken'])
        assert.ok(text.includes(why) && !text.includes('127.0.0.1'), text)
        const again = await upload('x', headers)
        assert.deepEqual([again.status, again.headers.get('idempotency-replayed')], [502, 'true'])
        assert.equal(h.backend.seen.length, 1)
      })
    }

    it('stands still no longer than it may', async () => {
      h.backend.acts['/v1/chat/completions'] = (_request, response) => void response.writeHead(200).write('x')
      await assert.rejects((await chat()).text())
      assert.equal((await h.settled()).evidence.broken, 'the backend did not answer in time')
    })

    it('takes a body up to its bound: a longer one is refused, or cut off where it passes it', async () => {
      const notes = (body: RequestInit['body']) =>
        h.ask('notes.put/v1/notes', { method: 'POST', body, headers: key(), duplex: 'half' } as RequestInit)
      const said = await notes('x'.repeat(70_000))
      assert.deepEqual([said.status, (await problem(said)).code, h.backend.seen.length], [413, 'too_large', 0])
      const headers = key()
      const small = (body: RequestInit['body']) =>
        h.ask('small.put/v1/small', { method: 'POST', body, headers, duplex: 'half' } as RequestInit)
      const long = await small(bytes('x'.repeat(600), 10, 'x'.repeat(600)))
      assert.deepEqual([long.status, (await problem(long)).code], [413, 'too_large'])
      const { evidence } = await h.settled('small.put')
      assert.deepEqual([evidence.sent, evidence.too_large], [1200, true])
      assert.deepEqual([h.backend.seen.length, h.backend.seen[0]?.whole], [1, false])
      assert.ok((h.backend.seen[0]?.bytes ?? 0) <= 600)
    })

    it('passes no answer on that is about the gateway’s own credential', async () => {
      h.backend.acts['/v1/models'] = (_request, response) => response.writeHead(401).end(`wrong key: ${BACKEND_KEY}`)
      const answer = await h.ask('llm.chat/v1/models')
      assert.deepEqual([answer.status, (await problem(answer)).code], [424, 'backend_refused'])
    })

    it('says what the backend said, and settles by it', async () => {
      const statuses: readonly [number, string, string | undefined][] = [
        [204, 'done', undefined],
        [304, 'done', undefined],
        [404, 'refused', 'backend_refused'],
        [429, 'refused', 'backend_refused'],
        [500, 'refused', 'backend_refused'],
      ]
      for (const [status, state, code] of statuses) {
        h.backend.acts['/v1/models'] = (_request, response) => response.writeHead(status).end()
        assert.equal((await h.ask('llm.chat/v1/models')).status, status)
        const call = await h.settled()
        assert.deepEqual([call.status, call.problem?.code], [state, code])
      }
      h.backend.acts['/v1/files'] = (_request, response) => response.writeHead(500).end('no')
      assert.deepEqual(
        [(await upload('x')).status, (await h.settled('files.put')).problem.code],
        [500, 'exchange_broken'],
      )
    })
  })

  describe('whose backend repeats the credential', () => {
    const half = Math.floor(BACKEND_KEY.length / 2)
    const forms: readonly [string, readonly string[]][] = [
      ['whole', [`key=${BACKEND_KEY};`]],
      ['over two chunks', [`key=${BACKEND_KEY.slice(0, half)}`, `${BACKEND_KEY.slice(half)};`]],
      ['letter by letter', [...`key=${BACKEND_KEY};`]],
      ['as base64', [Buffer.from(`x:${BACKEND_KEY}`).toString('base64')]],
      ['as hexadecimal', [Buffer.from(BACKEND_KEY).toString('hex')]],
      ['percent-encoded', [encodeURIComponent(BACKEND_KEY)]],
      ['escaped as JSON', [BACKEND_KEY.replaceAll('/', '\\/')]],
    ]
    for (const [how, pieces] of forms) {
      it(`takes it out of the stream: ${how}`, async () => {
        const length = Buffer.byteLength(pieces.join(''))
        h.backend.acts['/v1/models'] = async (_request, response) => {
          response.writeHead(200, { 'content-length': String(length), 'x-echo': `a ${BACKEND_KEY} b` })
          for (const piece of pieces) {
            response.write(piece)
            await pause(pieces.length > 10 ? 0 : 10)
          }
          response.end()
        }
        const answer = await h.ask('llm.chat/v1/models')
        const text = await answer.text()
        assert.ok(text.includes('[secret]') && text.length === length, text)
        for (const piece of [BACKEND_KEY.slice(8, 24), Buffer.from(BACKEND_KEY).toString('hex').slice(8, 24)]) {
          assert.ok(!text.includes(piece) && !Buffer.from(text, 'base64').toString('latin1').includes(piece), text)
        }
        assert.equal(answer.headers.get('x-echo'), 'a [secret] b')
      })
    }
  })

  it('keeps bodies for people where the policy says so, and tells the agent their size and digest', async () => {
    await (await h.ask('notes.put/v1/notes', { method: 'POST', body: '', headers: key() })).text()
    const call = await h.settled('notes.put')
    assert.deepEqual(Object.keys(call.output.request), ['bytes', 'digest'])
    const { body: story } = await h.home.admin('dana', 'GET', `/admin/v1/calls/${call.call}`)
    assert.deepEqual([story.output.request.body, JSON.parse(story.output.response.body).url], ['', '/v1/notes'])
  })

  it('is not sent where nobody listens: 503, and the key is free', async () => {
    const headers = key()
    for (const _time of [1, 2]) {
      const answer = await h.ask('down.put/v1/x', { method: 'POST', body: 'x', headers })
      const { code, detail } = await problem(answer)
      assert.deepEqual(
        [answer.status, answer.headers.get('idempotency-replayed'), code],
        [503, null, 'backend_unavailable'],
      )
      assert.equal(detail, 'the backend refused the connection. Nothing was sent and the key is free.')
    }
  })

  it('holds no more of a large body than is on its way: who does not read is waited for, in either direction', async () => {
    // Silent for a while on purpose, and on a busy machine for longer.
    const quick = h
    h = await proxyHouse({ backend: 'timeout: 10s\n    idle: 10s' })
    try {
      await waits()
    } finally {
      await h.close()
      h = quick
    }
  })
  async function waits(): Promise<void> {
    const chunk = Buffer.alloc(64 * 1024, 'x')
    const [whole, most] = [512 * chunk.length, 28 * 1024 * 1024]
    let written = 0
    const arrived = Promise.withResolvers<() => void>()
    h.backend.acts['/v1/models'] = (_request, response) => {
      const fill = (): void => {
        for (; written < whole; written += chunk.length)
          if (!response.write(chunk)) return void response.once('drain', more)
        response.end()
      }
      const more = (): void => {
        written += chunk.length
        fill()
      }
      fill()
    }
    h.backend.acts['/v1/files'] = (request, response) => {
      request.pause()
      arrived.resolve(() => void request.resume().on('end', () => response.end()))
    }
    const slow = await h.ask('llm.chat/v1/models')
    let asked = 0
    const source = new ReadableStream({
      pull: (controller) => (++asked > 512 ? controller.close() : controller.enqueue(chunk)),
    })
    const stored = upload(source)
    const reads = await arrived.promise
    await pause(120)
    assert.ok(written < most && asked * chunk.length < most, `${written} and ${asked * chunk.length} bytes were taken`)
    reads()
    let bytes = 0
    for await (const piece of slow.body ?? []) bytes += (piece as Uint8Array).length
    assert.equal((await stored).status, 200)
    assert.deepEqual([bytes, h.backend.seen.find(({ method }) => method === 'POST')?.bytes], [whole, whole])
  }

  it('ends its streams when the gateway drains', async () => {
    const draining = await proxyHouse()
    try {
      let finish: () => void = () => {}
      draining.backend.acts['/v1/models'] = (_request, response) => {
        response.writeHead(200).write('a')
        finish = () => response.end('b')
      }
      const running = await draining.ask('llm.chat/v1/models')
      const stopping = draining.home.running.stop(2000)
      await pause(20)
      finish()
      assert.equal(await running.text(), 'ab')
      await stopping
    } finally {
      await draining.close()
    }
  })
})
