import { COPIED, goesOn, PASSKEYS_MAX } from '../passkey.ts'
import type {
  AddPasskey,
  ConfirmVisit,
  Passkey,
  PasskeyAdded,
  PasskeyRemoved,
  PasskeyWord,
  RemovePasskey,
  VisitConfirmed,
} from '../passkey.ts'
import { sha256Of } from '../assertion.ts'
import { freshUntil } from '../visit.ts'
import type { Visit } from '../visit.ts'
import { write } from '../working.ts'
import type { Working } from '../working.ts'
import { putVisit } from './visit.ts'

/** A person registers a passkey of their own, lately signed in. Whoever has only their cookie does not get this far. */
export function passkeyIsAdded(working: Working, operation: AddPasskey): PasskeyAdded {
  const { now } = working
  const visit = working.visits.get(operation.visit)
  if (visit === undefined) return { kind: 'no_visit' }
  if (!isFresh(working, visit)) return { kind: 'not_fresh' }
  if (!answers(working, visit, 'register', operation.challenge)) return { kind: 'no_challenge' }
  putVisit(working, visit.id, withoutChallenge(visit))
  const { passkey: draft } = operation
  if (working.passkeys.has(draft.id)) return { kind: 'known' }
  const theirs = [...working.passkeys.values()].filter(({ person }) => person === draft.person)
  if (theirs.length >= PASSKEYS_MAX) return { kind: 'too_many' }
  const passkey: Passkey = { ...draft, added_at: now, used_at: null }
  put(working, passkey.id, passkey)
  const { id, person, public_key, aaguid, synced, rp } = passkey
  write(working, 'person.passkey_added', {
    person,
    credential: `sha256:${id}`,
    key: sha256Of(public_key, 'base64url'),
    aaguid,
    synced,
    rp,
    // Of which sign-in, and how it was fresh.
    proof: visit.proven.proof,
    confirmed: (visit.confirmed_at ?? 0) > (visit.auth_at ?? 0) ? 'passkey' : 'sign_in',
  })
  return { kind: 'added', passkey }
}

export function passkeyIsRemoved(working: Working, operation: RemovePasskey): PasskeyRemoved {
  const passkey = working.passkeys.get(operation.passkey)
  if (passkey === undefined) return { kind: 'none' }
  if (operation.visit !== null) {
    const visit = working.visits.get(operation.visit)
    if (passkey.person !== operation.by) return { kind: 'none' }
    if (visit === undefined || !isFresh(working, visit)) return { kind: 'not_fresh' }
  }
  put(working, passkey.id, null)
  const { by, reason } = operation
  const { person, id } = passkey
  const fields = { person, credential: `sha256:${id}`, by }
  write(working, 'person.passkey_removed', reason === null ? fields : { ...fields, reason })
  return { kind: 'removed', passkey }
}

export function visitIsConfirmed(working: Working, operation: ConfirmVisit): VisitConfirmed {
  const visit = working.visits.get(operation.visit)
  if (visit === undefined || !answers(working, visit, 'confirm', operation.challenge)) return { kind: 'no_challenge' }
  const { word } = operation
  if (wordProblem(working, word, operation.person) !== null) return { kind: 'refused' }
  passkeyIsUsed(working, word)
  putVisit(working, visit.id, { ...withoutChallenge(visit), confirmed_at: working.now })
  return { kind: 'confirmed' }
}

/** Why a passkey's word does not count for this person as things stand in this transaction; null: it does. */
export function wordProblem(working: Working, word: PasskeyWord, person: string): string | null {
  const passkey = working.passkeys.get(word.passkey)
  if (passkey?.person !== person || passkey.added_at !== word.added_at) return 'the passkey was removed meanwhile'
  if (!goesOn(passkey.counter, word.counter)) return COPIED
  return null
}

export function passkeyIsUsed(working: Working, { passkey: id, counter }: PasskeyWord): void {
  const passkey = working.passkeys.get(id)
  if (passkey !== undefined) put(working, id, { ...passkey, counter, used_at: working.now })
}

/** Once, for what it was given, in its time. */
function answers(working: Working, { challenge }: Visit, what: 'register' | 'confirm', value: string): boolean {
  return challenge != null && challenge.for === what && challenge.value === value && working.now < challenge.expires_at
}

function isFresh(working: Working, visit: Visit): boolean {
  return working.now < freshUntil(visit)
}

function withoutChallenge(visit: Visit): Visit {
  return { ...visit, challenge: null }
}

function put(working: Working, id: string, passkey: Passkey | null): void {
  if (passkey === null) working.passkeys.delete(id)
  else working.passkeys.set(id, passkey)
  working.changed.passkeys.add(id)
}
