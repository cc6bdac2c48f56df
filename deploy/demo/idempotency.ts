import { createHash } from 'node:crypto'
import type { Answer } from './sandbox.ts'

interface Kept {
  readonly params: string
  readonly at: number
  readonly request: string
  /** null while the first request is still at work. */
  answer: Answer | null
}

/** Answers by idempotency key. As at Stripe, a key is forgotten after a day. */
export type Keys = Map<string, Kept>

const LIVES_MS = 24 * 60 * 60 * 1000

/**
 * Runs `work` at most once per key (Stripe, API reference, "Idempotent requests"): the same key with the same
 * parameters replays the first answer, also a 4xx or 5xx one; with others it is 400; while the first is in flight, 409.
 * Nothing is kept where `work` says that the parameters did not pass validation (`kept: false`): the key stays free.
 */
export async function once(
  keys: Keys,
  key: string,
  request: { id: string; method: string; pathname: string; params: unknown },
  work: () => Promise<{ kept: boolean; answer: Answer }>,
): Promise<Answer> {
  if (key.length > 255)
    return wrong(
      400,
      'Idempotency keys have at most 255 characters.',
      'invalid_request_error',
      'idempotency_key_too_long',
    )
  const params = createHash('sha256')
    .update(`${request.method} ${request.pathname} ${canonical(request.params)}`)
    .digest('hex')
  const there = keys.get(key)
  if (there && Date.now() - there.at < LIVES_MS) {
    if (there.params !== params) {
      return wrong(
        400,
        `Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key other than '${key}' if you meant to execute a different request.`,
      )
    }
    if (!there.answer) {
      return wrong(
        409,
        `There is currently another in-progress request using this Idempotent Key (that probably means you submitted twice, and the other request is still going through): ${key}. Please try again later.`,
        'idempotency_error',
        'idempotency_key_in_use',
      )
    }
    const { answer } = there
    return {
      ...answer,
      headers: {
        ...answer.headers,
        'Idempotency-Key': key,
        'Original-Request': there.request,
        'Idempotent-Replayed': 'true',
      },
    }
  }
  const mine: Kept = { params, at: Date.now(), request: request.id, answer: null }
  keys.set(key, mine)
  try {
    const { kept, answer } = await work()
    if (kept) mine.answer = answer
    else keys.delete(key)
    return { ...answer, headers: { ...answer.headers, 'Idempotency-Key': key, 'Original-Request': request.id } }
  } catch (error) {
    keys.delete(key)
    throw error
  }
}

function wrong(status: number, message: string, type = 'idempotency_error', code?: string): Answer {
  return { status, body: { error: { ...(code ? { code } : {}), message, type } } }
}

/** One text for one tree, whatever the order of its members. */
function canonical(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join()}}`
}
