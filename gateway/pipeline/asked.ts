import type { Policy, Session } from '../core/types.ts'
import type { CallRequest } from './gateway.ts'

/** One call on its way in. */
export interface Asked {
  readonly id: string
  readonly session: Session
  readonly request: CallRequest
  readonly policy: Policy
}
