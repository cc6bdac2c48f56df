import type { BackendSpec, Json, JsonObject } from '../../gateway/core/types.ts'
import type { Attempt } from '../adapter.ts'
import { METHODS, RESERVED } from './schema.ts'
import type { Method } from './schema.ts'

/** What goes on the wire, except for the credential. */
export interface Message {
  readonly method: Method
  /** Path and query, below no other origin than the backend's. */
  readonly target: string
  readonly headers: Headers
  readonly body: string | null
}

/** The rendered request cannot be sent as it is. Nothing was sent. The message names members, never values. */
export class Unsendable extends Error {
  override readonly name = 'Unsendable'
}

/**
 * Builds the message of one attempt. The policy was checked at load and its templates encode what they place; everything
 * is verified again here, because this is the last place before the wire and a value may come from an agent.
 *
 * @throws Unsendable
 */
export function messageOf(backend: BackendSpec, base: URL, request: Json, attempt: Attempt): Message {
  if (!isObject(request)) throw new Unsendable('the request is not an object')
  const [method, ...more] = METHODS.filter((name) => Object.hasOwn(request, name))
  if (method === undefined || more.length > 0) throw new Unsendable('the request needs exactly one method')
  const path = request[method]
  if (typeof path !== 'string') throw new Unsendable(`the path of ${method} is not a string`)

  const headers = new Headers()
  headers.put('user-agent', 'keystay')
  headers.put('accept', 'application/json')
  // what is compressed can grow a thousandfold while it is read, and is refused
  headers.put('accept-encoding', 'identity')
  const body = bodyOf(request, headers)
  if (method === 'GET' && body !== null) throw new Unsendable('a GET carries no body')
  headers.putAll(backend.config['headers'], RESERVED)
  headers.putAll(request['headers'], RESERVED)
  for (const [name, value] of Object.entries(attempt.stamp)) headers.put(name, value)
  // R2: the same key at every attempt of a call; the gateway's own reads (attempt 0) have nothing to repeat
  if (backend.idempotency && method !== 'GET' && attempt.number > 0) {
    headers.put(backend.idempotency.header, attempt.id)
  }
  return { method, target: targetOf(base, path, request['query']), headers, body }
}

/** Header lines in order; each name once, each value printable ASCII (RFC 9110, section 5.5, without obs-text). */
export class Headers {
  readonly #lines = new Map<string, string>()

  /** @throws Unsendable for a second value of a name, and for characters that could end the line or be read two ways. */
  put(name: string, value: string): void {
    const key = name.toLowerCase()
    if (!/^[a-z0-9!#$%&'*+.^_`|~-]{1,64}$/.test(key)) throw new Unsendable('a header has a name that is no token')
    if (!/^[\t -~]*$/.test(value)) throw new Unsendable(`the header ${key} holds characters that no header may carry`)
    if (value.length > 8192) throw new Unsendable(`the header ${key} is too long`)
    if (this.#lines.has(key)) throw new Unsendable(`the header ${key} is set twice`)
    this.#lines.set(key, value)
  }

  /** Puts what a policy wrote or rendered. @throws Unsendable also for a reserved name. */
  putAll(headers: Json | undefined, reserved: readonly string[]): void {
    if (headers === undefined) return
    if (!isObject(headers)) throw new Unsendable('headers are not an object')
    for (const [name, value] of Object.entries(headers)) {
      if (reserved.includes(name.toLowerCase())) throw new Unsendable(`the header ${name} is the gateway's own`)
      this.put(name, scalar(value, `headers.${name}`))
    }
  }

  /** Name, value, name, value: as undici takes them. */
  flat(): string[] {
    return [...this.#lines].flat()
  }
}

/**
 * The request target: the backend's base path, the path, its query.
 *
 * `encodeURIComponent('..')` is `..`, so an encoded value can still climb: each segment is looked at as it stands and
 * decoded, up to three times, because somewhere behind the backend's door a second decoder may be waiting.
 */
export function targetOf(base: URL, path: string, query: Json | undefined): string {
  const [pathname = '', ...queries] = path.split('?')
  if (!/^\/[!-~]*$/.test(path) || /[#\\]/.test(path)) throw new Unsendable('the path holds characters that no path may')
  if (/%(?![0-9A-Fa-f]{2})/.test(path)) throw new Unsendable('the path holds a broken percent-encoding')
  const segments = pathname.slice(1).split('/')
  // the root alone is the one path with an empty segment
  if (pathname !== '/') for (const segment of segments) checkSegment(segment)

  const prefix = base.pathname.replace(/\/$/, '')
  const search = [
    ...(queries.length > 0 ? [queries.join('?')] : []),
    ...(query === undefined ? [] : [encode(query, 'query')]),
  ]
    .filter((part) => part !== '')
    .join('&')
  // a URL parser must find in it exactly what was built: this origin, this path
  const url = URL.parse(`${base.origin}${prefix}${pathname}`)
  if (url?.origin !== base.origin || url.pathname !== prefix + pathname) {
    throw new Unsendable('the path does not stay below the backend’s url')
  }
  const target = prefix + pathname + (search === '' ? '' : `?${search}`)
  if (target.length > 16_384) throw new Unsendable('the path is too long')
  return target
}

function checkSegment(segment: string): void {
  let text = segment
  for (let round = 0; round <= 3; round++) {
    // oxlint-disable-next-line no-control-regex -- looking for them is the point
    if (/[\u0000-\u001f\u007f\\]/.test(text))
      throw new Unsendable('a path segment holds a control character or a backslash')
    // a decoded slash is a value of its own (`a%2Fb`), unless what it cuts off would climb
    if (text.split('/').some((part) => part === '' || part === '.' || part === '..')) {
      throw new Unsendable('the path has an empty, . or .. segment')
    }
    const decoded = decode(text)
    if (decoded === text) return
    text = decoded
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function bodyOf(request: JsonObject, headers: Headers): string | null {
  const { form, json } = request
  if (form !== undefined && json !== undefined) throw new Unsendable('a request has a form or a json body, not both')
  if (form !== undefined) {
    headers.put('content-type', 'application/x-www-form-urlencoded')
    return encode(form, 'form')
  }
  if (json === undefined) return null
  headers.put('content-type', 'application/json')
  return JSON.stringify(json)
}

/**
 * Writes a tree as form members, the way Stripe's clients do: `metadata[call]=x`, lists with their index `items[0]=y`.
 * An empty object or list writes nothing; null has no form and is refused.
 */
function encode(tree: Json, member: string): string {
  if (!isObject(tree)) throw new Unsendable(`${member} is not an object`)
  const pairs: string[] = []
  const walk = (value: Json, name: string): void => {
    if (Array.isArray(value)) {
      for (const [index, item] of (value as readonly Json[]).entries()) walk(item, `${name}[${index}]`)
    } else if (isObject(value)) {
      for (const [key, item] of Object.entries(value)) walk(item, `${name}[${memberName(key, member)}]`)
    } else {
      pairs.push(`${name}=${encodeText(scalar(value, member), member)}`)
    }
  }
  for (const [key, value] of Object.entries(tree)) walk(value, memberName(key, member))
  return pairs.join('&')
}

// a bracket in a name would be read as structure on the other side
function memberName(name: string, member: string): string {
  if (name === '' || /[[\]]/.test(name)) throw new Unsendable(`a member name of ${member} is empty or holds a bracket`)
  return encodeText(name, member)
}

function encodeText(text: string, member: string): string {
  if (!text.isWellFormed()) throw new Unsendable(`${member} holds half a character`)
  return encodeURIComponent(text)
}

function scalar(value: Json | undefined, member: string): string {
  if (typeof value === 'string') return value
  if (typeof value === 'boolean') return String(value)
  if (typeof value === 'number') {
    // 1e21 or 2^53+1 would not be the number that was decided about
    if (Number.isInteger(value) ? Number.isSafeInteger(value) : /^-?\d+\.\d+$/.test(String(value))) return String(value)
    throw new Unsendable(`${member} holds a number that cannot be written exactly`)
  }
  throw new Unsendable(`${member} holds a value that has no text form`)
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
