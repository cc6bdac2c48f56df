import { Problem } from '../../core/problem.ts'
import type { Code } from '../../core/problem.ts'
import { requestKey } from '../headers.ts'
import type { Answer } from '../send.ts'
import type { Refused, Shape } from './shape.ts'

/**
 * Stripe's API, version 1, as its official SDKs speak it. What they do with a status was read in stripe-node 23.1
 * (RequestSender._shouldRetry, Error.generateV1Error): 409 and every 5xx are sent again by themselves unless
 * `Stripe-Should-Retry` is `false`; the status decides the class of the error.
 */
export const stripe: Shape = {
  name: 'stripe',
  body: 'form',
  // Another account's money, on whose behalf no action acts.
  refused: ['stripe-account', 'stripe-context'],
  keyOf(request) {
    const key = requestKey(request)
    if (key === null) {
      const how = "pass { idempotencyKey: 'T-481/refund-1' } as the second argument; repeat it on every retry."
      throw new Problem('key_required', `This acts, and needs a name for this one effect: ${how}`)
    }
    return { key, unnamed: INVENTED.test(key) }
  },
  paramOf: ([first = '', ...rest]) => first + rest.map((name) => `[${name}]`).join(''),
  done(body, { call }, replayed) {
    return { status: 200, body, headers: { 'Request-Id': call, 'Idempotent-Replayed': replayed ? 'true' : undefined } }
  },
  refusal(refused) {
    const { code, message, param, problem, envelope } = refused
    const status = statusOf(refused)
    const error = {
      type: TYPES[status] ?? (code === 'key_reused' ? 'idempotency_error' : 'invalid_request_error'),
      code,
      message,
      ...(param === undefined ? {} : { param }),
      // What a program of ours would read; Stripe's SDKs hand it on as `error.raw`.
      ...(problem !== undefined ? { problem } : envelope === undefined ? {} : { keystay: envelope }),
    }
    return { status, body: { error }, headers: headersOf(refused, status) }
  },
}

/** What stripe-node calls a key that it made up for one request and its repeats. */
const INVENTED = /^stripe-node-retry-/

/** 403 for everything that a repeat by itself cannot change: contract, Stripe-shaped door. */
const STATUSES: { readonly [code in Code]?: number } = {
  malformed: 400,
  key_required: 400,
  too_slow: 400,
  too_large: 400,
  not_json: 400,
  input_invalid: 400,
  key_reused: 400,
  token_missing: 401,
  token_invalid: 401,
  session_expired: 401,
  session_revoked: 401,
  no_such_route: 404,
  rate_limited: 429,
  internal: 500,
  ledger_unavailable: 503,
  backend_unavailable: 503,
  secret_unavailable: 503,
  overloaded: 503,
}

/** Stripe's own no about the request or the card keeps its status; of the gateway's own credential it says nothing here. */
const THEIRS: readonly number[] = [400, 402, 404]

function statusOf({ code, envelope }: Refused): number {
  const theirs = Number(envelope?.evidence?.['status'])
  if (code === 'backend_refused') return THEIRS.includes(theirs) ? theirs : theirs === 422 ? 400 : 403
  return (code in STATUSES ? STATUSES[code as Code] : undefined) ?? 403
}

const TYPES: { readonly [status: number]: string } = {
  402: 'card_error',
  429: 'rate_limit_error',
  500: 'api_error',
  503: 'api_error',
}

function headersOf({ call, problem }: Refused, status: number): NonNullable<Answer['headers']> {
  return {
    'Stripe-Should-Retry': 'false',
    'Request-Id': call,
    'Retry-After': problem?.retry_after === undefined ? undefined : String(Math.ceil(problem.retry_after)),
    'WWW-Authenticate': status === 401 ? 'Bearer realm="keystay"' : undefined,
  }
}
