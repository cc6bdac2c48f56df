import type { Json, Person } from './types.ts'

/**
 * A credential of WebAuthn that a person registered: public things alone, the private key never leaves its authenticator.
 * https://www.w3.org/TR/webauthn-3/
 */
export interface Passkey {
  /** SHA-256 of the credential's id, hex: how ledger and API name it. */
  readonly id: string
  /** As its authenticator names it, base64url. */
  readonly credential: string
  /** Whose it is: `issuer:person`. */
  readonly person: string
  /** Any verifier's: SubjectPublicKeyInfo (RFC 5280), base64url. */
  readonly public_key: string
  /** The same as the authenticator gave it (COSE, RFC 9052), base64url. */
  readonly cose: string
  /** How often the authenticator says it was used; 0 of those that do not count. */
  readonly counter: number
  readonly transports: readonly string[]
  /** The kind of authenticator, as it says itself: nothing proves it. */
  readonly aaguid: string
  /** It may be copied to other devices of its owner. */
  readonly synced: boolean
  /** The name that it is bound to (rpID). */
  readonly rp: string
  /** What its owner calls it. */
  readonly name: string
  readonly added_at: number
  readonly used_at: number | null
}

/** More of one person are not kept at once. */
export const PASSKEYS_MAX = 20

/** What an authenticator signed, as a browser tells it (WebAuthn, section 5.1: the JSON of a PublicKeyCredential); base64url. */
export interface Assertion {
  readonly id: string
  readonly client_data: string
  readonly authenticator_data: string
  readonly signature: string
  /** Only of passkeys that know their owner. */
  readonly user_handle: string | null
}

/** What an authenticator answers when it makes a passkey. */
export interface Attestation {
  readonly id: string
  readonly client_data: string
  readonly attestation_object: string
  readonly transports: readonly string[]
}

/** Where passkeys can be used: the page's address, and the name in it that they are bound to. */
export interface PasskeyPlace {
  readonly url: string
  readonly rp: string
}

export type MadePasskey = Omit<Passkey, 'person' | 'name' | 'added_at' | 'used_at'>
/** `why`: for the person, and for the ledger. */
export type Refused = { readonly ok: false; readonly why: string }

/** Both ceremonies of WebAuthn, the gateway's side. No store, no clock: whatever lives long is its caller's. */
export interface Ceremonies {
  /** null where people's listener has no name that a passkey could be bound to. */
  place(): PasskeyPlace | null
  /** PublicKeyCredentialCreationOptionsJSON. @param handle 32 bytes that stand for the person, base64url. */
  creation(person: Person, handle: string, existing: readonly Passkey[], challenge: string): Promise<Json>
  /** PublicKeyCredentialRequestOptionsJSON. */
  request(passkeys: readonly Passkey[], challenge: string): Promise<Json>
  register(
    attestation: Attestation,
    challenge: string,
  ): Promise<{ readonly ok: true; readonly made: MadePasskey } | Refused>
  /** That this passkey signed this challenge here, with its owner verified. */
  check(assertion: Assertion, passkey: Passkey, challenge: string, handle: string): Promise<Checked | Refused>
}
/** `text`: what is kept of it beside the ledger (assertion.ts). */
export interface Checked {
  readonly ok: true
  readonly counter: number
  readonly text: string
}

/** A passkey's word within an operation: checked before, and held against the passkey as it stands in the transaction. */
export interface PasskeyWord {
  readonly passkey: string
  readonly added_at: number
  readonly counter: number
}

/** A person's own, by the browser that they are in: `person.passkey_added`. */
export interface AddPasskey {
  readonly op: 'passkey.add'
  readonly visit: string
  readonly challenge: string
  readonly passkey: Omit<Passkey, 'added_at' | 'used_at'>
}
/** `not_fresh`: they have not signed in or confirmed lately. `no_challenge`: another one, or too late. */
export type PasskeyAdded =
  | { readonly kind: 'added'; readonly passkey: Passkey }
  | { readonly kind: 'no_visit' | 'not_fresh' | 'no_challenge' | 'known' | 'too_many' }

/** By its owner, or by whoever may freeze: `person.passkey_removed`. */
export interface RemovePasskey {
  readonly op: 'passkey.remove'
  readonly passkey: string
  readonly by: string
  readonly reason: string | null
  /** The browser of its owner, who must have signed in lately; null where somebody else removes it. */
  readonly visit: string | null
}
export type PasskeyRemoved =
  | { readonly kind: 'removed'; readonly passkey: Passkey }
  | { readonly kind: 'none' | 'not_fresh' }

/** A person confirms with a passkey that it is them: as good as a sign-in of this moment. */
export interface ConfirmVisit {
  readonly op: 'visit.confirm'
  readonly visit: string
  readonly person: string
  readonly challenge: string
  readonly word: PasskeyWord
}
export type VisitConfirmed = { readonly kind: 'confirmed' | 'no_challenge' | 'refused' }

export type PasskeyOperation = AddPasskey | RemovePasskey | ConfirmVisit
export type ResultOfPasskey<O extends PasskeyOperation> = O extends AddPasskey
  ? PasskeyAdded
  : O extends RemovePasskey
    ? PasskeyRemoved
    : VisitConfirmed

/** What a counter that does not go on means. */
export const COPIED = 'its counter does not go on: it was sent before, or the passkey was copied'

/**
 * Whether a counter goes on from the last one (WebAuthn, section 6.1.1). One that does not is a copy of the authenticator;
 * those that never count say 0.
 */
export function goesOn(before: number, now: number): boolean {
  return (before === 0 && now === 0) || now > before
}
