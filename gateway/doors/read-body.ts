import type { IncomingMessage } from 'node:http'
import { Problem } from '../core/problem.ts'
import { readJson } from '../core/strict-json.ts'
import type { NotDigits } from '../core/strict-json.ts'
import type { InputError, Json } from '../core/types.ts'
import { visible } from '../core/visible.ts'

export interface BodyLimits {
  /** Bytes. */
  readonly body_max: number
  /** From the first look at the body to its last byte. */
  readonly body_ms: number
}

export const BODY_LIMITS: BodyLimits = { body_max: 64 * 1024, body_ms: 10_000 }
const BOUNDS = { depth: 32, items: 4096 }
const WANTED_JSON = `one JSON document in UTF-8, no member twice, at most ${BOUNDS.depth} levels and ${BOUNDS.items} items`

export interface JsonBody {
  readonly value: Json
  /** Integers in another notation than digits; for the door to refuse as input_invalid. */
  readonly notDigits: readonly NotDigits[]
}

/**
 * A request's JSON, bounded before it is parsed. A request without any body, and without a media type, is `{}`.
 *
 * @throws Problem not_json, too_large, too_slow, malformed.
 */
export async function readJsonBody(request: IncomingMessage, limits: BodyLimits): Promise<JsonBody> {
  if (!hasBody(request) && request.headers['content-type'] === undefined) return { value: {}, notDigits: [] }
  if (!isMedia(request, /^application\/json(?:[ \t]*;[ \t]*charset=(?:utf-8|"utf-8"))?$/i)) {
    throw new Problem(
      'not_json',
      'Send the body as "Content-Type: application/json", in UTF-8, without a content-encoding.',
      { errors: mediaErrors(request) },
    )
  }
  const read = readJson(await readBytes(request, limits), BOUNDS)
  if (!read.ok) {
    const errors: InputError[] = [{ path: 'body', got: `JSON that ${read.reason}`, want: WANTED_JSON }]
    throw new Problem('malformed', `The JSON ${read.reason}.`, { errors })
  }
  return read
}

function mediaErrors(request: IncomingMessage): InputError[] {
  const { 'content-type': type = 'nothing', 'content-encoding': coding } = request.headers
  const errors: InputError[] = []
  if (coding !== undefined) {
    errors.push({ path: 'header.Content-Encoding', got: visible(coding.slice(0, 64)), want: 'no such header' })
  }
  const want = 'application/json, of charset utf-8 where it says one, once'
  errors.push({ path: 'header.Content-Type', got: visible(type.slice(0, 64)), want, example: 'application/json' })
  return errors
}

/**
 * Form parameters (RFC 6749, appendix B), each once (section 3.2).
 *
 * @returns null when this is not a form, or a parameter stands twice or is not UTF-8.
 * @throws Problem too_large, too_slow, malformed.
 */
export async function readForm(
  request: IncomingMessage,
  limits: BodyLimits,
): Promise<ReadonlyMap<string, string> | null> {
  if (!isMedia(request, FORM)) return null
  const text = (await readBytes(request, limits)).toString('latin1')
  const parameters = new Map<string, string>()
  for (const pair of text === '' ? [] : text.split('&')) {
    const equals = pair.includes('=') ? pair.indexOf('=') : pair.length
    const [name, value] = [decode(pair.slice(0, equals)), decode(pair.slice(equals + 1))]
    if (name === null || value === null || parameters.has(name) || parameters.size >= PARAMETERS_MAX) return null
    parameters.set(name, value)
  }
  return parameters
}

/**
 * The text of a form, one byte a character; '' where nothing was sent.
 *
 * @throws Problem not_json, too_large, too_slow.
 */
export async function readFormText(request: IncomingMessage, limits: BodyLimits): Promise<string> {
  if (!hasBody(request)) return ''
  if (!isMedia(request, FORM)) {
    throw new Problem('not_json', 'Send the body as "Content-Type: application/x-www-form-urlencoded".')
  }
  return (await readBytes(request, limits)).toString('latin1')
}

const FORM = /^application\/x-www-form-urlencoded(?:[ \t]*;[ \t]*charset=(?:utf-8|"utf-8"))?$/i
const PARAMETERS_MAX = 64

function decode(text: string): string | null {
  try {
    return /^[\x20-\x7E]*$/.test(text) ? decodeURIComponent(text.replaceAll('+', ' ')) : null
  } catch {
    return null
  }
}

/** One media type, no content coding, and no transfer coding but chunked: what is read is what was sent. */
function isMedia(request: IncomingMessage, media: RegExp): boolean {
  const { 'content-type': types = [], 'transfer-encoding': transfers = [] } = request.headersDistinct
  const plain = transfers.every((transfer) => transfer.toLowerCase() === 'chunked')
  return types.length === 1 && media.test(types[0] ?? '') && plain && request.headers['content-encoding'] === undefined
}

function hasBody(request: IncomingMessage): boolean {
  const { 'content-length': length = '0', 'transfer-encoding': transfer } = request.headers
  return transfer !== undefined || length !== '0'
}

/** By events: leaving an async iterator early would destroy the socket that the answer needs. */
function readBytes(request: IncomingMessage, { body_max, body_ms }: BodyLimits): Promise<Buffer> {
  const errors: InputError[] = [{ path: 'body', got: 'more', want: `at most ${body_max} bytes` }]
  const tooLarge = () => new Problem('too_large', `A body has at most ${body_max} bytes.`, { errors })
  if (Number(request.headers['content-length'] ?? 0) > body_max) return Promise.reject(tooLarge())
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = []
    let size = 0
    const settle = (then: () => void) => {
      clearTimeout(timer)
      request.off('data', onData).off('end', onEnd).off('close', onClose)
      request.pause()
      then()
    }
    const onData = (piece: Buffer) => {
      size += piece.length
      if (size > body_max) settle(() => reject(tooLarge()))
      else pieces.push(piece)
    }
    const onEnd = () => settle(() => resolve(Buffer.concat(pieces)))
    const onClose = () => settle(() => reject(new Problem('malformed', 'The body ended before its length.')))
    const late = () => settle(() => reject(new Problem('too_slow', `The body took longer than ${body_ms} ms.`)))
    const timer = setTimeout(late, body_ms)
    request.on('data', onData).on('end', onEnd).on('close', onClose)
  })
}

const DISCARD_MAX = 1024 * 1024
const DISCARD_MS = 500

/**
 * Reads and drops what is left of a body, so that an answer given early still arrives.
 *
 * @returns false when the body is too long or too slow for that: the connection cannot be used again.
 */
export function discardBody(request: IncomingMessage): Promise<boolean> {
  if (!hasBody(request) || request.complete) {
    request.resume()
    return Promise.resolve(true)
  }
  if (request.destroyed) return Promise.resolve(false)
  return new Promise((resolve) => {
    let size = 0
    const settle = (whole: boolean) => {
      clearTimeout(timer)
      request.off('data', onData).off('end', onEnd).off('close', onClose)
      resolve(whole)
    }
    const onData = (piece: Buffer) => {
      size += piece.length
      if (size > DISCARD_MAX) settle(false)
    }
    const onEnd = () => settle(true)
    const onClose = () => settle(false)
    const timer = setTimeout(() => settle(false), DISCARD_MS)
    request.on('data', onData).on('end', onEnd).on('close', onClose).resume()
  })
}
