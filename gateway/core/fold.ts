import { attemptStarts, attemptEnds, found, takenOver } from './fold/attempt.ts'
import { opens } from './fold/open.ts'
import { approves, cancels, expires, rejects, settlesByPerson } from './fold/people.ts'
import { policyClosed, policyLoaded } from './fold/policy.ts'
import { denied, ended, ends, issued, switched, used } from './fold/session.ts'
import type { Operation, ResultOf } from './operations.ts'
import { write } from './working.ts'
import type { Touches, Working } from './working.ts'

/**
 * The state machine: one operation on what the batch has loaded. Nothing here reads a clock, a database or a random
 * source, so the same code decides live, in a simulation, and on any database.
 *
 * @throws Error on a bug only; the writer then keeps nothing of this operation.
 */
export function fold<O extends Operation>(working: Working, operation: O): ResultOf<O> {
  return dispatch(working, operation) as ResultOf<O>
}

function dispatch(working: Working, operation: Operation): ResultOf<Operation> {
  switch (operation.op) {
    case 'admit':
      return opens(working, operation)
    case 'approve':
      return approves(working, operation)
    case 'reject':
      return rejects(working, operation)
    case 'cancel':
      return cancels(working, operation)
    case 'expire':
      return { ...expires(working), ended: ends(working) }
    case 'start':
      return attemptStarts(working, operation)
    case 'settle':
      return attemptEnds(working, operation)
    case 'reconcile':
      return found(working, operation)
    case 'take_over':
      return takenOver(working, operation)
    case 'person_settles':
      return settlesByPerson(working, operation)
    case 'session.issue':
      return issued(working, operation)
    case 'session.deny':
      return denied(working, operation)
    case 'session.end':
      return ended(working, operation)
    case 'session.use':
      return used(working, operation)
    case 'switch':
      return switched(working, operation)
    case 'policy':
      return policyLoaded(working, operation)
    case 'policy.close':
      return policyClosed(working)
    case 'note':
      return { entry: write(working, operation.kind, operation.fields) }
  }
}

/** What must be loaded before this operation can be folded. */
export function touches(operation: Operation): Touches {
  switch (operation.op) {
    case 'admit': {
      const { plan, key, principal } = operation
      const limits = [...plan.want, plan.attempts, plan.holds].map(({ limit }) => limit)
      const keys = key === null ? [] : [{ principal, role: plan.role, action: plan.action, key }]
      return { keys, limits, sessions: [operation.session] }
    }
    case 'approve': {
      const { plan } = operation
      return { calls: [operation.call], limits: [...plan.want, plan.attempts, plan.holds].map(({ limit }) => limit) }
    }
    case 'reject':
    case 'cancel':
    case 'start':
    case 'settle':
    case 'reconcile':
    case 'take_over':
    case 'person_settles':
      return { calls: [operation.call] }
    case 'expire':
      return { due: true }
    case 'session.issue': {
      const { session, renews } = operation
      const proofs = [session, session.actor].flatMap((proof) =>
        proof === undefined || proof.jti === null ? [] : [{ issuer: proof.issuer, jti: proof.jti }],
      )
      return {
        livePrincipal: session.principal,
        proofs,
        ...(renews === undefined ? {} : { renewalOf: renews.session }),
      }
    }
    case 'session.end': {
      const { session, reason } = operation
      return reason === 'logout' ? { sessions: [session] } : { sessions: [session], lineageOf: session }
    }
    case 'session.use':
      return { sessions: [operation.session, operation.renews] }
    case 'policy': {
      const { seeds = [] } = operation
      const limits = seeds.flatMap(({ wants }) => wants.map(({ want }) => want.limit))
      return { definitions: true, calls: seeds.map(({ call }) => call), limits: [...new Set(limits)] }
    }
    case 'session.deny':
    case 'switch':
    case 'policy.close':
    case 'note':
      return {}
  }
}

export type { Touches, Working } from './working.ts'
