import type { IncomingMessage, ServerResponse } from 'node:http'
import { gzipSync } from 'node:zlib'

/** What one answer may be made of. `body` is what an honest answer would say. */
export interface Scene {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** Makes the effect of this request (a write's only; once per idempotency key) and gives the honest answer's body. */
  readonly effect: () => unknown
  readonly ms: number
  readonly status: number
}

/**
 * The ways in which a backend fails, lies, or answers too little or too much. Each is of one request. Those whose name
 * says `without` leave no effect, as do `reset_before` and `never`; all others do, and only their answer is bad.
 */
export const LIES = {
  slow: ({ response, effect, ms }) => {
    const body = effect()
    setTimeout(() => json(response, 200, body), ms)
  },
  slow_without: ({ response, ms }) => void setTimeout(() => json(response, 503, { error: { message: 'busy' } }), ms),
  slow_before: ({ response, effect, ms }) => void setTimeout(() => json(response, 200, effect()), ms),
  never: () => {},
  never_with: ({ effect }) => void effect(),
  status_with: ({ response, effect, status }) => {
    effect()
    json(response, status, { error: { message: 'It broke.' } })
  },
  status_without: ({ response, status }) => json(response, status, { error: { message: 'It broke.' } }),
  reset_before: ({ request }) => request.socket.resetAndDestroy(),
  reset_after: ({ request, effect }) => {
    effect()
    request.socket.resetAndDestroy()
  },
  close_after: ({ request, effect }) => {
    effect()
    request.socket.end()
  },
  half_body: ({ request, effect }) => {
    const body = JSON.stringify(effect())
    raw(
      request,
      `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body.slice(0, 4)}`,
    )
  },
  half_refusal: ({ request }) =>
    raw(request, 'HTTP/1.1 422 No\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"error":'),
  html: ({ response, effect }) => {
    effect()
    response.writeHead(200, { 'content-type': 'text/html' }).end('<html><body>Welcome to the hotel</body></html>')
  },
  html_without: ({ response }) => void response.writeHead(200, { 'content-type': 'text/html' }).end('<html></html>'),
  no_content: ({ response, effect }) => {
    effect()
    response.writeHead(204).end()
  },
  empty: ({ response, effect }) => {
    effect()
    response.writeHead(200, { 'content-length': '0' }).end()
  },
  redirect: ({ response, effect, status }) => {
    effect()
    response.writeHead(status, { location: '/elsewhere' }).end()
  },
  redirect_without: ({ response, status }) => void response.writeHead(status, { location: '/elsewhere' }).end(),
  huge_body: ({ response, effect }) => {
    effect()
    response.writeHead(200, { 'content-type': 'application/json' })
    const chunk = Buffer.alloc(64 * 1024, 0x20)
    const pour = (): void => {
      while (!response.destroyed && response.write(chunk));
      if (!response.destroyed) response.once('drain', pour)
    }
    pour()
  },
  huge_length: ({ request, effect }) => {
    effect()
    raw(request, 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99999999999\r\n\r\n[', false)
  },
  huge_refusal: ({ response }) =>
    void response.writeHead(422, { 'content-type': 'application/json' }).end(Buffer.alloc(2 * 1024 * 1024, 0x20)),
  slow_body: ({ response, effect }) => {
    effect()
    response.writeHead(200, { 'content-type': 'application/json' })
    const drip = setInterval(() => response.write(' '), 20)
    response.on('close', () => clearInterval(drip))
  },
  gzip_bomb: ({ response, effect }) => {
    effect()
    const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' }
    response.writeHead(200, headers).end(gzipSync(Buffer.alloc(10 * 1024 * 1024, 0x20)))
  },
  gzip_refusal: ({ response }) =>
    void response
      .writeHead(422, { 'content-type': 'application/json', 'content-encoding': 'gzip' })
      .end(gzipSync('{"message":"no"}')),
  bad_status_line: ({ request, effect }) => {
    effect()
    raw(request, 'HTTP/9.9 abc\r\n\r\n')
  },
  bad_header: ({ request, effect }) => {
    effect()
    raw(request, 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-bad: a\u0000b\r\ncontent-length: 2\r\n\r\n{}')
  },
  bad_length: ({ request, effect }) => {
    effect()
    raw(request, 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}')
  },
  smuggled: ({ request, effect }) => {
    effect()
    raw(request, 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n')
  },
  big_headers: ({ request, effect }) => {
    effect()
    raw(request, `HTTP/1.1 200 OK\r\nx-big: ${'a'.repeat(64 * 1024)}\r\ncontent-length: 2\r\n\r\n{}`)
  },
  many_informational: ({ request, effect }) => {
    effect()
    const socket = request.socket
    const flood = setInterval(() => socket.write('HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n'), 5)
    socket.on('close', () => clearInterval(flood))
  },
  early_hints: ({ request, effect }) => {
    const body = JSON.stringify(effect())
    const hints = 'HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n'
    raw(request, `${hints}HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`, false)
  },
  upgrade: ({ request, effect }) => {
    effect()
    raw(request, 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n')
  },
  bad_json: text('{"id": "x", '),
  two_values: text('{} {}'),
  duplicate_member: text('{"status": "failed", "status": "succeeded"}'),
  deep_json: text('['.repeat(100_000) + ']'.repeat(100_000)),
  bad_utf8: text(Buffer.from([0x22, 0xff, 0xfe, 0x22])),
  big_numbers: text(
    '{"safe": 9007199254740991, "unsafe": 9007199254740993, "huge": 1e400, "digits": 0.1234567890123456789, "cents": 10.50}',
  ),
  own_properties: text('{"__proto__": {"polluted": true}, "constructor": 1}'),
  echo: ({ request, response, effect }) => {
    effect()
    json(response, 200, { headers: request.headers, url: request.url })
  },
  echo_401: ({ request, response }) => {
    const shown = request.headers.authorization ?? request.headers['x-api-key'] ?? ''
    response.setHeader('request-id', shown)
    json(response, 401, { error: { message: `Invalid API Key provided: ${String(shown)}` } })
  },
  hostile_message: ({ response }) =>
    json(response, 422, { error: { message: `no\u202Eon \u001B[31mred\u0000 ${'word '.repeat(200)}` } }),
  retry_after: ({ response }) => {
    response.setHeader('retry-after', '17')
    json(response, 422, { message: 'Later.' })
  },
  poisoned: ({ request, effect }) => {
    const body = JSON.stringify(effect())
    const forged = '{"forged":true}'
    raw(
      request,
      `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}` +
        `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${forged.length}\r\n\r\n${forged}`,
      false,
    )
  },
  poisoned_later: ({ request, response, effect }) => {
    json(response, 200, effect())
    const forged = '{"forged":true}'
    const late = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${forged.length}\r\n\r\n${forged}`
    setTimeout(() => request.socket.write(late), 20)
  },
  close_quietly: ({ request, response, effect }) => {
    // says keep-alive and closes: the next request on the connection meets a closed door
    json(response, 200, effect())
    response.on('finish', () => setTimeout(() => request.socket.destroy(), 5))
  },
} satisfies { readonly [kind: string]: (scene: Scene) => void }

export type LieKind = keyof typeof LIES

export function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

/** An honest effect, and a JSON answer in exactly these bytes. */
function text(bytes: string | Buffer): (scene: Scene) => void {
  return ({ response, effect }) => {
    effect()
    response.writeHead(200, { 'content-type': 'application/json' }).end(bytes)
  }
}

/** Writes past node's HTTP server, and closes unless told to leave the connection open. */
function raw(request: IncomingMessage, bytes: string, close = true): void {
  if (close) request.socket.end(bytes)
  else request.socket.write(bytes)
}
