import type { IncomingHttpHeaders } from 'node:http'
import type { Dispatcher } from 'undici'
import type { Attempt } from '../adapter.ts'
import type { Message } from './request.ts'

/** What became of one message on the wire. Only `not_sent` is certain about the effect. */
export type Exchanged =
  | { readonly kind: 'not_sent'; readonly code?: 'permit' | 'backend_unavailable'; readonly reason: string }
  | { readonly kind: 'lost'; readonly reason: string; readonly status?: number; readonly headers?: IncomingHttpHeaders }
  | {
      readonly kind: 'answer'
      readonly status: number
      readonly headers: IncomingHttpHeaders
      /** Or why it was not read. */
      readonly body: Buffer | { readonly unread: string }
    }

/** The most that is read of an answer. */
export const ANSWER_MAX = 1024 * 1024

/**
 * Sends one message, once. The answer, the silence or the refusal is data; this never rejects.
 *
 * `onRequestStart` is the last hook before bytes are written: undici calls it when a connection stands, in the same turn
 * as the write (held by a test on a raw socket). Until it lets the message pass, nothing was sent, for certain; from then
 * on nothing is certain without an answer. A refusal there throws instead of aborting: an abort would close the
 * connection, and the next attempt with a fresh permit would begin with a TLS handshake that ages it again.
 */
export function exchange(
  pool: Dispatcher,
  message: Message,
  headers: string[],
  attempt: Attempt,
  timeout_ms: number,
): Promise<Exchanged> {
  return new Promise((resolve) => {
    let wire: Dispatcher.DispatchController | null = null
    let status: number | undefined
    let answered: IncomingHttpHeaders | undefined
    let settled = false
    const chunks: Buffer[] = []
    let size = 0

    const settle = (result: Exchanged): void => {
      if (settled) return
      settled = true
      clearTimeout(timer)
      attempt.signal.removeEventListener('abort', stop)
      resolve(result)
    }
    const giveUp = (reason: string): void => {
      if (wire === null)
        return settle({ kind: 'not_sent', code: 'backend_unavailable', reason: `${reason}, before anything was sent` })
      settle({ kind: 'lost', reason, status, headers: answered })
      wire.abort(new Error('given up'))
    }
    const stop = (): void => giveUp('the attempt was stopped')
    const timer = setTimeout(
      () => giveUp('the backend did not answer in time'),
      Math.min(timeout_ms, Math.max(0, attempt.notAfter - performance.now())),
    )
    attempt.signal.addEventListener('abort', stop)

    /** Enough is known; the rest of the answer is not read, and the connection not used again. */
    const cut = (controller: Dispatcher.DispatchController, unread: string): void => {
      settle({ kind: 'answer', status: status ?? 0, headers: answered ?? {}, body: { unread } })
      controller.abort(new Error('not read further'))
    }

    const handler: Dispatcher.DispatchHandler = {
      onRequestStart(controller) {
        // R11: if the client below ever asked for a second write of the same message, it would be a retry
        if (wire !== null) giveUp('the connection was lost')
        if (settled) throw new Error('given up')
        const refused = refusal(attempt)
        if (refused !== null) {
          settle(refused)
          throw new Error('refused')
        }
        wire = controller
      },
      onResponseStart(controller, statusCode, responseHeaders) {
        // 103 and its like may come any number of times before the answer; the timer bounds them
        if (statusCode < 200) return
        status = statusCode
        answered = responseHeaders
        const encoding = responseHeaders['content-encoding']
        if (encoding !== undefined && encoding !== 'identity')
          return cut(controller, 'it is compressed, which was not asked for')
        if (Number(responseHeaders['content-length'] ?? 0) > ANSWER_MAX) cut(controller, 'it is too large')
      },
      onResponseData(controller, chunk) {
        size += chunk.length
        if (size > ANSWER_MAX) return cut(controller, 'it is too large')
        chunks.push(chunk)
      },
      onResponseEnd() {
        settle({ kind: 'answer', status: status ?? 0, headers: answered ?? {}, body: Buffer.concat(chunks) })
      },
      onResponseError(_controller, error) {
        if (wire === null) settle({ kind: 'not_sent', code: 'backend_unavailable', reason: connectReason(error) })
        else
          settle({
            kind: 'lost',
            reason: 'the connection was lost before the answer was complete',
            status,
            headers: answered,
          })
      },
    }

    try {
      pool.dispatch(
        {
          path: message.target,
          method: message.method,
          headers,
          body: message.body,
          headersTimeout: 0,
          bodyTimeout: 0,
        },
        handler,
      )
    } catch {
      // undici reports to the handler; should it ever throw instead, the hook tells whether something left
      if (wire === null)
        settle({ kind: 'not_sent', code: 'backend_unavailable', reason: 'the request could not be begun' })
      else giveUp('the connection was lost')
    }
  })
}

/** The last look (R3), in the same turn as the write; null: it may be sent. */
export function refusal(attempt: Attempt): Extract<Exchanged, { kind: 'not_sent' }> | null {
  if (attempt.signal.aborted) return { kind: 'not_sent', reason: 'the attempt was stopped, before anything was sent' }
  if (performance.now() >= attempt.notAfter) return { kind: 'not_sent', reason: 'the time for this attempt is over' }
  if (!permitted(attempt))
    return { kind: 'not_sent', code: 'permit', reason: 'the permit for the first byte is too old' }
  return null
}

// an error never means allow
function permitted(attempt: Attempt): boolean {
  try {
    return attempt.permit()
  } catch {
    return false
  }
}

/** Why no connection came about, in words that hold nothing of the backend's own text or address. */
export function connectReason(error: Error): string {
  const code =
    'code' in error && typeof error.code === 'string' && /^[A-Z0-9_]{1,64}$/.test(error.code) ? error.code : 'unknown'
  if (code === 'EGRESS_REFUSED') return error.message
  if (code === 'ECONNREFUSED') return 'the backend refused the connection'
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN' || code === 'ENODATA') return 'the name of the backend was not found'
  if (/TLS|SSL|CERT|SIGNED|ISSUER|SIGNATURE/.test(code)) return `the TLS handshake with the backend failed (${code})`
  return `no connection to the backend (${code})`
}
