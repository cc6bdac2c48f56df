declare module 'stripe-stateful-mock' {
  import type { Application } from 'express'
  /** A stateful imitation of Stripe's API by another maker; it publishes no types. */
  export function createExpressApp(): Application
}
