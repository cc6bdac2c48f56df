/** What a client library would never send: requests that some reader along the way may take for another one. */
export interface Trick {
  readonly what: string
  readonly bytes: (token: string) => string | Buffer
  /** The code of the answer. */
  readonly code: string
}

const PATH = '/proxy/llm.chat/v1/models'
const FILES = '/proxy/files.put/v1/files'

function request(
  target: string,
  lines: readonly string[] = [],
  { method = 'GET', version = 'HTTP/1.1', host = 'Host: keystay.example', body = '' } = {},
): Trick['bytes'] {
  return (token) => {
    const head = [
      `${method} ${target} ${version}`,
      host,
      `Authorization: Bearer ${token}`,
      'Connection: close',
      ...lines,
    ]
    return Buffer.from(`${head.filter((line) => line !== '').join('\r\n')}\r\n\r\n${body}`, 'latin1')
  }
}

/** Targets that the edge knows under one spelling only: 404, whatever they would decode to. */
const SPELLINGS: readonly string[] = [
  // dot segments, plain, encoded once and twice, in part
  ...[
    '..',
    '.',
    '%2e%2e',
    '%2E%2E',
    '.%2e',
    '%2e.',
    '%2e',
    '%252e%252e',
    '..;',
    '..%3b',
    '..%00',
    '%2e%2e%00',
    '..%20',
    '..%09',
  ].map((dots) => `/proxy/llm.chat/v1/x/${dots}/models`),
  ...[
    '../v1/models',
    '..%2fv1/models',
    '%2e%2e%2fv1/models',
    '..%5cv1/models',
    '..\\v1/models',
    '%2e%2e/v1/models',
  ].map((climb) => `/proxy/llm.chat/x/${climb}`),
  '/proxy/llm.chat/../files.put/v1/files',
  '/proxy/../proxy/llm.chat/v1/models',
  '/proxy/llm.chat/v1/models/..',
  '/proxy/llm.chat/v1/models/.',
  '/proxy/x/%2e%2e/llm.chat/v1/models',
  // slashes
  '//proxy/llm.chat/v1/models',
  '/proxy//llm.chat/v1/models',
  '/proxy/llm.chat//v1/models',
  '/proxy/llm.chat/v1//models',
  '/proxy/llm.chat/v1/models/',
  '/proxy/llm.chat/v1/models//',
  '///proxy/llm.chat/v1/models',
  '/proxy/llm.chat/',
  '/proxy/',
  '/proxy',
  ...[
    '%2f',
    '%2F',
    '%252f',
    '%255c',
    '%5c',
    '%5C',
    '\\',
    '%c0%af',
    '%e0%80%af',
    '%f0%80%80%af',
    '%u002f',
    '%ef%bc%8f',
    '%e2%88%95',
    '%2f%2f',
    '%00%2f',
  ].flatMap((slash) => [`/proxy/llm.chat/v1${slash}models`, `/proxy${slash}llm.chat/v1/models`]),
  // bytes that end, split or cut a string somewhere
  ...[
    '%00',
    '%0d%0a',
    '%0a',
    '%0d',
    '%09',
    '%20',
    '%1f',
    '%7f',
    '%0d%0aHost:%20evil',
    '%0d%0a%0d%0aGET%20/v1/files',
    '%e5%98%8a%e5%98%8d',
    '%23',
    '%3f',
    '%3F',
    '%26',
  ].flatMap((bytes) => [`/proxy/llm.chat/v1/models${bytes}`, `/proxy/llm.chat/v1/${bytes}models`]),
  // parameters of segments, and what else is no plain character
  ...[
    ';',
    ';a=b',
    ';/',
    ';..',
    '%3b',
    '%3Ba',
    ',',
    '+',
    '=',
    '&',
    '!',
    '*',
    "'",
    '(',
    ')',
    '$',
    '[',
    ']',
    '{',
    '}',
    '|',
    '^',
    '"',
    '<',
    '>',
    '`',
  ].map((mark) => `/proxy/llm.chat/v1/models${mark}`),
  // encodings that are no need: one character, one spelling
  ...[
    '%6dodels',
    'm%6fdels',
    '%6D%6F%64%65%6C%73',
    'models%2',
    'models%',
    'models%zz',
    'models%u0041',
    '%ff',
    '%c1%ad',
    'mod%e9ls',
    'models%e2%80%8b',
    'models%cc%81',
  ].map((name) => `/proxy/llm.chat/v1/${name}`),
  '/proxy/llm%2echat/v1/models',
  '/%70roxy/llm.chat/v1/models',
  '/proxy/llm.chat/v1/models#x',
  '/proxy/llm.chat/v1/models?a=1#x',
  `/proxy/llm.chat/v1/${'a'.repeat(4100)}`,
  // another form of the target (RFC 9112, section 3.2)
  'http://keystay.example/proxy/llm.chat/v1/models',
  'https://keystay.example/proxy/llm.chat/v1/models',
  'http://127.0.0.1:1/v1/models',
  'HTTP://keystay.example/proxy/llm.chat/v1/models',
]

/** A plain path that the closed list does not have: 403, with an entry. */
const UNLISTED: readonly string[] = [
  '/proxy/llm.chat/V1/models',
  '/proxy/llm.chat/v1/Models',
  '/proxy/llm.chat/v1/MODELS',
  '/proxy/LLM.CHAT/v1/models',
  '/proxy/llm.chat/v1',
  '/proxy/llm.chat/v1/models/a/b',
  '/proxy/llm.chat/v1/models.json',
  '/proxy/llm.chat/v1/models~',
  '/proxy/llm.chat/v1/models:x',
  '/proxy/llm.chat/v1/models%3Ax',
  '/proxy/llm.chat/v1/models@evil.example',
  '/proxy/llm.chat/@evil.example/v1/models',
  '/proxy/llm.chat/x/v1/models',
  '/proxy/llm.chat/v1/models...',
  '/proxy/llm.chat/.../v1/models',
  '/proxy/llm.chat/v1/files',
  '/proxy/llm.chat/v1/ghosts',
  '/proxy/llm.chat',
  '/proxy/llm/chat/v1/models',
  '/proxy/llm_chat/v1/models',
  '/proxy/llm.chat.x/v1/models',
  '/proxy/ghosts.list/v1/ghosts',
  '/proxy/pay.refund/v1/models',
  '/proxy/constructor/v1/models',
  '/proxy/__proto__/v1/models',
  '/proxy/toString/v1/models',
]

const QUERIES: readonly string[] = [
  'a=%00',
  'a=%0d%0a',
  'a=%0aHost:evil',
  'a=%1b',
  'a=%7f',
  'a=%',
  'a=%2',
  'a=%zz',
  'a=%u0041',
  'a=\\',
  'a={b}',
  'a=|',
  'a=^',
  'a="',
  'a=<x>',
  'a=`',
]

const HEADERS: readonly (readonly [string, readonly string[]])[] = [
  ...[
    'X-HTTP-Method-Override: DELETE',
    'X-HTTP-Method: DELETE',
    'X-Method-Override: DELETE',
    'x-http-method-override: get',
    'X_HTTP_Method_Override: DELETE',
  ].map((line) => [`another method by ${line.split(':')[0]}`, [line]] as const),
  ...[
    'X-Original-URL: /v1/files',
    'X-Rewrite-URL: /v1/files',
    'X-Original-Method: DELETE',
    'X-Original-Path: /x',
    'X-Override-URL: /x',
  ].map((line) => [`another path by ${line.split(':')[0]}`, [line]] as const),
  ['an upgrade to WebSocket', ['Connection: upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13']],
  ['an upgrade to HTTP/2', ['Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA']],
  ['a Connection that names the credential', ['Connection: close, authorization']],
  ['a Connection that names a header', ['Connection: content-type']],
  ['two values of one header', ['Accept: a/b', 'Accept: c/d']],
  ['a header beyond ASCII', ['Accept: \xe9']],
  ['a key twice', ['Idempotency-Key: a', 'Idempotency-Key: b']],
  ['a key with a blank', ['Idempotency-Key: a b']],
  ['a dry run that is neither', ['Keystay-Dry-Run: yes']],
  ['two Authorization headers', ['Authorization: Bearer other']],
  ['two Host headers', ['Host: evil.example']],
  ['two Host headers alike', ['Host: keystay.example']],
  ['a body of a GET', ['Content-Length: 1']],
  ['chunks of a GET', ['Transfer-Encoding: chunked']],
]

/** Framings that two readers end at different bytes (RFC 9112, section 6.3). */
const FRAMINGS: readonly (readonly [string, readonly string[], string])[] = [
  ['a length and chunks', ['Content-Length: 4', 'Transfer-Encoding: chunked'], '0\r\n\r\n'],
  ['chunks and a length', ['Transfer-Encoding: chunked', 'Content-Length: 4'], '0\r\n\r\n'],
  ['two lengths', ['Content-Length: 4', 'Content-Length: 5'], 'abcde'],
  ['two lengths in one', ['Content-Length: 4, 5'], 'abcde'],
  ['the same length twice', ['Content-Length: 4', 'Content-Length: 4'], 'abcd'],
  ['a length with a sign', ['Content-Length: +4'], 'abcd'],
  ['a negative length', ['Content-Length: -1'], ''],
  ['a length in hexadecimal', ['Content-Length: 0x4'], 'abcd'],
  ['a length with a blank', ['Content-Length: 4 4'], 'abcd'],
  ['an empty length', ['Content-Length:'], 'abcd'],
  ['an enormous length', ['Content-Length: 99999999999999999999999'], ''],
  ['chunks twice', ['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'], '0\r\n\r\n'],
  ['chunks by another name', ['Transfer-Encoding: xchunked'], '0\r\n\r\n'],
  ['chunks before gzip', ['Transfer-Encoding: chunked, gzip'], '0\r\n\r\n'],
  ['gzip before chunks', ['Transfer-Encoding: gzip, chunked'], '0\r\n\r\n'],
  ['identity', ['Transfer-Encoding: identity'], 'abcd'],
  ['chunks with a tab', ['Transfer-Encoding:\tchunked', 'Content-Length: 4'], '0\r\n\r\n'],
  ['chunks with a vertical tab', ['Transfer-Encoding: \x0bchunked'], '0\r\n\r\n'],
  ['chunks behind a blank before the colon', ['Transfer-Encoding : chunked'], '0\r\n\r\n'],
  ['chunks on a folded line', ['Transfer-Encoding:', ' chunked'], '0\r\n\r\n'],
  ['a header with a NUL', ['X-A: a\0b'], ''],
  ['a header with a bare CR', ['X-A: a\rContent-Length: 4'], ''],
  ['a header with a bare LF', ['X-A: a\nTransfer-Encoding: chunked'], ''],
  ['a header without a colon', ['Transfer-Encoding'], ''],
  ['a header with a blank in its name', ['X A: b'], ''],
]

const METHODS: readonly (readonly [string, string, string])[] = [
  ['HEAD', PATH, 'no_such_route'],
  ['OPTIONS', PATH, 'no_such_route'],
  ['TRACE', PATH, 'no_such_route'],
  ['PROPFIND', PATH, 'no_such_route'],
  ['get', PATH, 'malformed'],
  ['Get', PATH, 'malformed'],
  ['GETX', PATH, 'malformed'],
  ['CONNECT', 'keystay.example:443', 'no_such_route'],
  ['POST', PATH, 'not_granted'],
  ['PUT', PATH, 'not_granted'],
  ['PATCH', PATH, 'not_granted'],
  ['DELETE', PATH, 'not_granted'],
]

export const TRICKS: readonly Trick[] = [
  ...SPELLINGS.map((target) => ({ what: `target ${shown(target)}`, bytes: request(target), code: 'no_such_route' })),
  ...UNLISTED.map((target) => ({ what: `unlisted ${target}`, bytes: request(target), code: 'not_granted' })),
  ...QUERIES.map((query) => ({ what: `query ${query}`, bytes: request(`${PATH}?${query}`), code: 'input_invalid' })),
  ...HEADERS.map(([what, lines]) => ({ what, bytes: request(PATH, lines), code: 'malformed' })),
  ...FRAMINGS.map(([what, lines, body]) => ({
    what,
    bytes: request(FILES, ['Idempotency-Key: trick', ...lines], { method: 'POST', body }),
    code: 'malformed',
  })),
  ...METHODS.map(([method, target, code]) => ({
    what: `method ${method}`,
    bytes: request(target, [], { method }),
    code,
  })),
  { what: 'no Host', bytes: request(PATH, [], { host: '' }), code: 'malformed' },
  { what: 'HTTP/0.9', bytes: request(PATH, [], { version: '' }), code: 'malformed' },
  { what: 'HTTP/2.0', bytes: request(PATH, [], { version: 'HTTP/2.0' }), code: 'malformed' },
  {
    what: 'HTTP/1.0 with chunks',
    bytes: request(FILES, ['Transfer-Encoding: chunked'], { method: 'POST', version: 'HTTP/1.0', body: '0\r\n\r\n' }),
    code: 'malformed',
  },
  {
    what: 'no token',
    bytes: () =>
      request(PATH)('')
        .toString()
        .replace(/Authorization.*\r\n/, ''),
    code: 'token_missing',
  },
  {
    what: 'a token in the query',
    bytes: (token) =>
      request(`${PATH}?access_token=${token}`)('')
        .toString()
        .replace(/Authorization.*\r\n/, ''),
    code: 'token_missing',
  },
  {
    what: 'a write without a key',
    bytes: request(FILES, ['Content-Length: 1'], { method: 'POST', body: 'x' }),
    code: 'key_required',
  },
]

function shown(text: string): string {
  return text.length > 80 ? `${text.slice(0, 40)}… (${text.length} characters)` : text
}
