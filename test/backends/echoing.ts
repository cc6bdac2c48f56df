import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { json } from './lies.ts'

/** What this request was shown, and a way to write it. */
interface Told {
  readonly value: string
  readonly write: (value: string) => string
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

/** A message is shown up to 300 characters: a value that stands across that end must not come out by half. */
const ACROSS = [240, 270, 285, 292, 299]

const refusal =
  (status: number, before = 0) =>
  ({ value, write, response }: Told): void =>
    json(response, status, { error: { message: `${'x '.repeat(before / 2)}no such key: ${write(value)}` } })

const headers =
  (named: { readonly [name: string]: string }, status = 200) =>
  ({ value, write, response }: Told): void => {
    const shown = write(value)
    for (const [name, text] of Object.entries(named)) response.setHeader(name, text.replace('KEY', shown))
    json(response, status, { text: 'x' })
  }

/** Pieces that arrive one by one, at most so many ms apart. */
const inPieces =
  (pieces: (shown: string) => readonly string[], whole = true) =>
  async ({ value, write, response }: Told): Promise<void> => {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'x-count': '1' })
    for (const piece of pieces(write(value))) {
      response.write(piece, 'latin1')
      await sleep(3)
    }
    if (whole) response.end()
    else response.destroy()
  }

const halves = (shown: string): [string, string] => {
  const at = Math.floor(shown.length / 2)
  return [shown.slice(0, at), shown.slice(at)]
}

const raw =
  (bytes: (shown: string) => string) =>
  ({ value, write, request }: Told): void =>
    void request.socket.end(bytes(write(value)))

const LENGTH = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n'

/** The places of an answer in which a backend may repeat the credential that it was shown. */
export const PLACES: { readonly [place: string]: (told: Told) => unknown } = {
  'the body': ({ value, write, response }) => {
    const shown = write(value)
    json(response, 200, { text: `it is ${shown}`, list: [shown, { deep: shown }], [shown]: 1, [`x${shown}`]: [shown] })
  },
  'all headers, in the body': ({ request, response }) =>
    json(response, 200, { text: JSON.stringify(request.headers), headers: request.headers }),
  'a refusal of the key': refusal(401),
  'a 403': refusal(403),
  'a 404': refusal(404),
  'a 409': refusal(409),
  'a 422': refusal(422),
  'a 500': refusal(500),
  'a 503': refusal(503),
  ...Object.fromEntries(ACROSS.map((before) => [`a message of ${before} and more`, refusal(422, before)])),
  'a request id': headers({ 'request-id': 'KEY', 'x-request-id': 'KEY' }),
  'a request id of a refusal': headers({ 'request-id': 'req_KEY' }, 422),
  'a long request id': headers({ 'request-id': `${'r'.repeat(150)}KEY` }),
  'every other header': headers({
    'retry-after': 'KEY',
    'set-cookie': 'k=KEY',
    'www-authenticate': 'Bearer realm="KEY"',
    etag: '"KEY"',
    'x-key': 'KEY',
  }),
  'a header of a 429': headers({ 'retry-after': 'KEY' }, 429),
  'the content type': headers({ 'content-type': 'application/json; x=KEY' }),
  'another content type': headers({ 'content-type': 'text/KEY' }),
  'a redirect': ({ value, write, response }) =>
    void response.writeHead(302, { location: `/x?k=${encodeURIComponent(write(value))}` }).end(write(value)),
  'the text of the status': raw((shown) => `HTTP/1.1 422 ${shown}\r\ncontent-length: 2\r\n\r\n{}`),
  trailers: raw(
    (shown) =>
      `${LENGTH}transfer-encoding: chunked\r\ntrailer: x-key\r\n\r\n2;k=x\r\n{}\r\n0\r\nx-key: ${shown}\r\n\r\n`,
  ),
  'early hints': raw((shown) => `HTTP/1.1 103 Hints\r\nlink: <${shown}>\r\n\r\n${LENGTH}content-length: 2\r\n\r\n{}`),
  'half a body': raw((shown) => `${LENGTH}content-length: 9999\r\n\r\n{"text":"${shown}`),
  'half a refusal': raw((shown) => `HTTP/1.1 422 No\r\ncontent-length: 9999\r\n\r\n{"error":{"message":"${shown}`),
  'a broken header': raw((shown) => `HTTP/1.1 200 OK\r\n${shown}\r\n\r\n`),
  'no HTTP': raw((shown) => `${shown}\r\n\r\n`),
  'a version of HTTP': raw((shown) => `HTTP/${shown} 200 OK\r\n\r\n`),
  'a length': raw((shown) => `HTTP/1.1 200 OK\r\ncontent-length: ${shown}\r\n\r\n{}`),
  'no JSON': raw((shown) => `${LENGTH}content-length: ${shown.length}\r\n\r\n${shown}`),
  'a redirect to the same address': raw((shown) => {
    const path = shown.replaceAll(' ', '%20')
    return `HTTP/1.1 302 Found\r\nlocation: /${path}\r\nlink: </${path}>; rel=next\r\ncontent-length: 0\r\n\r\n`
  }),
  // a name has no case, so the form is not the visit's
  'the name of a header': ({ value, response }) => {
    response.setHeader(`x-${Buffer.from(value).toString('hex')}`, '1')
    json(response, 200, { text: 'x' })
  },
  'two chunks, cut in the middle': inPieces((shown) => {
    const [one, other] = halves(shown)
    return [`data: ${one}`, `${other}\n\n`]
  }),
  'chunks of a few bytes': inPieces((shown) => `it is ${shown}`.match(/.{1,7}/g) ?? []),
  'a stream that is cut after it': inPieces((shown) => [`data: ${shown}\n`, 'data: '], false),
  'a stream that is cut within it': inPieces((shown) => ['data: ', halves(shown)[0]], false),
  'a page': ({ value, write, response }) =>
    void response.writeHead(200, { 'content-type': 'text/html' }).end(`<p>${write(value)}</p>`),
}

/**
 * A backend that shows everybody the key that it was shown: `/PLACE/FORM`, by number.
 * @param forms ways to write a value
 */
export async function startEchoing(
  forms: readonly ((value: string) => string)[],
): Promise<{ readonly url: string; shown(): ReadonlySet<string>; close(): Promise<void> }> {
  const shown = new Set<string>()
  const places = Object.values(PLACES)
  const server = createServer((request, response) => {
    request.resume().on('end', () => {
      const value = keyOf(request)
      shown.add(value)
      const [, place = '', form = ''] = /\/(\d+)\/(\d+)/.exec(request.url ?? '') ?? []
      const write = forms[Number(form)]
      const put = places[Number(place)]
      if (put === undefined || write === undefined) return json(response, 200, { text: 'x' })
      // what no header or line can carry is not sent there
      void put({ value, write: (one) => write(one).replace(/[\r\n]/g, ' '), request, response })
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    shown: () => shown,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function keyOf({ headers: { authorization = '', 'x-api-key': key } }: IncomingMessage): string {
  if (typeof key === 'string') return key
  const [scheme, ...rest] = authorization.split(' ')
  const value = rest.join(' ')
  return scheme === 'Basic'
    ? Buffer.from(value, 'base64')
        .toString()
        .replace(/^[^:]*:/, '')
    : value
}
