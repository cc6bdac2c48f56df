import type { Request, Response } from 'express'
import { discardBody } from './read-body.ts'
import { pageHeaders, SECURITY_HEADERS } from './security-headers.ts'

export interface Answer {
  readonly status: number
  /** `application/json` unless said. Always UTF-8. */
  readonly type?: string
  /** Becomes JSON; undefined: no body. */
  readonly body: unknown
  /** Goes out as it is, in place of a body that becomes JSON. */
  readonly text?: string
  /** Goes out in place of both, as it is: hashes, or what was looked through before. */
  readonly bytes?: Uint8Array
  /** Undefined ones are left out. */
  readonly headers?: Headers
  /** Values of Set-Cookie, a line each. */
  readonly cookies?: readonly string[]
  /** The Content-Security-Policy of a page that people read; without it nothing is allowed at all. */
  readonly policy?: string
}

export type Headers = { readonly [name: string]: string | undefined }

/** Takes secrets out of text. Every byte of ours that leaves goes through it. */
export type Scrub = (text: string) => string

export type Send = (request: Request, response: Response, answer: Answer) => Promise<void>

/**
 * The one way out. A request whose body was not read is first read to its end, within bounds: closing a connection on
 * bytes that are still arriving would make the kernel drop our answer.
 */
export function sender(scrub: Scrub): Send {
  return async (
    request,
    response,
    { status, type = 'application/json', body, text, bytes, headers = {}, cookies = [], policy },
  ) => {
    const whole = await discardBody(request)
    if (response.headersSent || response.destroyed) return
    // All at once: node checks and keeps headers that are set one by one for somebody who may change them.
    const lines = policy === undefined ? [...SECURITY_HEADERS] : pageHeaders(policy)
    lines.push('Cache-Control', 'no-store')
    for (const cookie of cookies) lines.push('Set-Cookie', oneLine(cookie))
    for (const name in headers) {
      const value = headers[name]
      if (value !== undefined) lines.push(name, oneLine(scrub(value)))
    }
    if (!whole) lines.push('Connection', 'close')
    if (bytes !== undefined) {
      lines.push('Content-Type', type, 'Content-Length', String(bytes.length))
      response.writeHead(status, lines).end(bytes)
      return
    }
    if (body === undefined && text === undefined) {
      response.writeHead(status, lines).end()
      return
    }
    const out = scrub(text ?? JSON.stringify(body))
    lines.push('Content-Type', `${type}; charset=utf-8`, 'Content-Length', String(Buffer.byteLength(out)))
    // As text: node puts it behind the headers in one write, where bytes would be a second one.
    response.writeHead(status, lines).end(out, 'utf8')
  }
}

/** No value may end its header, whatever is in it (RFC 9110, section 5.5). */
export function oneLine(value: string): string {
  return value.replaceAll(/[^\t\x20-\x7E]/g, '?')
}
