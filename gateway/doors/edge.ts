import type { RequestHandler } from 'express'
import { Problem } from '../core/problem.ts'
import type { Gateway } from '../pipeline/gateway.ts'

/**
 * What must hold of every request before anything is looked at: HTTP/1.1 (or the 1.0 of an old proxy, which has no
 * chunks: RFC 9112, section 6.1), one Host (section 3.2), at most one Authorization, one spelling of the path, a method
 * that some route has.
 */
export const edge: RequestHandler = (request, _response, next) => {
  const { httpVersion: version, headers } = request
  // The parser takes a request line without a version for HTTP/0.9.
  if (version !== '1.1' && (version !== '1.0' || headers['transfer-encoding'] !== undefined)) {
    throw new Problem('malformed', 'Speak HTTP/1.1.')
  }
  // Of two, node would quietly keep the first, and a proxy before us perhaps the second.
  const { host = [], authorization = [] } = request.headersDistinct
  if (host.length !== 1) throw new Problem('malformed', 'Send exactly one Host header.')
  if (authorization.length > 1) throw new Problem('malformed', 'Send at most one Authorization header.')
  if (!METHODS.has(request.method) || !isExact(request.originalUrl)) throw noSuchRoute()
  next()
}

/** Nothing here, or not with this method: one answer, which tells nothing about what else there is. */
export function noSuchRoute(): Problem {
  return new Problem('no_such_route', 'Paths and methods are exact: case, slashes and encoding count.')
}

/** HEAD and OPTIONS would otherwise be answered by express itself. */
const METHODS = new Set(['GET', 'POST', 'PUT', 'PATCH', 'DELETE'])

/**
 * Segments of plain characters, none empty, none `.` or `..`; of the encodings only that of the colon, which clients
 * encode in `role:NAME`. So a path has one spelling, and no later decoder finds a slash in it.
 */
function isExact(url: string): boolean {
  const path = url.split('?', 1)[0] ?? ''
  // The only addresses that end in a slash: what their pages ask for lies below them.
  if ((path === '/console/' || path === '/docs/') && url.length <= 4096) return true
  return url.length <= 4096 && /^(?:\/(?!\.{1,2}(?:\/|$))(?:[A-Za-z0-9._~:@-]|%3A)+)+$/.test(path) && !url.includes('#')
}

/**
 * A page of another site must not speak to us through a person's browser, whatever it carries.
 *
 * @throws Problem not_eligible when an Origin is there and is not this host.
 */
export function sameOrigin(gateway: Gateway): RequestHandler {
  return (request, _response, next) => {
    const { origin, host } = request.headers
    if (origin !== undefined && !(URL.canParse(origin) && new URL(origin).host === host?.toLowerCase())) {
      gateway.refused('not_eligible', request.socket.remoteAddress ?? 'unknown')
      throw new Problem('not_eligible', 'Requests from pages of other origins are refused.')
    }
    next()
  }
}
