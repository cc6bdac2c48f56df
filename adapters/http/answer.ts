import type { IncomingHttpHeaders } from 'node:http'
import type { BackendSpec, Json, JsonObject, Outcome } from '../../gateway/core/types.ts'
import type { Exchanged } from './exchange.ts'
import { readJson } from './json.ts'
import { isObject } from './request.ts'

/**
 * What the answer means (R5). Certain is only: a 2xx that can be read (done), and a status that the backend's `final`
 * lists (refused; its body is a courtesy and may be unreadable). Everything else after the first byte is unknown:
 * silence, a broken connection, a redirect, 408 409 425 429 5xx, a web page with 200.
 *
 * @param hidden what must not appear in a message though the backend repeats it: the credential as it was sent
 */
export function outcomeOf(backend: BackendSpec, exchanged: Exchanged, hidden: readonly string[]): Outcome {
  if (exchanged.kind === 'not_sent') return exchanged
  const { status, headers = {} } = exchanged
  const evidence = evidenceOf(backend, status, headers, hidden)
  if (exchanged.kind === 'lost' || status === undefined) {
    return { kind: 'unknown', reason: exchanged.kind === 'lost' ? exchanged.reason : 'no status', evidence }
  }
  const { body } = exchanged
  if (status >= 200 && status < 300) {
    const output = outputOf(status, headers, body)
    if ('unreadable' in output) {
      return { kind: 'unknown', reason: `the backend answered ${status}, unreadable: ${output.unreadable}`, evidence }
    }
    return { kind: 'done', output: output.value, evidence }
  }
  if (backend.final.includes(status)) {
    const retry_after_s = retryAfter(headers)
    const message = messageOf(body, hidden) ?? `the backend answered ${status}`
    return { kind: 'refused', status, message, evidence, ...(retry_after_s === null ? {} : { retry_after_s }) }
  }
  const redirect = status < 400 ? ', a redirect, which is not followed' : ''
  return { kind: 'unknown', reason: `the backend answered ${status}${redirect}`, evidence }
}

type Body = Extract<Exchanged, { kind: 'answer' }>['body']

function outputOf(status: number, headers: IncomingHttpHeaders, body: Body): { value: Json } | { unreadable: string } {
  if ('unread' in body) return { unreadable: body.unread }
  if (status === 204 || status === 205 || body.length === 0) return { value: null }
  const type = headers['content-type']?.split(';')[0]?.trim().toLowerCase()
  // a captive portal or an error page says 200 too
  if (type !== undefined && !/^(application|text)\/([a-z0-9.+-]+\+)?json$/.test(type))
    return { unreadable: 'it is not JSON' }
  const value = readJson(body)
  return value === undefined ? { unreadable: 'it is not valid JSON' } : { value }
}

export function evidenceOf(
  backend: BackendSpec,
  status: number | undefined,
  headers: IncomingHttpHeaders,
  hidden: readonly string[],
): JsonObject {
  const named = backend.request_id === null ? undefined : headers[backend.request_id.toLowerCase()]
  const id = Array.isArray(named) ? named[0] : named
  // a longer one is left out: cut in two, a secret in it would no longer be recognised
  const request_id = id !== undefined && id.length > 0 && id.length <= 200 ? visible(hide(id, hidden)) : undefined
  return { ...(status === undefined ? {} : { status }), ...(request_id === undefined ? {} : { request_id }) }
}

/** Retry-After in seconds (RFC 9110, section 10.2.3); a date is not read, clocks differ. */
function retryAfter(headers: IncomingHttpHeaders): number | null {
  const value = headers['retry-after']
  return value !== undefined && /^\d{1,6}$/.test(value) ? Number(value) : null
}

const MESSAGE_MAX = 300

/** The backend's own words about a refusal, from where common APIs put them. */
function messageOf(body: Body, hidden: readonly string[]): string | null {
  const json = 'unread' in body ? undefined : readJson(body)
  if (!isObject(json)) return null
  const { error } = json
  const candidates = [isObject(error) ? error['message'] : error, json['message'], json['detail'], json['title']]
  const text = candidates.find((candidate) => typeof candidate === 'string' && candidate.trim() !== '')
  return typeof text === 'string' ? safeText(text, hidden) : null
}

/** A backend's words as they may be shown: without what is hidden, harmless to a terminal, short. null: not without risk. */
export function safeText(text: string, hidden: readonly string[]): string | null {
  const whole = visible(hide(text.slice(0, 20_000), hidden).trim())
  if (whole.length <= MESSAGE_MAX) return whole
  // cut between words: half a secret would pass every filter that looks for the whole
  const cut = whole.lastIndexOf(' ', MESSAGE_MAX - 1)
  return cut > 0 ? `${whole.slice(0, cut)}…` : null
}

function hide(text: string, hidden: readonly string[]): string {
  return hidden.reduce((rest, value) => (value === '' ? rest : rest.replaceAll(value, '[secret]')), text)
}

/** Control, format and bidi characters, line ends and half characters as `\u202e`: a terminal or a page must not obey them. */
function visible(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`,
  )
}
