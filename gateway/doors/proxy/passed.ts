import type { IncomingMessage } from 'node:http'
import { Problem } from '../../core/problem.ts'
import { OVERRIDES, PASSED_HEADERS } from '../../core/route.ts'
import { sizeInWords } from '../../core/size.ts'
import type { Route } from '../../core/types.ts'

/**
 * The request headers that a route lets through, each once, in small letters. Everything else stays behind: the token,
 * cookies, hop-by-hop and forwarded headers, and whatever the policy does not name.
 *
 * @throws Problem malformed for a head that could be read two ways, or that wants another request than the one it is;
 *   too_large for a length beyond the route's.
 */
export function passed(request: IncomingMessage, route: Route): (readonly [string, string])[] {
  const { method = '', headers, headersDistinct } = request
  checkConnection(headersDistinct['connection'] ?? [], headers.upgrade)
  checkFraming(method, headersDistinct, route.request_max)
  const lines: (readonly [string, string])[] = []
  for (const [name, values = []] of Object.entries(headersDistinct)) {
    // A header with `_` is one with `-` to a CGI.
    if (OVERRIDES.test(name.replaceAll('_', '-'))) {
      throw new Problem('malformed', `The header ${name} asks for another request than this one; it is not passed on.`)
    }
    if (!PASSED_HEADERS.has(name) && !route.headers.includes(name)) continue
    const [value = '', ...more] = values
    if (more.length > 0) throw new Problem('malformed', `Send the header ${name} once.`)
    if (!/^[\t\x20-\x7E]*$/.test(value) || value.length > 8192) {
      throw new Problem('malformed', `The header ${name} holds characters that are not passed on, or too many.`)
    }
    lines.push([name, value])
  }
  return lines
}

/** An upgraded connection would be no exchange any more; `Connection` may not make a header vanish on the way. */
function checkConnection(values: readonly string[], upgrade: string | undefined): void {
  if (upgrade !== undefined) throw new Problem('malformed', 'A route passes on requests; it upgrades no connection.')
  const names = values.join(',').split(',')
  if (names.some((name) => !/^[\t ]*(?:keep-alive|close|te)?[\t ]*$/i.test(name))) {
    throw new Problem('malformed', 'The header Connection says keep-alive or close.')
  }
}

function checkFraming(
  method: string,
  headers: { readonly [name: string]: readonly string[] | undefined },
  request_max: number,
): void {
  const { 'transfer-encoding': codings = [], 'content-length': lengths = [] } = headers
  if (codings.length > 1 || codings.some((coding) => coding.toLowerCase() !== 'chunked')) {
    throw new Problem('malformed', 'A body comes with a Content-Length, or with "Transfer-Encoding: chunked".')
  }
  if (lengths.length > 1 || (lengths.length > 0 && codings.length > 0)) {
    throw new Problem('malformed', 'A body has one length.')
  }
  const length = Number(lengths[0] ?? 0)
  if (length > request_max) {
    throw new Problem('too_large', `A body has at most ${sizeInWords(request_max)} on this route.`)
  }
  if (method === 'GET' && (length > 0 || codings.length > 0)) {
    throw new Problem('malformed', 'A GET carries no body.')
  }
}
