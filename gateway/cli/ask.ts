import { isLoopback } from '../config.ts'
import type { ProblemBody } from '../core/problem.ts'
import { EXIT, Failure, type Exit } from './exit.ts'
import { pathAt } from './lent.ts'
import { visible } from './visible.ts'

export interface Asked {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'DELETE'
  readonly token?: string
  /** An object is sent as JSON, a URLSearchParams as a form, a text as it stands: JSON that nobody has read and rewritten. */
  readonly body?: object | string
  readonly headers?: Record<string, string>
}

export interface Answered {
  readonly status: number
  readonly body: unknown
}

/** A gateway may hold a request for 25 s (Prefer: wait); nothing takes much longer. */
const TIMEOUT_MS = 40_000

/**
 * Asks a running gateway. Whatever it answers in JSON is an answer, problems too.
 * @throws Failure `unreachable` where nobody answers there, or somebody else does.
 */
export async function ask(base: string, path: string, asked: Asked = {}): Promise<Answered> {
  const url = addressOf(base, path)
  const { method = 'GET', token, body, headers } = asked
  const form = body instanceof URLSearchParams
  const response = await fetch(url, {
    method,
    redirect: 'manual',
    signal: AbortSignal.timeout(TIMEOUT_MS),
    headers: {
      accept: 'application/json, application/problem+json',
      ...(token ? { authorization: `Bearer ${token}` } : {}),
      ...(body === undefined || form ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: form || typeof body === 'string' ? body : JSON.stringify(body) }),
  }).catch((error: unknown) => {
    throw unreachable(base, error)
  })
  const text = await response.text().catch((error: unknown) => {
    throw unreachable(base, error)
  })
  if (response.status === 204 || text === '') return { status: response.status, body: null }
  try {
    return { status: response.status, body: JSON.parse(text) as unknown }
  } catch {
    throw new Failure(
      EXIT.unreachable,
      `What answers at ${base} is no Keystay gateway (status ${response.status}, no JSON). Check --url and --admin-url.`,
    )
  }
}

/** As `ask`, for answers of 2xx only. @throws Failure with what the gateway said and the exit code of its kind. */
export async function askFor<T>(base: string, path: string, asked: Asked = {}): Promise<T> {
  const { status, body } = await ask(base, path, asked)
  if (status >= 200 && status < 300) return body as T
  throw refusal(status, body)
}

/** A problem (RFC 9457), or an error of RFC 6749, as a sentence. */
export function refusal(status: number, body: unknown): Failure {
  const said = (typeof body === 'object' && body !== null ? body : {}) as Partial<ProblemBody> & {
    error?: string
    error_description?: string
  }
  const sentence =
    said.detail ?? said.title ?? said.error_description ?? said.error ?? `The gateway answered ${status}.`
  const code = said.code ?? said.error
  return new Failure(exitOf(status, said.error), `${visible(sentence)}${code ? ` (${visible(code)})` : ''}`, {
    problem: body,
  })
}

/** @param error of RFC 6749: who is given no session is told so with 400, whatever the reason. */
function exitOf(status: number, error: string | undefined): Exit {
  const refused = status === 400 && error !== undefined && error !== 'expired_token'
  return refused || status === 401 || status === 403 || status === 429 ? EXIT.denied : EXIT.check_failed
}

export function addressOf(base: string, path: string): URL {
  if (!URL.canParse(base) || !/^https?:$/.test(new URL(base).protocol)) {
    throw new Failure(EXIT.usage, `${base} is not a URL. Write for example http://127.0.0.1:8787.`)
  }
  const url = pathAt(base, path)
  // Tokens go along with most requests; a plain connection to another machine would show them to whoever listens.
  if (url.protocol === 'http:' && !isLoopback(url.hostname)) {
    throw new Failure(
      EXIT.usage,
      `${base} is plain http to another machine, which would show your token on the way. Use https.`,
    )
  }
  return url
}

export function unreachable(base: string, error: unknown): Failure {
  const cause =
    error instanceof Error ? ((error.cause as { code?: string } | undefined)?.code ?? error.name) : String(error)
  const why = cause === 'TimeoutError' ? 'It did not answer in time' : 'No gateway answers'
  return new Failure(
    EXIT.unreachable,
    `${why} at ${base} (${cause}). Start one with npm start (the demo) or keystay serve.`,
  )
}
