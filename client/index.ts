/** `keystay/client`: ask a Keystay gateway for actions. No key, one short-lived token that nothing prints. */
export { connect } from './connect.ts'
export type { ConnectOptions } from './connect.ts'
export type { Gateway } from './gateway.ts'
export type { ActionType, ActionTypes, ActionView, AnyActions, Asked, CallOptions } from './actions.ts'
export { exec, gitHubActions, kubernetes, tokenFile } from './identity.ts'
export type { Identity } from './identity.ts'
export { KeystayError } from './error.ts'
export type {
  Cancelled,
  Denied,
  Done,
  Expired,
  Failed,
  Held,
  NeedsHuman,
  NotSent,
  Outcome,
  Refused,
  Rejected,
  Running,
  Unknown,
} from './outcome.ts'
