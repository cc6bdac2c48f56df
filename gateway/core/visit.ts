import type { JsonObject } from './types.ts'

/** What an issuer of people proved of somebody, as it was verified. Rights are read from it anew with each click. */
export interface Proven {
  /** The issuer's name in identity.yaml. */
  readonly issuer: string
  readonly subject: string
  readonly claims: JsonObject
  /** `sha256:…` of the token. */
  readonly proof: string
}

/** A person who signed in with a browser, until they leave or their time is over. */
export interface Visit {
  /** SHA-256 of the cookie, hex. */
  readonly id: string
  readonly proven: Proven
  /** When the issuer last asked for their credentials, ms; null where it does not say. What a step-up goes by. */
  readonly auth_at: number | null
  /** When they last confirmed with a passkey that it is them, ms. */
  readonly confirmed_at?: number | null
  /** What a passkey of theirs is to sign next, once. */
  readonly challenge?: Challenge | null
  readonly begun_at: number
  /** Of the last request, within a minute; ms. */
  readonly seen_at: number
  readonly expires_at: number
}

/** `register`: a new passkey. `confirm`: that it is them. */
export interface Challenge {
  readonly for: 'register' | 'confirm'
  /** 32 random bytes, base64url. */
  readonly value: string
  readonly expires_at: number
}

const FRESH_MS = 5 * 60_000
const CHALLENGE_MS = 5 * 60_000

/** Until when they count as having proved just now who they are, ms; what a stolen cookie alone cannot bring about. */
export function freshUntil({ auth_at, confirmed_at, begun_at }: Visit): number {
  // An issuer may tell what it likes: it asked for them before this visit began.
  const said = auth_at === null ? 0 : Math.min(auth_at, begun_at)
  return Math.max(said, confirmed_at ?? 0) + FRESH_MS
}

/**
 * A person's word on a program that wants to hold a role as them: asked by the program and decided later (device flow), or
 * given at once and fetched (authorization code). It brings one session, once.
 */
export interface Consent {
  /** SHA-256 of the device code or of the authorization code, hex. */
  readonly id: string
  /** SHA-256 of what the person types; null for an authorization code. */
  readonly user_code: string | null
  readonly client: string
  readonly role: string
  /** The address that asked; null where the person's own browser did. */
  readonly source: string | null
  /** What a code is bound to beside its client. */
  readonly bound: { readonly redirect_uri: string; readonly challenge: string } | null
  readonly asked_at: number
  readonly expires_at: number
  /** Of the last poll, ms. */
  readonly polled_at: number | null
  /** How long a client waits between polls; grows with each one that comes too soon. */
  readonly interval_ms: number
  readonly state: 'asked' | 'given' | 'refused' | 'taken'
  /** Who gave it; forgotten once it is taken. */
  readonly given_by: Proven | null
  /** The session that it brought. */
  readonly session: string | null
}

/** A person has signed in: `person.signed_in`. */
export interface OpenVisit {
  readonly op: 'visit.open'
  readonly visit: Omit<Visit, 'begun_at' | 'seen_at' | 'expires_at'>
  readonly lifetime_ms: number
  /** `issuer:person`. */
  readonly person: string
  /** The issuer's own page, or a one-time link of `--dev`. */
  readonly by: 'issuer' | 'link'
  /** The visit of the same browser that ends with it. */
  readonly replaces: string | null
}
/** They are still there. */
export interface UseVisit {
  readonly op: 'visit.use'
  readonly visit: string
}
export interface EndVisit {
  readonly op: 'visit.end'
  readonly visit: string
}
/** A passkey of theirs is about to sign something; what was to be signed before is not any more. */
export interface ChallengeVisit {
  readonly op: 'visit.challenge'
  readonly visit: string
  readonly challenge: Omit<Challenge, 'expires_at'>
}

/** A consent is asked for, or given at once. */
export interface AskConsent {
  readonly op: 'consent.ask'
  readonly consent: Omit<Consent, 'asked_at' | 'expires_at' | 'polled_at' | 'session'>
  readonly lifetime_ms: number
}
/** `again`: somebody else has that user code just now. */
export type ConsentAsked = { readonly kind: 'asked'; readonly consent: Consent } | { readonly kind: 'again' }

/** A person's word on what was asked; a no is `session.denied`. */
export interface DecideConsent {
  readonly op: 'consent.decide'
  readonly consent: string
  readonly yes: boolean
  readonly by: Proven
  readonly principal: string
}
/** A client looks whether there is a word yet. */
export interface PollConsent {
  readonly op: 'consent.poll'
  readonly consent: string
  /** By how much the interval grows where it comes too soon. */
  readonly slower_ms: number
}
/** As it stands now; null when there is none. `over`: too late, or decided before. `slow_down`: polled too soon. */
export interface ConsentNow {
  readonly kind: 'ok' | 'over' | 'slow_down'
  readonly consent: Consent | null
}

export type VisitOperation = OpenVisit | UseVisit | EndVisit | ChallengeVisit | AskConsent | DecideConsent | PollConsent

export type ResultOfVisit<O extends VisitOperation> = O extends AskConsent
  ? ConsentAsked
  : O extends DecideConsent | PollConsent
    ? ConsentNow
    : O extends OpenVisit
      ? { readonly entry: string; readonly visit: Visit }
      : { readonly visit: Visit | null }

/** @returns the challenge as it is kept. */
export function challengeAt(now: number, challenge: Omit<Challenge, 'expires_at'>): Challenge {
  return { ...challenge, expires_at: now + CHALLENGE_MS }
}
