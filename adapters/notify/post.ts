import { Agent, buildConnector, request } from 'undici'
import type { Channel } from '../../gateway/core/notice.ts'
import type { Brought } from '../adapter.ts'
import { checkedLookup, refusedLiteral } from '../egress.ts'
import type { CourierParts } from './couriers.ts'

/** Of an answer, this much is looked at; the rest is not waited for. */
const ANSWER_MAX = 4096
const CONNECT_MS = 5000
/** A receiver that asks for a week is asked again after an hour. */
const AFTER_MAX_MS = 3_600_000
const HEADERS_MAX = 16_384

export interface Line {
  /** One POST, once: no redirect, no retry. `judge` comes before the status. Never rejects. */
  post(url: URL, body: string, headers: Record<string, string>, signal: AbortSignal, judge?: Judge): Promise<Brought>
  close(): Promise<void>
}

/** What a kind of receiver says by its own words: the beginning of its answer. null: by the status alone. */
export type Judge = (status: number, answer: string) => Brought | null

/** Connections to one channel's receiver, by the rules of egress: what was checked is what is called. */
export function lineTo(channel: Channel, { lookup, ca }: CourierParts): Line {
  const connector = buildConnector({
    allowH2: false,
    timeout: CONNECT_MS,
    rejectUnauthorized: true,
    ca,
    lookup: checkedLookup(channel.private, lookup),
  })
  const agent = new Agent({
    connections: 4,
    pipelining: 1,
    maxHeaderSize: HEADERS_MAX,
    connect: (options, callback) => {
      const refused = refusedLiteral(options.hostname, channel.private)
      if (refused) return callback(refused, null)
      connector(options, callback)
    },
  })
  return {
    async post(url, body, headers, signal, judge) {
      try {
        const answer = await request(url, {
          method: 'POST',
          dispatcher: agent,
          headers: { 'content-type': 'application/json', 'user-agent': 'keystay', ...headers },
          body,
          signal,
        })
        // Ended before its time a body says so, and nobody else listens.
        answer.body.on('error', () => {})
        const judged = judge === undefined ? null : judge(answer.statusCode, await beginningOf(answer.body))
        answer.body.destroy()
        return judged ?? byStatus(answer.statusCode, answer.headers['retry-after'])
      } catch (error) {
        return { kind: 'failed', said: reasonOf(error) }
      }
    },
    close: () => agent.destroy(),
  }
}

/**
 * Standard Webhooks, "Responding to webhooks": 2xx is a yes, 410 ends the channel, everything else (a redirect too) is a no
 * that is tried again; 429 and 503 may say when.
 */
function byStatus(status: number, retryAfter: string | string[] | undefined): Brought {
  if (status >= 200 && status < 300) return { kind: 'delivered', said: String(status) }
  if (status === 410) return { kind: 'failed', said: '410, it wants nothing more', final: true, gone: true }
  const said = status >= 300 && status < 400 ? `${status}, a redirect, which is not followed` : String(status)
  const seconds = typeof retryAfter === 'string' && /^\d{1,7}$/.test(retryAfter) ? Number(retryAfter) : null
  return seconds === null
    ? { kind: 'failed', said }
    : { kind: 'failed', said, after_ms: Math.min(seconds * 1000, AFTER_MAX_MS) }
}

/** Nobody needs the rest, and a connection whose answer was not read to its end is not used again. */
async function beginningOf(body: AsyncIterable<unknown>): Promise<string> {
  const bytes: Buffer[] = []
  let length = 0
  try {
    for await (const chunk of body) {
      bytes.push(chunk as Buffer)
      length += (chunk as Buffer).length
      if (length > ANSWER_MAX) break
    }
  } catch {
    // the status has been said already, and that is what counts
  }
  return Buffer.concat(bytes).subarray(0, ANSWER_MAX).toString('utf8')
}

/** In words that hold nothing of the receiver's own text, nor its address: that of Slack is a credential. */
function reasonOf(error: unknown): string {
  const { name, code } = (error instanceof Error ? error : {}) as { name?: string; code?: unknown }
  if (name === 'AbortError' || name === 'TimeoutError') return 'no answer in time'
  return connectReason(code)
}

export function connectReason(code: unknown): string {
  const known = typeof code === 'string' && /^[A-Z0-9_]{1,64}$/.test(code) ? code : 'unknown'
  if (known === 'EGRESS_REFUSED')
    return 'its address is not one that may be called (private: true in notify.yaml, if that is meant)'
  if (known === 'ECONNREFUSED') return 'nobody listens there'
  if (known === 'ENOTFOUND' || known === 'EAI_AGAIN' || known === 'EDNS') return 'its name was not found'
  if (/TIMEOUT|TIMEDOUT/.test(known)) return 'no answer in time'
  if (/TLS|SSL|CERT|SIGNED|ISSUER|SIGNATURE/.test(known)) return `the TLS handshake failed (${known})`
  return `no connection, or none to the end (${known})`
}
