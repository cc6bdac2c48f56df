import { challengeAt } from '../visit.ts'
import { write } from '../working.ts'
import type { Working } from '../working.ts'
import type {
  AskConsent,
  ChallengeVisit,
  Consent,
  ConsentAsked,
  ConsentNow,
  DecideConsent,
  EndVisit,
  OpenVisit,
  PollConsent,
  UseVisit,
  Visit,
} from '../visit.ts'

export function visitOpens(working: Working, operation: OpenVisit): { entry: string; visit: Visit } {
  const { visit: draft, lifetime_ms, person, by, replaces } = operation
  const { now } = working
  const visit: Visit = { ...draft, begun_at: now, seen_at: now, expires_at: now + lifetime_ms }
  if (replaces !== null) putVisit(working, replaces, null)
  putVisit(working, visit.id, visit)
  const { issuer, proof } = visit.proven
  return { entry: write(working, 'person.signed_in', { person, issuer, proof, by }), visit }
}

export function visitIsUsed(working: Working, operation: UseVisit): { visit: Visit | null } {
  const visit = working.visits.get(operation.visit)
  if (visit === undefined) return { visit: null }
  const seen = { ...visit, seen_at: working.now }
  putVisit(working, visit.id, seen)
  return { visit: seen }
}

export function visitIsChallenged(working: Working, operation: ChallengeVisit): { visit: Visit | null } {
  const visit = working.visits.get(operation.visit)
  if (visit === undefined) return { visit: null }
  const challenged = { ...visit, challenge: challengeAt(working.now, operation.challenge) }
  putVisit(working, visit.id, challenged)
  return { visit: challenged }
}

export function visitEnds(working: Working, operation: EndVisit): { visit: Visit | null } {
  const visit = working.visits.get(operation.visit)
  if (visit !== undefined) putVisit(working, visit.id, null)
  return { visit: visit ?? null }
}

export function consentIsAsked(working: Working, operation: AskConsent): ConsentAsked {
  const { consent: draft, lifetime_ms } = operation
  const { now } = working
  const same = [...working.consents.values()].find(({ user_code }) => {
    return user_code !== null && user_code === draft.user_code
  })
  if (same !== undefined) return { kind: 'again' }
  const times = { asked_at: now, expires_at: now + lifetime_ms, polled_at: null }
  return { kind: 'asked', consent: putConsent(working, { ...draft, ...times, session: null }) }
}

export function consentIsDecided(working: Working, operation: DecideConsent): ConsentNow {
  const consent = working.consents.get(operation.consent)
  if (consent === undefined) return { kind: 'over', consent: null }
  if (consent.state !== 'asked' || consent.expires_at <= working.now) return { kind: 'over', consent }
  const { yes, by, principal } = operation
  if (yes) return { kind: 'ok', consent: putConsent(working, { ...consent, state: 'given', given_by: by }) }
  const { role, client } = consent
  const reason = 'the person refused'
  write(working, 'session.denied', { role, requester: principal, issuer: by.issuer, reason, client })
  return { kind: 'ok', consent: putConsent(working, { ...consent, state: 'refused' }) }
}

/** RFC 8628, section 3.5: whoever polls too soon waits longer from then on. */
export function consentIsPolled(working: Working, operation: PollConsent): ConsentNow {
  const consent = working.consents.get(operation.consent)
  if (consent === undefined) return { kind: 'over', consent: null }
  const { polled_at, interval_ms } = consent
  // Who has an answer to fetch is not too soon.
  const soon = consent.state === 'asked' && polled_at !== null && working.now < polled_at + interval_ms
  const slower = soon ? Math.min(interval_ms + operation.slower_ms, INTERVAL_MAX_MS) : interval_ms
  const polled = putConsent(working, { ...consent, polled_at: working.now, interval_ms: slower })
  return { kind: soon ? 'slow_down' : 'ok', consent: polled }
}

const INTERVAL_MAX_MS = 60_000

/** The consent that a session is to be issued for, while it is good for one. */
export function consentFor(working: Working, id: string): Consent | null {
  const consent = working.consents.get(id)
  return consent?.state === 'given' && consent.expires_at > working.now ? consent : null
}

/** It brought its one session; whose it was stands with that. */
export function consentIsTaken(working: Working, consent: Consent, session: string): void {
  putConsent(working, { ...consent, state: 'taken', session, given_by: null })
}

export function putVisit(working: Working, id: string, visit: Visit | null): void {
  if (visit === null) working.visits.delete(id)
  else working.visits.set(id, visit)
  working.changed.visits.add(id)
}

function putConsent(working: Working, consent: Consent): Consent {
  working.consents.set(consent.id, consent)
  working.changed.consents.add(consent.id)
  return consent
}
