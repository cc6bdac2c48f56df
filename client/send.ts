/** What came back, whatever its status. */
export interface Answer {
  readonly status: number
  /** Parsed JSON; null where there was none. */
  readonly body: unknown
  /** `Idempotency-Replayed`: nothing new happened. */
  readonly replayed: boolean
  /** From `Retry-After`, ms; null without. */
  readonly retry_after_ms: number | null
}

export interface Sent {
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly headers: { readonly [name: string]: string }
  readonly body?: string
  readonly timeout_ms: number
  readonly signal?: AbortSignal
}

/** Nobody answered, or not in time, or no gateway: whether the request arrived is not known. */
export class Unreachable extends Error {
  override readonly name = 'Unreachable'
}

/** One request, one try. @throws Unreachable; the reason of `signal` where that ended it. */
export async function send(url: URL, { timeout_ms, signal, ...sent }: Sent): Promise<Answer> {
  const late = AbortSignal.timeout(timeout_ms)
  const either = signal === undefined ? late : AbortSignal.any([signal, late])
  try {
    // A redirect would carry the token elsewhere.
    const response = await fetch(url, { ...sent, redirect: 'manual', signal: either })
    const text = await response.text()
    const { status, headers } = response
    const replayed = headers.get('idempotency-replayed') === 'true'
    return { status, body: parsed(text), replayed, retry_after_ms: retryAfter(headers.get('retry-after')) }
  } catch (error) {
    signal?.throwIfAborted()
    const cause = (error as { cause?: { code?: string } }).cause?.code
    throw new Unreachable(
      `No gateway answers at ${url.origin} (${late.aborted ? 'not in time' : (cause ?? 'cut off')}).`,
    )
  }
}

export interface Patience {
  /** Repeats end so long after the first try began. 0: one try. */
  readonly patience_ms: number
  readonly signal?: AbortSignal
}

const TRIES_MAX = 8
const FIRST_PAUSE_MS = 150
const PAUSE_MAX_MS = 5_000
/** The gateway, or a proxy before it, could not take the request: nothing of it is known to have counted. */
const AGAIN = new Set([408, 429, 500, 502, 503, 504])

/**
 * Tries again, with growing pauses and never before `Retry-After`, what found nobody or was not taken. Only for requests
 * that may be sent twice: reads, and writes under a request key, which never act twice. An answer about a call is an answer.
 */
export async function repeated(attempt: () => Promise<Answer>, { patience_ms, signal }: Patience): Promise<Answer> {
  const until = performance.now() + patience_ms
  for (let tried = 1; ; tried++) {
    const answer = await attempt().catch((error: unknown) => {
      if (error instanceof Unreachable) return error
      throw error
    })
    const settled = !(answer instanceof Unreachable) && !mayPass(answer)
    const asked_ms = answer instanceof Unreachable ? 0 : (answer.retry_after_ms ?? 0)
    const grown_ms = Math.min(PAUSE_MAX_MS, FIRST_PAUSE_MS * 2 ** (tried - 1)) * (0.5 + Math.random() / 2)
    const pause_ms = Math.max(asked_ms, grown_ms)
    if (settled || tried >= TRIES_MAX || performance.now() + pause_ms > until) {
      if (answer instanceof Unreachable) throw answer
      return answer
    }
    await pause(pause_ms, signal)
  }
}

function mayPass({ status, body }: Answer): boolean {
  const { call, retry } = (body ?? {}) as { readonly call?: unknown; readonly retry?: unknown }
  return AGAIN.has(status) && call === undefined && retry !== 'never'
}

/** @throws the reason of `signal`. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const over = () => {
      clearTimeout(timer)
      reject(signal?.reason as Error)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', over)
      resolve()
    }, ms)
    if (signal?.aborted === true) over()
    else signal?.addEventListener('abort', over, { once: true })
  })
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** Seconds, or a date (RFC 9110, section 10.2.3). */
function retryAfter(value: string | null): number | null {
  if (value === null) return null
  const ms = /^\d{1,9}$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now()
  return Number.isNaN(ms) ? null : Math.max(0, ms)
}
