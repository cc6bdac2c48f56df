import type { Json } from './types.ts'

export type Retry = 'never' | 'same_key' | 'after' | 'after_approval' | 'fix_input'

/** The closed list of error codes. docs/errors.md is generated from it; a test keeps list, code and pages equal. */
export const PROBLEMS = {
  malformed: { status: 400, title: 'The request cannot be read', retry: 'fix_input' },
  key_required: { status: 400, title: 'A write needs an Idempotency-Key', retry: 'fix_input' },
  token_missing: { status: 401, title: 'No session token was sent', retry: 'never' },
  token_invalid: { status: 401, title: 'The token is not one of ours', retry: 'never' },
  session_expired: { status: 401, title: 'The session has expired', retry: 'never' },
  session_revoked: { status: 401, title: 'The session has ended', retry: 'never' },
  not_granted: { status: 403, title: 'This role has no such action', retry: 'never' },
  denied: { status: 403, title: 'The policy refuses this call', retry: 'never' },
  frozen: { status: 403, title: 'People have frozen this', retry: 'after' },
  not_eligible: { status: 403, title: 'You may not do this', retry: 'never' },
  own_call: { status: 403, title: 'Nobody decides about a call of their own', retry: 'never' },
  passkey_required: { status: 403, title: 'This decision needs a passkey', retry: 'never' },
  no_such_call: { status: 404, title: 'There is no such call', retry: 'never' },
  no_such_route: { status: 404, title: 'There is nothing at this address', retry: 'never' },
  too_slow: { status: 408, title: 'The request came too slowly', retry: 'same_key' },
  rejected: { status: 409, title: 'A person said no', retry: 'never' },
  expired: { status: 409, title: 'Nobody decided in time', retry: 'never' },
  cancelled: { status: 409, title: 'The call was cancelled', retry: 'never' },
  lease_already_given: { status: 409, title: 'The credential was given once', retry: 'never' },
  already_decided: { status: 409, title: 'The call is decided already', retry: 'never' },
  card_changed: { status: 409, title: 'What would be approved has changed', retry: 'never' },
  too_large: { status: 413, title: 'The request is too large', retry: 'fix_input' },
  not_json: { status: 415, title: 'The body must be JSON in UTF-8', retry: 'fix_input' },
  input_invalid: { status: 422, title: 'The input does not fit the schema', retry: 'fix_input' },
  key_reused: { status: 422, title: 'This key names another call', retry: 'fix_input' },
  backend_refused: { status: 424, title: 'The backend said no', retry: 'never' },
  rate_limited: { status: 429, title: 'Too many for now', retry: 'after' },
  exchange_broken: { status: 502, title: 'The stream did not come to its end', retry: 'never' },
  internal: { status: 500, title: 'A fault of ours', retry: 'same_key' },
  ledger_unavailable: { status: 503, title: 'The ledger cannot be written', retry: 'same_key' },
  backend_unavailable: { status: 503, title: 'The backend cannot be reached', retry: 'same_key' },
  secret_unavailable: { status: 503, title: 'A credential cannot be had', retry: 'same_key' },
  overloaded: { status: 503, title: 'Too much work is waiting', retry: 'same_key' },
} as const satisfies Record<string, { status: number; title: string; retry: Retry }>

export type Code = keyof typeof PROBLEMS

/** Members of the problem body beside type, title, status, code and detail (RFC 9457, section 3.2). */
export interface ProblemMembers {
  readonly call?: string
  readonly because?: readonly string[]
  readonly errors?: readonly {
    readonly path: string
    readonly got: string
    readonly want: string
    readonly example?: Json
  }[]
  readonly retry?: Retry
  /** Seconds. */
  readonly retry_after?: number
  readonly next?: readonly string[]
  readonly entry?: string
  readonly resets_at?: string
}

export interface ProblemBody extends ProblemMembers {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly code: Code
  readonly detail: string
  readonly retry: Retry
}

/** An answer that is not a call's envelope. `message` is for the public; `cause` stays inside. */
export class Problem extends Error {
  override readonly name = 'Problem'
  readonly code: Code
  readonly members: ProblemMembers

  constructor(code: Code, detail: string, members: ProblemMembers = {}, options?: ErrorOptions) {
    super(detail, options)
    this.code = code
    this.members = members
  }

  get status(): number {
    return PROBLEMS[this.code].status
  }

  body(): ProblemBody {
    return problemBody(this.code, this.message, this.members)
  }
}

/** @returns the RFC 9457 body of a code. */
export function problemBody(code: Code, detail: string, members: ProblemMembers = {}): ProblemBody {
  const { status, title, retry } = PROBLEMS[code]
  return { type: `urn:keystay:error:${code}`, title, status, code, detail, retry, ...members }
}
