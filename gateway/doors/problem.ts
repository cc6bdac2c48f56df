import { problemBody, Problem } from '../core/problem.ts'
import type { Code, ProblemBody } from '../core/problem.ts'
import type { Answer, Headers } from './send.ts'

/**
 * RFC 9457, with the headers that its code asks for.
 *
 * @param metadata names the document that a challenge points at.
 */
export function problemAnswer(body: ProblemBody, headers: Headers = {}, metadata?: () => string): Answer {
  const own = {
    'Retry-After': body.retry_after === undefined ? undefined : String(Math.ceil(body.retry_after)),
    'WWW-Authenticate': body.status === 401 ? challenge(body, metadata) : undefined,
  }
  return { status: body.status, type: 'application/problem+json', body, headers: { ...own, ...headers } }
}

/**
 * What is thrown at a door, as a problem. Whatever is not a Problem is a fault of ours (or a store that is away): its text
 * stays inside.
 */
export function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error
  // By name: no door imports the store.
  if (error instanceof Error && error.name === 'StoreUnavailable') {
    const reason = 'reason' in error ? error.reason : ''
    if (reason === 'overloaded') {
      return new Problem('overloaded', 'Too much work waits. Nothing was kept.', { retry_after: 1 }, { cause: error })
    }
    // Where the answer is missing nobody knows yet what was kept; the same key finds it out and never acts twice.
    const unsure = reason === 'deadline' || reason === 'in_doubt'
    const detail = unsure
      ? 'The ledger did not answer in time. Send it again under the same key.'
      : 'The ledger cannot be written; nothing was kept.'
    return new Problem('ledger_unavailable', detail, { retry_after: 1 }, { cause: error })
  }
  return new Problem('internal', 'The gateway met a fault of its own.', {}, { cause: error })
}

/** Refusals that never became a call or a click: counted in `requests.refused`. The others have entries of their own. */
export function isRefusedAtTheDoor(code: Code): boolean {
  return AT_THE_DOOR.has(code)
}

const AT_THE_DOOR: ReadonlySet<Code> = new Set<Code>([
  ...(['malformed', 'key_required', 'token_missing', 'token_invalid', 'session_expired', 'session_revoked'] as const),
  ...(['no_such_route', 'too_slow', 'too_large', 'not_json', 'input_invalid', 'internal'] as const),
  ...(['ledger_unavailable', 'overloaded'] as const),
])

/** RFC 6750, section 3: no error code when no token was sent. `resource_metadata` is RFC 9728's. */
function challenge({ code, detail }: ProblemBody, metadata?: () => string): string {
  const where = metadata === undefined ? '' : `, resource_metadata="${plain(metadata())}"`
  if (code === 'token_missing') return `Bearer realm="keystay"${where}`
  const description = plain(detail).slice(0, 300)
  return `Bearer realm="keystay", error="invalid_token", error_description="${description}"${where}`
}

/** For a quoted-string: without anything that would need escaping. */
function plain(text: string): string {
  return text.replaceAll(/[^\x20-\x7E]|["\\]/g, "'")
}

/** The bytes of an answer for requests that never reached the app: the HTTP parser refused them. */
export function rawProblem(code: Code, detail: string): string {
  const problem = problemBody(code, detail)
  const body = JSON.stringify(problem)
  return [
    `HTTP/1.1 ${problem.status} ${code}`,
    'Content-Type: application/problem+json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Cache-Control: no-store',
    'Connection: close',
    '',
    body,
  ].join('\r\n')
}
