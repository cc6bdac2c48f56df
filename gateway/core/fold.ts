import { attemptStarts, attemptEnds, found, takenOver } from './fold/attempt.ts'
import { opens } from './fold/open.ts'
import { handsOut, joinsFirst } from './fold/join.ts'
import { leaseEnds, leaseNoted, takes } from './fold/lease.ts'
import { noticeIsRetried, noticeIsSettled, noticesAreClaimed, waitsBegin, waitsEnd } from './fold/notice.ts'
import { approves, cancels, expires, rejects, settlesByPerson } from './fold/people.ts'
import { policyClosed, policyLoaded } from './fold/policy.ts'
import { passkeyIsAdded, passkeyIsRemoved, visitIsConfirmed } from './fold/passkey.ts'
import { denied, ended, ends, issued, switched, used } from './fold/session.ts'
import {
  consentIsAsked,
  consentIsDecided,
  consentIsPolled,
  visitEnds,
  visitIsChallenged,
  visitIsUsed,
  visitOpens,
} from './fold/visit.ts'
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
    case 'join':
      return joinsFirst(working, operation)
    case 'hand_out':
      return handsOut(working, operation)
    case 'approve':
      return approves(working, operation)
    case 'take':
      return takes(working, operation)
    case 'lease.note':
      return leaseNoted(working, operation)
    case 'lease.end':
      return leaseEnds(working, operation)
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
    case 'visit.open':
      return visitOpens(working, operation)
    case 'visit.use':
      return visitIsUsed(working, operation)
    case 'visit.end':
      return visitEnds(working, operation)
    case 'visit.challenge':
      return visitIsChallenged(working, operation)
    case 'visit.confirm':
      return visitIsConfirmed(working, operation)
    case 'passkey.add':
      return passkeyIsAdded(working, operation)
    case 'passkey.remove':
      return passkeyIsRemoved(working, operation)
    case 'consent.ask':
      return consentIsAsked(working, operation)
    case 'consent.decide':
      return consentIsDecided(working, operation)
    case 'consent.poll':
      return consentIsPolled(working, operation)
    case 'wait.begin':
      return waitsBegin(working, operation)
    case 'wait.end':
      return waitsEnd(working, operation)
    case 'notice.claim':
      return noticesAreClaimed(working, operation)
    case 'notice.settle':
      return noticeIsSettled(working, operation)
    case 'notice.retry':
      return noticeIsRetried(working, operation)
    case 'note':
      return { entry: write(working, operation.kind, operation.fields) }
  }
}

/** What must be loaded before this operation can be folded. */
export function touches(operation: Operation): Touches {
  switch (operation.op) {
    case 'admit': {
      const { plan, key, principal, fingerprint, join } = operation
      const { role, action } = plan
      const limits = [...plan.want, plan.attempts, plan.holds].map(({ limit }) => limit)
      const keys = key === null ? [] : [{ principal, role, action, key }]
      const unnamed = join === 'invented' ? [{ principal, role, action, key, fingerprint }] : []
      return { keys, unnamed, limits, sessions: [operation.session] }
    }
    case 'join': {
      const { principal, role, action, key } = operation
      return { keys: key === null ? [] : [{ principal, role, action, key }], unnamed: [operation] }
    }
    case 'approve': {
      const { plan, passkey } = operation
      return {
        calls: [operation.call],
        limits: [...plan.want, plan.attempts, plan.holds].map(({ limit }) => limit),
        ...(passkey === undefined ? {} : { passkeys: [passkey.passkey] }),
      }
    }
    case 'take': {
      const { call, session, plan } = operation
      const limits = [...plan.want, plan.attempts, plan.holds].map(({ limit }) => limit)
      return { calls: [call], sessions: [session], limits }
    }
    case 'lease.end':
      return { leaseEnd: operation.call }
    case 'lease.note':
      return { calls: [operation.call] }
    case 'settle':
    case 'reconcile':
      return { calls: [operation.call], leases: operation.lease === undefined ? [] : [operation.call] }
    case 'hand_out':
    case 'reject':
    case 'cancel':
    case 'start':
    case 'take_over':
    case 'person_settles':
      return { calls: [operation.call] }
    case 'expire':
      return { due: true }
    case 'session.issue': {
      const { session, renews, consent } = operation
      const proofs = [session, session.actor].flatMap((proof) =>
        proof === undefined || proof.jti === null ? [] : [{ issuer: proof.issuer, jti: proof.jti }],
      )
      return {
        livePrincipal: session.principal,
        proofs,
        ...(renews === undefined ? {} : { renewalOf: renews.session }),
        ...(consent === undefined ? {} : { consents: [consent] }),
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
    case 'visit.use':
    case 'visit.end':
    case 'visit.challenge':
      return { visits: [operation.visit] }
    case 'visit.confirm':
      return { visits: [operation.visit], passkeys: [operation.word.passkey] }
    case 'passkey.add': {
      const { visit, passkey } = operation
      return { visits: [visit], passkeys: [passkey.id], passkeysOf: passkey.person }
    }
    case 'passkey.remove':
      return { passkeys: [operation.passkey], visits: operation.visit === null ? [] : [operation.visit] }
    case 'consent.ask': {
      const { user_code } = operation.consent
      return user_code === null ? {} : { userCode: user_code }
    }
    case 'consent.decide':
    case 'consent.poll':
      return { consents: [operation.consent] }
    case 'wait.begin': {
      const calls = operation.waits.map(({ wait }) => wait.call)
      return { calls, told: calls }
    }
    case 'wait.end':
      return { calls: operation.calls, told: operation.calls }
    case 'notice.claim':
      return { told: operation.notices.map(({ call }) => call) }
    case 'notice.settle':
    case 'notice.retry':
      return { told: [operation.call] }
    case 'visit.open':
    case 'session.deny':
    case 'switch':
    case 'policy.close':
    case 'note':
      return {}
  }
}

export type { Touches, Working } from './working.ts'
