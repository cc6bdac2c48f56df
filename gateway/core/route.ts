import type { InputError, JsonObject, Route } from './types.ts'

/**
 * Which requests a route lets through: a closed list of method and path. A path has one spelling only (`isPlainPath`), so
 * what is compared here is what the backend is asked for, byte for byte.
 */

export type Allowed = Route['allow'][number]

/** Methods that a route may name. HEAD, OPTIONS, CONNECT and TRACE have no place in a list of things to be done. */
export const ROUTE_METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const

const SEGMENT = '[A-Za-z0-9._~:@-]'
const LINE = new RegExp(`^(${ROUTE_METHODS.join('|')}) (/|(?:/(?:\\*|${SEGMENT}+))+)$`)

/** `POST /v1/chat/completions`, `GET /v1/models/*`: `*` is one whole segment. @returns null for anything else. */
export function parseAllowed(text: string): Allowed | null {
  const [, method, path] = LINE.exec(text) ?? []
  if (method === undefined || path === undefined || climbs(path)) return null
  return { method, path }
}

/** Segments of plain characters, none empty, none `.` or `..`: no decoder finds another path in it. */
export function isPlainPath(path: string): boolean {
  return path === '/' || (new RegExp(`^(?:/${SEGMENT}+)+$`).test(path) && !climbs(path))
}

function climbs(path: string): boolean {
  return path.split('/').some((segment) => segment === '.' || segment === '..')
}

/**
 * Whether the list has this request. Letters count as they are written; `*` stands for one segment, never for a slash.
 *
 * @param input `{ method, path }` as the door read it; anything else is not on the list.
 */
export function isListed({ allow }: Pick<Route, 'allow'>, input: unknown): boolean {
  const { method, path } = (input ?? {}) as { readonly method?: unknown; readonly path?: unknown }
  if (typeof method !== 'string' || typeof path !== 'string' || !isPlainPath(path)) return false
  const given = path.split('/')
  return allow.some((line) => {
    if (line.method !== method) return false
    const wanted = line.path.split('/')
    return (
      wanted.length === given.length && wanted.every((part, i) => (part === '*' ? given[i] !== '' : part === given[i]))
    )
  })
}

/** The list in words: `POST /v1/chat/completions, GET /v1/models`. */
export function listedInWords({ allow }: Pick<Route, 'allow'>): string {
  const lines = allow.map(({ method, path }) => `${method} ${path}`)
  return lines.length <= 20 ? lines.join(', ') : `${lines.slice(0, 20).join(', ')} and ${lines.length - 20} more`
}

/** RFC 3986, section 3.4, and the brackets that many write plainly; no encoded control character, no half encoding. */
export function isPlainQuery(query: string): boolean {
  return (
    /^(?:[A-Za-z0-9._~:@!$&'()*+,;=/?[\]-]|%[0-9A-Fa-f]{2})*$/.test(query) && !/%(?:[01][0-9A-Fa-f]|7[Ff])/.test(query)
  )
}

/** What the closed list and the form of the query add to the schema of the input. */
export function routeErrors(route: Route, input: JsonObject): InputError[] {
  const errors: InputError[] = []
  if (!isListed(route, input)) {
    const got = `${String(input['method'])} ${String(input['path'])}`.slice(0, 200)
    errors.push({ path: 'input.path', got, want: `one of: ${listedInWords(route)}` })
  }
  const { query } = input
  if (typeof query === 'string' && !isPlainQuery(query)) {
    const want = 'the characters of a URL, with all others percent-encoded and no control characters'
    errors.push({ path: 'input.query', got: 'other characters', want })
  }
  return errors
}

/** Request headers that pass on every route, in small letters; a route may name more. */
export const PASSED_HEADERS: ReadonlySet<string> = new Set(
  `accept accept-language content-type content-language content-encoding if-match if-none-match if-modified-since
   if-unmodified-since if-range range prefer`.split(/\s+/),
)

/**
 * Request headers by which some backends see another method or path than the one that was decided about. They are
 * refused, not dropped: whoever sends one means it. (Forwarded headers, which a proxy before the gateway adds, are dropped.)
 */
export const OVERRIDES =
  /^(?:x-http-method(?:-override)?|x-method(?:-override)?|x-original-(?:method|url|uri|path)|x-rewrite-(?:url|uri|path)|x-override-.*)$/

/**
 * What no policy can let through: what names the target, frames the message, says who asks or another request than the one
 * that was decided about, or carries a credential.
 */
export const NEVER_PASSED =
  /^(?:host|connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|http2-settings|content-length|expect|authorization|cookie2?|forwarded|via|x-forwarded-.*|x-real-ip|x-original-.*|x-rewrite-.*|x-http-.*|x-method.*|x-override-.*|x-host|accept-encoding|user-agent|idempotency-key|keystay-.*)$/
